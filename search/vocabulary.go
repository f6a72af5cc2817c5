package search

import (
	"slices"
	"strings"
	"sync"

	segment "github.com/blevesearch/scorch_segment_api/v2"

	"github.com/carrel-lms/carrel/search/analysis"
)

// vocabulary knows which words of the index have the same stem. It only grows; a form that no course has any more is looked up in vain.
type vocabulary struct {
	mu    sync.RWMutex
	known [stemmers]map[string]bool     // words seen
	forms [stemmers]map[string][]string // stem → the words other than itself that have it, in order
}

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
	return 0, "", false
}

func newVocabulary() *vocabulary {
	v := &vocabulary{}
	for i := range stemmers {
		v.known[i], v.forms[i] = map[string]bool{}, map[string][]string{}
	}
	return v
}

// learn takes a word of a field into the vocabulary.
func (v *vocabulary) learn(field int, word string) {
	n, lang, ok := stemmer(field)
	if !ok {
		return
	}
	v.mu.RLock()
	known := v.known[n][word]
	v.mu.RUnlock()
	if known {
		return
	}
	word = strings.Clone(word) // a piece of a text would keep all of it in memory
	stem := ""
	if tokens := analysis.Analyze(lang, word); len(tokens) == 1 && tokens[0].Fold == word && tokens[0].Text != word {
		stem = strings.Clone(tokens[0].Text)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known[n][word] {
		return
	}
	v.known[n][word] = true
	if stem != "" {
		at, _ := slices.BinarySearch(v.forms[n][stem], word)
		v.forms[n][stem] = slices.Insert(slices.Clone(v.forms[n][stem]), at, word) // readers keep the old one
	}
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
const firstHan = "\u2e80"

// load learns the words of an index.
func (v *vocabulary) load(views []view) error {
	for _, s := range views {
		for field := range fieldCount {
			if _, _, ok := stemmer(field); !ok {
				continue
			}
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
