package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

// TestRoutesAreDocumented holds the routes and openapi.yaml together: the same operations, the same parameters.
func TestRoutesAreDocumented(t *testing.T) {
	var mounted, documented []string
	for _, rt := range (&API{spec: &spec{}}).testTable() {
		mounted = append(mounted, rt.method+" "+rt.path)
	}
	for path, item := range contract.doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(mounted)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, mounted); diff != "" {
		t.Errorf("openapi.yaml (-) and the routes (+) differ:\n%s", diff)
	}
}

// testTable is the table of an API that serves nothing.
func (a *API) testTable() []route {
	a.cfg.Catalog = new(catalog.Catalog)
	return a.table()
}

func TestParametersAreDocumented(t *testing.T) {
	for _, rt := range (&API{spec: &spec{}}).testTable() {
		item := contract.doc.Paths.Value(rt.path)
		if item == nil || rt.open {
			continue
		}
		op := item.GetOperation(rt.method)
		for _, p := range append(slices.Clone(item.Parameters), op.Parameters...) {
			if p.Value.In == "query" && !rt.knows(p.Value.Name) {
				t.Errorf("%s %s: openapi.yaml has the parameter %q, the route refuses it", rt.method, rt.path, p.Value.Name)
			}
		}
		names := append(slices.Clone(rt.query), "locale")
		if rt.isRead() {
			names = append(names, "after")
		}
		for _, name := range names {
			if op.Parameters.GetByInAndName("query", name) == nil {
				t.Errorf("%s %s: the route has the parameter %q, openapi.yaml does not", rt.method, rt.path, name)
			}
		}
	}
}

// TestEveryOperation calls every operation with success, and fails when one of openapi.yaml is left out.
func TestEveryOperation(t *testing.T) {
	s := newServer(t)
	called := map[string]bool{}
	ok := func(status string, q ask) answer {
		t.Helper()
		got := s.want(status, q)
		req := httptest.NewRequestWithContext(context.Background(), q.method, q.path, strings.NewReader(""))
		req.Host = ""
		if rt, _, err := contract.router.FindRoute(req); err == nil {
			called[rt.Method+" "+rt.Path] = true
		}
		return got
	}
	put, get, patch, del := http.MethodPut, http.MethodGet, http.MethodPatch, http.MethodDelete
	callVocabulary(ok)
	callCourse(ok)

	curation := map[string]m{
		"/v2/search/synonyms/js": {"from": []string{"js"}, "to": []string{"javascript"}, "language": "en", "two_way": true},
		"/v2/search/pins/go":     {"query": "go", "pins": []string{"C1"}},
	}
	for path, body := range curation {
		ok("201", ask{method: put, path: path, as: editor, body: body})
		ok("200", ask{method: put, path: path, as: editor, body: body})
		one := ok("200", ask{method: get, path: path, as: editor})
		ok("304", ask{method: get, path: path, as: editor, header: map[string]string{"If-None-Match": one.header.Get("ETag")}})
		ok("200", ask{method: get, path: path[:strings.LastIndexByte(path, '/')], as: editor})
	}

	ok("201", ask{method: put, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "active"}})
	ok("200", ask{method: get, path: "/v2/me/enrollments", as: learner})
	ok("201", ask{method: put, path: "/v2/me/reviews/C1", as: learner, body: m{"rating": 5, "instructors": m{"ada": 4}, "text": "Good."}})
	ok("200", ask{method: get, path: "/v2/me/reviews", as: learner})
	ok("201", ask{method: put, path: "/v2/me/progress/C1/l1", as: learner, body: m{"position": .5, "time_by_device": m{"phone": 10}}})
	ok("200", ask{method: put, path: "/v2/me/progress/C1/l1", as: learner, body: m{"position": .2, "completed": true}})
	ok("200", ask{method: get, path: "/v2/me/progress", as: learner})
	mark := ok("201", ask{method: put, path: "/v2/me/bookmarks/C1", as: learner})
	ok("200", ask{method: get, path: "/v2/me/bookmarks", as: learner})
	reviews := ok("200", ask{method: get, path: "/v2/courses/C1/reviews"})
	id, _ := reviews.items()[0]["id"].(string)
	ok("204", ask{method: patch, path: "/v2/courses/C1/reviews/" + id, as: editor, body: m{"hidden": true}})
	if left := s.do(ask{method: get, path: "/v2/courses/C1/reviews"}).items(); len(left) != 0 {
		t.Errorf("a hidden review is listed: %v", left)
	}

	after := "after=" + mark.header.Get("Carrel-As-Of")
	found := ok("200", ask{method: get, path: "/v2/search?q=go&facets=*&explain=true&tag=go&tag=rust&" + after})
	if found.json["total"] != 1.0 {
		t.Errorf("the search found %v, want 1", found.json["total"])
	}
	ok("202", ask{method: http.MethodPost, path: "/v2/events", body: m{"query_id": found.text("query_id"), "type": "click", "id": "C1", "position": 1}})
	ok("200", ask{method: get, path: "/v2/search/insight?days=7&language=en&limit=10", as: admin})
	ok("200", ask{method: get, path: "/v2/suggest?q=lear&" + after})

	s.run(s.index.Run)
	ok("202", ask{method: http.MethodPost, path: reindexPath, as: root})
	ok("200", ask{method: get, path: reindexPath, as: root})
	s.awaitReindex(root)
	ok("200", ask{method: put, path: "/v2/push/defaults?org=acme", as: root, body: m{"quiet_hours": "22:00-07:30", "daily_cap": 5}})
	ok("200", ask{method: get, path: "/v2/push/defaults?org=acme", as: root})
	ok("201", ask{method: put, path: "/v2/me/devices/tested", as: learner, body: m{"token": "t-tested", "platform": "web"}})
	ok("200", ask{method: http.MethodPost, path: "/v2/push/test", as: root, body: m{"learner": learner.Subject, "device": "tested"}})
	ok("200", ask{method: get, path: backupPath, as: root})

	imported := ok("202", ask{method: http.MethodPost, path: "/v2/imports", as: editor, body: "id,title\nC2,Two\n,none\n", header: map[string]string{"Content-Type": "text/csv"}})
	s.awaitImport(imported.header.Get("Location"))
	ok("200", ask{method: get, path: imported.header.Get("Location"), as: editor})
	ok("200", ask{method: get, path: imported.header.Get("Location") + "/errors.csv", as: editor})
	ok("200", ask{method: get, path: "/v2/imports", as: editor})

	callOwn(s, ok)
	ok("200", ask{method: get, path: "/v2/me/export", as: learner})
	ok("204", ask{method: del, path: "/v2/me/bookmarks/C1", as: learner})
	ok("204", ask{method: del, path: "/v2/me/reviews/C1", as: learner})
	ok("204", ask{method: del, path: "/v2/me/enrollments/C1", as: learner})
	ok("204", ask{method: del, path: "/v2/me", as: learner})
	ok("204", ask{method: del, path: "/v2/courses/C1", as: editor}) // although it is pinned
	for path := range curation {
		ok("204", ask{method: del, path: path, as: editor})
	}
	for _, path := range []string{"/v2/tags/go", "/v2/categories/cs", "/v2/instructors/ada"} {
		ok("204", ask{method: del, path: path, as: editor})
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.yaml", "/docs", "/docs.css", "/problems/not-found", "/clients/instantsearch.js", "/clients/offline.js", "/clients/watermelon.js", "/clients/rxdb.js"} {
		ok("200", ask{method: get, path: path})
	}
	called["GET /v2/sync/stream"] = true                   // which does not end: stream_test.go calls it
	called["GET /v2/sync/rxdb/{collection}/stream"] = true // the same: rxdb_test.go
	for path, item := range contract.doc.Paths.Map() {
		for method := range item.Operations() {
			if !called[method+" "+path] {
				t.Errorf("%s %s is documented, but this test does not call it", method, path)
			}
		}
	}
}

// callVocabulary calls what has to do with tags, categories and instructors.
func callVocabulary(ok func(status string, q ask) answer) {
	put, get, patch := http.MethodPut, http.MethodGet, http.MethodPatch
	for _, v := range []struct {
		path        string
		body, patch m
	}{
		{"/v2/tags/go", m{"label": m{"en": "Go"}, "synonyms": m{"en": []string{"golang"}}}, m{"label": m{"fr": "Go"}}},
		{"/v2/categories/cs", m{"label": m{"en": "Computer science"}}, m{"label": m{"fr": "Informatique"}}},
		{"/v2/instructors/ada", m{"name": "Ada Obi", "bio": m{"en": "Teaches."}}, m{"url": "https://example.org/ada"}},
	} {
		ok("201", ask{method: put, path: v.path, as: editor, body: v.body})
		ok("200", ask{method: put, path: v.path, as: editor, body: v.body})
		ok("200", ask{method: patch, path: v.path, as: editor, body: v.patch, header: map[string]string{"Content-Type": mergePatch}})
		one := ok("200", ask{method: get, path: v.path})
		held := map[string]string{"If-None-Match": one.header.Get("ETag")}
		if strings.HasPrefix(v.path, "/v2/instructors/") { // ratings move without a new version
			ok("200", ask{method: get, path: v.path, header: held})
		} else {
			ok("304", ask{method: get, path: v.path, header: held})
		}
		ok("200", ask{method: get, path: v.path[:strings.LastIndexByte(v.path, '/')]})
	}
}

// callCourse calls what has to do with a course and what it is made of.
func callCourse(ok func(status string, q ask) answer) {
	put, get, patch := http.MethodPut, http.MethodGet, http.MethodPatch
	ok("201", ask{method: http.MethodPost, path: "/v2/courses", as: editor, body: m{"id": "C1", "title": "Learning Go", "tags": []string{"go"}, "instructors": []string{"ada"}}})
	ok("200", ask{method: put, path: "/v2/courses/C1", as: editor, body: m{"title": "Learning Go well", "tags": []string{"go"}, "instructors": []string{"ada"}}})
	ok("200", ask{method: patch, path: "/v2/courses/C1", as: editor, body: m{"level": "all"}})
	ok("200", ask{method: get, path: "/v2/courses/C1"})
	ok("200", ask{method: get, path: "/v2/courses"})
	ok("200", ask{method: http.MethodPost, path: "/v2/instantsearch", body: []m{{"indexName": "courses", "params": m{"query": "go", "facets": "*"}}}})
	ok("200", ask{method: put, path: "/v2/courses/C1/content", as: editor, body: m{
		"modules": []m{{"id": "m1", "title": m{"en": "One"}}}, "lessons": []m{{"id": "l1", "module": "m1", "title": m{"en": "Hello"}, "body": m{"en": "<p>Hi</p>"}}},
	}})
	content := ok("200", ask{method: get, path: "/v2/courses/C1/content", as: editor})
	ok("304", ask{method: get, path: "/v2/courses/C1/content", as: editor, header: map[string]string{"If-None-Match": content.header.Get("ETag")}})
	pdf := map[string]string{"Content-Type": "application/pdf"}
	ok("201", ask{method: put, path: "/v2/courses/C1/assets/a1/file?lesson=l1", as: editor, body: "%PDF-1.7", header: pdf})
	ok("200", ask{method: put, path: "/v2/courses/C1/assets/a1/file", as: editor, body: "%PDF-1.7", header: pdf})
	ok("200", ask{method: get, path: "/v2/courses/C1/assets/a1/file", as: editor})
	ok("206", ask{method: get, path: "/v2/courses/C1/assets/a1/file", as: editor, header: map[string]string{"Range": "bytes=1-3"}})
	manifest := ok("200", ask{method: get, path: "/v2/courses/C1/manifest", as: editor})
	ok("304", ask{method: get, path: "/v2/courses/C1/manifest", as: editor, header: map[string]string{"If-None-Match": manifest.header.Get("ETag")}})
}

// callOwn calls what has to do with the caller's searches, inbox and phones.
func callOwn(s *server, ok func(status string, q ask) answer) {
	put, get, patch, del := http.MethodPut, http.MethodGet, http.MethodPatch, http.MethodDelete
	search := m{"name": "Go", "query": "q=go"}
	saved := ok("201", ask{method: http.MethodPost, path: "/v2/me/saved-searches", as: learner, body: search}).header.Get("Location")
	one := ok("200", ask{method: put, path: saved, as: learner, body: search})
	ok("304", ask{method: get, path: saved, as: learner, header: map[string]string{"If-None-Match": one.header.Get("ETag")}})
	ok("200", ask{method: get, path: "/v2/me/saved-searches", as: learner})
	ok("204", ask{method: del, path: saved, as: learner})

	s.notify(learner.Subject, "n1", catalog.Notification{
		Rule: catalog.RuleCourseChanged, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: "C1"}, Data: map[string]string{"course": "Learning Go"},
	})
	ok("200", ask{method: get, path: "/v2/me/notifications", as: learner})
	ok("200", ask{method: patch, path: "/v2/me/notifications/n1", as: learner, body: m{"read": true}})

	ok("201", ask{method: put, path: "/v2/me/devices/phone", as: learner, body: m{"token": "t", "platform": "android"}})
	ok("200", ask{method: get, path: "/v2/me/devices", as: learner})
	ok("204", ask{method: del, path: "/v2/me/devices/phone", as: learner})

	ok("200", ask{method: put, path: "/v2/me/preferences", as: learner, body: m{"locale": "fr", "timezone": nil}})
	ok("200", ask{method: get, path: "/v2/me/preferences", as: learner})
	ok("200", ask{method: get, path: "/v2/sync?channels=catalog,org,me,courses,course:C1&fields=full&client=phone", as: learner})
	shared := ok("200", ask{method: get, path: "/v2/sync?channels=catalog&limit=1"})
	ok("304", ask{method: get, path: "/v2/sync?channels=catalog&limit=1", header: map[string]string{"If-None-Match": shared.header.Get("ETag")}})
	ok("200", ask{method: http.MethodPost, path: "/v2/sync", as: learner, body: m{"client": "phone", "subject": "lea", "mutations": []m{
		{"n": 1, "kind": "bookmark", "key": "C1", "op": "upsert"}, {"n": 2, "kind": "bookmark", "key": "none", "op": "upsert"}, {"n": 3, "kind": "review", "key": "C1", "op": "delete"},
	}}})
	ok("200", ask{method: get, path: "/v2/sync/digest?channels=catalog,me", as: learner})
	ok("200", ask{method: get, path: "/v2/sync/watermelon?last_pulled_at=null&schema_version=1&migration=null&tables=courses,bookmarks&cursor=&fields=card", as: learner})
	ok("200", ask{method: http.MethodPost, path: "/v2/sync/watermelon?last_pulled_at=0", as: learner, body: m{"bookmarks": m{"created": []m{{"id": "b1", "course": "C1"}}, "updated": []m{}, "deleted": []string{"b2"}}}})
	ok("200", ask{method: get, path: "/v2/sync/rxdb/courses?checkpoint=null&limit=10&fields=card", as: learner})
	ok("200", ask{method: http.MethodPost, path: "/v2/sync/rxdb/bookmarks", as: learner, body: []m{{"newDocumentState": m{"id": "b3", "course": "none", "_deleted": false}}}})
}

// awaitImport waits until an import has ended.
func (s *server) awaitImport(path string) answer {
	s.t.Helper()
	for ctx := s.t.Context(); ctx.Err() == nil; {
		seq, err := s.catalog.Log().Head(ctx) // before the look, so that no change falls in between
		if err != nil {
			s.t.Fatal(err)
		}
		got := s.want("200", ask{method: http.MethodGet, path: path, as: editor})
		if state := got.text("state"); state != "queued" && state != "running" {
			return got
		}
		if err := s.catalog.Log().Wait(ctx, seq); err != nil {
			s.t.Fatal(err)
		}
	}
	return answer{}
}
