package search

import (
	"math"
	"slices"
	"sort"
)

// collector takes rows one by one and, in the same pass, filters them, counts the facets and keeps the first hits of the page.
type collector struct {
	p      *plan
	facets []*counter
	total  int
	rest   int     // that come after the cursor
	top    []key   // sorted, at most p.limit
	worst  float64 // rows with a greater number are not in top
}

func (p *plan) newCollector() *collector {
	c := &collector{p: p, top: make([]key, 0, p.limit+1), worst: math.Inf(1)}
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
	num, missing := c.p.valueOf(r, score)
	if num > c.worst && !missing { // most rows are not among the first, which this tells without more ado
		c.rest++
		return
	}
	c.keep(key{num: num, missing: missing, row: i})
}

// keep takes a hit into the page if it is among the first that come after the cursor.
func (c *collector) keep(k key) {
	o, n := &c.p.order, len(c.top)
	k.id = c.p.cols.details(k.row).id
	if o.by == SortTitle {
		k.text = c.p.cols.titleKey(k.row, o.locale)
	}
	if o.after != nil && o.compare(&k, o.after) <= 0 {
		return
	}
	c.rest++
	if n == c.p.limit {
		if o.compare(&k, &c.top[n-1]) >= 0 {
			return
		}
		c.top = c.top[:n-1]
	}
	at := sort.Search(len(c.top), func(j int) bool { return o.compare(&k, &c.top[j]) < 0 })
	c.top = slices.Insert(c.top, at, k)
	if last := &c.top[len(c.top)-1]; o.after == nil && len(c.top) == c.p.limit && !last.missing {
		c.worst = last.num
	}
}
