package search

import (
	"encoding/binary"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
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
	a.spoil()
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
	a.spoil()
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
