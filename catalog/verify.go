package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// Verified is what [Catalog.Verify] found. When the log is damaged, tables are not looked at.
type Verified struct {
	Log     coursesync.Verified
	Courses int // live, in whatever state
	Tables  coursesync.ZeroVerified
}

// bodies says what the body of each kind is decoded into. Settings and guards, of which a reader may ignore those that it does not know, are only JSON.
var bodies = map[coursesync.Kind]func() any{
	KindCourse: func() any { return new(Course) }, KindCourseStats: func() any { return new(CourseStats) },
	KindInstructor: func() any { return new(Instructor) }, KindInstructorStats: func() any { return new(InstructorStats) },
	KindTag: func() any { return new(Tag) }, KindCategory: func() any { return new(Category) },
	KindModule: func() any { return new(Module) }, KindLesson: func() any { return new(Lesson) }, KindAsset: func() any { return new(Asset) },
	KindReview: func() any { return new(Review) }, KindEnrollment: func() any { return new(Enrollment) },
	KindProgress: func() any { return new(Progress) }, KindBookmark: func() any { return new(Bookmark) },
	KindMembership: func() any { return new(Membership) }, KindImport: func() any { return new(ImportRecord) },
	KindErasure: func() any { return new(Erasure) }, KindSynonym: func() any { return new(Synonym) }, KindPin: func() any { return new(Pin) },
}

// Verify reads everything: the log (see [coursesync.Bolt.Verify]), the body of every entity, and the catalog's tables, which are compared with ones that
// are built anew in a file in scratch ("": the system's folder for such). channel, unless nil, gets the digests of each channel's live entities, as a
// client of sync names them. It is for a catalog that is open for looking only.
func (c *Catalog) Verify(ctx context.Context, scratch string, channel func(coursesync.Channel, map[coursesync.Kind]coursesync.Digest) error) (out Verified, err error) {
	out.Log, err = c.log.Verify(ctx, coursesync.VerifyConfig{
		Entity: func(ch *coursesync.Change) error {
			if ch.Kind == KindCourse && ch.Op == coursesync.OpUpsert {
				out.Courses++
			}
			return checkBody(ch)
		},
		ID:      idInChannel,
		Channel: channel,
	})
	if err != nil || out.Log.Wrong.Len() > 0 {
		return out, err
	}
	out.Tables, err = c.log.VerifyZero(ctx, scratch)
	return out, err
}

// checkBody says what is wrong with an entity's body.
func checkBody(ch *coursesync.Change) error {
	if ch.Op == coursesync.OpDelete {
		return nil
	}
	if body := bodies[ch.Kind]; body != nil {
		if err := json.Unmarshal(ch.Body, body()); err != nil {
			return fmt.Errorf("its body cannot be read: %w", err)
		}
		return nil
	}
	if len(ch.Body) > 0 && !json.Valid(ch.Body) {
		return errors.New("its body is no JSON")
	}
	return nil
}

// idInChannel names an entity as clients of its channel do: what is a learner's own goes without the learner.
func idInChannel(ch *coursesync.Change) string {
	if who, ok := strings.CutPrefix(string(ch.Channel), string(learnerChannel(""))); ok {
		return strings.TrimPrefix(ch.Key, learnerPrefix(LearnerID(who)))
	}
	return ch.Key
}
