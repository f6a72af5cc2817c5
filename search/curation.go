package search

import (
	"maps"
	"slices"
	"sync"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

const (
	// maxMeanings bounds the synonyms that one query uses.
	maxMeanings = 32
	// maxPinned bounds the courses that are pinned for one query: more than a page is no choice.
	maxPinned = 100
)

// curation is what the editors of an organization say of queries. It never changes once it is published.
type curation struct {
	synonyms map[catalog.SynonymID]catalog.Synonym
	pins     map[catalog.PinID]catalog.Pin

	once    sync.Once
	byWord  map[string][]*synonym    // by a form of the first word
	byQuery map[string][]catalog.Pin // by the folded query
}

// synonym is one direction of one pair of a catalog.Synonym.
type synonym struct {
	language catalog.Locale
	from     []analysis.Word
	to       string
}

// with returns a copy in which an entity is replaced, or gone when it is nil.
func (c *curation) with(s *catalog.Synonym, sid catalog.SynonymID, p *catalog.Pin, pid catalog.PinID) *curation {
	next := &curation{synonyms: map[catalog.SynonymID]catalog.Synonym{}, pins: map[catalog.PinID]catalog.Pin{}}
	if c != nil {
		maps.Copy(next.synonyms, c.synonyms)
		maps.Copy(next.pins, c.pins)
	}
	delete(next.synonyms, sid)
	delete(next.pins, pid)
	if s != nil {
		next.synonyms[sid] = *s
	}
	if p != nil {
		next.pins[pid] = *p
	}
	return next
}

// prepare makes the tables by which a query finds what is said of it.
func (c *curation) prepare() {
	c.byWord, c.byQuery = map[string][]*synonym{}, map[string][]catalog.Pin{}
	for _, id := range slices.Sorted(maps.Keys(c.synonyms)) {
		s := c.synonyms[id]
		for _, from := range s.From {
			for _, to := range s.To {
				c.learn(s.Language, from, to)
				if s.TwoWay {
					c.learn(s.Language, to, from)
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.pins)) {
		p := c.pins[id]
		key := analysis.Fold(p.Query)
		c.byQuery[key] = append(c.byQuery[key], p)
	}
}

func (c *curation) learn(l catalog.Locale, from, to string) {
	words := analysis.Words(from)
	if len(words) == 0 {
		return
	}
	s := &synonym{l, words, to}
	for _, key := range wordKeys(&words[0]) {
		c.byWord[key] = append(c.byWord[key], s)
	}
}

// wordKeys are the forms by which a word of a query and one of a synonym are the same: its own, and its English and French stems.
func wordKeys(w *analysis.Word) []string {
	keys := []string{w.Fold}
	if w.Kind != analysis.KindWord {
		return keys
	}
	for _, f := range w.Forms {
		if f.Lang == analysis.English || f.Lang == analysis.French {
			if key := string(f.Lang) + " " + f.Alternatives[0][0]; !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func sameWord(a, b *analysis.Word) bool {
	keys := wordKeys(b)
	return slices.ContainsFunc(wordKeys(a), func(k string) bool { return slices.Contains(keys, k) })
}

// curations returns what holds for a caller: what is said for everybody, then for the members of the organization.
func (p *plan) curations() []*curation {
	var list []*curation
	orgs := []catalog.OrgID{""}
	if p.req.Actor.Org != "" {
		orgs = append(orgs, p.req.Actor.Org)
	}
	for _, org := range orgs {
		if c := p.cols.curation[org]; c != nil {
			c.once.Do(c.prepare)
			list = append(list, c)
		}
	}
	return list
}

// speaks reports whether something that is said for a language holds for the caller.
func (p *plan) speaks(l catalog.Locale) bool {
	return l == "" || analysis.LangOf(string(l)) == analysis.LangOf(string(p.locale))
}

// meaning is what some words of the query mean, with the rows that have it.
type meaning struct {
	words   []analysis.Word
	rows    []int32
	weights []float32
}

// meanings looks up the synonyms of the query's words and leaves them with the words: of a synonym of several words, with each of them, so that
// who has the meaning has all of them.
func (m *matcher) meanings(p *plan, words []word) error {
	if !m.rules.synonyms {
		return nil
	}
	return p.usages(words, func(at int, use *usage) error {
		meant, err := m.meaning(use.text)
		if err != nil {
			return err
		}
		for k := range words[at : at+use.length] {
			words[at+k].meant = append(words[at+k].meant, meant)
		}
		return nil
	})
}

// usages yields the synonyms that hold for the caller and apply to words of the query, with the place of the first of these words.
func (p *plan) usages(words []word, yield func(at int, use *usage) error) error {
	used := 0
	for _, c := range p.curations() {
		for at := range words {
			for _, use := range c.at(words, at) {
				if !p.speaks(use.language) || used == maxMeanings {
					continue
				}
				used++
				if err := yield(at, &use); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// usage is a synonym that applies to some words of a query.
type usage struct {
	language catalog.Locale
	length   int    // of the words that it stands for
	text     string // instead of them
}

// at returns the synonyms that apply to the words from a place on. Within a run of Han characters, which is one word, they apply to a part.
func (c *curation) at(words []word, at int) []usage {
	var list []usage
	w := &words[at]
	if w.Kind == analysis.KindHan {
		return c.within(w.Fold)
	}
	seen := map[*synonym]bool{}
	for _, key := range wordKeys(&w.Word) {
		for _, s := range c.byWord[key] {
			if seen[s] || len(s.from) > len(words)-at {
				continue
			}
			seen[s] = true
			same := true
			for k := range s.from {
				same = same && sameWord(&words[at+k].Word, &s.from[k])
			}
			if same {
				list = append(list, usage{s.language, len(s.from), s.to})
			}
		}
	}
	return list
}

// within returns the synonyms of the parts of a Han run.
func (c *curation) within(run string) []usage {
	var list []usage
	for start := range run {
		for end := range run + "\x00" {
			if end <= start {
				continue
			}
			for _, s := range c.byWord[run[start:end]] {
				if len(s.from) == 1 {
					list = append(list, usage{s.language, 1, run[:start] + " " + s.to + " " + run[end:]})
				}
			}
		}
	}
	return list
}

// meaning looks up the rows that have all words of a text.
func (m *matcher) meaning(text string) (*meaning, error) {
	meant := &meaning{words: analysis.Words(text)}
	for n := range meant.words {
		if err := m.forms(&meant.words[n], tierExact, tierStem); err != nil {
			return nil, err
		}
		if n == 0 {
			meant.rows = slices.Clone(m.current)
			meant.weights = make([]float32, len(meant.rows))
		}
		kept := 0
		for k, i := range meant.rows {
			if m.best[i] > 0 {
				meant.rows[kept], meant.weights[kept] = i, meant.weights[k]+m.best[i]
				kept++
			}
		}
		meant.rows, meant.weights = meant.rows[:kept], meant.weights[:kept]
		m.drop()
	}
	for k := range meant.weights {
		meant.weights[k] *= tierWeights[tierSynonym] / float32(len(meant.words))
	}
	return meant, nil
}

// pinned is what editors say of a row for this query.
type pinned struct {
	at    int // place among the pins, from 1; 0: none
	boost float64
}

// curate finds what is said of this query as a whole: it has words only, and their forms count, not case, accents and signs.
func (p *plan) curate() {
	for _, c := range p.query.Clauses {
		if c.Kind != query.KindWord || c.Not {
			return
		}
	}
	text := p.query.Text()
	if text == "" || p.order.by != SortRelevance {
		return
	}
	key := analysis.Fold(text)
	for _, c := range p.curations() {
		for _, pin := range c.byQuery[key] {
			if p.speaks(pin.Language) {
				p.apply(&pin)
			}
		}
	}
}

// apply notes what a pin says of the courses that the caller sees. The others take no place among the pins: a gap would tell of them.
func (p *plan) apply(pin *catalog.Pin) {
	if p.pinned == nil {
		p.pinned = map[int32]pinned{}
	}
	note := func(id catalog.CourseID, fn func(*pinned)) {
		if r, ok := p.x.dicts.courses.find(string(id)); ok && p.sees(int32(r)-1) { //nolint:gosec // as below
			at := p.pinned[int32(r)-1] //nolint:gosec // far fewer than 2^31
			fn(&at)
			p.pinned[int32(r)-1] = at //nolint:gosec // as above
		}
	}
	for _, id := range pin.Pins {
		note(id, func(at *pinned) {
			if at.at == 0 && p.pins < maxPinned {
				p.pins++
				at.at = p.pins
			}
		})
	}
	for id, by := range pin.Boosts {
		note(id, func(at *pinned) { at.boost += by })
	}
}

// pin puts the pinned rows that the caller sees among those that were found.
func (p *plan) pin(m *matches) {
	for i, at := range p.pinned {
		if at.at > 0 && int(i) < len(m.visible) && m.visible[i] && m.found[i].words() < m.need {
			m.found[i] = tallied(max(m.need, 1)) //nolint:gosec // at most maxAll
			m.rows = append(m.rows, i)
		}
	}
}

// curated is what editors add to the score of a row.
func (p *plan) curated(i int32) float64 {
	if p.pinned == nil {
		return 0
	}
	at, ok := p.pinned[i]
	if !ok {
		return 0
	}
	return at.boost + at.value()
}

// value is what a pin adds: the first more than the second.
func (at pinned) value() float64 {
	if at.at == 0 {
		return 0
	}
	return pinWeight * float64(maxPinned+1-at.at)
}

func (p *plan) explainCurated(i int32, add func(Factor)) {
	at := p.pinned[i]
	add(Factor{Name: "boost", Value: at.boost})
	add(Factor{Name: "pin", Value: at.value()})
}
