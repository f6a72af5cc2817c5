package web

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// saved returns a learner's saved searches, as the catalog has them.
func (s *site) saved(who catalog.LearnerID) (list []catalog.MySavedSearch) {
	s.t.Helper()
	err := s.catalog.View(s.t.Context(), func(v *catalog.View) (err error) {
		list, err = v.SavedSearchesOf(who)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// write changes the catalog, as a phone or another program would.
func (s *site) write(fn func(tx *catalog.Tx) error) {
	s.t.Helper()
	must[coursesync.Seq](s.t)(s.catalog.Update(s.t.Context(), catalog.System, fn))
}

// formField finds a hidden field of a page, which its form sends back.
func (a answer) formField(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + regexp.QuoteMeta(name) + `" value="([^"]*)"`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("%s: no field %q", a.Request.URL, name)
	}
	return m[1]
}

const saveLabel, savedLabel = "Save this search", ">Search saved<"

// TestSaveSearch: what is asked is saved as the API takes it, once, and only by who may.
func TestSaveSearch(t *testing.T) {
	s := newSite(t, options{})
	out := s.visitor("en")
	out.get("/?q=python").wants(t, http.StatusOK, `href="/sign-in?return=%2F%3Fq%3Dpython"`, "Sign in to save this search")
	out.get("/").lacks(t, "to save this search")
	out.post("/me/searches", url.Values{"query": {"q=python"}}).wants(t, http.StatusUnauthorized)

	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	for _, path := range []string{"/", "/?sort=title", "/?state=draft"} { // nothing is asked, or what a learner may not
		lea.get(path).lacks(t, saveLabel, savedLabel)
	}
	for path, want := range map[string]catalog.SavedSearch{
		"/?q=python&level=beginner&in_tags=da":            {Name: "python", Query: "level=beginner&q=python", Notify: catalog.NotifyInstant},
		"/?tag=data&duration=180-600&min_rating=4&free=":  {Name: "Data, Rating: 4.0 and up, 3\u00a0h to 10\u00a0h", Query: "max_duration=600&min_duration=180&min_rating=4&tag=data", Notify: catalog.NotifyInstant},
		"/?q=" + url.QueryEscape(nasty) + "&sort=-rating": {Name: nasty, Query: "q=" + url.QueryEscape(nasty) + "&sort=-rating", Notify: catalog.NotifyInstant},
		"/?q=+a++b%0Aa+long+name+that+nobody+would+read+to+its+very+end+because+it+goes+on+and+on+so": {
			Name: "a b a long name that nobody would read to its very end because it goes on and o…", Query: "q=a++b%0Aa+long+name+that+nobody+would+read+to+its+very+end+because+it+goes+on+and+on+so", Notify: catalog.NotifyInstant,
		},
	} {
		t.Run(path, func(t *testing.T) {
			who := catalog.LearnerID("lea" + strconv.Itoa(len(path)))
			v := s.signedIn(catalog.Actor{Subject: who})
			page := v.get(path)
			page.wants(t, http.StatusOK, saveLabel)
			form := url.Values{"query": {html.UnescapeString(page.formField(t, "query"))}, "return": {html.UnescapeString(page.formField(t, "return"))}}
			for _, said := range []string{"The search is saved", "You had saved this search already"} {
				answer := v.post("/me/searches", form)
				answer.wants(t, http.StatusOK, said, savedLabel)
				answer.lacks(t, saveLabel)
			}
			list := s.saved(who)
			if len(list) != 1 {
				t.Fatalf("%d searches are saved", len(list))
			}
			if diff := cmp.Diff(want, list[0].Value); diff != "" {
				t.Errorf("saved: %s", diff)
			}
		})
	}
	for query, status := range map[string]int{"": 400, "sort=title": 400, "min_rating=9": 400, "q=%zz": 400, "q=rating:%3E%3Dtwo": 400, "state=draft": 403} {
		lea.post("/me/searches", url.Values{"query": {query}}).wants(t, status)
	}
	if list := s.saved("lea"); len(list) > 0 {
		t.Errorf("saved nevertheless: %+v", list)
	}
}

// TestSameSearch: what finds the same courses is saved already, however it is written and sorted.
func TestSameSearch(t *testing.T) {
	s := newSite(t, options{})
	s.write(func(tx *catalog.Tx) error {
		_, err := tx.PutSavedSearch("lea", "手机:1", catalog.SavedSearch{Name: "N", Query: "q=python&tag=data&tag=python&sort=title&limit=5&locale=fr&min_duration=60"}, catalog.Cond{})
		return err
	})
	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	for path, want := range map[string]bool{
		"/?tag=python&tag=data&q=python&duration=60-": true, "/?tag=python&tag=data&q=python": false, "/?tag=python&q=python&duration=60-": false, "/?q=rust&tag=data&tag=python&duration=60-": false,
	} {
		here, not := saveLabel, savedLabel
		if want {
			here, not = not, here
		}
		page := lea.get(path)
		page.wants(t, http.StatusOK, here)
		page.lacks(t, not)
	}
	s.signedIn(catalog.Actor{Subject: "max"}).get("/?tag=python&tag=data&q=python&duration=60-").wants(t, http.StatusOK, saveLabel)
}

func TestSavedSearchesPage(t *testing.T) {
	s := newSite(t, options{})
	s.visitor("en").get("/me/searches").wants(t, http.StatusOK, "Open the sign-in link")
	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	for _, path := range []string{"/me", "/me/inbox", "/me/settings"} {
		lea.get(path).wants(t, http.StatusOK, `href="/me/searches"`)
	}
	lea.get("/me/searches").wants(t, http.StatusOK, "You have not saved a search yet.", saveLabel)
	s.write(func(tx *catalog.Tx) error {
		for id, search := range map[catalog.SavedSearchID]catalog.SavedSearch{
			"a:c": {Name: "<i>Snakes</i>", Query: "q=python&tag=data&limit=5&locale=fr", Notify: catalog.NotifyDaily},
			"odd": {Name: "Of another program", Query: "min_rating=nine"},
		} {
			if _, err := tx.PutSavedSearch("lea", id, search, catalog.Cond{}); err != nil {
				return err
			}
		}
		return tx.PutPreferences("lea", catalog.Preferences{SearchMatch: catalog.NotifyOff})
	})
	page := lea.get("/me/searches")
	page.wants(t, http.StatusOK, `<a href="/?q=python&amp;tag=data">&lt;i&gt;Snakes&lt;/i&gt;</a>`, "<span>python</span>", "<li>Data</li>", `value="daily" selected>Once a day`,
		`action="/me/searches/a:c"`, "<code>min_rating=nine</code>", "you hear of none of them")
	lea.get("/?q=python").wants(t, http.StatusOK, saveLabel)
	s.signedIn(catalog.Actor{Subject: "max"}).get("/me/searches").lacks(t, "Snakes")
}

// TestChangeSavedSearch: a form that was opened before a phone changed the search changes and deletes nothing.
func TestChangeSavedSearch(t *testing.T) {
	s := newSite(t, options{})
	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	lea.post("/me/searches", url.Values{"query": {"q=python"}})
	one := func() catalog.MySavedSearch {
		t.Helper()
		list := s.saved("lea")
		if len(list) != 1 {
			t.Fatalf("%d searches, want one", len(list))
		}
		return list[0]
	}
	path := "/me/searches/" + string(one().ID)
	version := lea.get("/me/searches").formField(t, "version")
	form := func(version string, more ...string) url.Values {
		f := url.Values{"version": {version}, "return": {"/me/searches#s"}}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	lea.post(path, form(version, "name", " Snakes ", "notify", "daily")).wants(t, http.StatusOK, "The saved search is changed.", "Snakes")
	if got := one().Value; got != (catalog.SavedSearch{Name: "Snakes", Query: "q=python", Notify: catalog.NotifyDaily}) {
		t.Errorf("changed to %+v", got)
	}
	lea.post(path, form(version, "name", "Late", "notify", "off")).wants(t, http.StatusPreconditionFailed, "It was changed meanwhile", `href="/me/searches#s"`)
	lea.post(path, form(version, "remove", "true")).wants(t, http.StatusPreconditionFailed, "It was changed meanwhile")
	version = fmt.Sprint(one().Version)
	for _, bad := range []url.Values{form("", "name", "X"), form("0", "name", "X"), form("-1", "remove", "true"), form(version, "name", ""), form(version, "name", "X", "notify", "hourly")} {
		lea.post(path, bad).wants(t, http.StatusBadRequest)
	}
	s.visitor("en").post(path, form(version, "remove", "true")).wants(t, http.StatusUnauthorized)
	s.signedIn(catalog.Actor{Subject: "max"}).post(path, form(version, "name", "Mine")).wants(t, http.StatusPreconditionFailed)
	if got := one().Value.Name; got != "Snakes" {
		t.Errorf("it is called %q", got)
	}
	for range 2 { // what is gone already is gone, as was asked
		lea.post(path, form(version, "remove", "true")).wants(t, http.StatusOK, "The saved search is deleted.", "You have not saved a search yet.")
	}
	lea.post(path, form(version, "name", "Back")).wants(t, http.StatusPreconditionFailed)
	if list := s.saved("lea"); len(list) > 0 {
		t.Errorf("it came back: %+v", list)
	}
}

func TestNoRoomForSearches(t *testing.T) {
	s := newSite(t, options{})
	s.write(func(tx *catalog.Tx) error {
		for i := range catalog.MaxSavedSearches {
			if _, err := tx.PutSavedSearch("lea", catalog.SavedSearchID(strconv.Itoa(i)), catalog.SavedSearch{Name: "N", Query: fmt.Sprintf("q=word%d", i)}, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	page := lea.get("/?q=python")
	page.wants(t, http.StatusOK, "No room for more saved searches")
	page.lacks(t, saveLabel)
	lea.get("/?q=word7").wants(t, http.StatusOK, savedLabel)
	lea.get("/me/searches").wants(t, http.StatusOK, "as many saved searches as one may have")
	lea.post("/me/searches", url.Values{"query": {"q=python"}}).wants(t, http.StatusBadRequest, "At most 100.")
}
