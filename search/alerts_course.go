package search

import (
	"cmp"
	"slices"
)

// courseBits is several times as many as a course has keys.
const courseBits = 1 << 15

// exam is a course that is being compared with the saved searches.
type exam struct {
	course  uint32 // counts them: what clauses and bundles know of another one is worth nothing
	valid   bool   // nothing has changed since
	gen     uint64
	row     int32
	one     *alone // nil when the row has no published course
	touched []clauseID
	near    []nearTouch
	odd     []factID // facts by which the course has a word that nobody has in a better way
	partly  map[bundleID]bool
	has64   [courseBits / 64]uint64 // which keys the course may have
	counted []bundleID              // with something in got, or in partly
	open    []bundleID              // found by their gate
}

// nearTouch is a word that another may be taken for of which the course has a form.
type nearTouch struct {
	clause clauseID
	near   uint16
	sure   bool // else only a key of the form is there
}

// spoil says that what was found out of the course at hand may be wrong by now.
func (e *exam) spoil() { e.valid = false }

// examine compares a row with what is filed, and brings the facts up to date that it may have changed.
func (w *watch) examine(row int32) error {
	e := &w.a.exam
	if e.valid && e.row == row && e.gen == w.gen.id {
		return nil
	}
	for {
		e.valid, e.row, e.gen = true, row, w.gen.id
		if err := w.examineOnce(row); err != nil {
			return err
		}
		if e.valid {
			return nil
		}
		// A word was filed under more keys meanwhile, which happens to each once, or is found in another way than before.
	}
}

func (w *watch) examineOnce(row int32) (err error) {
	a := w.a
	a.begin()
	if a.one, err = a.x.alone(w.ctx, w.gen, row, &w.page); err != nil {
		return err
	}
	if a.one != nil {
		a.one.keys(w.gen, a.noteKey)
		a.touchBeginners()
		slices.SortFunc(a.near, func(n, o nearTouch) int {
			return cmp.Or(cmp.Compare(n.clause, o.clause), cmp.Compare(n.near, o.near))
		})
		for _, c := range a.touched {
			if err := a.judge(c); err != nil {
				return err
			}
		}
	}
	if err := w.mourn(row); err != nil {
		return err
	}
	for i := 0; a.one != nil && i < len(a.touched); i++ {
		if err := w.compare(a.touched[i]); err != nil {
			return err
		}
	}
	a.count()
	a.witness(row)
	return nil
}

// begin clears what is known of the course before.
func (a *Alerts) begin() {
	for _, g := range a.counted {
		a.got[g] = 0
	}
	a.course++
	a.touched, a.near, a.odd, a.counted, a.open, a.one = a.touched[:0], a.near[:0], a.odd[:0], a.counted[:0], a.open[:0], nil
	a.partly = map[bundleID]bool{}
	clear(a.has64[:])
}

// touchAll notes the clauses under a key. By the key of a stem a word is there for certain where the stem is that of another word.
func (a *Alerts) touchAll(k key64, inflected bool) {
	for at := a.keys.first(k); at != 0; at = a.keys.links[at].next {
		l := &a.keys.links[at]
		how := l.touch
		switch {
		case how&touchNear != 0:
			a.near = append(a.near, nearTouch{l.clause, l.near, how == touchNear || how&touchStem != 0 && inflected})
			how = touchNear
		case how != touchStem:
		case inflected:
			how = touchCertain
		default:
			how = touchPerhaps
		}
		a.touch(l.clause, how)
	}
}

func (a *Alerts) touch(id clauseID, how uint8) {
	c := &a.clauses[id]
	if c.course != a.course {
		c.course, c.touch, c.hit = a.course, 0, false
		a.touched = append(a.touched, id)
	}
	c.touch |= how
}

// judge finds out whether the course has a clause that it has a key of.
func (a *Alerts) judge(id clauseID) (err error) {
	c := &a.clauses[id]
	switch {
	case c.touch&touchCertain != 0:
		c.hit = true
	case c.touch&touchPerhaps == 0:
	case c.text[0] == clauseWord:
		w, meanings := wordOfClause(c.text)
		c.hit, err = a.one.stands(w, meanings)
	default:
		c.hit, err = a.passes(c)
	}
	return err
}

// has reports whether the course passes a clause that is no word.
func (a *Alerts) has(id clauseID) (bool, error) {
	c := &a.clauses[id]
	if c.course == a.course {
		return c.hit, nil
	}
	hit, err := a.passes(c)
	c.course, c.touch, c.hit = a.course, 0, hit
	return hit, err
}

func (a *Alerts) passes(c *clause) (bool, error) {
	if c.rest == nil {
		r, q, err := requestOfClause(c.text)
		if err != nil {
			return false, err
		}
		c.rest = newRest(r, q)
	}
	if len(c.rest.keys) > 0 && !slices.ContainsFunc(c.rest.keys, a.mayHave) {
		return c.rest.not, nil
	}
	return a.one.passes(&c.rest.req, c.rest.q)
}

// noteKey notes a key of the course, for mayHave.
func (a *Alerts) noteKey(k key64, inflected bool) {
	bit := uint64(k) % courseBits
	a.has64[bit/64] |= 1 << (bit % 64)
	a.touchAll(k, inflected)
}

// mayHave reports whether the course at hand may have a key.
func (a *Alerts) mayHave(k key64) bool {
	bit := uint64(k) % courseBits
	return a.has64[bit/64]>>(bit%64)&1 == 1
}

// mourn looks at the facts to which the row bore witness.
func (w *watch) mourn(row int32) error {
	a := w.a
	list := a.standsOn[row]
	delete(a.standsOn, row)
	for _, id := range list {
		f, c := a.fact(id), &a.clauses[id.clause]
		switch {
		case f == nil || !slices.Contains(f.witnesses, row):
		case a.one != nil && a.one.sees(a.orgs[f.org]) && a.stillBears(row, f, c):
			a.standsOn[row] = append(a.standsOn[row], id)
		default:
			f.witnesses = nil
			if err := w.settle(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// stillBears reports whether the course bears witness to a fact as before.
func (a *Alerts) stillBears(row int32, f *fact, c *clause) bool {
	if f.level == levelStanding {
		return c.course == a.course && c.hit
	}
	for i, term := range f.terms {
		if f.witnesses[i] == row && !a.one.has(term) {
			return false
		}
	}
	return len(f.terms) > 0
}

// compare brings the facts of a word up to date and notes by which of them the course has it.
func (w *watch) compare(id clauseID) error {
	a, c := w.a, &w.a.clauses[id]
	if c.text[0] != clauseWord {
		return nil
	}
	var o *oddly
	for _, f := range c.facts {
		if f.level <= levelStanding || !a.one.sees(a.orgs[f.org]) {
			continue
		}
		fid := factID{id, f.org}
		if c.hit {
			f.level, f.terms, f.witnesses = levelStanding, nil, []int32{a.row}
			a.standsOn[a.row] = append(a.standsOn[a.row], fid)
			a.unsettle(fid)
			continue
		}
		if o == nil {
			var err error
			if o, err = a.oddlyHas(id); err != nil {
				return err
			}
		}
		if a.news(o, f) {
			if err := w.settle(fid); err != nil {
				return err
			}
		}
		if err := a.oddly(o, f, fid); err != nil {
			return err
		}
	}
	return nil
}

// count counts for each bundle how many of its words the course has.
func (a *Alerts) count() {
	for _, id := range a.touched {
		c := &a.clauses[id]
		switch {
		case !c.hit:
		case c.text[0] != clauseWord:
			a.open = append(a.open, c.bundles...)
		default:
			for _, g := range c.bundles {
				a.add(g)
			}
		}
	}
	for _, id := range a.odd {
		for _, g := range a.clauses[id.clause].bundles {
			if a.bundles[g].org == id.org {
				a.add(g)
			}
		}
	}
	for g := range a.partly {
		if a.got[g] == 0 {
			a.counted = append(a.counted, g)
		}
	}
}

func (a *Alerts) add(g bundleID) {
	if a.got[g] == 0 {
		a.counted = append(a.counted, g)
	}
	a.got[g]++
}

// witness notes for which bundles a course with all of their words is known by this one, and for which not any more.
func (a *Alerts) witness(row int32) {
	before := a.together[row]
	var now []bundleID
	for _, g := range before {
		switch {
		case a.state[g] != stateTogether || a.bundles[g].witness != row:
		case a.got[g] == a.words[g] && a.one != nil && a.one.sees(a.orgs[a.bundles[g].org]):
			now = append(now, g)
		default:
			a.state[g] = stateUnknown
		}
	}
	for _, g := range a.counted {
		if n := a.words[g]; a.state[g] != stateTogether && n > 1 && n <= maxAll && a.got[g] == n && a.one.sees(a.orgs[a.bundles[g].org]) {
			a.state[g], a.bundles[g].witness = stateTogether, row
			now = append(now, g)
		}
	}
	if len(now) > 0 {
		a.together[row] = now
	} else {
		delete(a.together, row)
	}
}
