package search

import (
	"context"
	"maps"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
)

// Looping finds the saved searches of a course as who has no index of them would: it compares one after another with the course, which is an index of its own. What
// depends on other courses it leaves out.
func (a *Alerts) Looping(ctx context.Context, id catalog.CourseID, most int) (searches, found int, err error) {
	gen, err := a.x.hold()
	if err != nil {
		return 0, 0, err
	}
	defer gen.reader.release()
	r, _ := a.x.dicts.courses.find(string(id))
	one, err := a.x.alone(ctx, gen, int32(r)-1, &page{})
	if one == nil || err != nil {
		return 0, 0, err
	}
	for _, l := range a.learners {
		for i := range l.searches {
			if searches == most {
				return searches, found, nil
			}
			searches++
			req, q, ok := l.request(l.searches[i].query)
			for _, w := range wordsOf(q) {
				if ok && err == nil {
					ok, err = one.found(one.m.standing(&w))
				}
			}
			if ok && err == nil {
				ok, err = one.passes(&req, q)
			}
			if err != nil {
				return 0, 0, err
			}
			if ok {
				found++
			}
		}
	}
	return searches, found, nil
}

// Examined returns how many clauses of the last course were looked at, how many bundles, and how many there are of each.
func (a *Alerts) Examined() (clauses, bundles, allClauses, allBundles int) {
	return len(a.touched), len(a.counted) + len(a.open) + len(a.bare), len(a.clauseOf), len(a.bundleOf)
}

// Odd returns how many facts say that a word is not found as it stands, and how many bundles find nothing with all of their words.
func (a *Alerts) Odd() (facts, relaxed int) {
	for c := range a.clauses {
		for _, f := range a.clauses[c].facts {
			if f.level > levelStanding {
				facts++
			}
		}
	}
	for _, s := range a.state {
		if s == stateRelaxed {
			relaxed++
		}
	}
	return facts, relaxed
}

// Asked looks up the learners of whom something may have changed, and returns how many saved searches are to be filed anew.
func (a *Alerts) Asked(ctx context.Context) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.lookUp(ctx, slices.Collect(maps.Keys(a.unknown)))
	return len(a.waiting), err
}
