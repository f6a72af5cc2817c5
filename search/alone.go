package search

import (
	"context"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
)

// This file makes an index of one course: a segment in memory and columns of a single row, on which the same code answers that searches all courses.

// alone is one course, as an index of its own.
type alone struct {
	x     *Index
	row   int32 // in the columns of all
	org   catalog.OrgID
	cols  *columns // of the one row
	terms [fieldCount]index.TokenFrequencies
	m     *matcher
}

// alone returns a published course as an index of its own; nil when the generation has none under that row. page has room for it, and is good for one course at
// a time. Columns are those of the generation, texts those of the catalog, which may be newer: then their change is still to come.
func (x *Index) alone(ctx context.Context, gen *generation, i int32, pg *page) (*alone, error) {
	if int(i) >= gen.cols.n || gen.cols.row(i).state != published {
		return nil, nil
	}
	a := &alone{x: x, row: i}
	pg.rows[0], pg.details[0] = *gen.cols.row(i), *gen.cols.details(i)
	pg.lengths[0] = gen.cols.pages[int(i)/pageRows].lengths[int(i)%pageRows]
	a.cols = &columns{
		pages: []*page{pg}, n: 1, tags: gen.cols.tags, categories: gen.cols.categories, instructors: gen.cols.instructors, tagged: gen.cols.tagged,
		taught: gen.cols.taught, prior: gen.cols.prior,
	}
	id := pg.details[0].id
	a.org = catalog.OrgOf(string(id))
	t := &terms{vocabulary: x.dicts.words}
	err := x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		course, err := v.SharedCourseFor(catalog.System, id)
		if err == nil {
			t.texts = gen.cols.passages(x.dicts, &course.Value)
		}
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t.analyze()
	a.terms = t.freqs
	a.m = a.matcher(ctx)
	return a, nil
}

// matcher returns what looks words up in the course.
func (a *alone) matcher(ctx context.Context) *matcher {
	s := &scratch{
		visible: []bool{true}, score: make([]float32, 1), found: make([]tallied, 1), best: make([]float32, 1), tier: make([]uint8, 1), tally: make([]tally, 1),
	}
	one := &oneSegment{}
	for i := range one.fields {
		one.fields[i].terms = a.terms[i]
	}
	return &matcher{
		scratch: s, turn: unhurried(ctx), ranking: a.x.ranking, cols: a.cols, words: a.x.dicts.words, total: 1,
		lookup: &lookup{views: []view{{segment: one, rows: []int32{0}}}, dicts: make([][fieldCount]segment.TermDictionary, 1), kept: newCache(0, func(postings) int64 { return 1 })},
		out:    &matches{score: s.score, found: s.found, visible: s.visible},
	}
}

// unhurried is a turn for the index's own sake: it takes no place from anybody's search, and is bounded by its context and by how much it looks up.
func unhurried(ctx context.Context) *turn { return &turn{ctx: ctx, slow: true} }

// found reports whether something that was looked up found the course, and forgets it.
func (a *alone) found(err error) (bool, error) {
	found := len(a.m.current) > 0
	a.m.drop()
	a.m.out.marks = marker{}
	return found, err
}

// stands reports whether the course has a word as it stands, by what it means or in pinyin. What begins so is not looked for: that is seen by the course's keys.
func (a *alone) stands(w *word, meanings []string) (bool, error) {
	if found, err := a.found(a.m.forms(&w.Word, tierExact, tierStem)); found || err != nil {
		return found, err
	}
	for _, text := range meanings {
		if meant, err := a.m.meaning(text); err != nil || len(meant.rows) > 0 {
			return err == nil, err
		}
	}
	return a.found(a.m.pinyin(w))
}

// mean looks up what a word means.
func (m *matcher) mean(w *word, meanings []string) error {
	w.meant = nil
	for _, text := range meanings {
		meant, err := m.meaning(text)
		if err != nil {
			return err
		}
		w.meant = append(w.meant, meant)
	}
	return nil
}

// passes reports whether the course passes the filters of a request and has what a query demands beside its words: phrases and fields, and nothing that is
// excluded.
func (a *alone) passes(req *Request, q query.Query) (bool, error) {
	p := &plan{x: a.x, req: req, cols: a.cols, query: q, now: a.x.cfg.Now().UnixMicro(), locale: catalog.English, selected: map[string][]ref{}, turn: a.m.turn}
	p.filter()
	p.conditionsOf(q)
	r := a.cols.row(0)
	for i := range p.groups {
		if !p.groups[i].pass(r) {
			return false, nil
		}
	}
	if !p.meets(r) {
		return false, nil
	}
	for _, c := range q.Clauses {
		if ok, err := a.holds(p, c); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// holds reports whether a phrase is there, and what is excluded is not.
func (a *alone) holds(p *plan, c query.Clause) (bool, error) {
	switch {
	case c.Kind != query.KindField && c.Not:
		rows, err := a.m.exclude(p, c)
		return len(rows) == 0, err
	case c.Kind == query.KindPhrase:
		rows, err := a.m.holding(p, c.Text, func(int32) bool { return true })
		a.m.drop()
		return len(rows) > 0, err
	}
	return true, nil
}

// has reports whether a text in any language has exactly this word.
func (a *alone) has(term string) bool {
	for field := range langs {
		if a.terms[field][term] != nil {
			return true
		}
	}
	return false
}

// oneSegment is a segment of one document. Of a segment's methods only those are there that searches use.
type oneSegment struct {
	segment.Segment
	fields [fieldCount]oneDictionary
}

// Dictionary implements segment.Segment.
func (s *oneSegment) Dictionary(field string) (segment.TermDictionary, error) {
	return &s.fields[slices.Index(fieldNames[:], field)], nil
}

// oneDictionary has the terms of a field of one document.
type oneDictionary struct {
	terms index.TokenFrequencies
	order []string // once somebody walks over them
}

// Cardinality implements segment.TermDictionary.
func (d *oneDictionary) Cardinality() int { return max(1, len(d.terms)) } // that of an empty field serves as well

// Contains implements segment.TermDictionary.
func (d *oneDictionary) Contains(key []byte) (bool, error) { return d.terms[string(key)] != nil, nil }

// PostingsList implements segment.TermDictionary.
func (d *oneDictionary) PostingsList(term []byte, _ *roaring.Bitmap, given segment.PostingsList) (segment.PostingsList, error) {
	list, ok := given.(*oneList)
	if !ok {
		list = &oneList{}
	}
	list.frequency, list.read = 0, false
	if tf := d.terms[string(term)]; tf != nil {
		list.frequency = uint64(tf.Frequency()) //nolint:gosec // a byte
	}
	return list, nil
}

// AutomatonIterator implements segment.TermDictionary.
func (d *oneDictionary) AutomatonIterator(a segment.Automaton, from, to []byte) segment.DictionaryIterator {
	if d.order == nil {
		d.order = slices.Sorted(maps.Keys(d.terms))
	}
	first, _ := slices.BinarySearch(d.order, string(from))
	last := len(d.order)
	if to != nil {
		last, _ = slices.BinarySearch(d.order, string(to))
	}
	return &oneTerms{rest: d.order[first:max(first, last)], a: a}
}

// oneTerms iterates over terms.
type oneTerms struct {
	rest  []string
	a     segment.Automaton
	entry index.DictEntry
}

// Next implements segment.DictionaryIterator.
func (t *oneTerms) Next() (*index.DictEntry, error) {
	for len(t.rest) > 0 {
		term := t.rest[0]
		t.rest = t.rest[1:]
		if t.a == nil || accepts(t.a, term) {
			t.entry = index.DictEntry{Term: term, Count: 1}
			return &t.entry, nil
		}
	}
	return nil, nil
}

// accepts reports whether an automaton accepts a term.
func accepts(a segment.Automaton, term string) bool {
	state := a.Start()
	for i := range len(term) {
		if !a.CanMatch(state) {
			return false
		}
		state = a.Accept(state, term[i])
	}
	return a.IsMatch(state)
}

// oneList has the one document, or none when the frequency is 0. It is its own iterator and its own posting: each search reads it before the next is asked for.
type oneList struct {
	segment.PostingsList
	frequency uint64
	read      bool
}

// Iterator implements segment.PostingsList.
func (l *oneList) Iterator(_, _, _ bool, _ segment.PostingsIterator) segment.PostingsIterator {
	return (*oneIterator)(l)
}

// oneIterator is a oneList that is being read.
type oneIterator oneList

// Next implements segment.PostingsIterator.
func (l *oneIterator) Next() (segment.Posting, error) {
	if l.read || l.frequency == 0 {
		return nil, nil
	}
	l.read = true
	return onePosting{l.frequency}, nil
}

// Advance implements segment.PostingsIterator; nothing comes after the one document.
func (l *oneIterator) Advance(uint64) (segment.Posting, error) { return nil, nil }

// Size implements segment.PostingsIterator; only bleve's statistics use it, and BytesRead and its like.
func (l *oneIterator) Size() int { return 0 }

// BytesRead implements segment.DiskStatsReporter.
func (l *oneIterator) BytesRead() uint64 { return 0 }

// ResetBytesRead implements segment.DiskStatsReporter.
func (l *oneIterator) ResetBytesRead(uint64) {}

// BytesWritten implements segment.DiskStatsReporter.
func (l *oneIterator) BytesWritten() uint64 { return 0 }

// onePosting is the one document.
type onePosting struct{ frequency uint64 }

// Number implements segment.Posting.
func (onePosting) Number() uint64 { return 0 }

// Frequency implements segment.Posting.
func (p onePosting) Frequency() uint64 { return p.frequency }

// Norm implements segment.Posting.
func (onePosting) Norm() float64 { return 0 }

// Locations implements segment.Posting.
func (onePosting) Locations() []segment.Location { return nil }

// Size implements segment.Posting.
func (onePosting) Size() int { return 0 }

// sees reports whether members of an organization see the course.
func (a *alone) sees(org catalog.OrgID) bool { return a.org == "" || a.org == org }
