package search

import (
	"slices"

	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

const (
	// maxAll is up to how many words must all match; of more, any does.
	maxAll = 4
	// maxExplained words are explained one by one: each takes a number for every course.
	maxExplained = 16
	// maxTerms of a word are looked up: of a run of Han characters that long, the first tell enough.
	maxTerms = 64
)

// matches are the rows that the words of a query found, with their scores.
type matches struct {
	rows        []int32   // in no order
	score       []float32 // by row: the text factor, times bound
	found       []tallied // by row: how many words, and how well
	visible     []bool    // by row: there for the caller, and not excluded
	need        int       // words that must match: all, or one
	words       int       // to be found
	bound       float32   // no row's score is greater
	relaxed     bool
	oneWord     bool         // the query is one word
	guessed     bool         // a word is nowhere as it stands: typos were forgiven in it, or it was left out
	corrections []correction // of typos, in order
	rare        []word       // that hardly any course has
	marks       marker       // what to highlight
	explained   []explainedWord
}

// explainedWord is what one word gave, by row.
type explainedWord struct {
	text    string
	score   []float32
	quality []float32
	tier    []uint8
}

// all reports whether the factors are those of a query of which all words must match.
func (m *matches) all() bool { return m.words <= maxAll }

// matcher looks up words, one after another, in the index. It works on arrays with a place for each row, which it borrows.
type matcher struct {
	*scratch
	*lookup
	*turn
	*ranking
	cols  *columns
	words *vocabulary
	total int // visible rows
	out   *matches
}

// run finds what the words and phrases of a query match. Without any, rows is nil.
func (m *matcher) run(p *plan, q query.Query) error {
	words := wordsOf(q)
	m.out.words = len(words)
	m.out.oneWord = len(words) == 1 && words[0].Fold == p.folded
	m.out.need = len(words)
	if len(words) > maxAll {
		m.out.need = 1
	}
	if err := m.meanings(p, words); err != nil {
		return err
	}
	var missing []word
	for i := range words {
		found, err := m.word(&words[i])
		if err != nil {
			return err
		}
		if !found {
			missing = append(missing, words[i])
		}
	}
	if m.out.need > 0 && !m.anyWith(m.out.need) {
		if err := m.relax(missing); err != nil {
			return err
		}
	}
	for _, c := range q.Clauses {
		if c.Kind == query.KindPhrase && !c.Not {
			m.keep(m.out.need) // else whoever reads the result looks at need
			if err := m.phrase(p, c.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

// anyWith reports whether a row has so many of the words.
func (m *matcher) anyWith(n int) bool {
	return slices.ContainsFunc(m.out.rows, func(i int32) bool { return m.found[i].words() >= n })
}

// keep drops the rows with fewer words.
func (m *matcher) keep(n int) {
	m.out.rows = slices.DeleteFunc(m.out.rows, func(i int32) bool {
		if m.found[i].words() >= n {
			return false
		}
		m.clearRow(i)
		return true
	})
}

// word looks up one word: as it stands, or else as it may be meant.
func (m *matcher) word(w *word) (found bool, err error) {
	if err := m.standing(w); err != nil {
		return false, err
	}
	if len(m.current) == 0 {
		if err := m.initials(w); err != nil {
			return false, err
		}
	}
	if len(m.current) == 0 {
		m.out.guessed = true
		if m.rules.typos {
			if err := m.typos(w); err != nil {
				return false, err
			}
		}
	}
	if err := m.accents(w); err != nil {
		return false, err
	}
	found = len(m.current) > 0
	if found && len(m.current) <= rareWord {
		m.out.rare = append(m.out.rare, *w)
	}
	m.settle(w.Text, w.written != "")
	return found, nil
}

// standing looks up a word as it stands, by what it means, as the beginning of another, and in pinyin. Whether a course is found so depends on no other.
func (m *matcher) standing(w *word) error {
	if err := m.forms(&w.Word, tierExact, tierStem); err != nil {
		return err
	}
	for _, meant := range w.meant {
		for k, i := range meant.rows {
			m.offer(i, meant.weights[k], tierSynonym, false)
		}
		m.out.marks.addAll(meant.words)
	}
	m.out.marks.add(&w.Word)
	if w.prefix && w.Kind != analysis.KindHan {
		if err := m.prefixed(w.Fold); err != nil {
			return err
		}
		m.out.marks.prefix = w.Fold
	}
	return m.pinyin(w)
}

// settle adds what the current word found to the scores, and makes room for the next word. Only now it is known how many courses have it. What a
// caller may not see plays no part, so that scores tell nothing of it.
func (m *matcher) settle(text string, written bool) {
	weight := idf(m.total, len(m.current))
	m.out.bound += weight * m.maxWeight(written)
	var e explainedWord
	if m.explain && len(m.current) > 0 && len(m.out.explained) < maxExplained {
		e = explainedWord{text: text, score: make([]float32, len(m.best)), quality: make([]float32, len(m.best)), tier: make([]uint8, len(m.best))}
		m.out.explained = append(m.out.explained, e)
	}
	all, adds := m.out.all(), m.adds(m.out.all())
	for _, i := range m.current {
		if m.found[i] == 0 {
			m.out.rows = append(m.out.rows, i)
		}
		tier := m.tier[i] &^ titled
		s := m.best[i] * weight
		if !all { // of many words any will do: then how each of them matched is part of its weight
			s *= m.qualities[tier]
		}
		m.score[i] += s
		m.found[i] += adds[m.tier[i]]
		if e.score != nil {
			e.score[i], e.tier[i] = s, tier
			if all {
				e.quality[i] = m.qualities[tier]
			}
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

// anywhere returns, for each term, the lists of all languages.
func anywhere(terms []string, tier int) [][]list {
	lists := make([][]list, 0, len(terms))
	for _, t := range terms[:min(len(terms), maxTerms)] {
		one := make([]list, 0, langs)
		for field := range langs {
			one = append(one, list{field, t, tier})
		}
		lists = append(lists, one)
	}
	return lists
}

// stemmed returns, for each stem, the lists of its forms in a field.
func (m *matcher) stemmed(stems []string, field, tier int, but string) [][]list {
	lists := make([][]list, 0, len(stems))
	for _, stem := range stems[:min(len(stems), maxTerms)] {
		var one []list
		if stem != but && isOwnStem(field, stem) {
			one = append(one, list{field, stem, tier})
		}
		for _, form := range m.words.withStem(field, stem) {
			if form != but {
				one = append(one, list{field, form, tier})
			}
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
			case w.Kind == analysis.KindHan || !m.rules.stems:
				continue // the same in all languages
			case len(terms) == 1:
				lists = m.stemmed(terms, field, stem, w.Fold) // the exact form is looked up anywhere
			default:
				lists = m.stemmed(terms, field, stem, "")
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
	if len(terms) == 1 && need == 1 {
		for _, l := range terms[0] {
			if err := m.single(l); err != nil {
				return err
			}
		}
		return nil
	}
	m.noted = m.noted[:0]
	how := tierExact
	for n, lists := range terms {
		for _, l := range lists {
			how = max(how, l.tier)
			for s := range m.views {
				p, err := m.term(s, l.field, l.term)
				if err != nil {
					return err
				}
				m.count(s, p, l, uint8(n+1))
			}
		}
	}
	for _, i := range m.noted {
		if t := &m.tally[i]; int(t.count) >= need {
			m.offer(i, t.sum/float32(len(terms)), how, int(t.title) == len(terms))
		}
		m.tally[i] = tally{}
	}
	m.noted = m.noted[:0]
	return nil
}

// single offers the rows of one list.
func (m *matcher) single(l list) error {
	norms, weight, how := m.cols.norm(l.field), tierWeights[l.tier], uint8(l.tier) //nolint:gosec // a few
	title, once := weight*m.titleWeight, m.cols.saturated(l.field)
	for s := range m.views {
		p, err := m.term(s, l.field, l.term)
		if err != nil {
			return err
		}
		rows, visible, best, tier := m.views[s].rows, m.visible, m.best, m.tier
		freqs := p.freqs[:len(p.docs)]
		for k, d := range p.docs {
			i := rows[d]
			if uint32(i) >= uint32(len(visible)) || !visible[i] { //nolint:gosec // −1 becomes too large
				continue
			}
			f := freqs[k] - 1
			w, at := weight*once[i], how
			if f>>timesShift > 0 {
				w = weight * saturate(float32(f>>timesShift+1), norms[i])
			}
			if f&inTitle != 0 {
				w, at = w+title, how|titled
			}
			if b := best[i]; w > b {
				if b == 0 {
					m.current = append(m.current, i)
				}
				best[i], tier[i] = w, at
			}
		}
	}
	return nil
}

// count notes in tally the rows of a list, which is one of the n-th term.
func (m *matcher) count(s int, p postings, l list, n uint8) {
	norms, weight := m.cols.norm(l.field), tierWeights[l.tier]
	rows := m.views[s].rows
	for k, d := range p.docs {
		i := rows[d]
		if !m.seen(i) {
			continue
		}
		w := weight * saturate(float32(times(p.freqs[k])), norms[i])
		t := &m.tally[i]
		if places(p.freqs[k])&inTitle != 0 {
			w += weight * m.titleWeight
			if t.last != n || t.part < w {
				t.title++
			}
		}
		switch {
		case t.last == 0:
			m.noted = append(m.noted, i)
			*t = tally{last: n, count: 1, title: t.title, part: w, sum: w}
		case t.last != n:
			t.last, t.part = n, w
			t.count++
			t.sum += w
		case w > t.part:
			t.sum += w - t.part
			t.part = w
		}
	}
}

// A row's tier says by its highest bit whether the word stands in a title.
const (
	titledShift = 7
	titled      = 1 << titledShift
)

// offer gives a row a weight by the current word, if it has none better.
func (m *matcher) offer(i int32, weight float32, tier int, inTitle bool) {
	if m.best[i] == 0 {
		m.current = append(m.current, i)
	}
	if weight > m.best[i] {
		m.best[i], m.tier[i] = weight, uint8(tier) //nolint:gosec // a few
		if inTitle {
			m.tier[i] |= titled
		}
	}
}

// below offers the visible rows of united lists that the current word has not found in a better way. Of the places, those in mask count, and when only
// is set a row must have one of them.
func (m *matcher) below(s int, p postings, tier int, mask uint8, only bool) {
	rows, weight := m.views[s].rows, tierWeights[tier]
	for k, d := range p.docs {
		at := places(p.freqs[k]) & mask
		if only && at == 0 {
			continue
		}
		i := rows[d]
		if !m.seen(i) || m.best[i] != 0 { // sorts of lists come in the order of their qualities
			continue
		}
		w := weight
		if at&inTitle != 0 {
			w += weight * m.titleWeight
		}
		m.offer(i, w, tier, at&inTitle != 0)
	}
}

// prefixed looks up all words that begin so.
func (m *matcher) prefixed(prefix string) error {
	for s := range m.views {
		p, err := m.beginning(s, prefix)
		if err != nil {
			return err
		}
		m.below(s, p, tierPrefix, inTitle, false)
	}
	return nil
}

// accents lets the rows win that have a word as it was written, among those that have it at all.
func (m *matcher) accents(w *word) error {
	if w.written == "" || m.writtenWeight == 0 || len(m.current) == 0 {
		return nil
	}
	for s := range m.views {
		p, err := m.term(s, fieldWritten, w.written)
		if err != nil {
			return err
		}
		for _, d := range p.docs {
			if i := m.views[s].rows[d]; m.seen(i) && m.best[i] != 0 {
				m.best[i] += m.writtenWeight
			}
		}
	}
	return nil
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
