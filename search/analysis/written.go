package analysis

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Written returns what folding takes from a word: the word in lower case with its accents and ligatures, composed (NFC);
// "" when it has none, so that only words that lose something have a written form. Pêche and péché are one word to those
// who type peche, and not to those who type pêche: who writes an accent means it, who writes none may mean any.
//
// The word is what a token covers, text[t.Start:t.End], or the Text of a [Word]: without elided articles and possessives.
// Han characters have no written form; nor have scripts that folding leaves as they are.
func Written(word string) string {
	if ascii(word) {
		return ""
	}
	if len(word) > cacheWord {
		return accents(word)
	}
	slot := &accentSlots[maphash.String(accentSeed, word)%uint64(len(accentSlots))]
	if m := slot.Load(); m != nil && m.word == word {
		return m.accents
	}
	m := &accentedWord{word: strings.Clone(word), accents: accents(word)}
	slot.Store(m)
	return m.accents
}

// The words seen last that are not ASCII, as in a [cache]: a text has few, and a catalog the same ones again and again.
var (
	accentSeed  = maphash.MakeSeed()
	accentSlots [cacheSlots]atomic.Pointer[accentedWord]
)

type accentedWord struct{ word, accents string }

// accents returns the written form of a word that is not remembered.
func accents(word string) string {
	s := scanner{text: word}
	u, ok := s.next()
	switch {
	case !ok || u.shape == shapeHan || u.shape == shapeNumber:
		return ""
	case u.start > 0 || u.end < len(word):
		u.shape = shapeWord // no word of ours, yet it deserves an answer
	}
	form := ""
	switch u.shape {
	case shapeCode, shapeSigned, shapeDotted:
		form = eachPart(word, accented)
	default:
		form = accented(word)
	}
	if fold, _ := foldShape(word, u.shape); form == fold {
		return ""
	}
	return form
}

// accented is foldWord without the loss.
func accented(s string) string {
	s = norm.NFKC.String(strings.ToLower(norm.NFKC.String(clip(s, 4*MaxTerm))))
	return clip(strings.Map(func(r rune) rune {
		switch r {
		case 'ς':
			return 'σ' // as capitals become
		case 'ـ':
			return -1 // see letters
		}
		if r < utf8.RuneSelf && lowerASCII[r] != 0 || r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)) {
			return r
		}
		return -1
	}, s), MaxTerm)
}
