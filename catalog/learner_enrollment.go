package catalog

import (
	"github.com/carrel-lms/carrel/fault"
)

// PutEnrollment enrolls a learner or changes the state. The learner or an administrator may. A new enrollment, and one after withdrawal, needs a
// published course that the actor sees (fault.NotFound; fault.Conflict when it is a draft or archived) within its enrollment dates
// (fault.EnrollClosed); completed → active and back are free as long as the course is not a draft; withdrawing always works.
// Withdrawing where there is no enrollment is fault.Conflict.
func (tx *Tx) PutEnrollment(who LearnerID, id CourseID, s EnrollmentState, cond Cond) (bool, error) {
	const op = "catalog.PutEnrollment"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	if s != Active && s != Completed && s != Withdrawn {
		return false, fault.Invalid(op, fault.BadField("/state", fault.BadValue, "is no state of an enrollment",
			"allowed", "active, completed, withdrawn"))
	}
	old, exists, err := tx.MyEnrollment(who, id)
	if err != nil {
		return false, err
	}
	if err := cond.check(old.Version, exists); err != nil {
		return false, err
	}
	was := Withdrawn
	if exists {
		was = old.Value.State
	}
	if s != Withdrawn {
		if err := tx.mayStudy(op, id, was == Withdrawn); err != nil {
			return false, err
		}
	} else if !exists {
		return false, tx.nothingToWithdraw(op, id)
	}
	if !exists {
		if err := tx.openAccount(op, who, 1); err != nil {
			return false, err
		}
	}
	access := (was == Withdrawn) != (s == Withdrawn)
	return tx.put(KindEnrollment, ofLearner(who, id), learnerChannel(who), tx.enrollment(old.Value, was, s), putOpts{cond: cond, access: access})
}

// enrollment is what an enrollment becomes.
func (tx *Tx) enrollment(e Enrollment, was, s EnrollmentState) Enrollment {
	if was == s && !e.EnrolledAt.IsZero() {
		return e
	}
	now := tx.overlay.now
	if was == Withdrawn { // anew
		e = Enrollment{EnrolledAt: now}
	}
	e.State = s
	switch s {
	case Active:
		e.CompletedAt = nil
	case Completed:
		e.CompletedAt = &now
	case Withdrawn: // when it was completed stays
	}
	return e
}

// mayStudy checks that a course can be taken; anew when the learner does not take it yet.
func (tx *Tx) mayStudy(op string, id CourseID, anew bool) error {
	course, err := tx.CourseFor(tx.overlay.actor, id)
	if err != nil {
		return err
	}
	switch c := course.Value; {
	case c.State == Draft, anew && c.State != Published:
		return fault.New(op, fault.Conflict, "state", string(c.State))
	case anew && AvailabilityAt(c, tx.overlay.now) != EnrollOpen:
		return fault.New(op, fault.EnrollClosed, "availability", string(AvailabilityAt(c, tx.overlay.now)))
	}
	return nil
}

// nothingToWithdraw says why there is nothing: an invisible course does not exist.
func (tx *Tx) nothingToWithdraw(op string, id CourseID) error {
	if _, err := tx.CourseFor(tx.overlay.actor, id); err != nil {
		return err
	}
	return fault.New(op, fault.Conflict, "state", "none").WithFix("the learner is not enrolled")
}

// DeleteEnrollment withdraws (state withdrawn, the entity stays). fault.NotFound when there is no enrollment; one that is withdrawn stays so.
func (tx *Tx) DeleteEnrollment(who LearnerID, id CourseID, cond Cond) error {
	const op = "catalog.DeleteEnrollment"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	old, exists, err := tx.MyEnrollment(who, id)
	if err != nil {
		return err
	}
	if err := cond.check(old.Version, exists); err != nil {
		return err
	}
	if !exists {
		return fault.New(op, fault.NotFound)
	}
	_, err = tx.PutEnrollment(who, id, Withdrawn, cond)
	return err
}
