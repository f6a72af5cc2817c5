package search

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// heed lets the searches be filed anew whose words may mean something else than before, or for which other courses are pinned.
func (a *Alerts) heed(cols *columns) {
	changed := map[catalog.OrgID]*curated{}
	for _, both := range []map[catalog.OrgID]*curation{a.curation, cols.curation} {
		for org := range both {
			if a.curation[org] != cols.curation[org] && changed[org] == nil {
				changed[org] = cols.curation[org].since(a.curation[org])
			}
		}
	}
	a.curation = cols.curation
	if len(changed) == 0 {
		return
	}
	for c := range a.clauses {
		at := &a.clauses[c]
		if len(at.bundles) == 0 || at.text[0] != clauseWord {
			continue
		}
		w, _ := wordOfClause(at.text)
		for org, e := range changed {
			if e.concern(w) {
				a.askAll(at.bundles, org)
			}
		}
	}
}

// askAll lets the searches of bundles be filed anew; of those of one organization, unless it is everybody's.
func (a *Alerts) askAll(bundles []bundleID, org catalog.OrgID) {
	for _, g := range bundles {
		if at := &a.bundles[g]; org == "" || a.orgs[at.org] == org {
			for _, m := range at.members {
				a.waiting[savedID{m.who.id, m.id}] = struct{}{}
			}
		}
	}
}

// curated is what editors changed.
type curated struct {
	words map[string]bool // forms of words with which synonyms begin
	pins  []string        // folded queries
}

// since returns what is other than in a curation before; either may be nil.
func (c *curation) since(before *curation) *curated {
	if c == nil {
		c = &curation{}
	}
	if before == nil {
		before = &curation{}
	}
	e := &curated{words: map[string]bool{}}
	for _, both := range [][2]*curation{{c, before}, {before, c}} {
		for id, s := range both[0].synonyms {
			if other, ok := both[1].synonyms[id]; ok && reflect.DeepEqual(s, other) {
				continue
			}
			for _, text := range slices.Concat(s.From, s.To) {
				if words := analysis.Words(text); len(words) > 0 {
					for _, key := range wordKeys(&words[0]) {
						e.words[key] = true
					}
				}
			}
		}
		for id, p := range both[0].pins {
			if other, ok := both[1].pins[id]; !ok || !reflect.DeepEqual(p, other) {
				e.pins = append(e.pins, analysis.Fold(p.Query))
			}
		}
	}
	return e
}

// concern reports whether a query with a word may be one of those that editors changed something for.
func (e *curated) concern(w *word) bool {
	if slices.ContainsFunc(e.pins, func(q string) bool { return strings.Contains(q, w.Fold) }) {
		return true
	}
	if w.Kind != analysis.KindHan {
		return slices.ContainsFunc(wordKeys(&w.Word), func(k string) bool { return e.words[k] })
	}
	for key := range e.words {
		if strings.Contains(w.Fold, key) {
			return true
		}
	}
	return false
}

// learnersPerView is how many learners are looked up within one read of the catalog, which has to be short.
const learnersPerView = 500

// fileWaiting files the saved searches that wait for it.
func (w *watch) fileWaiting() error {
	a := w.a
	for some := range slices.Chunk(slices.Collect(maps.Keys(a.unknown)), learnersPerView) {
		if err := a.lookUp(w.ctx, some); err != nil {
			return err
		}
	}
	for id := range a.waiting {
		l := a.learners[id.learner]
		at := slices.IndexFunc(l.searches, func(s saved) bool { return s.id == id.id })
		s := &l.searches[at]
		g, err := w.bundleOf(l, s)
		if err != nil {
			return err
		}
		if g != s.bundle {
			a.unfile(l, s)
			a.enter(g, l, s)
		}
		delete(a.waiting, id)
	}
	return nil
}

// lookUp reads what is on record of learners.
func (a *Alerts) lookUp(ctx context.Context, some []*learner) error {
	now := make([]record, len(some))
	err := a.x.cfg.Catalog.View(ctx, func(v *catalog.View) (err error) {
		for i, l := range some {
			if now[i].org, err = v.MemberOf(l.id); err != nil {
				return err
			}
			if now[i].locale, err = v.LocaleOf(l.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, l := range some {
		a.know(l, now[i])
	}
	return nil
}

// bundleOf returns the bundle of a saved search, which is made when it is the first; 0 when the search finds nothing, whatever there is.
func (w *watch) bundleOf(l *learner, s *saved) (bundleID, error) {
	a := w.a
	req, q, ok := l.request(s.query)
	if !ok {
		return 0, nil
	}
	p := &plan{x: a.x, req: &req, cols: w.gen.cols, query: q, locale: req.Locale, folded: analysis.Fold(q.Text())}
	words := wordsOf(q)
	meanings := make([][]string, len(words))
	if a.x.ranking.rules.synonyms {
		err := p.usages(words, func(at int, use *usage) error {
			for k := range use.length {
				meanings[at+k] = append(meanings[at+k], use.text)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	texts := make([]string, 0, len(words))
	for i := range words {
		texts = append(texts, wordClause(&words[i], meanings[i]))
	}
	rest, gate := restOf(&req, q)
	return a.join(&bundle{org: a.org(l.org), pinned: p.pinning()}, texts, rest, gate), nil
}

// enter puts a saved search into a bundle.
func (a *Alerts) enter(g bundleID, l *learner, s *saved) {
	if s.bundle = g; g != 0 {
		at := &a.bundles[g]
		at.members = append(at.members, member{l, s.id, s.notify})
	}
}

// pinning returns what is pinned for a query; nil: nothing.
func (p *plan) pinning() *pinning {
	if by := strings.TrimPrefix(p.req.Sort, "-"); by != "" && by != SortRelevance || p.query.Text() == "" {
		return nil
	}
	for _, c := range p.query.Clauses {
		if c.Kind != query.KindWord || c.Not {
			return nil
		}
	}
	var list []catalog.CourseID
	for _, c := range p.curations() {
		for _, pin := range c.byQuery[p.folded] {
			if p.speaks(pin.Language) {
				list = append(list, pin.Pins...)
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return &pinning{p.locale, p.req.Q, slices.Compact(list)}
}

// org numbers an organization.
func (a *Alerts) org(name catalog.OrgID) orgID {
	id, ok := a.orgOf[name]
	if !ok {
		id = orgID(len(a.orgs)) //nolint:gosec // far fewer than 2^32
		a.orgs = append(a.orgs, name)
		a.orgOf[name] = id
	}
	return id
}
