package search

import (
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	segment "github.com/blevesearch/scorch_segment_api/v2"

	"github.com/carrel-lms/carrel/search/analysis"
)

// vocabulary knows the words of the index: which have the same stem, and which are a few edits apart. It only grows; a word that no course has any
// more is looked up in vain.
type vocabulary struct {
	mu     sync.RWMutex
	known  map[string]uint8              // words seen, with a bit for each group that has learned them
	forms  [stemmers]map[string][]string // stem → the words other than itself that have it, in order
	spells [maxSpelled + 1][]spelling    // by length in runes
}

// spelling is a word with what tells most others apart from it.
type spelling struct {
	word    string
	first   rune
	letters uint64 // a bit for each letter that it has
}

// maxSpelled is up to how many runes words are compared: no longer one is typed by hand.
const maxSpelled = 32

// stemmers is how many languages have stems of their own: English and French. Latin words in Chinese texts are English ones.
const stemmers = 2

// stemmer returns which stems the words of a field have, and the language that makes them; false when they have none.
func stemmer(field int) (int, analysis.Lang, bool) {
	switch field {
	case fieldEnglish, fieldChinese:
		return 0, analysis.English, true
	case fieldFrench:
		return 1, analysis.French, true
	}
	return stemmers, "", false
}

func newVocabulary() *vocabulary {
	v := &vocabulary{known: map[string]uint8{}}
	for i := range stemmers {
		v.forms[i] = map[string][]string{}
	}
	return v
}

// learn takes a word of a field into the vocabulary.
func (v *vocabulary) learn(field int, word string) {
	n, lang, stemmed := stemmer(field)
	group := uint8(1) << n
	v.mu.RLock()
	known := v.known[word]
	v.mu.RUnlock()
	if known&group != 0 {
		return
	}
	word = strings.Clone(word) // a piece of a text would keep all of it in memory
	stem := ""
	if stemmed {
		if tokens := analysis.Analyze(lang, word); len(tokens) == 1 && tokens[0].Fold == word && tokens[0].Text != word {
			stem = strings.Clone(tokens[0].Text)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	known = v.known[word]
	if known&group != 0 {
		return
	}
	v.known[word] = known | group
	if known == 0 {
		v.spell(word)
	}
	if stem != "" {
		at, _ := slices.BinarySearch(v.forms[n][stem], word)
		v.forms[n][stem] = slices.Insert(slices.Clone(v.forms[n][stem]), at, word) // readers keep the old one
	}
}

func (v *vocabulary) spell(word string) {
	if n := utf8.RuneCountInString(word); n <= maxSpelled && letters(word) {
		v.spells[n] = append(v.spells[n], newSpelling(word))
	}
}

func newSpelling(word string) spelling {
	s := spelling{word: word}
	s.first, _ = utf8.DecodeRuneInString(word)
	for _, r := range word {
		s.letters |= 1 << (uint(r) % 64) //nolint:gosec // letters are positive
	}
	return s
}

// near returns the words at a distance from one, in order; of two edits the first letter is none. Of each edit a word gets at most one letter that the
// other has not, and the other at most one that it has not, which rules nearly all words out.
func (v *vocabulary) near(fold string, distance int) []string {
	want, n := newSpelling(fold), utf8.RuneCountInString(fold)
	var list []string
	v.mu.RLock()
	defer v.mu.RUnlock()
	for length := max(1, n-distance); length <= min(n+distance, maxSpelled); length++ {
		for i := range v.spells[length] {
			s := &v.spells[length][i]
			if s.unlike(&want, distance) {
				continue
			}
			if analysis.Distance(fold, s.word, distance) == distance {
				list = append(list, s.word)
			}
		}
	}
	slices.Sort(list)
	return list
}

// unlike reports whether it is clear that a word is no neighbour of another.
func (s *spelling) unlike(want *spelling, distance int) bool {
	return distance > 1 && s.first != want.first || bits.OnesCount64(s.letters&^want.letters) > distance || bits.OnesCount64(want.letters&^s.letters) > distance
}

// seenSpellings says how many of the words of each length somebody has seen.
type seenSpellings [maxSpelled + 1]int

// newSpellings returns the words that were learned since somebody looked, and notes that they were seen.
func (v *vocabulary) newSpellings(seen *seenSpellings) []spelling {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var list []spelling
	for n := range v.spells {
		list = append(list, v.spells[n][seen[n]:]...)
		seen[n] = len(v.spells[n])
	}
	return list
}

// isOwnStem reports whether a stem, where it stands as a word in a field, has itself as its stem. Not all do: "ornee" has the English stem "orne",
// and "orne" has "orn".
func isOwnStem(field int, stem string) bool {
	_, lang, ok := stemmer(field)
	if !ok {
		return true
	}
	tokens := analysis.Analyze(lang, stem)
	if len(tokens) == 0 {
		return false // a stop word: tonnes is not found by ton
	}
	return len(tokens) != 1 || tokens[0].Fold != stem || tokens[0].Text == stem
}

// withStem returns the words of a field other than the stem that have a stem.
func (v *vocabulary) withStem(field int, stem string) []string {
	n, _, ok := stemmer(field)
	if !ok {
		return nil
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.forms[n][stem]
}

// firstHan is a term before all of those in Han, which have no stems and are most terms of a Chinese field.
const (
	firstHan     = "\u2e80"
	firstHanRune = '\u2e80'
)

// load learns the words of an index.
func (v *vocabulary) load(views []view) error {
	for _, s := range views {
		for field := range langs {
			dict, err := s.segment.Dictionary(fieldNames[field])
			if err != nil {
				return err
			}
			it := termsOf(dict, nil, []byte(firstHan))
			for {
				entry, err := it.Next()
				if err != nil {
					return err
				}
				if entry == nil {
					break
				}
				if letters(entry.Term) {
					v.learn(field, entry.Term)
				}
			}
		}
	}
	return nil
}

// termsOf iterates over the terms of a dictionary from one up to, but without, another.
func termsOf(dict segment.TermDictionary, from, to []byte) segment.DictionaryIterator {
	return automatonTerms(dict, nil, from, to)
}

// automatonTerms is termsOf for the terms that an automaton accepts.
func automatonTerms(dict segment.TermDictionary, a segment.Automaton, from, to []byte) segment.DictionaryIterator {
	d, ok := dict.(interface {
		AutomatonIteratorOmitCount(a segment.Automaton, from, to []byte) segment.DictionaryIterator
	})
	if ok { // counting documents is most of the work, and of no use here
		return d.AutomatonIteratorOmitCount(a, from, to)
	}
	return dict.AutomatonIterator(a, from, to)
}
