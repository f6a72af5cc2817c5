package catalog

import (
	"strings"
	"time"
	_ "time/tzdata" // the same time zones on every machine; it costs half a megabyte

	"github.com/carrel-lms/carrel/fault"
)

// The names of what a learner may prefer. Each is an entity of its own, so that two devices that set two of them do not get in each other's way.
const (
	preferLocale   = "locale"
	preferTimezone = "timezone"
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
}

// Set sets the preference of a name, "" for none, and reports whether there is one of that name.
func (p *Preferences) Set(name, value string) bool {
	switch name {
	case preferLocale:
		p.Locale = Locale(value)
	case preferTimezone:
		p.Timezone = value
	default:
		return false
	}
	return true
}

// MyPreferences returns what a learner prefers. The caller knows that who is asking.
func (v *View) MyPreferences(who LearnerID) (Preferences, error) {
	locale, _, err := load[Preference](v, KindPreference, learnerPrefix(who)+preferLocale)
	if err != nil {
		return Preferences{}, err
	}
	zone, _, err := load[Preference](v, KindPreference, learnerPrefix(who)+preferTimezone)
	return Preferences{Locale: Locale(locale.Value.Value), Timezone: zone.Value.Value}, err
}

// PutPreferences replaces what a learner prefers: what p leaves out is deleted, what is the same already appends nothing. The learner or an
// administrator may. fault.InvalidFields with fault.BadLocale or fault.BadValue.
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
	for _, one := range []struct{ name, value string }{
		{preferLocale, string(p.Locale)}, {preferTimezone, p.Timezone},
	} {
		key := learnerPrefix(who) + one.name
		var err error
		if one.value == "" {
			err = tx.del(KindPreference, key, learnerChannel(who), Cond{})
		} else {
			_, err = tx.put(KindPreference, key, learnerChannel(who), Preference{Value: one.value}, putOpts{})
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
	return given
}

// timezone refuses a time zone.
func (p *problems) timezone(pointer string) {
	p.add(pointer, fault.BadValue, "is no IANA time zone", "allowed", "UTC, Europe/Paris, Asia/Shanghai, America/New_York …")
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
