package search

import (
	"context"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// What a search finds depends on other courses in two ways only: a word is tried with typos when nothing visible has it as it stands, and courses with some of the
// words are found when none has all. These are the facts that are kept here, each with a course that bears witness: as long as that one does not change, the fact
// stands. A fact that says that there is no such course stands until a changed course is one.

// Levels are the ways in which a word is looked up, each only when none before found anything.
const (
	levelUnknown  = iota // nobody has looked yet
	levelStanding        // as it stands, by what it means, as a beginning, in pinyin
	levelInitials
	levelTries  // the first of triesOf
	levelTry2   // …
	levelTry3   // …
	levelBegun  // a mistyped beginning
	levelNobody // nothing has it
)

// States of a bundle whose words must all match: whether any course that the learners see has all.
const (
	stateUnknown  = iota
	stateTogether // then no course with some of them is found
	stateRelaxed
)

// fact says in which way a word is found by the members of an organization.
type fact struct {
	org       orgID
	level     uint8
	terms     []string // of a try: the words that it is taken for, those that somebody has
	witnesses []int32  // a course that has it so; of a try, one for each of terms
}

// nearWord is a word that another is taken for, at a level.
type nearWord struct {
	term  string
	level uint8
}

// beginner is a word of which a mistyped beginning may be found.
type beginner struct {
	clause clauseID
	fold   string
}

// factID names a fact.
type factID struct {
	clause clauseID
	org    orgID
}

// facts are what is known of all courses, up to an edit.
type facts struct {
	edit      uint64
	known     bool // up to edit
	unsettled []factID
	standsOn  map[int32][]factID   // by witness
	together  map[int32][]bundleID // by witness
	spread    map[clauseID]struct{}
	beginners map[rune][]beginner // by the first letter: words of which a mistyped beginning may be found
	spellings seenSpellings
}

func newFacts() facts {
	return facts{standsOn: map[int32][]factID{}, together: map[int32][]bundleID{}, spread: map[clauseID]struct{}{}, beginners: map[rune][]beginner{}}
}

// distrust lets everything be found out anew: what was under way did not come to its end, or what has changed is not known.
func (a *Alerts) distrust() {
	a.known = false
	a.spoil()
}

// factOf makes sure that it will be known how a word is found by an organization.
func (a *Alerts) factOf(c clauseID, org orgID) {
	if a.fact(factID{c, org}) == nil {
		a.clauses[c].facts = append(a.clauses[c].facts, &fact{org: org})
		a.unsettled = append(a.unsettled, factID{c, org})
	}
}

// fact returns a fact; nil when there is none.
func (a *Alerts) fact(id factID) *fact {
	for _, f := range a.clauses[id.clause].facts {
		if f.org == id.org {
			return f
		}
	}
	return nil
}

// watch is alerts at work on one generation.
type watch struct {
	a    *Alerts
	ctx  context.Context //nolint:containedctx // a watch is as long as one call
	gen  *generation
	orgs map[orgID]*matcher
	back []func()
	rows map[factID][]int32 // that have a word
	kept int                // in rows
	page page
}

func (a *Alerts) newWatch(ctx context.Context, gen *generation) *watch {
	return &watch{a: a, ctx: ctx, gen: gen, orgs: map[orgID]*matcher{}, rows: map[factID][]int32{}}
}

// done gives back what was borrowed. It may be called twice.
func (w *watch) done() {
	for _, back := range w.back {
		back()
	}
	w.back = nil
}

// matcher returns what looks words up as the members of an organization.
func (w *watch) matcher(org orgID) (*matcher, error) {
	m := w.orgs[org]
	if m == nil {
		p, err := w.a.x.newPlan(w.gen, &Request{Actor: catalog.Actor{Subject: "alerts", Org: w.a.orgs[org]}}, query.Query{})
		if err != nil {
			return nil, err
		}
		p.turn = unhurried(w.ctx)
		var back func()
		if m, back, err = p.newMatcher(); err != nil {
			return nil, err
		}
		w.orgs[org], w.back = m, append(w.back, back)
	}
	m.worked, m.checkAt, m.out.marks = 0, 0, marker{}
	return m, nil
}

// settle finds out how a word is found now.
func (w *watch) settle(id factID) error {
	a := w.a
	f, c := a.fact(id), &a.clauses[id.clause]
	if f == nil {
		return nil
	}
	m, err := w.matcher(id.org)
	if err != nil {
		return err
	}
	one, meanings := wordOfClause(c.text)
	if err := m.mean(one, meanings); err != nil {
		return err
	}
	level, terms, witnesses, err := m.findOut(one, int(id.clause))
	rows := slices.Clone(m.current)
	m.drop()
	if err != nil {
		return err
	}
	w.keepRows(id, rows)
	if f.level != level || !slices.Equal(f.terms, terms) {
		w.a.unsettle(id)
	}
	for _, i := range witnesses {
		if !slices.Contains(f.witnesses, i) {
			a.standsOn[i] = append(a.standsOn[i], id)
		}
	}
	f.level, f.terms, f.witnesses = level, terms, witnesses
	if level > levelStanding {
		w.spreadOut(id.clause, m)
	}
	if level >= levelBegun && !c.begins && m.rules.typos && begunLike(one) {
		c.begins = true
		first, _ := utf8.DecodeRuneInString(one.Fold)
		a.beginners[first] = append(a.beginners[first], beginner{id.clause, one.Fold})
		a.spoil()
	}
	return nil
}

// findOut looks a word up in the ways in which a search does, and says which of them it was. The rows are left in current.
func (m *matcher) findOut(w *word, pick int) (level uint8, terms []string, witnesses []int32, err error) {
	one := func() []int32 { return []int32{m.current[pick%len(m.current)]} }
	if err := m.standing(w); err != nil {
		return 0, nil, nil, err
	}
	if len(m.current) > 0 {
		return levelStanding, nil, one(), nil
	}
	if err := m.initials(w); err != nil {
		return 0, nil, nil, err
	}
	if len(m.current) > 0 {
		return levelInitials, nil, one(), nil
	}
	if !m.rules.typos {
		return levelNobody, nil, nil, nil
	}
	for n, try := range triesOf(w) {
		for _, term := range m.nearby(&try) {
			found, err := m.neighbour(term, try.tier)
			if err != nil {
				return 0, nil, nil, err
			}
			if found == 0 {
				continue
			}
			i, err := m.holder(term)
			if err != nil {
				return 0, nil, nil, err
			}
			terms, witnesses = append(terms, term), append(witnesses, i)
		}
		if len(terms) > 0 {
			return levelTries + uint8(n), terms, witnesses, nil
		}
	}
	if !begunLike(w) {
		return levelNobody, nil, nil, nil
	}
	if err := m.beginningLike(w.Fold); err != nil || len(m.current) == 0 {
		return levelNobody, nil, nil, err
	}
	return levelBegun, nil, one(), nil
}

// holder returns a visible row that has a word as it stands.
func (m *matcher) holder(term string) (int32, error) {
	for field := range langs {
		for s := range m.views {
			p, err := m.term(s, field, term)
			if err != nil {
				return 0, err
			}
			for _, d := range p.docs {
				if i := m.views[s].rows[d]; m.seen(i) {
					return i, nil
				}
			}
		}
	}
	return -1, nil
}

// unsettle forgets which bundles with a word have a course that has all of theirs.
func (a *Alerts) unsettle(id factID) {
	for _, g := range a.clauses[id.clause].bundles {
		if a.bundles[g].org == id.org {
			a.state[g] = stateUnknown
		}
	}
}

// spreadOut files a word, once, under what it may be found by when nobody has it as it stands.
func (w *watch) spreadOut(c clauseID, m *matcher) {
	a, at := w.a, &w.a.clauses[c]
	if at.spread {
		return
	}
	at.spread = true
	a.spread[c] = struct{}{}
	one, _ := wordOfClause(at.text)
	if m.rules.typos {
		for n, try := range triesOf(one) {
			for _, term := range m.nearby(&try) {
				a.nearTo(c, term, levelTries+uint8(n))
			}
		}
	}
	a.eachOddKey(one, func(k key64, touch uint8) { a.keys.add(k, link{clause: c, touch: touch}) })
	a.spoil()
}

// nearTo files a word under another one that it may be taken for.
func (a *Alerts) nearTo(c clauseID, term string, level uint8) {
	at := &a.clauses[c]
	if slices.ContainsFunc(at.near, func(n nearWord) bool { return n.term == term }) || len(analysis.Words(term)) != 1 {
		return
	}
	if len(at.near) > math.MaxUint16 {
		return // the vocabulary would have to be of all words that there can be
	}
	near := uint16(len(at.near)) //nolint:gosec // see above
	at.near = append(at.near, nearWord{term, level})
	fileNear(term, func(k key64, touch uint8) { a.keys.add(k, link{clause: c, touch: touch, near: near}) })
	a.spoil()
}

func fileNear(term string, file filing) {
	words := analysis.Words(term)
	fileForms(&words[0], touchNear, touchNear|touchStem, touchNear|touchSome, file)
}

// eachOddKey yields the keys of a word by which it is found only while nobody has it as it stands, neighbours apart: its initials, the pairs of a run.
func (a *Alerts) eachOddKey(w *word, file filing) {
	m := matcher{ranking: a.x.ranking}
	if m.inPinyin(w) && analysis.Initials(w.Fold) {
		file(keyOf(keyInitials, w.Fold[:2]), touchInitials)
	}
	if w.Kind == analysis.KindHan {
		terms := w.Forms[0].Alternatives[0]
		for _, term := range terms[:min(len(terms), maxTerms)] {
			file(keyOf(keyTerm, term), touchPart)
		}
	}
}

// gather is the inverse of spreadOut, when a word is not looked for any more.
func (a *Alerts) gather(c clauseID) {
	at := &a.clauses[c]
	if !at.spread {
		return
	}
	for i, n := range at.near {
		fileNear(n.term, func(k key64, touch uint8) { a.keys.remove(k, link{clause: c, touch: touch, near: uint16(i)}) }) //nolint:gosec // as it was filed
	}
	one, _ := wordOfClause(at.text)
	a.eachOddKey(one, func(k key64, touch uint8) { a.keys.remove(k, link{clause: c, touch: touch}) })
	if at.begins {
		first, _ := utf8.DecodeRuneInString(one.Fold)
		a.beginners[first] = slices.DeleteFunc(a.beginners[first], func(other beginner) bool { return other.clause == c })
	}
	delete(a.spread, c)
	at.spread, at.begins, at.near = false, false, nil
}

// learn files words that nobody has under those of the vocabulary's new words that they may be taken for.
func (w *watch) learn() {
	a := w.a
	fresh := a.x.dicts.words.newSpellings(&a.spellings)
	if len(fresh) == 0 || !a.x.ranking.rules.typos {
		return
	}
	for c := range a.spread {
		one, _ := wordOfClause(a.clauses[c].text)
		for n, try := range triesOf(one) {
			for _, fold := range try.folds {
				want := newSpelling(fold)
				for i := range fresh {
					if s := &fresh[i]; !s.unlike(&want, try.distance) && analysis.Distance(fold, s.word, try.distance) == try.distance {
						a.nearTo(c, s.word, levelTries+uint8(n))
					}
				}
			}
		}
	}
}
