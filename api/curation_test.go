package api

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

// curationServer has a public course, one of acme's and one of somebody else's.
func curationServer(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	for _, id := range []string{"C1", "C2", "acme~C1", "bolz~C1"} {
		s.want("201", ask{method: http.MethodPut, path: "/v2/courses/" + id, as: editor, body: m{"title": "Python " + id}})
	}
	return s
}

// lasting returns a document without what every write moves.
func (a answer) lasting() m {
	doc := maps.Clone(a.json)
	delete(doc, "version")
	delete(doc, "updated_at")
	return doc
}

func TestCurationDocuments(t *testing.T) {
	s := curationServer(t)
	put, get := http.MethodPut, http.MethodGet
	for _, tt := range []struct {
		path       string
		as         catalog.Actor
		body, want m
	}{
		{
			"/v2/search/synonyms/js", editor,
			m{"from": []string{" JS "}, "to": []string{"javascript"}},
			m{"id": "js", "org": nil, "language": nil, "from": []any{"JS"}, "to": []any{"javascript"}, "two_way": false},
		},
		{
			"/v2/search/synonyms/acme~%E6%9C%BA%E5%99%A8", acme,
			m{"id": "acme~机器", "language": "zh", "from": []string{"机器学习"}, "to": []string{"machine learning"}, "two_way": true},
			m{"id": "acme~机器", "org": "acme", "language": "zh-Hans", "from": []any{"机器学习"}, "to": []any{"machine learning"}, "two_way": true},
		},
		{
			"/v2/search/pins/py", editor,
			m{"query": "python", "pins": []string{"C2", "C1"}},
			m{"id": "py", "org": nil, "language": nil, "query": "python", "pins": []any{"C2", "C1"}, "boosts": m{}},
		},
		{
			"/v2/search/pins/acme~py", acme,
			m{"query": "python", "language": "fr", "boosts": m{"C1": 2.5, "acme~C1": -3}},
			m{"id": "acme~py", "org": "acme", "language": "fr", "query": "python", "pins": []any{}, "boosts": m{"C1": 2.5, "acme~C1": -3.0}},
		},
	} {
		made := s.want("201", ask{method: put, path: tt.path, as: tt.as, body: tt.body})
		if diff := cmp.Diff(tt.want, made.lasting()); diff != "" {
			t.Errorf("%s: %s", tt.path, diff)
		}
		read := s.want("200", ask{method: get, path: tt.path + "?after=" + made.header.Get(asOfHeader), as: tt.as})
		if diff := cmp.Diff(made.json, read.json); diff != "" {
			t.Errorf("%s: what was read differs from what was written: %s", tt.path, diff)
		}
		if made.header.Get("ETag") == "" || read.header.Get("ETag") != made.header.Get("ETag") {
			t.Errorf("%s: tags %q and %q", tt.path, made.header.Get("ETag"), read.header.Get("ETag"))
		}
		again := s.want("200", ask{method: put, path: tt.path, as: tt.as, body: read.json}) // what was read can be sent back
		if again.json["version"] != read.json["version"] {
			t.Errorf("%s: the same again made another version", tt.path)
		}
	}
}

func TestCurationConditions(t *testing.T) {
	s := curationServer(t)
	const path = "/v2/search/synonyms/js"
	put := func(to string, header, value string) ask {
		return ask{method: http.MethodPut, path: path, as: editor, body: m{"from": []string{"js"}, "to": []string{to}}, header: map[string]string{header: value}}
	}
	s.want("412 lost-update", put("javascript", "If-Match", "*"))
	first := s.want("201", put("javascript", "If-None-Match", "*")).header.Get("ETag")
	s.want("412 lost-update", put("ecmascript", "If-None-Match", "*"))
	s.want("200", put("ecmascript", "If-Match", first))
	s.want("412 lost-update", put("javascript", "If-Match", first))
	del := ask{method: http.MethodDelete, path: path, as: editor, header: map[string]string{"If-Match": first}}
	s.want("412 lost-update", del)
	del.header = nil
	if got := s.want("204", del); got.header.Get(asOfHeader) == "" {
		t.Error("a delete has no token")
	}
	s.want("404 not-found", del)
	s.want("404 not-found", ask{method: http.MethodGet, path: path, as: editor})
	s.want("405 method-not-allowed", ask{method: http.MethodPatch, path: path, as: editor, body: m{"two_way": true}})
}

// TestWhoCurates: what the organization of one is, nobody else learns.
func TestWhoCurates(t *testing.T) {
	s := curationServer(t)
	other := catalog.Actor{Subject: "bo", Roles: []catalog.Role{catalog.RoleEditor}, Org: "bolz"}
	member := catalog.Actor{Subject: "leo", Org: "acme"}
	bodies := map[string]m{
		"synonyms": {"from": []string{"js"}, "to": []string{"javascript"}},
		"pins":     {"query": "python", "pins": []string{"C1"}},
	}
	for kind, body := range bodies {
		base := "/v2/search/" + kind
		for id, as := range map[string]catalog.Actor{"acme~x": acme, "x": editor} {
			s.want("201", ask{method: http.MethodPut, path: base + "/" + id, as: as, body: body})
		}
		for _, tt := range []struct {
			as                                     catalog.Actor
			list, readOwn, readPublic, own, public string // acme's is their own
		}{
			{nobody, "401 unauthorized", "401 unauthorized", "401 unauthorized", "401 unauthorized", "401 unauthorized"},
			{learner, "403 forbidden", "403 forbidden", "403 forbidden", "404 not-found", "403 forbidden"},
			{member, "403 forbidden", "403 forbidden", "403 forbidden", "403 forbidden", "403 forbidden"},
			{other, "200", "404 not-found", "404 not-found", "404 not-found", "403 forbidden"},
			{translator, "200", "200", "200", "403 forbidden", "403 forbidden"},
			{acme, "200", "200", "404 not-found", "200", "403 forbidden"},
			{editor, "200", "200", "200", "200", "200"},
		} {
			s.want(tt.list, ask{method: http.MethodGet, path: base, as: tt.as})
			for id, want := range map[string][2]string{"acme~x": {tt.readOwn, tt.own}, "x": {tt.readPublic, tt.public}} {
				s.want(want[0], ask{method: http.MethodGet, path: base + "/" + id, as: tt.as})
				s.want(want[1], ask{method: http.MethodPut, path: base + "/" + id, as: tt.as, body: body})
				if want[1] != "200" {
					s.want(want[1], ask{method: http.MethodDelete, path: base + "/" + id, as: tt.as})
					s.want(want[1], ask{method: http.MethodDelete, path: base + "/" + id + "-none", as: tt.as})
				}
			}
		}
		for as, want := range map[*catalog.Actor]string{&acme: "acme~x", &other: "", &editor: "acme~x x"} {
			if got := ids(s.want("200", ask{method: http.MethodGet, path: base, as: *as})); got != want {
				t.Errorf("%s lists %s: %q, want %q", as.Subject, kind, got, want)
			}
		}
		first := s.want("200", ask{method: http.MethodGet, path: base + "?limit=1", as: editor})
		second := s.want("200", ask{method: http.MethodGet, path: base + "?limit=1&cursor=" + first.text("next"), as: editor})
		if got := ids(first) + " " + ids(second); got != "acme~x x" || second.json["next"] != nil {
			t.Errorf("%s, page by page: %q, then %v", kind, got, second.json["next"])
		}
	}
}

// ids joins the ids of a list.
func ids(a answer) string {
	var all []string
	for _, item := range a.items() {
		id, _ := item["id"].(string)
		all = append(all, id)
	}
	return strings.Join(all, " ")
}

// TestCurationIsChecked: what is refused names its place, in the caller's language.
func TestCurationIsChecked(t *testing.T) {
	s := curationServer(t)
	for _, tt := range []struct {
		path          string
		body          m
		pointer, code string
		detail        string // part of it, in French
	}{
		{"/v2/search/synonyms/x", m{"from": []string{"c", "++"}, "to": []string{"d"}}, "/from/1", "no-word", "une lettre ou un chiffre"},
		{"/v2/search/synonyms/x", m{"from": []string{"c"}, "to": []string{"a b c d e f g h i"}}, "/to/0", "too-many-words", "Au plus 8 mots"},
		{"/v2/search/synonyms/x", m{"from": []string{"js"}, "to": []string{"JS"}}, "/to/0", "duplicate", "plusieurs fois"},
		{"/v2/search/synonyms/x", m{"from": []string{"js"}}, "/to", "required", "nécessaire"},
		{"/v2/search/synonyms/x", m{"from": "js", "to": []string{"a"}}, "/from", "wrong-type", "Doit être"},
		{"/v2/search/synonyms/x", m{"from": []string{"js"}, "to": []string{"a"}, "both": true}, "/both", "unknown-field", "n’existe pas"},
		{"/v2/search/synonyms/x", m{"id": "y", "from": []string{"js"}, "to": []string{"a"}}, "/id", "read-only", "modifié"},
		{"/v2/search/synonyms/x%20y", m{"from": []string{"js"}, "to": []string{"a"}}, "/id", "bad-id", "identifiant"},
		{"/v2/search/pins/x", m{"query": "q"}, "/pins", "required", "nécessaire"},
		{"/v2/search/pins/x", m{"query": "q", "pins": []string{"C1", "none"}}, "/pins/1", "unknown-reference", "none"},
		{"/v2/search/pins/x", m{"query": "q", "pins": []string{"acme~C1"}}, "/pins/0", "unknown-reference", "acme~C1"},
		{"/v2/search/pins/acme~x", m{"query": "q", "boosts": m{"bolz~C1": 1}}, "/boosts/bolz~0C1", "unknown-reference", "bolz~C1"},
		{"/v2/search/pins/x", m{"query": "q", "boosts": m{"C1": 0}}, "/boosts/C1", "bad-value", "-10"},
		{"/v2/search/pins/x", m{"query": "q", "boosts": m{"C1": "much"}}, "/boosts/C1", "not-a-number", "nombre"},
	} {
		got := s.want("400 invalid-fields", ask{method: http.MethodPut, path: tt.path + "?locale=fr", as: editor, body: tt.body})
		fields, _ := got.json["errors"].([]any)
		if len(fields) != 1 {
			t.Errorf("%s %v: %d fields at fault, want one: %s", tt.path, tt.body, len(fields), got.body)
			continue
		}
		field, _ := fields[0].(m)
		detail, _ := field["detail"].(string)
		if field["pointer"] != tt.pointer || field["code"] != tt.code || !strings.Contains(detail, tt.detail) {
			t.Errorf("%s %v: %v, want %s at %s", tt.path, tt.body, field, tt.code, tt.pointer)
		}
	}
}
