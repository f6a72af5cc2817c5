package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
)

// signedIn is a visitor who came in by a one-time link.
func (s *site) signedIn(a catalog.Actor) *visitor {
	s.t.Helper()
	link := must[string](s.t)(s.keys.Sign(identity.Grant{Actor: a, TTL: identity.LinkTTL, Link: true}))
	v := s.visitor("en")
	v.post("/sign-in", url.Values{"token": {link}}).wants(s.t, http.StatusOK, "You are signed in.")
	return v
}

var (
	staffAdmin = catalog.Actor{Subject: "root", Name: "Root", Roles: []catalog.Role{catalog.RoleAdmin}}
	acmeAdmin  = catalog.Actor{Subject: "acme-root", Roles: []catalog.Role{catalog.RoleAdmin}, Org: "acme"}
)

// report is what was counted of the public's searches, or an organization's.
func (s *site) report(org catalog.OrgID) *insight.Report {
	s.t.Helper()
	return must[*insight.Report](s.t)(s.insight.Report(s.t.Context(), insight.Scope{Org: org, Days: 1, Listed: insight.MaxListed}))
}

func TestSearchesOnPagesAreCounted(t *testing.T) {
	s := newSite(t, options{})
	v := s.visitor("en")
	v.get("/?q=Algebra").wants(t, http.StatusOK, `id="cards" data-search="`)
	v.get("/?q=algebra&level=advanced").wants(t, http.StatusOK)
	v.get("/?q=kubernetes").wants(t, http.StatusOK, "No course for")
	v.get("/").lacks(t, "data-search") // no search
	v.do(http.MethodHead, "/?q=head", nil)
	more := v.get("/?q=algebra&sort=title")
	_, next, _ := strings.Cut(more.body, `rel="next" href="`)
	next, _, _ = strings.Cut(next, `"`)
	v.get(strings.ReplaceAll(next, "&amp;", "&")).wants(t, http.StatusOK, "data-search=") // a later page
	for name, value := range map[string]string{"User-Agent": "Mozilla/5.0 (compatible; Examplebot/2.1)", "Sec-Purpose": "prefetch"} {
		v.header.Set(name, value)
		v.get("/?q=robots").lacks(t, "data-search")
		v.header.Del(name)
	}
	s.signedIn(catalog.Actor{Subject: "in", Org: "acme"}).get("/?q=inside").wants(t, http.StatusOK, "1 course")
	got := map[string][2]int{}
	for _, q := range s.report("").Top {
		got[q.Query] = [2]int{q.Count, q.NoResults}
	}
	if diff := cmp.Diff(map[string][2]int{"algebra": {3, 0}, "kubernetes": {1, 1}}, got); diff != "" {
		t.Errorf("want (-) and got (+) differ:\n%s", diff)
	}
	if top := s.report("acme").Top; len(top) != 1 || top[0].Query != "inside" {
		t.Errorf("of acme: %+v, want inside", top)
	}
}

func TestAdministrationIsForAdministrators(t *testing.T) {
	s := newSite(t, options{})
	for _, path := range []string{"/admin", "/admin/search", "/admin/search/fix?q=go"} {
		out := s.visitor("en").get(path)
		out.wants(t, http.StatusOK, "Open the sign-in link")
		if got := out.Request.URL.Query().Get("return"); got != path {
			t.Errorf("%s leads back to %q", path, got)
		}
		for _, role := range []catalog.Role{catalog.RoleLearner, catalog.RoleEditor, catalog.RoleTranslator} {
			s.signedIn(catalog.Actor{Subject: "x", Roles: []catalog.Role{role}}).get(path).wants(t, http.StatusForbidden, "Not allowed")
		}
		s.signedIn(staffAdmin).get(path).wants(t, http.StatusOK, "Administration")
	}
	for _, path := range []string{"/admin/search/synonym", "/admin/search/pin"} {
		form := url.Values{"q": {"k8s"}, "to": {"python"}, "course": {"PY1"}}
		s.visitor("en").post(path, form).wants(t, http.StatusUnauthorized)
		s.signedIn(catalog.Actor{Subject: "ed", Roles: []catalog.Role{catalog.RoleEditor}}).post(path, form).wants(t, http.StatusForbidden)
	}
	s.visitor("en").get("/").lacks(t, "/admin")
	s.signedIn(staffAdmin).get("/").wants(t, http.StatusOK, `href="/admin"`)
}

func TestInsightPage(t *testing.T) {
	s := newSite(t, options{})
	v := s.visitor("en")
	v.get("/?q=python")
	v.get(`/?q=` + url.QueryEscape(`zz<b>yzx`))
	v.get("/?q=ada@example.org")
	s.signedIn(catalog.Actor{Subject: "in", Org: "acme"}).get("/?q=merger")
	root := s.signedIn(staffAdmin)
	page := root.get("/admin/search")
	page.wants(t, http.StatusOK, "Last 30 days", `<svg class="bars-by-day" role="img" aria-labelledby="searches-title searches-desc"`, "3 searches, 1 without results",
		"Most frequent queries", `href="/?q=python"`, "zz&lt;b&gt;yzx", `/admin/search/fix?q=zz%3Cb%3Eyzx`, `<option value="acme">acme</option>`)
	page.lacks(t, "zz<b>yzx", "example.org", "merger")
	root.get("/admin/search?org=acme&days=7").wants(t, http.StatusOK, "merger", "Last 7 days", `<option value="acme" selected>`, "/admin/search/fix?days=7&amp;org=acme&amp;q=merger")
	root.get("/admin/search?language=fr").wants(t, http.StatusOK, "Nobody has searched in this period.")
	root.get("/admin/search?unknown=1&days=&language=").wants(t, http.StatusOK)
	for _, q := range []string{"days=0", "days=91", "days=x", "language=klingon"} {
		root.get("/admin/search?"+q).wants(t, http.StatusBadRequest)
	}
	own := s.signedIn(acmeAdmin)
	page = own.get("/admin/search")
	page.wants(t, http.StatusOK, "merger", "These are the searches of acme.")
	page.lacks(t, "python", `name="org"`)
	own.get("/admin/search?org=bolz").wants(t, http.StatusNotFound)
	own.get("/admin/search/fix?q=merger&org=bolz").wants(t, http.StatusNotFound)
	if err := s.insight.Close(); err != nil {
		t.Fatal(err)
	}
	own.get("/admin/search").wants(t, http.StatusServiceUnavailable)
	v.get("/?q=python").wants(t, http.StatusOK, "2 courses") // and searching goes on
}

// curated reads what was said about queries.
func curated[T any](t *testing.T, s *site, list func(*catalog.Catalog) (catalog.List[catalog.Stored[T]], error)) []T {
	t.Helper()
	var all []T
	for _, item := range must[catalog.List[catalog.Stored[T]]](t)(list(s.catalog)).Items {
		all = append(all, item.Value)
	}
	return all
}

func TestGiveASynonym(t *testing.T) {
	s := newSite(t, options{})
	root := s.signedIn(staffAdmin)
	const path = "/admin/search/synonym"
	root.get("/admin/search/fix?q=k8s&language=fr").wants(t, http.StatusOK, "Help “k8s” find something", "0 courses", `<option value="fr" selected>`, `name="return" value="/admin/search?language=fr"`)
	root.post(path, url.Values{"q": {"k8s"}, "to": {"kubernetes, container orchestration，K8s cluster"}, "two_way": {"true"}, "return": {"/admin/search?days=7"}}).
		wants(t, http.StatusOK, "The synonym is saved", "Last 7 days")
	root.post(path, url.Values{"q": {"K8S"}, "to": {"Kubernetes, helm"}}).wants(t, http.StatusOK) // more of the same
	root.post(path, url.Values{"q": {"k-8-s"}, "to": {"x"}}).wants(t, http.StatusOK)
	root.post(path, url.Values{"q": {"k 8 s"}, "to": {"y"}}).wants(t, http.StatusOK) // another query, with the same slug
	root.post(path, url.Values{"q": {"k8s"}, "to": {"z"}, "language": {"zh-Hans"}}).wants(t, http.StatusOK)
	s.signedIn(acmeAdmin).post(path, url.Values{"q": {"k8s"}, "to": {"inside"}}).wants(t, http.StatusOK)
	root.post(path, url.Values{"q": {"k8s"}, "to": {"plans"}, "org": {"acme"}}).wants(t, http.StatusOK)
	for _, form := range []url.Values{{"q": {"k8s"}, "to": {" , "}}, {"q": {"?!"}, "to": {"x"}}, {"q": {"new"}, "to": {strings.Repeat("x", 200)}}, {"to": {"x"}}} {
		form.Set("return", "/admin/search")
		root.post(path, form).wants(t, http.StatusBadRequest, "Nothing was saved.", `href="/admin/search"`)
	}
	s.signedIn(acmeAdmin).post(path, url.Values{"q": {"k8s"}, "to": {"x"}, "org": {"bolz"}}).wants(t, http.StatusNotFound)
	want := []catalog.Synonym{
		{ID: "acme~k8s", From: []string{"k8s"}, To: []string{"inside", "plans"}},
		{ID: "k-8-s", From: []string{"k-8-s"}, To: []string{"x"}},
		{ID: "k-8-s-2", From: []string{"k 8 s"}, To: []string{"y"}},
		{ID: "k8s", From: []string{"k8s"}, To: []string{"kubernetes", "container orchestration", "K8s cluster", "helm"}},
		{ID: "k8s-zh-hans", Language: "zh-Hans", From: []string{"k8s"}, To: []string{"z"}},
	}
	got := curated(t, s, func(c *catalog.Catalog) (catalog.List[catalog.Stored[catalog.Synonym]], error) {
		return c.ListSynonyms(t.Context(), catalog.System, catalog.Page{Limit: 100})
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-) and got (+) differ:\n%s", diff)
	}
}

func TestPinACourse(t *testing.T) {
	s := newSite(t, options{})
	root := s.signedIn(staffAdmin)
	const path = "/admin/search/pin"
	root.post(path, url.Values{"q": {"snakes"}, "course": {" PY1 "}}).wants(t, http.StatusOK, "The course is pinned")
	root.post(path, url.Values{"q": {"Snakes"}, "course": {s.server.URL + "/courses/FR1?locale=fr"}}).wants(t, http.StatusOK) // as copied from the address bar
	root.post(path, url.Values{"q": {"snakes"}, "course": {"PY1"}}).wants(t, http.StatusOK)                                   // it is there
	s.signedIn(acmeAdmin).post(path, url.Values{"q": {"secret"}, "course": {"/courses/acme~X1"}, "language": {"en"}}).wants(t, http.StatusOK)
	root.post(path, url.Values{"q": {"snakes"}, "course": {"NONE"}}).wants(t, http.StatusBadRequest, "Nothing has the id “NONE”")
	root.post(path, url.Values{"q": {"snakes"}, "course": {""}}).wants(t, http.StatusBadRequest)
	want := []catalog.Pin{
		{ID: "acme~secret-en", Language: "en", Query: "secret", Pins: []catalog.CourseID{"acme~X1"}},
		{ID: "snakes", Query: "snakes", Pins: []catalog.CourseID{"PY1", "FR1"}},
	}
	got := curated(t, s, func(c *catalog.Catalog) (catalog.List[catalog.Stored[catalog.Pin]], error) {
		return c.ListPins(t.Context(), catalog.System, catalog.Page{Limit: 100})
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-) and got (+) differ:\n%s", diff)
	}
}

func TestChart(t *testing.T) {
	v := &visit{text: must[*locales.Bundle](t)(locales.Load("")).Printer(locales.English)}
	c := v.chart("searches", []insight.Day{{Date: "2026-01-01"}, {Date: "2026-01-02", Searches: 1000, NoResults: 1}}, func(d insight.Day) (int, int) { return d.Searches, d.NoResults })
	if b := c.Bars[0]; b.H != 0 || b.NH != 0 {
		t.Errorf("a day without searches: %+v", b)
	}
	if b := c.Bars[1]; b.H != 100 || b.NH != 1 || b.NY != 99 { // few are seen all the same
		t.Errorf("the day with the most: %+v", b)
	}
	if c.Most != "1,000" || c.Half != "500" || !strings.Contains(c.Desc, "January 2, 2026") {
		t.Errorf("chart %+v", c)
	}
	for n, want := range map[int]int{0: 2, 1: 2, 2: 2, 3: 4, 5: 10, 10: 10, 11: 20, 41: 100, 999: 1000, 1001: 2000} {
		if got := roundUp(n); got != want {
			t.Errorf("roundUp(%d) = %d, want %d", n, got, want)
		}
	}
	if empty := v.chart("clicks", nil, nil); len(empty.Bars) != 0 {
		t.Errorf("an empty chart has bars: %+v", empty)
	}
}

// events answers /v2/events as the API does.
func events(s *site) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			QueryID  string            `json:"query_id"`
			Type     insight.EventType `json:"type"`
			ID       catalog.CourseID  `json:"id"`
			Position int               `json:"position"`
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err == nil && r.Header.Get("Content-Type") == "application/json" {
			err = s.insight.Event(insight.Event{QueryID: e.QueryID, Type: e.Type, Course: e.ID, Position: e.Position})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
}
