package web

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

func (s *site) preferences(who catalog.LearnerID) (p catalog.Preferences) {
	s.t.Helper()
	err := s.catalog.View(s.t.Context(), func(v *catalog.View) (err error) {
		p, err = v.MyPreferences(who)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// TestSettingsPage: what was not chosen is as the organization has it, and imports are told of to those who import.
func TestSettingsPage(t *testing.T) {
	s := newSite(t, options{})
	s.visitor("en").get("/me/settings").wants(t, http.StatusOK, "Open the sign-in link")
	s.write(func(tx *catalog.Tx) error {
		return tx.PutPushDefaults("acme", catalog.PushDefaults{QuietHours: "21:00-08:00", DigestAt: "07:30", CourseChanged: catalog.NotifyDaily})
	})
	page := s.signedIn(catalog.Actor{Subject: "lea"}).get("/me/settings")
	page.wants(t, http.StatusOK, `value="" selected>At once (default)`, "No quiet hours (default)", "once a day at 08:00", "UTC holds", `name="quiet_from" value="22:00"`, "Apps in which you sign in appear here")
	page.lacks(t, "import of yours", `value="off" checked`)
	s.signedIn(catalog.Actor{Subject: "ed", Roles: []catalog.Role{catalog.RoleEditor}}).get("/me/settings").wants(t, http.StatusOK, "An import of yours is finished")
	mia := s.signedIn(catalog.Actor{Subject: "mia", Org: "acme"})
	mia.get("/me/settings").wants(t, http.StatusOK, `value="" selected>Once a day (default of your organization)`, "21:00–08:00 (default of your organization)", `name="quiet_from" value="21:00"`,
		`name="quiet" value="off"><`, "once a day at 07:30")
	mia.post("/me/settings", url.Values{"quiet": {"off"}, "notify.course_changed": {"off"}}).wants(t, http.StatusOK, "Your settings are saved.", `name="quiet" value="off" checked`, `value="off" selected>Not at all`)
}

// TestSaveSettings: a form changes what was changed in it, and of what a phone changed meanwhile it takes nothing back.
func TestSaveSettings(t *testing.T) {
	s := newSite(t, options{})
	set := func(p catalog.Preferences) {
		t.Helper()
		s.write(func(tx *catalog.Tx) error { return tx.PutPreferences("lea", p) })
	}
	shown := url.Values{ // as the page showed them
		"was.notify.course_changed": {"daily"}, "was.notify.search_match": {""}, "was.notify.instructor_course": {""}, "was.quiet_hours": {"22:00-07:00"}, "was.timezone": {"Europe/Paris"},
		"notify.course_changed": {"daily"}, "notify.search_match": {""}, "notify.instructor_course": {""}, "quiet": {"span"}, "quiet_from": {"22:00"}, "quiet_until": {"07:00"}, "timezone": {"Europe/Paris"},
	}
	before := catalog.Preferences{Locale: "fr", Timezone: "Europe/Paris", QuietHours: "22:00-07:00", CourseChanged: catalog.NotifyDaily, ImportFinished: catalog.NotifyOff}
	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	for name, tt := range map[string]struct {
		now    func(*catalog.Preferences) // what a phone changed meanwhile
		form   url.Values
		status int
		want   func(*catalog.Preferences) // besides that
	}{
		"nothing": {status: 200},
		"all": {form: url.Values{"notify.course_changed": {"instant"}, "notify.search_match": {"off"}, "quiet_until": {"06:30"}, "timezone": {" Asia/Shanghai "}}, status: 200, want: func(p *catalog.Preferences) {
			p.CourseChanged, p.SearchMatch, p.QuietHours, p.Timezone = catalog.NotifyInstant, catalog.NotifyOff, "22:00-06:30", "Asia/Shanghai"
		}},
		"back to what is usual": {form: url.Values{"notify.course_changed": {""}, "quiet": {""}, "timezone": {""}}, status: 200, want: func(p *catalog.Preferences) {
			p.CourseChanged, p.QuietHours, p.Timezone = "", "", ""
		}},
		"others meanwhile":   {now: func(p *catalog.Preferences) { p.Timezone, p.InstructorCourse = "Asia/Tokyo", catalog.NotifyOff }, form: url.Values{"quiet": {"off"}}, status: 200, want: func(p *catalog.Preferences) { p.QuietHours = "off" }},
		"the same meanwhile": {now: func(p *catalog.Preferences) { p.Timezone = "Asia/Tokyo" }, form: url.Values{"timezone": {"Asia/Tokyo"}}, status: 200},
		"another meanwhile":  {now: func(p *catalog.Preferences) { p.Timezone = "Asia/Tokyo" }, form: url.Values{"timezone": {"Asia/Seoul"}, "quiet": {"off"}}, status: 412},
		"no zone":            {form: url.Values{"timezone": {"Paris"}}, status: 400},
		"no span":            {form: url.Values{"quiet_from": {""}}, status: 400},
		"no way":             {form: url.Values{"notify.search_match": {"hourly"}}, status: 400},
	} {
		now := before
		if tt.now != nil {
			tt.now(&now)
		}
		set(now)
		form := url.Values{}
		for _, some := range []url.Values{shown, tt.form} {
			maps.Copy(form, some)
		}
		lea.post("/me/settings", form).wants(t, tt.status)
		if tt.want != nil {
			tt.want(&now)
		}
		if diff := cmp.Diff(now, s.preferences("lea")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	s.visitor("en").post("/me/settings", shown).wants(t, http.StatusUnauthorized)
}

// TestMyDevices: one sees what one's devices are, never their tokens, and removes one's own only.
func TestMyDevices(t *testing.T) {
	s := newSite(t, options{})
	s.write(func(tx *catalog.Tx) error {
		for id, d := range map[catalog.DeviceID]catalog.Device{
			"手机@1": {Token: "secret-1", Platform: catalog.PlatformAndroid, Locale: "fr-CA", Timezone: "America/Montreal", AppVersion: "2.1"}, "web": {Token: "secret-2", Platform: catalog.PlatformWeb},
		} {
			if _, err := tx.PutDevice("lea", id, d, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	page := lea.get("/me/settings")
	page.wants(t, http.StatusOK, "<b>Android</b>", "App 2.1 · Canadian French · America/Montreal", "<b>Browser</b>", "Last seen on", "America/Montreal holds", `action="/me/settings/devices/%E6%89%8B%E6%9C%BA@1"`)
	page.lacks(t, "secret-")
	const phone = "/me/settings/devices/%E6%89%8B%E6%9C%BA@1"
	s.visitor("en").post(phone, nil).wants(t, http.StatusUnauthorized)
	other := s.signedIn(catalog.Actor{Subject: "max"})
	other.get("/me/settings").lacks(t, "Canadian French")
	other.post(phone, nil)
	lea.get("/me/settings").wants(t, http.StatusOK, "<b>Android</b>")
	for range 2 { // what is gone already is gone, as was asked
		answer := lea.post(phone, nil)
		answer.wants(t, http.StatusOK, "The device is removed.", "<b>Browser</b>")
		answer.lacks(t, "<b>Android</b>")
	}
}

// TestZones: whatever is proposed is accepted.
func TestZones(t *testing.T) {
	s := newSite(t, options{})
	s.write(func(tx *catalog.Tx) error {
		for _, zone := range zones {
			if err := tx.PutPreferences("lea", catalog.Preferences{Timezone: zone}); err != nil {
				t.Errorf("%s: %v", zone, err)
			}
		}
		return nil
	})
}
