package api

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

var (
	acmeLearner  = catalog.Actor{Subject: "alma", Org: "acme"}
	otherLearner = catalog.Actor{Subject: "omar"}
)

// syncServer has a public course with a lesson, a draft, and one of an organization.
func syncServer(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	for id, body := range map[string]m{
		"C1": {"title": "Learning Go", "language": "en", "translations": m{"fr": m{"title": "Apprendre Go"}}}, "secret": {"title": "Secret", "state": "draft"}, "acme~X": {"title": "Acme's own"},
	} {
		s.want("201", ask{method: http.MethodPut, path: "/v2/courses/" + id, as: editor, body: body})
	}
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1/content", as: editor, body: m{
		"modules": []m{{"id": "m1", "title": m{"en": "One"}}}, "lessons": []m{{"id": "l1", "module": "m1", "title": m{"en": "Hello"}, "body": m{"en": "<p>Hi</p>"}}},
	}})
	return s
}

// changes are a page's changes as "kind id op".
func (a answer) changes() []string {
	out := []string{}
	list, _ := a.json["changes"].([]any)
	for _, item := range list {
		c, _ := item.(map[string]any)
		out = append(out, fmt.Sprintf("%v %v %v", c["kind"], c["id"], c["op"]))
	}
	return out
}

func (a answer) doc(kind, id string) map[string]any {
	list, _ := a.json["changes"].([]any)
	for _, item := range list {
		c, _ := item.(map[string]any)
		if c["kind"] == kind && c["id"] == id {
			doc, _ := c["doc"].(map[string]any)
			return doc
		}
	}
	return nil
}

func (s *server) pull(status string, as catalog.Actor, pairs ...string) answer {
	s.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return s.want(status, ask{method: http.MethodGet, path: "/v2/sync?" + q.Encode(), as: as})
}

func (s *server) push(status string, as catalog.Actor, client string, mutations ...m) answer {
	s.t.Helper()
	return s.want(status, ask{method: http.MethodPost, path: "/v2/sync", as: as, body: m{"client": client, "subject": string(as.Subject), "mutations": mutations}})
}

func (a answer) results() []map[string]any {
	var out []map[string]any
	list, _ := a.json["results"].([]any)
	for _, item := range list {
		r, _ := item.(map[string]any)
		out = append(out, r)
	}
	return out
}

func TestPullByChannel(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	public := s.pull("200", nobody, "channels", "catalog", "locale", "fr")
	if diff := cmp.Diff([]string{"course C1 upsert"}, public.changes()); diff != "" {
		t.Error(diff)
	}
	if doc := public.doc("course", "C1"); doc["title"] != "Apprendre Go" || doc["locale"] != "fr" || doc["description"] != nil {
		t.Errorf("a card in French is %v", doc)
	}
	if full := s.pull("200", nobody, "channels", "catalog", "fields", "full"); full.doc("course", "C1")["description"] != "" {
		t.Errorf("the full row is %v", full.doc("course", "C1"))
	}
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/acme~X", as: editor, body: m{"title": "Acme's own", "prerequisites": []string{"C1", "secret"}}})
	if full := s.pull("200", acmeLearner, "channels", "org", "fields", "full"); !slices.Equal(full.doc("course", "acme~X")["prerequisites"].([]any), []any{"C1"}) {
		t.Errorf("a draft shows in what is required: %v", full.doc("course", "acme~X"))
	}
	if got := s.pull("200", acmeLearner, "channels", "org").changes(); !slices.Equal(got, []string{"course acme~X upsert"}) {
		t.Errorf("an organization's channel gives %v", got)
	}
	if got := s.pull("200", learner, "channels", "org,courses").changes(); len(got) != 0 {
		t.Errorf("who belongs nowhere and takes nothing gets %v", got)
	}
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "active"}})
	want := []string{"enrollment C1 upsert", "module C1/m1 upsert", "lesson C1/l1 upsert"}
	if got := s.pull("200", learner, "channels", "me,courses").changes(); !slices.Equal(got, want) {
		t.Errorf("the learner's own are %v, want %v", got, want)
	}
	for name, test := range map[string]struct {
		status string
		as     catalog.Actor
		pairs  []string
	}{
		"no channel":        {"400 invalid-parameter", nobody, nil},
		"no such channel":   {"400 invalid-parameter", nobody, []string{"channels", "learner:lea"}},
		"not signed in":     {"401 unauthorized", nobody, []string{"channels", "me"}},
		"not enrolled":      {"403 forbidden", otherLearner, []string{"channels", "course:C1"}},
		"not there":         {"403 forbidden", otherLearner, []string{"channels", "course:none"}},
		"somebody else":     {"403 forbidden", otherLearner, []string{"channels", "me", "subject", string(learner.Subject)}},
		"nobody any more":   {"403 forbidden", nobody, []string{"channels", "catalog", "subject", string(learner.Subject)}},
		"a limit":           {"400 invalid-parameter", nobody, []string{"channels", "catalog", "limit", "1001"}},
		"no limit":          {"400 invalid-parameter", nobody, []string{"channels", "catalog", "limit", "0"}},
		"fields":            {"400 invalid-parameter", nobody, []string{"channels", "catalog", "fields", "all"}},
		"no cursor of ours": {"400 invalid-cursor", nobody, []string{"channels", "catalog", "cursor", "abc"}},
		"another locale":    {"410 cursor-expired", nobody, []string{"channels", "catalog", "cursor", public.text("cursor"), "locale", "en"}},
		"other fields":      {"410 cursor-expired", nobody, []string{"channels", "catalog", "cursor", public.text("cursor"), "locale", "fr", "fields", "full"}},
	} {
		t.Run(name, func(t *testing.T) { s.pull(test.status, test.as, test.pairs...) })
	}
}

func TestSharedPage(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	a := s.pull("200", nobody, "channels", "catalog", "locale", "en")
	b := s.pull("200", learner, "channels", "catalog", "locale", "en")
	if string(a.body) != string(b.body) || a.header.Get("ETag") == "" || a.header.Get("ETag") != b.header.Get("ETag") {
		t.Error("the page of public channels is not the same for two callers")
	}
	if cc, vary := a.header.Get("Cache-Control"), strings.Join(b.header.Values("Vary"), ","); !strings.HasPrefix(cc, "public") || vary != "Accept-Encoding" {
		t.Errorf("Cache-Control %q, Vary %q", cc, vary)
	}
	if cc := s.pull("200", learner, "channels", "catalog,me").header.Get("Cache-Control"); cc != "private, no-store" {
		t.Errorf("a private page has Cache-Control %q", cc)
	}
	c := s.pull("200", nobody, "channels", "catalog", "locale", "en", "cursor", a.text("cursor"))
	if c.text("cursor") != a.text("cursor") || len(c.changes()) != 0 || c.json["more"] != false {
		t.Errorf("nothing is new, but %s", c.body)
	}
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/secret", as: editor, body: m{"title": "Still secret", "state": "draft"}})
	if d := s.pull("200", nobody, "channels", "catalog", "locale", "en", "cursor", a.text("cursor")); string(d.body) != string(c.body) {
		t.Errorf("a draft that nobody ever saw changed the answer: %s", d.body)
	}
	s.want("204", ask{method: http.MethodDelete, path: "/v2/courses/secret", as: editor})
	if d := s.pull("200", nobody, "channels", "catalog", "locale", "en", "cursor", a.text("cursor")); string(d.body) != string(c.body) {
		t.Errorf("deleting a draft that nobody ever saw changed the answer: %s", d.body)
	}
}

func TestOrganizationLost(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	first := s.pull("200", acmeLearner, "channels", "catalog,org,me")
	s.clock.add(10e9)
	gone := acmeLearner
	gone.Org = ""
	next := s.pull("200", gone, "channels", "catalog,org,me", "cursor", first.text("cursor"))
	if diff := cmp.Diff([]string{"course acme~X delete"}, next.changes()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"org:acme"}, next.json["revoked"]); diff != "" {
		t.Error(diff)
	}
	s.pull("410 cursor-expired", otherLearner, "channels", "catalog,org,me", "cursor", first.text("cursor"))
	s.pull("410 cursor-expired", nobody, "channels", "catalog", "cursor", first.text("cursor"))
	forged := []byte(first.text("cursor"))
	forged[len(forged)/2] ^= 1
	if got := s.do(ask{method: http.MethodGet, path: "/v2/sync?channels=catalog,org,me&cursor=" + string(forged), as: acmeLearner}); got.status != http.StatusGone && got.status != http.StatusBadRequest {
		t.Errorf("a forged cursor is answered %d", got.status)
	}
}

func TestPushOnce(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	enroll := m{"n": 1, "kind": "enrollment", "key": "C1", "op": "upsert", "doc": m{"state": "active"}}
	done := s.push("200", learner, "p1", enroll)
	first := done.results()[0]
	if first["status"] != "applied" || first["version"] == nil || done.json["last_mutation"] != 1.0 {
		t.Fatalf("%s", done.body)
	}
	again := s.push("200", learner, "p1", enroll).results()[0]
	if again["status"] != "duplicate" || again["outcome"] != "applied" || again["version"] != first["version"] {
		t.Errorf("the same again is %v, the first was %v", again, first)
	}
	if got := s.pull("200", learner, "channels", "me", "client", "p1", "after", done.text("as_of")); got.json["last_mutation"] != 1.0 || !slices.Equal(got.changes(), []string{"enrollment C1 upsert"}) {
		t.Errorf("%s", got.body)
	}
	gap := s.push("409 mutation-gap", learner, "p1", m{"n": 3, "kind": "bookmark", "key": "C1", "op": "upsert"})
	reused := s.push("409 client-reused", learner, "p1", m{"n": 1, "kind": "bookmark", "key": "C1", "op": "upsert"})
	if gap.json["last_mutation"] != 1.0 || reused.json["last_mutation"] != 1.0 {
		t.Errorf("%s %s", gap.body, reused.body)
	}
	s.want("403 forbidden", ask{method: http.MethodPost, path: "/v2/sync", as: otherLearner, body: m{"client": "p1", "subject": "lea", "mutations": []m{enroll}}})
	s.push("400 invalid-fields", learner, "a_b", enroll)
	s.want("400 invalid-fields", ask{method: http.MethodPost, path: "/v2/sync", as: learner, body: m{"client": "p1", "mutations": []m{enroll}}})
	s.want("400 invalid-fields", ask{method: http.MethodPost, path: "/v2/sync", as: learner, body: m{"client": "p1", "subject": "lea"}})
	s.want("401 unauthorized", ask{method: http.MethodGet, path: "/v2/sync/watermelon?tables=courses,bookmarks"})
	held := s.want("200", ask{method: http.MethodGet, path: "/v2/sync/watermelon", as: learner}).text("cursor")
	s.want("401 unauthorized", ask{method: http.MethodGet, path: "/v2/sync/watermelon?cursor=" + held})
	open := s.want("200", ask{method: http.MethodGet, path: "/v2/sync/watermelon"}).text("cursor")
	s.want("200", ask{method: http.MethodGet, path: "/v2/sync/watermelon?locale=fr&cursor=" + open})
	misspelt := m{"bookmarks": m{"creatd": []m{}}}
	s.want("400 invalid-fields", ask{method: http.MethodPost, path: "/v2/sync/watermelon?last_pulled_at=1", as: learner, body: misspelt})
	if got := s.push("200", learner, "p2", m{"n": 1, "kind": "bookmark", "key": "C1", "op": "upsert", "doc": m{"colour": "red"}}).results()[0]; got["status"] != "rejected" {
		t.Errorf("a bookmark with a field that there is none of: %v", got)
	}
	s.push("400 invalid-fields", learner, "p1", m{"n": 2, "kind": "bookmark", "key": "C1", "op": "upsert"}, m{"n": 4, "kind": "bookmark", "key": "C1", "op": "upsert"})
}

func TestPushOutcomes(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	doc := func(m m) m { return m }
	got := s.push("200", learner, "p1",
		m{"n": 1, "kind": "enrollment", "key": "C1", "op": "upsert", "doc": doc(m{"state": "active"})},
		m{"n": 2, "kind": "progress", "key": "C1/l1", "op": "upsert", "doc": doc(m{"position": 5, "completed": false, "time_by_device": m{"p1": 60}})},
		m{"n": 3, "kind": "progress", "key": "C1/none", "op": "upsert", "doc": doc(m{"position": 5})},
		m{"n": 4, "kind": "bookmark", "key": "acme~X", "op": "upsert"},
		m{"n": 5, "kind": "review", "key": "C1", "op": "upsert", "doc": doc(m{"rating": 9})},
		m{"n": 6, "kind": "enrollment", "key": "C1", "op": "upsert", "doc": doc(m{"state": "completed"})},
		m{"n": 7, "kind": "nonsense", "key": "C1", "op": "upsert", "doc": doc(m{})},
		m{"n": 8, "kind": "bookmark", "key": "C1", "op": "upsert"},
		m{"n": 9, "kind": "saved_search", "key": "s1", "op": "upsert", "doc": doc(m{"name": "Go", "query": "q=go&min_rating=4", "notify": "daily"})},
		m{"n": 10, "kind": "saved_search", "key": "s2", "op": "upsert", "doc": doc(m{"name": "Go", "query": "nonsense=1", "notify": "daily"})},
		m{"n": 11, "kind": "notification", "key": "none", "op": "upsert", "doc": doc(m{"read": true})},
		m{"n": 12, "kind": "preference", "key": "locale", "op": "upsert", "doc": doc(m{"value": "fr"})},
	)
	want := []string{
		"applied", "applied", "rejected not-found", "rejected not-found", "rejected invalid-fields", "conflict", "rejected invalid-fields", "applied",
		"applied", "rejected invalid-fields", "rejected not-found", "applied",
	}
	have := []string{}
	for _, r := range got.results() {
		line := fmt.Sprint(r["status"])
		if p, ok := r["problem"].(map[string]any); ok {
			line += " " + fmt.Sprint(p["code"])
		}
		have = append(have, line)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Fatalf("%s\n%s", diff, got.body)
	}
	current, _ := got.results()[5]["current"].(map[string]any)
	if current["op"] != "upsert" || current["version"] != got.results()[0]["version"] {
		t.Errorf("the conflict names %v", current)
	}
	merged := s.push("200", learner, "p2",
		m{"n": 1, "kind": "progress", "key": "C1/l1", "op": "upsert", "doc": doc(m{"position": 3, "completed": true, "time_by_device": m{"p2": 7}})},
		m{"n": 2, "kind": "bookmark", "key": "C1", "op": "delete"},
	).results()
	if merged[0]["status"] != "merged" || merged[1]["status"] != "conflict" {
		t.Errorf("another device: %v", merged)
	}
	row, _ := merged[0]["current"].(map[string]any)
	if diff := cmp.Diff(m{"id": "C1/l1", "course": "C1", "lesson": "l1", "position": 5.0, "completed": true, "time_by_device": m{"p1": 60.0, "p2": 7.0}}, row["doc"]); diff != "" {
		t.Error(diff)
	}
	if own := s.push("200", learner, "p1", m{"n": 13, "kind": "bookmark", "key": "C1", "op": "delete"}).results()[0]; own["status"] != "applied" {
		t.Errorf("the client that set the mark: %v", own)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	page := s.pull("200", nobody, "channels", "catalog")
	digest := func(status string, cursor string) answer {
		return s.want(status, ask{method: http.MethodGet, path: "/v2/sync/digest?channels=catalog&cursor=" + cursor})
	}
	sum := uint64(0)
	list, _ := page.json["changes"].([]any)
	for _, item := range list {
		if c, _ := item.(map[string]any); c["kind"] == "course" {
			version, _ := c["version"].(float64)
			h := sha256.Sum256(fmt.Appendf(nil, "course\x00%s\x00%d", c["id"], uint64(version)))
			sum += binary.BigEndian.Uint64(h[:])
		}
	}
	channel, _ := digest("200", page.text("cursor")).json["catalog"].(map[string]any)
	if diff := cmp.Diff(m{"count": 1.0, "sum": fmt.Sprint(sum)}, channel["course"]); diff != "" {
		t.Error(diff)
	}
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Learning Go well"}})
	digest("409 cursor-behind", page.text("cursor"))
}
