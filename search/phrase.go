package search

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/analysis"
)

const (
	// maxPhraseTerms of a phrase are looked up; the text itself is compared with all of it.
	maxPhraseTerms = 32
	// phraseChunk is how many texts are compared within one read of the catalog, which has to be short.
	phraseChunk = 200
	// maxTexts are read for all phrases of a search: about a second. Phrases of words that nearly every course has are refused by it, at once.
	maxTexts = 25_000
	// workPerText is how much work it is to read and compare a course's texts.
	workPerText = 20
)

// phrase keeps the rows that hold a phrase, and scores it as a word.
func (m *matcher) phrase(p *plan, text string) error {
	first := m.out.words == 0
	rows, err := m.holding(p, text, func(i int32) bool { return first || m.found[i] > 0 })
	if err != nil {
		return err
	}
	for _, i := range rows {
		m.tally[i].count = 1
	}
	m.current = slices.DeleteFunc(m.current, func(i int32) bool {
		if m.tally[i].count == 0 {
			m.best[i] = 0
			return true
		}
		return false
	})
	m.settle(text, false)
	m.out.rows = slices.DeleteFunc(m.out.rows, func(i int32) bool {
		if m.tally[i].count == 0 {
			m.clearRow(i)
			return true
		}
		return false
	})
	for _, i := range rows {
		m.tally[i].count = 0
	}
	m.out.words++
	for _, w := range analysis.Words(text) {
		m.out.marks.add(&w)
	}
	return nil
}

// holding returns the visible rows that hold a phrase, of those that are worth a look. The index has no positions: it names the courses that have all
// of the words, and their texts are read. What was found stands in best, as a word's does.
func (m *matcher) holding(p *plan, text string, worth func(i int32) bool) ([]int32, error) {
	phrase := analysis.NewPhrase(text)
	terms := phraseTerms(text)
	if len(terms) == 0 {
		return nil, nil
	}
	if err := m.alternative(anywhere(terms, tierExact), len(terms)); err != nil {
		return nil, err
	}
	var rows []int32
	for _, i := range m.current {
		if worth(i) {
			rows = append(rows, i)
		}
	}
	if m.texts += len(rows); m.texts > maxTexts {
		return nil, fault.New("search.Search", fault.QueryTooBroad)
	}
	var held []int32
	for chunk := range slices.Chunk(rows, phraseChunk) {
		if err := m.work(workPerText * len(chunk)); err != nil {
			return nil, err
		}
		in, err := p.filterByText(m.ctx, chunk, phrase.In)
		if err != nil {
			return nil, err
		}
		held = append(held, in...)
	}
	return held, nil
}

// phraseTerms are the words that whoever holds a phrase has: those that are looked up.
func phraseTerms(text string) []string {
	var terms []string
	for _, tok := range analysis.Exact(text) {
		pair := tok.Kind == analysis.KindHan && utf8.RuneCountInString(tok.Text) > 1 // it may be parted by a sign in the text
		if !tok.Whole && !pair && !slices.Contains(terms, tok.Text) && len(terms) < maxPhraseTerms {
			terms = append(terms, tok.Text)
		}
	}
	return terms
}

// filterByText returns the rows of which one passage is accepted.
func (p *plan) filterByText(ctx context.Context, rows []int32, accept func(text string) bool) (in []int32, err error) {
	err = p.x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for _, i := range rows {
			c, ok, err := v.Course(p.cols.details(i).id)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			texts := p.cols.passages(p.x.dicts, &c.Value)
			if slices.ContainsFunc(texts, func(t passage) bool { return accept(t.text) }) {
				in = append(in, i)
			}
		}
		return nil
	})
	return in, err
}
