package search

import "math"

// scratch is what a search computes in: arrays with a place for each row, kept from one search to the next. All but visible and own is zero when it
// is not in use.
type scratch struct {
	visible []bool    // shared with other searches, unless it is own
	own     []bool    // without the rows that this query excludes
	score   []float32 // by all words so far
	found   []tallied // what of them was found
	best    []float32 // by the current word
	tier    []uint8   // how that was found; meaningful where best is not 0
	tally   []tally   // of the current alternative
	explain bool

	rows, current, noted []int32 // with something in score, best, tally
	flags                []uint8 // by document of a segment, while lists are united
	lists                postings
}

// tally is what a row has of the terms of an alternative.
type tally struct {
	last  uint8 // the last term that it has, from 1; 0: none
	count uint8 // how many
	title uint8 // how many of them in a title
	part  float32
	sum   float32
}

// borrow returns a scratch with room for n rows.
func (x *Index) borrow(n int) *scratch {
	s, _ := x.pool.Get().(*scratch)
	if s == nil || len(s.score) < n {
		room := n + n/8 + pageRows // for the courses that will come
		s = &scratch{
			score: make([]float32, room), found: make([]tallied, room), best: make([]float32, room), tier: make([]uint8, room),
			tally: make([]tally, room),
		}
	}
	s.rows, s.current, s.noted, s.explain = s.rows[:0], s.current[:0], s.noted[:0], false
	return s
}

// giveBack cleans a scratch and keeps it for the next search.
func (x *Index) giveBack(s *scratch, rows []int32) {
	for _, i := range rows {
		s.clearRow(i)
	}
	for _, i := range s.current {
		s.best[i] = 0
	}
	s.rows, s.visible = rows[:0], nil
	x.pool.Put(s)
}

func (s *scratch) clearRow(i int32) { s.score[i], s.found[i] = 0, 0 }

// tallied says in one number what of the words a row has: how many, how many in titles, and the sum of their qualities in hundredths. One place in memory is
// written for each word and row, not three.
type tallied uint32

const (
	titledAt      = 8
	qualityAt     = 16
	qualitySteps  = 100 // maxWords of them fit
	oneWord       = tallied(1)
	oneInTitle    = tallied(1) << titledAt
	partOfTallied = 0xff
)

func (t tallied) words() int       { return int(t & partOfTallied) }
func (t tallied) titled() int      { return int(t >> titledAt & partOfTallied) }
func (t tallied) quality() float64 { return float64(t>>qualityAt) / qualitySteps }

// adds returns what a word adds to the tally of a row, by how it was found there.
func (m *matcher) adds(all bool) (t [math.MaxUint8 + 1]tallied) {
	for tier, q := range m.qualities {
		if !all {
			q = 0
		}
		t[tier] = oneWord + tallied(q*qualitySteps+0.5)<<qualityAt
		t[tier|titled] = t[tier] + oneInTitle
	}
	return t
}

// hide takes rows away from what the caller sees in this search.
func (m *matcher) hide(rows []int32) {
	if len(rows) == 0 {
		return
	}
	m.own = append(m.own[:0], m.visible...)
	m.visible, m.out.visible = m.own, m.own
	for _, i := range rows {
		m.visible[i] = false
	}
}
