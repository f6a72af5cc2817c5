package search

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// pageRows is how many rows are copied when one changes: few enough to copy in microseconds, many enough that the list of pages
// of half a million courses is copied in microseconds too.
const pageRows = 256

// noTime is a time that is not set. It is before all others, so it needs a look of its own where that matters.
const noTime = math.MinInt64

// ref stands for a value in a dict; 0 is none.
type ref uint32

// row is what searches filter and sort a course by.
type row struct {
	tags        []ref
	instructors []ref
	category    ref
	language    ref
	provider    ref
	org         ref
	duration    int32 // minutes; 0 unknown
	state       state
	level       level
	free        bool
	price       float64 // NaN: none

	// From course_stats, which change without the course.
	enrollments int32
	ratings     int32
	rating      float64 // NaN: none

	published int64 // microseconds; noTime
	opens     int64 // enrollment, microseconds; noTime
	closes    int64
}

// details are what is needed of the few courses that are shown.
type details struct {
	id     catalog.CourseID
	titles [locales]string // as readers of each locale see it
}

// locales is how many locales titles are kept in, for sorting and suggestions: those of the pages, and the source.
const locales = 4

var localeNames = [locales]catalog.Locale{catalog.AnyLocale, catalog.English, catalog.French, catalog.Chinese}

// localeIndex is a locale's place in a row's titles; any that the pages do not speak sees the source.
func localeIndex(l catalog.Locale) int {
	for i, name := range localeNames {
		if name == l {
			return i
		}
	}
	return 0
}

// page is a part of the columns. It never changes once it is published; what is derived from it is made at most once.
type page struct {
	rows    [pageRows]row
	details [pageRows]details
	lengths [pageRows][langs]int32 // of the text in each language, see textLengths

	hot *hot // made from the rows when the page is sealed

	keys   [locales]atomic.Pointer[[pageRows]string] // of collation
	folds  [locales]atomic.Pointer[[pageRows]string] // of titles
	starts [locales]atomic.Pointer[beginnings]       // of their words, for suggestions
}

// columns are the rows of all courses and what their references mean, at one moment. They never change.
type columns struct {
	id          uint64 // no others have it
	pages       []*page
	n           int // rows, those of deleted courses included
	tags        []*labelInfo
	categories  []*categoryInfo
	instructors []*instructorInfo
	tagged      *keptLabels // of tags
	taught      *keptLabels // of instructors
	curation    map[catalog.OrgID]*curation
	prior       float64 // the mean rating over the catalog

	norms [langs]struct {
		once   sync.Once
		of     []float32
		single []float32
	}
}

// newColumns returns columns without a row.
func newColumns() *columns { return &columns{tagged: &keptLabels{}, taught: &keptLabels{}} }

// labelInfo is a tag.
type labelInfo struct {
	label    map[catalog.Locale]string
	synonyms map[catalog.Locale][]string
}

// categoryInfo is a category.
type categoryInfo struct {
	label  map[catalog.Locale]string
	parent ref
}

// instructorInfo is an instructor; exists is false while only stats are known.
type instructorInfo struct {
	exists bool
	name   string
	rating float64 // NaN: none
}

func (c *columns) row(i int32) *row { return &c.pages[int(i)/pageRows].rows[int(i)%pageRows] }

func (c *columns) details(i int32) *details {
	return &c.pages[int(i)/pageRows].details[int(i)%pageRows]
}

// hot returns the columns of a row's page, and its place in them.
func (c *columns) hot(i int32) (*hot, uint8) {
	return c.pages[int(i)/pageRows].hot, uint8(int(i) % pageRows) //nolint:gosec // pageRows is 256
}

// norm returns, by row, BM25's norm of a course's text in a language. It is made by the first search that needs it.
func (c *columns) norm(lang int) []float32 {
	n := &c.norms[lang]
	n.once.Do(func() {
		n.of, n.single = make([]float32, c.n), make([]float32, c.n)
		mean := c.meanLength(lang)
		for i := range n.of {
			n.of[i] = norm(float32(c.pages[i/pageRows].lengths[i%pageRows][lang]) / mean)
			n.single[i] = saturate(1, n.of[i])
		}
	})
	return n.of
}

// saturated returns, by row, the weight of a term that occurs once, which is what most do: it spares a division for each.
func (c *columns) saturated(lang int) []float32 {
	c.norm(lang)
	return c.norms[lang].single
}

// usualLength stands for the mean length of texts, in runes, where there are none to take it from.
const usualLength = 1000

// meanLength is the mean length of the texts in a language over the published courses of the public catalog. Everybody sees those, so that no score tells
// how long a text is that its reader does not see.
func (c *columns) meanLength(lang int) float32 {
	var sum, n int64
	for i := range c.n {
		p, j := c.pages[i/pageRows], i%pageRows
		if r := &p.rows[j]; r.org == 0 && r.state == published && p.lengths[j][lang] > 0 {
			sum += int64(p.lengths[j][lang])
			n++
		}
	}
	if n == 0 {
		return usualLength
	}
	return float32(sum) / float32(n)
}

// at returns what a reference means, nil when that is unknown.
func at[T any](list []*T, r ref) *T {
	if int(r) >= len(list) {
		return nil
	}
	return list[r]
}

// ancestors yields a category and those above it.
func (c *columns) ancestors(r ref) func(yield func(ref) bool) {
	return func(yield func(ref) bool) {
		for depth := 0; r != 0 && depth < catalog.MaxCategoryDepth; depth++ {
			if !yield(r) {
				return
			}
			info := at(c.categories, r)
			if info == nil {
				return
			}
			r = info.parent
		}
	}
}

// instructorRating is the mean of a course's rated instructors, with two decimals as cards show it; NaN when none is rated.
func (c *columns) instructorRating(instructors []ref) float64 {
	sum, n := 0.0, 0
	for _, who := range instructors {
		if info := at(c.instructors, who); info != nil && info.exists && !math.IsNaN(info.rating) {
			sum += info.rating
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return math.Round(sum/float64(n)*100) / 100
}

// availability mirrors [catalog.AvailabilityAt].
func (r *row) availability(now int64) int { return availabilityAt(r.opens, r.closes, now) }

func availabilityAt(opens, closes, now int64) int {
	switch {
	case opens != noTime && now < opens:
		return 1
	case closes != noTime && now >= closes:
		return 2
	}
	return 0
}

// state is a course's state; 0 is a row without a course.
type state uint8

// published is the state that everybody may see.
var published = stateOf(catalog.Published)

var stateNames = [...]catalog.State{"", catalog.Draft, catalog.Published, catalog.Archived}

func stateOf(s catalog.State) state {
	for i, name := range stateNames {
		if name == s {
			return state(i)
		}
	}
	return 0
}

// level is a course's level; 0 is none.
type level uint8

var levelNames = [...]string{
	"", string(catalog.LevelAll), string(catalog.LevelBeginner), string(catalog.LevelIntermediate), string(catalog.LevelAdvanced),
}

func levelOf(l catalog.Level) level {
	for i, name := range levelNames {
		if name == string(l) {
			return level(i)
		}
	}
	return 0
}

var availabilityNames = [...]string{string(catalog.EnrollOpen), string(catalog.EnrollUpcoming), string(catalog.EnrollClosed)}

func micros(t *time.Time) int64 {
	if t == nil {
		return noTime
	}
	return t.UnixMicro()
}

// dict numbers the values of a column, from 1. It only grows, so that a number means the same in every generation; a value that no
// course has any more stays until the next start.
type dict struct {
	mu    sync.RWMutex
	refs  map[string]ref
	names []string
}

func newDict() *dict { return &dict{refs: map[string]ref{}, names: []string{""}} }

// ref numbers a value; "" is 0.
func (d *dict) ref(name string) ref {
	if name == "" {
		return 0
	}
	if r, ok := d.find(name); ok {
		return r
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.refs[name]; ok {
		return r
	}
	r := ref(len(d.names)) //nolint:gosec // far fewer than 2^32
	d.refs[name] = r
	d.names = append(d.names, name)
	return r
}

// find returns the number of a value that has one.
func (d *dict) find(name string) (ref, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r, ok := d.refs[name]
	return r, ok
}

// list returns the values by number. What it holds does not change.
func (d *dict) list() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.names
}

// dicts are the values of all columns.
type dicts struct {
	orgs, languages, providers, tags, categories, instructors *dict
	courses                                                   *dict // course → row + 1
	providerSlugs                                             slugs
	words                                                     *vocabulary
}

func newDicts() *dicts {
	return &dicts{
		orgs: newDict(), languages: newDict(), providers: newDict(), tags: newDict(), categories: newDict(),
		instructors: newDict(), courses: newDict(), words: newVocabulary(),
	}
}
