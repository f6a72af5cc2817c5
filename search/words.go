package search

import (
	"maps"
	"slices"

	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// maxWords of a query are looked up; the rest of a longer one is left out.
const maxWords = 64

// word is a word of the query that has to be found.
type word struct {
	analysis.Word
	place   int    // of its clause in the query
	prefix  bool   // its beginning is enough
	written string // as it was written, where folding took something from it
	meant   []*meaning
}

// wordsOf returns the words of a query: without stop words, unless there is nothing else.
func wordsOf(q query.Query) []word {
	var all []word
	for i, c := range q.Clauses {
		if c.Kind != query.KindWord || c.Not {
			continue
		}
		parts := analysis.Words(c.Text)
		for j, w := range parts {
			all = append(all, word{Word: w, place: i, prefix: c.Prefix && j == len(parts)-1, written: analysis.Written(w.Text)})
		}
	}
	all = all[:min(len(all), maxWords)]
	for i := range all {
		var before, after *analysis.Word
		if i > 0 {
			before = &all[i-1].Word
		}
		if i < len(all)-1 {
			after = &all[i+1].Word
		}
		all[i].Join(before, after)
	}
	telling := slices.DeleteFunc(slices.Clone(all), func(w word) bool { return w.Stop })
	if len(telling) > 0 {
		return telling
	}
	return all
}

// relax lets one word suffice, and of a Han run some of its pairs.
func (m *matcher) relax(missing []word) error {
	for i := range missing {
		if missing[i].Kind != analysis.KindHan {
			continue
		}
		if err := m.partial(&missing[i]); err != nil {
			return err
		}
		m.settle(missing[i].Text, false)
	}
	m.out.need = 1
	m.out.relaxed = len(m.out.rows) > 0
	return nil
}

const (
	// shortRun is up to how many pairs of a run one is enough, where nothing has all of them; of more, two must be there: one pair of a sentence
	// is as often one that any sentence has.
	shortRun = 4
	// characterShare is what a single character of a run tells, beside a pair.
	characterShare = 0.3
)

// partial offers the rows that have some pairs of a run, by how much the pairs and characters tell that they have.
func (m *matcher) partial(w *word) error {
	terms := w.Forms[0].Alternatives[0]
	terms = terms[:min(len(terms), maxTerms)]
	m.out.marks.addTerms(analysis.Other, terms)
	need := 1
	if len(terms) > shortRun {
		need = 2
	}
	shares := map[string]float32{}
	for _, r := range w.Fold {
		shares[string(r)] = characterShare
	}
	all := float32(0)
	found := map[int32]bool{}
	for _, term := range append(slices.Sorted(maps.Keys(shares)), terms...) {
		share, single := shares[term]
		if !single || len(terms) == 1 {
			share = 1
		}
		for _, l := range anywhere([]string{term}, tierPartial)[0] {
			if err := m.single(l); err != nil {
				return err
			}
		}
		share *= idf(m.total, len(m.current))
		all += share
		for _, i := range m.current {
			m.tally[i].sum += share * m.best[i]
			if !single {
				m.tally[i].count++
			}
			found[i] = true
		}
		m.drop()
	}
	for i := range found {
		if t := m.tally[i]; int(t.count) >= need {
			m.offer(i, t.sum/all, tierPartial, false)
		}
		m.tally[i] = tally{}
	}
	return nil
}
