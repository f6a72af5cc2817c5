package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// ratingBuckets are cumulative: "4.5" is 4.5 and up.
var ratingBuckets = [...]struct {
	value string
	least float64
}{{"4.5", 4.5}, {"4", 4}, {"3.5", 3.5}, {"3", 3}}

// durationBuckets count what min_duration and max_duration of the two numbers find, so both ends belong to them: a course of just an hour is in
// two of them.
var durationBuckets = [...]struct {
	value    string
	from, to int
}{{"0-60", 0, 60}, {"60-180", 60, 180}, {"180-600", 180, 600}, {"600-", 600, math.MaxInt}}

// counter counts the values of one facet.
type counter struct {
	p      *plan
	name   string
	own    int // the group that this facet ignores; −1: none
	counts []int32
	kept   bool                        // the counts are there already
	count  func(p *page, list []uint8) // takes rows of a page
}

func (p *plan) newCounter(name string, own int) *counter {
	f := &counter{p: p, name: name, own: own}
	f.counts = make([]int32, f.size())
	if name == FacetRating || name == FacetInstructorRating {
		f.counts = make([]int32, f.size()+1) // the last for ratings in no bucket
	}
	counts := f.counts
	switch name {
	case FacetTags:
		f.count = func(p *page, list []uint8) { bumpAll(counts, &p.hot.tags, list) }
	case FacetInstructors:
		f.count = func(p *page, list []uint8) { bumpAll(counts, &p.hot.instructors, list) }
	case FacetCategory:
		f.count = func(p *page, list []uint8) { bump(counts, &p.hot.category, list) }
	case FacetLanguage:
		f.count = func(p *page, list []uint8) { bump(counts, &p.hot.language, list) }
	case FacetProvider:
		f.count = func(p *page, list []uint8) { bump(counts, &p.hot.provider, list) }
	case FacetLevel:
		f.count = func(p *page, list []uint8) { bump(counts, &p.hot.level, list) }
	case FacetAvailability:
		f.count = func(pg *page, list []uint8) {
			for _, j := range list {
				counts[1+pg.hot.availability(j, p.now)]++
			}
		}
	case FacetRating:
		f.count = func(p *page, list []uint8) { bump(counts[1:], &p.hot.bucket, list) }
	case FacetInstructorRating:
		f.count = func(pg *page, list []uint8) {
			for _, j := range list {
				counts[1+bestBucket(p.cols.instructorRating(pg.hot.instructors.of(j)))]++
			}
		}
	case FacetDuration:
		f.count = func(p *page, list []uint8) {
			for _, j := range list {
				bumpDuration(counts, int(p.hot.duration[j]))
			}
		}
	}
	return f
}

// bump counts the value of each row in a column.
func bump[T ~uint8 | ~uint32](counts []int32, column *[pageRows]T, list []uint8) {
	for _, j := range list {
		counts[column[j]]++
	}
}

func bumpAll(counts []int32, l *lists, list []uint8) {
	for _, j := range list {
		for _, r := range l.of(j) {
			counts[r]++
		}
	}
}

// bestBucket is the place of the best bucket that a rating is in, from 0; that of none comes last.
func bestBucket(rating float64) uint8 {
	for i := range ratingBuckets {
		if rating >= ratingBuckets[i].least {
			return uint8(i)
		}
	}
	return noBucket
}

const noBucket = uint8(len(ratingBuckets))

func bumpDuration(counts []int32, minutes int) {
	for i := range durationBuckets {
		if minutes > 0 && minutes >= durationBuckets[i].from && minutes <= durationBuckets[i].to {
			counts[1+i]++
		}
	}
}

// names returns the values that a facet may have, by number; the one at 0 stands for none.
func (f *counter) names() []string {
	d := f.p.x.dicts
	switch f.name {
	case FacetTags:
		return d.tags.list()
	case FacetInstructors:
		return d.instructors.list()
	case FacetCategory:
		return d.categories.list()
	case FacetLanguage:
		return d.languages.list()
	case FacetProvider:
		return d.providers.list()
	case FacetLevel:
		return levelNames[:]
	case FacetAvailability:
		return append([]string{""}, availabilityNames[:]...)
	case FacetDuration:
		return durationNames
	}
	return ratingNames
}

var ratingNames, durationNames = func() (ratings, durations []string) {
	ratings, durations = []string{""}, []string{""}
	for _, b := range ratingBuckets {
		ratings = append(ratings, b.value)
	}
	for _, b := range durationBuckets {
		durations = append(durations, b.value)
	}
	return ratings, durations
}()

// size is how many values there are now. A dict that grows meanwhile holds values of later generations, which no row of this one has.
func (f *counter) size() int { return len(f.names()) }

// isSelected reports whether a filter names a value.
func (f *counter) isSelected(i int) bool {
	r := f.p.req
	switch f.name {
	case FacetRating:
		return i > 0 && r.MinRating != nil && *r.MinRating == ratingBuckets[i-1].least
	case FacetInstructorRating:
		return i > 0 && r.MinInstructorRating != nil && *r.MinInstructorRating == ratingBuckets[i-1].least
	case FacetDuration:
		return i > 0 && r.selectsDuration(durationBuckets[i-1].from, durationBuckets[i-1].to)
	case FacetAvailability:
		return i > 0 && slices.Contains(f.p.selected[f.name], ref(i-1)) //nolint:gosec // an index
	}
	return slices.Contains(f.p.selected[f.name], ref(i)) //nolint:gosec // an index
}

// durationKey names the bounds of a request.
func (r *Request) durationKey() string {
	least, most := -1, -1
	if r.MinDuration != nil {
		least = *r.MinDuration
	}
	if r.MaxDuration != nil {
		most = *r.MaxDuration
	}
	return fmt.Sprint(least, most)
}

// selectsDuration reports whether the bounds of a request are those of a bucket.
func (r *Request) selectsDuration(from, to int) bool {
	if r.MinDuration == nil && r.MaxDuration == nil {
		return false
	}
	least, most := 0, math.MaxInt
	if r.MinDuration != nil {
		least = *r.MinDuration
	}
	if r.MaxDuration != nil {
		most = *r.MaxDuration
	}
	return least == from && most == to
}

// values lists the facet as CONTRACT shows it.
func (f *counter) values() []FacetValue {
	switch f.name {
	case FacetCategory:
		f.rollUp()
	case FacetRating, FacetInstructorRating: // what is in a bucket is in those below it
		f.counts = f.counts[:len(ratingNames)]
		for i := 2; i < len(f.counts); i++ {
			f.counts[i] += f.counts[i-1]
		}
	}
	limit := f.p.req.FacetLimit
	if limit == 0 {
		limit = DefaultFacetLimit
	}
	names := f.names()
	match := f.matcher()
	var selected []FacetValue
	top := make([]FacetValue, 0, limit+1)
	for i := 1; i < len(f.counts); i++ {
		v := FacetValue{Value: names[i], Count: int(f.counts[i]), Selected: f.isSelected(i)}
		switch {
		case v.Selected && v.Count == 0 && !f.visible(i):
			continue // its name is what the caller may not know; unknown lists what was asked for
		case v.Selected:
			selected = append(selected, v)
		case v.Count == 0 || len(top) == limit && compareValues(&v, &top[limit-1]) > 0 || !match(i):
			continue
		}
		at, _ := slices.BinarySearchFunc(top, v, func(a, b FacetValue) int { return compareValues(&a, &b) })
		if top = slices.Insert(top, at, v); len(top) > limit {
			top = top[:limit]
		}
	}
	for _, v := range append(selected, f.unknown()...) {
		if !slices.ContainsFunc(top, func(t FacetValue) bool { return t.Value == v.Value }) {
			top = append(top, v)
		}
	}
	slices.SortFunc(top, func(a, b FacetValue) int { return compareValues(&a, &b) })
	for i := range top {
		top[i].Label = f.label(top[i].Value)
	}
	return top
}

func compareValues(a, b *FacetValue) int {
	if c := cmp.Compare(b.Count, a.Count); c != 0 {
		return c
	}
	return cmp.Compare(a.Value, b.Value)
}

// rollUp adds the counts of categories to those above them.
func (f *counter) rollUp() {
	sum := make([]int32, len(f.counts))
	for i, n := range f.counts {
		if n == 0 {
			continue
		}
		for up := range f.p.cols.ancestors(ref(i)) {
			sum[up] += n
		}
	}
	f.counts = sum
}

// visible reports whether any course that the caller sees has a value, whatever the filters say.
func (f *counter) visible(i int) bool {
	switch f.name {
	case FacetRating, FacetInstructorRating, FacetDuration, FacetAvailability, FacetLevel:
		return true // these values are no secret
	}
	all := f.p.newCounter(f.name, -1)
	all.everywhere()
	if f.name == FacetCategory {
		all.rollUp()
	}
	return all.counts[i] > 0
}

// everywhere counts over all that the caller sees, whatever the words and filters, or remembers what was counted. The time must not matter for the facet.
func (f *counter) everywhere() {
	key := f.p.countsKey(f)
	if counts, ok := f.p.x.counts.get(key); ok && len(counts) == len(f.counts) {
		f.counts = counts
		return
	}
	var room [pageRows]uint8
	for _, pg := range f.p.cols.pages {
		f.count(pg, f.p.seen(pg.hot, room[:0]))
	}
	f.p.x.counts.put(key, f.counts)
}

// unknown lists, as it was asked for, what a filter names and no course has that the caller sees.
func (f *counter) unknown() []FacetValue {
	r := f.p.req
	given := map[string][]string{
		FacetTags: r.Tags, FacetCategory: r.Categories, FacetLevel: r.Levels, FacetLanguage: r.Languages,
		FacetProvider: r.Providers, FacetInstructors: r.Instructors,
	}[f.name]
	var list []FacetValue
	for _, v := range given {
		if !slices.ContainsFunc(f.refsTo(v), func(i ref) bool { return int(i) < len(f.counts) && (f.counts[i] > 0 || f.visible(int(i))) }) {
			list = append(list, FacetValue{Value: v, Selected: true})
		}
	}
	return list
}

// refsTo returns what a filter's value names.
func (f *counter) refsTo(value string) []ref {
	values, p := []string{value}, f.p
	switch f.name {
	case FacetTags:
		return refsOf(p.x.dicts.tags, values)
	case FacetCategory:
		return refsOf(p.x.dicts.categories, values)
	case FacetLevel:
		return levelsOf(values)
	case FacetLanguage:
		return languagesOf(p.x.dicts, values)
	case FacetProvider:
		return p.providersOf(values)
	}
	return p.instructorsOf(values)
}

// label is the text of a tag, category or instructor for the caller; "" for other facets, and for what the caller may not know.
func (f *counter) label(value string) string {
	p := f.p
	if !p.knows(value) {
		return ""
	}
	switch f.name {
	case FacetTags:
		if r, ok := p.x.dicts.tags.find(value); ok {
			return p.cols.tagLabel(r, value, p.locale)
		}
	case FacetCategory:
		if r, ok := p.x.dicts.categories.find(value); ok {
			if info := at(p.cols.categories, r); info != nil {
				text, _ := catalog.LabelIn(info.label, p.locale, value)
				return text
			}
		}
	case FacetInstructors:
		if r, ok := p.x.dicts.instructors.find(value); ok {
			if info := at(p.cols.instructors, r); info != nil {
				return info.name
			}
		}
	}
	return ""
}

// tagLabel is a tag's label in a locale, else its id.
func (c *columns) tagLabel(r ref, id string, l catalog.Locale) string {
	info := at(c.tags, r)
	if info == nil {
		return id
	}
	text, _ := catalog.LabelIn(info.label, l, id)
	return text
}

// matcher returns which values facet_q lets through: those of which a word, of the value or of its label, begins so.
func (f *counter) matcher() func(i int) bool {
	name, typed, _ := strings.Cut(f.p.req.FacetQ, ":")
	want := analysis.Fold(typed)
	if name != f.name || want == "" {
		return func(int) bool { return true }
	}
	names := f.names()
	return func(i int) bool {
		return beginsWord(analysis.Fold(names[i]), want) || beginsWord(analysis.Fold(f.label(names[i])), want)
	}
}

// beginsWord reports whether prefix stands in a folded text where a word begins; Han characters are words.
func beginsWord(text, prefix string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], prefix)
		if i < 0 {
			return false
		}
		i += from
		if i == 0 || text[i-1] == ' ' || isHanStart(prefix) {
			return true
		}
		from = i + 1
	}
}

// isHanStart reports whether a text begins with a character of three bytes or more: Han, kana, Hangul.
func isHanStart(s string) bool { return s != "" && s[0] >= 0xe0 }
