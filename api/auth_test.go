package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

func TestTokens(t *testing.T) {
	s := newServer(t)
	good := s.token(learner)
	short := s.token(editor)
	if err := s.keys.Revoke(short); err != nil {
		t.Fatal(err)
	}
	other := newServer(t).token(learner)
	for name, header := range map[string]string{
		"junk": "Bearer junk", "empty": "Bearer ", "no scheme": good, "basic": "Basic dTpw", "another server's": "Bearer " + other, "revoked": "Bearer " + short,
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			got := s.want("401 invalid-token", ask{method: http.MethodGet, path: "/v2/courses", header: map[string]string{"Authorization": header}})
			if !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
			}
		})
	}
	s.t = t
	s.want("200", ask{method: http.MethodGet, path: "/v2/courses", header: map[string]string{"Authorization": "bearer " + good}})
	s.clock.add(25 * time.Hour)
	s.want("401 invalid-token", ask{method: http.MethodGet, path: "/v2/courses", header: map[string]string{"Authorization": "Bearer " + good}})
	got := s.want("401 unauthorized", ask{method: http.MethodGet, path: "/v2/me/reviews"})
	if got.header.Get("WWW-Authenticate") != `Bearer realm="carrel"` {
		t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
	}
}

// TestSessions: a browser's cookie counts, but not when another site sends it, and not after it has ended.
func TestSessions(t *testing.T) {
	s := newServer(t)
	value, _, err := s.api.cfg.Sessions.Start(learner)
	if err != nil {
		t.Fatal(err)
	}
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/c", as: editor, body: m{"title": "T"}})
	cookie := func(more ...string) map[string]string {
		h := map[string]string{"Cookie": SessionCookie + "=" + value}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	const mark = "/v2/me/bookmarks/c"
	s.want("200", ask{method: http.MethodGet, path: "/v2/me/bookmarks", header: cookie()})
	s.want("201", ask{method: http.MethodPut, path: mark, header: cookie("Sec-Fetch-Site", "same-origin")})
	s.want("403 cross-origin", ask{method: http.MethodDelete, path: mark, header: cookie("Sec-Fetch-Site", "cross-site")})
	s.want("403 cross-origin", ask{method: http.MethodDelete, path: mark, header: cookie("Origin", "https://evil.example")})
	s.want("401 invalid-token", ask{method: http.MethodDelete, path: mark, header: cookie("Authorization", "Bearer junk")}) // the token decides
	s.want("401 invalid-token", ask{method: http.MethodGet, path: "/v2/courses", header: map[string]string{"Cookie": SessionCookie + "=old"}})
	s.want("204", ask{method: http.MethodDelete, path: "/v2/me", header: cookie()})
	s.want("401 invalid-token", ask{method: http.MethodGet, path: "/v2/me/bookmarks", header: cookie()})
}

// TestErasure: after it, tokens issued before are refused, and a new one starts anew.
func TestErasure(t *testing.T) {
	s := newServer(t)
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/c", as: editor, body: m{"title": "T"}})
	old := map[string]string{"Authorization": "Bearer " + s.token(learner)}
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/bookmarks/c", header: old})
	export := s.want("200", ask{method: http.MethodGet, path: "/v2/me/export", header: old})
	if kinds, _ := export.json["kinds"].(m); kinds["bookmark"] == nil {
		t.Errorf("the export has no bookmark: %s", export.body)
	}
	s.want("204", ask{method: http.MethodDelete, path: "/v2/me", header: old})
	s.want("401 account-erased", ask{method: http.MethodGet, path: "/v2/me/bookmarks", header: old})
	s.want("401 account-erased", ask{method: http.MethodGet, path: "/v2/courses", header: old})
	s.clock.add(2 * time.Second)
	if list := s.want("200", ask{method: http.MethodGet, path: "/v2/me/bookmarks", as: learner}).items(); len(list) != 0 {
		t.Errorf("the new account has %v", list)
	}
}

// TestOrganizations: another organization's courses do not exist, in whatever way one asks.
func TestOrganizations(t *testing.T) {
	s := newServer(t)
	const path = "/v2/courses/acme~C1"
	s.want("404 not-found", ask{method: http.MethodPut, path: path, as: catalog.Actor{Subject: "o", Roles: editor.Roles, Org: "other"}, body: m{"title": "Secret"}})
	made := s.want("201", ask{method: http.MethodPut, path: path, as: acme, body: m{"title": "Secret zymurgy"}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/draft", as: editor, body: m{"title": "Zymurgy to come", "state": "draft"}})
	member := catalog.Actor{Subject: "mem", Org: "acme"}
	after := "after=" + made.header.Get("Carrel-As-Of")
	for _, tt := range []struct {
		as                catalog.Actor
		org, draft, total string
	}{
		{nobody, "404 not-found", "404 not-found", "0"},
		{learner, "404 not-found", "404 not-found", "0"},
		{member, "200", "404 not-found", "1"},
		{acme, "200", "404 not-found", "1"},
		{translator, "200", "200", "1"},
		{editor, "200", "200", "1"},
	} {
		s.want(tt.org, ask{method: http.MethodGet, path: path, as: tt.as})
		s.want(tt.org, ask{method: http.MethodGet, path: path + "/reviews", as: tt.as})
		s.want(tt.draft, ask{method: http.MethodGet, path: "/v2/courses/draft", as: tt.as})
		found := s.want("200", ask{method: http.MethodGet, path: "/v2/search?q=zymurgy&facets=*&" + after, as: tt.as})
		if total := found.json["total"]; total != map[string]float64{"0": 0, "1": 1}[tt.total] {
			t.Errorf("%s finds %v courses, want %s", tt.as.Subject, total, tt.total)
		}
	}
	s.want("404 not-found", ask{method: http.MethodPatch, path: path, as: learner, body: m{"title": "Mine"}})
	s.want("404 not-found", ask{method: http.MethodDelete, path: path, as: learner})
	s.want("404 not-found", ask{method: http.MethodPut, path: "/v2/me/enrollments/acme~C1", as: learner})
	s.want("403 forbidden", ask{method: http.MethodPut, path: "/v2/courses/public", as: acme, body: m{"title": "T"}})
	s.want("403 forbidden", ask{method: http.MethodPut, path: "/v2/tags/public", as: acme, body: m{"label": m{"en": "T"}}})
	s.want("401 unauthorized", ask{method: http.MethodPut, path: "/v2/tags/public", body: m{"label": m{"en": "T"}}})
	s.want("401 unauthorized", ask{method: http.MethodPatch, path: path, body: m{"title": "T"}})
}

// TestOlderTokenLosesItsOrganization: a newer token moved its owner elsewhere; the older one is then a learner's, in no organization.
// Above all it is no editor's: without an organization that would be one for all.
func TestOlderTokenLosesItsOrganization(t *testing.T) {
	s := newServer(t)
	older := map[string]string{"Authorization": "Bearer " + s.token(acme)}
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/acme~C1", header: older, body: m{"title": "T"}})
	s.clock.add(time.Minute)
	s.want("200", ask{method: http.MethodGet, path: "/v2/courses", as: catalog.Actor{Subject: acme.Subject, Roles: acme.Roles, Org: "other"}})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/courses/acme~C1", header: older})
	s.want("404 not-found", ask{method: http.MethodPut, path: "/v2/courses/acme~C1", header: older, body: m{"title": "U"}})
	s.want("403 forbidden", ask{method: http.MethodPut, path: "/v2/courses/public", header: older, body: m{"title": "U"}})
	s.want("403 forbidden", ask{method: http.MethodGet, path: "/v2/imports", header: older})
}

func TestMembersAreBounded(t *testing.T) {
	m := newMembers()
	for i := range int64(maxMembers + 10) {
		m.add(claim{"a", "o", i})
		m.add(claim{"a", "o", i})
	}
	if len(m.seen) != maxMembers || m.order.Len() != maxMembers {
		t.Errorf("%d are remembered, want %d", len(m.seen), maxMembers)
	}
	if m.knows(claim{"a", "o", 0}) || !m.knows(claim{"a", "o", maxMembers}) {
		t.Error("the newest must stay")
	}
}
