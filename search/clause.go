package search

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
)

// Clause is a filter of an [Ask]: it holds when any of its terms does.
type Clause []Term

// Term compares an attribute of a course. A number that is missing is neither equal to any other, nor less, nor greater.
type Term struct {
	Attribute string
	Not       bool // the term holds when the comparison does not
	Op        Op
	Value     string  // of Is
	Low, High float64 // of the others: Low is what is compared with; Within has both, and both belong to it
}

// Op is how a term compares.
type Op string

// The comparisons. Is compares a value that is listed in facets; the others compare numbers.
const (
	Is           Op = ":"
	Equal        Op = "="
	NotEqual     Op = "!="
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Within       Op = "TO"
)

// String writes a clause so that two are the same when, and only when, their terms are.
func (c Clause) String() string {
	var b strings.Builder
	for _, t := range c {
		number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
		for _, s := range []string{t.Attribute, strconv.FormatBool(t.Not), string(t.Op), number(t.Low), number(t.High), t.Value} {
			b.WriteString(strconv.Quote(s))
		}
	}
	return b.String()
}

// clause makes a condition of a clause.
func (a *attributes) clause(c Clause) func(*row) bool {
	terms := make([]func(*row) bool, 0, len(c))
	for _, t := range c {
		pass := a.term(t)
		if t.Not != (t.Op == NotEqual) {
			pass = not(pass)
		}
		terms = append(terms, pass)
	}
	if len(terms) == 1 {
		return terms[0]
	}
	return func(r *row) bool {
		return slices.ContainsFunc(terms, func(pass func(*row) bool) bool { return pass(r) })
	}
}

// term makes a condition of a comparison; NotEqual becomes that of Equal.
func (a *attributes) term(t Term) func(*row) bool {
	if t.Op == Is {
		return a.is(t.Attribute, t.Value)
	}
	number := a.number(t.Attribute)
	if number == nil {
		return func(*row) bool { return false }
	}
	low, high := t.Low, t.High
	switch t.Op {
	case Less:
		return func(r *row) bool { return number(r) < low }
	case LessEqual:
		return func(r *row) bool { return number(r) <= low }
	case Greater:
		return func(r *row) bool { return number(r) > low }
	case GreaterEqual:
		return func(r *row) bool { return number(r) >= low }
	case Within:
		return func(r *row) bool { n := number(r); return n >= low && n <= high }
	}
	return func(r *row) bool { return number(r) == low }
}

// is makes the condition that an attribute has a value, as facets list it.
func (a *attributes) is(name, value string) func(*row) bool {
	d, values := a.x.dicts, []string{value}
	switch kind, level := attributeOf(name); kind {
	case attrTags:
		set := refsOf(d.tags, values)
		return func(r *row) bool { return intersect(r.tags, set) }
	case attrTagLabels:
		set := a.tagNames().having(value)
		return func(r *row) bool { return intersect(r.tags, set) }
	case attrInstructors:
		set := a.instructorsOf(values)
		return func(r *row) bool { return intersect(r.instructors, set) }
	case attrInstructorNames:
		set := a.instructorNames().having(value)
		return func(r *row) bool { return intersect(r.instructors, set) }
	case attrCategory:
		under := a.under(refsOf(d.categories, values))
		return func(r *row) bool { return int(r.category) < len(under) && under[r.category] }
	case attrCategoryLevel:
		in := a.atLevel(level, value)
		return func(r *row) bool { return in[r.category] }
	case attrLevel:
		set := levelsOf(values)
		return func(r *row) bool { return slices.Contains(set, ref(r.level)) }
	case attrLanguage:
		set := languagesOf(d, values)
		return func(r *row) bool { return slices.Contains(set, r.language) }
	case attrProvider:
		set := a.providersOf(values)
		if exact, ok := d.providers.find(value); ok {
			set = []ref{exact}
		}
		return func(r *row) bool { return slices.Contains(set, r.provider) }
	case attrAvailability:
		set := availabilitiesOf(values)
		return func(r *row) bool { return slices.Contains(set, ref(r.availability(a.now))) } //nolint:gosec // three of them
	case attrDuration:
		return inDurationBucket(value)
	case attrFree:
		return func(r *row) bool { return strconv.FormatBool(r.free) == value }
	}
	return a.isNumber(name, value)
}

func inDurationBucket(value string) func(*row) bool {
	for _, b := range durationBuckets {
		if b.value == value {
			return func(r *row) bool { return r.duration > 0 && int(r.duration) >= b.from && int(r.duration) <= b.to }
		}
	}
	return func(*row) bool { return false }
}

// isNumber compares a number with a value as facets list it: of ratings those are tenths of a star.
func (a *attributes) isNumber(name, value string) func(*row) bool {
	number := a.number(name)
	want, err := strconv.ParseFloat(value, 64)
	if number == nil || err != nil {
		return func(*row) bool { return false }
	}
	if kind, _ := attributeOf(name); kind == attrRating {
		tenths := math.Round(want * 10)
		return func(r *row) bool { n := number(r); return n >= 0 && float64(tenthsOf(n)) == tenths }
	}
	return func(r *row) bool { return number(r) == want }
}

// tenthsOf is the tenth of a star that a rating, which has two decimals, has reached.
func tenthsOf(rating float64) int { return int(math.Round(rating*100)) / 10 }

// number returns what reads a number of a course, NaN when it has none; nil for an attribute that is no number.
func (a *attributes) number(name string) func(*row) float64 {
	orMissing := func(n float64, has bool) float64 {
		if has {
			return n
		}
		return math.NaN()
	}
	switch name {
	case "rating":
		return func(r *row) float64 { return r.rating }
	case "instructor_rating":
		return func(r *row) float64 { return a.cols.instructorRating(r.instructors) }
	case "rating_count":
		return func(r *row) float64 { return float64(r.ratings) }
	case "enrollment_count":
		return func(r *row) float64 { return float64(r.enrollments) }
	case "duration_minutes":
		return func(r *row) float64 { return orMissing(float64(r.duration), r.duration > 0) }
	case "price":
		return func(r *row) float64 { return r.price }
	case "published_at":
		const second = 1e6 // microseconds
		return func(r *row) float64 { return orMissing(math.Floor(float64(r.published)/second), r.published != noTime) }
	}
	return nil
}

// knownLabel is what a value of a dict is called, when the caller may know it; else its id.
func (p *plan) knownLabel(id string, label map[catalog.Locale]string) string {
	if !p.knows(id) {
		return id
	}
	text, _ := catalog.LabelIn(label, p.locale, id)
	return text
}
