package catalog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

func TestPreferences(t *testing.T) {
	c := world(t)
	for _, step := range []struct {
		name    string
		given   Preferences
		want    Preferences
		changes bool
	}{
		{"nothing of nothing", Preferences{}, Preferences{}, false},
		{"both", Preferences{Locale: French, Timezone: "Europe/Paris"}, Preferences{Locale: French, Timezone: "Europe/Paris"}, true},
		{"the same", Preferences{Locale: French, Timezone: "Europe/Paris"}, Preferences{Locale: French, Timezone: "Europe/Paris"}, false},
		{"the same, spelled otherwise", Preferences{Locale: "FR", Timezone: "Europe/Paris"}, Preferences{Locale: French, Timezone: "Europe/Paris"}, false},
		{"one is left out", Preferences{Locale: "zh-CN"}, Preferences{Locale: Chinese}, true},
		{"the other", Preferences{Timezone: "UTC"}, Preferences{Timezone: "UTC"}, true},
		{"notices", Preferences{QuietHours: "22:00-07:30", CourseChanged: NotifyDaily}, Preferences{QuietHours: "22:00-07:30", CourseChanged: NotifyDaily}, true},
		{"none", Preferences{}, Preferences{}, true},
	} {
		was := head(t, c)
		must(t, c, learner, func(tx *Tx) error { return tx.PutPreferences("lea", step.given) })
		if changed := head(t, c) != was; changed != step.changes {
			t.Errorf("%s: changed is %v", step.name, changed)
		}
		got := look(t, c, func(v *View) (Preferences, error) { return v.MyPreferences("lea") })
		if d := cmp.Diff(step.want, got); d != "" {
			t.Errorf("%s: %s", step.name, d)
		}
	}
	must(t, c, admin, func(tx *Tx) error { return tx.PutPreferences("lea", Preferences{Locale: English}) })
	if got := look(t, c, func(v *View) (Preferences, error) { return v.MyPreferences("leo") }); got != (Preferences{}) {
		t.Errorf("another learner prefers %+v", got)
	}
}

func TestPreferencesRefused(t *testing.T) {
	c := world(t)
	for _, tc := range []struct {
		name    string
		p       Preferences
		pointer string
		code    fault.Code
	}{
		{"another language", Preferences{Locale: "de"}, "/locale", fault.BadLocale},
		{"a region", Preferences{Locale: "fr-CA"}, "/locale", fault.BadLocale},
		{"no language", Preferences{Locale: "*"}, "/locale", fault.BadLocale},
		{"no span", Preferences{QuietHours: "22-7"}, "/quiet_hours", fault.BadSpan},
		{"no way", Preferences{InstructorCourse: "hourly"}, "/notify/instructor_course", fault.BadValue},
		{"no zone", Preferences{Timezone: "Mars/Olympus"}, "/timezone", fault.BadTimezone},
		{"this machine's", Preferences{Timezone: "Local"}, "/timezone", fault.BadTimezone},
		{"this machine's file", Preferences{Timezone: "posix/Europe/Paris"}, "/timezone", fault.BadTimezone},
		{"a path", Preferences{Timezone: "../../etc/passwd"}, "/timezone", fault.BadTimezone},
		{"a folder", Preferences{Timezone: "Europe"}, "/timezone", fault.BadTimezone},
		{"too long", Preferences{Timezone: strings.Repeat("a", maxTimezone+1)}, "/timezone", fault.BadTimezone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantField(t, do(t, c, learner, func(tx *Tx) error { return tx.PutPreferences("lea", tc.p) }), tc.pointer, tc.code)
		})
	}
	for actor, want := range map[string]fault.Code{"anon": fault.Unauthorized, "acmeLearner": fault.Forbidden, "acmeAdmin": fault.Forbidden} {
		err := do(t, c, cast[actor], func(tx *Tx) error { return tx.PutPreferences("lea", Preferences{}) })
		if fault.CodeOf(err) != want {
			t.Errorf("%s: got %v, want %s", actor, err, want)
		}
	}
}
