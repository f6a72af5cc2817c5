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

// Suggest completes a prefix with tags, instructors and titles of courses that the caller sees, in the caller's language: those that begin with it
// before those of which another word does, the popular ones first. It reads columns only. limit 0 is DefaultSuggestions.
// Errors: fault.InvalidParameter; fault.NotReady and fault.Overloaded as in Search.
func (x *Index) Suggest(ctx context.Context, actor catalog.Actor, locale catalog.Locale, prefix string, limit int) ([]Suggestion, error) {
	if utf8.RuneCountInString(prefix) > maxSuggestRunes {
		return nil, badParam("q", "", fault.TooLong, "max", maxSuggestRunes)
	}
	if limit < 0 || limit > MaxSuggestions {
		return nil, badParam("limit", "", fault.OutOfRange, "min", 1, "max", MaxSuggestions)
	}
	if limit == 0 {
		limit = DefaultSuggestions
	}
	done, err := x.admit(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	gen, err := x.acquire()
	if err != nil {
		return nil, err
	}
	defer gen.reader.release()
	p, err := x.newPlan(gen, &Request{Actor: actor, Locale: locale}, query.Query{})
	if err != nil {
		return nil, err
	}
	want := analysis.Fold(prefix)
	if want == "" {
		return []Suggestion{}, nil
	}
	courses, tags, instructors := p.suggest(want, limit)
	return mix(limit, tags, instructors, courses), nil
}

// suggest makes one pass over what the caller sees.
func (p *plan) suggest(want string, limit int) (courses, tags, instructors []candidate) {
	best := chooser{limit: limit}
	l := localeIndex(p.locale)
	tagged, taught := p.newCounter(FacetTags, -1), p.newCounter(FacetInstructors, -1)
	var room [pageRows]uint8
	for _, pg := range p.cols.pages {
		folds := pg.foldedTitles(l)
		list := p.seen(pg.hot, room[:0])
		tagged.count(pg, list)
		taught.count(pg, list)
		for _, j := range list {
			if begins, ok := matchPrefix(folds[j], want); ok {
				d := &pg.details[j]
				best.add(candidate{Suggestion{d.titles[l], SuggestCourse, string(d.id)}, begins, int64(pg.hot.enrollments[j])})
			}
		}
	}
	return best.list, tagged.suggest(want, SuggestTag, limit), taught.suggest(want, SuggestInstructor, limit)
}

// suggest chooses among the values of a facet that a visible course has.
func (f *counter) suggest(want string, kind SuggestionKind, limit int) []candidate {
	best := chooser{limit: limit}
	names := f.names()
	for i, n := range f.counts {
		if n == 0 {
			continue
		}
		label := f.label(names[i])
		if begins, ok := matchPrefix(analysis.Fold(label), want); ok {
			best.add(candidate{Suggestion{label, kind, names[i]}, begins, int64(n)})
		}
	}
	return best.list
}

// matchPrefix reports whether a folded text, or a word in it, begins so.
func matchPrefix(folded, want string) (begins, ok bool) {
	if strings.HasPrefix(folded, want) {
		return true, true
	}
	return false, beginsWord(folded, want)
}

// chooser keeps the best candidates.
type chooser struct {
	limit int
	list  []candidate
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

// mix takes tags and instructors for up to a quarter of the places each, and courses for the rest; what one kind leaves free others take. A text is
// given once for each kind.
func mix(limit int, tags, instructors, courses []candidate) []Suggestion {
	share := max(1, limit/4)
	kinds := [][]candidate{once(tags), once(instructors), once(courses)}
	take := []int{min(share, len(kinds[0])), min(share, len(kinds[1])), 0}
	take[2] = min(limit-take[0]-take[1], len(kinds[2]))
	for free := limit - take[0] - take[1] - take[2]; free > 0; free-- {
		for k := range kinds {
			if take[k] < len(kinds[k]) {
				take[k]++
				break
			}
		}
	}
	list := make([]Suggestion, 0, limit)
	for k, n := range take {
		for _, c := range kinds[k][:max(0, min(n, limit-len(list)))] {
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
