package search

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// Limits of a request. They bound what one caller can make the server do.
const (
	DefaultLimit      = 20   // hits on a page
	MaxLimit          = 100  // a page of cards is about 1 kB each
	DefaultFacetLimit = 10   // values listed of a facet
	MaxFacetLimit     = 100  // more is what facet_q is for
	MaxQueryRunes     = 512  // in q; nobody types more, and each word costs a walk through the index
	MaxFilterValues   = 50   // values of one filter
	MaxValueBytes     = 256  // in one filter value: twice the longest id
	MaxCursorBytes    = 4096 // in a cursor; ours are a few hundred
)

// The sort orders of CONTRACT; a leading "-" reverses one.
const (
	SortRelevance = "relevance"
	SortRating    = "rating"
	SortNewest    = "newest"
	SortPopular   = "popular"
	SortTitle     = "title"
	SortDuration  = "duration"
)

var sorts = []string{SortRelevance, SortRating, SortNewest, SortPopular, SortTitle, SortDuration}

// The facets of CONTRACT.
const (
	FacetTags             = "tags"
	FacetCategory         = "category"
	FacetLevel            = "level"
	FacetLanguage         = "language"
	FacetProvider         = "provider"
	FacetInstructors      = "instructors"
	FacetRating           = "rating"
	FacetInstructorRating = "instructor_rating"
	FacetDuration         = "duration"
	FacetAvailability     = "availability"
)

// Facets lists every facet, in the order in which pages show them.
func Facets() []string {
	return []string{
		FacetTags, FacetCategory, FacetLevel, FacetLanguage, FacetProvider, FacetInstructors, FacetRating,
		FacetInstructorRating, FacetDuration, FacetAvailability,
	}
}

// Request is one search. The zero Request finds everything that an anonymous caller may see. Values of one filter are alternatives,
// different filters must all hold.
type Request struct {
	Actor  catalog.Actor
	Locale catalog.Locale // of labels, cards, highlights and collation; "" is English
	Q      string

	Tags, Categories, Levels, Languages, Providers, Instructors, Availabilities []string

	AllTags             []string // every one of them, part of the query: the tags facet respects it
	MinRating           *float64
	MinInstructorRating *float64
	MinDuration         *int // minutes
	MaxDuration         *int // minutes
	Free                bool
	States              []string // draft, published, archived, "*"; none is published

	Sort       string   // "" is relevance, or rating when Q is empty
	Facets     []string // names, or "*"
	FacetLimit int      // 0 is DefaultFacetLimit
	FacetQ     string   // "facet:prefix"
	Limit      int      // 0 is DefaultLimit
	Cursor     string   // Response.Next of the page before
	Explain    bool
}

// lists names the parameters that may be repeated.
func (r *Request) lists() []struct {
	name string
	at   *[]string
} {
	return []struct {
		name string
		at   *[]string
	}{
		{"tag", &r.Tags},
		{"category", &r.Categories},
		{"level", &r.Levels},
		{"language", &r.Languages},
		{"provider", &r.Providers},
		{"instructor", &r.Instructors},
		{"availability", &r.Availabilities},
		{"state", &r.States},
	}
}

// otherParams are understood by those who call ParseParams, not by search itself.
var otherParams = []string{"locale", "after"}

var singleParams = []string{
	"q", "all_tags", "min_rating", "min_instructor_rating", "min_duration", "max_duration", "free", "sort", "facets",
	"facet_limit", "facet_q", "limit", "cursor", "explain",
}

// KnownParam reports whether ParseParams knows a parameter. Pages, which ignore unknown ones, drop them by it first.
func KnownParam(name string) bool {
	var r Request
	for _, l := range r.lists() {
		if l.name == name {
			return true
		}
	}
	return slices.Contains(singleParams, name) || slices.Contains(otherParams, name)
}

// ParseParams reads the parameters of a search as CONTRACT names them; "locale" and "after" are allowed and left to the caller, as is
// Actor. Errors: fault.UnknownParameter, fault.InvalidParameter, both with the name.
func ParseParams(v url.Values) (Request, error) {
	var r Request
	for name, values := range v {
		if !KnownParam(name) {
			return Request{}, fault.New("search.ParseParams", fault.UnknownParameter, "name", name)
		}
		for _, value := range values {
			if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				return Request{}, badParam(name, "", fault.BadEncoding)
			}
		}
		if len(values) > 1 && slices.Contains(singleParams, name) {
			return Request{}, badParam(name, values[1], fault.Duplicate)
		}
	}
	for _, l := range r.lists() {
		values, err := listParam(l.name, v[l.name])
		if err != nil {
			return Request{}, err
		}
		*l.at = values
	}
	p := params{values: v}
	r.Q, r.FacetQ, r.Cursor = p.text("q"), p.text("facet_q"), p.text("cursor")
	r.AllTags, r.Facets = p.commas("all_tags"), p.commas("facets")
	r.MinRating, r.MinInstructorRating = p.float("min_rating", 0, 5), p.float("min_instructor_rating", 0, 5)
	r.MinDuration, r.MaxDuration = p.minutes("min_duration"), p.minutes("max_duration")
	r.Free, r.Explain = p.flag("free"), p.flag("explain")
	r.Sort = p.text("sort")
	r.FacetLimit, r.Limit = p.count("facet_limit", MaxFacetLimit), p.count("limit", MaxLimit)
	if p.err != nil {
		return Request{}, p.err
	}
	return r, r.validate()
}

// Values is the inverse of ParseParams: the parameters of this request, without defaults.
func (r Request) Values() url.Values {
	v := url.Values{}
	for _, l := range r.lists() {
		if len(*l.at) > 0 {
			v[l.name] = slices.Clone(*l.at)
		}
	}
	text := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	number := func(name string, n int) {
		if n != 0 {
			v.Set(name, strconv.Itoa(n))
		}
	}
	text("q", r.Q)
	text("all_tags", strings.Join(r.AllTags, ","))
	text("facets", strings.Join(r.Facets, ","))
	text("facet_q", r.FacetQ)
	text("cursor", r.Cursor)
	text("sort", r.Sort)
	number("facet_limit", r.FacetLimit)
	number("limit", r.Limit)
	for name, f := range map[string]*float64{"min_rating": r.MinRating, "min_instructor_rating": r.MinInstructorRating} {
		if f != nil {
			v.Set(name, strconv.FormatFloat(*f, 'f', -1, 64))
		}
	}
	for name, n := range map[string]*int{"min_duration": r.MinDuration, "max_duration": r.MaxDuration} {
		if n != nil {
			v.Set(name, strconv.Itoa(*n))
		}
	}
	for name, b := range map[string]bool{"free": r.Free, "explain": r.Explain} {
		if b {
			v.Set(name, "true")
		}
	}
	return v
}

// validate checks what ParseParams and programs that fill in a Request have in common.
func (r *Request) validate() error {
	if utf8.RuneCountInString(r.Q) > MaxQueryRunes {
		return badParam("q", "", fault.TooLong, "max", MaxQueryRunes)
	}
	if len(r.Cursor) > MaxCursorBytes {
		return fault.New("search", fault.InvalidCursor)
	}
	if s := strings.TrimPrefix(r.Sort, "-"); r.Sort != "" && !slices.Contains(sorts, s) {
		return badParam("sort", r.Sort, fault.BadValue, "allowed", strings.Join(sorts, ", "))
	}
	for _, f := range r.Facets {
		if f != "*" && !slices.Contains(Facets(), f) {
			return badParam("facets", f, fault.BadValue, "allowed", strings.Join(Facets(), ", ")+", *")
		}
	}
	if r.FacetQ != "" {
		name, _, found := strings.Cut(r.FacetQ, ":")
		if !found || !slices.Contains(Facets(), name) || len(r.FacetQ) > MaxValueBytes {
			return badParam("facet_q", r.FacetQ, fault.BadValue, "allowed", "FACET:WORDS")
		}
	}
	if r.Limit < 0 || r.Limit > MaxLimit {
		return badParam("limit", strconv.Itoa(r.Limit), fault.OutOfRange, "min", 1, "max", MaxLimit)
	}
	if r.FacetLimit < 0 || r.FacetLimit > MaxFacetLimit {
		return badParam("facet_limit", strconv.Itoa(r.FacetLimit), fault.OutOfRange, "min", 1, "max", MaxFacetLimit)
	}
	return r.validateChoices()
}

// validateChoices checks the filters whose values are a closed list. An unknown tag finds nothing; an unknown state is a mistake.
func (r *Request) validateChoices() error {
	choices := []struct {
		name    string
		values  []string
		allowed []string
	}{
		{"state", r.States, []string{"*", string(catalog.Draft), string(catalog.Published), string(catalog.Archived)}},
		{"availability", r.Availabilities, availabilityNames[:]},
	}
	for _, c := range choices {
		for _, v := range c.values {
			if !slices.Contains(c.allowed, v) {
				return badParam(c.name, v, fault.BadValue, "allowed", strings.Join(c.allowed, ", "))
			}
		}
	}
	if r.MinDuration != nil && r.MaxDuration != nil && *r.MinDuration > *r.MaxDuration {
		return badParam("max_duration", strconv.Itoa(*r.MaxDuration), fault.OutOfRange, "min", *r.MinDuration, "max", math.MaxInt32)
	}
	return nil
}

// badParam refuses a parameter's value. code says why; pairs fill the placeholders of its text.
func badParam(name, value string, code fault.Code, pairs ...any) *fault.Error {
	const shown = 64 // bytes of a wrong value that the answer repeats
	if len(value) > shown {
		value = strings.ToValidUTF8(value[:shown], "") + "…"
	}
	return fault.New("search.ParseParams", fault.InvalidParameter, append([]any{"name", name, "value", value, "reason", code}, pairs...)...)
}

// listParam takes the values of a filter, without empty ones.
func listParam(name string, values []string) ([]string, error) {
	var list []string
	for _, value := range values {
		value = strings.TrimSpace(value)
		if len(value) > MaxValueBytes {
			return nil, badParam(name, value, fault.TooLong, "max", MaxValueBytes)
		}
		if len(list) == MaxFilterValues {
			return nil, badParam(name, value, fault.TooMany, "max", MaxFilterValues)
		}
		if value != "" && !slices.Contains(list, value) {
			list = append(list, value)
		}
	}
	return list, nil
}

// params reads single parameters and keeps the first error.
type params struct {
	values url.Values
	err    error
}

func (p *params) fail(name, value string, code fault.Code, pairs ...any) {
	if p.err == nil {
		p.err = badParam(name, value, code, pairs...)
	}
}

func (p *params) text(name string) string { return strings.TrimSpace(p.values.Get(name)) }

func (p *params) commas(name string) []string {
	list, err := listParam(name, strings.Split(p.values.Get(name), ","))
	if err != nil && p.err == nil {
		p.err = err
	}
	return list
}

func (p *params) float(name string, least, most float64) *float64 {
	s := p.text(name)
	if s == "" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		p.fail(name, s, fault.NotANumber)
		return nil
	}
	if math.IsNaN(f) || f < least || f > most {
		p.fail(name, s, fault.OutOfRange, "min", least, "max", most)
		return nil
	}
	return &f
}

func (p *params) minutes(name string) *int {
	s := p.text(name)
	if s == "" {
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > math.MaxInt32 {
		p.fail(name, s, fault.OutOfRange, "min", 0, "max", math.MaxInt32)
		return nil
	}
	return &n
}

// count reads a number from 1 to most; 0 when it is absent.
func (p *params) count(name string, most int) int {
	s := p.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		p.fail(name, s, fault.OutOfRange, "min", 1, "max", most)
		return 0
	}
	return n
}

func (p *params) flag(name string) bool {
	switch s := p.text(name); s {
	case "", "false":
		return false
	case "true":
		return true
	default:
		p.fail(name, s, fault.NotABoolean)
		return false
	}
}
