package search

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
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
}

// forget says that what was found out of the course at hand may be wrong by now.
func (e *exam) forget() { e.valid = false }

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
		a.near = slices.Compact(a.near)
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
		case how != touchStem:
		case inflected:
			how = touchCertain
		default:
			how = touchPerhaps
		}
		a.touch(l.clause, how)
		if l.touch == touchNear {
			a.near = append(a.near, nearTouch{l.clause, l.near})
		}
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

// oddly is in which ways a course has a word that it has not as it stands.
type oddly struct {
	initials, begun bool
	near            []nearWord // that it may be taken for, of which the course has a form
}

func (a *Alerts) oddlyHas(id clauseID) (o *oddly, err error) {
	o, c, m := &oddly{}, &a.clauses[id], a.one.m
	if c.touch&touchInitials != 0 {
		w, _ := wordOfClause(c.text)
		if o.initials, err = a.one.found(m.initials(w)); err != nil {
			return nil, err
		}
	}
	if c.touch&touchNear != 0 {
		from, _ := slices.BinarySearchFunc(a.near, id, func(n nearTouch, id clauseID) int { return cmp.Compare(n.clause, id) })
		for _, n := range a.near[from:] {
			if n.clause != id {
				break
			}
			o.near = append(o.near, c.near[n.near])
		}
	}
	if c.touch&touchBegun != 0 {
		o.begun, err = a.one.found(m.beginningLike(foldOfClause(c.text)))
	}
	return o, err
}

// news reports whether the course has a word in a better way than anybody before, or by a word that nobody had.
func (a *Alerts) news(o *oddly, f *fact) bool {
	return o.initials && f.level > levelInitials || o.begun && f.level > levelBegun || slices.ContainsFunc(o.near, func(n nearWord) bool {
		return (n.level < f.level || n.level == f.level && !slices.Contains(f.terms, n.term)) && a.one.has(n.term)
	})
}

// oddly notes when the course has a word in the way in which it is found.
func (a *Alerts) oddly(o *oddly, f *fact, id factID) (err error) {
	has := false
	switch f.level {
	case levelInitials:
		has = o.initials
	case levelBegun:
		has = o.begun
	case levelNobody:
		if c := &a.clauses[id.clause]; c.touch&touchPart != 0 {
			w, _ := wordOfClause(c.text)
			has, err = a.one.found(a.one.m.partial(w))
			if has {
				a.notePartly(id)
			}
		}
		return err
	default:
		for _, n := range o.near {
			if has || err != nil {
				break
			}
			if !slices.Contains(f.terms, n.term) {
				continue
			}
			if has = a.one.has(n.term); !has {
				words := analysis.Words(n.term)
				has, err = a.one.found(a.one.m.forms(&words[0], tierTypo, tierTypo+1))
			}
		}
	}
	if has {
		a.odd = append(a.odd, id)
	}
	return err
}

// notePartly notes the bundles with a run of characters of which the course has some.
func (a *Alerts) notePartly(id factID) {
	for _, g := range a.clauses[id.clause].bundles {
		if a.bundles[g].org == id.org {
			a.partly[g] = true
		}
	}
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

// touchBeginners touches the words, found by nobody in a better way, of which the course has a mistyped beginning.
func (a *Alerts) touchBeginners() {
	if len(a.spread) == 0 {
		return
	}
	for field := range langs {
		for term := range a.one.terms[field] {
			first, _ := utf8.DecodeRuneInString(term)
			for _, b := range a.beginners[first] {
				if beginsLike(term, b.fold) && letters(term) && slices.ContainsFunc(a.clauses[b.clause].facts, func(f *fact) bool { return f.level >= levelBegun }) {
					a.touch(b.clause, touchBegun)
				}
			}
		}
	}
}

// beginsLike reports whether a beginning of a term may be one edit away from the word of a clause: after what both begin with, one of them, or both, has a letter
// more, or two letters are exchanged. It looks at bytes, and takes letters of several for any.
func beginsLike(term, fold string) bool {
	k := 0
	for k < len(fold) && k < len(term) && fold[k] == term[k] {
		k++
	}
	if k == len(fold) {
		return true
	}
	rest, in := fold[k+1:], term[k:]
	switch {
	case !ascii(fold) || !ascii(term):
		return true
	case strings.HasPrefix(in, rest): // the word has a letter more
		return true
	case in == "":
		return false
	}
	return strings.HasPrefix(in[1:], rest) || strings.HasPrefix(in[1:], fold[k:]) ||
		len(rest) > 0 && len(in) > 1 && rest[0] == in[0] && fold[k] == in[1] && strings.HasPrefix(in[2:], rest[1:])
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// keys yields everything by which a clause may be filed that the course has; inflected says that a key is the stem of another word, which is found by it.
func (one *alone) keys(gen *generation, touch func(k key64, inflected bool)) {
	for field := range langs {
		_, lang, stems := stemmer(field)
		var tokens []analysis.Token
		for term, tf := range one.terms[field] {
			touch(keyOf(keyTerm, term), false)
			if r, n := utf8.DecodeRuneInString(term); r >= firstHanRune {
				if n < len(term) {
					spelledKeys(term, places(uint8(tf.Frequency())), touch) //nolint:gosec // a byte
				}
				continue // no word begins or is inflected so
			}
			if stems {
				touch(stemKey(field, term), false)
				tokens = analysis.AppendAll(tokens[:0], lang, term)
				if len(tokens) == 1 && !tokens[0].Stop && tokens[0].Fold == term && tokens[0].Text != term {
					touch(stemKey(field, tokens[0].Text), letters(term) && one.x.ranking.rules.stems) // as the vocabulary learns it
				}
			}
			k := key64(fnvOffset).with(keyBeginning)
			for i := range len(term) {
				if k = k.with(term[i]); i+1 == len(term) || utf8.RuneStart(term[i+1]) {
					touch(k, false)
				}
			}
		}
	}
	one.filterKeys(gen.cols, touch)
}

// spelledKeys yields what a pair of characters in a title or a name is spelled like.
func spelledKeys(pair string, at uint8, touch func(k key64, inflected bool)) {
	if at == 0 {
		return
	}
	r, n := utf8.DecodeRuneInString(pair)
	second, _ := utf8.DecodeRuneInString(pair[n:])
	for _, x := range analysis.Pinyin(r) {
		for _, y := range analysis.Pinyin(second) {
			touch(syllablesKey(x, y, false), false)
			for i := 1; i <= len(y); i++ {
				touch(syllablesKey(x, y[:i], true), false)
			}
			touch(keyOf(keyInitials, x[:1]+y[:1]), false)
		}
	}
}

// filterKeys yields what filters may name.
func (one *alone) filterKeys(cols *columns, touch func(k key64, inflected bool)) {
	d, r := one.x.dicts, one.cols.row(0)
	tags, categories, instructors := d.tags.list(), d.categories.list(), d.instructors.list()
	for _, t := range r.tags {
		touch(keyOf(keyTag, tags[t]), false)
	}
	for c := range cols.ancestors(r.category) {
		touch(keyOf(keyCategory, categories[c]), false)
	}
	for _, who := range r.instructors {
		touch(keyOf(keyInstructor, instructors[who]), false)
		if info := at(cols.instructors, who); info != nil {
			touch(keyOf(keyInstructors, info.name), false)
		}
	}
	touch(keyOf(keyLevel, levelNames[r.level]), false)
	touch(keyOf(keyLanguage, d.languages.list()[r.language]), false)
	if r.provider != 0 {
		touch(keyOf(keyProvider, catalog.Slug(d.providers.list()[r.provider])), false)
	}
}
