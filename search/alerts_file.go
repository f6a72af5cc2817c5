package search

import (
	"context"
	"encoding/binary"
	"net/url"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// bundleID is a place in filed.bundles; 0 is none.
type bundleID uint32

// orgID is a place in filed.orgs.
type orgID uint32

// bundle is what saved searches have in common that find the same courses: organization and clauses. Learners ask for much the same.
type bundle struct {
	key     string
	org     orgID
	words   []clauseID // as often as the query has them
	gate    clauseID   // of a bundle without words: what a course must have; 0: nothing that could be looked up
	rest    []clauseID // what a course must have besides
	pinned  *pinning
	members []member
	witness int32 // a course that has all of the words, while state is together
}

// pinning is a query for which editors have pinned courses.
type pinning struct {
	locale  catalog.Locale
	q       string
	courses []catalog.CourseID
}

// member is a saved search in a bundle.
type member struct {
	who    *learner
	id     catalog.SavedSearchID
	notify catalog.Notify
}

// filed is where saved searches are found.
type filed struct {
	keys         keyIndex
	clauses      []clause // the first is none
	clauseOf     map[string]clauseID
	spareClauses []clauseID
	bundles      []bundle // the first is none
	bundleOf     map[string]bundleID
	spareBundles []bundleID
	bare         map[bundleID]struct{} // without words and gate: every course is compared with them
	pinnedFor    map[catalog.CourseID][]bundleID
	orgs         []catalog.OrgID
	orgOf        map[catalog.OrgID]orgID
	curation     map[catalog.OrgID]*curation // by which words were given their meanings

	// By bundle, apart from the rest because all bundles that have a word of a course are walked over.
	words []uint8 // how many
	got   []uint8 // of them by the course at hand
	state []uint8
}

func newFiled() filed {
	return filed{
		keys: newKeyIndex(), clauses: make([]clause, 1), clauseOf: map[string]clauseID{}, bundles: make([]bundle, 1), bundleOf: map[string]bundleID{},
		bare: map[bundleID]struct{}{}, pinnedFor: map[catalog.CourseID][]bundleID{}, orgOf: map[catalog.OrgID]orgID{}, words: make([]uint8, 1), got: make([]uint8, 1), state: make([]uint8, 1),
	}
}

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

// request is a saved search as the learner would run it; false when it finds nothing, whatever there is.
func (l *learner) request(text string) (Request, query.Query, bool) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return Request{}, query.Query{}, false
	}
	r, err := ParseSaved(values)
	if err != nil {
		return Request{}, query.Query{}, false
	}
	r.Actor, r.Locale = catalog.Actor{Subject: l.id, Org: l.org}, l.locale
	if tag, ok := catalog.CanonicalLocale(values.Get("locale")); ok {
		r.Locale = tag
	}
	if r.Locale == "" {
		r.Locale = catalog.English
	}
	if len(r.States) > 0 && !slices.Contains(r.States, "*") && !slices.Contains(r.States, string(catalog.Published)) {
		return r, query.Query{}, false // a learner sees no drafts
	}
	q, err := query.Parse(r.Q)
	return r, q, err == nil
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

// Which filter tells most, when a search has no words: it is the one that is looked up.
const (
	gateNone = iota
	gateLanguage
	gateLevel
	gateCategory
	gateTag
	gateProvider
	gateInstructor
	gatePhrase
)

// restOf returns what a search demands besides words, as texts of clauses, and the one of them that is best looked up; "" when none can be.
func restOf(r *Request, q query.Query) (rest []string, gate string) {
	best := gateNone
	add := func(text string, rank int) {
		rest = append(rest, text)
		if rank > best {
			best, gate = rank, text
		}
	}
	for _, f := range filtersOf(r) {
		org := catalog.OrgID("")
		if len(f.Instructors) > 0 {
			org = r.Actor.Org // names are known to those who see the organization
		}
		add(restClause(clauseFilter, org, f.Values().Encode()), f.rank)
	}
	for _, c := range q.Clauses {
		if c.Kind == query.KindWord && !c.Not {
			continue
		}
		org := catalog.OrgID("")
		if c.Field == query.FieldInstructor {
			org = r.Actor.Org
		}
		rank := gateNone
		switch {
		case c.Not:
		case c.Kind == query.KindPhrase:
			rank = gatePhrase
		default:
			rank = fieldRanks[c.Field]
		}
		add(restClause(clauseQuery, org, query.Query{Clauses: []query.Clause{c}}.String()), rank)
	}
	return rest, gate
}

var fieldRanks = map[query.Field]int{
	query.FieldTag: gateTag, query.FieldCategory: gateCategory, query.FieldInstructor: gateInstructor, query.FieldLevel: gateLevel,
	query.FieldLanguage: gateLanguage, query.FieldProvider: gateProvider,
}

// filter is a request with a single filter.
type filter struct {
	Request
	rank int
}

// filtersOf takes the filters of a request apart.
func filtersOf(r *Request) (list []filter) {
	add := func(given bool, rank int, one Request) {
		if given {
			list = append(list, filter{one, rank})
		}
	}
	add(len(r.Tags) > 0, gateTag, Request{Tags: r.Tags})
	add(len(r.Categories) > 0, gateCategory, Request{Categories: r.Categories})
	add(len(r.Levels) > 0, gateLevel, Request{Levels: r.Levels})
	add(len(r.Languages) > 0, gateLanguage, Request{Languages: r.Languages})
	add(len(r.Providers) > 0, gateProvider, Request{Providers: r.Providers})
	add(len(r.Instructors) > 0, gateInstructor, Request{Instructors: r.Instructors})
	add(len(r.Availabilities) > 0, gateNone, Request{Availabilities: r.Availabilities})
	for _, tag := range r.AllTags {
		add(true, gateTag, Request{AllTags: []string{tag}})
	}
	add(r.MinRating != nil, gateNone, Request{MinRating: r.MinRating})
	add(r.MinInstructorRating != nil, gateNone, Request{MinInstructorRating: r.MinInstructorRating})
	add(r.MinDuration != nil || r.MaxDuration != nil, gateNone, Request{MinDuration: r.MinDuration, MaxDuration: r.MaxDuration})
	add(r.Free, gateNone, Request{Free: true})
	return list
}

// restClause writes a clause that is no word to be found; org is that of who asks, where it matters.
func restClause(kind byte, org catalog.OrgID, text string) string {
	return string(kind) + string(org) + "\x00" + text
}

// requestOfClause is the inverse of restClause: the request with that filter, and the query with that clause.
func requestOfClause(text string) (r Request, q query.Query, err error) {
	kind := text[0]
	org, text, _ := strings.Cut(text[1:], "\x00")
	if kind == clauseQuery {
		q, err = query.Parse(text)
	} else {
		var values url.Values
		if values, err = url.ParseQuery(text); err == nil {
			r, err = ParseParams(values)
		}
	}
	r.Actor.Org = catalog.OrgID(org)
	return r, q, err
}

// join finds the bundle of a search, or makes it.
func (a *Alerts) join(g *bundle, words, rest []string, gate string) bundleID {
	intern := func(texts []string) (ids []clauseID) {
		for _, text := range texts {
			ids = append(ids, a.clause(text))
		}
		slices.Sort(ids)
		return ids
	}
	g.words, g.rest = intern(words), slices.Compact(intern(rest))
	slices.SortStableFunc(g.rest, func(c, d clauseID) int { // filters first, which many share
		return int(a.clauses[c].text[0]) - int(a.clauses[d].text[0])
	})
	if len(words) == 0 && gate != "" {
		g.gate = a.clauseOf[gate]
	}
	key := binary.AppendUvarint(nil, uint64(g.org))
	for _, ids := range [][]clauseID{g.words, g.rest} {
		key = binary.AppendUvarint(key, uint64(len(ids)))
		for _, c := range ids {
			key = binary.AppendUvarint(key, uint64(c))
		}
	}
	if g.pinned != nil {
		key = append(key, string(g.pinned.locale)+"\x00"+g.pinned.q...)
	}
	if id, ok := a.bundleOf[string(key)]; ok {
		return id
	}
	g.key = string(key)
	return a.establish(g)
}

// establish files a new bundle.
func (a *Alerts) establish(g *bundle) bundleID {
	id := bundleID(len(a.bundles)) //nolint:gosec // far fewer than 2^32
	if n := len(a.spareBundles); n > 0 {
		id, a.spareBundles = a.spareBundles[n-1], a.spareBundles[:n-1]
	} else {
		a.bundles = append(a.bundles, bundle{})
		a.words, a.got, a.state = append(a.words, 0), append(a.got, 0), append(a.state, 0)
	}
	a.exam.forget()
	a.bundles[id], a.bundleOf[g.key] = *g, id
	a.words[id], a.state[id] = uint8(len(g.words)), stateUnknown //nolint:gosec // at most maxWords
	for _, list := range [][]clauseID{g.words, g.rest} {
		for _, c := range list {
			a.clauses[c].uses++
		}
	}
	for _, c := range g.words {
		a.fileUnder(c, id)
		a.factOf(c, g.org)
	}
	switch {
	case g.gate != 0:
		a.fileUnder(g.gate, id)
	case len(g.words) == 0:
		a.bare[id] = struct{}{}
	}
	if g.pinned != nil {
		for _, course := range g.pinned.courses {
			a.pinnedFor[course] = append(a.pinnedFor[course], id)
		}
	}
	return id
}

// clause numbers a clause.
func (a *Alerts) clause(text string) clauseID {
	if id, ok := a.clauseOf[text]; ok {
		return id
	}
	id := clauseID(len(a.clauses)) //nolint:gosec // far fewer than 2^32
	if n := len(a.spareClauses); n > 0 {
		id, a.spareClauses = a.spareClauses[n-1], a.spareClauses[:n-1]
	} else {
		a.clauses = append(a.clauses, clause{})
	}
	a.clauses[id], a.clauseOf[text] = clause{text: text}, id
	return id
}

// fileUnder lets a bundle be found by a clause.
func (a *Alerts) fileUnder(c clauseID, g bundleID) {
	if len(a.clauses[c].bundles) == 0 {
		a.eachKey(c, func(k key64, touch uint8) { a.keys.add(k, link{clause: c, touch: touch}) })
	}
	a.clauses[c].bundles = append(a.clauses[c].bundles, g)
}

// eachKey yields the keys by which a clause is found, but those that it has while nobody has a word as it stands.
func (a *Alerts) eachKey(c clauseID, file filing) {
	text := a.clauses[c].text
	if text[0] == clauseWord {
		a.fileWord(text, file)
		return
	}
	r, q, err := requestOfClause(text)
	if err != nil {
		return // it was written from what had been read without an error
	}
	fileFilter(&r, file)
	for i := range q.Clauses {
		fileQuery(&q.Clauses[i], file)
	}
}

// unfile takes a saved search out of its bundle, which is forgotten with the last.
func (a *Alerts) unfile(l *learner, s *saved) {
	id := s.bundle
	if id == 0 {
		return
	}
	s.bundle = 0
	g := &a.bundles[id]
	g.members = slices.DeleteFunc(g.members, func(m member) bool { return m.who == l && m.id == s.id })
	if len(g.members) > 0 {
		return
	}
	for _, c := range g.words {
		a.unfileUnder(c, id)
	}
	if g.gate != 0 {
		a.unfileUnder(g.gate, id)
	}
	delete(a.bare, id)
	if g.pinned != nil {
		for _, course := range g.pinned.courses {
			list := slices.DeleteFunc(a.pinnedFor[course], func(other bundleID) bool { return other == id })
			if a.pinnedFor[course] = list; len(list) == 0 {
				delete(a.pinnedFor, course)
			}
		}
	}
	for _, list := range [][]clauseID{g.words, g.rest} {
		for _, c := range list {
			a.clauses[c].uses--
		}
	}
	a.dropUnused(g.words, g.rest)
	delete(a.bundleOf, g.key)
	*g, a.words[id] = bundle{}, 0
	a.spareBundles = append(a.spareBundles, id)
	a.exam.forget()
}

// unfileUnder is the inverse of fileUnder.
func (a *Alerts) unfileUnder(c clauseID, g bundleID) {
	at := &a.clauses[c]
	n := slices.Index(at.bundles, g)
	if n < 0 {
		return
	}
	last := len(at.bundles) - 1
	at.bundles[n] = at.bundles[last]
	if at.bundles = at.bundles[:last]; last == 0 {
		a.eachKey(c, func(k key64, touch uint8) { a.keys.remove(k, link{clause: c, touch: touch}) })
		a.gather(c)
	}
}

// dropUnused forgets clauses that no bundle has.
func (a *Alerts) dropUnused(lists ...[]clauseID) {
	for _, list := range lists {
		for _, c := range list {
			if at := &a.clauses[c]; at.uses == 0 && at.text != "" {
				delete(a.clauseOf, at.text)
				*at = clause{}
				a.spareClauses = append(a.spareClauses, c)
			}
		}
	}
}
