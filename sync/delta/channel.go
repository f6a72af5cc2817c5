package delta

import (
	"cmp"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// The kinds of entities that sync sends, by channel. What is not named here never leaves: devices, memberships, clients, synonyms.
var (
	catalogKinds = []coursesync.Kind{
		catalog.KindCourse, catalog.KindCourseStats, catalog.KindInstructor, catalog.KindInstructorStats, catalog.KindTag, catalog.KindCategory,
	}
	contentKinds = []coursesync.Kind{catalog.KindModule, catalog.KindLesson, catalog.KindAsset}
	learnerKinds = []coursesync.Kind{
		catalog.KindReview, catalog.KindEnrollment, catalog.KindProgress, catalog.KindBookmark, catalog.KindSavedSearch,
		catalog.KindPreference, catalog.KindNotification,
	}
)

// Prefixes of channels.
const (
	orgPrefix     = "org:"
	coursePrefix  = "course:"
	learnerPrefix = "learner:"
)

// kindsOf returns the kinds that a channel holds for phones.
func kindsOf(ch coursesync.Channel) []coursesync.Kind {
	switch {
	case strings.HasPrefix(string(ch), coursePrefix):
		return contentKinds
	case strings.HasPrefix(string(ch), learnerPrefix):
		return learnerKinds
	}
	return catalogKinds
}

// order is the place of a channel's sort in a page: what is named comes before what names it.
func order(ch coursesync.Channel) int {
	switch {
	case ch == catalog.ChannelCatalog:
		return 0
	case strings.HasPrefix(string(ch), orgPrefix):
		return 1
	case strings.HasPrefix(string(ch), learnerPrefix):
		return 2
	}
	return 3
}

// wish is what a request asks for, apart from what the caller may have.
type wish struct {
	catalog, org, me, courses bool
	named                     []catalog.CourseID // sorted
}

// public reports whether the answer is the same for everyone.
func (w *wish) public() bool { return w.catalog && !w.org && !w.me && !w.courses && len(w.named) == 0 }

// Public reports whether the answer to a pull may be the same for everyone, as far as the request tells.
func Public(r *Request) bool {
	return len(r.Channels) == 1 && r.Channels[0] == string(catalog.ChannelCatalog) && r.Client == "" && r.Actor.Anonymous()
}

// parseChannels reads the parameter channels. Errors: fault.InvalidParameter.
func parseChannels(names []string) (w wish, err error) {
	for _, name := range names {
		id, isCourse := strings.CutPrefix(name, coursePrefix)
		switch {
		case name == "catalog":
			w.catalog = true
		case name == "org":
			w.org = true
		case name == "me":
			w.me = true
		case name == "courses":
			w.courses = true
		case isCourse && id != "":
			w.named = append(w.named, catalog.CourseID(id))
		default:
			return w, badParameter("channels", fault.BadValue, "is no channel", "allowed", "catalog, org, me, courses, course:ID")
		}
	}
	slices.Sort(w.named)
	w.named = slices.Compact(w.named)
	switch {
	case len(names) == 0:
		return w, badParameter("channels", fault.Required, "is needed: catalog, org, me, courses or course:ID, separated by commas")
	case len(w.named) > MaxNamed:
		return w, badParameter("channels", fault.TooMany, "names too many courses", "max", MaxNamed)
	}
	return w, nil
}

// access is what one caller may read at one moment.
type access struct {
	view        *catalog.View
	actor       catalog.Actor
	org         catalog.OrgID
	enrollments []catalog.EnrollmentOf // in order of creation
	loaded      bool
}

func newAccess(v *catalog.View, actor catalog.Actor) (*access, error) {
	org, err := v.OrgOnRecord(actor)
	if err != nil {
		return nil, err
	}
	if org != actor.Org { // a newer token said otherwise; the roles were of that organization
		actor.Org, actor.Roles = org, nil
	}
	return &access{view: v, actor: actor, org: org}, nil
}

// enrolled returns the caller's enrollments in order of creation, withdrawn ones too.
func (a *access) enrolled() ([]catalog.EnrollmentOf, error) {
	if a.loaded || a.actor.Anonymous() {
		return a.enrollments, nil
	}
	list, err := a.view.Enrollments(a.actor.Subject)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(x, y catalog.EnrollmentOf) int { return cmp.Compare(x.Created, y.Created) })
	a.enrollments, a.loaded = list, true
	return list, nil
}

// reads reports whether the caller may read a channel through sync.
func (a *access) reads(ch coursesync.Channel) (bool, error) {
	name := string(ch)
	switch {
	case ch == catalog.ChannelCatalog:
		return true, nil
	case strings.HasPrefix(name, learnerPrefix):
		return !a.actor.Anonymous() && ch == catalog.LearnerChannel(a.actor.Subject), nil
	case strings.HasPrefix(name, orgPrefix):
		return a.org != "" && ch == catalog.OrgChannel(a.org), nil
	}
	id, isCourse := strings.CutPrefix(name, coursePrefix)
	if !isCourse {
		return false, nil
	}
	return a.view.Syncs(a.actor, catalog.CourseID(id))
}

// resolve turns a wish into channels, in the order of a page. denied are courses that were named and may not be read.
func (a *access) resolve(w *wish) (channels, denied []coursesync.Channel, err error) {
	if w.catalog {
		channels = append(channels, catalog.ChannelCatalog)
	}
	if w.org && a.org != "" {
		channels = append(channels, catalog.OrgChannel(a.org))
	}
	if w.me {
		channels = append(channels, catalog.LearnerChannel(a.actor.Subject))
	}
	var courses []catalog.CourseID
	if w.courses {
		if courses, err = a.studied(); err != nil {
			return nil, nil, err
		}
	}
	seen := map[catalog.CourseID]bool{}
	for _, id := range append(courses, w.named...) {
		if seen[id] {
			continue
		}
		seen[id] = true
		ch := catalog.ContentChannel(id)
		ok, err := a.reads(ch)
		switch {
		case err != nil:
			return nil, nil, err
		case ok:
			channels = append(channels, ch)
		case slices.Contains(w.named, id):
			denied = append(denied, ch)
		}
	}
	return channels, denied, nil
}

// takes reports whether the enrollment that was made at a Seq is not withdrawn.
func (a *access) takes(created coursesync.Seq) (bool, error) {
	list, err := a.enrolled()
	return slices.ContainsFunc(list, func(e catalog.EnrollmentOf) bool { return e.Created == created && e.Active }), err
}

// studied returns the courses that the caller is enrolled in, in order of enrollment.
func (a *access) studied() ([]catalog.CourseID, error) {
	list, err := a.enrolled()
	if err != nil {
		return nil, err
	}
	var ids []catalog.CourseID
	for _, e := range list {
		if e.Active {
			ids = append(ids, e.Course)
		}
	}
	return ids, nil
}
