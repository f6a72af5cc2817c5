package web

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Saved searches: the control on the search page, and the list under "My courses". What may be saved is search's to say, as it is for the API.

// searchesPath is the address of the list, and where a search is sent to be saved.
const searchesPath = "/me/searches"

// maxSearchName bounds the name that we make of a search, in characters: it stands in a title of a notification. Who renames it may use more.
const maxSearchName = 80

// saving is the control that saves the search of a page. The zero saving is none.
type saving struct {
	Query  string // what is sent to be saved, as /v2/me/saved-searches takes it
	SignIn string // the address to sign in and come back, when nobody is signed in
	Saved  bool   // it is saved already
	Full   bool   // the learner has as many as one may have
}

// saving says what can be done about a search. Where nothing is asked, or what this visitor may not save, there is no control.
func (v *visit) saving(view *catalog.View, q query, here string) (saving, error) {
	if maySave := !q.plain() && v.checkSaved(q.saved()) == nil; !maySave {
		return saving{}, nil
	}
	if v.actor.Anonymous() {
		return saving{SignIn: signInURL(here)}, nil
	}
	list, err := view.SavedSearchesOf(v.actor.Subject)
	return saving{Query: q.saved(), Saved: slices.ContainsFunc(list, q.isSaved), Full: len(list) >= catalog.MaxSavedSearches}, err
}

// checkSaved holds a search against the rules of the API.
func (v *visit) checkSaved(text string) error {
	return search.CheckSaved(v.actor, text, func(tag string) bool { _, ok := locales.Parse(tag); return ok })
}

// saved is the search in the parameters of /v2/search, without what only a page decides.
func (q query) saved() string {
	r := q.req
	r.Facets, r.FacetLimit, r.FacetQ, r.Limit, r.Explain, r.Cursor = nil, 0, "", 0, false, ""
	return r.Values().Encode()
}

// isSaved reports whether a saved search finds the same courses, in whatever order.
func (q query) isSaved(s catalog.MySavedSearch) bool {
	other, err := savedQuery(s.Value.Query)
	return err == nil && other.finds() == q.finds()
}

// finds is what decides which courses a search finds.
func (q query) finds() string {
	v, err := url.ParseQuery(q.saved())
	if err != nil {
		return ""
	}
	v.Del("sort")
	for _, list := range v {
		slices.Sort(list)
	}
	return v.Encode()
}

// savedQuery is the page's query for a saved search. Phones may have saved what the page decides itself, a limit or a language: that is left out.
func savedQuery(text string) (query, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return query{}, fault.Wrap("web.savedQuery", fault.InvalidParameter, err, "name", "query")
	}
	return parseQuery(values)
}

// savedURL is the address that runs a saved search; "" when the page cannot.
func savedURL(text string) string {
	q, err := savedQuery(text)
	if err != nil {
		return ""
	}
	return q.url()
}

// searchName is what a search is called at first: its words, else its filters.
func (v *visit) searchName(view *catalog.View, q query) (string, error) {
	words := strings.FieldsFunc(q.req.Q, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) })
	name := strings.Join(words, " ")
	if name == "" {
		chips, err := v.chips(view, q)
		if err != nil {
			return "", err
		}
		name = strings.Join(chipTexts(chips), v.text.Text("page.comma", nil))
	}
	if runes := []rune(name); len(runes) > maxSearchName {
		name = strings.TrimSpace(string(runes[:maxSearchName-1])) + "…"
	}
	return name, nil
}

func chipTexts(chips []chip) []string {
	texts := make([]string, len(chips))
	for i, c := range chips {
		texts[i] = c.Text
	}
	return texts
}

// saveSearch keeps a search, and tells at once of what it finds: that is what one saves it for. Saving it twice saves it once.
func (p *pages) saveSearch(w http.ResponseWriter, r *http.Request) error {
	const op = "web.saveSearch"
	v, _, err := learner(r)
	if err != nil {
		return err
	}
	q, err := savedQuery(r.PostForm.Get("query"))
	if err == nil && q.plain() {
		err = fault.Invalid(op, fault.BadField("/query", fault.Required, "is required"))
	}
	if err == nil {
		err = v.checkSaved(q.saved())
	}
	if err != nil {
		return err
	}
	done := ""
	id := catalog.SavedSearchID(strings.ToLower(rand.Text()))
	_, err = p.cfg.Catalog.Update(r.Context(), v.actor, func(tx *catalog.Tx) error {
		done = "search-saved" // this may run again
		list, err := tx.SavedSearchesOf(v.actor.Subject)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, q.isSaved) {
			done = "search-kept"
			return nil
		}
		name, err := v.searchName(&tx.View, q)
		if err != nil {
			return err
		}
		_, err = tx.PutSavedSearch(v.actor.Subject, id, catalog.SavedSearch{Name: name, Query: q.saved(), Notify: catalog.NotifyInstant}, catalog.Cond{MustNotExist: true})
		return err
	})
	if err != nil {
		return err
	}
	return back(w, r, searchesPath, done)
}

// searchesBody is what searches.html shows.
type searchesBody struct {
	Items []savedItem
	Over  string // what the settings say of all of them, if they do
	Full  bool
}

// savedItem is one saved search.
type savedItem struct {
	Name, URL string
	Words     string // "" when the name says them
	Chips     []chip
	Odd       string // the parameters, when the page cannot run them
	How       string // how soon one hears of what it finds
	Choices   []choice
	Form      string // address of its form
	Anchor    string
	Version   coursesync.Seq // that the form is about
}

// searchesPage lists what the learner saved, the newest first.
func (p *pages) searchesPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	var body searchesBody
	err := p.cfg.Catalog.View(r.Context(), func(view *catalog.View) error {
		body = searchesBody{}
		list, err := view.SavedSearchesOf(v.actor.Subject)
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b catalog.MySavedSearch) int { return cmp.Compare(b.Created, a.Created) })
		for _, s := range list {
			item, err := v.savedItem(view, s)
			if err != nil {
				return err
			}
			body.Items = append(body.Items, item)
		}
		body.Full = len(list) >= catalog.MaxSavedSearches
		prefers, err := view.MyPreferences(v.actor.Subject)
		if n := prefers.SearchMatch; n == catalog.NotifyOff || n == catalog.NotifyDaily {
			body.Over = v.text.Text("page.searches.over_"+string(n), nil)
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, viewSearches, layout{Title: v.text.Text("page.searches.title", nil), Section: "me", Unlisted: true, Body: body})
}

func (v *visit) savedItem(view *catalog.View, s catalog.MySavedSearch) (savedItem, error) {
	item := savedItem{
		Name: s.Value.Name, How: v.howSoon(s.Value.Notify), Form: searchesPath + "/" + url.PathEscape(string(s.ID)), Anchor: "s-" + strconv.FormatUint(uint64(s.Created), 10),
		Version: s.Version,
	}
	for _, n := range howSoon {
		item.Choices = append(item.Choices, choice{Value: string(n), Text: v.howSoon(n), Selected: n == s.Value.Notify})
	}
	q, err := savedQuery(s.Value.Query)
	if err != nil {
		item.Odd = s.Value.Query
		return item, nil //nolint:nilerr // another program saved it: it can be seen and deleted
	}
	item.URL, item.Words = q.url(), q.req.Q
	if item.Words == item.Name {
		item.Words = "" // the name says it
	}
	item.Chips, err = v.chips(view, q)
	return item, err
}

// howSoon lists the ways to hear of something, the quickest first.
var howSoon = []catalog.Notify{catalog.NotifyInstant, catalog.NotifyDaily, catalog.NotifyOff}

func (v *visit) howSoon(n catalog.Notify) string { return v.text.Text("notify."+string(n), nil) }

// changeSearch renames a saved search, says how soon one hears of it, or deletes it: as the form showed it, and no later one.
func (p *pages) changeSearch(w http.ResponseWriter, r *http.Request) error {
	const op = "web.changeSearch"
	who := visitOf(r.Context()).actor
	if who.Anonymous() {
		return fault.New(op, fault.Unauthorized)
	}
	version, err := strconv.ParseUint(r.PostForm.Get("version"), 10, 64)
	if err != nil || version == 0 { // which would be any
		return fault.New(op, fault.InvalidBody)
	}
	id, cond := catalog.SavedSearchID(r.PathValue("id")), catalog.Cond{Version: coursesync.Seq(version)}
	remove := r.PostForm.Get("remove") != ""
	_, err = p.cfg.Catalog.Update(r.Context(), who, func(tx *catalog.Tx) error {
		old, exists, err := tx.MySavedSearch(who.Subject, id)
		switch {
		case err != nil:
			return err
		case remove && !exists:
			return nil // it is gone, which is what was asked
		case remove:
			return tx.DeleteSavedSearch(who.Subject, id, cond)
		case !exists:
			return fault.New(op, fault.LostUpdate)
		}
		s := old.Value
		s.Name = r.PostForm.Get("name")
		if n := r.PostForm.Get("notify"); n != "" {
			s.Notify = catalog.Notify(n)
		}
		_, err = tx.PutSavedSearch(who.Subject, id, s, cond)
		return err
	})
	if err != nil {
		return err
	}
	if remove {
		return back(w, r, searchesPath, "search-deleted")
	}
	return back(w, r, searchesPath, "search-changed")
}
