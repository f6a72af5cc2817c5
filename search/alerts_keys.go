package search

import (
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// keyIndex finds the clauses that are filed under a key: a chain of links for each.
type keyIndex struct {
	maybe *[maybeBits / 64]uint64 // which keys there may be: most of what a course has is no key of any search, and this tells faster than heads
	heads map[key64]uint32
	links []link // the first is none
	spare uint32 // the first of a chain of those that are not in use
}

// maybeBits is a few times as many as a hundred thousand searches have keys. With more of them it tells less, and no more than that.
const maybeBits = 1 << 22

// first returns the first link of a key; 0: there is none.
func (x *keyIndex) first(k key64) uint32 {
	if bit := k.bit(); x.maybe[bit/64]>>(bit%64)&1 == 0 {
		return 0
	}
	return x.heads[k]
}

// bit is a key's place in keyIndex.maybe.
func (k key64) bit() uint64 { return uint64(k) >> 42 }

// link is a clause in the chain of a key.
type link struct {
	clause clauseID
	next   uint32
	near   uint16 // by a word that it may be taken for: its place in clause.near
	touch  uint8
}

// same reports whether two links file the same clause for the same reason.
func (l *link) same(other *link) bool {
	return l.clause == other.clause && l.touch == other.touch && l.near == other.near
}

func newKeyIndex() keyIndex {
	return keyIndex{maybe: new([maybeBits / 64]uint64), heads: map[key64]uint32{}, links: make([]link, 1)}
}

// add files a clause under a key.
func (x *keyIndex) add(k key64, l link) {
	head := x.heads[k]
	if head != 0 && x.links[head].same(&l) {
		return
	}
	at := x.spare
	if at == 0 {
		at = uint32(len(x.links)) //nolint:gosec // far fewer than 2^32
		x.links = append(x.links, link{})
	} else {
		x.spare = x.links[at].next
	}
	l.next = head
	x.links[at] = l
	x.heads[k] = at
	x.maybe[k.bit()/64] |= 1 << (k.bit() % 64)
}

// remove takes a clause from under a key.
func (x *keyIndex) remove(k key64, gone link) {
	before := uint32(0)
	for at := x.heads[k]; at != 0; before, at = at, x.links[at].next {
		l := &x.links[at]
		if !l.same(&gone) {
			continue
		}
		switch {
		case before != 0:
			x.links[before].next = l.next
		case l.next != 0:
			x.heads[k] = l.next
		default:
			delete(x.heads, k)
		}
		*l = link{next: x.spare}
		x.spare = at
		return
	}
}

// keys yields everything by which a clause may be filed that the course has; inflected says that a key is the stem of another word, which is found by it.
func (one *alone) keys(gen *generation, touch func(k key64, inflected bool)) {
	for field := range langs {
		_, lang, stems := stemmer(field)
		var tokens []analysis.Token
		for term, tf := range one.terms[field] {
			touch(keyOf(keyTerm, term), false)
			if r, n := utf8.DecodeRuneInString(term); r >= firstHanRune {
				if n < len(term) {
					spelledKeys(term, places(uint8(tf.Frequency())), touch) //nolint:gosec // a byte
				}
				continue // no word begins or is inflected so
			}
			if stems {
				touch(stemKey(field, term), false)
				tokens = analysis.AppendAll(tokens[:0], lang, term)
				if len(tokens) == 1 && !tokens[0].Stop && tokens[0].Fold == term && tokens[0].Text != term {
					touch(stemKey(field, tokens[0].Text), letters(term) && one.x.ranking.rules.stems) // as the vocabulary learns it
				}
			}
			k := key64(fnvOffset).with(keyBeginning)
			for i := range len(term) {
				if k = k.with(term[i]); i+1 == len(term) || utf8.RuneStart(term[i+1]) {
					touch(k, false)
				}
			}
		}
	}
	one.filterKeys(gen.cols, touch)
}

// spelledKeys yields what a pair of characters in a title or a name is spelled like.
func spelledKeys(pair string, at uint8, touch func(k key64, inflected bool)) {
	if at == 0 {
		return
	}
	r, n := utf8.DecodeRuneInString(pair)
	second, _ := utf8.DecodeRuneInString(pair[n:])
	for _, x := range analysis.Pinyin(r) {
		for _, y := range analysis.Pinyin(second) {
			touch(syllablesKey(x, y, false), false)
			for i := 1; i <= len(y); i++ {
				touch(syllablesKey(x, y[:i], true), false)
			}
			touch(keyOf(keyInitials, x[:1]+y[:1]), false)
		}
	}
}

// filterKeys yields what filters may name.
func (one *alone) filterKeys(cols *columns, touch func(k key64, inflected bool)) {
	d, r := one.x.dicts, one.cols.row(0)
	tags, categories, instructors := d.tags.list(), d.categories.list(), d.instructors.list()
	for _, t := range r.tags {
		touch(keyOf(keyTag, tags[t]), false)
	}
	for c := range cols.ancestors(r.category) {
		touch(keyOf(keyCategory, categories[c]), false)
	}
	for _, who := range r.instructors {
		touch(keyOf(keyInstructor, instructors[who]), false)
		if info := at(cols.instructors, who); info != nil {
			touch(keyOf(keyInstructors, info.name), false)
		}
	}
	touch(keyOf(keyLevel, levelNames[r.level]), false)
	touch(keyOf(keyLanguage, d.languages.list()[r.language]), false)
	if r.provider != 0 {
		touch(keyOf(keyProvider, catalog.Slug(d.providers.list()[r.provider])), false)
	}
}
