package search

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
)

// collector takes the rows of one page of the columns after another and, in the same pass, filters them, counts the facets and keeps the first hits.
type collector struct {
	p      *plan
	facets []*counter
	passed [pageRows]uint8
	failed [][]uint8 // by group: the rows of the page that fail it alone
	total  int
	rest   int     // that come after the cursor
	top    []key   // sorted, at most p.limit
	worst  float64 // rows with a greater number are not in top
}

func (p *plan) newCollector() *collector {
	c := &collector{p: p, top: make([]key, 0, p.limit+1), worst: math.Inf(1), failed: make([][]uint8, len(p.groups))}
	for _, name := range p.facets {
		own := slices.IndexFunc(p.groups, func(g group) bool { return g.facet == name })
		c.facets = append(c.facets, p.newCounter(name, own))
	}
	return c
}

// recall takes the counts of facets over all that the caller sees, whatever the words and filters, from those that are kept. Many pages begin with them.
func (c *collector) recall() {
	for _, f := range c.facets {
		if counts, ok := c.p.x.counts.get(c.p.countsKey(f)); ok && len(counts) == len(f.counts) {
			copy(f.counts, counts)
			f.kept = true
		}
	}
}

// remember keeps the counts of facets over all that the caller sees. Whether one can enroll depends on the time.
func (c *collector) remember() {
	for _, f := range c.facets {
		if !f.kept && f.name != FacetAvailability {
			c.p.x.counts.put(c.p.countsKey(f), slices.Clone(f.counts))
		}
	}
}

// countsKey names the counts of a facet over all that the caller sees.
func (p *plan) countsKey(f *counter) []byte {
	key := append(binary.LittleEndian.AppendUint64(nil, p.cols.id), p.allowed...)
	return append(append(key, 0xff), f.name...)
}

// add takes rows of a page that the caller sees and the query has found.
func (c *collector) add(n int, p *page, list []uint8, m *matches) {
	passed := c.filter(n, p, list)
	c.total += len(passed)
	for _, f := range c.facets {
		if f.kept {
			continue
		}
		f.count(p, passed)
		if f.own >= 0 {
			f.count(p, c.failed[f.own])
		}
	}
	first := int32(n * pageRows) //nolint:gosec // far fewer than 2^31
	for _, j := range passed {
		i := first + int32(j)
		num, missing, hopeless := c.value(p, j, i, m)
		if hopeless || num > c.worst && !missing { // most rows are not among the first, which this tells without more ado
			c.rest++
			continue
		}
		c.keep(key{num: num, missing: missing, row: i})
	}
}

// value is plan.valueOf, but that it gives a row up as soon as it is clear that it cannot be among the first, whatever its other factors. That spares most
// rows of a search for common words the whole sum.
func (c *collector) value(pg *page, j uint8, i int32, m *matches) (num float64, missing, hopeless bool) {
	p := c.p
	if p.order.by != SortRelevance || !p.order.turned || m == nil || p.pinned != nil || math.IsInf(c.worst, 1) {
		num, missing = p.valueOf(pg, j, i, m)
		return num, missing, false
	}
	r := p.x.ranking
	match, text := p.wordFactors(m, i)
	title := 0.0
	if p.mayHold(m, i) {
		title = r.phrase
	}
	if -(match + text + title + r.small) > c.worst {
		return 0, false, true
	}
	sum := p.factors(pg.hot, j).sum()
	if title > 0 && -(match+text+title+sum) <= c.worst {
		title = p.phrase(m, i)
	}
	num = -(match + text + title + sum) // in the order of plan.score: equal hits must be equal to the last bit
	return num, false, false
}

// filter returns the rows that pass all filters, and leaves those that fail a single one in failed: that one's facet counts them still.
func (c *collector) filter(n int, p *page, list []uint8) []uint8 {
	groups := c.p.groups
	if len(groups) == 0 {
		return list
	}
	passed := c.passed[:0]
	for g := range c.failed {
		c.failed[g] = c.failed[g][:0]
	}
next:
	for _, j := range list {
		failed := -1
		for g := range groups {
			if groups[g].passes(n*pageRows+int(j), &p.rows[j]) {
				continue
			}
			if failed >= 0 {
				continue next // it fails two: no facet counts it
			}
			failed = g
		}
		if failed >= 0 {
			c.failed[failed] = append(c.failed[failed], j)
		} else {
			passed = append(passed, j)
		}
	}
	return passed
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
