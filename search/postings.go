package search

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// This file reads scorch's segments directly: bleve's own searchers and readers take several times as long, most of it for what is not needed here.

// view is a segment of a snapshot.
type view struct {
	id      uint64
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
		views = append(views, view{s.Id(), s.Segment(), without(known, s)})
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

// postings are the documents of a segment that have a term, decoded: their numbers in order, and the frequency of the term in each.
type postings struct {
	docs  []uint32
	freqs []uint8
}

func (p *postings) reset() { p.docs, p.freqs = p.docs[:0], p.freqs[:0] }

func (p *postings) clone() postings { return postings{slices.Clone(p.docs), slices.Clone(p.freqs)} }

const (
	// postingsBytes bounds what is kept of decoded lists: 64 MB hold the 250 commonest words of half a million courses. Decoding a list costs
	// ten times as much as walking over it.
	postingsBytes = 64 << 20
	// minKept is from how many documents a list is kept; shorter ones are decoded in no time.
	minKept = 128
)

// postingsCache keeps lists by segment and term. Segments never change; those of a segment that is no more are forgotten in the course of time.
func newPostingsCache() *cache[postings] {
	return newCache(postingsBytes, func(p postings) int64 { return int64(5 * len(p.docs)) })
}

// lookup is what one search needs to read a snapshot: dictionaries and lists hold state, so searches do not share them.
type lookup struct {
	views []view
	dicts [][fieldCount]segment.TermDictionary // by segment
	list  segment.PostingsList
	iter  segment.PostingsIterator
	kept  *cache[postings]
	key   []byte
}

func (l *lookup) dict(s, field int) (segment.TermDictionary, error) {
	d := &l.dicts[s][field]
	if *d == nil {
		opened, err := l.views[s].segment.Dictionary(fieldNames[field])
		if err != nil {
			return nil, err
		}
		if *d = opened; opened.Cardinality() == 0 {
			*d = absent{opened}
		}
	}
	return *d, nil
}

// errSegment cannot happen with the segments of the bleve that this was built with.
var errSegment = errors.New("search: a segment of another kind")

// keyOf makes the key under which lists of a segment are kept. space tells sorts of lists apart: fields have their number.
func (l *lookup) keyOf(s int, space byte, name string) []byte {
	l.key = append(append(binary.LittleEndian.AppendUint64(l.key[:0], l.views[s].id), space), name...)
	return l.key
}

// term returns the documents of a segment that have a term in a field. They are good until the next call.
func (m *matcher) term(s, field int, term string) (postings, error) {
	if err := m.work(1); err != nil {
		return postings{}, err
	}
	key := m.keyOf(s, byte(field), term) //nolint:gosec // a few fields
	if p, ok := m.kept.get(key); ok {
		return p, m.work(len(p.docs) / postingsPerWork)
	}
	p := &m.lists
	p.reset()
	if err := m.decode(s, field, term, p); err != nil {
		return postings{}, err
	}
	if len(p.docs) >= minKept {
		kept := p.clone()
		m.kept.put(m.keyOf(s, byte(field), term), kept) //nolint:gosec // a few fields
	}
	return *p, m.work(len(p.docs) / postingsPerWork)
}

// decode appends the documents of a term to p.
func (m *matcher) decode(s, field int, term string, p *postings) error {
	dict, err := m.dict(s, field)
	if err != nil {
		return err
	}
	if m.list, err = dict.PostingsList([]byte(term), nil, m.list); err != nil {
		return err
	}
	m.iter = m.list.Iterator(true, false, false, m.iter)
	for {
		next, err := m.iter.Next()
		if err != nil || next == nil {
			return err
		}
		p.docs = append(p.docs, uint32(next.Number()))     //nolint:gosec // a segment has far fewer than 2^32 documents
		p.freqs = append(p.freqs, uint8(next.Frequency())) //nolint:gosec // see document.go
	}
}

// seen reports whether the caller sees a row; −1 is none, and one beyond the columns is a course that is newer than they are.
func (m *matcher) seen(i int32) bool {
	return uint32(i) < uint32(len(m.visible)) && m.visible[i] //nolint:gosec // −1 becomes too large
}

// Sorts of united lists, after the fields.
const (
	spacePrefix = fieldCount + iota
	spacePinyin
	spaceInitials
	spaceTyping
)

// united returns the documents of a segment that have any of many terms, with the places where they stand; each yields the terms. A union of more
// than a few lists is kept under its name.
func (m *matcher) united(s int, space byte, name string, each func(yield func(field int, term string) error) error) (postings, error) {
	if p, ok := m.kept.get(m.keyOf(s, space, name)); ok {
		return p, m.work(1 + len(p.docs)/postingsPerWork)
	}
	n := len(m.views[s].rows)
	if len(m.flags) < n {
		m.flags = make([]uint8, n)
	}
	flags := m.flags[:n]
	lists, docs := 0, 0
	one := &m.lists
	err := each(func(field int, term string) error {
		one.reset()
		if err := m.decode(s, field, term, one); err != nil {
			return err
		}
		for k, d := range one.docs {
			flags[d] |= present | places(one.freqs[k])
		}
		lists++
		docs += len(one.docs)
		return m.work(1 + len(one.docs)/postingsPerWork)
	})
	one.reset()
	for d, f := range flags {
		if f != 0 {
			one.docs, one.freqs = append(one.docs, uint32(d)), append(one.freqs, 1+f&^present)
			flags[d] = 0
		}
	}
	if err != nil {
		return postings{}, err
	}
	if lists > 1 && docs >= minKept || space >= spacePinyin { // walking a dictionary by an automaton takes its time, whatever it finds
		m.kept.put(m.keyOf(s, space, name), one.clone())
	}
	return *one, nil
}

// present marks a document in flags, whatever its places.
const present = 1 << 7

// beginning returns the documents of a segment that have a word, in any language, that begins so and is longer.
func (m *matcher) beginning(s int, prefix string) (postings, error) {
	return m.united(s, spacePrefix, prefix, func(yield func(int, string) error) error {
		return m.accepted(s, nil, []byte(prefix), after(prefix), func(field int, term string) error {
			if term == prefix { // the word itself, which was looked up already
				return nil
			}
			return yield(field, term)
		})
	})
}

// accepted yields the terms of a segment, in all languages, that an automaton accepts; nil accepts all.
func (m *matcher) accepted(s int, a segment.Automaton, from, to []byte, yield func(field int, term string) error) error {
	for field := range langs {
		dict, err := m.dict(s, field)
		if err != nil {
			return err
		}
		it := automatonTerms(dict, a, from, to)
		for {
			entry, err := it.Next()
			if err != nil {
				return err
			}
			if entry == nil {
				break
			}
			if err := yield(field, entry.Term); err != nil {
				return err
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
