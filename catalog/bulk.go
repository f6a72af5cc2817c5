package catalog

import (
	"slices"
	"time"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// What imports need beyond the rest: rows that fail alone, and references to what comes later in the same file.

// Try runs fn and, when it fails, forgets what fn wrote: the transaction goes on as if it had not been called. What fn read stays guarded.
func (tx *Tx) Try(fn func() error) error {
	s := tx.overlay
	outer := s.undo
	s.undo = []overwritten{}
	err := fn()
	if err != nil {
		s.rollBack()
		s.undo = outer
		return err
	}
	if outer != nil {
		outer = append(outer, s.undo...)
	}
	s.undo = outer
	return nil
}

// overwritten is what a transaction held for an entity before a write; nil when nothing.
type overwritten struct {
	ref
	before *write
}

// note keeps what a write replaces, while a Try is under way.
func (s *txState) note(kind coursesync.Kind, key string) {
	if s.undo == nil {
		return
	}
	o := overwritten{ref: ref{kind, key}}
	if w, ok := s.writes[kind][key]; ok {
		was := *w
		o.before = &was
	}
	s.undo = append(s.undo, o)
}

// rollBack restores what the writes since the Try began have replaced, the last first.
func (s *txState) rollBack() {
	for _, o := range slices.Backward(s.undo) {
		if o.before != nil {
			*s.writes[o.kind][o.key] = *o.before
			continue
		}
		delete(s.writes[o.kind], o.key)
		s.count--
	}
}

// Expect names courses that will exist when the import is done: prerequisites may name them before they do.
func (tx *Tx) Expect(known func(CourseID) bool) { tx.overlay.expected = known }

// expects reports whether a course will exist.
func (tx *Tx) expects(id CourseID) bool { return tx.overlay.expected != nil && tx.overlay.expected(id) }

// Module returns one module of a course.
func (v *View) Module(course CourseID, id string) (Stored[Module], bool, error) {
	return load[Module](v, KindModule, partKey(nfc(course), id))
}

// Lesson returns one lesson of a course. It does no authorization: pages use [View.Content].
func (v *View) Lesson(course CourseID, id string) (Stored[Lesson], bool, error) {
	return load[Lesson](v, KindLesson, partKey(nfc(course), id))
}

// ImportEnrollment enrolls a learner as of a time past, whatever the course's enrollment dates are now: somebody else's records say so.
// An administrator's only. A learner who is enrolled already stays as they are.
func (tx *Tx) ImportEnrollment(who LearnerID, id CourseID, at time.Time) error {
	const op = "catalog.ImportEnrollment"
	id = nfc(id)
	if err := tx.mayWrite(op, OrgOf(string(id)), tx.overlay.actor.Has(RoleAdmin) && tx.overlay.actor.Edits(OrgOf(string(id)))); err != nil {
		return err
	}
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	if _, exists, err := tx.MyEnrollment(who, id); err != nil || exists {
		return err
	}
	if err := tx.mayStudy(op, id, false); err != nil {
		return err
	}
	if err := tx.openAccount(op, who, 1); err != nil {
		return err
	}
	if at.IsZero() {
		at = tx.overlay.now
	}
	_, err := tx.put(KindEnrollment, ofLearner(who, id), learnerChannel(who), Enrollment{State: Active, EnrolledAt: moment(at)}, putOpts{access: true})
	return err
}
