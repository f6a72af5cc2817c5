package analysis

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Pinyin is how Mandarin is typed. It needs no field of the index: a vocabulary of Han pairs with the keys of each
// ([PairKeys], [PairInitials]) finds the pairs that a word may spell ([Syllables], [Initials]), and those are terms.
//
// Tones are left out. What has ü is spelled both with v, as it is typed, and with u, as it becomes when its dots are lost.

// The bounds of what one word or one pair may mean. All usual words stay far below them: xian has two readings, and no
// pair of common characters more than a dozen keys.
const (
	MaxSegmentations = 16
	maxPairKeys      = 16
)

// The lengths, in letters, of a word that may be initials: one letter says too little, and eight characters are a sentence.
const (
	minInitials = 2
	maxInitials = 8
)

// pinyinFirst and pinyinLast bound the characters that have readings.
const (
	pinyinFirst = 0x4e00
	pinyinLast  = 0x9fff
)

// spelling is the table of readings, unpacked: 50 kB for the characters, 100 kB for the lists and syllables.
type spelling struct {
	lists     [][]string                           // of readings; the first has none
	of        [pinyinLast - pinyinFirst + 1]uint16 // a character's place in lists
	syllables map[string]bool                      // true for whole syllables, false for their beginnings
}

// spellings unpacks the table when pinyin is first asked for, in about half a millisecond.
var spellings = sync.OnceValue(func() *spelling {
	t := &spelling{lists: [][]string{nil}, syllables: map[string]bool{}}
	for rest := pinyinTable; rest != ""; {
		n := strings.IndexFunc(rest, func(r rune) bool { return r >= utf8.RuneSelf })
		list := strings.Split(rest[:n], ",")
		for _, s := range list {
			for i := range s {
				t.syllables[s[:i]] = t.syllables[s[:i]]
			}
			t.syllables[s] = true
		}
		t.lists = append(t.lists, list)
		for rest = rest[n:]; rest != "" && rest[0] >= utf8.RuneSelf; {
			r, size := utf8.DecodeRuneInString(rest)
			t.of[r-pinyinFirst] = uint16(len(t.lists) - 1) //nolint:gosec // a test counts them
			rest = rest[size:]
		}
	}
	return t
})

// Pinyin returns the toneless readings of a Han character, the most usual first; nil when it has none. The caller must
// not change them.
func Pinyin(r rune) []string {
	if r == '〇' {
		r = '零'
	}
	if r = simplify(r); r < pinyinFirst || r > pinyinLast {
		return nil
	}
	t := spellings()
	return t.lists[t.of[r-pinyinFirst]]
}

// Syllables returns the ways to read a word, in ASCII lower case, as syllables of pinyin: at most [MaxSegmentations], long
// syllables before short ones; nil when there is none. An apostrophe parts syllables, but is not needed: xian is xian and
// xi an. With partial, the word may still be being typed: its last element may be the beginning of a syllable (shuj is
// shu j) and stands for all that begin so. What ends in a whole syllable comes before what does not.
func Syllables(word string, partial bool) [][]string {
	if len(word) > MaxTerm {
		return nil
	}
	c := cutter{word: word, syllables: spellings().syllables}
	c.cut(0)
	if partial {
		c.partial = true
		clear(c.dead[:])
		c.cut(0)
	}
	return c.found
}

// longestSyllable is zhuang, and others of six letters.
const longestSyllable = 6

// cutter cuts a word into syllables.
type cutter struct {
	word      string
	syllables map[string]bool
	partial   bool // find only what ends in the beginning of a syllable
	path      []string
	found     [][]string
	dead      [MaxTerm + 1]bool // places from which nothing leads to the end: each is tried once
}

// cut finds the ways from a place to the end, and reports whether there is one.
func (c *cutter) cut(from int) bool {
	if from == len(c.word) {
		if len(c.path) == 0 || c.partial {
			return false
		}
		c.found = append(c.found, slices.Clone(c.path))
		return true
	}
	if c.dead[from] {
		return false
	}
	start := from
	if from > 0 && c.word[from] == '\'' {
		start++
	}
	any := false
	for end := min(len(c.word), start+longestSyllable); end > start && len(c.found) < MaxSegmentations; end-- {
		s := c.word[start:end]
		whole, known := c.syllables[s]
		if !known {
			continue
		}
		c.path = append(c.path, s)
		switch {
		case whole && c.cut(end):
			any = true
		case c.partial && !whole && end == len(c.word):
			c.found = append(c.found, slices.Clone(c.path))
			any = true
		}
		c.path = c.path[:len(c.path)-1]
	}
	c.dead[from] = !any
	return any
}

// Initials reports whether a word may be the initials of a Han run, one letter for each character, as in sjfx for 数据分析.
func Initials(word string) bool {
	if len(word) < minInitials || len(word) > maxInitials {
		return false
	}
	for i := range len(word) {
		if c := word[i]; c < 'a' || c > 'z' || c == 'i' || c == 'u' || c == 'v' {
			return false
		}
	}
	return true
}

// PairKeys returns the spellings of a pair of Han characters, all combinations of readings, the most usual first: "shu ju"
// for 数据, then "shuo ju". Nil when it is no pair, or a character has no reading.
func PairKeys(pair string) []string {
	a, b := pairReadings(pair)
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	keys := make([]string, 0, min(len(a)*len(b), maxPairKeys))
	for i := range len(a) + len(b) - 1 { // the more usual a combination, the earlier
		for j := max(0, i-len(b)+1); j <= min(i, len(a)-1) && len(keys) < maxPairKeys; j++ {
			keys = append(keys, a[j]+" "+b[i-j])
		}
	}
	return keys
}

// PairInitials returns the initials of a pair of Han characters, each once: "sj" for 数据, and "zm" and "cm" for 长毛.
func PairInitials(pair string) []string {
	a, b := pairReadings(pair)
	var keys []string
	for _, x := range a {
		for _, y := range b {
			if k := x[:1] + y[:1]; !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// pairReadings returns the readings of both characters of a pair, none when it is no pair.
func pairReadings(pair string) (a, b []string) {
	r, n := utf8.DecodeRuneInString(pair)
	s, m := utf8.DecodeRuneInString(pair[n:])
	if m == 0 || n+m != len(pair) {
		return nil, nil
	}
	return Pinyin(r), Pinyin(s)
}
