package api

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/push"
)

// TestPushDefaults: administrators set them for their organization, those of the whole server for all.
func TestPushDefaults(t *testing.T) {
	s := newServer(t)
	const path = "/v2/push/defaults"
	acme := catalog.Actor{Subject: "boss", Roles: []catalog.Role{catalog.RoleAdmin}, Org: "acme"}
	s.want("401 unauthorized", ask{method: http.MethodGet, path: path})
	s.want("403 forbidden", ask{method: http.MethodGet, path: path, as: learner})
	s.want("403 forbidden", ask{method: http.MethodPut, path: path + "?org=", as: acme, body: m{}})
	s.want("403 forbidden", ask{method: http.MethodGet, path: path + "?org=other", as: acme})
	for _, bad := range []m{{"quiet_hours": "25:00-07:00"}, {"digest_at": "8"}, {"daily_cap": 101}, {"notify": m{"course_changed": "hourly"}}, {"theme": "dark"}} {
		s.want("400 invalid-fields", ask{method: http.MethodPut, path: path, as: acme, body: bad})
	}
	want := m{"quiet_hours": "22:00-07:30", "digest_at": "07:00", "daily_cap": 3.0, "notify": m{"course_changed": "daily", "search_match": "daily", "instructor_course": "off", "import_finished": nil}}
	s.want("200", ask{method: http.MethodPut, path: path, as: acme, body: want})
	for _, q := range []ask{{method: http.MethodGet, path: path, as: acme}, {method: http.MethodGet, path: path + "?org=acme", as: root}} {
		if diff := cmp.Diff(want, s.want("200", q).json); diff != "" {
			t.Error(diff)
		}
	}
	if got := s.want("200", ask{method: http.MethodGet, path: path, as: root}); got.json["quiet_hours"] != nil {
		t.Errorf("for all: %v", got.json)
	}
}

// TestEveryRuleIsChosen: of every rule a learner says how soon they hear of it, and an administrator what holds for those who do not say.
func TestEveryRuleIsChosen(t *testing.T) {
	s := newServer(t)
	for _, rule := range catalog.NotificationRules {
		for path, as := range map[string]catalog.Actor{"/v2/me/preferences": learner, "/v2/push/defaults": root} {
			got := s.want("200", ask{method: http.MethodPut, path: path, as: as, body: m{"notify": m{string(rule): "daily"}}})
			if notify, _ := got.json["notify"].(map[string]any); notify[string(rule)] != "daily" {
				t.Errorf("%s of %s: %v", path, rule, got.json)
			}
		}
	}
}

func TestPushTest(t *testing.T) {
	s := newServer(t)
	const path = "/v2/push/test"
	body := m{"learner": learner.Subject, "device": "phone"}
	s.want("401 unauthorized", ask{method: http.MethodPost, path: path, body: body})
	s.want("403 forbidden", ask{method: http.MethodPost, path: path, as: learner, body: body})
	wrong := func(in, want string) {
		t.Helper()
		got := s.want("404 no-such-device", ask{method: http.MethodPost, path: path + "?locale=" + in, as: root, body: m{"learner": learner.Subject, "device": "tablet"}})
		if d := got.text("detail"); !strings.Contains(d, want) {
			t.Errorf("%q, want %q", d, want)
		}
	}
	wrong("en", "The learner “lea” has no device “tablet”. Registered are: –.")
	for _, id := range []string{"phone", "watch"} {
		s.want("201", ask{method: http.MethodPut, path: "/v2/me/devices/" + id, as: learner, body: m{"token": id, "platform": "ios", "locale": "fr"}})
	}
	wrong("fr", "« tablet ». Appareils enregistrés : phone, watch. GET /v2/me/devices")
	if got := s.want("200", ask{method: http.MethodPost, path: path, as: root, body: body}); got.text("outcome") != "sent" {
		t.Errorf("%v", got.json)
	}
}

// TestPushTestUnconfigured: without a push service the answer says what is to be set, and not that one should come again.
func TestPushTestUnconfigured(t *testing.T) {
	s := newServer(t, func(c *Config) {
		var err error
		if c.Push, err = push.Open(t.Context(), push.Config{Path: filepath.Join(t.TempDir(), "push.db"), Catalog: c.Catalog, Texts: c.Texts, Now: c.Now}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Push.Close() })
	})
	got := s.want("409 push-not-configured", ask{method: http.MethodPost, path: "/v2/push/test", as: root, body: m{"learner": learner.Subject, "device": "phone"}})
	if !strings.Contains(got.text("detail"), "CARREL_FCM_PROJECT") || got.header.Get("Retry-After") != "" {
		t.Errorf("%v %v", got.header, got.json)
	}
}

// TestFieldsOfPush: what is wrong with a field of devices, preferences and defaults is said where it is.
func TestFieldsOfPush(t *testing.T) {
	s := newServer(t)
	const preferences, defaults, device = "/v2/me/preferences", "/v2/push/defaults", "/v2/me/devices/phone"
	zone := []string{"IANA time zone, for example Europe/Paris", "fuseau horaire de l’IANA", "IANA 时区名称，例如 Europe/Paris"}
	token := []string{"registration token", "jeton d’enregistrement", "注册令牌"}
	for _, tt := range []struct {
		path          string
		body          m
		pointer, code string
		details       []string // in English, French and Chinese; none: any
	}{
		{preferences, m{"notify": m{"course_changed": "hourly"}}, "/notify/course_changed", "bad-value", nil},
		{defaults, m{"notify": m{"search_match": "hourly"}}, "/notify/search_match", "bad-value", nil},
		{defaults, m{"daily_cap": 0}, "/daily_cap", "out-of-range", []string{"Must be between 1 and 100.", "Doit être compris entre 1 et 100.", "必须介于 1 和 100 之间。"}},
		{preferences, m{"timezone": "Paris"}, "/timezone", "bad-timezone", zone},
		{device, m{"token": "t", "platform": "ios", "timezone": "Paris"}, "/timezone", "bad-timezone", zone},
		{device, m{"token": "a b", "platform": "ios"}, "/token", "bad-token", token},
		{device, m{"token": "clé", "platform": "ios"}, "/token", "bad-token", token},
		{defaults, m{"daily_cap": -1}, "/daily_cap", "out-of-range", []string{"Must be between 1 and 100."}},
		{defaults, m{"daily_cap": 101}, "/daily_cap", "out-of-range", []string{"Must be between 1 and 100."}},
	} {
		for i, locale := range []string{"en", "fr", "zh-Hans"} {
			got := s.want("400 invalid-fields", ask{method: http.MethodPut, path: tt.path + "?locale=" + locale, as: root, body: tt.body})
			list, _ := got.json["errors"].([]any)
			if len(list) != 1 {
				t.Fatalf("%s %v: %s", tt.path, tt.body, got.body)
			}
			field, _ := list[0].(m)
			detail, _ := field["detail"].(string)
			if field["pointer"] != tt.pointer || field["code"] != tt.code || i < len(tt.details) && !strings.Contains(detail, tt.details[i]) {
				t.Errorf("%s %v, in %s: %v", tt.path, tt.body, locale, field)
			}
		}
	}
}
