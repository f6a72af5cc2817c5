package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
)

// searched makes searches of one query by several callers.
func (s *server) searched(q string, who ...catalog.Actor) answer {
	s.t.Helper()
	var last answer
	for _, a := range who {
		last = s.want("200", ask{method: http.MethodGet, path: "/v2/search?q=" + q, as: a})
	}
	return last
}

// queries are the queries of a list of a report, with their counts.
func (a answer) queries(list string) string {
	var out []string
	all, _ := a.json[list].([]any)
	for _, item := range all {
		q, _ := item.(map[string]any)
		out = append(out, fmt.Sprintf("%v %v", q["query"], q["count"]))
	}
	return strings.Join(out, ", ")
}

func withCourses(t *testing.T, change ...func(*Config)) *server {
	t.Helper()
	s := newServer(t, change...)
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Learning Go"}})
	last := s.want("201", ask{method: http.MethodPut, path: "/v2/courses/acme~C2", as: editor, body: m{"title": "Go inside Acme"}})
	s.want("200", ask{method: http.MethodGet, path: "/v2/search?after=" + last.header.Get("Carrel-As-Of")})
	return s
}

func TestSearchInsight(t *testing.T) {
	s := withCourses(t)
	found := s.searched("go", nobody, learner)
	s.searched("zzyzx", learner)
	s.searched("ada@example.org", learner)
	s.want("200", ask{method: http.MethodGet, path: "/v2/search"})                          // the whole catalog: no search
	s.want("200", ask{method: http.MethodGet, path: "/v2/search?q=go&state=*", as: editor}) // editorial
	s.want("200", ask{method: http.MethodHead, path: "/v2/search?q=go"})
	s.want("200", ask{method: http.MethodGet, path: "/v2/suggest?q=go"})
	s.want("200", ask{method: http.MethodGet, path: "/v2/search?q=go&locale=fr"})
	click := m{"query_id": found.text("query_id"), "type": "click", "id": "C1", "position": 1}
	for range 2 {
		s.want("202", ask{method: http.MethodPost, path: "/v2/events", as: learner, body: click})
	}
	s.want("202", ask{method: http.MethodPost, path: "/v2/events", body: m{"query_id": found.text("query_id"), "type": "enroll", "id": "C1"}})
	r := s.want("200", ask{method: http.MethodGet, path: "/v2/search/insight?language=en", as: admin})
	if top, none := r.queries("top"), r.queries("no_results"); top != "go 2, zzyzx 1" || none != "zzyzx 1" {
		t.Errorf("top %q, without results %q", top, none)
	}
	totals, _ := r.json["totals"].(map[string]any)
	if totals["searches"] != 4.0 || totals["clicks"] != 1.0 || totals["enrolls"] != 1.0 || totals["ctr"] != .25 {
		t.Errorf("totals %v", totals)
	}
	if days, _ := r.json["days"].([]any); len(days) != defaultInsightDays {
		t.Errorf("%d days, want %d", len(days), defaultInsightDays)
	}
	if top := s.want("200", ask{method: http.MethodGet, path: "/v2/search/insight?limit=1", as: admin}).queries("top"); top != "go 3" {
		t.Errorf("top in all languages %q", top)
	}
}

// TestInstantSearchIsCounted once for each keystroke's requests, and what is typed letter by letter once.
func TestInstantSearchIsCounted(t *testing.T) {
	s := withCourses(t)
	post := func(requests ...m) answer {
		return s.want("200", ask{method: http.MethodPost, path: "/v2/instantsearch", as: learner, body: requests})
	}
	for _, q := range []string{"l", "le", "learning"} {
		post(m{"indexName": "courses", "params": m{"query": q, "hitsPerPage": 20}}, m{"indexName": "courses", "params": m{"query": q, "hitsPerPage": 0, "facets": "level"}})
	}
	post(m{"indexName": "courses", "params": m{"query": "unseen", "analytics": false}})
	found := post(m{"indexName": "courses", "params": m{"query": "go"}})
	results, _ := found.json["results"].([]any)
	first, _ := results[0].(map[string]any)
	s.want("202", ask{method: http.MethodPost, path: "/v2/events", as: learner, body: m{"query_id": first["queryID"], "type": "click", "id": "C1", "position": 1}})
	r := s.want("200", ask{method: http.MethodGet, path: "/v2/search/insight", as: admin})
	if top := r.queries("top"); top != "go 1, learning 1" {
		t.Errorf("top %q", top)
	}
	if totals, _ := r.json["totals"].(map[string]any); totals["searches"] != 2.0 || totals["clicks"] != 1.0 {
		t.Errorf("totals %v", totals)
	}
}

// TestSearchInsightByOrganization: its administrators see what its people ask and nothing else; others do not see what they ask.
func TestSearchInsightByOrganization(t *testing.T) {
	s := withCourses(t)
	insider := catalog.Actor{Subject: "in", Org: "acme"}
	s.searched("inside", insider)
	s.searched("public", learner)
	const path = "/v2/search/insight"
	for _, c := range []struct {
		as          catalog.Actor
		query, want string
	}{
		{acmeAdmin, "", "inside 1"},
		{acmeAdmin, "?org=acme", "inside 1"},
		{admin, "", "public 1"},
		{admin, "?org=acme", "inside 1"},
		{admin, "?org=bolz", ""},
	} {
		if got := s.want("200", ask{method: http.MethodGet, path: path + c.query, as: c.as}).queries("top"); got != c.want {
			t.Errorf("%s%s as %s: %q, want %q", path, c.query, c.as.Subject, got, c.want)
		}
	}
	s.want("401 unauthorized", ask{method: http.MethodGet, path: path})
	for _, a := range []catalog.Actor{learner, editor, translator, insider} {
		s.want("403 forbidden", ask{method: http.MethodGet, path: path, as: a})
	}
	s.want("404 not-found", ask{method: http.MethodGet, path: path + "?org=bolz", as: acmeAdmin})
	for _, q := range []string{"days=0", "days=91", "days=x", "language=klingon", "limit=101", "days=1&days=2"} {
		s.want("400 invalid-parameter", ask{method: http.MethodGet, path: path + "?" + q, as: admin})
	}
	s.want("400 unknown-parameter", ask{method: http.MethodGet, path: path + "?day=1", as: admin})
}

// TestEventsOfOthers: whether a query id is known, and whose it is, cannot be found out.
func TestEventsOfOthers(t *testing.T) {
	s := withCourses(t)
	insider := catalog.Actor{Subject: "in", Org: "acme"}
	id := s.searched("go", insider).text("query_id")
	post := func(status string, body any) {
		t.Helper()
		s.want(status, ask{method: http.MethodPost, path: "/v2/events", body: body})
	}
	post("202", m{"query_id": id, "type": "click", "id": "C1", "position": 1})
	post("202", m{"query_id": "NOBODYEVERASKEDTHIS", "type": "click", "id": "C1", "position": 1})
	if got := s.insight.Stats().Unmatched; got != 2 {
		t.Errorf("%d events are unmatched, want 2", got)
	}
	post("400 invalid-fields", m{"query_id": "?", "type": "click", "id": "C1", "position": 1})
	post("400 invalid-fields", m{"query_id": id, "type": "buy", "id": "C1", "position": 1})
	post("400 invalid-fields", m{"query_id": id, "type": "click", "id": "C1"})
	post("400 invalid-fields", m{"query_id": id, "type": "click", "id": "C1", "position": 1, "price": 3})
	post("400 invalid-fields", m{"query_id": 7, "type": "click", "id": "C1", "position": 1})
	post("400 invalid-body", "{")
}

// TestSearchGoesOnWithoutInsight: what cannot be counted is answered all the same.
func TestSearchGoesOnWithoutInsight(t *testing.T) {
	s := withCourses(t)
	if err := s.insight.Close(); err != nil {
		t.Fatal(err)
	}
	s.searched("go", learner)
	s.want("503 not-ready", ask{method: http.MethodGet, path: "/v2/search/insight", as: admin})
	none := withCourses(t, func(c *Config) { c.Insight = nil })
	none.searched("go", learner)
	none.want("503 not-ready", ask{method: http.MethodGet, path: "/v2/search/insight", as: admin})
}

// TestCompletionsNeedFiveCallers counts callers by subject, or by address where nobody is signed in.
func TestCompletionsNeedFiveCallers(t *testing.T) {
	s := withCourses(t)
	for range 10 {
		s.searched("learning", nobody)
	}
	var people []catalog.Actor
	for i := range 5 {
		people = append(people, catalog.Actor{Subject: catalog.LearnerID(fmt.Sprint("learner", i))})
	}
	s.searched("learning", people[:3]...)
	s.insight.Flush()
	if got := s.insight.Completions("", catalog.English, "lear", 5); len(got) != 0 {
		t.Errorf("four callers were enough: %v", got)
	}
	s.searched("learning", people...)
	s.insight.Flush()
	if got := s.insight.Completions("", catalog.English, "lear", 5); len(got) != 1 {
		t.Errorf("completions %v, want learning", got)
	}
	suggested := s.want("200", ask{method: http.MethodGet, path: "/v2/suggest?q=lear"})
	if !strings.Contains(string(suggested.body), `{"text":"learning","kind":"query"}`) {
		t.Errorf("suggested: %s", suggested.body)
	}
}
