package analysis

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Phrase is a sequence of words as an exact phrase of a query names it: case, accents and punctuation do not count,
// inflection, order and stop words do.
type Phrase struct {
	units []string
	fail  []int // of Knuth, Morris and Pratt: where to go on after a mismatch, so that a text is read once
}

// NewPhrase prepares a phrase.
func NewPhrase(text string) Phrase {
	var p Phrase
	eachUnit(text, func(u string) bool {
		p.units = append(p.units, u)
		return true
	})
	p.fail = make([]int, len(p.units)+1)
	k := 0
	for i := 1; i < len(p.units); i++ {
		for k > 0 && p.units[i] != p.units[k] {
			k = p.fail[k]
		}
		if p.units[i] == p.units[k] {
			k++
		}
		p.fail[i+1] = k
	}
	return p
}

// Empty reports whether the phrase has no word; then it is in every text.
func (p Phrase) Empty() bool { return len(p.units) == 0 }

// In reports whether a text contains the phrase.
func (p Phrase) In(text string) bool {
	if p.Empty() {
		return true
	}
	k := 0
	eachUnit(text, func(u string) bool {
		for k > 0 && u != p.units[k] {
			k = p.fail[k]
		}
		if u == p.units[k] {
			k++
		}
		return k < len(p.units)
	})
	return k == len(p.units)
}

// eachUnit calls yield with the folded words of a text, the parts of its compounds and its Han characters, in order.
func eachUnit(text string, yield func(string) bool) {
	s := scanner{text: text}
	c := caches[Other]
	for {
		u, ok := s.next()
		if !ok {
			return
		}
		if u.shape == shapeHan {
			if !eachHan(foldRun(text[u.start:u.end]), yield) {
				return
			}
			continue
		}
		e := c.get(text[u.start:u.end], u.shape)
		parts := indexedParts(e, text, &u)
		if len(parts) < 2 { // C++, .NET and A/B are in the index by these names alone
			if e.fold != "" && !yield(e.fold) {
				return
			}
			continue
		}
		if u.shape == shapeJoined && slices.ContainsFunc(parts, func(p span) bool { return lone(text, p) }) {
			if !yield(hyphened(c, text, parts)) { // the index knows no lone letter of Objective-C: phrases may not part it
				return
			}
			continue
		}
		for _, p := range parts {
			if f := c.get(text[p.start:p.end], shapeWord).fold; f != "" && !yield(f) {
				return
			}
		}
	}
}

// hyphened returns the folded parts of a compound with hyphens between.
func hyphened(c *cache, text string, parts []span) string {
	folds := make([]string, len(parts))
	for i, p := range parts {
		folds[i] = c.get(text[p.start:p.end], shapeWord).fold
	}
	return strings.Join(folds, "-")
}

func eachHan(run string, yield func(string) bool) bool {
	for i, r := range run {
		if !yield(run[i : i+utf8.RuneLen(r)]) {
			return false
		}
	}
	return true
}
