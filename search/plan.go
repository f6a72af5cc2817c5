package search

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// plan is a request made ready for one generation: every name in it is a number of a column.
type plan struct {
	x          *Index
	req        *Request
	turn       *turn
	gen        *generation
	correcting bool // it only counts what a corrected query finds
	cols       *columns
	reader     *reader
	query      query.Query
	now        int64 // microseconds
	locale     catalog.Locale
	lang       int // of the locale: its field

	allowed    []uint8 // by organization: a bit for each state that the caller sees and asks for
	conditions []func(*row) bool
	groups     []group
	selected   map[string][]ref // by facet: what the filters name
	facets     []string
	limit      int
	order      order
	folded     string           // the words of the query in normal form
	pinned     map[int32]pinned // by row: what editors say of this query
	pins       int
}

// group is a filter. A facet with the group's name counts the rows that fail it alone.
type group struct {
	facet string
	pass  func(*row) bool
	key   string   // names the filter; "": what passes depends on the time
	bits  []uint64 // by row: whether it passes; nil while nobody has looked at all rows
}

func (x *Index) newPlan(gen *generation, req *Request, q query.Query) (*plan, error) {
	p := &plan{
		x: x, req: req, gen: gen, cols: gen.cols, reader: gen.reader, query: q, now: x.cfg.Now().UnixMicro(), locale: req.Locale,
		selected: map[string][]ref{}, limit: req.Limit,
	}
	if p.locale == "" {
		p.locale = catalog.English
	}
	if p.limit == 0 {
		p.limit = DefaultLimit
	}
	p.lang = fieldOf(analysis.LangOf(string(p.locale)))
	p.folded = analysis.Fold(q.Text())
	p.facets = facetsOf(req)
	p.see()
	p.filter()
	p.conditionsOf(q)
	if err := p.newOrder(); err != nil {
		return nil, err
	}
	p.curate()
	return p, nil
}

// facetsOf lists the facets that a request asks for, once each.
func facetsOf(req *Request) []string {
	names := req.Facets
	if slices.Contains(names, "*") {
		names = Facets()
	}
	name, _, _ := strings.Cut(req.FacetQ, ":")
	if name != "" && !slices.Contains(names, name) {
		names = append(slices.Clone(names), name)
	}
	var once []string
	for _, n := range names {
		if !slices.Contains(once, n) {
			once = append(once, n)
		}
	}
	return once
}

// see works out what the caller may see.
func (p *plan) see() {
	var wanted uint8
	for _, s := range p.req.States {
		if s == "*" {
			wanted = math.MaxUint8
		} else {
			wanted |= 1 << stateOf(catalog.State(s))
		}
	}
	if len(p.req.States) == 0 {
		wanted = 1 << stateOf(catalog.Published)
	}
	for _, name := range p.x.dicts.orgs.list() {
		var seen uint8
		if p.req.Actor.Sees(catalog.OrgID(name)) {
			seen |= 1 << stateOf(catalog.Published)
		}
		if p.req.Actor.SeesDrafts(catalog.OrgID(name)) {
			seen |= 1<<stateOf(catalog.Draft) | 1<<stateOf(catalog.Archived)
		}
		p.allowed = append(p.allowed, seen&wanted)
	}
}

// filter makes the groups from the request's filters.
func (p *plan) filter() {
	r, d := p.req, p.x.dicts
	p.byRefs(FacetTags, r.Tags, refsOf(d.tags, r.Tags), func(w *row, set []ref) bool { return intersect(w.tags, set) })
	p.byRefs(FacetLanguage, r.Languages, languagesOf(d, r.Languages), func(w *row, set []ref) bool { return slices.Contains(set, w.language) })
	p.byRefs(FacetProvider, r.Providers, p.providersOf(r.Providers), func(w *row, set []ref) bool { return slices.Contains(set, w.provider) })
	p.byRefs(FacetInstructors, r.Instructors, p.instructorsOf(r.Instructors), func(w *row, set []ref) bool { return intersect(w.instructors, set) })
	p.byRefs(FacetLevel, r.Levels, levelsOf(r.Levels), func(w *row, set []ref) bool { return slices.Contains(set, ref(w.level)) })
	p.byRefs(FacetAvailability, r.Availabilities, availabilitiesOf(r.Availabilities), func(w *row, set []ref) bool {
		return slices.Contains(set, ref(w.availability(p.now))) //nolint:gosec // three of them
	})
	if n := len(p.groups); n > 0 && p.groups[n-1].facet == FacetAvailability {
		p.groups[n-1].key = ""
	}
	if len(r.Categories) > 0 {
		p.selected[FacetCategory] = refsOf(d.categories, r.Categories)
		under := p.under(p.selected[FacetCategory])
		p.group(FacetCategory, fmt.Sprint(p.selected[FacetCategory]), func(w *row) bool { return int(w.category) < len(under) && under[w.category] })
	}
	if r.MinRating != nil {
		p.group(FacetRating, fmt.Sprint(*r.MinRating), func(w *row) bool { return w.rating >= *r.MinRating })
	}
	if r.MinInstructorRating != nil {
		p.group(FacetInstructorRating, fmt.Sprint(*r.MinInstructorRating), func(w *row) bool { return p.cols.instructorRating(w.instructors) >= *r.MinInstructorRating })
	}
	if r.MinDuration != nil || r.MaxDuration != nil {
		p.group(FacetDuration, r.durationKey(), func(w *row) bool {
			return w.duration > 0 && (r.MinDuration == nil || int(w.duration) >= *r.MinDuration) &&
				(r.MaxDuration == nil || int(w.duration) <= *r.MaxDuration)
		})
	}
	if r.Free {
		p.group("", "free", func(w *row) bool { return w.free })
	}
	for _, tag := range r.AllTags {
		set := refsOf(d.tags, []string{tag})
		p.conditions = append(p.conditions, func(w *row) bool { return intersect(w.tags, set) })
	}
}

// group adds a filter. name tells it apart from others of the same facet.
func (p *plan) group(facet, name string, pass func(*row) bool) {
	p.groups = append(p.groups, group{facet: facet, pass: pass, key: facet + " " + name})
}

// look finds for each filter which of all rows pass it, or remembers it. It pays when many rows will be asked about.
func (p *plan) look() {
	for n := range p.groups {
		g := &p.groups[n]
		if g.key == "" {
			continue
		}
		key := append(binary.LittleEndian.AppendUint64(nil, p.cols.id), g.key...)
		if bits, ok := p.x.filters.get(key); ok {
			g.bits = bits
			continue
		}
		g.bits = make([]uint64, len(p.cols.pages)*pageRows/64)
		for n, pg := range p.cols.pages {
			for j := range pg.rows {
				if i := n*pageRows + j; g.pass(&pg.rows[j]) {
					g.bits[i/64] |= 1 << (i % 64)
				}
			}
		}
		p.x.filters.put(key, g.bits)
	}
}

// passes reports whether a row passes.
func (g *group) passes(i int, r *row) bool {
	if g.bits != nil {
		return g.bits[i/64]>>(i%64)&1 == 1
	}
	return g.pass(r)
}

// byRefs makes a group that accepts rows with one of a set of values; no group when the filter is not there.
func (p *plan) byRefs(facet string, values []string, set []ref, pass func(*row, []ref) bool) {
	if len(values) == 0 {
		return
	}
	p.selected[facet] = set
	p.group(facet, fmt.Sprint(set), func(w *row) bool { return pass(w, set) })
}

// conditionsOf makes conditions from the fields that were written inside the query.
func (p *plan) conditionsOf(q query.Query) {
	for _, c := range q.Clauses {
		if c.Kind != query.KindField {
			continue
		}
		pass := p.condition(c)
		if c.Not {
			pass = not(pass)
		}
		p.conditions = append(p.conditions, pass)
	}
}

func not(pass func(*row) bool) func(*row) bool { return func(r *row) bool { return !pass(r) } }

func (p *plan) condition(c query.Clause) func(*row) bool {
	values, d := []string{c.Text}, p.x.dicts
	switch c.Field {
	case query.FieldTag:
		set := refsOf(d.tags, values)
		return func(r *row) bool { return intersect(r.tags, set) }
	case query.FieldCategory:
		under := p.under(refsOf(d.categories, values))
		return func(r *row) bool { return int(r.category) < len(under) && under[r.category] }
	case query.FieldInstructor:
		set := p.instructorsOf(values)
		return func(r *row) bool { return intersect(r.instructors, set) }
	case query.FieldLevel:
		set := levelsOf(values)
		return func(r *row) bool { return slices.Contains(set, ref(r.level)) }
	case query.FieldLanguage:
		set := languagesOf(d, values)
		return func(r *row) bool { return slices.Contains(set, r.language) }
	case query.FieldProvider:
		set := p.providersOf(values)
		return func(r *row) bool { return slices.Contains(set, r.provider) }
	case query.FieldRating:
		return func(r *row) bool { return r.rating >= c.Rating }
	}
	return func(*row) bool { return false }
}

// meets reports whether a row has what the query demands besides its words.
func (p *plan) meets(r *row) bool {
	for _, c := range p.conditions {
		if !c(r) {
			return false
		}
	}
	return true
}

func intersect(a, b []ref) bool {
	for _, r := range a {
		if slices.Contains(b, r) {
			return true
		}
	}
	return false
}

// slugID makes the id of a tag, category or instructor from what somebody wrote.
func slugID(value string) string {
	if org, slug, found := strings.Cut(value, "~"); found {
		return org + "~" + catalog.Slug(slug)
	}
	return catalog.Slug(value)
}

// refsOf finds the numbers of values that are slugs. What no course has is left out.
func refsOf(d *dict, values []string) []ref {
	var set []ref
	for _, v := range values {
		for _, id := range []string{v, slugID(v)} {
			if r, ok := d.find(id); ok && !slices.Contains(set, r) {
				set = append(set, r)
			}
		}
	}
	return set
}

func languagesOf(d *dicts, values []string) []ref {
	var set []ref
	for _, v := range values {
		if l, ok := catalog.CanonicalLocale(v); ok {
			if r, ok := d.languages.find(string(l)); ok {
				set = append(set, r)
			}
		}
	}
	return set
}

func levelsOf(values []string) []ref {
	var set []ref
	for _, v := range values {
		if l := levelOf(catalog.Level(catalog.Slug(v))); l != 0 {
			set = append(set, ref(l))
		}
	}
	return set
}

func availabilitiesOf(values []string) []ref {
	var set []ref
	for _, v := range values {
		if i := slices.Index(availabilityNames[:], v); i >= 0 {
			set = append(set, ref(i)) //nolint:gosec // three of them
		}
	}
	return set
}

// providersOf finds all providers whose names make the same slugs.
func (p *plan) providersOf(values []string) []ref {
	var set []ref
	for _, v := range values {
		set = append(set, p.x.dicts.providerSlugs.find(p.x.dicts.providers, catalog.Slug(v))...)
	}
	return set
}

// instructorsOf finds instructors by id or by exact name, of those whom the caller may know.
func (p *plan) instructorsOf(values []string) []ref {
	if len(values) == 0 {
		return nil
	}
	set := refsOf(p.x.dicts.instructors, values)
	ids := p.x.dicts.instructors.list()
	for r, info := range p.cols.instructors {
		if info != nil && info.exists && slices.Contains(values, info.name) && p.knows(ids[r]) && !slices.Contains(set, ref(r)) {
			set = append(set, ref(r))
		}
	}
	return set
}

// knows reports whether the caller may know that a tag, category or instructor exists.
func (p *plan) knows(id string) bool { return p.req.Actor.Sees(catalog.OrgOf(id)) }

// under marks the categories that are one of set or below.
func (p *plan) under(set []ref) []bool {
	marks := make([]bool, len(p.x.dicts.categories.list()))
	if len(set) == 0 {
		return marks
	}
	for i := 1; i < len(marks); i++ {
		for up := range p.cols.ancestors(ref(i)) { //nolint:gosec // an index
			if slices.Contains(set, up) {
				marks[i] = true
			}
		}
	}
	return marks
}

// slugs finds the values of a dict by slug.
type slugs struct {
	mu     sync.Mutex
	known  int
	bySlug map[string][]ref
}

func (s *slugs) find(d *dict, slug string) []ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bySlug == nil {
		s.bySlug, s.known = map[string][]ref{}, 1
	}
	names := d.list()
	for ; s.known < len(names); s.known++ {
		key := catalog.Slug(names[s.known])
		s.bySlug[key] = append(s.bySlug[key], ref(s.known)) //nolint:gosec // an index
	}
	return s.bySlug[slug]
}
