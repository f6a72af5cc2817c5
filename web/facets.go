package web

import (
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

const (
	// facetShown is how many values of a facet one sees at first.
	facetShown = 5
	// facetValues is how many are sent: what "show more" opens. Beyond it one searches within the facet.
	facetValues = 12
)

// facet is a group of filters.
type facet struct {
	Name   string // as search calls it
	Title  string
	Param  string // the parameter that its values set
	One    bool   // at most one value: radio buttons
	Any    string // of radio buttons: the text of none
	AnySet bool
	Values []facetValue
	More   []facetValue // behind "show more"
	Find   bool         // there may be more values than were sent
	FindQ  string
	Open   bool
}

// facetValue is one filter.
type facetValue struct {
	Value    string
	Text     string
	Lang     string
	Count    int
	Selected bool
	Stars    *rating // of ratings: drawn before the text
}

// facetParam is a facet on the page: one says that it has at most one value.
type facetParam struct {
	name, param string
	one, open   bool
}

// facetParams names the facets in the order of the page, with their parameters. open says which show their values at once.
var facetParams = []facetParam{
	{search.FacetCategory, "category", false, true},
	{search.FacetTags, "tag", false, true},
	{search.FacetLevel, "level", false, true},
	{search.FacetLanguage, "language", false, true},
	{search.FacetRating, "min_rating", true, true},
	{search.FacetDuration, "duration", true, true},
	{search.FacetInstructors, "instructor", false, false},
	{search.FacetInstructorRating, "min_instructor_rating", true, false},
	{search.FacetProvider, "provider", false, false},
	{search.FacetAvailability, "availability", false, false},
}

// facets makes the groups of filters of an answer. A facet without values is left out, unless one searches within it.
func (v *visit) facets(view *catalog.View, q query, found map[string][]search.FacetValue) ([]facet, error) {
	var list []facet
	for _, fp := range facetParams {
		f := facet{Name: fp.name, Title: v.text.Text("facet."+fp.name, nil), Param: fp.param, One: fp.one, Open: fp.open}
		if name, within, ok := strings.Cut(q.req.FacetQ, ":"); ok && name == fp.name {
			f.FindQ = within
		}
		values := found[fp.name]
		if len(values) == 0 && f.FindQ == "" {
			continue
		}
		if fp.one {
			f.Any = v.text.Text("facet.any", nil)
			f.AnySet = !slices.ContainsFunc(values, func(x search.FacetValue) bool { return x.Selected })
		}
		if err := v.fillFacet(view, &f, values); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// fillFacet sorts a facet's values into those seen at first and the others; selected ones come first.
func (v *visit) fillFacet(view *catalog.View, f *facet, values []search.FacetValue) error {
	f.Find = f.FindQ != "" || len(values) >= facetValues && (f.Name == search.FacetTags || f.Name == search.FacetInstructors ||
		f.Name == search.FacetProvider || f.Name == search.FacetCategory)
	values = slices.Clone(values)
	slices.SortStableFunc(values, func(a, b search.FacetValue) int {
		if f.One || f.Name == search.FacetLevel {
			return place(f.Name, a.Value) - place(f.Name, b.Value)
		}
		return firstIf(a.Selected) - firstIf(b.Selected)
	})
	for i, x := range values {
		value, err := v.facetValue(view, f.Name, x)
		if err != nil {
			return err
		}
		f.Open = f.Open || x.Selected
		if i < facetShown || x.Selected || f.FindQ != "" {
			f.Values = append(f.Values, value)
		} else {
			f.More = append(f.More, value)
		}
	}
	return nil
}

func firstIf(yes bool) int {
	if yes {
		return 0
	}
	return 1
}

// levels in the order in which people think of them.
var levels = []string{string(catalog.LevelBeginner), string(catalog.LevelIntermediate), string(catalog.LevelAdvanced), string(catalog.LevelAll)}

// place orders the values of facets that have an order of their own: levels up, ratings from the best, durations from the shortest.
func place(facet, value string) int {
	const hundredths = 100
	switch facet {
	case search.FacetLevel:
		return slices.Index(levels, value)
	case search.FacetDuration:
		if low, _ := splitRange(value); low != nil {
			return *low
		}
	default:
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			return -int(f * hundredths)
		}
	}
	return 0
}

func (v *visit) facetValue(view *catalog.View, facet string, x search.FacetValue) (facetValue, error) {
	out := facetValue{Value: x.Value, Text: x.Label, Count: x.Count, Selected: x.Selected}
	switch facet {
	case search.FacetTags:
		l, err := v.tagLabel(view, catalog.TagID(x.Value))
		out.Text, out.Lang = l.Text, l.Lang
		return out, err
	case search.FacetCategory:
		l, err := v.categoryLabel(view, catalog.CategoryID(x.Value))
		out.Text, out.Lang = l.Text, l.Lang
		return out, err
	case search.FacetRating, search.FacetInstructorRating:
		f, err := strconv.ParseFloat(x.Value, 64)
		if err == nil {
			out.Stars = v.rating(&f, 0)
		}
	}
	out.Text = v.valueText(facet, x.Value, x.Label)
	return out, nil
}

// valueText is what a value of a facet or filter is called.
func (v *visit) valueText(facet, value, label string) string {
	switch facet {
	case search.FacetLevel:
		return v.text.Text("level."+value, nil)
	case search.FacetAvailability:
		return v.text.Text("availability."+value, nil)
	case search.FacetLanguage:
		return capital(v.languageName(catalog.Locale(value)))
	case search.FacetRating, search.FacetInstructorRating:
		f, err := strconv.ParseFloat(value, 64)
		if err == nil {
			return v.text.Text("rating.and_up", map[string]any{"Rating": v.text.Number(f, 1)})
		}
	case search.FacetDuration:
		return v.durationText(value)
	}
	if label != "" {
		return label
	}
	return value
}

// durationText names a range of minutes as "60-180".
func (v *visit) durationText(value string) string {
	low, high := splitRange(value)
	switch {
	case low == nil && high == nil:
		return value
	case high == nil:
		return v.text.Text("range.over", map[string]any{"From": v.text.Duration(*low)})
	case low == nil || *low == 0:
		return v.text.Text("range.under", map[string]any{"To": v.text.Duration(*high)})
	}
	return v.text.Text("range.between", map[string]any{"From": v.text.Duration(*low), "To": v.text.Duration(*high)})
}

// splitRange reads "60-180" and "600-"; nil is an open end.
func splitRange(s string) (low, high *int) {
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		return nil, nil
	}
	if n, err := strconv.Atoi(a); err == nil && n >= 0 {
		low = &n
	}
	if n, err := strconv.Atoi(b); err == nil && n >= 0 {
		high = &n
	}
	return low, high
}

// joinRange is the inverse of splitRange.
func joinRange(low, high *int) string {
	text := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	if low == nil {
		low = new(int)
	}
	return text(low) + "-" + text(high)
}

// chip is a filter that is in force, with the address of the page without it.
type chip struct {
	Text, Lang string
	URL        string
	without    search.Request
}

// listOf returns where a request keeps the values of a facet's filter; nil for filters that are no lists.
func listOf(r *search.Request, facet string) *[]string {
	switch facet {
	case search.FacetTags:
		return &r.Tags
	case search.FacetCategory:
		return &r.Categories
	case search.FacetLevel:
		return &r.Levels
	case search.FacetLanguage:
		return &r.Languages
	case search.FacetProvider:
		return &r.Providers
	case search.FacetInstructors:
		return &r.Instructors
	case search.FacetAvailability:
		return &r.Availabilities
	}
	return nil
}

// chips lists the filters in force, in the order of the facets.
func (v *visit) chips(view *catalog.View, q query) ([]chip, error) {
	var list []chip
	add := func(text, lang string, drop func(*search.Request)) {
		rest := q.with(drop)
		list = append(list, chip{Text: text, Lang: lang, URL: rest.url(), without: rest.req})
	}
	for _, fp := range facetParams {
		at := listOf(&q.req, fp.name)
		if at == nil {
			continue
		}
		for _, value := range *at {
			x, err := v.facetValue(view, fp.name, search.FacetValue{Value: value, Label: v.nameOf(view, fp.name, value)})
			if err != nil {
				return nil, err
			}
			add(x.Text, x.Lang, func(r *search.Request) {
				list := listOf(r, fp.name)
				*list = without(*list, value)
			})
		}
	}
	v.boundChips(q, add)
	for _, tag := range q.req.AllTags {
		l, err := v.tagLabel(view, catalog.TagID(tag))
		if err != nil {
			return nil, err
		}
		add(l.Text, l.Lang, func(r *search.Request) { r.AllTags = without(r.AllTags, tag) })
	}
	return list, nil
}

// boundChips adds the chips of filters that are bounds.
func (v *visit) boundChips(q query, add func(text, lang string, drop func(*search.Request))) {
	r := q.req
	atLeast := func(facet string, f float64) string {
		return v.text.Text("facet."+facet, nil) + v.text.Text("facet.colon", nil) + v.text.Text("rating.and_up", map[string]any{"Rating": v.text.Number(f, 1)})
	}
	if r.MinRating != nil {
		add(atLeast(search.FacetRating, *r.MinRating), "", func(r *search.Request) { r.MinRating = nil })
	}
	if r.MinInstructorRating != nil {
		add(atLeast(search.FacetInstructorRating, *r.MinInstructorRating), "", func(r *search.Request) { r.MinInstructorRating = nil })
	}
	if r.MinDuration != nil || r.MaxDuration != nil {
		add(v.durationText(joinRange(r.MinDuration, r.MaxDuration)), "", func(r *search.Request) { r.MinDuration, r.MaxDuration = nil, nil })
	}
	if r.Free {
		add(v.text.Text("price.free", nil), "", func(r *search.Request) { r.Free = false })
	}
	for _, s := range r.States {
		add(v.stateText(s), "", func(r *search.Request) { r.States = without(r.States, s) })
	}
}

func (v *visit) stateText(s string) string {
	if s == "*" {
		return v.text.Text("state.any", nil)
	}
	return v.text.Text("state."+s, nil)
}

// nameOf returns the name of an instructor, whom a filter names by id.
func (v *visit) nameOf(view *catalog.View, facet, value string) string {
	if facet != search.FacetInstructors {
		return ""
	}
	if who, err := view.InstructorFor(v.actor, catalog.InstructorID(value)); err == nil {
		return who.Value.Name
	}
	return value
}

func without(list []string, value string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == value })
}
