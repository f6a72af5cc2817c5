package search

import (
	"context"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// heed lets the searches be filed anew whose words may mean something else than before, or for which other courses are pinned.
func (a *Alerts) heed(cols *columns) {
	changed := map[catalog.OrgID]bool{}
	for _, both := range []map[catalog.OrgID]*curation{a.curation, cols.curation} {
		for org := range both {
			if a.curation[org] != cols.curation[org] {
				changed[org] = true
			}
		}
	}
	a.curation = cols.curation
	if len(changed) == 0 {
		return
	}
	for _, l := range a.learners {
		if l.known && (changed[""] || changed[l.org]) {
			for i := range l.searches {
				a.waiting[savedID{l.id, l.searches[i].id}] = struct{}{}
			}
		}
	}
}

// learnersPerView is how many learners are looked up within one read of the catalog, which has to be short.
const learnersPerView = 500

// fileWaiting files the saved searches that wait for it.
func (w *watch) fileWaiting() error {
	a := w.a
	var unknown []*learner
	for id := range a.waiting {
		if l := a.learners[id.learner]; !l.known {
			l.known = true
			unknown = append(unknown, l)
		}
	}
	for some := range slices.Chunk(unknown, learnersPerView) {
		if err := a.lookUp(w.ctx, some); err != nil {
			return err
		}
	}
	for id := range a.waiting {
		l := a.learners[id.learner]
		at := slices.IndexFunc(l.searches, func(s saved) bool { return s.id == id.id })
		a.unfile(l, &l.searches[at])
		if err := w.file(l, &l.searches[at]); err != nil {
			return err
		}
		delete(a.waiting, id)
	}
	return nil
}

// lookUp reads what is on record of learners.
func (a *Alerts) lookUp(ctx context.Context, some []*learner) error {
	err := a.x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for _, l := range some {
			org, err := v.MemberOf(l.id)
			if err != nil {
				return err
			}
			p, err := v.MyPreferences(l.id)
			if err != nil {
				return err
			}
			l.org, l.locale = org, p.Locale
		}
		return nil
	})
	if err != nil {
		for _, l := range some {
			l.known = false
		}
	}
	return err
}

// file puts a saved search into its bundle, which is made when it is the first.
func (w *watch) file(l *learner, s *saved) error {
	a := w.a
	req, q, ok := l.request(s.query)
	if !ok {
		return nil
	}
	p := &plan{x: a.x, req: &req, cols: w.gen.cols, query: q, locale: req.Locale, folded: analysis.Fold(q.Text())}
	g := bundle{org: a.org(l.org)}
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
			return err
		}
	}
	texts := make([]string, 0, len(words))
	for i := range words {
		texts = append(texts, wordClause(&words[i], meanings[i]))
	}
	rest, gate := restOf(&req, q)
	g.pinned = p.pinning()
	s.bundle = a.join(&g, texts, rest, gate)
	at := &a.bundles[s.bundle]
	at.members = append(at.members, member{l, s.id, s.notify})
	return nil
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
