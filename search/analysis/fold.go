package analysis

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxTerm bounds the bytes of a term. The longest words of dictionaries have some 50 letters; what is longer is no word
// that anyone types, and would only fill the index. Longer words are cut, in texts and queries alike.
const MaxTerm = 64

// letters holds the Latin letters that Unicode does not take apart into a base letter and an accent, and the final sigma.
var letters = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'œ': "oe", 'Œ': "oe", 'æ': "ae", 'Æ': "ae", 'ø': "o", 'Ø': "o", 'đ': "d", 'Đ': "d", 'ð': "d", 'Ð': "d",
	'þ': "th", 'Þ': "th", 'ł': "l", 'Ł': "l", 'ı': "i", 'ħ': "h", 'Ħ': "h", 'ŋ': "n", 'Ŋ': "n", 'ς': "σ",
	'ـ': "", // the Arabic stroke that only lengthens a line
}

// foldWord returns a word in normal form: compatibility forms resolved, lower case, and without the accents of scripts
// that can be read without them. Whatever is neither letter, digit nor mark is dropped, so a compound comes out joined.
func foldWord(s string) string {
	if len(s) > 4*MaxTerm {
		s = clip(s, 4*MaxTerm) // bounds the work; decomposing never makes a word shorter than a quarter of itself
	}
	if asciiLower(s) {
		return clip(s, MaxTerm)
	}
	if keepsMarks(s) {
		s = norm.NFKC.String(strings.ToLower(norm.NFKC.String(s)))
	} else if !ascii(s) {
		s = norm.NFKD.String(s)
	}
	keep := keepsMarks(s)
	b := make([]byte, 0, len(s)+2)
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			if c := lowerASCII[r]; c != 0 {
				b = append(b, c)
			}
		case unicode.IsMark(r):
			if keep {
				b = utf8.AppendRune(b, r)
			}
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			if l, ok := letters[r]; ok {
				b = append(b, l...)
			} else {
				b = utf8.AppendRune(b, unicode.ToLower(r))
			}
		}
	}
	return clip(string(b), MaxTerm)
}

// lowerASCII maps ASCII letters to lower case, digits to themselves and all else to 0.
var lowerASCII = func() (t [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			t[c] = c
		case c >= 'A' && c <= 'Z':
			t[c] = c + 'a' - 'A'
		}
	}
	return t
}()

func asciiLower(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || lowerASCII[c] != c {
			return false
		}
	}
	return true
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// keepsMarks reports whether a word has letters of a script whose marks are more than accents, such as the vowels of
// Devanagari or Thai.
func keepsMarks(s string) bool {
	for _, r := range s {
		if r >= 0x0700 && unicode.IsLetter(r) && !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew, unicode.Common) {
			return true
		}
	}
	return false
}

// clip cuts a string to at most n bytes, between runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// foldHan returns the normal form of a character for which isHan holds; it is always one rune.
func foldHan(r rune) rune {
	if r >= hanFirst && r <= hanLast {
		return simplify(r)
	}
	if n := norm.NFKC.String(string(r)); n != "" {
		if f, size := utf8.DecodeRuneInString(n); size == len(n) {
			return simplify(f)
		}
	}
	return r
}

// foldRun returns the normal form of a run of Han characters, rune for rune; the run itself where nothing changes.
func foldRun(s string) string {
	same := true
	for _, r := range s {
		if foldHan(r) != r {
			same = false
			break
		}
	}
	if same {
		return s
	}
	return strings.Map(foldHan, s)
}
