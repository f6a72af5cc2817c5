package search

import (
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	index "github.com/blevesearch/bleve_index_api"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

const (
	// maxAll is up to how many words must all match; of more, any does.
	maxAll = 4
	// maxWords of a query are looked up; the rest of a longer one is left out.
	maxWords = 64
	// maxExplained words are explained one by one: each takes a number for every course.
	maxExplained = 16
	// maxTerms of a word are looked up: of a run of Han characters that long, the first tell enough.
	maxTerms = 64
	// maxPrefixTerms bounds the terms that a prefix stands for, counted in each segment. A catalog has fewer that begin alike.
	maxPrefixTerms = 200_000
	// checkEvery is how many lists of documents are read between two looks at the deadline.
	checkEvery = 64
)

// matches are the rows that the words of a query found, with their scores.
type matches struct {
	rows        []int32   // in no order
	score       []float32 // by row
	matched     []uint8   // by row: how many words
	visible     []bool    // by row: there for the caller, and not excluded
	need        int       // words that must match: all, or one
	words       int       // to be found
	relaxed     bool
	corrections []correction // of typos, in order
	marks       marker       // what to highlight
	explained   []explainedWord
}

// explainedWord is what one word gave, by row.
type explainedWord struct {
	text  string
	score []float32
	tier  []uint8
}

// missing is what a score loses by words that the course does not have.
func (m *matches) missing(i int32) float64 {
	if m.words == 0 || int(m.matched[i]) >= m.words {
		return 0
	}
	return -missingWeight * float64(m.score[i]) * float64(m.words-int(m.matched[i])) / float64(m.words)
}

// matcher looks up words, one after another, in the index. It works on arrays with a place for each row, which it borrows.
type matcher struct {
	*scratch
	*lookup
	ctx   context.Context
	index index.IndexReader
	cols  *columns
	words *vocabulary
	total int // visible rows
	reads int // lists that were read
	out   *matches
}

// word is a word of the query that has to be found.
type word struct {
	analysis.Word
	place  int // of its clause in the query
	prefix bool
}

// wordsOf returns the words of a query: without stop words, unless there is nothing else.
func wordsOf(q query.Query) []word {
	var all, telling []word
	for i, c := range q.Clauses {
		if c.Kind != query.KindWord || c.Not {
			continue
		}
		parts := analysis.Words(c.Text)
		for j, w := range parts {
			if len(all) == maxWords {
				break
			}
			all = append(all, word{Word: w, place: i, prefix: c.Prefix && j == len(parts)-1})
			if !w.Stop {
				telling = append(telling, all[len(all)-1])
			}
		}
	}
	if len(telling) > 0 {
		return telling
	}
	return all
}

// run finds what the words and phrases of a query match. Without any, rows is nil.
func (m *matcher) run(p *plan, q query.Query) error {
	words := wordsOf(q)
	m.out.words = len(words)
	m.out.need = len(words)
	if len(words) > maxAll {
		m.out.need = 1
	}
	var missing []word
	for _, w := range words {
		found, err := m.word(w)
		if err != nil {
			return err
		}
		if !found {
			missing = append(missing, w)
		}
	}
	if m.out.need > 0 && !m.anyWith(m.out.need) {
		if err := m.relax(missing); err != nil {
			return err
		}
	}
	m.keep(m.out.need)
	for _, c := range q.Clauses {
		if c.Kind == query.KindPhrase && !c.Not {
			if err := m.phrase(p, c.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

// anyWith reports whether a row has so many of the words.
func (m *matcher) anyWith(n int) bool {
	return slices.ContainsFunc(m.out.rows, func(i int32) bool { return int(m.matched[i]) >= n })
}

// keep drops the rows with fewer words.
func (m *matcher) keep(n int) {
	m.out.rows = slices.DeleteFunc(m.out.rows, func(i int32) bool {
		if int(m.matched[i]) >= n {
			return false
		}
		m.clearRow(i)
		return true
	})
}

// relax lets one word suffice, and of a Han run half of its pairs.
func (m *matcher) relax(missing []word) error {
	for _, w := range missing {
		if w.Kind != analysis.KindHan {
			continue
		}
		terms := w.Forms[0].Alternatives[0]
		terms = terms[:min(len(terms), maxTerms)]
		if err := m.alternative(anywhere(terms, tierPartial), (len(terms)+1)/2); err != nil {
			return err
		}
		m.out.marks.addTerms(analysis.Other, terms)
		m.settle(w.Text)
	}
	m.out.need = 1
	m.out.relaxed = len(m.out.rows) > 0
	return nil
}

// word looks up one word: as it stands, then with typos when nothing visible has it.
func (m *matcher) word(w word) (found bool, err error) {
	if err := m.forms(&w.Word, tierExact, tierStem); err != nil {
		return false, err
	}
	m.out.marks.add(&w.Word)
	if w.prefix && w.Kind != analysis.KindHan {
		if err := m.prefixed(w.Fold); err != nil {
			return false, err
		}
		m.out.marks.prefix = w.Fold
	}
	if len(m.current) == 0 {
		if err := m.typos(w); err != nil {
			return false, err
		}
	}
	found = len(m.current) > 0
	m.settle(w.Text)
	return found, nil
}

// settle adds what the current word found to the scores, and makes room for the next word. Only now it is known how many courses have it. What a
// caller may not see plays no part, so that scores tell nothing of it.
func (m *matcher) settle(text string) {
	weight := idf(m.total, len(m.current))
	var e explainedWord
	if m.explain && len(m.current) > 0 && len(m.out.explained) < maxExplained {
		e = explainedWord{text: text, score: make([]float32, len(m.best)), tier: make([]uint8, len(m.best))}
		m.out.explained = append(m.out.explained, e)
	}
	for _, i := range m.current {
		if m.matched[i] == 0 {
			m.out.rows = append(m.out.rows, i)
		}
		s := m.best[i] * weight
		m.score[i] += s
		m.matched[i]++
		if e.score != nil {
			e.score[i], e.tier[i] = s, m.tier[i]
		}
		m.best[i] = 0
	}
	m.current = m.current[:0]
}

// list names documents that are looked up: those with a term in a field.
type list struct {
	field int
	term  string
	tier  int
}

// anywhere returns, for each term, the lists of all fields.
func anywhere(terms []string, tier int) [][]list {
	lists := make([][]list, 0, len(terms))
	for _, t := range terms[:min(len(terms), maxTerms)] {
		one := make([]list, 0, fieldCount)
		for field := range fieldCount {
			one = append(one, list{field, t, tier})
		}
		lists = append(lists, one)
	}
	return lists
}

// stemmed returns, for each stem, the lists of its forms in a field.
func (m *matcher) stemmed(stems []string, field, tier int) [][]list {
	lists := make([][]list, 0, len(stems))
	for _, stem := range stems[:min(len(stems), maxTerms)] {
		var one []list
		if isOwnStem(field, stem) {
			one = append(one, list{field, stem, tier})
		}
		for _, form := range m.words.withStem(field, stem) {
			one = append(one, list{field, form, tier})
		}
		lists = append(lists, one)
	}
	return lists
}

// forms looks up the forms that a word has: exact ones anywhere, those with the same stem in the texts of each language.
func (m *matcher) forms(w *analysis.Word, exact, stem int) error {
	for _, f := range w.Forms {
		field := fieldOf(f.Lang)
		for _, terms := range f.Alternatives {
			var lists [][]list
			switch {
			case len(terms) == 0:
				continue
			case field == fieldOther:
				lists = anywhere(terms, exact)
			case w.Kind == analysis.KindHan:
				continue // the same in all languages
			default:
				lists = m.stemmed(terms, field, stem)
			}
			if err := m.alternative(lists, len(lists)); err != nil {
				return err
			}
		}
	}
	return nil
}

// alternative looks up the rows that have at least so many of some terms, each of them in one of its lists, and keeps for each row the best that
// the current word has found so far.
func (m *matcher) alternative(terms [][]list, need int) error {
	found := m.found[:0]
	defer func() { m.found = found[:0] }()
	for n, lists := range terms {
		current := uint8(n + 1)
		for _, l := range lists {
			norms, weight, how := m.cols.norm(l.field), tierWeights[l.tier], uint8(l.tier) //nolint:gosec // a few
			err := m.postings(l.field, l.term, true, func(i int32, tf uint32) {
				s := weight * saturate(float32(tf&maxFrequency), norms[i])
				if tf&inTitle != 0 {
					s += weight * titleWeight
				}
				t := &m.tally[i]
				switch {
				case t.last == 0:
					found = append(found, i)
					*t = tally{last: current, count: 1, how: how, part: s, sum: s}
				case t.last != current:
					t.last, t.part = current, s
					t.count++
					t.sum += s
				case s > t.part:
					t.sum += s - t.part
					t.part, t.how = s, how
				}
			})
			if err != nil {
				return err
			}
		}
	}
	for _, i := range found {
		if t := &m.tally[i]; int(t.count) >= need {
			m.offer(i, t.sum/float32(len(terms)), int(t.how))
		}
		m.tally[i] = tally{}
	}
	return nil
}

// offer gives a row a weight by the current word, if it has none better.
func (m *matcher) offer(i int32, weight float32, tier int) {
	if m.best[i] == 0 {
		m.current = append(m.current, i)
	}
	if weight > m.best[i] {
		m.best[i], m.tier[i] = weight, uint8(tier) //nolint:gosec // six of them
	}
}

// prefixed looks up all words that begin so. Of a single letter it is not told whether they stand in titles: too many words begin with it.
func (m *matcher) prefixed(prefix string) error {
	_, first := utf8.DecodeRuneInString(prefix)
	const weight = 1 + titleWeight
	return m.beginning(prefix, len(prefix) > first, func(i int32, tf uint32) {
		w := tierWeights[tierPrefix]
		if tf&inTitle != 0 {
			w *= weight
		}
		m.offer(i, w, tierPrefix)
	})
}

// exclude returns the rows that a word or phrase with a minus before it takes away.
func (m *matcher) exclude(p *plan, c query.Clause) ([]int32, error) {
	if c.Kind == query.KindPhrase {
		rows, err := m.holding(p, c.Text, func(int32) bool { return true })
		m.drop()
		return rows, err
	}
	var rows []int32
	for n, w := range analysis.Words(c.Text) {
		if err := m.forms(&w, tierExact, tierStem); err != nil {
			return nil, err
		}
		// Of several words in one, all must be there.
		rows = slices.DeleteFunc(rows, func(i int32) bool { return m.best[i] == 0 })
		if n == 0 {
			rows = slices.Clone(m.current)
		}
		m.drop()
	}
	return rows, nil
}

// drop forgets what the current word has found.
func (m *matcher) drop() {
	for _, i := range m.current {
		m.best[i] = 0
	}
	m.current = m.current[:0]
}

// deadline turns the end of a search's own time into an answer.
func deadline(parent context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && parent.Err() == nil {
		return fault.Wrap("search.Search", fault.Overloaded, err, "retry_after", retryAfter)
	}
	return err
}
