package searchtest

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// Oracle answers searches by walking all courses of a catalog, as it was when the oracle was made.
type Oracle struct {
	docs     []*doc
	prior    float64
	now      time.Time
	synonyms []catalog.Synonym
	pins     []catalog.Pin
}

// doc is a course with everything by which it can be found.
type doc struct {
	course catalog.Course
	cards  map[catalog.Locale]catalog.Card
	above  []string // its category and those above
	texts  []string
	exact  map[string]bool
	pairs  map[string]bool // of Han characters in titles and names
	stems  map[analysis.Lang]map[string]bool
}

// Result is what a search must find.
type Result struct {
	Total   int
	IDs     []catalog.CourseID // all hits; in order, but under relevance
	Facets  map[string]map[string]int
	Relaxed bool
}

// NewOracle reads a catalog.
func NewOracle(ctx context.Context, c *catalog.Catalog, now time.Time) (*Oracle, error) {
	o := &Oracle{now: now}
	if err := o.readCuration(ctx, c); err != nil {
		return nil, err
	}
	for course, err := range c.Courses(ctx) {
		if err != nil {
			return nil, err
		}
		var d *doc
		err := c.View(ctx, func(v *catalog.View) (err error) {
			d, err = newDoc(v, course)
			return err
		})
		if err != nil {
			return nil, err
		}
		o.docs = append(o.docs, d)
	}
	return o, c.View(ctx, func(v *catalog.View) error {
		p, err := v.Priors()
		o.prior = p.Course
		return err
	})
}

func newDoc(v *catalog.View, c catalog.Stored[catalog.Course]) (*doc, error) {
	d := &doc{course: c.Value, cards: map[catalog.Locale]catalog.Card{}, exact: map[string]bool{}, pairs: map[string]bool{}, stems: map[analysis.Lang]map[string]bool{}}
	for _, l := range languages {
		card, err := v.Card(c, l)
		if err != nil {
			return nil, err
		}
		d.cards[l] = card
	}
	d.addText(c.Value.Language, c.Value.Text)
	for l, t := range c.Value.Translations {
		d.addText(l, t)
	}
	for _, id := range c.Value.Tags {
		tag, _, err := v.Tag(id)
		if err != nil {
			return nil, err
		}
		for l, label := range tag.Value.Label {
			d.name(l, label)
		}
		for l, words := range tag.Value.Synonyms {
			for _, w := range words {
				d.name(l, w)
			}
		}
	}
	for id := c.Value.Category; id != ""; {
		category, _, err := v.Category(id)
		if err != nil {
			return nil, err
		}
		d.above = append(d.above, string(id))
		for l, label := range category.Value.Label {
			d.name(l, label)
		}
		id = category.Value.Parent
	}
	for _, who := range d.cards[catalog.English].Instructors {
		d.name("", who.Name)
	}
	d.name("", c.Value.Provider)
	return d, nil
}

func (d *doc) addText(l catalog.Locale, t catalog.Text) {
	d.name(l, t.Title)
	d.add(l, t.Summary)
	d.add(l, t.Description)
}

// name adds a title or a name, in which pinyin is looked for.
func (d *doc) name(l catalog.Locale, text string) {
	d.add(l, text)
	for _, t := range analysis.Exact(text) {
		if t.Kind == analysis.KindHan && len([]rune(t.Text)) == 2 {
			d.pairs[t.Text] = true
		}
	}
}

func (d *doc) add(l catalog.Locale, text string) {
	if text == "" {
		return
	}
	d.texts = append(d.texts, text)
	for _, t := range analysis.Exact(text) {
		d.exact[t.Text] = true
	}
	lang := analysis.LangOf(string(l))
	if d.stems[lang] == nil {
		d.stems[lang] = map[string]bool{}
	}
	for _, t := range analysis.Analyze(lang, text) {
		d.stems[lang][t.Text] = true
	}
}

// has reports whether a course has a word: by its exact form anywhere, or by its stem in a text of the language.
func (d *doc) has(w analysis.Word) bool {
	for _, f := range w.Forms {
		for _, terms := range f.Alternatives {
			if all(terms, d.stems[f.Lang]) || f.Lang == analysis.Other && all(terms, d.exact) || w.Kind == analysis.KindHan && all(terms, d.exact) {
				return true
			}
		}
	}
	return false
}

func all(terms []string, in map[string]bool) bool {
	for _, t := range terms {
		if !in[t] {
			return false
		}
	}
	return len(terms) > 0
}

func (d *doc) hasPrefix(prefix string) bool {
	for t := range d.exact {
		if strings.HasPrefix(t, prefix) {
			return true
		}
	}
	return false
}

// Search answers a request. Paging and limits play no part: all hits and all values with a count are returned.
func (o *Oracle) Search(req search.Request) (Result, error) {
	q, err := query.Parse(req.Q)
	if err != nil {
		return Result{}, err
	}
	var visible []*doc
	for _, d := range o.docs {
		if sees(req, d.course) {
			visible = append(visible, d)
		}
	}
	found, relaxed := o.matching(req, q, visible)
	r := Result{Relaxed: relaxed, Facets: map[string]map[string]int{}}
	filters := o.filters(req)
	passes := func(d *doc, but string) bool {
		for name, f := range filters {
			if name != but && !f(d) {
				return false
			}
		}
		return true
	}
	var hits []*doc
	for _, d := range found {
		if passes(d, "") {
			hits = append(hits, d)
		}
	}
	for _, facet := range search.Facets() {
		counts := map[string]int{}
		for _, d := range found {
			if passes(d, facet) {
				for _, v := range o.facetValues(facet, d) {
					counts[v]++
				}
			}
		}
		r.Facets[facet] = counts
	}
	o.sort(req, q, hits)
	r.Total = len(hits)
	for _, d := range hits {
		r.IDs = append(r.IDs, d.course.ID)
	}
	return r, nil
}

// sees is CONTRACT's rule of what a caller finds.
func sees(req search.Request, c catalog.Course) bool {
	org := catalog.OrgOf(string(c.ID))
	states := req.States
	if len(states) == 0 {
		states = []string{string(catalog.Published)}
	}
	if !slices.Contains(states, "*") && !slices.Contains(states, string(c.State)) {
		return false
	}
	if c.State == catalog.Published {
		return req.Actor.Sees(org)
	}
	return req.Actor.SeesDrafts(org)
}

// meets checks what a query demands besides its words.
func (o *Oracle) meets(q query.Query, d *doc) bool {
	for _, c := range q.Clauses {
		var ok bool
		switch {
		case c.Kind == query.KindWord && !c.Not:
			continue
		case c.Kind == query.KindWord:
			words := analysis.Words(c.Text)
			ok = len(words) > 0 && !slices.ContainsFunc(words, func(w analysis.Word) bool { return !d.has(w) })
		case c.Kind == query.KindPhrase:
			ok = slices.ContainsFunc(d.texts, analysis.NewPhrase(c.Text).In)
		case c.Field == query.FieldRating:
			ok = atLeast(d.cards[catalog.English].Rating, c.Rating)
		default:
			ok = o.filter(facetOf[c.Field], []string{c.Text})(d)
		}
		if ok == c.Not {
			return false
		}
	}
	return true
}

var facetOf = map[query.Field]string{
	query.FieldTag: search.FacetTags, query.FieldCategory: search.FacetCategory, query.FieldInstructor: search.FacetInstructors,
	query.FieldLevel: search.FacetLevel, query.FieldLanguage: search.FacetLanguage, query.FieldProvider: search.FacetProvider,
}

func atLeast(f *float64, least float64) bool { return f != nil && *f >= least }

// sort orders hits as the request says; relevance is left alone.
func (o *Oracle) sort(req search.Request, q query.Query, hits []*doc) {
	by := req.Sort
	words := slices.ContainsFunc(q.Clauses, func(c query.Clause) bool { return c.Kind != query.KindField && !c.Not })
	if by == "" {
		by = search.SortRelevance
	}
	if !words {
		by = strings.Replace(by, search.SortRelevance, search.SortRating, 1)
	}
	name, minus := strings.CutPrefix(by, "-")
	if name == search.SortRelevance {
		return
	}
	locale := req.Locale
	if locale == "" {
		locale = catalog.English
	}
	col := collate.New(map[catalog.Locale]language.Tag{
		catalog.English: language.English, catalog.French: language.French, catalog.Chinese: language.SimplifiedChinese,
	}[locale])
	compare := func(a, b *doc) int {
		if name == search.SortTitle {
			return col.CompareString(a.cards[locale].Title, b.cards[locale].Title)
		}
		return cmp.Compare(o.number(name, a), o.number(name, b))
	}
	slices.SortStableFunc(hits, func(a, b *doc) int {
		missA, missB := math.IsNaN(o.number(name, a)), math.IsNaN(o.number(name, b))
		c := 0
		switch {
		case missA && !missB:
			return 1
		case missB && !missA:
			return -1
		case !missA:
			c = compare(a, b)
		}
		if descending := name != search.SortTitle && name != search.SortDuration; descending != minus {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.course.ID, b.course.ID))
	})
}

// number is what a course is sorted by; NaN when it has none.
func (o *Oracle) number(by string, d *doc) float64 {
	card := d.cards[catalog.English]
	switch by {
	case search.SortRating:
		if card.Rating == nil {
			return o.prior
		}
		return *card.Rating
	case search.SortNewest:
		if d.course.PublishedAt == nil {
			return math.NaN()
		}
		return float64(d.course.PublishedAt.UnixMicro())
	case search.SortPopular:
		return float64(card.EnrollmentCount)
	case search.SortDuration:
		if d.course.DurationMinutes == 0 {
			return math.NaN()
		}
		return float64(d.course.DurationMinutes)
	}
	return 0
}

// Words returns different words of the catalog's texts, at most so many, to make queries of.
func (o *Oracle) Words(most int) []string {
	seen := map[string]bool{}
	for _, d := range o.docs {
		for _, text := range d.texts {
			for _, w := range analysis.Words(text) {
				seen[w.Text] = true
			}
		}
	}
	all := slices.Sorted(maps.Keys(seen))
	list := make([]string, 0, most)
	for i := range min(most, len(all)) {
		list = append(list, all[i*len(all)/min(most, len(all))])
	}
	return list
}

// Values returns the values of a facet that any course has.
func (o *Oracle) Values(facet string) []string {
	seen := map[string]bool{}
	for _, d := range o.docs {
		for _, v := range o.facetValues(facet, d) {
			seen[v] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
