package search

import (
	"context"
	"crypto/rand"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
)

// Search answers a request. The response may be shared with other callers: it must not be changed. Errors: fault.InvalidParameter,
// fault.InvalidQuery, fault.InvalidCursor, fault.QueryTooBroad; fault.NotReady while the first build is under way; fault.Overloaded when too many
// searches wait, or this one takes too long.
func (x *Index) Search(ctx context.Context, req Request) (*Response, error) {
	start := time.Now()
	if err := req.validate(); err != nil {
		return nil, err
	}
	q, err := query.Parse(req.Q)
	if err != nil {
		return nil, err
	}
	found, err := x.answer(ctx, &req, q)
	if err != nil {
		return nil, err
	}
	resp := *found
	resp.QueryID = rand.Text()
	resp.TookMS = float64(time.Since(start).Microseconds()) / 1000
	return &resp, nil
}

// answer takes a response from those that are kept, or else makes it.
func (x *Index) answer(ctx context.Context, req *Request, q query.Query) (resp *Response, err error) {
	gen, err := x.acquire()
	if err != nil {
		return nil, err
	}
	defer gen.reader.release()
	key := x.resultKey(gen, req)
	if resp, ok := x.results.get(key); ok {
		return resp, nil
	}
	turn, err := x.admission.admit(ctx, isHeavy(q) || x.heavy.has(req.Q))
	if err != nil {
		return nil, err
	}
	defer turn.end()
	defer x.broken(ctx, &err)()
	timed, cancel := context.WithTimeout(ctx, maxDuration)
	defer cancel()
	turn.over(timed, gen.cols.n)
	p, err := x.newPlan(gen, req, q)
	if err != nil {
		return nil, err
	}
	p.turn = turn
	resp, err = p.run(timed)
	if turn.slow {
		x.heavy.add(req.Q)
	}
	if err != nil {
		return nil, deadline(ctx, err)
	}
	resp.Seq, resp.AsOf = gen.cursor.Seq, strconv.FormatUint(uint64(gen.cursor.Seq), 10)
	x.results.put(key, resp)
	return resp, nil
}

// broken turns the fault of an index that was damaged while it was open into an error. The next start sets it aside.
func (x *Index) broken(ctx context.Context, err *error) func() {
	restore := guard(err)
	return func() {
		if p := recover(); p != nil {
			*err = fault.New("search.Search", fault.Internal)
			x.cfg.Logger.ErrorContext(ctx, "search: the index is damaged; a restart builds it again", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
		restore()
	}
}

// run finds, counts and shows.
func (p *plan) run(ctx context.Context) (*Response, error) {
	c, m, done, err := p.find()
	if err != nil {
		return nil, err
	}
	defer done()
	resp := &Response{Total: c.total, Facets: map[string][]FacetValue{}}
	for _, f := range c.facets {
		resp.Facets[f.name] = f.values()
	}
	if m != nil {
		resp.Relaxed = m.relaxed
		if resp.Corrected, err = p.correct(m, c.total); err != nil {
			return nil, err
		}
	}
	if err := p.next(resp, c); err != nil {
		return nil, err
	}
	return resp, p.show(ctx, resp, c, m)
}

// manyRows is the part of all rows from which on filters are worked out for all of them, and kept.
const manyRows = 8

// find finds and counts. done gives back what the matches live in.
func (p *plan) find() (c *collector, m *matches, done func(), err error) {
	c, done = p.newCollector(), func() {}
	if needsIndex(p.query) {
		if m, done, err = p.match(); err != nil {
			return nil, nil, nil, err
		}
	}
	if m == nil || m.words == 0 || len(m.rows) > p.cols.n/manyRows {
		p.look()
	}
	everything := m == nil && len(p.groups) == 0 && len(p.conditions) == 0
	if everything {
		c.recall()
	}
	p.collect(c, m)
	if everything {
		c.remember()
	}
	return c, m, done, nil
}

// needsIndex reports whether a query has words or phrases; without, the columns alone answer.
func needsIndex(q query.Query) bool {
	for _, c := range q.Clauses {
		if c.Kind != query.KindField {
			return true
		}
	}
	return false
}

// newMatcher borrows what a search looks words up with. After done, or an error, nothing of it may be used.
func (p *plan) newMatcher() (m *matcher, done func(), err error) {
	l, err := p.reader.lookup()
	if err != nil {
		return nil, nil, err
	}
	s, seen := p.x.borrow(p.cols.n), p.sight()
	s.visible, s.explain = seen.visible, p.req.Explain
	m = &matcher{
		scratch: s, lookup: l, turn: p.turn, ranking: p.x.ranking, cols: p.cols, words: p.x.dicts.words, total: seen.total,
		out: &matches{score: s.score, found: s.found, visible: s.visible, rows: s.rows},
	}
	return m, func() {
		p.reader.lookups.Put(l)
		p.x.giveBack(s, m.out.rows)
	}, nil
}

// match looks the query's words up. done gives back what the result lives in.
func (p *plan) match() (found *matches, done func(), err error) {
	m, done, err := p.newMatcher()
	if err != nil {
		return nil, nil, err
	}
	if err := m.run(p, p.query); err != nil {
		return nil, nil, err // and the scratch is not used again
	}
	for _, c := range p.query.Clauses {
		if c.Kind == query.KindField || !c.Not {
			continue
		}
		rows, err := m.exclude(p, c)
		if err != nil {
			return nil, nil, err
		}
		m.hide(rows)
	}
	p.pin(m.out)
	return m.out, done, nil
}

// fewRows is the part of all rows up to which the rows that were found are put in order, rather than looked for among all.
const fewRows = 64

// few returns the rows with any of the words in the order of the columns, when they are few enough for that to pay; else nil.
func (m *matches) few(n int) []int32 {
	if m.words == 0 || len(m.rows) > n/fewRows {
		return nil
	}
	slices.Sort(m.rows)
	m.rows = slices.Compact(m.rows) // a pin may be there twice
	return m.rows
}

// taker takes rows of a page that the caller sees and the query has found.
type taker interface {
	add(n int, p *page, list []uint8, m *matches)
}

// collect hands the rows that were found to the collector: with words those that have them, else every row that the caller sees and, when m is
// not nil, that is not excluded.
func (p *plan) collect(c taker, m *matches) {
	var room [pageRows]uint8
	need := 1
	var few []int32
	if m != nil {
		need, few = max(m.need, 1), m.few(p.cols.n)
	}
	for n, pg := range p.cols.pages {
		first := n * pageRows
		last := min(first+pageRows, p.cols.n)
		list := room[:0]
		switch {
		case few != nil:
			for ; len(few) > 0 && int(few[0]) < last; few = few[1:] {
				if i := few[0]; m.found[i].words() >= need && m.visible[i] {
					list = append(list, uint8(int(i)-first)) //nolint:gosec // pageRows is 256
				}
			}
		case m != nil && m.words > 0:
			for j, found := range m.found[first:last] {
				if found.words() >= need && m.visible[first+j] {
					list = append(list, uint8(j))
				}
			}
		default:
			list = p.seen(pg.hot, list)
			if m != nil {
				list = slices.DeleteFunc(list, func(j uint8) bool { return !m.visible[first+int(j)] })
			}
		}
		if len(p.conditions) > 0 {
			list = slices.DeleteFunc(list, func(j uint8) bool { return !p.meets(&pg.rows[j]) })
		}
		if len(list) > 0 {
			c.add(n, pg, list, m)
		}
	}
}

// next sets the cursor of the next page, when there is one.
func (p *plan) next(resp *Response, c *collector) error {
	if c.rest <= len(c.top) || len(c.top) == 0 {
		return nil
	}
	next, err := p.writeCursor(&c.top[len(c.top)-1])
	resp.Next = &next
	return err
}

// show makes the hits of the page from the catalog, which may be newer than the index: what the caller may not see any more is left out.
func (p *plan) show(ctx context.Context, resp *Response, c *collector, m *matches) error {
	resp.Hits = make([]Hit, 0, len(c.top))
	return p.x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for _, k := range c.top {
			course, err := v.SharedCourseFor(p.req.Actor, k.id)
			if fault.Is(err, fault.NotFound) || err == nil && !p.wants(course.Value) {
				continue
			}
			if err != nil {
				return err
			}
			h, j := p.cols.hot(k.row)
			hit := Hit{ID: k.id, Score: p.score(m, k.row, h, j), Highlights: map[string]string{}}
			if hit.Course, err = v.Card(course, p.locale); err != nil {
				return err
			}
			if m != nil {
				hit.Highlights = m.marks.highlights(&course.Value, p.locale)
			}
			if p.req.Explain {
				hit.Explain = p.explain(m, k.row)
			}
			resp.Hits = append(resp.Hits, hit)
		}
		return nil
	})
}

// wants reports whether a course, as the catalog has it now, is still in a state that was asked for.
func (p *plan) wants(c catalog.Course) bool {
	org, ok := p.x.dicts.orgs.find(string(catalog.OrgOf(string(c.ID))))
	if !ok {
		org = 0
	}
	return int(org) < len(p.allowed) && p.allowed[org]>>stateOf(c.State)&1 == 1
}
