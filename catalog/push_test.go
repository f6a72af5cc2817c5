package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

func TestQuietSpan(t *testing.T) {
	for in, want := range map[string]string{
		"22:00-07:30": "1320 450 true", "12:00-14:00": "720 840 true", "00:00-23:59": "0 1439 true", "off": "0 0 true",
		"": "false", "22:00": "false", "22:00-22:00": "false", "24:00-07:00": "false", "22:60-07:00": "false", "9:00-10:00": "false", "late-early": "false", "22:00-07:30-": "false",
		"+1:00-07:00": "false", "-1:00-07:00": "false",
	} {
		from, until, ok := QuietSpan(in)
		got := fmt.Sprint(ok)
		if ok {
			got = fmt.Sprint(from, until, ok)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestPushDefaults(t *testing.T) {
	c := world(t)
	boss := Actor{Subject: "boss", Org: "acme", Roles: []Role{RoleAdmin}}
	set := PushDefaults{QuietHours: "22:00-07:00", DigestAt: "07:30", DailyCap: 3, CourseChanged: NotifyDaily}
	must(t, c, boss, func(tx *Tx) error { return tx.PutPushDefaults("acme", set) })
	must(t, c, admin, func(tx *Tx) error { return tx.PutPushDefaults("", PushDefaults{DailyCap: 7}) })
	for org, want := range map[OrgID]PushDefaults{"acme": set, "": {DailyCap: 7}, "other": {}} {
		got := look(t, c, func(v *View) (PushDefaults, error) { return v.PushDefaultsFor(admin, org) })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", org, d)
		}
	}
	for name, tc := range map[string]struct {
		as   Actor
		org  OrgID
		d    PushDefaults
		want fault.Code
		at   string // the field that is refused
	}{
		"anonymous":       {Actor{}, "", PushDefaults{}, fault.Unauthorized, ""},
		"a learner":       {learner, "", PushDefaults{}, fault.Forbidden, ""},
		"for all":         {boss, "", PushDefaults{}, fault.Forbidden, ""},
		"of others":       {boss, "other", PushDefaults{}, fault.Forbidden, ""},
		"no span":         {boss, "acme", PushDefaults{QuietHours: "late"}, fault.InvalidFields, "/quiet_hours"},
		"no time":         {boss, "acme", PushDefaults{DigestAt: "25:00"}, fault.InvalidFields, "/digest_at"},
		"too many":        {boss, "acme", PushDefaults{DailyCap: MaxDailyCap + 1}, fault.InvalidFields, "/daily_cap"},
		"fewer than none": {boss, "acme", PushDefaults{DailyCap: -1}, fault.InvalidFields, "/daily_cap"},
		"no way":          {boss, "acme", PushDefaults{ImportFinished: "hourly"}, fault.InvalidFields, "/notify/import_finished"},
		"no organization": {admin, "a/b", PushDefaults{}, fault.InvalidFields, "/org"},
	} {
		_, err := c.Update(t.Context(), tc.as, func(tx *Tx) error { return tx.PutPushDefaults(tc.org, tc.d) })
		if !fault.Is(err, tc.want) || tc.at != "" && !strings.Contains(err.Error(), "; "+tc.at+": ") {
			t.Errorf("%s: %v, want %s %s", name, err, tc.want, tc.at)
		}
	}
}

// TestLearnersOf: the table follows enrollments, whoever and whatever they are called.
func TestLearnersOf(t *testing.T) {
	c := world(t)
	must(t, c, admin, func(tx *Tx) error {
		_, err := tx.PutCourse(Course{ID: "taken", Text: Text{Title: "Taken"}, Language: English}, Cond{})
		return err
	})
	for _, who := range []LearnerID{"a", "https://issuer|b/c%", "d"} {
		must(t, c, admin, func(tx *Tx) error {
			_, err := tx.PutEnrollment(who, "taken", Active, Cond{})
			return err
		})
	}
	list := func(after LearnerID) []string {
		return look(t, c, func(v *View) (found []string, _ error) {
			for who, state := range v.LearnersOf("taken", after) {
				found = append(found, string(who)+" "+string(state))
			}
			return found, nil
		})
	}
	if got, want := list(""), []string{"a active", "d active", "https://issuer|b/c% active"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := list("d"), []string{"https://issuer|b/c% active"}; !slices.Equal(got, want) {
		t.Errorf("after d: %q, want %q", got, want)
	}
	must(t, c, admin, func(tx *Tx) error {
		_, err := tx.PutEnrollment("a", "taken", Completed, Cond{})
		return err
	})
	must(t, c, admin, func(tx *Tx) error {
		_, err := tx.PutEnrollment("d", "taken", Withdrawn, Cond{})
		return err
	})
	must(t, c, admin, func(tx *Tx) error { return tx.Erase("https://issuer|b/c%") })
	if got, want := list(""), []string{"a completed"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPushDefaultsIn: what an organization did not set is as for everyone, and else as it is where nobody set anything.
func TestPushDefaultsIn(t *testing.T) {
	c := world(t)
	must(t, c, admin, func(tx *Tx) error {
		if err := tx.PutPushDefaults("acme", PushDefaults{DigestAt: "07:30", CourseChanged: NotifyDaily, SearchMatch: NotifyDaily}); err != nil {
			return err
		}
		return tx.PutPushDefaults("", PushDefaults{QuietHours: "22:00-07:00", DailyCap: 7, CourseChanged: NotifyOff})
	})
	everyone := PushDefaults{"22:00-07:00", "08:00", 7, NotifyOff, NotifyInstant, NotifyInstant, NotifyInstant}
	for org, want := range map[OrgID]PushDefaults{"acme": {"22:00-07:00", "07:30", 7, NotifyDaily, NotifyDaily, NotifyInstant, NotifyInstant}, "": everyone, "other": everyone} {
		if d := cmp.Diff(want, look(t, c, func(v *View) (PushDefaults, error) { return v.PushDefaultsIn(org) })); d != "" {
			t.Errorf("%q: %s", org, d)
		}
	}
}
