package catalog

import (
	"strings"
	"time"
	_ "time/tzdata" // the same time zones on every machine; it costs half a megabyte

	"github.com/carrel-lms/carrel/fault"
)

// The names of what a learner may prefer. Each is an entity of its own, so that two devices that set two of them do not get in each other's way.
const (
	preferLocale     = "locale"
	preferTimezone   = "timezone"
	preferQuietHours = "quiet_hours"
	preferNotify     = "notify." // + rule
)

// maxTimezone bounds the name of a time zone, in bytes: the longest has 32.
const maxTimezone = 64

// Preference is the body of one of a learner's preferences.
type Preference struct {
	Value string `json:"value"`
}

// Preferences is what a learner prefers; a field that is "" was not set.
type Preferences struct {
	Locale   Locale `json:"locale,omitempty"`   // one of the pages' languages
	Timezone string `json:"timezone,omitempty"` // a name of the IANA database, "Europe/Paris"

	// QuietHours is when no message comes, by the learner's clock: "22:00-07:30", or "off". The inbox is filled meanwhile.
	QuietHours string `json:"quiet_hours,omitempty"`
	// How soon one hears of what. Saved searches say it each for itself too: what either wants daily is daily, and what either silences is not told.
	CourseChanged    Notify `json:"course_changed,omitempty"`
	SearchMatch      Notify `json:"search_match,omitempty"`
	InstructorCourse Notify `json:"instructor_course,omitempty"`
	ImportFinished   Notify `json:"import_finished,omitempty"`
}

// Notify returns the field of a rule; nil when there is no such rule.
func (p *Preferences) Notify(rule NotificationRule) *Notify {
	switch rule {
	case RuleCourseChanged:
		return &p.CourseChanged
	case RuleSearchMatch:
		return &p.SearchMatch
	case RuleInstructorCourse:
		return &p.InstructorCourse
	case RuleImportFinished, RuleImportFailed:
		return &p.ImportFinished
	}
	return nil
}

// PreferenceNames are the names of all preferences.
func PreferenceNames() []string {
	names := []string{preferLocale, preferTimezone, preferQuietHours}
	for _, rule := range NotificationRules {
		names = append(names, preferNotify+string(rule))
	}
	return names
}

// value returns the preference of a name.
func (p *Preferences) value(name string) string {
	switch name {
	case preferLocale:
		return string(p.Locale)
	case preferTimezone:
		return p.Timezone
	case preferQuietHours:
		return p.QuietHours
	}
	if field := p.Notify(NotificationRule(strings.TrimPrefix(name, preferNotify))); field != nil {
		return string(*field)
	}
	return ""
}

// Set sets the preference of a name, "" for none, and reports whether there is one of that name.
func (p *Preferences) Set(name, value string) bool {
	switch name {
	case preferLocale:
		p.Locale = Locale(value)
	case preferTimezone:
		p.Timezone = value
	case preferQuietHours:
		p.QuietHours = value
	default:
		rule, isNotify := strings.CutPrefix(name, preferNotify)
		field := p.Notify(NotificationRule(rule))
		if !isNotify || field == nil {
			return false
		}
		*field = Notify(value)
	}
	return true
}

// MyPreferences returns what a learner prefers. The caller knows that who is asking.
func (v *View) MyPreferences(who LearnerID) (p Preferences, err error) {
	for ch := range entities(v, KindPreference, learnerPrefix(who), "") {
		one, err := decode[Preference](ch)
		if err != nil {
			return Preferences{}, err
		}
		p.Set(WithoutLearner(ch.Key), one.Value.Value) // one that this program does not know is a newer one's
	}
	return p, nil
}

// PutPreferences replaces what a learner prefers: what p leaves out is deleted, what is the same already appends nothing. The learner or an
// administrator may. fault.InvalidFields with fault.BadLocale, fault.BadTimezone, fault.BadSpan or fault.BadValue.
func (tx *Tx) PutPreferences(who LearnerID, p Preferences) error {
	const op = "catalog.PutPreferences"
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	var found problems
	p = found.preferences(p)
	if err := found.err(op); err != nil {
		return err
	}
	for _, name := range PreferenceNames() {
		key := learnerPrefix(who) + name
		var err error
		if value := p.value(name); value == "" {
			err = tx.del(KindPreference, key, learnerChannel(who), Cond{})
		} else {
			_, err = tx.put(KindPreference, key, learnerChannel(who), Preference{Value: value}, putOpts{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// preferences checks what a learner prefers, and returns it as it is stored.
func (p *problems) preferences(given Preferences) Preferences {
	if given.Locale != "" {
		switch l, ok := CanonicalLocale(string(given.Locale)); {
		case ok && (l == English || l == French || l == Chinese):
			given.Locale = l
		default:
			p.add("/locale", fault.BadLocale, "is not en, fr or zh-Hans")
		}
	}
	if given.Timezone != "" && !validTimezone(given.Timezone) {
		p.timezone("/timezone")
	}
	p.quietHours("/quiet_hours", given.QuietHours)
	for _, rule := range NotificationRules {
		p.notify(rule, *given.Notify(rule))
	}
	return given
}

// timezone refuses a time zone.
func (p *problems) timezone(pointer string) {
	p.add(pointer, fault.BadTimezone, "is no IANA time zone, as Europe/Paris is")
}

// validTimezone reports whether a name is one of the IANA database. What a machine keeps beside it is good on that machine only.
func validTimezone(name string) bool {
	folder, _, _ := strings.Cut(name, "/")
	switch folder {
	case "Local", "localtime", "posixrules", "posix", "right":
		return false
	}
	if len(name) > maxTimezone {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}
