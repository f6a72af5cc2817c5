package search

import (
	"net/url"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/query"
)

// request is a saved search as the learner would run it; false when it finds nothing, whatever there is.
func (l *learner) request(text string) (Request, query.Query, bool) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return Request{}, query.Query{}, false
	}
	r, err := ParseSaved(values)
	if err != nil {
		return Request{}, query.Query{}, false
	}
	r.Actor, r.Locale = catalog.Actor{Subject: l.id, Org: l.org}, l.locale
	if own, ok := catalog.PageLocale(values.Get("locale")); ok {
		r.Locale = own
	}
	if len(r.States) > 0 && !slices.Contains(r.States, "*") && !slices.Contains(r.States, string(catalog.Published)) {
		return r, query.Query{}, false // a learner sees no drafts
	}
	q, err := query.Parse(r.Q)
	return r, q, err == nil
}

// Which filter tells most, when a search has no words: it is the one that is looked up.
const (
	gateNone = iota
	gateLanguage
	gateLevel
	gateCategory
	gateTag
	gateProvider
	gateInstructor
	gatePhrase
)

// restOf returns what a search demands besides words, as texts of clauses, and the one of them that is best looked up; "" when none can be.
func restOf(r *Request, q query.Query) (rest []string, gate string) {
	best := gateNone
	add := func(text string, rank int) {
		rest = append(rest, text)
		if rank > best {
			best, gate = rank, text
		}
	}
	for _, f := range filtersOf(r) {
		org := catalog.OrgID("")
		if len(f.Instructors) > 0 {
			org = r.Actor.Org // names are known to those who see the organization
		}
		add(restClause(clauseFilter, org, f.Values().Encode()), f.rank)
	}
	for _, c := range q.Clauses {
		if c.Kind == query.KindWord && !c.Not {
			continue
		}
		org := catalog.OrgID("")
		if c.Field == query.FieldInstructor {
			org = r.Actor.Org
		}
		rank := gateNone
		switch {
		case c.Not:
		case c.Kind == query.KindPhrase:
			rank = gatePhrase
		default:
			rank = fieldRanks[c.Field]
		}
		add(restClause(clauseQuery, org, query.Query{Clauses: []query.Clause{c}}.String()), rank)
	}
	return rest, gate
}

var fieldRanks = map[query.Field]int{
	query.FieldTag: gateTag, query.FieldCategory: gateCategory, query.FieldInstructor: gateInstructor, query.FieldLevel: gateLevel,
	query.FieldLanguage: gateLanguage, query.FieldProvider: gateProvider,
}

// filter is a request with a single filter.
type filter struct {
	Request
	rank int
}

// filtersOf takes the filters of a request apart.
func filtersOf(r *Request) (list []filter) {
	add := func(given bool, rank int, one Request) {
		if given {
			list = append(list, filter{one, rank})
		}
	}
	add(len(r.Tags) > 0, gateTag, Request{Tags: r.Tags})
	add(len(r.Categories) > 0, gateCategory, Request{Categories: r.Categories})
	add(len(r.Levels) > 0, gateLevel, Request{Levels: r.Levels})
	add(len(r.Languages) > 0, gateLanguage, Request{Languages: r.Languages})
	add(len(r.Providers) > 0, gateProvider, Request{Providers: r.Providers})
	add(len(r.Instructors) > 0, gateInstructor, Request{Instructors: r.Instructors})
	add(len(r.Availabilities) > 0, gateNone, Request{Availabilities: r.Availabilities})
	for _, tag := range r.AllTags {
		add(true, gateTag, Request{AllTags: []string{tag}})
	}
	add(r.MinRating != nil, gateNone, Request{MinRating: r.MinRating})
	add(r.MinInstructorRating != nil, gateNone, Request{MinInstructorRating: r.MinInstructorRating})
	add(r.MinDuration != nil || r.MaxDuration != nil, gateNone, Request{MinDuration: r.MinDuration, MaxDuration: r.MaxDuration})
	add(r.Free, gateNone, Request{Free: true})
	return list
}

// restClause writes a clause that is no word to be found; org is that of who asks, where it matters.
func restClause(kind byte, org catalog.OrgID, text string) string {
	return string(kind) + string(org) + "\x00" + text
}

// requestOfClause is the inverse of restClause: the request with that filter, and the query with that clause.
func requestOfClause(text string) (r Request, q query.Query, err error) {
	kind := text[0]
	org, text, _ := strings.Cut(text[1:], "\x00")
	if kind == clauseQuery {
		q, err = query.Parse(text)
	} else {
		var values url.Values
		if values, err = url.ParseQuery(text); err == nil {
			r, err = ParseParams(values)
		}
	}
	r.Actor.Org = catalog.OrgID(org)
	return r, q, err
}
