package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/search"
)

// query is the state of the search page: what its address says.
type query struct{ req search.Request }

// hitsShown is how many courses a page of results has. With all facets the page stays below 60 kB, in Chinese too.
const hitsShown = 15

// pageParams are parameters of search that the page decides itself; those in the address are ignored.
var pageParams = []string{"facets", "facet_limit", "facet_q", "limit", "explain", "after", "locale"}

// parseQuery reads the address of the search page. Names that it does not know are ignored, as the contract says of pages; a bad value is
// fault.InvalidParameter. Forms send empty values, and a parameter twice when two controls have its name: the first that says something counts.
func parseQuery(v url.Values) (query, error) {
	params := url.Values{}
	for name, values := range v {
		if !search.KnownParam(name) || slices.Contains(pageParams, name) {
			continue
		}
		values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return strings.TrimSpace(s) == "" })
		if len(values) > 1 && !repeats(name) {
			values = values[:1]
		}
		if len(values) > 0 {
			params[name] = values
		}
	}
	if d := strings.TrimSpace(v.Get("duration")); d != "" {
		low, high, _ := strings.Cut(d, "-")
		params.Set("min_duration", low)
		params.Set("max_duration", high)
	}
	req, err := search.ParseParams(params)
	if err != nil {
		return query{}, err
	}
	req.Facets, req.FacetLimit, req.Limit = []string{"*"}, facetValues, hitsShown
	req.FacetQ = facetQuery(v)
	return query{req}, nil
}

// repeats reports whether a parameter may be given several times.
func repeats(name string) bool {
	return slices.ContainsFunc(facetParams, func(f facetParam) bool { return f.param == name && !f.one }) || name == "state"
}

// withinPrefix begins the names of the fields that search within a facet: "in_tags".
const withinPrefix = "in_"

// facetQuery returns the first search within a facet, as search wants it: "tags:py".
func facetQuery(v url.Values) string {
	for _, f := range facetParams {
		if s := strings.TrimSpace(v.Get(withinPrefix + f.name)); s != "" && !f.one {
			return f.name + ":" + s[:min(len(s), search.MaxValueBytes/2)]
		}
	}
	return ""
}

// with returns a copy that fn changed, from its first page.
func (q query) with(fn func(*search.Request)) query {
	r := q.req
	r.Cursor = ""
	fn(&r)
	return query{r}
}

// url returns the page's address for this query: only what differs from the plain page, so that it can be read and shared.
func (q query) url() string { return withQuery("/", q.params()) }

func (q query) params() url.Values {
	r := q.req
	r.Facets, r.FacetLimit, r.FacetQ, r.Limit, r.Explain = nil, 0, "", 0, false
	v := r.Values()
	if r.MinDuration != nil || r.MaxDuration != nil {
		v.Del("min_duration")
		v.Del("max_duration")
		v.Set("duration", joinRange(r.MinDuration, r.MaxDuration))
	}
	return v
}

// sort returns the order in force: what was asked for, else relevance, or rating when there are no words.
func (q query) sort() string {
	switch {
	case q.req.Sort != "":
		return q.req.Sort
	case q.req.Q == "":
		return search.SortRating
	}
	return search.SortRelevance
}

// plain reports whether nothing is asked: the page as one enters it.
func (q query) plain() bool {
	v := q.params()
	v.Del("sort")
	return len(v) == 0
}

// hiddenField carries through the form a filter that has no control on the page.
type hiddenField struct{ Name, Value string }

// hidden lists them: all_tags, state, and bounds that are none of the buckets.
func (q query) hidden(facets []facet) []hiddenField {
	v := q.params()
	var list []hiddenField
	for _, name := range []string{"all_tags", "state", "min_rating", "min_instructor_rating", "duration"} {
		shown := slices.ContainsFunc(facets, func(f facet) bool { return f.Param == name && !f.AnySet })
		for _, value := range v[name] {
			if !shown {
				list = append(list, hiddenField{name, value})
			}
		}
	}
	return list
}
