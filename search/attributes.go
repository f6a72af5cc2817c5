package search

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// attribute tells apart how an attribute is kept and counted.
type attribute int

const (
	attrNone            attribute = iota
	attrTags                      // ids
	attrTagLabels                 // in the caller's language
	attrCategory                  // ids, those above the course's own too
	attrCategoryLevel             // category.lvl0 …: paths of labels from the top
	attrLevel                     //
	attrLanguage                  //
	attrProvider                  //
	attrInstructors               // ids
	attrInstructorNames           //
	attrAvailability              //
	attrDuration                  // buckets
	attrFree                      // true, false
	attrRating                    // a number, listed in tenths
	attrListed                    // a number whose values are listed
	attrNumber                    // a number of which only the bounds are told
)

const (
	categoryLevel = "category.lvl"
	// PathSeparator stands between the labels of a category's path, as hierarchical menus expect it.
	PathSeparator = " > "
)

// attributeNames are the attributes of a batch, in the order in which pages show them; levels of categories come besides.
var attributeNames = []struct {
	name string
	kind attribute
}{
	{"tags", attrTags},
	{"tag_labels", attrTagLabels},
	{"category", attrCategory},
	{"level", attrLevel},
	{"language", attrLanguage},
	{"rating", attrRating},
	{"duration", attrDuration},
	{"duration_minutes", attrListed},
	{"price", attrListed},
	{"free", attrFree},
	{"availability", attrAvailability},
	{"provider", attrProvider},
	{"instructors", attrInstructors},
	{"instructors.id", attrInstructors},
	{"instructors.name", attrInstructorNames},
	{"instructor_rating", attrRating},
	{"enrollment_count", attrNumber},
	{"rating_count", attrNumber},
	{"published_at", attrNumber},
}

// Attributes lists what a batch filters by and counts, in the order in which pages show it.
func Attributes() []string {
	var list []string
	for level := range catalog.MaxCategoryDepth {
		list = append(list, categoryLevel+strconv.Itoa(level))
	}
	for _, a := range attributeNames {
		list = append(list, a.name)
	}
	return list
}

// IsAttribute reports whether a batch knows an attribute, and whether it is a number, which can be compared.
func IsAttribute(name string) (known, number bool) {
	kind, _ := attributeOf(name)
	return kind != attrNone, kind == attrRating || kind == attrListed || kind == attrNumber
}

// attributeOf returns an attribute's kind and, of levels of categories, the level.
func attributeOf(name string) (attribute, int) {
	if digits, ok := strings.CutPrefix(name, categoryLevel); ok {
		level, err := strconv.Atoi(digits)
		if err == nil && level >= 0 && level < catalog.MaxCategoryDepth && digits == strconv.Itoa(level) {
			return attrCategoryLevel, level
		}
	}
	for _, a := range attributeNames {
		if a.name == name {
			return a.kind, 0
		}
	}
	return attrNone, 0
}

// attributes are what the searches of a batch share: names that are worked out once, when they are needed.
type attributes struct {
	*plan
	tags, people *names
	paths        []string // by category, of labels from the top
}

// names are what the values of a dict are called. Several may be called the same.
type names struct {
	of   []string
	same []ref // the first value that is called so
}

func newNames(n int, of func(i int) string) *names {
	l := &names{of: make([]string, n), same: make([]ref, n)}
	first := map[string]ref{}
	for i := 1; i < n; i++ {
		l.of[i] = of(i)
		if _, known := first[l.of[i]]; !known {
			first[l.of[i]] = ref(i)
		}
		l.same[i] = first[l.of[i]]
	}
	return l
}

// having returns the values that are called so.
func (l *names) having(name string) []ref {
	var set []ref
	for i := 1; i < len(l.of); i++ {
		if l.of[i] == name {
			set = append(set, ref(i))
		}
	}
	return set
}

func (a *attributes) tagNames() *names {
	if a.tags == nil {
		ids := a.x.dicts.tags.list()
		a.tags = newNames(len(ids), func(i int) string { return a.tagName(ids[i], ref(i)) }) //nolint:gosec // an index
	}
	return a.tags
}

func (p *plan) tagName(id string, r ref) string {
	if info := at(p.cols.tags, r); info != nil {
		return p.knownLabel(id, info.label)
	}
	return id
}

func (a *attributes) instructorNames() *names {
	if a.people == nil {
		ids := a.x.dicts.instructors.list()
		a.people = newNames(len(ids), func(i int) string {
			if info := at(a.cols.instructors, ref(i)); info != nil && info.exists && a.knows(ids[i]) { //nolint:gosec // an index
				return info.name
			}
			return ids[i]
		})
	}
	return a.people
}

// tagLabels are a card's tags in words.
func (p *plan) tagLabels(tags []catalog.TagID) []string {
	labels := make([]string, 0, len(tags))
	for _, id := range tags {
		r, _ := p.x.dicts.tags.find(string(id))
		labels = append(labels, p.tagName(string(id), r))
	}
	return labels
}

// categoryLabels are the labels of a category and those above it, from the top.
func (p *plan) categoryLabels(id catalog.CategoryID) []string {
	r, _ := p.x.dicts.categories.find(string(id))
	labels := []string{}
	ids := p.x.dicts.categories.list()
	for up := range p.cols.ancestors(r) {
		name := ids[up]
		if info := at(p.cols.categories, up); info != nil {
			name = p.knownLabel(name, info.label)
		}
		labels = append(labels, name)
	}
	slices.Reverse(labels)
	return labels
}

// path is the path of a category down to a level; "" when it is not that deep.
func (a *attributes) path(r ref, level int) string {
	if a.paths == nil {
		ids := a.x.dicts.categories.list()
		a.paths = make([]string, len(ids))
		for i := 1; i < len(ids); i++ {
			a.paths[i] = strings.Join(a.categoryLabels(catalog.CategoryID(ids[i])), "\x00")
		}
	}
	if int(r) >= len(a.paths) || r == 0 {
		return ""
	}
	labels := strings.Split(a.paths[r], "\x00")
	if level >= len(labels) {
		return ""
	}
	return strings.Join(labels[:level+1], PathSeparator)
}

// atLevel returns the categories whose path begins so, down to a level.
func (a *attributes) atLevel(level int, path string) map[ref]bool {
	in := map[ref]bool{}
	for i := range a.x.dicts.categories.list() {
		if r := ref(i); path != "" && a.path(r, level) == path {
			in[r] = true
		}
	}
	return in
}

// beginning accepts the values of which a word begins as was typed.
func beginning(typed string) func(value string) bool {
	want := analysis.Fold(typed)
	return func(value string) bool { return want == "" || beginsWord(analysis.Fold(value), want) }
}

// topValues sorts values and keeps the first.
func topValues(list []FacetValue, limit int) []FacetValue {
	if limit == 0 {
		limit = DefaultFacetLimit
	}
	slices.SortFunc(list, func(a, b FacetValue) int { return compareValues(&a, &b) })
	return list[:min(limit, len(list))]
}

// Stats are the bounds of a number over the courses that have one.
type Stats struct {
	N             int
	Min, Max, Sum float64
}

func (s *Stats) add(n float64) {
	if math.IsNaN(n) {
		return
	}
	if s.N == 0 {
		s.Min, s.Max = n, n
	}
	s.Min, s.Max = min(s.Min, n), max(s.Max, n)
	s.Sum += n
	s.N++
}
