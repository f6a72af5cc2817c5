package catalog

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What package delta needs to know of channels: which there are, and who reads them.

// ChannelCatalog is the channel of what everyone sees.
const ChannelCatalog = channelCatalog

// OrgChannel is the channel of an organization's own courses; of "" it is [ChannelCatalog].
func OrgChannel(org OrgID) coursesync.Channel { return catalogChannel(inOrg(org, "")) }

// ContentChannel is the channel of a course's modules, lessons and assets.
func ContentChannel(id CourseID) coursesync.Channel { return contentChannel(id) }

// LearnerChannel is the channel of all that is private to a learner.
func LearnerChannel(who LearnerID) coursesync.Channel { return learnerChannel(who) }

// WithoutLearner returns the key of something of a learner's without the learner: "CS101/l1" for "lea/CS101/l1".
func WithoutLearner(key string) string {
	_, rest := splitLearner(key)
	return rest
}

// OfLearner is the key of something of a learner's: the inverse of [WithoutLearner].
func OfLearner(who LearnerID, key string) string { return learnerPrefix(who) + nfc(key) }

// VersionOf returns the version of an entity's last change, also of its tombstone; 0 when there is none. Of one that the transaction wrote it is the one before.
func (tx *Tx) VersionOf(kind coursesync.Kind, key string) coursesync.Seq {
	ch, _ := tx.bv.Get(kind, key)
	return ch.Seq
}

// Wrote reports whether the transaction has written an entity.
func (tx *Tx) Wrote(kind coursesync.Kind, key string) bool {
	_, wrote := tx.overlay.writes[kind][key]
	return wrote
}

// Current returns an entity as the transaction sees it, and whether it is there; it guards that.
func (tx *Tx) Current(kind coursesync.Kind, key string) (coursesync.Change, bool) {
	return tx.get(kind, key)
}

// Touch gives something of a learner's a new version as it is, so that whoever follows the log is told of it again. The learner or an administrator may;
// what is not there stays so.
func (tx *Tx) Touch(who LearnerID, kind coursesync.Kind, key string) error {
	if err := tx.mayActFor("catalog.Touch", who); err != nil {
		return err
	}
	if ch, ok := tx.get(kind, key); ok && ch.Channel == learnerChannel(who) {
		tx.overlay.add(coursesync.Change{
			Seq: ch.Seq, Created: ch.Created, At: tx.overlay.now, Channel: ch.Channel, Kind: kind, Key: key, Op: coursesync.OpUpsert, Schema: ch.Schema, Body: ch.Body,
		})
	}
	return nil
}

// Log returns the view of the changelog that this one reads.
func (v *View) Log() *coursesync.BoltView { return v.bv }

// Decode makes an entity of a change. The result holds nothing of the change's body. Errors: fault.Corrupt, fault.NewerFormat.
func Decode[T any](ch coursesync.Change) (Stored[T], error) { return decode[T](ch) }

// Published reports whether a course is shown to readers (it is no draft), and whether it ever was; it may be deleted. Only that much of it is decoded.
func (v *View) Published(id CourseID) (now, ever bool, err error) {
	ch, ok := v.bv.Get(KindCourse, string(id))
	if !ok {
		return false, false, nil
	}
	return PublishedIn(ch)
}

// publicity is the part of a course that says who has heard of it. It is what a deleted one leaves: phones that carry a course must hear that it is
// gone, and nobody of a draft that was never there, also when it is made again as a draft.
type publicity struct {
	State State          `json:"state,omitempty"`
	Ever  bool           `json:"ever_published"`
	First coursesync.Seq `json:"first_published,omitempty"`
}

// PublishedIn is [View.Published] of a change of a course, perhaps a tombstone.
func PublishedIn(ch coursesync.Change) (now, ever bool, err error) {
	part, err := publicityIn(ch)
	return err == nil && ch.Op == coursesync.OpUpsert && part.State != Draft, part.Ever, err
}

func publicityIn(ch coursesync.Change) (publicity, error) {
	part := publicity{Ever: true}
	if ch.Op != coursesync.OpUpsert && len(ch.Body) == 0 {
		return part, nil // older programs left nothing: then it may have been
	}
	part.Ever = false
	if err := json.Unmarshal(ch.Body, &part); err != nil {
		return publicity{Ever: true}, fault.Wrap("catalog.PublishedIn", fault.Corrupt, err).WithFix("%s %q cannot be read; restore a backup", ch.Kind, ch.Key)
	}
	return part, nil
}

// FirstPublished returns the version in which a course was published first, 0 for one that never was. It may be deleted.
func (v *View) FirstPublished(id CourseID) (coursesync.Seq, error) {
	ch, ok := v.bv.Get(KindCourse, string(id))
	if !ok {
		return 0, nil
	}
	return FirstPublishedIn(ch)
}

// FirstPublishedIn is [View.FirstPublished] of a change of a course, perhaps a tombstone. What an older program wrote does not say: then it is the creation,
// unless the change itself may have published the course.
func FirstPublishedIn(ch coursesync.Change) (coursesync.Seq, error) {
	part, err := publicityIn(ch)
	switch {
	case err != nil || !part.Ever:
		return 0, err
	case part.First != 0:
		return part.First, nil
	case ch.Since == ch.Seq && ch.Op == coursesync.OpUpsert:
		return ch.Seq, nil
	}
	return ch.Created, nil
}

// firstPublished is [View.FirstPublished] of what was committed before the transaction; 0 also for what cannot be read.
func (tx *Tx) firstPublished(id CourseID) coursesync.Seq {
	first, _ := tx.FirstPublished(id)
	return first
}

// HiddenPrerequisites returns those prerequisites of a course that its readers do not see: drafts, deleted ones, and what another organization has. What
// becomes visible later is told with the next change of the course.
func (v *View) HiddenPrerequisites(ch coursesync.Change) (hidden []CourseID, err error) {
	if !bytes.Contains(ch.Body, []byte(`"prerequisites"`)) {
		return nil, nil // most courses
	}
	c, err := decode[Course](ch)
	if err != nil {
		return nil, err
	}
	for _, id := range c.Value.Prerequisites {
		now, _, err := v.Published(id)
		if err != nil {
			return nil, err
		}
		if org := OrgOf(string(id)); !now || org != "" && org != OrgOf(ch.Key) {
			hidden = append(hidden, id)
		}
	}
	return hidden, nil
}

// Syncs reports whether an actor's phone may carry the lessons of a course: drafts never leave, whoever edits them.
func (v *View) Syncs(actor Actor, id CourseID) (bool, error) {
	c, ok, err := v.Course(id)
	if err != nil || !ok || c.Value.State == Draft || !actor.Sees(OrgOf(string(id))) {
		return false, err
	}
	return v.readsContent(actor, c.Value)
}

// EnrollmentOf is a learner's enrollment with the numbers by which a cursor names it.
type EnrollmentOf struct {
	Course  CourseID
	Active  bool           // not withdrawn
	Created coursesync.Seq // which no other enrollment has
	Since   coursesync.Seq // the last change of access
}

// Enrollments returns all enrollments of a learner, withdrawn ones too, in order of key.
func (v *View) Enrollments(who LearnerID) ([]EnrollmentOf, error) {
	var list []EnrollmentOf
	prefix := learnerPrefix(who)
	for ch := range entities(v, KindEnrollment, prefix, "") {
		var part struct {
			State EnrollmentState `json:"state"`
		}
		if err := json.Unmarshal(ch.Body, &part); err != nil {
			return nil, fault.Wrap("catalog.Enrollments", fault.Corrupt, err).WithFix("%s %q cannot be read; restore a backup", ch.Kind, ch.Key)
		}
		list = append(list, EnrollmentOf{
			Course: CourseID(strings.TrimPrefix(ch.Key, prefix)), Active: part.State != Withdrawn, Created: ch.Created, Since: ch.Since,
		})
	}
	return list, nil
}

// MembershipOf is a learner's membership with the numbers that say since when.
type MembershipOf struct {
	Org     OrgID
	Active  bool
	Created coursesync.Seq
	Since   coursesync.Seq // the last change
}

// Memberships returns all organizations that a learner belongs or belonged to, in order of key.
func (v *View) Memberships(who LearnerID) ([]MembershipOf, error) {
	var list []MembershipOf
	for ch := range entities(v, KindMembership, learnerPrefix(who), "") {
		m, err := decode[Membership](ch)
		if err != nil {
			return nil, err
		}
		_, org := splitLearner(ch.Key)
		list = append(list, MembershipOf{Org: OrgID(org), Active: m.Value.Active, Created: ch.Created, Since: ch.Since})
	}
	return list, nil
}

// Secret derives a key of 32 bytes for a purpose from the salt that lies beside the log and in no backup.
func (c *Catalog) Secret(purpose string) []byte { return c.learner.mac("secret", purpose) }
