package analysis

import "unicode/utf8"

// Beginnings are the first letters of words whose terms are looked for in a text. A letter tells of most words that they are none of them, and so
// spares their analysis. Only ASCII is told apart: what begins otherwise is always looked at.
type Beginnings [2]uint64

// Add adds the words with a term: a form, a stem, or the beginning of either.
func (b *Beginnings) Add(term string) {
	if term == "" || term[0] >= utf8.RuneSelf {
		return
	}
	b.letter(term[0])
	from := &respelledFrom[term[0]]
	b[0] |= from[0]
	b[1] |= from[1]
}

func (b *Beginnings) letter(c byte) { b[c>>6] |= 1 << (c & 63) }

// may reports whether a word, as it is written and without parts, may have one of the terms. Folding changes the first letter only by what follows
// directly, an accent; and stemming changes none but those that respelledFrom knows.
func (b *Beginnings) may(written string) bool {
	c := written[0]
	if c >= utf8.RuneSelf || len(written) > 1 && written[1] >= utf8.RuneSelf {
		return true
	}
	c = lowerASCII[c]
	return b[c>>6]>>(c&63)&1 == 1
}

// respelledFrom holds, by the first letter of a stem, the other letters that a word with it may begin with: enquiry is an inquiry, yeux are eyes as
// œil is one.
var respelledFrom = func() (t [utf8.RuneSelf]Beginnings) {
	add := func(from, to string) { t[to[0]].letter(from[0]) }
	for _, words := range []map[string]string{respelled, irregular, irregularFrench} {
		for from, to := range words {
			add(from, to)
		}
	}
	for _, p := range respelledStarts {
		add(p[0], p[1])
	}
	return t
}()
