package catalog

import "slices"

// Role is what a caller may do.
type Role string

// The roles.
const (
	RoleLearner    Role = "learner"    // everyone with a token
	RoleEditor     Role = "editor"     // writes courses, instructors, tags, categories, imports
	RoleTranslator Role = "translator" // writes translations only
	RoleAdmin      Role = "admin"      // all
)

// Actor is who asks. The zero Actor is anonymous: published public courses, read only.
type Actor struct {
	Subject  LearnerID // "" is anonymous
	Name     string    // display name from the token, for reviews; may be ""
	Roles    []Role
	Org      OrgID // an editor, translator or administrator with an Org acts within it only
	IssuedAt int64 // the token's iat, unix seconds
}

// Anonymous reports whether there is no token.
func (a Actor) Anonymous() bool { return a.Subject == "" }

// Has reports whether the actor has a role; administrators have all.
func (a Actor) Has(r Role) bool {
	return !a.Anonymous() && (r == RoleLearner || slices.Contains(a.Roles, r) || slices.Contains(a.Roles, RoleAdmin))
}

// AsksForDrafts reports whether the actor may ask for drafts and archived courses; which of them it sees, SeesDrafts says. To anyone else they are empty.
func (a Actor) AsksForDrafts() bool { return a.Has(RoleEditor) || a.Has(RoleTranslator) }

// Edits reports whether the actor writes the courses of an organization ("" is the public catalog).
func (a Actor) Edits(org OrgID) bool { return a.Has(RoleEditor) && (a.Org == "" || a.Org == org) }

// Translates reports whether the actor writes translations of an organization's courses.
func (a Actor) Translates(org OrgID) bool {
	return (a.Has(RoleTranslator) || a.Has(RoleEditor)) && (a.Org == "" || a.Org == org)
}

// Staff reports whether the actor is an editor, translator or administrator bound to no organization.
func (a Actor) Staff() bool {
	return a.Org == "" && (a.Has(RoleEditor) || a.Has(RoleTranslator))
}

// Sees reports whether the actor sees published things of an organization. Everyone sees the public catalog.
func (a Actor) Sees(org OrgID) bool { return org == "" || a.Org == org || a.Staff() }

// SeesDrafts reports whether the actor sees an organization's drafts: its editors and the staff do.
func (a Actor) SeesDrafts(org OrgID) bool { return a.Edits(org) || a.Staff() }

// System is the program itself: the importer of the demo catalog, the flusher of stats.
var System = Actor{Subject: "system", Roles: []Role{RoleAdmin}}
