package analysis

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Pinyin is how Mandarin is typed. It needs no field of the index: the pairs of characters in it are few enough to look up
// those that a word may spell ([Syllables], [Initials]) by their readings ([Pinyin]).
//
// Tones are left out. What has ü is spelled both with v, as it is typed, and with u, as it becomes when its dots are lost.

// MaxSegmentations bounds the ways in which one word is read. All usual words stay far below it: xian has two.
const MaxSegmentations = 16

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

// spelling is the table of readings, unpacked: 90 kB.
type spelling struct {
	lists     [][]string                           // of readings; the first has none
	of        [pinyinLast - pinyinFirst + 1]uint16 // a character's place in lists
	syllables map[string]part                      // syllables and their beginnings
}

// part says what some letters are in pinyin; they may be both, as xu, the beginning of xue.
type part uint8

const (
	partWhole     part = 1 << iota // a syllable
	partBeginning                  // the beginning of a longer one
)

// spellings unpacks the table when pinyin is first asked for, in about half a millisecond.
var spellings = sync.OnceValue(func() *spelling {
	t := &spelling{lists: [][]string{nil}, syllables: map[string]part{}}
	for rest := pinyinTable; rest != ""; {
		n := strings.IndexFunc(rest, func(r rune) bool { return r >= utf8.RuneSelf })
		list := strings.Split(rest[:n], ",")
		for _, s := range list {
			for i := range s {
				t.syllables[s[:i]] |= partBeginning
			}
			t.syllables[s] |= partWhole
		}
		t.lists = append(t.lists, list)
		for rest = rest[n:]; rest != "" && rest[0] >= utf8.RuneSelf; {
			r, size := utf8.DecodeRuneInString(rest)
			t.of[r-pinyinFirst] = uint16(len(t.lists) - 1)
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
// xi an. With partial, the word may still be being typed: what Syllables returns without it is followed by the ways whose
// last element is the beginning of longer syllables, and stands for all of them: shuj is shu j, and shuxu, after shu xu
// itself, is shu xu for shu xue.
func Syllables(word string, partial bool) [][]string {
	if len(word) > MaxTerm {
		return nil
	}
	c := cutter{word: word, syllables: spellings().syllables, last: partWhole}
	c.cut(0)
	if partial {
		c.last = partBeginning
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
	syllables map[string]part
	last      part // what the last element must be; all others are syllables
	path      []string
	found     [][]string
	dead      [MaxTerm + 1]bool // places from which nothing leads to the end: each is tried once
}

// cut finds the ways from a place to the end, and reports whether there is one.
func (c *cutter) cut(from int) bool {
	if from == len(c.word) || c.dead[from] {
		return false
	}
	start := from
	if from > 0 && c.word[from] == '\'' {
		start++
	}
	some := false
	for end := min(len(c.word), start+longestSyllable); end > start && len(c.found) < MaxSegmentations; end-- {
		s := c.word[start:end]
		is := c.syllables[s]
		c.path = append(c.path, s)
		switch {
		case end == len(c.word):
			if is&c.last != 0 {
				c.found = append(c.found, slices.Clone(c.path))
				some = true
			}
		case is&partWhole != 0:
			some = c.cut(end) || some
		}
		c.path = c.path[:len(c.path)-1]
	}
	c.dead[from] = !some
	return some
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
