package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// docsPull pulls as RxDB does.
func (s *server) docsPull(status string, as catalog.Actor, collection, checkpoint string, limit int, pairs ...string) answer {
	s.t.Helper()
	q := url.Values{"checkpoint": {checkpoint}, "limit": {fmt.Sprint(limit)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return s.want(status, ask{method: http.MethodGet, path: "/v2/sync/rxdb/" + collection + "?" + q.Encode(), as: as})
}

func (s *server) docsPush(status string, as catalog.Actor, collection string, rows ...m) []map[string]any {
	s.t.Helper()
	got := s.want(status, ask{method: http.MethodPost, path: "/v2/sync/rxdb/" + collection, as: as, body: rows})
	docs := []map[string]any{}
	for _, item := range got.list {
		doc, _ := item.(map[string]any)
		docs = append(docs, doc)
	}
	return docs
}

// docs are an answer's documents as "id", those that are gone as "-id".
func (a answer) docs() []string {
	out := []string{}
	list, _ := a.json["documents"].([]any)
	for _, item := range list {
		doc, _ := item.(map[string]any)
		if id := fmt.Sprint(doc["id"]); doc["_deleted"] == true {
			out = append(out, "-"+id)
		} else {
			out = append(out, id)
		}
	}
	return out
}

func (a answer) sorted() []string { return slices.Sorted(slices.Values(a.docs())) }

func (a answer) document(id string) map[string]any {
	list, _ := a.json["documents"].([]any)
	for _, item := range list {
		if doc, _ := item.(map[string]any); doc["id"] == id {
			return doc
		}
	}
	return nil
}

func (a answer) checkpoint() string {
	text, _ := json.Marshal(a.json["checkpoint"])
	return string(text)
}

func TestDocumentsPull(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	for i := range 5 {
		s.want("201", ask{method: http.MethodPut, path: fmt.Sprintf("/v2/courses/K%d", i), as: editor, body: m{"title": fmt.Sprint("Course ", i), "tags": []string{"a", fmt.Sprint("t", i)}}})
	}
	seen := []string{}
	checkpoint := "null"
	for range 10 {
		page := s.docsPull("200", nobody, "courses", checkpoint, 2)
		seen = append(seen, page.docs()...)
		if checkpoint = page.checkpoint(); len(page.docs()) != 2 {
			break
		}
	}
	slices.Sort(seen)
	s.same("pages of two", seen, "C1", "K0", "K1", "K2", "K3", "K4")
	head := s.docsPull("200", nobody, "courses", checkpoint, 2)
	if len(head.docs()) != 0 || head.checkpoint() != checkpoint {
		t.Errorf("nothing is new, but %s", head.body)
	}
	s.want("204", ask{method: http.MethodDelete, path: "/v2/courses/K3", as: editor})
	s.same("a deletion", s.docsPull("200", nobody, "courses", checkpoint, 2).docs(), "-K3")
	doc := s.docsPull("200", nobody, "courses", "", 100, "locale", "fr").document("C1")
	if tags, isList := doc["tags"].([]any); !isList || len(tags) != 0 || doc["_deleted"] != false || doc["title"] != "Apprendre Go" || doc["version"] == nil {
		t.Errorf("the document is %v", doc)
	}
	for name, test := range map[string]struct {
		status     string
		as         catalog.Actor
		collection string
		checkpoint string
		pairs      []string
	}{
		"another collection":   {"410 cursor-expired", nobody, "tags", checkpoint, nil},
		"another locale":       {"410 cursor-expired", nobody, "courses", checkpoint, []string{"locale", "fr"}},
		"no such collection":   {"404 not-found", nobody, "users", "", nil},
		"a private one":        {"401 unauthorized", nobody, "bookmarks", "", nil},
		"lessons":              {"401 unauthorized", nobody, "lessons", "", nil},
		"too many":             {"400 invalid-parameter", nobody, "courses", "", []string{"limit", "1001"}},
		"none":                 {"400 invalid-parameter", nobody, "courses", "", []string{"limit", "0"}},
		"no checkpoint":        {"400 invalid-parameter", nobody, "courses", "{", nil},
		"no cursor of ours":    {"400 invalid-cursor", nobody, "courses", `{"cursor":"abc"}`, nil},
		"the protocol's own":   {"410 cursor-expired", nobody, "courses", fmt.Sprintf(`{"cursor":%q}`, s.pull("200", nobody, "channels", "catalog").text("cursor")), nil},
		"a collection to come": {"200", learner, "notifications", "{}", nil},
	} {
		t.Run(name, func(*testing.T) {
			s.docsPull(test.status, test.as, test.collection, test.checkpoint, 10, test.pairs...)
		})
	}
}

func TestDocumentsAccess(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	first := s.docsPull("200", acmeLearner, "courses", "", 10)
	s.same("with an organization", first.sorted(), "C1", "acme~X")
	s.clock.add(10e9)
	gone := acmeLearner
	gone.Org = ""
	s.same("without", s.docsPull("200", gone, "courses", first.checkpoint(), 10).docs(), "-acme~X")
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "active"}})
	lessons := s.docsPull("200", learner, "lessons", "", 10)
	s.same("who takes a course", lessons.docs(), "C1/l1")
	s.want("200", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "withdrawn"}})
	s.same("who drops it", s.docsPull("200", learner, "lessons", lessons.checkpoint(), 10).docs(), "-C1/l1")
}

func TestDocumentsPush(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	row := func(state m, assumed ...m) m {
		r := m{"newDocumentState": state}
		if len(assumed) > 0 {
			r["assumedMasterState"] = assumed[0]
		}
		return r
	}
	none := func(what string, docs []map[string]any) {
		t.Helper()
		if len(docs) != 0 {
			t.Errorf("%s: conflicts %v", what, docs)
		}
	}
	none("a new one", s.docsPush("200", learner, "enrollments", row(m{"id": "e1", "course": "C1", "state": "active", "_deleted": false})))
	none("the same again", s.docsPush("200", learner, "enrollments", row(m{"id": "e1", "course": "C1", "state": "active", "_deleted": false})))
	held := s.docsPull("200", learner, "enrollments", "", 10).document("e1")
	if held["course"] != "C1" || held["state"] != "active" {
		t.Fatalf("the enrollment is %v", held)
	}
	with := func(doc m, name string, value any) m {
		changed := m{}
		for k, v := range doc {
			changed[k] = v
		}
		changed[name] = value
		return changed
	}
	none("one that was known", s.docsPush("200", learner, "enrollments", row(with(held, "state", "completed"), held)))
	now := s.docsPull("200", learner, "enrollments", "", 10).document("e1")
	stale := s.docsPush("200", learner, "enrollments", row(with(held, "state", "withdrawn"), held))
	if len(stale) != 1 || stale[0]["state"] != "completed" || stale[0]["version"] != now["version"] || stale[0]["id"] != "e1" {
		t.Errorf("one that was changed meanwhile: %v", stale)
	}
	none("the same in all but the version", s.docsPush("200", learner, "enrollments", row(with(now, "state", "active"), with(now, "version", 1))))
	refused := s.docsPush("200", learner, "reviews", row(m{"id": "r1", "course": "C1", "rating": 9}), row(m{"id": "r2", "course": "gone", "rating": 3}))
	if len(refused) != 2 || len(refused[0]) != 2 || refused[0]["id"] != "r1" || refused[0]["_deleted"] != true {
		t.Errorf("what is refused: %v", refused)
	}
	again := s.docsPush("200", learner, "enrollments", row(m{"id": "e2", "course": "C1", "state": "withdrawn", "_deleted": false}))
	if len(again) != 1 || again[0]["id"] != "e2" || again[0]["state"] != "active" {
		t.Errorf("the same made on another device: %v", again)
	}
	s.same("has a surplus id", s.docsPull("200", learner, "enrollments", "", 10).sorted(), "-e2", "e1")
	none("progress", s.docsPush("200", learner, "progress", row(m{"id": "p1", "course": "C1", "lesson": "l1", "position": 5, "completed": false, "time_by_device": m{"d1": 3}})))
	none("progress that is behind", s.docsPush("200", learner, "progress", row(m{"id": "p1", "course": "C1", "lesson": "l1", "position": 2, "completed": true}, m{"id": "p1", "position": 1})))
	if p := s.docsPull("200", learner, "progress", "", 10).document("p1"); p["position"] != 5.0 || p["completed"] != true {
		t.Errorf("progress is %v", p)
	}
	public := s.docsPush("200", learner, "courses", row(m{"id": "C1", "title": "Mine"}), row(m{"id": "secret", "title": "Mine"}))
	if len(public) != 2 || public[0]["title"] != "Learning Go" || public[1]["_deleted"] != true || len(public[1]) != 2 {
		t.Errorf("what is not the learner's: %v", public)
	}
	s.docsPush("401 unauthorized", nobody, "bookmarks", row(m{"id": "b1", "course": "C1"}))
	s.docsPush("404 not-found", learner, "users", row(m{"id": "b1"}))
	s.docsPush("400 invalid-fields", learner, "bookmarks", row(m{"course": "C1"}))
}

func TestDocumentsBookmarks(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	mark := func(id string, deleted bool) m { return m{"id": id, "course": "C1", "_deleted": deleted} }
	s.docsPush("200", learner, "bookmarks", m{"newDocumentState": mark("b1", false)})
	first := s.docsPull("200", learner, "bookmarks", "", 10)
	s.clock.add(1e9)
	s.docsPush("200", learner, "bookmarks", m{"newDocumentState": mark("b2", false)})
	if got := s.docsPush("200", learner, "bookmarks", m{"newDocumentState": mark("b1", true), "assumedMasterState": first.document("b1")}); len(got) != 0 {
		t.Errorf("a mark that another device set again conflicts: %v", got)
	}
	next := s.docsPull("200", learner, "bookmarks", first.checkpoint(), 10)
	s.same("it stays, and the device hears of it", next.sorted(), "-b2", "b1")
	s.docsPush("200", learner, "bookmarks", m{"newDocumentState": mark("b1", true), "assumedMasterState": next.document("b1")})
	s.same("it goes when it was known", s.docsPull("200", learner, "bookmarks", next.checkpoint(), 10).docs(), "-b1")
}

// TestDocumentsStream holds that the database is told to pull at first, and when its collection has news, not others.
func TestDocumentsStream(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	items := func(collection string) <-chan string {
		ctx, cancel := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v2/sync/rxdb/"+collection+"/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.token(learner))
		res, err := s.Client().Do(req)
		if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(res, err)
		}
		t.Cleanup(func() { cancel(); res.Body.Close() })
		found := make(chan string, 100)
		go func() {
			for lines := bufio.NewScanner(res.Body); lines.Scan(); {
				if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					found <- data
				}
			}
		}()
		return found
	}
	wait := func(what string, from <-chan string) {
		t.Helper()
		select {
		case item := <-from:
			if item != `"RESYNC"` {
				t.Errorf("%s: %s", what, item)
			}
		case <-time.After(20 * time.Second): // far beyond what it takes
			t.Fatalf("%s: nothing is told", what)
		}
	}
	bookmarks, tags, lessons := items("bookmarks"), items("tags"), items("lessons")
	wait("bookmarks at first", bookmarks)
	wait("tags at first", tags)
	wait("lessons at first", lessons)
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/bookmarks/C1", as: learner})
	wait("a bookmark", bookmarks)
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/C2", as: editor, body: m{"title": "No tag"}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "active"}})
	wait("a course is taken", lessons)
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C2", as: editor, body: m{"title": "A tag", "tags": []string{"new"}}})
	wait("a tag", tags)
	if len(tags) > 0 {
		t.Error("a course without a new tag is news of tags")
	}
	s.want("401 unauthorized", ask{method: http.MethodGet, path: "/v2/sync/rxdb/bookmarks/stream"})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/sync/rxdb/users/stream", as: learner})
}
