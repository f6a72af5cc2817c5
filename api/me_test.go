package api

import (
	"net/http"
	"testing"
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
	put("400 invalid-fields", "/progress/c/l", m{"position": 2})
	put("201", "/progress/c/l", m{"position": .6, "time_by_device": m{"a": 5}})
	merged := put("200", "/progress/c/l", m{"position": .2, "completed": true, "time_by_device": m{"a": 3, "b": 1}})
	if merged.json["position"] != .6 || merged.json["completed"] != true {
		t.Errorf("merged: %s", merged.body)
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
