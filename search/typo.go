package search

import (
	"errors"
	"slices"
	"unicode"
	"unicode/utf8"

	index "github.com/blevesearch/bleve_index_api"

	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// Which words may be mistyped, in runes. Shorter ones have too many neighbours; of two edits the first letter is not one, which people rarely get
// wrong.
const (
	oneEditFrom  = 4
	twoEditsFrom = 8
	// maxTypoTerms bounds the words that are tried in place of one. It is several times what a word has for neighbours.
	maxTypoTerms = 128
)

// edits is how many typos are forgiven in a word: none in Han characters, numbers, codes and letters other than Latin ones.
func edits(w *analysis.Word) int {
	if w.Kind != analysis.KindWord {
		return 0
	}
	for _, r := range w.Fold {
		if !unicode.Is(unicode.Latin, r) {
			return 0
		}
	}
	switch n := utf8.RuneCountInString(w.Fold); {
	case n < oneEditFrom:
		return 0
	case n < twoEditsFrom:
		return 1
	}
	return 2
}

// neighbour is a word of the index that may have been meant, with how many texts of visible courses have it.
type neighbour struct {
	fold string
	n    int
}

// correction replaces a part of a clause's text.
type correction struct {
	place      int // of the clause
	start, end int
	fold       string
}

// correctedText is the query with the words that were meant; "" when none was corrected.
func correctedText(q query.Query, corrections []correction) string {
	if len(corrections) == 0 {
		return ""
	}
	fixed := query.Query{Clauses: slices.Clone(q.Clauses)}
	for _, c := range slices.Backward(corrections) { // from the end, so that places stay right
		text := fixed.Clauses[c.place].Text
		fixed.Clauses[c.place].Text = text[:c.start] + c.fold + text[c.end:]
	}
	return fixed.String()
}

// typos looks up what a word may have been meant to be: the words one edit away, or else two.
func (m *matcher) typos(w word) error {
	for d := 1; d <= edits(&w.Word); d++ {
		terms, err := m.neighbours(w.Fold, d)
		if err != nil {
			return err
		}
		var best neighbour
		for _, term := range terms {
			n, err := m.neighbour(term, tierTypo+d-1)
			if err != nil {
				return err
			}
			if n > best.n {
				best = neighbour{term, n}
			}
		}
		if best.n > 0 {
			m.out.corrections = append(m.out.corrections, correction{place: w.place, start: w.Start, end: w.End, fold: best.fold})
			return nil
		}
	}
	return nil
}

// neighbour looks up one word in place of another, and returns in how many languages of visible courses it is.
func (m *matcher) neighbour(term string, tier int) (int, error) {
	words := analysis.Words(term)
	if len(words) != 1 {
		return 0, nil
	}
	n := 0
	for field := range fieldCount {
		if err := m.postings(field, term, false, func(int32, uint32) { n++ }); err != nil {
			return 0, err
		}
	}
	if n == 0 {
		return 0, nil
	}
	m.out.marks.add(&words[0])
	return n, m.forms(&words[0], tier, tier)
}

// neighbours returns the words of the index at a distance from one, in order.
func (m *matcher) neighbours(fold string, distance int) ([]string, error) {
	fuzzy, ok := m.index.(index.IndexReaderFuzzy)
	if !ok {
		return nil, errors.New("search: the index finds no similar words")
	}
	prefix := ""
	if distance > 1 {
		_, n := utf8.DecodeRuneInString(fold)
		prefix = fold[:n]
	}
	var terms []string
	for _, field := range fieldNames {
		dict, err := fuzzy.FieldDictFuzzy(field, fold, distance, prefix)
		if err != nil {
			return nil, err
		}
		for len(terms) < maxTypoTerms {
			entry, err := dict.Next()
			if err != nil {
				return nil, errors.Join(err, dict.Close())
			}
			if entry == nil {
				break
			}
			if analysis.Distance(fold, entry.Term, distance) == distance && letters(entry.Term) {
				terms = append(terms, entry.Term)
			}
		}
		if err := dict.Close(); err != nil {
			return nil, err
		}
	}
	slices.Sort(terms)
	return slices.Compact(terms), nil
}

func letters(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) {
			return false
		}
	}
	return true
}
