package search

import (
	"maps"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// keptRows bounds the lists of rows that a watch keeps, in numbers of four bytes.
const keptRows = 4 << 20

// catchUp brings the facts up to the generation.
func (w *watch) catchUp() error {
	a := w.a
	w.learn()
	rows, known := a.x.journal.between(a.edit, w.gen.edit)
	if !a.known || !known {
		a.doubt()
		rows = nil
	}
	for _, id := range a.unsettled {
		if f := a.fact(id); f != nil && f.level == levelUnknown {
			if err := w.settle(id); err != nil {
				return err
			}
		}
	}
	a.unsettled = nil
	a.edit, a.known = w.gen.edit, true
	for _, row := range rows {
		if err := w.examine(row); err != nil {
			return err
		}
	}
	return nil
}

// doubt forgets all facts, to be found out anew.
func (a *Alerts) doubt() {
	a.standsOn, a.together, a.unsettled = map[int32][]factID{}, map[int32][]bundleID{}, nil
	for c := range a.clauses {
		for _, f := range a.clauses[c].facts {
			f.level = levelUnknown
			a.unsettled = append(a.unsettled, factID{clauseID(c), f.org})
		}
	}
	for g := range a.state {
		a.state[g] = stateUnknown
	}
	a.spoil()
}

// matchCourse adds the saved searches that find a course; with ratings, only those that ask for more than these.
func (w *watch) matchCourse(id catalog.CourseID, was *catalog.CardRatings, list []Match) ([]Match, error) {
	r, ok := w.a.x.dicts.courses.find(string(id))
	if !ok {
		return list, nil
	}
	return w.match(int32(r)-1, id, was, list) //nolint:gosec // far fewer than 2^31
}

func (w *watch) match(row int32, id catalog.CourseID, was *catalog.CardRatings, list []Match) ([]Match, error) {
	a := w.a
	if err := w.examine(row); err != nil {
		return nil, err
	}
	if a.one == nil {
		return list, nil
	}
	tell := func(g bundleID) error {
		ok, err := w.finds(g, id)
		if !ok || err != nil || was != nil && !a.asksMore(g, *was) {
			return err
		}
		for _, m := range a.bundles[g].members {
			list = append(list, Match{m.who.id, m.id, m.notify, id})
		}
		return nil
	}
	pinned := a.pinnedFor[id]
	for _, bundles := range [][]bundleID{a.counted, a.open} {
		for _, g := range bundles {
			if n := a.words[g]; a.got[g] < n && n <= maxAll && a.state[g] == stateTogether && len(pinned) == 0 {
				continue // most end here, and nothing else of them was touched
			}
			if err := tell(g); err != nil {
				return nil, err
			}
		}
	}
	for _, g := range pinned {
		if a.got[g] > 0 || a.partly[g] {
			continue // it was among those that are counted
		}
		if err := tell(g); err != nil {
			return nil, err
		}
	}
	for g := range a.bare {
		if err := tell(g); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// finds reports whether the searches of a bundle find the course at hand.
func (w *watch) finds(g bundleID, id catalog.CourseID) (bool, error) {
	a, at := w.a, &w.a.bundles[g]
	if !a.one.sees(a.orgs[at.org]) {
		return false, nil
	}
	ok, err := w.hasWords(g)
	if err == nil && !ok && at.pinned != nil && slices.Contains(at.pinned.courses, id) {
		ok, err = w.isPinned(at)
	}
	if !ok || err != nil {
		return false, err
	}
	for _, c := range at.rest {
		if ok, err := a.has(c); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// asksMore reports whether the searches of a bundle that finds the course at hand ask for higher ratings than some.
func (a *Alerts) asksMore(g bundleID, was catalog.CardRatings) bool {
	more := func(least *float64, than float64) bool { return least != nil && *least > than }
	return slices.ContainsFunc(a.bundles[g].rest, func(id clauseID) bool {
		c := a.clauses[id].rest // nil when the course has it by its keys alone, which no rating is among
		return c != nil && (more(c.req.MinRating, was.Course) || more(c.req.MinInstructorRating, was.Instructors) ||
			slices.ContainsFunc(c.q.Clauses, func(c query.Clause) bool { return c.Field == query.FieldRating && !c.Not && c.Rating > was.Course }))
	})
}

// hasWords reports whether the course at hand has enough of a bundle's words.
func (w *watch) hasWords(g bundleID) (bool, error) {
	a := w.a
	n, got := a.words[g], a.got[g]
	switch {
	case got == n || n > maxAll && got > 0:
		return true, nil
	case got == 0 && !a.partly[g]:
		return false, nil
	}
	if a.state[g] == stateUnknown {
		if err := w.settleBundle(g); err != nil {
			return false, err
		}
	}
	return a.state[g] == stateRelaxed, nil
}

// settleBundle finds out whether any course has as many of a bundle's words as must match.
func (w *watch) settleBundle(g bundleID) error {
	a, at := w.a, &w.a.bundles[g]
	missing := 0
	for _, c := range at.words {
		if a.fact(factID{c, at.org}).level == levelNobody {
			missing++
		}
	}
	a.state[g] = stateRelaxed
	switch {
	case missing == len(at.words), missing > 0 && len(at.words) <= maxAll:
		return nil
	case len(at.words) == 1 || len(at.words) > maxAll:
		a.state[g] = stateTogether // nothing bears witness: whatever changes that changes a fact
		at.witness = -1
		return nil
	}
	var rows []int32
	for n, c := range at.words {
		some, err := w.rowsOf(factID{c, at.org})
		if err != nil {
			return err
		}
		if n == 0 {
			rows = some
		} else {
			rows = common(rows, some)
		}
	}
	if len(rows) > 0 {
		a.state[g], at.witness = stateTogether, rows[int(g)%len(rows)]
		a.together[at.witness] = append(a.together[at.witness], g)
	}
	return nil
}

// common returns what two lists in order have in common.
func common(a, b []int32) []int32 {
	var both []int32
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case b[0] < a[0]:
			b = b[1:]
		default:
			both = append(both, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return both
}

// keepRows keeps the rows that have a word, in order.
func (w *watch) keepRows(id factID, rows []int32) {
	slices.Sort(rows)
	if w.kept += len(rows); w.kept > keptRows {
		clear(w.rows)
		w.kept = len(rows)
	}
	w.rows[id] = rows
}

// rowsOf returns the rows that have a word, in the way in which it is found.
func (w *watch) rowsOf(id factID) ([]int32, error) {
	if rows, ok := w.rows[id]; ok {
		return rows, nil
	}
	f := w.a.fact(id)
	m, err := w.matcher(id.org)
	if err != nil {
		return nil, err
	}
	one, meanings := wordOfClause(w.a.clauses[id.clause].text)
	switch f.level {
	case levelStanding:
		if err = m.mean(one, meanings); err == nil {
			err = m.standing(one)
		}
	case levelInitials:
		err = m.initials(one)
	case levelBegun:
		err = m.beginningLike(one.Fold)
	default:
		for _, term := range f.terms {
			words := analysis.Words(term)
			if err == nil {
				err = m.forms(&words[0], tierTypo, tierTypo+1)
			}
		}
	}
	rows := slices.Clone(m.current)
	m.drop()
	if err != nil {
		return nil, err
	}
	w.keepRows(id, rows)
	return w.rows[id], nil
}

// isPinned asks the index itself whether the course at hand is pinned for a bundle: of many pins only the first count.
func (w *watch) isPinned(g *bundle) (bool, error) {
	req := Request{Actor: catalog.Actor{Subject: "alerts", Org: w.a.orgs[g.org]}, Locale: g.pinned.locale, Q: g.pinned.q}
	q, err := query.Parse(req.Q)
	if err != nil {
		return false, err
	}
	p, err := w.a.x.newPlan(w.gen, &req, q)
	if err != nil {
		return false, err
	}
	return p.pinned[w.a.row].at > 0, nil
}

// warm finds out of all bundles whether any course has all of their words.
func (w *watch) warm() error {
	a := w.a
	order := slices.SortedFunc(maps.Values(a.bundleOf), func(g, h bundleID) int { return slices.Compare(a.bundles[g].words, a.bundles[h].words) })
	for _, g := range order {
		if n := len(a.bundles[g].words); n < 2 || n > maxAll || a.state[g] != stateUnknown {
			continue
		}
		if err := w.settleBundle(g); err != nil {
			return err
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
