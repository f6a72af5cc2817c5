package api

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

// TestMyThings: what a learner does with a course, with its conditions.
func TestMyThings(t *testing.T) {
	s := newServer(t)
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/c", as: editor, body: m{"title": "T"}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/closed", as: editor, body: m{"title": "T", "enrollment_closes_at": "2020-01-01T00:00:00Z"}})
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/c/content", as: editor, body: m{
		"modules": []m{{"id": "m", "title": m{"en": "M"}}}, "lessons": []m{{"id": "l", "module": "m", "title": m{"en": "L"}, "body": m{"en": "<p>L</p>"}}},
	}})
	put := func(status, path string, body any, header ...string) answer {
		t.Helper()
		q := ask{method: http.MethodPut, path: "/v2/me" + path, as: learner, body: body, header: map[string]string{}}
		for i := 0; i+1 < len(header); i += 2 {
			q.header[header[i]] = header[i+1]
		}
		return s.want(status, q)
	}
	s.want("403 not-enrolled", ask{method: http.MethodGet, path: "/v2/courses/c/content", as: learner})
	put("403 not-enrolled", "/reviews/c", m{"rating": 5})
	put("403 not-enrolled", "/progress/c/l", m{"position": .1})
	put("404 not-found", "/enrollments/none", m{"state": "active"})
	put("409 enrollment-closed", "/enrollments/closed", nil)
	put("400 invalid-fields", "/enrollments/c", m{"state": "asleep"})

	enrolled := put("201", "/enrollments/c", nil, "If-None-Match", "*")
	put("412 lost-update", "/enrollments/c", nil, "If-None-Match", "*")
	put("200", "/enrollments/c", m{"state": "completed"}, "If-Match", enrolled.header.Get("ETag"))
	put("412 lost-update", "/enrollments/c", m{"state": "active"}, "If-Match", enrolled.header.Get("ETag"))
	s.want("200", ask{method: http.MethodGet, path: "/v2/courses/c/content", as: learner})

	put("400 invalid-fields", "/reviews/c", m{"rating": 6})
	put("400 invalid-fields", "/reviews/c", m{"rating": 4, "instructors": m{"nobody": 5}})
	review := put("201", "/reviews/c", m{"rating": 4, "text": "Good."})
	if review.text("by") != learner.Name {
		t.Errorf("the review is by %q", review.text("by"))
	}
	put("200", "/reviews/c", review.json) // as it was read
	put("412 lost-update", "/reviews/other", m{"rating": 4}, "If-Match", "*")
	s.want("412 lost-update", ask{method: http.MethodDelete, path: "/v2/me/reviews/c", as: learner, header: map[string]string{"If-Match": `"7-en"`}})

	put("404 not-found", "/progress/c/none", m{"position": .1})
	put("400 invalid-fields", "/progress/c/l", m{"position": 2e9})
	put("201", "/progress/c/l", m{"position": .6, "time_by_device": m{"a": 5}})
	merged := put("200", "/progress/c/l", m{"position": .2, "completed": true, "time_by_device": m{"a": 3, "b": 1}})
	if merged.json["position"] != .6 || merged.json["completed"] != true {
		t.Errorf("merged: %s", merged.body)
	}
	if got := put("200", "/progress/c/l", m{"position": 754.5}).json["position"]; got != 754.5 { // seconds, for this app
		t.Errorf("the position is %v", got)
	}
	put("404 not-found", "/bookmarks/none", nil)
	put("201", "/bookmarks/c", m{})
	s.want("404 not-found", ask{method: http.MethodDelete, path: "/v2/me/bookmarks/closed", as: learner})

	for _, name := range []string{"reviews", "enrollments", "progress", "bookmarks"} {
		mine := s.want("200", ask{method: http.MethodGet, path: "/v2/me/" + name, as: learner})
		if items := mine.items(); len(items) != 1 || items[0]["course"] != "c" {
			t.Errorf("my %s are %s", name, mine.body)
		}
		if mine.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("my %s may be cached: %q", name, mine.header.Get("Cache-Control"))
		}
		if others := s.want("200", ask{method: http.MethodGet, path: "/v2/me/" + name, as: editor}).items(); len(others) != 0 {
			t.Errorf("somebody else's %s are %v", name, others)
		}
	}
	s.want("403 forbidden", ask{method: http.MethodPatch, path: "/v2/courses/c/reviews/x", as: learner, body: m{"hidden": true}})
	s.want("404 not-found", ask{method: http.MethodPatch, path: "/v2/courses/c/reviews/x", as: editor, body: m{"hidden": true}})
	s.want("400 invalid-fields", ask{method: http.MethodPatch, path: "/v2/courses/c/reviews/x", as: editor, body: m{"rating": 1}})
}

func TestMyPreferences(t *testing.T) {
	s := newServer(t)
	const path = "/v2/me/preferences"
	s.want("401 unauthorized", ask{method: http.MethodGet, path: path})
	s.want("401 unauthorized", ask{method: http.MethodPut, path: path, body: m{}})
	for _, step := range []struct {
		status string
		body   any
		want   m // what is read afterwards
	}{
		{"200", m{}, m{"locale": nil, "timezone": nil}},
		{"200", m{"locale": "zh-CN", "timezone": "Asia/Shanghai"}, m{"locale": "zh-Hans", "timezone": "Asia/Shanghai"}},
		{"400 invalid-fields", m{"locale": "de"}, m{"locale": "zh-Hans", "timezone": "Asia/Shanghai"}},
		{"400 invalid-fields", m{"locale": "fr", "timezone": "Nowhere"}, m{"locale": "zh-Hans", "timezone": "Asia/Shanghai"}},
		{"400 invalid-fields", m{"theme": "dark"}, m{"locale": "zh-Hans", "timezone": "Asia/Shanghai"}},
		{"400 invalid-fields", m{"locale": 1}, m{"locale": "zh-Hans", "timezone": "Asia/Shanghai"}},
		{"400 invalid-body", "", m{"locale": "zh-Hans", "timezone": "Asia/Shanghai"}},
		{"200", m{"locale": "fr"}, m{"locale": "fr", "timezone": nil}},
		{"200", m{"locale": nil, "timezone": "UTC"}, m{"locale": nil, "timezone": "UTC"}},
	} {
		put := s.want(step.status, ask{method: http.MethodPut, path: path, as: learner, body: step.body})
		got := s.want("200", ask{method: http.MethodGet, path: path, as: learner})
		step.want["quiet_hours"] = nil
		step.want["notify"] = m{"course_changed": nil, "search_match": nil, "instructor_course": nil, "import_finished": nil}
		if diff := cmp.Diff(step.want, got.json); diff != "" {
			t.Errorf("after %v: %s", step.body, diff)
		}
		if put.status == http.StatusOK {
			if diff := cmp.Diff(step.want, put.json); diff != "" || put.header.Get("Carrel-As-Of") == "" {
				t.Errorf("%v is answered with %v: %s", step.body, put.header, diff)
			}
		}
	}
	wants := m{"quiet_hours": "22:00-07:30", "notify": m{"course_changed": "daily", "search_match": "off", "instructor_course": "instant", "import_finished": nil}}
	put := s.want("200", ask{method: http.MethodPut, path: path, as: learner, body: wants})
	wants["locale"], wants["timezone"] = nil, nil
	if diff := cmp.Diff(wants, put.json); diff != "" {
		t.Error(diff)
	}
	s.want("400 invalid-fields", ask{method: http.MethodPut, path: path, as: learner, body: m{"quiet_hours": "late"}})
	s.want("400 invalid-fields", ask{method: http.MethodPut, path: path, as: learner, body: m{"notify": m{"course_changed": "hourly"}}})
	// The language of answers goes by each request.
	s.want("200", ask{method: http.MethodPut, path: path, as: learner, body: m{"locale": "fr"}})
	if got := s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/courses/none", as: learner}); got.header.Get("Content-Language") != "en" {
		t.Errorf("the answer is in %q", got.header.Get("Content-Language"))
	}
}

// TestReviewsWithoutAName: a token without a name makes a review by "a learner", in whichever language it is read.
func TestReviewsWithoutAName(t *testing.T) {
	s := newServer(t)
	nameless := catalog.Actor{Subject: "nn"}
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/c", as: editor, body: m{"title": "T"}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/enrollments/c", as: nameless})
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/reviews/c", as: nameless, body: m{"rating": 4, "text": "Good."}})
	for locale, want := range map[string]string{"en": "A learner", "fr": "Un apprenant", "zh-Hans": "一位学习者"} {
		for _, path := range []string{"/v2/courses/c/reviews", "/v2/me/reviews"} {
			got := s.want("200", ask{method: http.MethodGet, path: path + "?locale=" + locale, as: nameless}).items()
			if len(got) != 1 || got[0]["by"] != want {
				t.Errorf("%s in %s: %v, want it by %q", path, locale, got, want)
			}
		}
	}
}

// TestPrerequisitesOfOthers: a document does not name courses that its reader may not see.
func TestPrerequisitesOfOthers(t *testing.T) {
	s := newServer(t)
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/draft", as: editor, body: m{"title": "T", "state": "draft"}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/pub", as: editor, body: m{"title": "T"}})
	made := s.want("201", ask{method: http.MethodPut, path: "/v2/courses/c", as: editor, body: m{"title": "T", "prerequisites": []string{"draft", "pub"}}})
	all, seen := []any{"draft", "pub"}, []any{"pub"}
	if diff := cmp.Diff(all, made.json["prerequisites"]); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		as   catalog.Actor
		want []any
	}{{nobody, seen}, {learner, seen}, {acme, seen}, {editor, all}} {
		got := s.want("200", ask{method: http.MethodGet, path: "/v2/courses/c", as: tt.as}).json["prerequisites"]
		if diff := cmp.Diff(any(tt.want), got); diff != "" {
			t.Errorf("%q: %s", tt.as.Subject, diff)
		}
	}
}
