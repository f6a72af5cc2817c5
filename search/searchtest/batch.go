package searchtest

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/query"
)

// BatchOracle answers the searches of batches one by one, by walking all courses.
type BatchOracle struct {
	*Oracle
	tags       map[catalog.TagID]catalog.Tag
	categories map[string]catalog.Category
}

// AskResult is what one search of a batch must find.
type AskResult struct {
	Total  int
	IDs    []catalog.CourseID // all hits; in order, but under relevance
	Counts map[string]map[string]int
	Stats  map[string]search.Stats
}

// NewBatchOracle reads what an oracle lacks: labels.
func NewBatchOracle(ctx context.Context, c *catalog.Catalog, o *Oracle) (*BatchOracle, error) {
	b := &BatchOracle{o, map[catalog.TagID]catalog.Tag{}, map[string]catalog.Category{}}
	return b, c.View(ctx, func(v *catalog.View) error {
		for _, d := range o.docs {
			for _, id := range d.course.Tags {
				tag, _, err := v.Tag(id)
				if err != nil {
					return err
				}
				b.tags[id] = tag.Value
			}
			for _, id := range d.above {
				category, _, err := v.Category(catalog.CategoryID(id))
				if err != nil {
					return err
				}
				b.categories[id] = category.Value
			}
		}
		return nil
	})
}

// Ask answers one search.
func (o *BatchOracle) Ask(b search.Batch, a search.Ask) (AskResult, error) {
	req := search.Request{Actor: b.Actor, Locale: b.Locale, Q: b.Q, Sort: a.Sort}
	q, err := query.Parse(b.Q)
	if err != nil {
		return AskResult{}, err
	}
	var visible, hits []*doc
	for _, d := range o.docs {
		if sees(req, d.course) {
			visible = append(visible, d)
		}
	}
	found, _ := o.matching(req, q, visible)
	for _, d := range found {
		if o.passes(b, d, a.Filters) {
			hits = append(hits, d)
		}
	}
	r := AskResult{Total: len(hits), Counts: map[string]map[string]int{}, Stats: map[string]search.Stats{}}
	for _, name := range a.Facets {
		r.Counts[name] = map[string]int{}
		var stats search.Stats
		for _, d := range hits {
			for _, value := range o.has(b, d, name) {
				r.Counts[name][value]++
			}
			if n := o.numberOf(d, name); !math.IsNaN(n) {
				if stats.N == 0 {
					stats.Min, stats.Max = n, n
				}
				stats.N, stats.Sum, stats.Min, stats.Max = stats.N+1, stats.Sum+n, min(stats.Min, n), max(stats.Max, n)
			}
		}
		if stats.N > 0 {
			r.Stats[name] = stats
		}
	}
	o.sort(req, q, hits)
	for _, d := range hits {
		r.IDs = append(r.IDs, d.course.ID)
	}
	return r, nil
}

func (o *BatchOracle) passes(b search.Batch, d *doc, filters []search.Clause) bool {
	for _, clause := range filters {
		if !slices.ContainsFunc(clause, func(t search.Term) bool { return o.holds(b, d, t) != t.Not }) {
			return false
		}
	}
	return true
}

func (o *BatchOracle) holds(b search.Batch, d *doc, t search.Term) bool {
	n := o.numberOf(d, t.Attribute)
	switch t.Op {
	case search.Is:
		return slices.Contains(o.has(b, d, t.Attribute), t.Value)
	case search.Equal:
		return n == t.Low
	case search.NotEqual:
		return n != t.Low
	case search.Less:
		return n < t.Low
	case search.LessEqual:
		return n <= t.Low
	case search.Greater:
		return n > t.Low
	case search.GreaterEqual:
		return n >= t.Low
	}
	return n >= t.Low && n <= t.High
}

// numberOf is a course's number, NaN when it has none or the attribute is no number.
func (o *BatchOracle) numberOf(d *doc, name string) float64 {
	card := d.cards[catalog.English]
	of := func(f *float64) float64 {
		if f == nil {
			return math.NaN()
		}
		return *f
	}
	switch name {
	case "rating":
		return of(card.Rating)
	case "instructor_rating":
		return of(card.InstructorRating)
	case "rating_count":
		return float64(card.RatingCount)
	case "enrollment_count":
		return float64(card.EnrollmentCount)
	case "duration_minutes":
		if card.DurationMinutes != nil {
			return float64(*card.DurationMinutes)
		}
	case "price":
		return of(card.Price)
	case "published_at":
		if d.course.PublishedAt != nil {
			return float64(d.course.PublishedAt.Unix())
		}
	}
	return math.NaN()
}

// Values returns the values of an attribute that any course is listed under, for this caller.
func (o *BatchOracle) Values(b search.Batch, name string) []string {
	seen := map[string]bool{}
	for _, d := range o.docs {
		for _, value := range o.has(b, d, name) {
			seen[value] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Numbers returns the numbers that courses have, NaN left out.
func (o *BatchOracle) Numbers(name string) (list []float64) {
	for _, d := range o.docs {
		if n := o.numberOf(d, name); !math.IsNaN(n) {
			list = append(list, n)
		}
	}
	return list
}

// has returns the values of an attribute that a course is listed under.
func (o *BatchOracle) has(b search.Batch, d *doc, name string) (list []string) {
	switch name {
	case "tags", "category", "level", "language", "provider", "availability", "duration":
		return o.facetValues(name, d)
	case "instructors", "instructors.id":
		return o.facetValues(search.FacetInstructors, d)
	case "instructors.name":
		for _, who := range d.cards[catalog.English].Instructors {
			list = append(list, who.Name)
		}
	case "tag_labels":
		for _, tag := range d.course.Tags {
			list = append(list, label(b, string(tag), o.tags[tag].Label))
		}
	case "free":
		return []string{strconv.FormatBool(d.course.Price != nil && *d.course.Price == 0)}
	case "rating", "instructor_rating":
		if n := o.numberOf(d, name); !math.IsNaN(n) {
			text := strconv.FormatFloat(n, 'f', 2, 64) // the hundredths go
			return []string{strings.TrimSuffix(text[:len(text)-1], ".0")}
		}
	case "duration_minutes", "price":
		if n := o.numberOf(d, name); !math.IsNaN(n) {
			return []string{strconv.FormatFloat(n, 'f', -1, 64)}
		}
	}
	if digit, ok := strings.CutPrefix(name, "category.lvl"); ok {
		level, _ := strconv.Atoi(digit)
		if level < len(d.above) {
			var path []string
			for _, id := range d.above[len(d.above)-1-level:] {
				path = append([]string{label(b, id, o.categories[id].Label)}, path...)
			}
			return []string{strings.Join(path, " > ")}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func label(b search.Batch, id string, labels map[catalog.Locale]string) string {
	locale := b.Locale
	if locale == "" {
		locale = catalog.English
	}
	if text := labels[locale]; text != "" && b.Actor.Sees(catalog.OrgOf(id)) {
		return text
	}
	return id
}
