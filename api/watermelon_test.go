package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

// tablesPull pulls as WatermelonDB does.
func (s *server) tablesPull(status string, as catalog.Actor, since any, pairs ...string) answer {
	s.t.Helper()
	q := url.Values{"last_pulled_at": {fmt.Sprint(since)}, "schema_version": {"1"}, "migration": {"null"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return s.want(status, ask{method: http.MethodGet, path: "/v2/sync/watermelon?" + q.Encode(), as: as})
}

// tablesPush pushes as WatermelonDB does, and returns the rejected ids as "table id".
func (s *server) tablesPush(status string, as catalog.Actor, since any, changes m) []string {
	s.t.Helper()
	got := s.want(status, ask{method: http.MethodPost, path: "/v2/sync/watermelon?last_pulled_at=" + fmt.Sprint(since), as: as, body: changes})
	rejected := []string{}
	tables, _ := got.json["experimentalRejectedIds"].(map[string]any)
	for table, ids := range tables {
		list, _ := ids.([]any)
		for _, id := range list {
			rejected = append(rejected, fmt.Sprint(table, " ", id))
		}
	}
	slices.Sort(rejected)
	return rejected
}

// changed are an answer's rows, as "table id", and its deletions, as "-table id".
func (a answer) changed() []string {
	out := []string{}
	tables, _ := a.json["changes"].(map[string]any)
	for table, changes := range tables {
		lists, _ := changes.(map[string]any)
		updated, _ := lists["updated"].([]any)
		for _, row := range updated {
			cols, _ := row.(map[string]any)
			out = append(out, fmt.Sprint(table, " ", cols["id"]))
		}
		deleted, _ := lists["deleted"].([]any)
		for _, id := range deleted {
			out = append(out, fmt.Sprint("-", table, " ", id))
		}
		if created, _ := lists["created"].([]any); len(created) > 0 {
			out = append(out, "created in "+table)
		}
	}
	slices.Sort(out)
	return out
}

func (a answer) row(table, id string) map[string]any {
	tables, _ := a.json["changes"].(map[string]any)
	lists, _ := tables[table].(map[string]any)
	updated, _ := lists["updated"].([]any)
	for _, row := range updated {
		if cols, _ := row.(map[string]any); cols["id"] == id {
			return cols
		}
	}
	return nil
}

// number is the timestamp as it comes back.
func (a answer) number() string {
	n, _ := a.json["timestamp"].(float64)
	return fmt.Sprintf("%.0f", n)
}

func (s *server) same(what string, got []string, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTablesPull(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "active"}})
	first := s.tablesPull("200", learner, "null", "locale", "fr")
	s.same("at first", first.changed(), "courses C1", "enrollments C1", "modules C1/m1", "lessons C1/l1")
	course := first.row("courses", "C1")
	if course["title"] != "Apprendre Go" || course["tags"] != "[]" || course["version"] == nil || course["level"] != nil || course["description"] != "" {
		t.Errorf("a course in columns is %v", course)
	}
	if first.json["experimentalStrategy"] != nil || first.header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("the first answer: strategy %v, Cache-Control %q", first.json["experimentalStrategy"], first.header.Get("Cache-Control"))
	}
	n, cursor := first.number(), first.text("cursor")
	again := s.tablesPull("200", learner, n, "locale", "fr", "cursor", cursor)
	s.same("nothing new", again.changed())
	if again.number() != n || again.text("cursor") != cursor {
		t.Errorf("nothing is new, but the number went from %s to %s", n, again.number())
	}
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Learning Go well", "language": "en"}})
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1/content", as: editor, body: m{"modules": []m{{"id": "m1", "title": m{"en": "One"}}}, "lessons": []m{}}})
	s.same("an increment", s.tablesPull("200", learner, n).changed(), "courses C1", "-lessons C1/l1")
	s.same("of some tables", s.tablesPull("200", learner, n, "tables", "courses,bookmarks").changed(), "courses C1")
	s.same("an anonymous one", s.tablesPull("200", nobody, 0).changed(), "courses C1")
	whole := s.tablesPull("200", learner, n, "tables", "modules,lessons,courses", "migration", `{"from":1,"tables":["own","modules"],"columns":[{"table":"courses","columns":["price"]}]}`)
	s.same("a migration", whole.changed(), "courses C1", "modules C1/m1", "-lessons C1/l1")
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Learning Go well", "language": "en", "state": "draft"}})
	s.same("a draft again", s.tablesPull("200", learner, n).changed(), "-courses C1", "-course_stats C1", "-lessons C1/l1", "-modules C1/m1")
}

func TestTablesReplaced(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	first := s.tablesPull("200", learner, 0, "locale", "en")
	head, cursor := first.number(), first.text("cursor")
	for name, test := range map[string]struct {
		as    catalog.Actor
		since string
		pairs []string
	}{
		"a number of no log":     {learner, "5", nil},
		"a number to come":       {learner, head + "0", nil},
		"another locale":         {learner, head, []string{"cursor", cursor, "locale", "fr"}},
		"other tables":           {learner, head, []string{"cursor", cursor, "locale", "en", "tables", "courses"}},
		"other fields":           {learner, head, []string{"cursor", cursor, "locale", "en", "fields", "card"}},
		"another learner":        {otherLearner, head, []string{"cursor", cursor, "locale", "en"}},
		"a cursor from anywhere": {learner, head, []string{"cursor", "abc", "locale", "en"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.tablesPull("200", test.as, test.since, test.pairs...)
			if got.json["experimentalStrategy"] != "replacement" || !slices.Equal(got.changed(), []string{"courses C1"}) || got.number() != head {
				t.Errorf("%s", got.body)
			}
		})
	}
	for name, pairs := range map[string][]string{
		"no such table": {"tables", "courses,users"}, "no number": {"last_pulled_at", "yesterday"}, "no migration": {"migration", "{"}, "no fields": {"fields", "all"},
	} {
		t.Run(name, func(*testing.T) { s.tablesPull("400 invalid-parameter", learner, 0, pairs...) })
	}
}

func TestTablesAccess(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	n := s.tablesPull("200", learner, 0).number()
	s.clock.add(10e9)
	joined := learner
	joined.Org = "acme"
	got := s.tablesPull("200", joined, n)
	s.same("who joins", got.changed(), "courses acme~X")
	n = got.number()
	s.clock.add(10e9)
	got = s.tablesPull("200", learner, n)
	s.same("who leaves", got.changed(), "-courses acme~X")
	s.same("who left", s.tablesPull("200", learner, got.number()).changed())

	s.want("201", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "active"}})
	got = s.tablesPull("200", learner, got.number())
	s.same("who takes a course", got.changed(), "enrollments C1", "modules C1/m1", "lessons C1/l1")
	s.want("200", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "withdrawn"}})
	s.same("who drops it", s.tablesPull("200", learner, got.number()).changed(), "enrollments C1", "-modules C1/m1", "-lessons C1/l1")
}

// TestTablesOlderToken is of a device whose token is older than the membership that another device brought: what it may not read yet must not be missing later.
func TestTablesOlderToken(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	old := s.token(learner)
	pull := func(as catalog.Actor, n string) answer {
		header := map[string]string{}
		if as.Org == "" {
			header["Authorization"] = "Bearer " + old
		}
		return s.want("200", ask{method: http.MethodGet, path: "/v2/sync/watermelon?last_pulled_at=" + n, as: as, header: header})
	}
	n := pull(learner, "0").number()
	s.clock.add(10e9)
	joined := learner
	joined.Org = "acme"
	other := pull(joined, "0")
	s.same("the other device", other.changed(), "courses C1", "courses acme~X")
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/C2", as: editor, body: m{"title": "Second"}})
	got := pull(learner, n)
	s.same("the device with the older token", got.changed(), "courses C2")
	s.clock.add(10e9)
	s.same("with a newer one", pull(joined, got.number()).changed(), "courses C2", "courses acme~X")
	s.same("what it had before goes", pull(learner, other.number()).changed(), "courses C2", "-courses acme~X")
}

func TestTablesPush(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	n := s.tablesPull("200", learner, 0).number()
	changes := m{
		"enrollments": m{"created": []m{{"id": "e1", "course": "C1", "state": "active", "_status": "created", "_changed": "", "enrolled_at": "", "completed_at": nil, "version": nil}}, "updated": []m{}, "deleted": []string{}},
		"progress":    m{"created": []m{{"id": "p1", "course": "C1", "lesson": "C1/l1", "position": 4, "completed": false, "time_by_device": `{"d1":60}`}}, "updated": []m{}, "deleted": []string{}},
		"reviews":     m{"created": []m{{"id": "r1", "course": "C1", "rating": 9, "instructors": "{}", "text": ""}, {"id": "r2", "course": "gone", "rating": 5}}, "updated": []m{}, "deleted": []string{"never"}},
		"bookmarks":   m{"created": []m{{"id": "b1", "course": "C1"}, {"id": "b2", "course": "acme~X"}}, "updated": []m{}, "deleted": []string{}},
		"courses":     m{"created": []m{}, "updated": []m{{"id": "C1", "title": "Mine"}}, "deleted": []string{"C2"}},
		"drawings":    m{"created": []m{{"id": "d1"}}, "updated": []m{}, "deleted": []string{}},
	}
	rejected := []string{"reviews r1", "reviews r2", "bookmarks b2", "courses C1", "courses C2", "drawings d1"}
	s.same("rejected", s.tablesPush("200", learner, n, changes), rejected...)
	s.same("the same again", s.tablesPush("200", learner, n, changes), rejected...)
	got := s.tablesPull("200", learner, n)
	s.same("what is there", got.changed(), "enrollments e1", "progress p1", "bookmarks b1", "modules C1/m1", "lessons C1/l1")
	if p := got.row("progress", "p1"); p["lesson"] != "l1" || p["position"] != 4.0 || p["time_by_device"] != `{"d1":60}` {
		t.Errorf("the progress is %v", p)
	}
	s.notify(learner.Subject, "n1", catalog.Notification{
		Rule: catalog.RuleCourseChanged, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: "C1"}, Data: map[string]string{"course": "Learning Go"},
	})
	more := m{
		"saved_searches": m{"created": []m{{"id": "s1", "name": "Go", "query": "q=go", "notify": "daily"}, {"id": "s2", "name": "Bad", "query": "nonsense=1"}}},
		"preferences":    m{"created": []m{{"id": "x1", "name": "locale", "value": "zh-CN"}, {"id": "x2", "name": "colour", "value": "red"}}},
		"notifications":  m{"updated": []m{{"id": "n1", "read": true, "title": "Mine"}}, "deleted": []string{"n1"}},
	}
	s.same("rejected of the others", s.tablesPush("200", learner, got.number(), more), "saved_searches s2", "preferences x2")
	rest := s.tablesPull("200", learner, got.number())
	s.same("the others", rest.changed(), "saved_searches s1", "preferences x1", "notifications n1")
	if n := rest.row("notifications", "n1"); n["read"] != true || n["title"] == "Mine" || n["subject"] != `{"kind":"course","id":"C1"}` {
		t.Errorf("the notification is %v", n)
	}
	if p := rest.row("preferences", "x1"); p["name"] != "locale" || p["value"] != "zh-Hans" {
		t.Errorf("the preference is %v", p)
	}
	stale := m{"enrollments": m{"updated": []m{{"id": "e1", "course": "C1", "state": "completed"}}}}
	s.tablesPush("409 pull-first", learner, n, stale)
	s.same("after a pull", s.tablesPush("200", learner, got.number(), stale))
	s.tablesPush("409 pull-first", learner, got.number()+"9", stale)
	s.tablesPush("401 unauthorized", nobody, n, stale)
	s.want("400 invalid-fields", ask{method: http.MethodPost, path: "/v2/sync/watermelon", as: learner, body: `{"bookmarks":[1]}`})
	s.want("400 invalid-fields", ask{method: http.MethodPost, path: "/v2/sync/watermelon", as: learner, body: m{"bookmarks": m{"created": []m{{"course": "C1"}}}}})
	many := make([]m, 0, 2001)
	for i := range 2001 {
		many = append(many, m{"id": fmt.Sprint("b", i), "course": "C1"})
	}
	s.tablesPush("400 invalid-fields", learner, n, m{"bookmarks": m{"created": many}})
	s.same("as many as fit", s.tablesPush("200", learner, n, m{"bookmarks": m{"created": many[1:]}}))
}

// TestTablesTwoDevices is of the same bookmark made on two devices: it has one id, the first one, and whatever is said of the other reaches it.
func TestTablesTwoDevices(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	n := s.tablesPull("200", learner, 0).number()
	created := func(id string) m { return m{"bookmarks": m{"created": []m{{"id": id, "course": "C1"}}}} }
	s.same("first", s.tablesPush("200", learner, n, created("one")))
	s.same("second", s.tablesPush("200", learner, n, created("two")))
	got := s.tablesPull("200", learner, n)
	s.same("there is one", got.changed(), "bookmarks one", "-bookmarks two")
	if row := got.row("bookmarks", "one"); row["course"] != "C1" {
		t.Errorf("the bookmark is %v", row)
	}
	fresh := s.tablesPull("200", learner, 0, "tables", "bookmarks")
	s.same("a third device", fresh.changed(), "bookmarks one")
	if _, ok := s.pull("200", learner, "channels", "me").doc("bookmark", "C1")["at"]; !ok {
		t.Error("the protocol's own rows do not call the bookmark by its key")
	}
	s.same("thrown away by its other id", s.tablesPush("200", learner, got.number(), m{"bookmarks": m{"deleted": []string{"two"}}}))
	next := s.tablesPull("200", learner, got.number())
	s.same("it is gone", next.changed(), "-bookmarks one")
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/bookmarks/C1", as: learner, body: m{}})
	s.same("it keeps its id", s.tablesPull("200", learner, next.number()).changed(), "bookmarks one")
	s.same("a device that set it again", s.tablesPush("200", learner, next.number(), m{"bookmarks": m{"deleted": []string{"one"}}}))
	s.same("wins over one that did not know", s.tablesPull("200", learner, next.number()).changed(), "bookmarks one")
	export := s.want("200", ask{method: http.MethodGet, path: "/v2/me/export", as: learner})
	if !strings.Contains(string(export.body), `"bookmark/two"`) {
		t.Errorf("the export does not hold the ids that devices gave: %s", export.body)
	}
}
