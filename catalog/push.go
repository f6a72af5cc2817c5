package catalog

import (
	"cmp"
	"context"
	"iter"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What package push needs to know: who takes a course, who rated it, which devices there are, and what an organization's administrators want for
// their learners.

const (
	// settingPush begins the key of an organization's defaults: + organization; "" is for all others.
	settingPush = "push/"
	// MaxDailyCap bounds how many messages a day an organization may want for a learner: phones are switched off long before.
	MaxDailyCap = 100
	// quietOff is the QuietHours of those who have none.
	quietOff = "off"
	// usualDigest is when digests come where nobody set anything: with the first look at the phone.
	usualDigest = "08:00"
	// usualDailyCap is how many messages a learner gets a day where nobody set anything. Beyond about ten, people switch all of them off.
	usualDailyCap = 10
)

// PushDefaults is what holds for the learners of an organization who prefer nothing themselves. A field that is empty was not set: then what holds for
// everyone does, and else what the program was made with.
type PushDefaults struct {
	QuietHours       string `json:"quiet_hours,omitempty"` // as in [Preferences]
	DigestAt         string `json:"digest_at,omitempty"`   // when what is wanted daily comes, by the learner's clock: "08:00"
	DailyCap         int    `json:"daily_cap,omitempty"`   // messages for a learner and day, 1 to [MaxDailyCap]; 0 was not set
	CourseChanged    Notify `json:"course_changed,omitempty"`
	SearchMatch      Notify `json:"search_match,omitempty"` // of all saved searches, as in [Preferences]
	InstructorCourse Notify `json:"instructor_course,omitempty"`
	ImportFinished   Notify `json:"import_finished,omitempty"`
}

// Notify returns what is set for a rule; "" when nothing is.
func (d *PushDefaults) Notify(rule NotificationRule) Notify {
	switch rule {
	case RuleCourseChanged:
		return d.CourseChanged
	case RuleSearchMatch:
		return d.SearchMatch
	case RuleInstructorCourse:
		return d.InstructorCourse
	case RuleImportFinished, RuleImportFailed:
		return d.ImportFinished
	}
	return ""
}

// PushDefaultsOf returns what was set for an organization; "" is for everyone.
func (v *View) PushDefaultsOf(org OrgID) (PushDefaults, error) {
	s, _, err := load[PushDefaults](v, KindSetting, settingPush+string(org))
	return s.Value, err
}

// PushDefaultsIn returns what holds in an organization for those who prefer nothing themselves, with every field filled: as it was set there, else for everyone, else
// as it is where nobody set anything.
func (v *View) PushDefaultsIn(org OrgID) (PushDefaults, error) {
	own, err := v.PushDefaultsOf(org)
	if err != nil {
		return PushDefaults{}, err
	}
	all, err := v.PushDefaultsOf("")
	return PushDefaults{
		QuietHours: cmp.Or(own.QuietHours, all.QuietHours, quietOff), DigestAt: cmp.Or(own.DigestAt, all.DigestAt, usualDigest), DailyCap: cmp.Or(own.DailyCap, all.DailyCap, usualDailyCap),
		CourseChanged:    cmp.Or(own.CourseChanged, all.CourseChanged, NotifyInstant),
		SearchMatch:      cmp.Or(own.SearchMatch, all.SearchMatch, NotifyInstant),
		InstructorCourse: cmp.Or(own.InstructorCourse, all.InstructorCourse, NotifyInstant),
		ImportFinished:   cmp.Or(own.ImportFinished, all.ImportFinished, NotifyInstant),
	}, err
}

// PushDefaultsFor is PushDefaultsOf for the administrators of the organization, or of all. Errors: fault.Unauthorized, fault.Forbidden.
func (v *View) PushDefaultsFor(actor Actor, org OrgID) (PushDefaults, error) {
	if err := administers("catalog.PushDefaultsFor", actor, org); err != nil {
		return PushDefaults{}, err
	}
	return v.PushDefaultsOf(org)
}

// administers refuses those who are not administrators of an organization.
func administers(op string, actor Actor, org OrgID) error {
	switch {
	case actor.Anonymous():
		return fault.New(op, fault.Unauthorized)
	case !actor.Has(RoleAdmin), actor.Org != "" && actor.Org != org:
		return fault.New(op, fault.Forbidden)
	}
	return nil
}

// PutPushDefaults sets what holds for an organization's learners, "" for everyone's. Its administrators may, and those of all. fault.InvalidFields with
// fault.BadSpan, fault.BadTime, fault.BadValue or fault.OutOfRange.
func (tx *Tx) PutPushDefaults(org OrgID, d PushDefaults) error {
	const op = "catalog.PutPushDefaults"
	if err := administers(op, tx.overlay.actor, org); err != nil {
		return err
	}
	var p problems
	if org != "" {
		p.org("/org", org)
	}
	p.quietHours("/quiet_hours", d.QuietHours)
	if _, ok := minuteOfDay(d.DigestAt); d.DigestAt != "" && !ok {
		p.add("/digest_at", fault.BadTime, "is no time of day, as 08:00 is")
	}
	if d.DailyCap != 0 {
		p.between("/daily_cap", d.DailyCap, 1, MaxDailyCap)
	}
	for _, rule := range NotificationRules {
		p.notify(rule, d.Notify(rule))
	}
	if err := p.err(op); err != nil {
		return err
	}
	_, err := tx.put(KindSetting, settingPush+string(org), channelStaff, d, putOpts{})
	return err
}

// notify refuses what is no way to be notified of a rule; "" is none that was chosen.
func (p *problems) notify(rule NotificationRule, n Notify) {
	switch n {
	case "", NotifyInstant, NotifyDaily, NotifyOff:
	default:
		p.add("/notify/"+string(rule), fault.BadValue, "is not instant, daily or off", "allowed", "instant, daily, off")
	}
}

// quietHours refuses what is no span of a day.
func (p *problems) quietHours(pointer, s string) {
	if _, _, ok := QuietSpan(s); s != "" && !ok {
		p.add(pointer, fault.BadSpan, "is no span of a day, as 22:00-07:30 is, nor off")
	}
}

// QuietSpan reads quiet hours: from and until in minutes of the day, equal when there are none. From may be later than until: the span has midnight in it.
func QuietSpan(s string) (from, until int, ok bool) {
	if s == quietOff {
		return 0, 0, true
	}
	begin, end, found := strings.Cut(s, "-")
	from, ok1 := minuteOfDay(begin)
	until, ok2 := minuteOfDay(end)
	return from, until, found && ok1 && ok2 && from != until
}

// minuteOfDay reads "07:30".
func minuteOfDay(s string) (int, bool) {
	const form, minutesAnHour = "15:04", 60
	t, err := time.Parse(form, s)
	return t.Hour()*minutesAnHour + t.Minute(), err == nil && len(s) == len(form)
}

// DigestMinute reads the time of day of a digest: in minutes.
func DigestMinute(s string) (int, bool) { return minuteOfDay(s) }

// DeviceOf is one of all devices.
type DeviceOf struct {
	Learner LearnerID
	ID      DeviceID
	Stored[Device]
}

// Devices yields every device in order of key, in short reads of its own (so not of one moment).
func (c *Catalog) Devices(ctx context.Context) iter.Seq2[DeviceOf, error] {
	return func(yield func(DeviceOf, error) bool) {
		for after := ""; ; {
			var chunk []DeviceOf
			err := c.View(ctx, func(v *View) (err error) {
				chunk, after, err = deviceChunk(v, "", after)
				return err
			})
			if err != nil {
				yield(DeviceOf{}, err)
				return
			}
			for _, d := range chunk {
				if !yield(d, nil) {
					return
				}
			}
			if len(chunk) < coursesync.ReadChunk {
				return
			}
		}
	}
}

// DevicesOf returns a learner's devices in order of id.
func (v *View) DevicesOf(who LearnerID) ([]DeviceOf, error) {
	list, _, err := deviceChunk(v, learnerPrefix(who), "")
	return list, err
}

// LocaleOf is the language in which a learner is spoken to who does not ask, and in which what they saved is searched for: see [PreferredLocale].
func (v *View) LocaleOf(who LearnerID) (Locale, error) {
	prefers, err := v.MyPreferences(who)
	if err != nil {
		return "", err
	}
	devices, err := v.DevicesOf(who)
	return PreferredLocale(prefers, devices), err
}

// PreferredLocale is the one of the pages' languages that a learner prefers, else that of the device seen last that told its own, else English.
func PreferredLocale(prefers Preferences, devices []DeviceOf) Locale {
	tag := cmp.Or(prefers.Locale, latest(devices, func(d Device) Locale { return d.Locale }))
	if l, ok := PageLocale(string(tag)); ok {
		return l
	}
	return English
}

// PreferredTimezone is the time zone that a learner prefers, else that of the device seen last that told its own; "" when there is none.
func PreferredTimezone(prefers Preferences, devices []DeviceOf) string {
	return cmp.Or(prefers.Timezone, latest(devices, func(d Device) string { return d.Timezone }))
}

// latest returns what the device seen last says, of those that say something.
func latest[T ~string](devices []DeviceOf, of func(Device) T) (said T) {
	seen := time.Time{}
	for _, d := range devices {
		if of(d.Value) != "" && d.Value.SeenAt.After(seen) {
			said, seen = of(d.Value), d.Value.SeenAt
		}
	}
	return said
}

// deviceChunk reads devices whose keys begin with a prefix and come after a key, and says which was the last.
func deviceChunk(v *View, prefix, after string) (list []DeviceOf, last string, err error) {
	for ch := range entities(v, KindDevice, prefix, after) {
		s, err := decode[Device](ch)
		if err != nil {
			return nil, "", err
		}
		learner, id := splitLearner(ch.Key)
		list, last = append(list, DeviceOf{learnerOf(learner), DeviceID(id), s}), ch.Key
		if len(list) == coursesync.ReadChunk {
			break
		}
	}
	return list, last, nil
}

// DropDevice deletes a device that pushes do not reach any more, if it is still as a caller that may act for the learner knows it to be. It reports whether
// it did.
func (tx *Tx) DropDevice(who LearnerID, id DeviceID, still func(Device) bool) (bool, error) {
	d, ok, err := tx.MyDevice(who, id)
	if err != nil || !ok || !still(d.Value) {
		return false, err
	}
	return true, tx.DeleteDevice(who, id, Cond{})
}

// LearnersOf yields in order of key those who are enrolled in a course and come after a learner, with the state in which they are; withdrawn ones are not.
func (v *View) LearnersOf(id CourseID, after LearnerID) iter.Seq2[LearnerID, EnrollmentState] {
	return func(yield func(LearnerID, EnrollmentState) bool) {
		prefix := joinKey(string(id), "")
		from := ""
		if after != "" {
			from = prefix + learnerKey(after)
		}
		for k, state := range v.tables().scan(tableEnrolled, prefix, from) {
			if !yield(learnerOf(string(k[len(prefix):])), EnrollmentState(state)) {
				return
			}
		}
	}
}

// RatersOf yields those who reviewed a course, the newest first.
func (v *View) RatersOf(id CourseID) iter.Seq[LearnerID] {
	return func(yield func(LearnerID) bool) {
		for _, learner := range v.tables().scan(tableReviews, joinKey(string(id), ""), "") {
			if !yield(learnerOf(string(learner))) {
				return
			}
		}
	}
}

// CoursesBy yields the courses that name an instructor, in order of id.
func (v *View) CoursesBy(id InstructorID) iter.Seq[CourseID] {
	return func(yield func(CourseID) bool) {
		prefix := joinKey(string(id), "")
		for k := range v.tables().scan(tableInstructorCourses, prefix, "") {
			if !yield(CourseID(k[len(prefix):])) {
				return
			}
		}
	}
}

// OnRecord is a learner as they were last seen: with the organization of the newest token, and no role.
func (v *View) OnRecord(who LearnerID) (Actor, error) {
	org, err := v.MemberOf(who)
	return Actor{Subject: who, Org: org}, err
}

// KeyOfLearner is how a learner's id stands in keys, which follow it with "/".
func KeyOfLearner(who LearnerID) string { return learnerKey(who) }
