package search

import (
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

const (
	// fewHits is up to how many hits a better query is looked for; who has found more is served.
	fewHits = 5
	// rareWord is in how many courses a word is that may be a typing error of an author.
	rareWord = 2
	// clearlyMore is how many times as much a corrected query must find.
	clearlyMore = 10
	// maxTries bounds the corrected queries that are tried.
	maxTries = 6
)

// correct returns the query that was meant, when it finds clearly more than what was asked: a query whose words are nowhere as they were typed, or that
// finds a course or two by words that look like typing errors. It names nothing that finds nothing for this caller with these filters.
func (p *plan) correct(m *matches, total int) (string, error) {
	if !p.x.ranking.rules.typos || p.correcting {
		return "", nil
	}
	corrections, least := slices.DeleteFunc(slices.Clone(m.corrections), func(c correction) bool {
		return strings.ContainsRune(p.query.Clauses[c.place].Text, ':') // title:python was meant as a field; titre is no better one
	}), 1
	if len(corrections) == 0 {
		if total == 0 || total > fewHits || m.relaxed {
			return "", nil
		}
		var err error
		if corrections, err = p.lookalikes(m); err != nil || len(corrections) == 0 {
			return "", err
		}
		least = clearlyMore * total
	} else if total == 0 {
		return "", nil
	}
	text, most := "", least-1
	for _, pick := range picks(corrections) {
		candidate := correctedText(p.query, corrections, pick)
		n, relaxed, _, err := p.total(candidate)
		if err != nil {
			return "", err
		}
		if n > most && (!relaxed || m.relaxed) {
			text, most = candidate, n
		}
	}
	return text, nil
}

// picks returns which choices of corrections to try: the first of all, then another one of each.
func picks(corrections []correction) [][]int {
	first := make([]int, len(corrections))
	list := [][]int{first}
	for n := range corrections {
		for k := 1; k < len(corrections[n].choices) && len(list) < maxTries; k++ {
			other := slices.Clone(first)
			other[n] = k
			list = append(list, other)
		}
	}
	return list
}

// total counts what another query finds for the same caller, with the same filters. relaxed and guessed are those of its matches.
func (p *plan) total(text string) (n int, relaxed, guessed bool, err error) {
	q, err := query.Parse(text)
	if err != nil {
		return 0, false, false, nil // too long, now that it is right: then it is no correction
	}
	req := *p.req
	req.Q, req.Cursor, req.Facets, req.FacetQ, req.Limit, req.Explain = text, "", nil, "", 1, false
	other, err := p.x.newPlan(p.gen, &req, q)
	if err != nil {
		return 0, false, false, err
	}
	other.turn, other.correcting = p.turn, true
	c, m, done, err := other.find()
	if err != nil {
		return 0, false, false, err
	}
	defer done()
	return c.total, m != nil && m.relaxed, m != nil && m.guessed, nil
}

// lookalikes returns, for words that hardly any course has, those one edit away that many have.
func (p *plan) lookalikes(m *matches) ([]correction, error) {
	var list []correction
	for _, w := range m.rare {
		if edits(&w.Word) == 0 {
			continue
		}
		choices, err := p.frequent(w.Fold)
		if err != nil {
			return nil, err
		}
		if len(choices) > 0 {
			list = append(list, correction{w.place, w.Start, w.End, choices})
		}
	}
	return list, nil
}

// frequent returns the words one edit away that many courses have, the most frequent first.
func (p *plan) frequent(fold string) ([]neighbour, error) {
	m, done, err := p.newMatcher()
	if err != nil {
		return nil, err
	}
	defer done()
	var choices []neighbour
	for _, term := range m.words.near(fold, 1) {
		if len(analysis.Words(term)) != 1 {
			continue
		}
		n, err := m.frequency(term)
		if err != nil {
			return nil, err
		}
		if n >= clearlyMore*rareWord {
			choices = append(choices, neighbour{term, n})
		}
	}
	return mostFrequent(choices), nil
}

// mostFrequent keeps the first of some words.
func mostFrequent(choices []neighbour) []neighbour {
	slices.SortStableFunc(choices, func(a, b neighbour) int { return b.n - a.n })
	return choices[:min(len(choices), maxChoices)]
}
