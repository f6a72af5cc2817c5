package insight

import (
	"encoding/binary"
	"math"

	"github.com/carrel-lms/carrel/catalog"
)

// totals are the numbers of a group on one day.
type totals struct {
	searches, none, relaxed, fixed   uint64
	clicks, clicked, enrolls, places uint64  // clicked: searches with a click; places: the sum of positions
	reciprocal                       float64 // the sum of 1/position
	rows, floor                      uint64  // how many queries are kept; no query that is not kept was asked more often than floor
}

func (t *totals) add(o totals) {
	t.searches, t.none, t.relaxed, t.fixed = t.searches+o.searches, t.none+o.none, t.relaxed+o.relaxed, t.fixed+o.fixed
	t.clicks, t.clicked, t.enrolls, t.places = t.clicks+o.clicks, t.clicked+o.clicked, t.enrolls+o.enrolls, t.places+o.places
	t.reciprocal += o.reciprocal
}

func (t *totals) encode() []byte {
	b := appendNumbers(nil, t.searches, t.none, t.relaxed, t.fixed, t.clicks, t.clicked, t.enrolls, t.places, t.rows, t.floor)
	return binary.BigEndian.AppendUint64(b, math.Float64bits(t.reciprocal))
}

const floatBytes = 8

func decodeTotals(b []byte) (t totals, ok bool) {
	rest, err := numbers(b, &t.searches, &t.none, &t.relaxed, &t.fixed, &t.clicks, &t.clicked, &t.enrolls, &t.places, &t.rows, &t.floor)
	if err != nil || len(rest) != floatBytes {
		return t, false
	}
	t.reciprocal = math.Float64frombits(binary.BigEndian.Uint64(rest))
	return t, true
}

// row is a query on one day.
type row struct {
	count, none, clicks, clicked, enrolls, places uint64 // none: found nothing without a filter
	slack                                         uint64 // how often it may have been asked before it was kept
	missed                                        bool   // the last search without a filter found nothing
	judged                                        bool   // there was one
	text                                          string
}

func (r *row) add(o row) {
	r.count, r.none, r.clicks = r.count+o.count, r.none+o.none, r.clicks+o.clicks
	r.clicked, r.enrolls, r.places = r.clicked+o.clicked, r.enrolls+o.enrolls, r.places+o.places
	r.text = better(r.text, o.text)
	if o.judged {
		r.judged, r.missed = true, o.missed
	}
}

// better chooses between two spellings that have one key: the longer one, in bytes, is the one with the accents.
func better(a, b string) string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// The flags of a row.
const (
	rowMissed = 1 << iota
	rowJudged
)

func (r *row) encode() []byte {
	flags := one(r.missed)*rowMissed | one(r.judged)*rowJudged
	return append(appendNumbers(nil, r.count, r.none, r.clicks, r.clicked, r.enrolls, r.places, r.slack, flags), r.text...)
}

func decodeRow(b []byte) (r row, ok bool) {
	r, text, ok := decodeNumbers(b)
	r.text = string(text)
	return r, ok
}

// decodeNumbers decodes a row and leaves its text where it is, so that reading many of them copies nothing.
func decodeNumbers(b []byte) (r row, text []byte, ok bool) {
	var flags uint64
	text, err := numbers(b, &r.count, &r.none, &r.clicks, &r.clicked, &r.enrolls, &r.places, &r.slack, &flags)
	r.missed, r.judged = flags&rowMissed != 0, flags&rowJudged != 0
	return r, text, err == nil
}

// dayGroup is a group on one day.
type dayGroup struct {
	day day
	in  group
}

// tally is what a batch adds to a group on one day.
type tally struct {
	totals totals
	rows   map[string]*row
}

// batch is what will be written in one transaction.
type batch struct {
	records int
	groups  map[dayGroup]*tally
	asks    []record // searches with a text, for the callers
}

func newBatch() *batch { return &batch{groups: map[dayGroup]*tally{}} }

// add adds a record up.
func (b *batch) add(r record) {
	b.records++
	at := dayGroup{dayOf(r.at), r.in}
	t := b.groups[at]
	if t == nil {
		t = &tally{rows: map[string]*row{}}
		b.groups[at] = t
	}
	t.totals.add(r.totals())
	if r.key == "" {
		return
	}
	line := t.rows[r.key]
	if line == nil {
		line = &row{}
		t.rows[r.key] = line
	}
	line.add(r.row())
	if r.kind == "" {
		b.asks = append(b.asks, r)
	}
}

// totals is what a record adds to its group's numbers.
func (r *record) totals() totals {
	switch r.kind {
	case Click:
		return totals{clicks: 1, clicked: one(r.first), places: uint64(r.position), reciprocal: 1 / float64(max(r.position, 1))} //nolint:gosec // validated
	case Enroll:
		return totals{enrolls: 1}
	default:
		return totals{searches: 1, none: one(!r.found), relaxed: one(r.relaxed), fixed: one(r.fixed)}
	}
}

// row is what a record adds to its query's.
func (r *record) row() row {
	t := r.totals()
	return row{
		count: t.searches, none: one(r.kind == "" && !r.found && !r.filtered), clicks: t.clicks, clicked: t.clicked, enrolls: t.enrolls, places: t.places,
		text: r.text, judged: r.kind == "" && !r.filtered, missed: !r.found,
	}
}

func one(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// orgsOf lists the organizations that a batch is about.
func (b *batch) orgsOf() map[catalog.OrgID]day {
	orgs := map[catalog.OrgID]day{}
	for at := range b.groups {
		orgs[at.in.org] = max(orgs[at.in.org], at.day)
	}
	return orgs
}
