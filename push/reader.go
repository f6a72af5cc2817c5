package push

import (
	"cmp"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// reader is somebody to be told: who they are, and what they want.
type reader struct {
	actor   catalog.Actor // as last seen
	prefers catalog.Preferences
	usual   catalog.PushDefaults // for those who prefer nothing
	devices []catalog.DeviceOf
}

// readers reads learners in one view, and what holds for organizations once.
type readers struct {
	v        *catalog.View
	defaults map[catalog.OrgID]catalog.PushDefaults
}

func newReaders(v *catalog.View) *readers {
	return &readers{v: v, defaults: map[catalog.OrgID]catalog.PushDefaults{}}
}

func (rs *readers) get(who catalog.LearnerID) (r reader, err error) {
	if r.actor, err = rs.v.OnRecord(who); err != nil {
		return r, err
	}
	if r.prefers, err = rs.v.MyPreferences(who); err != nil {
		return r, err
	}
	if r.devices, err = rs.v.DevicesOf(who); err != nil {
		return r, err
	}
	r.usual, err = rs.of(r.actor.Org)
	return r, err
}

func (rs *readers) of(org catalog.OrgID) (catalog.PushDefaults, error) {
	if d, ok := rs.defaults[org]; ok {
		return d, nil
	}
	d, err := rs.v.PushDefaultsIn(org)
	rs.defaults[org] = d
	return d, err
}

// notify says how soon a reader hears of a rule: as they prefer, else as their organization does, else everyone.
func (r *reader) notify(rule catalog.NotificationRule) catalog.Notify {
	return cmp.Or(*r.prefers.Notify(rule), r.usual.Notify(rule))
}

// quietEnd returns when quiet hours that are now are over; now, when there are none.
func (r *reader) quietEnd(now time.Time) time.Time {
	from, until, _ := catalog.QuietSpan(cmp.Or(r.prefers.QuietHours, r.usual.QuietHours))
	return quietEnd(now, r.zone(), from, until)
}

// wants reports whether a reader wants to hear of something: the rule and the search are not switched off, and the course is still taken.
func (r *reader) wants(v *catalog.View, n *catalog.Notification) (bool, error) {
	if r.notify(n.Rule) == catalog.NotifyOff {
		return false, nil
	}
	switch n.Rule {
	case catalog.RuleSearchMatch:
		search, there, err := v.MySavedSearch(r.actor.Subject, catalog.SavedSearchID(n.Subject.ID))
		return there && search.Value.Notify != catalog.NotifyOff, err
	case catalog.RuleCourseChanged:
		e, there, err := v.MyEnrollment(r.actor.Subject, catalog.CourseID(n.Subject.ID))
		return there && e.Value.State == catalog.Active, err
	case catalog.RuleInstructorCourse, catalog.RuleImportFinished, catalog.RuleImportFailed:
	}
	return true, nil
}

func (r *reader) digestMinute() int {
	minute, _ := catalog.DigestMinute(r.usual.DigestAt)
	return minute
}

// zone is the learner's time zone: the one preferred, else that of the device seen last, else UTC.
func (r *reader) zone() *time.Location {
	loc, err := time.LoadLocation(catalog.PreferredTimezone(r.prefers, r.devices)) // "" is UTC
	if err != nil {
		return time.UTC // it was one when it was stored
	}
	return loc
}

// locale is the learner's language.
func (r *reader) locale() catalog.Locale { return catalog.PreferredLocale(r.prefers, r.devices) }
