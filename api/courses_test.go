package api

import (
	"net/http"
	"testing"
)

func TestCourseLifecycle(t *testing.T) {
	s := newServer(t)
	const path = "/v2/courses/CS101"
	s.want("201", ask{method: http.MethodPut, path: "/v2/tags/go", as: editor, body: m{"label": m{"en": "Go", "fr": "Go"}}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/categories/cs", as: editor, body: m{"label": m{"en": "Computer science"}}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/instructors/ada", as: editor, body: m{"name": "Ada Obi"}})
	body := m{
		"title": "Learning Go", "summary": "A first course.", "language": "en", "tags": []string{"go"}, "category": "cs", "level": "beginner",
		"instructors": []any{"ada"}, "duration_minutes": 90, "price": 0, "currency": "EUR", "translations": m{"fr": m{"title": "Apprendre Go"}},
	}
	made := s.want("201", ask{method: http.MethodPut, path: path, as: editor, body: body})
	if made.header.Get("Carrel-As-Of") == "" || made.header.Get("ETag") == "" {
		t.Errorf("a write has no Carrel-As-Of or ETag: %v", made.header)
	}
	same := s.want("200", ask{method: http.MethodPut, path: path, as: editor, body: body})
	if same.header.Get("ETag") != made.header.Get("ETag") {
		t.Error("a write that changes nothing made a version")
	}

	fr := s.want("200", ask{method: http.MethodGet, path: path, header: map[string]string{"Accept-Language": "fr-CA, en;q=0.5"}})
	if fr.text("title") != "Apprendre Go" || fr.text("locale") != "fr" || fr.header.Get("Content-Language") != "fr" {
		t.Errorf("in French: %v %v", fr.json["title"], fr.header)
	}
	for _, held := range []string{fr.header.Get("ETag"), "*"} { // the version says nothing of the ratings
		s.want("200", ask{method: http.MethodGet, path: path + "?locale=fr", header: map[string]string{"If-None-Match": held}})
	}

	// What was read in the source language can be sent back as it is; what was read in another cannot.
	source := s.want("200", ask{method: http.MethodGet, path: path + "?locale=*", as: editor})
	if source.text("title") != "Learning Go" {
		t.Errorf("source text: %q", source.text("title"))
	}
	s.want("200", ask{method: http.MethodPut, path: path, as: editor, body: source.json})
	s.want("400 invalid-fields", ask{method: http.MethodPut, path: path, as: editor, body: fr.json})

	patched := s.want("200", ask{
		method: http.MethodPatch, path: path, as: editor, body: m{"level": nil, "price": 12.5, "translations": m{"zh-Hans": m{"title": "学习 Go"}}},
		header: map[string]string{"Content-Type": mergePatch, "If-Match": made.header.Get("ETag")},
	})
	if patched.json["level"] != nil || patched.json["price"] != 12.5 {
		t.Errorf("patched: level %v, price %v", patched.json["level"], patched.json["price"])
	}
	if tr, _ := patched.json["translations"].(m); len(tr) != 2 {
		t.Errorf("a patch of one translation lost another: %v", patched.json["translations"])
	}
	s.want("412 lost-update", ask{method: http.MethodPatch, path: path, as: editor, body: m{"level": "all"}, header: map[string]string{"If-Match": made.header.Get("ETag")}})
	s.want("412 lost-update", ask{method: http.MethodDelete, path: path, as: editor, header: map[string]string{"If-Match": made.header.Get("ETag")}})

	s.want("409 has-dependents", ask{method: http.MethodDelete, path: "/v2/tags/go", as: editor})
	s.want("403 forbidden", ask{method: http.MethodDelete, path: path, as: learner})
	s.want("401 unauthorized", ask{method: http.MethodDelete, path: path})
	s.want("204", ask{method: http.MethodDelete, path: path, as: editor, header: map[string]string{"If-Match": `"1-en", ` + patched.header.Get("ETag")}})
	s.want("404 not-found", ask{method: http.MethodGet, path: path})
	s.want("404 not-found", ask{method: http.MethodDelete, path: path, as: editor})
}

// TestCourseNamesWhatIsNew writes a course as a client does that knows labels and no ids: what nobody has made yet is made, as an import does.
func TestCourseNamesWhatIsNew(t *testing.T) {
	s := newServer(t)
	body := m{
		"title": "Bread", "tags": []string{"C++", "Sour Dough", "cplusplus"}, "category": "Food", "provider": "Bakers",
		"instructors": []any{"Ada Obi", m{"id": "bo", "name": "Bo Li"}},
	}
	made := s.want("201", ask{method: http.MethodPost, path: "/v2/courses", as: editor, body: body})
	if made.text("id") == "" || made.text("category") != "food" {
		t.Errorf("made %v", made.json)
	}
	if tags, _ := made.json["tags"].([]any); len(tags) != 2 || tags[0] != "cplusplus" || tags[1] != "sour-dough" {
		t.Errorf("tags %v", made.json["tags"])
	}
	people, _ := made.json["instructors"].([]any)
	if len(people) != 2 || people[0].(m)["id"] != "ada-obi" || people[0].(m)["name"] != "Ada Obi" || people[1].(m)["name"] != "Bo Li" {
		t.Errorf("instructors %v", made.json["instructors"])
	}
	again := s.want("200", ask{method: http.MethodPut, path: "/v2/courses/" + made.text("id"), as: editor, body: body})
	if again.header.Get("ETag") != made.header.Get("ETag") {
		t.Error("the same names made another version")
	}
	s.want("403 forbidden", ask{method: http.MethodPut, path: "/v2/courses/x", as: learner, body: body})
	s.want("401 unauthorized", ask{method: http.MethodPost, path: "/v2/courses", body: m{"title": "T"}})
}
