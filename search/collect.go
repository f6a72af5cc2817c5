package search

import (
	"slices"
	"sort"
)

// collector takes rows one by one and, in the same pass, filters them, counts the facets and keeps the first hits of the page.
type collector struct {
	p      *plan
	facets []*counter
	total  int
	rest   int   // that come after the cursor
	top    []key // sorted, at most p.limit
}

func (p *plan) newCollector() *collector {
	c := &collector{p: p, top: make([]key, 0, p.limit+1)}
	for _, name := range p.facets {
		own := slices.IndexFunc(p.groups, func(g group) bool { return g.facet == name })
		c.facets = append(c.facets, p.newCounter(name, own))
	}
	return c
}

// add takes a visible row that the query has found.
func (c *collector) add(i int32, r *row, score float64) {
	failed := -1
	for g := range c.p.groups {
		if c.p.groups[g].pass(r) {
			continue
		}
		if failed >= 0 {
			return // it fails two: no facet counts it
		}
		failed = g
	}
	if failed >= 0 {
		for _, f := range c.facets {
			if f.own == failed {
				f.count(r)
			}
		}
		return
	}
	c.total++
	for _, f := range c.facets {
		f.count(r)
	}
	c.keep(c.p.keyOf(i, r, score))
}

// keep takes a hit into the page if it is among the first that come after the cursor. Most are not, which their values tell without their
// ids.
func (c *collector) keep(k key) {
	o, n := &c.p.order, len(c.top)
	full := n == c.p.limit
	if o.after == nil && full && o.compareValues(&k, &c.top[n-1]) > 0 {
		c.rest++
		return
	}
	k.id = c.p.cols.details(k.row).id
	if o.after != nil && o.compare(&k, o.after) <= 0 {
		return
	}
	c.rest++
	if full {
		if o.compare(&k, &c.top[n-1]) >= 0 {
			return
		}
		c.top = c.top[:n-1]
	}
	at := sort.Search(len(c.top), func(j int) bool { return o.compare(&k, &c.top[j]) < 0 })
	c.top = slices.Insert(c.top, at, k)
}
