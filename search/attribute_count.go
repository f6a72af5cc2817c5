package search

import (
	"math"
	"strconv"
)

// Facet is what a batch counted of an attribute.
type Facet struct {
	Values []FacetValue // by count, then by value
	Stats  *Stats       // of a number that some course has
}

// facetCounter counts an attribute.
type facetCounter struct {
	name   string
	add    func(pg *page, list []uint8)
	result func() Facet
}

// facetNames are the attributes that are facets of a [Request] too, with the same values.
var facetNames = map[attribute]string{
	attrTags: FacetTags, attrCategory: FacetCategory, attrLevel: FacetLevel, attrLanguage: FacetLanguage, attrProvider: FacetProvider,
	attrInstructors: FacetInstructors, attrAvailability: FacetAvailability, attrDuration: FacetDuration,
}

// counter makes the counter of an attribute for one search; nil when there is no such attribute.
func (a *attributes) counter(p *plan, name, typed string) *facetCounter {
	kind, level := attributeOf(name)
	limit := p.req.FacetLimit
	if facet, ok := facetNames[kind]; ok {
		return p.facetCounter(name, facet, typed)
	}
	switch kind {
	case attrTagLabels:
		return namedCounter(name, a.tagNames(), func(pg *page) *lists { return &pg.hot.tags }, limit, typed)
	case attrInstructorNames:
		return namedCounter(name, a.instructorNames(), func(pg *page) *lists { return &pg.hot.instructors }, limit, typed)
	case attrCategoryLevel:
		return a.pathCounter(p, name, level, typed)
	case attrFree:
		return freeCounter(name, typed)
	case attrRating:
		return tenthsCounter(name, a.number(name), typed)
	case attrListed, attrNumber:
		return numberCounter(name, a.number(name), kind == attrListed, limit, typed)
	}
	return nil
}

// facetCounter counts as a Request does, whose filters play no part here.
func (p *plan) facetCounter(name, facet, typed string) *facetCounter {
	if typed != "" {
		own, req := *p, *p.req
		req.FacetQ = facet + ":" + typed
		own.req = &req
		p = &own
	}
	c := p.newCounter(facet, -1)
	return &facetCounter{name: name, add: c.count, result: func() Facet { return Facet{Values: c.values()} }}
}

// namedCounter counts courses by what their references are called: one with two tags of the same name counts once.
func namedCounter(name string, n *names, column func(*page) *lists, limit int, typed string) *facetCounter {
	counts := make([]int, len(n.of))
	add := func(pg *page, list []uint8) {
		l := column(pg)
		for _, j := range list {
			refs := l.of(j)
			for i, r := range refs {
				if int(r) < len(n.same) && !n.calledBefore(refs[:i], r) {
					counts[n.same[r]]++
				}
			}
		}
	}
	return &facetCounter{name: name, add: add, result: func() Facet {
		var list []FacetValue
		match := beginning(typed)
		for i, count := range counts {
			if count > 0 && match(n.of[i]) {
				list = append(list, FacetValue{Value: n.of[i], Count: count})
			}
		}
		return Facet{Values: topValues(list, limit)}
	}}
}

// calledBefore reports whether one of a row's references is called as r is.
func (l *names) calledBefore(refs []ref, r ref) bool {
	for _, before := range refs {
		if int(before) < len(l.same) && l.same[before] == l.same[r] {
			return true
		}
	}
	return false
}

// pathCounter counts courses by the path of their category down to a level.
func (a *attributes) pathCounter(p *plan, name string, level int, typed string) *facetCounter {
	leaves := p.newCounter(FacetCategory, -1)
	return &facetCounter{name: name, add: leaves.count, result: func() Facet {
		counts := map[string]int{}
		for i, n := range leaves.counts {
			if path := a.path(ref(i), level); n > 0 && path != "" {
				counts[path] += int(n)
			}
		}
		return Facet{Values: listCounts(counts, p.req.FacetLimit, typed)}
	}}
}

func listCounts(counts map[string]int, limit int, typed string) []FacetValue {
	list := make([]FacetValue, 0, len(counts))
	match := beginning(typed)
	for value, n := range counts {
		if n > 0 && match(value) {
			list = append(list, FacetValue{Value: value, Count: n})
		}
	}
	return topValues(list, limit)
}

func freeCounter(name, typed string) *facetCounter {
	var paid, free int
	add := func(pg *page, list []uint8) {
		for _, j := range list {
			if pg.rows[j].free {
				free++
			} else {
				paid++
			}
		}
	}
	return &facetCounter{name: name, add: add, result: func() Facet {
		return Facet{Values: listCounts(map[string]int{"true": free, "false": paid}, 0, typed)}
	}}
}

// tenthsCounter counts ratings. All tenths are listed, whatever the limit: menus of stars add them up.
func tenthsCounter(name string, number func(*row) float64, typed string) *facetCounter {
	const most = 5*10 + 1
	var counts [most]int
	var stats Stats
	add := func(pg *page, list []uint8) {
		for _, j := range list {
			n := number(&pg.rows[j])
			stats.add(n)
			if !math.IsNaN(n) {
				counts[min(max(tenthsOf(n), 0), most-1)]++
			}
		}
	}
	return &facetCounter{name: name, add: add, result: func() Facet {
		named := map[string]int{}
		for tenths, n := range counts {
			named[strconv.FormatFloat(float64(tenths)/10, 'f', -1, 64)] = n
		}
		return Facet{Values: listCounts(named, most, typed), Stats: stats.orNil()}
	}}
}

// numberCounter tells the bounds of a number and, where that makes sense, counts its values.
func numberCounter(name string, number func(*row) float64, listed bool, limit int, typed string) *facetCounter {
	counts := map[float64]int{}
	var stats Stats
	add := func(pg *page, list []uint8) {
		for _, j := range list {
			n := number(&pg.rows[j])
			stats.add(n)
			if listed && !math.IsNaN(n) {
				counts[n]++
			}
		}
	}
	return &facetCounter{name: name, add: add, result: func() Facet {
		named := make(map[string]int, len(counts))
		for n, count := range counts {
			named[strconv.FormatFloat(n, 'f', -1, 64)] = count
		}
		return Facet{Values: listCounts(named, limit, typed), Stats: stats.orNil()}
	}}
}

func (s *Stats) orNil() *Stats {
	if s.N == 0 {
		return nil
	}
	return s
}
