package search

import (
	"math/bits"
	"slices"
	"strings"
)

// This file finds the texts of a page of which a word begins as was typed, without a look at all of them: the places where their words begin are kept in
// the order of what stands there.

// wordStart is a place in one of a page's texts where a word begins. The highest bytes are what stands there, as far as they hold it, then comes the text's
// number and then the place, so that numbers in order are starts in the order of what begins there.
type wordStart uint64

const (
	// startBytes of what stands at a start are in it: most of what is typed is no longer, and what is has few others beside it.
	startBytes = 5
	// textBits and placeBits are the rest. A text has at most 300 runes, whose normal form is far below 64 kB.
	textBits  = 8
	placeBits = 16
)

func newWordStart(fold string, text, place int) wordStart {
	return heading(fold[place:], 0)<<(textBits+placeBits) | wordStart(text)<<placeBits | wordStart(place) //nolint:gosec // see placeBits
}

// heading is the first bytes of a text, filled up with others when there are fewer.
func heading(s string, fill byte) wordStart {
	var h wordStart
	for i := range startBytes {
		b := fill
		if i < len(s) {
			b = s[i]
		}
		h = h<<8 | wordStart(b)
	}
	return h
}

func (s wordStart) text() uint8 { return uint8(s >> placeBits) } //nolint:gosec // these bits are it
func (s wordStart) place() int  { return int(s & (1<<placeBits - 1)) }

// beginnings are the texts of a page, in normal form, with the starts in them. They never change.
type beginnings struct {
	folds  *[pageRows]string
	starts []wordStart // in order
}

// newBeginnings finds the starts: what beginsWord takes for one.
func newBeginnings(folds *[pageRows]string) *beginnings {
	var starts []wordStart
	for text, fold := range folds {
		for place := range len(fold) {
			if place == 0 || fold[place-1] == ' ' || isHanStart(fold[place:]) {
				starts = append(starts, newWordStart(fold, text, place))
			}
		}
	}
	slices.Sort(starts)
	return &beginnings{folds, slices.Clone(starts)} // without the room to grow
}

// textSet is some of a page's texts, a bit for each.
type textSet [pageRows / 64]uint64

func (s *textSet) add(text uint8)      { s[text/64] |= 1 << (text % 64) }
func (s *textSet) has(text uint8) bool { return s[text/64]>>(text%64)&1 == 1 }

// all yields the texts in order.
func (s *textSet) all(yield func(text uint8) bool) {
	for n, word := range s {
		for ; word != 0; word &= word - 1 {
			if !yield(uint8(n*64 + bits.TrailingZeros64(word))) { //nolint:gosec // pageRows is 256
				return
			}
		}
	}
}

// find returns the texts of which a word begins so, and those of them that begin so themselves.
func (b *beginnings) find(want string) (words, whole textSet) {
	const below = textBits + placeBits
	from, _ := slices.BinarySearch(b.starts, heading(want, 0)<<below)
	last := heading(want, 0xff)<<below | (1<<below - 1)
	for _, s := range b.starts[from:] {
		if s > last {
			break
		}
		text, place := s.text(), s.place()
		if len(want) > startBytes && !strings.HasPrefix(b.folds[text][place:], want) {
			continue
		}
		words.add(text)
		if place == 0 {
			whole.add(text)
		}
	}
	return words, whole
}
