package search

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// Limits of suggestions.
const (
	// DefaultSuggestions are given when none are asked for.
	DefaultSuggestions = 8
	// MaxSuggestions fit on no screen, but a client may filter further.
	MaxSuggestions = 100
	// maxSuggestRunes is the longest prefix that is completed; nobody types more before choosing.
	maxSuggestRunes = 100
)

// candidate is a suggestion with what it is ranked by.
type candidate struct {
	Suggestion
	begins bool  // the text begins with the prefix, not only a word in it
	weight int64 // popularity among its kind
}

// PastQueries knows what callers asked before.
type PastQueries interface {
	// Completions returns at most n queries that found something, that several different callers of an organization asked in a language, and of which
	// a word begins with a folded prefix; the most frequent first.
	Completions(org catalog.OrgID, locale catalog.Locale, prefix string, n int) []string
}

// Suggest completes a prefix with past queries, tags, instructors and titles of courses that the caller sees, in the caller's language: those that begin
// with it before those of which another word does, the popular ones first. When there is none, what a search finds with typos or in pinyin is
// suggested. The list may be shared: it must not be changed. limit 0 is DefaultSuggestions.
// Errors: fault.InvalidParameter; fault.NotReady and fault.Overloaded as in Search.
func (x *Index) Suggest(ctx context.Context, actor catalog.Actor, locale catalog.Locale, prefix string, limit int) (list []Suggestion, err error) {
	if utf8.RuneCountInString(prefix) > maxSuggestRunes {
		return nil, badParam("q", "", fault.TooLong, "max", maxSuggestRunes)
	}
	if limit < 0 || limit > MaxSuggestions {
		return nil, badParam("limit", "", fault.OutOfRange, "min", 1, "max", MaxSuggestions)
	}
	if limit == 0 {
		limit = DefaultSuggestions
	}
	want := analysis.Fold(prefix)
	if want == "" {
		return []Suggestion{}, nil
	}
	gen, err := x.acquire()
	if err != nil {
		return nil, err
	}
	defer gen.reader.release()
	req := &Request{Actor: actor, Locale: locale, Q: prefix, Limit: limit}
	key := append(x.resultKey(gen, req), " suggest"...)
	if list, ok := x.suggestions.get(key); ok {
		return list, nil
	}
	turn, err := x.admission.admit(ctx, false)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	defer x.broken(ctx, &err)()
	timed, cancel := context.WithTimeout(ctx, maxDuration)
	defer cancel()
	turn.over(timed, gen.cols.n)
	p, err := x.newPlan(gen, req, query.Query{})
	if err != nil {
		return nil, err
	}
	p.turn = turn
	if list, err = p.complete(want); err != nil {
		return nil, deadline(ctx, err)
	}
	x.suggestions.put(key, list)
	return list, nil
}

// complete makes the suggestions.
func (p *plan) complete(want string) ([]Suggestion, error) {
	courses, tags, instructors := p.suggest(want, p.limit)
	past, err := p.past(want)
	if err != nil {
		return nil, err
	}
	if len(courses)+len(tags)+len(instructors)+len(past) == 0 {
		if courses, tags, instructors, err = p.similar(); err != nil {
			return nil, err
		}
	}
	return mix(p.limit, past, tags, instructors, courses), nil
}

// past returns what others asked before, as far as it finds something for this caller by all of its words as they stand: what a typo or a minus
// in it makes it find would show words that stand only in what the caller may not see.
func (p *plan) past(want string) ([]candidate, error) {
	if p.x.cfg.Past == nil {
		return nil, nil
	}
	share := max(1, p.limit/4)
	var list []candidate
	for _, text := range p.x.cfg.Past.Completions(p.req.Actor.Org, p.locale, want, maxTries+share) {
		q, err := query.Parse(text)
		if err != nil || slices.ContainsFunc(q.Clauses, func(c query.Clause) bool { return c.Not }) {
			continue
		}
		found, err := p.finds(text)
		if err != nil {
			return nil, err
		}
		if found {
			list = append(list, candidate{Suggestion: Suggestion{Text: text, Kind: SuggestQuery}, begins: true})
		}
		if len(list) == share {
			break
		}
	}
	return list, nil
}

// finds reports whether a past query finds something by all of its words as they stand, or remembers it: each key that is typed asks again. The time
// plays no part, since no query asks who can enroll now.
func (p *plan) finds(text string) (bool, error) {
	key := viewKey(nil, p.gen, &Request{Actor: p.req.Actor, Locale: p.locale, Q: text})
	if found, ok := p.x.past.get(key); ok {
		return found, nil
	}
	n, relaxed, guessed, err := p.total(text)
	if err != nil {
		return false, err
	}
	found := n > 0 && !relaxed && !guessed
	p.x.past.put(key, found)
	return found, nil
}

// similar suggests what a search for the prefix finds: courses, and with typos put right, tags and instructors too.
func (p *plan) similar() (courses, tags, instructors []candidate, err error) {
	q, err := query.Parse(p.req.Q)
	if err != nil || !hasWords(q) {
		return nil, nil, nil, nil // what is being typed need not be a query yet
	}
	other, err := p.x.newPlan(p.gen, p.req, q)
	if err != nil {
		return nil, nil, nil, err
	}
	other.turn = p.turn
	c, m, done, err := other.find()
	if err != nil {
		return nil, nil, nil, err
	}
	defer done()
	if m == nil || m.relaxed || c.total == 0 {
		return nil, nil, nil, nil
	}
	if meant, err := other.correct(m, c.total); err != nil {
		return nil, nil, nil, err
	} else if meant != "" {
		_, tags, instructors = p.suggest(analysis.Fold(meant), p.limit)
	}
	l := localeIndex(p.locale)
	for _, k := range c.top {
		d := p.cols.details(k.row)
		courses = append(courses, candidate{Suggestion: Suggestion{d.titles[l], SuggestCourse, string(d.id)}})
	}
	return courses, tags, instructors, nil
}

// suggest completes with what the caller sees.
func (p *plan) suggest(want string, limit int) (courses, tags, instructors []candidate) {
	tags = p.labelled(p.newCounter(FacetTags, -1), p.labelsOfTags(), SuggestTag, want, limit)
	instructors = p.labelled(p.newCounter(FacetInstructors, -1), p.labelsOfInstructors(), SuggestInstructor, want, limit)
	return p.titled(want, limit), tags, instructors
}

// titled chooses among the titles of visible courses.
func (p *plan) titled(want string, limit int) []candidate {
	best := chooser{limit: limit}
	l := localeIndex(p.locale)
	for _, pg := range p.cols.pages {
		words, whole := pg.beginnings(l).find(want)
		for j := range words.all {
			begins, weight := whole.has(j), int64(pg.hot.enrollments[j])
			if p.seesIn(pg.hot, j) && !best.hopeless(begins, weight) {
				d := &pg.details[j]
				best.add(candidate{Suggestion{d.titles[l], SuggestCourse, string(d.id)}, begins, weight})
			}
		}
	}
	return best.list
}

// labelled chooses among the values of a facet that a visible course has.
func (p *plan) labelled(f *counter, l *labels, kind SuggestionKind, want string, limit int) []candidate {
	f.everywhere()
	best := chooser{limit: limit}
	names := f.names()
	add := func(i int, begins bool) {
		if f.counts[i] > 0 && !best.hopeless(begins, int64(f.counts[i])) && p.knows(names[i]) {
			best.add(candidate{Suggestion{l.of[i], kind, names[i]}, begins, int64(f.counts[i])})
		}
	}
	letters := spelledLetters(want)
	for n, pg := range l.pages {
		words, whole := pg.find(want)
		for j := range min(pageRows, len(f.counts)-n*pageRows) {
			i, text := n*pageRows+j, uint8(j)
			if words.has(text) || letters != "" && l.sounds[i]&sound(letters) != 0 && beginsSpelled(l.of[i], letters) {
				add(i, whole.has(text))
			}
		}
	}
	return best.list
}

// minSpelled is from how many letters on pinyin is looked for in labels: fewer are the beginning of too much.
const minSpelled = 3

// spelledLetters returns the letters of what may be pinyin; "" when it is none.
func spelledLetters(want string) string {
	letters := strings.ReplaceAll(want, " ", "")
	if len(letters) < minSpelled || strings.ContainsFunc(letters, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return ""
	}
	return letters
}

// beginsSpelled reports whether a label has Han characters that are spelled in pinyin as what is typed begins: 机器学习 for jiqixue and for ji qi, as far as
// typed. Initials say too little while one types.
func beginsSpelled(label, letters string) bool {
	runes := []rune(label)
	for i := range runes {
		if spelledFrom(runes[i:], letters) {
			return true
		}
	}
	return false
}

func spelledFrom(runes []rune, letters string) bool {
	if len(runes) == 0 {
		return false
	}
	for _, reading := range analysis.Pinyin(runes[0]) {
		if strings.HasPrefix(reading, letters) {
			return true
		}
		if rest, ok := strings.CutPrefix(letters, reading); ok && spelledFrom(runes[1:], rest) {
			return true
		}
	}
	return false
}

// chooser keeps the best candidates.
type chooser struct {
	limit int
	list  []candidate
}

// hopeless reports whether a candidate cannot be among the best, whatever its text is.
func (c *chooser) hopeless(begins bool, weight int64) bool {
	if len(c.list) < c.limit {
		return false
	}
	worst := &c.list[c.limit-1]
	if begins != worst.begins {
		return worst.begins
	}
	return weight < worst.weight
}

func (c *chooser) add(s candidate) {
	if len(c.list) == c.limit && compareCandidates(s, c.list[c.limit-1]) > 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(c.list, s, compareCandidates)
	if c.list = slices.Insert(c.list, at, s); len(c.list) > c.limit {
		c.list = c.list[:c.limit]
	}
}

func compareCandidates(a, b candidate) int {
	if a.begins != b.begins {
		if a.begins {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(b.weight, a.weight); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Text, b.Text); c != 0 {
		return c
	}
	return cmp.Compare(a.ID, b.ID)
}

// mix takes past queries, tags and instructors for up to a quarter of the places each, and courses for the rest; what one kind leaves free others
// take. A text is given once for each kind.
func mix(limit int, kinds ...[]candidate) []Suggestion {
	share := max(1, limit/4)
	take := make([]int, len(kinds))
	free := limit
	for k := range kinds {
		kinds[k] = once(kinds[k])
		take[k] = min(share, len(kinds[k]), free)
		if k == len(kinds)-1 {
			take[k] = min(free, len(kinds[k]))
		}
		free -= take[k]
	}
	for k := range kinds {
		more := min(free, len(kinds[k])-take[k])
		take[k] += more
		free -= more
	}
	list := make([]Suggestion, 0, limit)
	for k, n := range take {
		for _, c := range kinds[k][:n] {
			list = append(list, c.Suggestion)
		}
	}
	return list
}

func once(list []candidate) []candidate {
	return slices.CompactFunc(list, func(a, b candidate) bool { return a.Text == b.Text })
}

// foldedTitles returns the normal forms of a page's titles, made when the first is asked for, and kept with the page.
func (p *page) foldedTitles(l int) *[pageRows]string {
	folds := p.folds[l].Load()
	if folds == nil {
		folds = &[pageRows]string{}
		for j := range p.details {
			if t := p.details[j].titles[l]; t != "" {
				folds[j] = analysis.Fold(t)
			}
		}
		p.folds[l].Store(folds)
	}
	return folds
}

// beginnings returns where the words of a page's titles begin, found when somebody first types in the locale, and kept with the page.
func (p *page) beginnings(l int) *beginnings {
	b := p.starts[l].Load()
	if b == nil {
		b = newBeginnings(p.foldedTitles(l))
		p.starts[l].Store(b)
	}
	return b
}
