package analysis

import (
	"unicode"
	"unicode/utf8"
)

// hanFirst and hanLast bound the table of simplified forms: CJK Extension A to the end of the unified ideographs.
const (
	hanFirst = 0x3400
	hanLast  = 0x9fff
)

// hanImage maps each character of the range to its simplified form; 0 stands for itself.
var hanImage = func() *[hanLast - hanFirst + 1]uint16 {
	var t [hanLast - hanFirst + 1]uint16
	to := simplified
	for _, r := range traditional {
		s, n := utf8.DecodeRuneInString(to)
		to = to[n:]
		t[r-hanFirst] = uint16(s)
	}
	return &t
}()

// simplify returns the simplified form of a character.
func simplify(r rune) rune {
	if r >= hanFirst && r <= hanLast {
		if s := hanImage[r-hanFirst]; s != 0 {
			return rune(s)
		}
	}
	return r
}

// isHan reports whether a rune belongs to a script written without spaces that is cut into characters and pairs: Han,
// and the kana that stand between Han in Japanese.
func isHan(r rune) bool {
	switch {
	case r < 0x2e80:
		return false
	case r >= 0x4e00 && r <= 0x9fff:
		return true
	case r >= 0xac00 && r <= 0xd7a3: // Hangul, which has spaces
		return false
	}
	return r == 'ー' || r == '〇' || r >= 0x2f00 && r <= 0x2fd5 || // lengthening, zero, radicals as copied from PDF files
		unicode.IsLetter(r) && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// keepsDe lists the words in which 的 is more than a particle.
var keepsDe = map[string]bool{"目的": true, "标的": true, "的确": true, "的士": true}

// particleAt reports whether the 的 at byte i of a folded run is the particle, which belongs to no word: it ends one run
// and begins another, in texts and in queries.
func particleAt(run string, i int) bool {
	end := i + len("的")
	if i > 0 {
		_, n := utf8.DecodeLastRuneInString(run[:i])
		if keepsDe[run[i-n:end]] {
			return false
		}
	}
	_, n := utf8.DecodeRuneInString(run[end:])
	return !keepsDe[run[i:end+n]]
}
