package analysis

import (
	"strings"
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
	c := caches[Other]
	if e := c.find(word); e != nil {
		return e.accents
	}
	s := scanner{text: word}
	u, ok := s.next()
	switch {
	case !ok || u.shape == shapeHan:
		return ""
	case u.start > 0 || u.end < len(word): // no word of ours, yet it deserves an answer
		u.shape = shapeWord
	}
	return c.get(word, u.shape).accents
}

// accents returns the written form of a word whose fold and shape are known.
func accents(written, fold string, sh shape) string {
	if ascii(written) || sh == shapeNumber {
		return ""
	}
	var form string
	switch sh {
	case shapeCode, shapeSigned, shapeDotted:
		form = eachPart(written, accented)
	default:
		form = accented(written)
	}
	if form == fold {
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
