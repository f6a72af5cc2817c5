package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

var root = catalog.Actor{Subject: "root", Roles: []catalog.Role{catalog.RoleAdmin}}

const reindexPath = "/v2/search/reindex"

// awaitIndex waits until search has seen all that was written.
func (s *server) awaitIndex() {
	s.t.Helper()
	seq, err := s.catalog.Log().Head(s.t.Context())
	if err == nil {
		err = s.index.WaitFor(s.t.Context(), seq)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// awaitReindex asks until a rebuild has ended.
func (s *server) awaitReindex(as catalog.Actor) answer {
	s.t.Helper()
	for {
		got := s.want("200", ask{method: http.MethodGet, path: reindexPath, as: as})
		if state := got.text("state"); state != "building" && state != "comparing" {
			return got
		}
	}
}

func TestReindex(t *testing.T) {
	s := newServer(t)
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Learning Go"}})
	s.awaitIndex()
	if got := s.want("200", ask{method: http.MethodGet, path: reindexPath, as: root}); got.text("state") != "idle" {
		t.Errorf("before the first one: %s", got.body)
	}
	s.want("400 invalid-parameter", ask{method: http.MethodPost, path: reindexPath + "?force=perhaps", as: root})
	begun := s.want("202", ask{method: http.MethodPost, path: reindexPath + "?force=true", as: root})
	if begun.text("state") != "building" || begun.header.Get("Location") != reindexPath {
		t.Errorf("begun as %s, followed at %q", begun.body, begun.header.Get("Location"))
	}
	s.want("409 reindex-running", ask{method: http.MethodPost, path: reindexPath, as: root})
	s.run(s.index.Run)
	done := s.awaitReindex(root)
	if done.text("state") != "done" || done.json["documents"] != 1.0 || done.json["of"] != 1.0 || done.text("ended_at") == "" {
		t.Errorf("it ended as %s", done.body)
	}
	if ready := s.want("200", ask{method: http.MethodGet, path: "/readyz"}); ready.text("reindex") != "done" || ready.text("search") != "ready" {
		t.Errorf("readyz says %s", ready.body)
	}
	if found := s.want("200", ask{method: http.MethodGet, path: "/v2/search?q=learning"}); found.json["total"] != 1.0 {
		t.Errorf("afterwards: %s", found.body)
	}
}

// TestReindexIsForTheStaff: it costs the whole server, so those of one organization may not.
func TestReindexIsForTheStaff(t *testing.T) {
	s := newServer(t)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		s.want("401 unauthorized", ask{method: method, path: reindexPath})
		for _, as := range []catalog.Actor{learner, editor, translator, acme, acmeAdmin} {
			s.want("403 forbidden", ask{method: method, path: reindexPath, as: as})
		}
	}
	if state := s.index.ReindexStatus().State; state != search.ReindexIdle {
		t.Errorf("it began: %s", state)
	}
}

// TestReindexTellsWhy: a rebuild that failed says why in the caller's language, and nothing of what strangers must not know.
func TestReindexTellsWhy(t *testing.T) {
	s := newServer(t)
	s.awaitIndex()
	if _, err := s.index.StartReindex(false); err != nil {
		t.Fatal(err)
	}
	if err := s.index.Close(); err != nil {
		t.Fatal(err)
	}
	s.run(s.index.Run)
	for _, test := range []struct{ locale, want string }{{"en", "being prepared"}, {"fr", "préparation"}} {
		s.awaitReindex(root)
		got := s.want("200", ask{method: http.MethodGet, path: reindexPath + "?locale=" + test.locale, as: root})
		if got.text("state") != "failed" || got.text("code") != "not-ready" || !strings.Contains(got.text("detail"), test.want) {
			t.Errorf("%s: %s", test.locale, got.body)
		}
	}
}
