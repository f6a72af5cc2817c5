package delta_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// oracle knows who may see what. It reads the whole log and shares no code with the package: rights are written here once more, from the contract.
type oracle struct {
	orgs map[catalog.LearnerID]catalog.OrgID       // by the newest token
	ever map[catalog.LearnerID]map[string]bool     // names of rows that a learner could hear of at some time, with some token; see heard
	read map[catalog.LearnerID]map[string]bool     // channels, the same
	now  map[string]map[string]coursesync.Seq      // rows that each of the callers sees at present, by the caller's key
	seen map[string]map[string]bool                // channels, the same
	last map[catalog.LearnerID]map[string][]uint64 // numbers of mutations that were carried out, by client
}

// entity is one of the log.
type entity struct {
	coursesync.Change
	body struct {
		State  string
		Public bool `json:"content_public"`
		Ever   bool `json:"ever_published"`
	}
}

// rights are what a token is good for at present: one that is older than the learner's move to another organization loses its own, and its roles.
func (o *oracle) rights(a catalog.Actor) catalog.Actor {
	if a.Org != "" && o.orgs[a.Subject] != a.Org {
		a.Org, a.Roles = "", nil
	}
	return a
}

// callerKey tells callers with different rights apart.
func callerKey(a catalog.Actor) string {
	key := string(a.Subject) + "|" + string(a.Org)
	for _, r := range a.Roles {
		key += "|" + string(r)
	}
	return key
}

// look reads the log and brings what callers see, and ever saw, up to date.
func (o *oracle) look(log []coursesync.Change, callers []catalog.Actor) {
	byName := map[string]*entity{}
	all := make([]entity, len(log))
	for i, ch := range log {
		all[i].Change = ch
		_ = json.Unmarshal(ch.Body, &all[i].body)
		byName[string(ch.Kind)+" "+ch.Key] = &all[i]
	}
	o.now, o.seen = map[string]map[string]coursesync.Seq{}, map[string]map[string]bool{}
	for _, a := range callers {
		a = o.rights(a)
		key := callerKey(a)
		if o.now[key] != nil {
			continue
		}
		rows, channels := map[string]coursesync.Seq{}, map[string]bool{"catalog": true, "org:" + string(a.Org): a.Org != "", "me": a.Subject != ""}
		for i := range all {
			e := &all[i]
			if e.Kind == catalog.KindCourse && lessonsOpen(a, byName, e.Key) {
				channels["course:"+e.Key] = true
			}
			if name, ok := sees(a, byName, e); ok && e.Op == coursesync.OpUpsert {
				rows[name] = e.Seq
			}
		}
		o.now[key], o.seen[key] = rows, channels
		if o.ever[a.Subject] == nil {
			o.ever[a.Subject], o.read[a.Subject] = map[string]bool{}, map[string]bool{}
		}
		for i := range all {
			if name, ok := heard(a, byName, &all[i]); ok {
				o.ever[a.Subject][name] = true
			}
		}
		for ch, ok := range channels {
			if ok {
				o.read[a.Subject][ch] = true
			}
		}
	}
}

func courseOpen(a catalog.Actor, byName map[string]*entity, id string, staff bool) bool {
	e := byName["course "+id]
	org, _, owned := strings.Cut(id, "~")
	return e != nil && e.Op == coursesync.OpUpsert && e.body.State != "draft" && (!owned || a.Org == catalog.OrgID(org) || staff)
}

// lessonsOpen reports whether a caller may read a course's lessons.
func lessonsOpen(a catalog.Actor, byName map[string]*entity, id string) bool {
	edits := slices.ContainsFunc(a.Roles, func(r catalog.Role) bool { return r != catalog.RoleLearner })
	if !courseOpen(a, byName, id, edits && a.Org == "") {
		return false
	}
	org := catalog.OrgOf(id)
	taken := byName["enrollment "+string(a.Subject)+"/"+id]
	return byName["course "+id].body.Public || edits && (a.Org == "" || a.Org == org) || a.Subject != "" && taken != nil && taken.body.State != "withdrawn"
}

// sees reports whether sync may show an entity to a caller, and the name of its row.
func sees(a catalog.Actor, byName map[string]*entity, e *entity) (string, bool) {
	org, _, owned := strings.Cut(e.Key, "~")
	name := string(e.Kind) + " " + e.Key
	switch e.Kind {
	case catalog.KindCourse, catalog.KindCourseStats:
		return name, courseOpen(a, byName, e.Key, false)
	case catalog.KindInstructor, catalog.KindInstructorStats, catalog.KindTag, catalog.KindCategory:
		return name, !owned || a.Org == catalog.OrgID(org)
	case catalog.KindModule, catalog.KindLesson, catalog.KindAsset:
		course, _, _ := strings.Cut(e.Key, "/")
		return name, lessonsOpen(a, byName, course)
	case catalog.KindEnrollment, catalog.KindBookmark, catalog.KindProgress, catalog.KindReview, catalog.KindPreference, catalog.KindSavedSearch, catalog.KindNotification:
		who, rest, _ := strings.Cut(e.Key, "/")
		return string(e.Kind) + " " + rest, a.Subject != "" && who == string(a.Subject)
	}
	return name, false // devices, memberships, clients, synonyms, imports: never
}

// heard reports whether a caller may hear of an entity as deleted: it is, or was, one of a channel that the caller reads. A course must have been published.
func heard(a catalog.Actor, byName map[string]*entity, e *entity) (string, bool) {
	name, ok := sees(a, byName, e)
	if e.Kind != catalog.KindCourse && e.Kind != catalog.KindCourseStats {
		return name, ok
	}
	course := byName["course "+e.Key]
	org := catalog.OrgOf(e.Key)
	return name, course != nil && course.body.Ever && (org == "" || org == a.Org)
}
