package searchtest

import (
	"math"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// filters are by the facet that ignores them.
func (o *Oracle) filters(req search.Request) map[string]func(*doc) bool {
	m := map[string]func(*doc) bool{}
	lists := map[string][]string{
		search.FacetTags: req.Tags, search.FacetCategory: req.Categories, search.FacetLevel: req.Levels, search.FacetLanguage: req.Languages,
		search.FacetProvider: req.Providers, search.FacetInstructors: req.Instructors, search.FacetAvailability: req.Availabilities,
	}
	for facet, values := range lists {
		if len(values) > 0 {
			m[facet] = o.filter(facet, values)
		}
	}
	for i, tag := range req.AllTags {
		m["all_tags"+string(rune('0'+i))] = o.filter(search.FacetTags, []string{tag})
	}
	if req.MinRating != nil {
		m[search.FacetRating] = func(d *doc) bool { return atLeast(d.cards[catalog.English].Rating, *req.MinRating) }
	}
	if req.MinInstructorRating != nil {
		m[search.FacetInstructorRating] = func(d *doc) bool {
			return atLeast(d.cards[catalog.English].InstructorRating, *req.MinInstructorRating)
		}
	}
	if req.MinDuration != nil || req.MaxDuration != nil {
		m[search.FacetDuration] = func(d *doc) bool {
			n := d.course.DurationMinutes
			return n > 0 && (req.MinDuration == nil || n >= *req.MinDuration) && (req.MaxDuration == nil || n <= *req.MaxDuration)
		}
	}
	if req.Free {
		m["free"] = func(d *doc) bool { return d.course.Price != nil && *d.course.Price == 0 }
	}
	return m
}

// filter accepts courses that have one of the values in a facet, by slug or, of instructors, by name.
func (o *Oracle) filter(facet string, values []string) func(*doc) bool {
	return func(d *doc) bool {
		have := o.facetValues(facet, d)
		for _, v := range values {
			if slices.ContainsFunc(have, func(h string) bool { return slug(h) == slug(v) }) {
				return true
			}
			if facet != search.FacetInstructors {
				continue
			}
			if slices.ContainsFunc(d.cards[catalog.English].Instructors, func(i catalog.CardInstructor) bool { return i.Name == v }) {
				return true
			}
		}
		return false
	}
}

func slug(v string) string {
	if org, rest, found := strings.Cut(v, "~"); found {
		return org + "~" + catalog.Slug(rest)
	}
	return catalog.Slug(v)
}

// facetValues are a course's values of a facet.
func (o *Oracle) facetValues(facet string, d *doc) []string {
	card := d.cards[catalog.English]
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	switch facet {
	case search.FacetTags:
		var list []string
		for _, t := range card.Tags {
			list = append(list, string(t))
		}
		slices.Sort(list)
		return slices.Compact(list)
	case search.FacetCategory:
		return d.above
	case search.FacetLevel:
		return one(string(d.course.Level))
	case search.FacetLanguage:
		return one(string(d.course.Language))
	case search.FacetProvider:
		return one(d.course.Provider)
	case search.FacetInstructors:
		var list []string
		for _, i := range card.Instructors {
			list = append(list, string(i.ID))
		}
		slices.Sort(list)
		return slices.Compact(list)
	case search.FacetRating:
		return ratingBuckets(card.Rating)
	case search.FacetInstructorRating:
		return ratingBuckets(card.InstructorRating)
	case search.FacetDuration:
		return durationBucket(d.course.DurationMinutes)
	}
	return one(string(catalog.AvailabilityAt(d.course, o.now)))
}

func ratingBuckets(rating *float64) (list []string) {
	for _, b := range []struct {
		value string
		least float64
	}{{"4.5", 4.5}, {"4", 4}, {"3.5", 3.5}, {"3", 3}} {
		if atLeast(rating, b.least) {
			list = append(list, b.value)
		}
	}
	return list
}

func durationBucket(minutes int) (list []string) {
	for _, b := range []struct {
		value       string
		least, most int
	}{{"0-60", 1, 60}, {"60-180", 60, 180}, {"180-600", 180, 600}, {"600-", 600, math.MaxInt}} {
		if minutes >= b.least && minutes <= b.most {
			list = append(list, b.value)
		}
	}
	return list
}
