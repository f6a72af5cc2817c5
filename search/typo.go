package search

import (
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/vellum/levenshtein"

	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// Which words may be mistyped, in runes. Shorter ones have too many neighbours; of two edits the first letter is not one, which people rarely get
// wrong.
const (
	oneEditFrom  = 4
	twoEditsFrom = 8
	// prefixEditFrom is from when on a typo is forgiven in what is still being typed: of fewer letters too much begins alike.
	prefixEditFrom = 5
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

// correction replaces a part of a clause's text by one of the words that it may mean, the most frequent first.
type correction struct {
	place      int // of the clause
	start, end int
	choices    []neighbour
}

// neighbour is a word close to another, with how many texts of visible courses have it.
type neighbour struct {
	fold string
	n    int
}

// maxChoices bounds the words that a typo may mean when a corrected query is looked for.
const maxChoices = 3

// correctedText is the query with the words that were meant; pick has the choice that is taken of each correction.
func correctedText(q query.Query, corrections []correction, pick []int) string {
	fixed := query.Query{Clauses: slices.Clone(q.Clauses)}
	for n, c := range slices.Backward(corrections) { // from the end, so that places stay right
		text := fixed.Clauses[c.place].Text
		fixed.Clauses[c.place].Text = text[:c.start] + c.choices[pick[n]].fold + text[c.end:]
	}
	return fixed.String()
}

// typos looks up what a word may have been meant to be: the words one edit away, or else those one edit away from its stem (keznels is no neighbour of
// kernel, but its stem is), or else two edits away; or else, of a word that is being typed, those that begin with something one edit away.
func (m *matcher) typos(w *word) error {
	for _, try := range triesOf(w) {
		if found, err := m.meant(w, m.nearby(&try), try.tier); found || err != nil {
			return err
		}
	}
	if !begunLike(w) {
		return nil
	}
	return m.beginningLike(w.Fold)
}

// try is one way to forgive typos: words at a distance from some others.
type try struct {
	folds    []string
	distance int
	tier     int
}

// triesOf returns the ways to forgive typos in a word, in their order.
func triesOf(w *word) []try {
	most := edits(&w.Word)
	if most == 0 {
		return nil
	}
	tries := []try{{[]string{w.Fold}, 1, tierTypo}, {stemsOf(&w.Word), 1, tierTypo}, {[]string{w.Fold}, 2, tierTypo2}}
	return slices.DeleteFunc(tries, func(t try) bool { return t.distance > most })
}

// nearby returns the words that a try takes for the one that was typed, in order.
func (m *matcher) nearby(t *try) []string {
	var terms []string
	for _, fold := range t.folds {
		terms = append(terms, m.words.near(fold, t.distance)...)
	}
	slices.Sort(terms)
	return slices.Compact(terms)
}

// begunLike reports whether a word is looked up as a mistyped beginning, when no try found anything.
func begunLike(w *word) bool {
	return w.prefix && edits(&w.Word) > 0 && utf8.RuneCountInString(w.Fold) >= prefixEditFrom
}

// stemsOf returns a word's English and French stems, where they are long enough to be mistyped and other than the word.
func stemsOf(w *analysis.Word) []string {
	var stems []string
	for _, f := range w.Forms {
		if f.Lang != analysis.English && f.Lang != analysis.French {
			continue
		}
		stem := f.Alternatives[0][0]
		if stem != w.Fold && utf8.RuneCountInString(stem) >= oneEditFrom && !slices.Contains(stems, stem) {
			stems = append(stems, stem)
		}
	}
	return stems
}

// meant looks up words in place of another one.
func (m *matcher) meant(w *word, terms []string, tier int) (found bool, err error) {
	var choices []neighbour
	for _, term := range terms {
		n, err := m.neighbour(term, tier)
		if err != nil {
			return false, err
		}
		if n > 0 {
			choices = append(choices, neighbour{term, n})
		}
	}
	if len(choices) == 0 {
		return false, nil
	}
	m.out.corrections = append(m.out.corrections, correction{w.place, w.Start, w.End, mostFrequent(choices)})
	return true, nil
}

// neighbour looks up one word in place of another, and returns in how many texts of visible courses it is.
func (m *matcher) neighbour(term string, tier int) (int, error) {
	words := analysis.Words(term)
	if len(words) != 1 {
		return 0, nil
	}
	n, err := m.frequency(term)
	if n == 0 || err != nil {
		return 0, err
	}
	m.out.marks.add(&words[0])
	return n, m.forms(&words[0], tier, tier+1)
}

// frequency is in how many texts of visible courses a word is, each language a text.
func (m *matcher) frequency(term string) (n int, err error) {
	for field := range langs {
		for s := range m.views {
			p, err := m.term(s, field, term)
			if err != nil {
				return 0, err
			}
			for _, d := range p.docs {
				if m.seen(m.views[s].rows[d]) {
					n++
				}
			}
		}
	}
	return n, nil
}

func letters(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) {
			return false
		}
	}
	return true
}

// levenshteinBuilder makes automatons for one edit; making it takes tables, so there is one.
var levenshteinBuilder = sync.OnceValues(func() (*levenshtein.LevenshteinAutomatonBuilder, error) {
	return levenshtein.NewLevenshteinAutomatonBuilder(1, true)
})

// beginningLike offers the rows with a word of which a beginning is one edit away from what is being typed; the first letter is right.
func (m *matcher) beginningLike(fold string) error {
	builder, err := levenshteinBuilder()
	if err != nil {
		return err
	}
	dfa, err := builder.BuildDfa(fold, 1)
	if err != nil {
		return err
	}
	_, n := utf8.DecodeRuneInString(fold)
	first := fold[:n]
	for s := range m.views {
		p, err := m.united(s, spaceTyping, fold, func(yield func(int, string) error) error {
			return m.accepted(s, accepting{dfa}, []byte(first), after(first), func(field int, term string) error {
				if !letters(term) {
					return nil
				}
				return yield(field, term)
			})
		})
		if err != nil {
			return err
		}
		m.below(s, p, tierTypo2, inTitle, false)
	}
	return nil
}

// accepting accepts whatever begins with something that an automaton accepts.
type accepting struct{ dfa *levenshtein.DFA }

// begun is the state after such a beginning: nothing that follows matters.
const begun = -1

// step makes a state of one of the automaton's.
func (b accepting) step(state int) int {
	if b.dfa.IsMatch(state) {
		return begun
	}
	return state
}

// Start implements segment.Automaton.
func (b accepting) Start() int { return b.step(b.dfa.Start()) }

// IsMatch implements segment.Automaton.
func (b accepting) IsMatch(state int) bool { return state == begun }

// CanMatch implements segment.Automaton.
func (b accepting) CanMatch(state int) bool { return state == begun || b.dfa.CanMatch(state) }

// WillAlwaysMatch implements segment.Automaton.
func (b accepting) WillAlwaysMatch(state int) bool { return state == begun }

// Accept implements segment.Automaton.
func (b accepting) Accept(state int, next byte) int {
	if state == begun {
		return begun
	}
	return b.step(b.dfa.Accept(state, next))
}
