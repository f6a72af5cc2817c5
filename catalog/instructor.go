package catalog

import (
	"github.com/carrel-lms/carrel/fault"
)

// PutInstructor creates or replaces an instructor. A translator may change Bio of one that exists.
func (tx *Tx) PutInstructor(i Instructor, cond Cond) (bool, error) {
	const op = "catalog.PutInstructor"
	i.ID = nfc(i.ID)
	org := OrgOf(string(i.ID))
	if err := tx.mayWrite(op, org, tx.overlay.actor.Translates(org)); err != nil {
		return false, err
	}
	var p problems
	p.orgID(string(i.ID))
	i.Name = p.line("/name", i.Name, maxName)
	p.required("/name", i.Name)
	i.Bio = p.texts("/bio", i.Bio, maxBio)
	i.ImageURL = p.url("/image_url", i.ImageURL)
	i.URL = p.url("/url", i.URL)
	if err := p.err(op); err != nil {
		return false, err
	}
	if !tx.overlay.actor.Edits(org) {
		old, exists, err := tx.Instructor(i.ID)
		if err != nil {
			return false, err
		}
		same := old.Value
		same.Bio = nil
		given := i
		given.Bio = nil
		if !exists || !equalBodies(same, given) {
			return false, translatorsOnly(op)
		}
	}
	return tx.put(KindInstructor, string(i.ID), catalogChannel(string(i.ID)), i, putOpts{cond: cond})
}

// DeleteInstructor deletes an instructor and the stats. fault.HasDependents when a course names it.
func (tx *Tx) DeleteInstructor(id InstructorID, cond Cond) error {
	id = nfc(id)
	err := tx.deleteReferred("catalog.DeleteInstructor", KindInstructor, string(id), cond, func() (bool, error) {
		courses, err := tx.CoursesWithInstructor(id)
		return len(courses) > 0, err
	})
	if err != nil {
		return err
	}
	return tx.del(KindInstructorStats, string(id), catalogChannel(string(id)), Cond{})
}

// EnsureInstructor returns the id of an instructor named in an import, making it when it is missing: id when an import gives one, else the slug
// of provider and name. It is looked for within the organization, then in the public catalog. The name of one that exists stays.
func (tx *Tx) EnsureInstructor(org OrgID, provider, name string, id InstructorID) (InstructorID, error) {
	const op = "catalog.EnsureInstructor"
	local := string(nfc(id))
	if local == "" {
		local = idSlug(provider + " " + name)
	}
	if OrgOf(local) != "" && OrgOf(local) == org { // an export names its own in full
		local = local[len(inOrg(org, "")):]
	}
	if !validPart(local, maxID) {
		return "", fault.Invalid(op, fault.BadField("/instructors", fault.BadID, "makes no id: "+clip(name)))
	}
	for _, candidate := range candidates(org, local) {
		if tx.exists(KindInstructor, candidate) {
			return InstructorID(candidate), nil
		}
	}
	made := InstructorID(inOrg(org, local))
	_, err := tx.PutInstructor(Instructor{ID: made, Name: name}, Cond{})
	return made, err
}

// candidates are the ids under which something of an organization may be found: its own first.
func candidates(org OrgID, local string) []string {
	if org == "" {
		return []string{local}
	}
	return []string{inOrg(org, local), local}
}

// equalBodies reports whether two values are the same in the log.
func equalBodies(a, b any) bool {
	x, errX := encode(a)
	y, errY := encode(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// translatorsOnly refuses what goes beyond a translation.
func translatorsOnly(op string) error {
	return fault.New(op, fault.Forbidden).WithFix("a translator writes translations of what exists, and nothing else")
}
