package search

import (
	"errors"
	"slices"
	"sync"

	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// This file reads scorch's segments directly: bleve's own searchers and readers take several times as long, most of it for what is not needed here.

// view is a segment of a snapshot.
type view struct {
	segment segment.Segment
	rows    []int32 // by the segment's document number; −1: deleted, or no course any more
}

// rowCache keeps the rows of the segments' documents. A segment never changes, so after a write only the new ones are read.
type rowCache struct {
	mu   sync.Mutex
	rows map[uint64][]int32 // by the segment's id; deleted documents included
}

// views returns the segments of a snapshot with their rows.
func (c *rowCache) views(snapshot *scorch.IndexSnapshot, courses *dict) ([]view, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	segments := snapshot.Segments()
	rows := make(map[uint64][]int32, len(segments))
	views := make([]view, 0, len(segments))
	for _, s := range segments {
		known, ok := c.rows[s.Id()]
		if !ok || int64(len(known)) != s.FullSize() {
			known = make([]int32, s.FullSize())
			for n := range known {
				id, err := s.DocID(uint64(n))
				if err != nil {
					return nil, err
				}
				course, _ := courses.find(string(id))
				known[n] = int32(course) - 1 //nolint:gosec // far fewer than 2^31
			}
		}
		rows[s.Id()] = known
		views = append(views, view{s.Segment(), without(known, s)})
	}
	c.rows = rows
	return views, nil
}

// without marks the rows of a segment's deleted documents.
func without(rows []int32, s *scorch.SegmentSnapshot) []int32 {
	deleted := s.Deleted()
	if deleted == nil || deleted.IsEmpty() {
		return rows
	}
	rows = slices.Clone(rows)
	for it := deleted.Iterator(); it.HasNext(); {
		rows[it.Next()] = -1
	}
	return rows
}

// lookup is what one search needs to read a snapshot: dictionaries and lists hold state, so searches do not share them.
type lookup struct {
	views []view
	dicts [][fieldCount]segment.TermDictionary // by segment
	list  segment.PostingsList
	iter  segment.PostingsIterator
	buf   [512]uint32
}

func (l *lookup) dict(s, field int) (segment.TermDictionary, error) {
	d := &l.dicts[s][field]
	if *d == nil {
		opened, err := l.views[s].segment.Dictionary(fieldNames[field])
		if err != nil {
			return nil, err
		}
		*d = opened
	}
	return *d, nil
}

// errSegment cannot happen with the segments of the bleve that this was built with.
var errSegment = errors.New("search: a segment of another kind")

// postings calls fn for every visible row that has a term in a field; tf is 0 unless freq is asked for, which costs several times as much.
func (m *matcher) postings(field int, term string, freq bool, fn func(i int32, tf uint32)) error {
	for s := range m.views {
		if err := m.postingsIn(s, field, []byte(term), freq, fn); err != nil {
			return err
		}
	}
	return nil
}

// postingsIn is postings in one segment.
func (m *matcher) postingsIn(s, field int, term []byte, freq bool, fn func(i int32, tf uint32)) error {
	if m.reads++; m.reads%checkEvery == 0 && m.ctx.Err() != nil {
		return m.ctx.Err()
	}
	dict, err := m.dict(s, field)
	if err != nil {
		return err
	}
	if m.list, err = dict.PostingsList(term, nil, m.list); err != nil {
		return err
	}
	m.iter = m.list.Iterator(freq, false, false, m.iter)
	if !freq {
		return m.documents(m.views[s].rows, fn)
	}
	rows := m.views[s].rows
	for {
		p, err := m.iter.Next()
		if err != nil || p == nil {
			return err
		}
		if i := rows[p.Number()]; m.seen(i) {
			fn(i, uint32(p.Frequency())) //nolint:gosec // at most 2 inTitle
		}
	}
}

// documents calls fn for the documents of the current list, which are a bitmap, or just one.
func (m *matcher) documents(rows []int32, fn func(i int32, tf uint32)) error {
	list, ok := m.iter.(segment.OptimizablePostingsIterator)
	if !ok {
		return errSegment
	}
	if n, one := list.DocNum1Hit(); one {
		if i := rows[n]; m.seen(i) {
			fn(i, 0)
		}
		return nil
	}
	bitmap := list.ActualBitmap()
	if bitmap == nil {
		return nil
	}
	for it := bitmap.ManyIterator(); ; {
		n := it.NextMany(m.buf[:])
		if n == 0 {
			return nil
		}
		for _, doc := range m.buf[:n] {
			if i := rows[doc]; m.seen(i) {
				fn(i, 0)
			}
		}
	}
}

// seen reports whether the caller sees a row; −1 is none, and one beyond the columns is a course that is newer than they are.
func (m *matcher) seen(i int32) bool {
	return uint32(i) < uint32(len(m.visible)) && m.visible[i] //nolint:gosec // −1 becomes too large
}

// beginning calls fn for every visible row that has a term, in any field, that begins so and is longer.
func (m *matcher) beginning(prefix string, freq bool, fn func(i int32, tf uint32)) error {
	end := after(prefix)
	terms := 0
	for s := range m.views {
		for field := range fieldCount {
			dict, err := m.dict(s, field)
			if err != nil {
				return err
			}
			it := termsOf(dict, []byte(prefix), end)
			for ; terms < maxPrefixTerms; terms++ {
				entry, err := it.Next()
				if err != nil {
					return err
				}
				if entry == nil {
					break
				}
				if entry.Term == prefix { // the word itself, which was looked up already
					continue
				}
				if err := m.postingsIn(s, field, []byte(entry.Term), freq, fn); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// after is the first key that comes after all that begin with a prefix; nil is the end.
func after(prefix string) []byte {
	end := []byte(prefix)
	for n := len(end) - 1; n >= 0; n-- {
		if end[n]++; end[n] != 0 {
			return end[:n+1]
		}
	}
	return nil
}
