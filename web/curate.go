package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

// What an administrator does about a query that finds nothing: say what else it is called, or which course comes first.

// fixBody is what fix.html shows.
type fixBody struct {
	Query, Org string
	Languages  []choice
	Back       string
	Found      string // how many courses it finds by now
	Try        string // address of the search for it
}

// fixPage offers both forms for one query.
func (p *pages) fixPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	params := r.URL.Query()
	f, err := parseInsight(v.actor, params)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(params.Get("q"))
	if text == "" || !utf8.ValidString(text) {
		return fault.New("web.fix", fault.InvalidParameter, "name", "q")
	}
	locale := v.locale
	if f.language != "" {
		locale = catalog.Locale(f.language)
	}
	found, err := p.search(r.Context(), search.Request{Q: text, Limit: 1, Locale: locale, Actor: catalog.Actor{Subject: v.actor.Subject, Org: f.org}})
	if err != nil {
		return err
	}
	body := fixBody{
		Query: text, Languages: v.insightLanguages(f), Back: withQuery("/admin/search", f.values(v.actor)), Try: v.searchFor(text, f),
		Found: v.text.Plural("page.search.count", found.Total, nil),
	}
	if f.org != v.actor.Org {
		body.Org = string(f.org)
	}
	return p.render(w, r, http.StatusOK, viewFix, layout{Title: v.text.Text("page.fix.title", map[string]any{"Query": text}), Section: "admin", Unlisted: true, Body: body})
}

// curation is what both forms say.
type curation struct {
	query    string
	language catalog.Locale
	org      catalog.OrgID
}

func curationOf(r *http.Request) (curation, error) {
	v := visitOf(r.Context())
	f, err := parseInsight(v.actor, url.Values{"language": r.PostForm["language"], "org": r.PostForm["org"]})
	c := curation{query: strings.TrimSpace(r.PostForm.Get("q")), language: catalog.Locale(f.language), org: f.org}
	if err == nil && catalog.Slug(c.query) == "" {
		err = fault.Invalid("web.curate", fault.BadField("/query", fault.NoWord, "has no letter or digit"))
	}
	return c, err
}

// maxSame bounds the ids that are tried for queries with the same slug.
const maxSame = 20

// idFor finds an id for what is said about a query: that of the entity which is about it already, else a free one, made of the query and the language.
func (c *curation) idFor(about func(id string) (same, exists bool, err error)) (string, error) {
	const room = 100 // runes of an id's 128: the language and a number come behind
	base := catalog.Slug(c.query)
	if utf8.RuneCountInString(base) > room {
		base = strings.Trim(string([]rune(base)[:room]), "-")
	}
	if c.language != "" {
		base += "-" + strings.ToLower(string(c.language))
	}
	if c.org != "" {
		base = string(c.org) + "~" + base
	}
	id := base
	for n := 2; n < maxSame; n++ {
		same, exists, err := about(id)
		if err != nil || same || !exists {
			return id, err
		}
		id = base + "-" + strconv.Itoa(n)
	}
	return id, fault.New("web.curate", fault.AlreadyExists)
}

// giveSynonym lets a query find what other words find. Words that were given to it before stay.
func (p *pages) giveSynonym(w http.ResponseWriter, r *http.Request) error {
	c, err := curationOf(r)
	if err != nil {
		return err
	}
	to := words(r.PostForm.Get("to"))
	if len(to) == 0 {
		return fault.Invalid("web.giveSynonym", fault.BadField("/to", fault.Required, "is required"))
	}
	_, err = p.cfg.Catalog.Update(r.Context(), visitOf(r.Context()).actor, func(tx *catalog.Tx) error {
		s := catalog.Synonym{Language: c.language, From: []string{c.query}}
		id, err := c.idFor(func(id string) (bool, bool, error) {
			old, exists, err := tx.Synonym(catalog.SynonymID(id))
			same := exists && len(old.Value.From) == 1 && strings.EqualFold(old.Value.From[0], c.query) && old.Value.Language == c.language
			if same {
				s = old.Value
			}
			return same, exists, err
		})
		if err != nil {
			return err
		}
		s.ID, s.To = catalog.SynonymID(id), slices.Clone(s.To)
		for _, word := range to {
			if !slices.ContainsFunc(s.To, func(have string) bool { return strings.EqualFold(have, word) }) {
				s.To = append(s.To, word)
			}
		}
		s.TwoWay = r.PostForm.Get("two_way") == "true"
		_, err = tx.PutSynonym(s, catalog.Cond{})
		return err
	})
	if err != nil {
		return err
	}
	return back(w, r, "/admin/search", "synonym")
}

// words splits a field at its commas, of any script.
func words(field string) []string {
	var list []string
	for word := range strings.FieldsFuncSeq(field, func(c rune) bool { return c == ',' || c == '，' || c == '、' || c == ';' || unicode.IsControl(c) }) {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

// pinCourse puts a course first for a query. Courses that were pinned before stay before it.
func (p *pages) pinCourse(w http.ResponseWriter, r *http.Request) error {
	c, err := curationOf(r)
	if err != nil {
		return err
	}
	course := courseNamed(r.PostForm.Get("course"))
	_, err = p.cfg.Catalog.Update(r.Context(), visitOf(r.Context()).actor, func(tx *catalog.Tx) error {
		pin := catalog.Pin{Language: c.language, Query: c.query}
		id, err := c.idFor(func(id string) (bool, bool, error) {
			old, exists, err := tx.Pin(catalog.PinID(id))
			same := exists && strings.EqualFold(old.Value.Query, c.query) && old.Value.Language == c.language
			if same {
				pin = old.Value
			}
			return same, exists, err
		})
		if err != nil {
			return err
		}
		pin.ID = catalog.PinID(id)
		if pin.Pins = slices.Clone(pin.Pins); !slices.Contains(pin.Pins, course) {
			pin.Pins = append(pin.Pins, course)
		}
		_, err = tx.PutPin(pin, catalog.Cond{})
		return err
	})
	if err != nil {
		return err
	}
	return back(w, r, "/admin/search", "pinned")
}

// courseNamed takes an id, or the address of a course's page, which is what one has at hand.
func courseNamed(s string) catalog.CourseID {
	s = strings.TrimSpace(s)
	if _, path, ok := strings.Cut(s, "/courses/"); ok {
		path, _, _ = strings.Cut(path, "?")
		path, _, _ = strings.Cut(path, "/")
		if id, err := url.PathUnescape(path); err == nil {
			s = id
		}
	}
	return catalog.CourseID(s)
}
