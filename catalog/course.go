package catalog

import (
	"slices"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// PutCourse creates or replaces a course. Set from the stored one, whatever c says: CreatedAt, EverPublished, FirstPublished, State when it is "" (a new course is
// then published), and PublishedAt when it is nil and the course has one; the first publication sets it else.
// An unknown tag, category, instructor or prerequisite is fault.UnknownRef in a field; those that the course named before are not looked up again.
// A translator may change Translations only. A change of state appends the course's stats in the same batch.
func (tx *Tx) PutCourse(c Course, cond Cond) (changed bool, err error) {
	const op = "catalog.PutCourse"
	c.ID = nfc(c.ID)
	org := OrgOf(string(c.ID))
	actor := tx.overlay.actor
	if err := tx.mayWrite(op, org, actor.Translates(org)); err != nil {
		return false, err
	}
	old, exists, err := tx.Course(c.ID)
	if err != nil {
		return false, err
	}
	if err := cond.check(old.Version, exists); err != nil {
		return false, err
	}
	var p problems
	c = p.course(c)
	if err := p.err(op); err != nil {
		return false, err
	}
	c = tx.settle(c, old.Value, exists)
	if !actor.Edits(org) && (!exists || !onlyTranslated(old.Value, c)) {
		return false, fault.New(op, fault.Forbidden).WithFix("a translator writes translations of courses that exist")
	}
	if err := tx.checkCourseRefs(op, c, old.Value); err != nil {
		return false, err
	}
	moved := !exists || old.Value.State != c.State
	access := moved || old.Value.ContentPublic != c.ContentPublic
	if changed, err = tx.writeCourse(c, putOpts{access: access}); err != nil || !changed {
		return false, err
	}
	if moved {
		err = tx.touchStats(c.ID)
	}
	return true, err
}

// writeCourse writes a course. The change after the first publication notes which one that was; what changes nothing else does not write it.
func (tx *Tx) writeCourse(c Course, opts putOpts) (changed bool, err error) {
	channel := catalogChannel(string(c.ID))
	if changed, err = tx.put(KindCourse, string(c.ID), channel, c, opts); err != nil || !changed || c.FirstPublished != 0 {
		return changed, err
	}
	if c.FirstPublished = tx.firstPublished(c.ID); c.FirstPublished != 0 {
		_, err = tx.put(KindCourse, string(c.ID), channel, c, opts)
	}
	return true, err
}

// settle fills in what the catalog decides itself.
func (tx *Tx) settle(c, old Course, exists bool) Course {
	if c.State == "" {
		c.State = Published
		if exists {
			c.State = old.State
		}
	}
	c.CreatedAt, c.EverPublished, c.FirstPublished = tx.overlay.now, false, 0
	if exists {
		c.CreatedAt, c.EverPublished, c.FirstPublished = old.CreatedAt, old.EverPublished, old.FirstPublished
	} else if ch, was := tx.tombstone(KindCourse, string(c.ID)); was {
		_, c.EverPublished, _ = PublishedIn(ch) // of a tombstone that says nothing one assumes it
	}
	if c.PublishedAt == nil {
		c.PublishedAt = old.PublishedAt
	}
	if c.PublishedAt == nil && c.State == Published {
		now := tx.overlay.now
		c.PublishedAt = &now
	}
	c.EverPublished = c.EverPublished || c.State != Draft // readers see archived ones too
	return c
}

// onlyTranslated reports whether two courses differ in their translations at most.
func onlyTranslated(old, c Course) bool {
	c.Translations = old.Translations
	a, errA := encode(old)
	b, errB := encode(c)
	return errA == nil && errB == nil && string(a) == string(b)
}

// checkCourseRefs checks what a course names and did not name before, and guards it against being deleted meanwhile.
func (tx *Tx) checkCourseRefs(op string, c, old Course) error {
	var p problems
	org := OrgOf(string(c.ID))
	newly := func(pointer string, kind coursesync.Kind, id string, known bool) error {
		if known {
			return nil
		}
		tx.checkRef(&p, pointer, org, kind, id)
		if len(p.fields) > 0 || kind == KindCourse {
			return nil // a course may be deleted although others ask for it: what it taught is still needed
		}
		return tx.refer(kind, id)
	}
	for i, id := range c.Tags {
		if err := newly(at("/tags", i), KindTag, string(id), slices.Contains(old.Tags, id)); err != nil {
			return err
		}
	}
	for i, id := range c.Instructors {
		if err := newly(at("/instructors", i), KindInstructor, string(id), slices.Contains(old.Instructors, id)); err != nil {
			return err
		}
	}
	for i, id := range c.Prerequisites {
		if err := newly(at("/prerequisites", i), KindCourse, string(id), slices.Contains(old.Prerequisites, id) || tx.expects(id)); err != nil {
			return err
		}
	}
	if c.Category != "" {
		if err := newly("/category", KindCategory, string(c.Category), c.Category == old.Category); err != nil {
			return err
		}
	}
	return p.err(op)
}

// DeleteCourse deletes a course, its content and its stats. Enrollments and reviews stay with their learners.
func (tx *Tx) DeleteCourse(id CourseID, cond Cond) error {
	const op = "catalog.DeleteCourse"
	id = nfc(id)
	org := OrgOf(string(id))
	actor := tx.overlay.actor
	s, ok, err := tx.Course(id)
	if err != nil {
		return err
	}
	if !actor.Edits(org) {
		if !actor.Anonymous() && (!ok || !seesCourse(actor, s.Value)) {
			return fault.New(op, fault.NotFound)
		}
		return refused(op, actor, org)
	}
	if err := cond.check(s.Version, ok); err != nil {
		return err
	}
	if !ok {
		return fault.New(op, fault.NotFound)
	}
	if err := tx.deleteContent(id); err != nil {
		return err
	}
	if err := tx.del(KindCourseStats, string(id), catalogChannel(string(id)), Cond{}); err != nil {
		return err
	}
	return tx.delLeaving(KindCourse, string(id), catalogChannel(string(id)), Cond{}, publicity{Ever: s.Value.EverPublished, First: tx.firstPublished(id)})
}
