package search

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Limits of a batch.
const (
	MaxAsks        = 50     // searches in a batch: a page of widgets sends one more than it has filters
	MaxTerms       = 1000   // in the filters of a batch
	MaxReach       = 10_000 // hits that paging by number reaches; a cursor goes further
	MaxFacetValues = 1000   // values listed of a facet
)

// Batch is several searches for the same words by the same caller. One pass over what the words find answers them all, whatever their filters:
// it notes which rows meet each clause, and a search takes the rows that meet all of its own.
//
// Unlike the filters of a [Request], those of an [Ask] hold for its facets too: who wants counts that ignore one asks once more without it.
type Batch struct {
	Actor  catalog.Actor
	Locale catalog.Locale
	Q      string
	Asks   []Ask
}

// Ask is one search of a batch.
type Ask struct {
	Filters     []Clause // all must hold
	Sort        string   // as in [Request]
	Offset      int
	Limit       int      // 0 is no hits
	Facets      []string // of [Attributes]; others are left out
	FacetLimit  int      // 0 is DefaultFacetLimit
	FacetPrefix string   // only values of which a word, of theirs or of their labels, begins so
}

// BatchResponse is what a batch found.
type BatchResponse struct {
	Answers   []Answer // in the order of the asks
	Found     *Found   // marks the query's words in texts
	Corrected string
	Relaxed   bool
	QueryID   string
	Seq       coursesync.Seq
	Took      time.Duration
}

// Answer is what one search of a batch found.
type Answer struct {
	Total  int
	Hits   []BatchHit
	Facets map[string]Facet
}

// BatchHit is a course found, with what its card leaves out.
type BatchHit struct {
	Course      catalog.Card
	Description string
	Score       float64
	TagLabels   []string // of Course.Tags, in the caller's language
	Categories  []string // labels, from the top to the course's own
}

// SearchBatch answers a batch. Errors: as [Index.Search].
func (x *Index) SearchBatch(ctx context.Context, b Batch) (resp *BatchResponse, err error) {
	start := time.Now()
	req := Request{Actor: b.Actor, Locale: b.Locale, Q: b.Q}
	if err := b.validate(&req); err != nil {
		return nil, err
	}
	q, err := query.Parse(b.Q)
	if err != nil {
		return nil, err
	}
	turn, err := x.admission.admit(ctx, isHeavy(q))
	if err != nil {
		return nil, err
	}
	defer turn.end()
	gen, err := x.acquire()
	if err != nil {
		return nil, err
	}
	defer gen.reader.release()
	defer x.broken(ctx, &err)()
	timed, cancel := context.WithTimeout(ctx, maxDuration)
	defer cancel()
	p, err := x.newPlan(gen, &req, q)
	if err != nil {
		return nil, err
	}
	p.turn = turn
	turn.over(timed, gen.cols.n)
	if resp, err = p.runBatch(timed, b.Asks); err != nil {
		return nil, deadline(ctx, err)
	}
	resp.Seq, resp.QueryID, resp.Took = gen.cursor.Seq, rand.Text(), time.Since(start)
	return resp, nil
}

func (b *Batch) validate(req *Request) error {
	if err := req.validate(); err != nil {
		return err
	}
	if len(b.Asks) > MaxAsks {
		return badParam("requests", "", fault.TooMany, "max", MaxAsks)
	}
	terms := 0
	for i := range b.Asks {
		a := &b.Asks[i]
		for _, c := range a.Filters {
			terms += len(c)
		}
		switch sort := (&Request{Sort: a.Sort}).validate(); {
		case sort != nil:
			return sort
		case a.Offset < 0 || a.Limit < 0 || a.Limit > MaxLimit || a.Offset+a.Limit > MaxReach:
			return badParam("page", "", fault.OutOfRange, "min", 0, "max", MaxReach)
		case a.FacetLimit < 0 || a.FacetLimit > MaxFacetValues:
			return badParam("facet_limit", "", fault.OutOfRange, "min", 1, "max", MaxFacetValues)
		}
	}
	if terms > MaxTerms {
		return badParam("filters", "", fault.TooMany, "max", MaxTerms)
	}
	return nil
}

// runBatch is run for a batch.
func (p *plan) runBatch(ctx context.Context, asks []Ask) (*BatchResponse, error) {
	t, err := p.newTeller(asks)
	if err != nil {
		return nil, err
	}
	var m *matches
	if needsIndex(p.query) {
		found, done, err := p.match()
		if err != nil {
			return nil, err
		}
		defer done()
		m = found
	}
	p.collect(t, m)
	resp := &BatchResponse{Found: p.newFound(m)}
	total := 0
	for _, part := range t.parts {
		total = max(total, part.total)
		answer := Answer{Total: part.total, Facets: map[string]Facet{}}
		for _, f := range part.facets {
			answer.Facets[f.name] = f.result()
		}
		if answer.Hits, err = part.show(ctx, m); err != nil {
			return nil, err
		}
		resp.Answers = append(resp.Answers, answer)
	}
	if m != nil {
		resp.Relaxed = m.relaxed
		if resp.Corrected, err = p.correct(m, total); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// teller takes the rows that the words found, and tells each search of a batch those that meet its filters.
type teller struct {
	clauses []func(*row) bool // each once, however many searches have it
	parts   []*part
	meets   [][pageRows]bool // by clause: the rows of the page at hand
	passed  [pageRows]uint8
}

// part is one search of a batch at work.
type part struct {
	*plan
	clauses []int // places in teller.clauses
	facets  []*facetCounter
	total   int
	skip    int
	best    best
}

func (p *plan) newTeller(asks []Ask) (*teller, error) {
	t := &teller{}
	places := map[string]int{}
	shared := &attributes{plan: p}
	for i := range asks {
		a := &asks[i]
		own := *p
		own.req = &Request{Actor: p.req.Actor, Locale: p.req.Locale, Q: p.req.Q, Sort: a.Sort, FacetLimit: a.FacetLimit}
		own.order = order{}
		if err := own.newOrder(); err != nil {
			return nil, err
		}
		one := &part{plan: &own, skip: a.Offset}
		if a.Limit > 0 {
			one.best.limit = a.Offset + a.Limit
		}
		for _, c := range a.Filters {
			at, known := places[c.String()]
			if !known {
				at = len(t.clauses)
				places[c.String()] = at
				t.clauses = append(t.clauses, shared.clause(c))
			}
			one.clauses = append(one.clauses, at)
		}
		for _, name := range a.Facets {
			if f := shared.counter(&own, name, a.FacetPrefix); f != nil {
				one.facets = append(one.facets, f)
			}
		}
		t.parts = append(t.parts, one)
	}
	t.meets = make([][pageRows]bool, len(t.clauses))
	return t, nil
}

// add implements taker.
func (t *teller) add(n int, pg *page, list []uint8, m *matches) {
	for c, holds := range t.clauses {
		for _, j := range list {
			t.meets[c][j] = holds(&pg.rows[j])
		}
	}
	for _, one := range t.parts {
		passed := list
		if len(one.clauses) > 0 {
			passed = t.passed[:0]
		next:
			for _, j := range list {
				for _, c := range one.clauses {
					if !t.meets[c][j] {
						continue next
					}
				}
				passed = append(passed, j)
			}
		}
		one.add(n, pg, passed, m)
	}
}

func (one *part) add(n int, pg *page, passed []uint8, m *matches) {
	one.total += len(passed)
	for _, f := range one.facets {
		f.add(pg, passed)
	}
	if one.best.limit == 0 {
		return
	}
	first := int32(n * pageRows) //nolint:gosec // far fewer than 2^31
	for _, j := range passed {
		i := first + int32(j)
		num, missing := one.valueOf(pg, j, i, m)
		if one.best.full && !missing && num > one.best.bound.num && !one.best.bound.missing {
			continue // most rows are not among the first
		}
		k := key{num: num, missing: missing, id: one.cols.details(i).id, row: i}
		if one.order.by == SortTitle {
			k.text = one.cols.titleKey(i, one.order.locale)
		}
		one.best.add(&one.order, k)
	}
}

// best keeps the first hits of an order. It holds up to twice as many as are wanted and sorts when it is full: so each costs a logarithm, also
// when the thousandth page is asked for.
type best struct {
	limit int
	keys  []key
	full  bool // bound is the last of the first
	bound key
}

func (b *best) add(o *order, k key) {
	if b.full && o.compare(&k, &b.bound) >= 0 {
		return
	}
	if b.keys = append(b.keys, k); len(b.keys) == 2*b.limit {
		b.cut(o)
	}
}

// cut sorts, and drops what is not among the first.
func (b *best) cut(o *order) {
	slices.SortFunc(b.keys, func(x, y key) int { return o.compare(&x, &y) })
	if len(b.keys) >= b.limit {
		b.keys = b.keys[:b.limit]
		b.full = b.limit > 0
	}
	if b.full {
		b.bound = b.keys[b.limit-1]
	}
}

// show makes the hits of the page, as plan.show does.
func (one *part) show(ctx context.Context, m *matches) ([]BatchHit, error) {
	one.best.cut(&one.order)
	keys := one.best.keys[min(one.skip, len(one.best.keys)):]
	hits := make([]BatchHit, 0, len(keys))
	if len(keys) == 0 {
		return hits, nil
	}
	return hits, one.x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for _, k := range keys {
			course, err := v.SharedCourseFor(one.req.Actor, k.id)
			if fault.Is(err, fault.NotFound) || err == nil && !one.wants(course.Value) {
				continue
			}
			if err != nil {
				return err
			}
			h, j := one.cols.hot(k.row)
			hit := BatchHit{Score: one.score(m, k.row, h, j)}
			if hit.Course, err = v.Card(course, one.locale); err != nil {
				return err
			}
			text, _ := course.Value.TextIn(one.locale)
			hit.Description = text.Description
			hit.TagLabels = one.tagLabels(hit.Course.Tags)
			hit.Categories = one.categoryLabels(course.Value.Category)
			hits = append(hits, hit)
		}
		return nil
	})
}
