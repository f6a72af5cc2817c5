package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMySavedSearches: made, read, replaced and removed, with their conditions, by their owner alone.
func TestMySavedSearches(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const path = "/v2/me/saved-searches"
	s.want("401 unauthorized", ask{method: http.MethodGet, path: path})
	s.want("401 unauthorized", ask{method: http.MethodPost, path: path, body: m{"name": "Go", "query": "q=go"}})

	key := map[string]string{idempotencyHeader: "k1"}
	post := ask{method: http.MethodPost, path: path, as: learner, body: m{"name": "Go", "query": "q=go&min_rating=4"}, header: key}
	made := s.want("201", post)
	where := made.header.Get("Location")
	if made.text("notify") != "off" || where != path+"/"+made.text("id") || made.header.Get("Carrel-As-Of") == "" {
		t.Errorf("made: %v %s", made.header, made.body)
	}
	if again := s.want("201", post); again.text("id") != made.text("id") {
		t.Errorf("the same key made %s and %s", made.body, again.body)
	}
	got := s.want("200", ask{method: http.MethodGet, path: where, as: learner})
	if diff := cmp.Diff(made.json, got.json); diff != "" || got.header.Get("ETag") != made.header.Get("ETag") {
		t.Errorf("read: %s", diff)
	}
	s.want("304", ask{method: http.MethodGet, path: where, as: learner, header: map[string]string{"If-None-Match": made.header.Get("ETag")}})
	s.want("404 not-found", ask{method: http.MethodGet, path: where, as: editor})
	s.want("404 not-found", ask{method: http.MethodDelete, path: where, as: editor})

	put := func(status, id string, body m, header ...string) answer {
		t.Helper()
		q := ask{method: http.MethodPut, path: path + "/" + url.PathEscape(id), as: learner, body: body, header: map[string]string{}}
		if len(header) > 0 {
			q.header[header[0]] = header[1]
		}
		return s.want(status, q)
	}
	const phone = "手机:1" // sorts after every id that we make
	id := made.text("id")
	changed := put("200", id, m{"name": "Go!", "query": "q=go", "notify": "daily", "version": 1, "id": "x"}, "If-Match", made.header.Get("ETag"))
	put("412 lost-update", id, m{"name": "Go?", "query": "q=go"}, "If-Match", made.header.Get("ETag"))
	put("412 lost-update", id, m{"name": "Go?", "query": "q=go"}, "If-None-Match", "*")
	put("201", phone, m{"name": "Rust", "query": "tag=rust", "notify": "instant"}, "If-None-Match", "*")
	put("400 invalid-fields", "a b", m{"name": "Rust", "query": "tag=rust"})
	put("400 invalid-fields", phone, m{"name": "Rust", "query": "tag=rust", "notify": "weekly"})

	first := s.want("200", ask{method: http.MethodGet, path: path + "?limit=1", as: learner})
	rest := s.want("200", ask{method: http.MethodGet, path: path + "?limit=1&cursor=" + first.text("next"), as: learner})
	if items := append(first.items(), rest.items()...); len(items) != 2 || cmp.Diff(changed.json, items[0]) != "" || items[1]["id"] != phone || rest.json["next"] != nil {
		t.Errorf("listed: %s %s", first.body, rest.body)
	}
	s.want("412 lost-update", ask{method: http.MethodDelete, path: where, as: learner, header: map[string]string{"If-Match": made.header.Get("ETag")}})
	s.want("204", ask{method: http.MethodDelete, path: where, as: learner})
	s.want("404 not-found", ask{method: http.MethodDelete, path: where, as: learner})
}

// TestSavedSearchesFollowTheRules: what /v2/search refuses cannot be saved, and the answer says which parameter, and why, in the caller's language.
func TestSavedSearchesFollowTheRules(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, tt := range []struct {
		query, status string
		want          []string // parts of the field's text
	}{
		{"q=go&min_rating=4&tag=a&tag=b&sort=-rating&locale=fr&limit=5", "201", nil},
		{"min_rating=6", "400 invalid-fields", []string{"min_rating", "entre 0 et 5"}},
		{"colour=red", "400 invalid-fields", []string{"colour", "n’existe pas"}},
		{"sort=best", "400 invalid-fields", []string{"sort", "relevance"}},
		{"q=a&q=b", "400 invalid-fields", []string{"«\u202fq\u202f»"}},
		{"q=go&cursor=x", "400 invalid-fields", []string{"cursor"}},
		{"q=go&after=x", "400 invalid-fields", []string{"after"}},
		{"q=go&locale=de", "400 invalid-fields", []string{"locale", "zh-Hans"}},
		{"q=" + strings.Repeat("a+", 200), "400 invalid-fields", []string{"«\u202fq\u202f»", "words"}},
		{"q=%zz", "400 invalid-fields", []string{"query", "UTF-8"}},
		{"state=draft", "403 forbidden", nil},
	} {
		got := s.want(tt.status, ask{method: http.MethodPost, path: "/v2/me/saved-searches?locale=fr", as: learner, body: m{"name": "N", "query": tt.query}})
		if len(tt.want) == 0 {
			continue
		}
		list, _ := got.json["errors"].([]any)
		field, _ := list[0].(map[string]any)
		detail, _ := field["detail"].(string)
		if len(list) != 1 || field["pointer"] != "/query" || field["code"] != "bad-query" || strings.Contains(detail, "…") {
			t.Errorf("%s: %s", tt.query, got.body)
		}
		for _, part := range tt.want {
			if !strings.Contains(detail, part) {
				t.Errorf("%s: %q has no %q", tt.query, detail, part)
			}
		}
	}
	s.want("201", ask{method: http.MethodPost, path: "/v2/me/saved-searches", as: editor, body: m{"name": "N", "query": "state=draft"}})
}
