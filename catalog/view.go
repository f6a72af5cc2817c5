package catalog

import (
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// View reads the catalog at one moment. Methods that take an [Actor] show only what that actor may see and answer
// fault.NotFound for anything else; the others do no authorization and serve followers and rules.
type View struct {
	c       *Catalog
	bv      *coursesync.BoltView
	overlay *txState // of a Tx: what it read and wrote; else nil
}

// Stored is an entity with what the log knows of it.
type Stored[T any] struct {
	Value   T
	Version coursesync.Seq // the entity's last change: ETag, If-Match
	Created coursesync.Seq
	At      time.Time // of the last change: updated_at
}

// Head is the Seq of the last change in this view: all that it shows is from up to there.
func (v *View) Head() coursesync.Seq { return v.bv.Head() }

// Course returns a course in any state, and whether it exists.
func (v *View) Course(id CourseID) (Stored[Course], bool, error) {
	return load[Course](v, KindCourse, string(nfc(id)))
}

// Instructor returns an instructor, and whether it exists.
func (v *View) Instructor(id InstructorID) (Stored[Instructor], bool, error) {
	return load[Instructor](v, KindInstructor, string(nfc(id)))
}

// Tag returns a tag, and whether it exists.
func (v *View) Tag(id TagID) (Stored[Tag], bool, error) {
	return load[Tag](v, KindTag, string(nfc(id)))
}

// Category returns a category, and whether it exists.
func (v *View) Category(id CategoryID) (Stored[Category], bool, error) {
	return load[Category](v, KindCategory, string(nfc(id)))
}

// CourseFor returns a course that the actor may see, else fault.NotFound. Archived ones are returned.
func (v *View) CourseFor(actor Actor, id CourseID) (Stored[Course], error) {
	s, ok, err := v.Course(id)
	return visible(actor, s, ok, err)
}

// SharedCourseFor is CourseFor for those who only show the course: it is kept decoded and given to others too, so nothing that its pointers, lists and
// maps hold may be changed.
func (v *View) SharedCourseFor(actor Actor, id CourseID) (Stored[Course], error) {
	s, ok, err := shared[Course](v, KindCourse, string(nfc(id)))
	return visible(actor, s, ok, err)
}

// visible is fault.NotFound for a course that is not there for the actor.
func visible(actor Actor, s Stored[Course], ok bool, err error) (Stored[Course], error) {
	if err != nil {
		return s, err
	}
	if !ok || !seesCourse(actor, s.Value) {
		return Stored[Course]{}, fault.New("catalog.CourseFor", fault.NotFound)
	}
	return s, nil
}

// seesCourse reports whether a course exists for an actor.
func seesCourse(actor Actor, c Course) bool {
	org := OrgOf(string(c.ID))
	if c.State == Draft {
		return actor.SeesDrafts(org)
	}
	return actor.Sees(org)
}

// InstructorFor returns an instructor that the actor may see, else fault.NotFound.
func (v *View) InstructorFor(actor Actor, id InstructorID) (Stored[Instructor], error) {
	return seen[Instructor](v, KindInstructor, string(id), actor)
}

// TagFor returns a tag that the actor may see, else fault.NotFound.
func (v *View) TagFor(actor Actor, id TagID) (Stored[Tag], error) {
	return seen[Tag](v, KindTag, string(id), actor)
}

// CategoryFor returns a category that the actor may see, else fault.NotFound.
func (v *View) CategoryFor(actor Actor, id CategoryID) (Stored[Category], error) {
	return seen[Category](v, KindCategory, string(id), actor)
}

// seen loads an entity that everyone sees who sees its organization.
func seen[T any](v *View, kind coursesync.Kind, id string, actor Actor) (Stored[T], error) {
	id = nfc(id)
	if !actor.Sees(OrgOf(id)) {
		return Stored[T]{}, fault.New("catalog.View", fault.NotFound)
	}
	s, ok, err := load[T](v, kind, id)
	if err == nil && !ok {
		err = fault.New("catalog.View", fault.NotFound)
	}
	return s, err
}
