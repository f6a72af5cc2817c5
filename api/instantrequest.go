package api

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

// Bounds and defaults of a request, as InstantSearch's clients expect them.
const (
	instantIndex         = "courses" // the index; its name with ":" and a sort behind it is that sort
	defaultHitsPerPage   = 20
	defaultFacetValues   = 100
	defaultFacetHits     = 10
	maxFacetHits         = 100
	maxTagBytes          = 256 // of highlightPreTag and highlightPostTag
	maxSnippetWords      = 200
	defaultSnippetWords  = 10
	defaultHighlightPre  = "<em>"
	defaultHighlightPost = "</em>"
)

// instantRequest is one request of a call.
type instantRequest struct {
	place    int    // among the requests
	at       string // JSON pointer to it
	index    string
	query    string
	page     int
	ask      search.Ask
	facet    string // whose values are searched; "" for hits and counts
	tags     highlightTags
	snippets map[string]int  // words, by attribute; "*" is all
	refined  map[string]bool // attributes with a filter
	params   map[string]any
	terms    int // in its filters
}

// badInstant refuses the value of a parameter of a request. at is a JSON pointer into the body.
func badInstant(at, name string, code fault.Code, pairs ...any) error {
	f := fault.New("api.instantSearch", fault.InvalidParameter, append([]any{"name", name, "reason", code}, pairs...)...)
	f.Fields = []fault.Field{fault.BadField(at, code, "does not fit", pairs...)}
	return f
}

// readInstant reads the requests of a call: an array, or an object that has one.
func readInstant(tree any) ([]instantRequest, error) {
	at := ""
	if object, ok := tree.(map[string]any); ok {
		tree, at = object["requests"], "/requests"
	}
	list, ok := tree.([]any)
	switch {
	case !ok:
		return nil, badInstant(at, "requests", fault.WrongType, "want", "array")
	case len(list) > search.MaxAsks:
		return nil, badInstant(at, "requests", fault.TooMany, "max", search.MaxAsks)
	}
	requests := make([]instantRequest, 0, len(list))
	terms := 0
	for i, item := range list {
		q := instantRequest{place: i, at: at + "/" + strconv.Itoa(i)}
		if err := q.read(item); err != nil {
			return nil, err
		}
		if terms += q.terms; terms > search.MaxTerms {
			return nil, badInstant(q.at+"/params", "facetFilters", fault.TooMany, "max", search.MaxTerms)
		}
		requests = append(requests, q)
	}
	return requests, nil
}

// read reads a request. Parameters stand in params or, as newer clients send them, beside it; names that we do not know are left out.
func (q *instantRequest) read(item any) error {
	object, ok := item.(map[string]any)
	if !ok {
		return badInstant(q.at, "requests", fault.WrongType, "want", "object")
	}
	p := &instantParams{at: q.at, values: object}
	q.index = p.text("indexName", instantIndex)
	kind, facet := p.text("type", ""), p.text("facet", "")
	q.params = object
	if inner, has := object["params"]; has && inner != nil {
		if q.params, ok = inner.(map[string]any); !ok {
			return badInstant(q.at+"/params", "params", fault.WrongType, "want", "object")
		}
		p.at, p.values = q.at+"/params", q.params
	}
	q.query = strings.TrimSpace(p.text("query", ""))
	if utf8.RuneCountInString(q.query) > search.MaxQueryRunes {
		p.fail("query", fault.TooLong, "max", search.MaxQueryRunes)
	}
	q.tags = newHighlightTags(p.text("highlightPreTag", defaultHighlightPre), p.text("highlightPostTag", defaultHighlightPost))
	if len(q.tags.pre)+len(q.tags.post) > 2*maxTagBytes {
		p.fail("highlightPreTag", fault.TooLong, "max", maxTagBytes)
	}
	if q.facet = p.text("facetName", ""); q.facet == "" && kind == "facet" {
		q.facet = facet
	}
	if q.facet != "" {
		q.readFacet(p)
	} else {
		q.readPage(p)
	}
	if q.facet == "" && kind == "facet" {
		p.fail("facet", fault.Required)
	}
	if p.err != nil {
		return p.err
	}
	if err := q.readSort(); err != nil {
		return err
	}
	return q.readFilters(p)
}

// readFacet reads what a search among the values of a facet has for itself.
func (q *instantRequest) readFacet(p *instantParams) {
	if known, _ := search.IsAttribute(q.facet); !known {
		p.fail("facetName", fault.BadValue, "allowed", strings.Join(search.Attributes(), ", "))
	}
	q.ask.Facets = []string{q.facet}
	q.ask.FacetPrefix = strings.TrimSpace(p.text("facetQuery", ""))
	if len(q.ask.FacetPrefix) > search.MaxValueBytes {
		p.fail("facetQuery", fault.TooLong, "max", search.MaxValueBytes)
	}
	q.ask.FacetLimit = p.count("maxFacetHits", defaultFacetHits, 1, maxFacetHits)
}

// readPage reads which hits and counts are wanted.
func (q *instantRequest) readPage(p *instantParams) {
	q.ask.Limit = p.count("hitsPerPage", defaultHitsPerPage, 0, search.MaxLimit)
	q.page = p.count("page", 0, 0, search.MaxReach)
	if q.ask.Offset = q.page * q.ask.Limit; q.ask.Offset+q.ask.Limit > search.MaxReach {
		p.fail("page", fault.OutOfRange, "min", 0, "max", search.MaxReach/q.ask.Limit-1)
	}
	q.ask.FacetLimit = p.count("maxValuesPerFacet", defaultFacetValues, 0, search.MaxFacetValues)
	if q.ask.FacetLimit == 0 {
		q.ask.FacetLimit = defaultFacetValues
	}
	for _, name := range p.list("facets") {
		if inner, ok := strings.CutPrefix(name, "disjunctive("); ok {
			name = strings.TrimSuffix(inner, ")")
		}
		if name == "*" {
			q.ask.Facets = search.Attributes()
			break
		}
		if known, _ := search.IsAttribute(name); known && !slices.Contains(q.ask.Facets, name) {
			q.ask.Facets = append(q.ask.Facets, name)
		}
	}
	q.snippets = map[string]int{}
	for _, s := range p.list("attributesToSnippet") {
		name, words, counted := strings.Cut(s, ":")
		n, err := strconv.Atoi(words)
		if !counted || err != nil {
			n = defaultSnippetWords
		}
		q.snippets[name] = min(max(n, 1), maxSnippetWords)
	}
}

// readSort reads the sort that the index's name holds: courses:rating:desc.
func (q *instantRequest) readSort() error {
	name, sort, _ := strings.Cut(q.index, ":")
	sort, way, _ := strings.Cut(sort, ":")
	ascending := sort == search.SortTitle || sort == search.SortDuration
	known := name == instantIndex
	switch sort {
	case "":
		known = known && q.index == name
	case search.SortRelevance, search.SortRating, search.SortNewest, search.SortPopular, search.SortTitle, search.SortDuration:
	default:
		known = false
	}
	switch way {
	case "":
	case "asc", "desc":
		if ascending != (way == "asc") {
			sort = "-" + sort
		}
	default:
		known = false
	}
	if !known {
		return badInstant(q.at+"/indexName", "indexName", fault.BadValue, "allowed",
			"courses, courses:rating, courses:newest, courses:popular, courses:title, courses:duration; with :asc or :desc")
	}
	q.ask.Sort = sort
	return nil
}

// instantParams reads single parameters and keeps the first error. null is no value.
type instantParams struct {
	at     string // JSON pointer to the values
	values map[string]any
	err    error
}

func (p *instantParams) fail(name string, code fault.Code, pairs ...any) {
	if p.err == nil {
		p.err = badInstant(p.at+"/"+escapePointer(name), name, code, pairs...)
	}
}

func (p *instantParams) text(name, absent string) string {
	switch v := p.values[name].(type) {
	case nil:
		return absent
	case string:
		return v
	default:
		p.fail(name, fault.WrongType, "want", "string")
		return absent
	}
}

func (p *instantParams) count(name string, absent, least, most int) int {
	switch v := p.values[name].(type) {
	case nil:
		return absent
	case json.Number:
		n, err := v.Float64()
		if err != nil || n != math.Trunc(n) || n < float64(least) || n > float64(most) {
			p.fail(name, fault.OutOfRange, "min", least, "max", most)
			return absent
		}
		return int(n)
	default:
		p.fail(name, fault.NotANumber)
		return absent
	}
}

// list reads names: an array, or a string with commas.
func (p *instantParams) list(name string) []string {
	switch v := p.values[name].(type) {
	case nil:
		return nil
	case string:
		return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	case []any:
		list := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				p.fail(name, fault.WrongType, "want", "array of strings")
				return nil
			}
			list = append(list, s)
		}
		return list
	default:
		p.fail(name, fault.WrongType, "want", "array of strings")
		return nil
	}
}
