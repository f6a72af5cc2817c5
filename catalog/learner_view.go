package catalog

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What is the learner's own: the callers of these functions know that who is asking. The key of an item is the course (progress:
// course/lesson); lists are in order of key.

// MyReview is a learner's review of a course.
type MyReview struct {
	Course CourseID
	Stored[Review]
}

// MyEnrollment is a learner's enrollment in a course, perhaps withdrawn.
type MyEnrollment struct {
	Course CourseID
	Stored[Enrollment]
}

// MyProgress is a learner's progress in a lesson.
type MyProgress struct {
	Course CourseID
	Lesson string
	Stored[Progress]
}

// MyBookmark is a learner's mark on a course.
type MyBookmark struct {
	Course CourseID
	Stored[Bookmark]
}

// listMine lists what a learner has of a kind; item makes an item of the key without the learner.
func listMine[T, I any](ctx context.Context, c *Catalog, kind coursesync.Kind, who LearnerID, p Page, item func(key string, s Stored[T]) I) (List[I], error) {
	var list List[I]
	err := c.View(ctx, func(v *View) error {
		l := lister[I]{limit: p.limit()}
		prefix, after := learnerPrefix(who), ""
		if p.After != "" {
			after = prefix + nfc(p.After)
		}
		for ch := range entities(v, kind, prefix, after) {
			s, err := decode[T](ch)
			if err != nil {
				return err
			}
			key := strings.TrimPrefix(ch.Key, prefix)
			if !l.add(key, item(key, s)) {
				break
			}
		}
		list = l.list
		return nil
	})
	return list, err
}

// MyReviews lists a learner's reviews.
func (c *Catalog) MyReviews(ctx context.Context, who LearnerID, p Page) (List[MyReview], error) {
	return listMine(ctx, c, KindReview, who, p, func(key string, s Stored[Review]) MyReview {
		return MyReview{CourseID(key), s}
	})
}

// MyEnrollments lists a learner's enrollments, in any state.
func (c *Catalog) MyEnrollments(ctx context.Context, who LearnerID, p Page) (List[MyEnrollment], error) {
	return listMine(ctx, c, KindEnrollment, who, p, func(key string, s Stored[Enrollment]) MyEnrollment {
		return MyEnrollment{CourseID(key), s}
	})
}

// MyProgress lists a learner's progress, by course and lesson.
func (c *Catalog) MyProgress(ctx context.Context, who LearnerID, p Page) (List[MyProgress], error) {
	return listMine(ctx, c, KindProgress, who, p, func(key string, s Stored[Progress]) MyProgress {
		course, lesson, _ := strings.Cut(key, "/")
		return MyProgress{CourseID(course), lesson, s}
	})
}

// MyBookmarks lists a learner's bookmarks.
func (c *Catalog) MyBookmarks(ctx context.Context, who LearnerID, p Page) (List[MyBookmark], error) {
	return listMine(ctx, c, KindBookmark, who, p, func(key string, s Stored[Bookmark]) MyBookmark {
		return MyBookmark{CourseID(key), s}
	})
}

// MyReview returns a learner's review of a course, and whether there is one.
func (v *View) MyReview(who LearnerID, id CourseID) (Stored[Review], bool, error) {
	return load[Review](v, KindReview, ofLearner(who, nfc(id)))
}

// MyEnrollment returns a learner's enrollment in a course, perhaps withdrawn, and whether there is one.
func (v *View) MyEnrollment(who LearnerID, id CourseID) (Stored[Enrollment], bool, error) {
	return load[Enrollment](v, KindEnrollment, ofLearner(who, nfc(id)))
}

// MyBookmark returns a learner's mark on a course, and whether there is one.
func (v *View) MyBookmark(who LearnerID, id CourseID) (Stored[Bookmark], bool, error) {
	return load[Bookmark](v, KindBookmark, ofLearner(who, nfc(id)))
}

// MyProgressAt returns a learner's progress in a lesson, and whether there is any.
func (v *View) MyProgressAt(who LearnerID, id CourseID, lesson string) (Stored[Progress], bool, error) {
	return load[Progress](v, KindProgress, ofLearner(who, nfc(id))+"/"+nfc(lesson))
}

// MyProgressIn returns a learner's progress in a course by lesson; of lessons without there is none.
func (v *View) MyProgressIn(who LearnerID, id CourseID) (map[string]Progress, error) {
	prefix := ofLearner(who, nfc(id)) + "/"
	lessons := map[string]Progress{}
	for ch := range entities(v, KindProgress, prefix, "") {
		s, err := decode[Progress](ch)
		if err != nil {
			return nil, err
		}
		lessons[strings.TrimPrefix(ch.Key, prefix)] = s.Value
	}
	return lessons, nil
}

// ExportItem is one entity of an export.
type ExportItem struct {
	Key     string         `json:"key"` // without the learner
	Version coursesync.Seq `json:"version"`
	At      time.Time      `json:"at"`
	Body    any            `json:"body"` // the JSON that is stored, decoded
}

// Export returns everything held about a learner, by kind, as the log holds it, but for the tokens of devices. It reads the learner's channel and not
// a list of kinds, so that no kind can be forgotten.
func (c *Catalog) Export(ctx context.Context, who LearnerID) (map[coursesync.Kind][]ExportItem, error) {
	export := map[coursesync.Kind][]ExportItem{}
	if !validLearner(who) {
		return export, nil
	}
	prefix := learnerPrefix(who)
	for ch, err := range c.log.Read(ctx, 0, learnerChannel(who)) {
		if err != nil {
			return nil, err
		}
		if ch.Op == coursesync.OpDelete {
			continue
		}
		item := ExportItem{Key: strings.TrimPrefix(ch.Key, prefix), Version: ch.Seq, At: ch.At}
		if ch.Kind == kindAccount {
			item.Key = ""
		}
		if err := json.Unmarshal(ch.Body, &item.Body); err != nil {
			return nil, fault.Wrap("catalog.Export", fault.Corrupt, err).WithFix("%s %q cannot be read; restore a backup", ch.Kind, ch.Key)
		}
		if body, ok := item.Body.(map[string]any); ok && ch.Kind == KindDevice {
			delete(body, fieldToken)
		}
		export[ch.Kind] = append(export[ch.Kind], item)
	}
	return export, nil
}
