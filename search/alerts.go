package search

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Alerts says which saved searches find a course, without running them all: it files them by what a course must have to be found. What it says of a course is
// what [Index.Search] would say if it were asked at the same moment, for each saved search, as the learner (DESIGN.md, Alerts).
//
// It follows saved searches, memberships, preferences and devices: somebody runs [coursesync.Follow] with it, or hands it the changes by [Alerts.Apply]. It keeps
// nothing on disk; at a start it reads them from the catalog. Searches with [catalog.NotifyOff] are not held. Its methods are safe for concurrent use; calls wait
// for each other.
type Alerts struct {
	x *Index

	mu       sync.Mutex
	cursor   coursesync.Cursor
	loaded   bool
	learners map[catalog.LearnerID]*learner
	unknown  map[*learner]struct{} // of whom what is on record may have changed
	waiting  map[savedID]struct{}  // changed, and not filed anew yet

	filed
	facts
	exam
}

// learner is somebody with saved searches.
type learner struct {
	id catalog.LearnerID
	record
	searches []saved
}

// record is what is on record of a learner that makes a difference to what they find.
type record struct {
	org    catalog.OrgID
	locale catalog.Locale // never "" once it was looked up
}

// saved is a saved search of a learner.
type saved struct {
	id     catalog.SavedSearchID
	query  string
	notify catalog.Notify
	bundle bundleID // 0: it is not filed
}

// savedID names a saved search.
type savedID struct {
	learner catalog.LearnerID
	id      catalog.SavedSearchID
}

// Match is a saved search that finds a course.
type Match struct {
	Learner catalog.LearnerID
	Search  catalog.SavedSearchID
	Notify  catalog.Notify
	Course  catalog.CourseID
}

// NewAlerts returns alerts over the courses of an index. They hold nothing before they are loaded: by [Alerts.Load], or by who begins to follow.
func NewAlerts(x *Index) *Alerts {
	a := &Alerts{x: x}
	a.forgetAll()
	return a
}

func (a *Alerts) forgetAll() {
	a.cursor, a.loaded = coursesync.Cursor{}, false
	a.learners, a.unknown, a.waiting = map[catalog.LearnerID]*learner{}, map[*learner]struct{}{}, map[savedID]struct{}{}
	a.filed, a.facts, a.exam = newFiled(), newFacts(), exam{}
}

// Load reads all saved searches from the catalog, once. What changed after the cursor that [Alerts.Cursor] then returns has to be applied.
func (a *Alerts) Load(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.load(ctx)
}

func (a *Alerts) load(ctx context.Context) error {
	if a.loaded {
		return nil
	}
	c := a.x.cfg.Catalog
	head, err := c.Log().Head(ctx)
	if err != nil {
		return err
	}
	for s, err := range c.SavedSearches(ctx) {
		if err != nil {
			return err
		}
		a.put(s)
	}
	a.cursor, a.loaded = coursesync.Cursor{Log: c.Log().ID(), Seq: head}, true
	return nil
}

// Name implements coursesync.Follower.
func (a *Alerts) Name() string { return "alerts" }

// Cursor implements coursesync.Follower. Nothing is kept on disk: the first call loads what there is.
func (a *Alerts) Cursor(ctx context.Context) (coursesync.Cursor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.load(ctx)
	return a.cursor, err
}

// Reset implements coursesync.Follower: what there is is loaded anew.
func (a *Alerts) Reset(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetAll()
	return a.load(ctx)
}

// Apply implements coursesync.Follower. Changes of other kinds than saved searches, memberships, preferences and devices mean nothing to it: it may be given
// all or those.
func (a *Alerts) Apply(_ context.Context, batch []coursesync.Change, next coursesync.Cursor) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ch := range batch {
		switch ch.Kind {
		case catalog.KindSavedSearch:
			s, err := catalog.SavedSearchIn(ch)
			if err != nil {
				return err
			}
			if ch.Op == coursesync.OpDelete {
				a.drop(s.Learner, s.ID)
			} else {
				a.put(s)
			}
		case catalog.KindMembership, catalog.KindPreference, catalog.KindDevice:
			if l := a.learners[catalog.LearnerOf(ch.Key)]; l != nil {
				a.unknown[l] = struct{}{}
			}
		}
	}
	a.cursor = next
	return nil
}

// put takes a saved search to be filed.
func (a *Alerts) put(s catalog.SavedSearchOf) {
	a.drop(s.Learner, s.ID)
	if s.Value.Notify == catalog.NotifyOff {
		return
	}
	l := a.learners[s.Learner]
	if l == nil {
		l = &learner{id: s.Learner}
		a.learners[s.Learner], a.unknown[l] = l, struct{}{}
	}
	l.searches = append(l.searches, saved{id: s.ID, query: s.Value.Query, notify: s.Value.Notify})
	a.waiting[savedID{l.id, s.ID}] = struct{}{}
}

// drop forgets a saved search.
func (a *Alerts) drop(who catalog.LearnerID, id catalog.SavedSearchID) {
	l := a.learners[who]
	if l == nil {
		return
	}
	at := slices.IndexFunc(l.searches, func(s saved) bool { return s.id == id })
	if at < 0 {
		return
	}
	a.unfile(l, &l.searches[at])
	delete(a.waiting, savedID{who, id})
	if l.searches = slices.Delete(l.searches, at, at+1); len(l.searches) == 0 {
		delete(a.learners, who)
		delete(a.unknown, l)
	}
}

// know takes what is on record of a learner. When it is something else than before, all of the searches are others.
func (a *Alerts) know(l *learner, now record) {
	delete(a.unknown, l)
	if l.record == now {
		return // nearly always: their app only registered again
	}
	l.record = now
	for i := range l.searches {
		a.waiting[savedID{l.id, l.searches[i].id}] = struct{}{}
	}
}

// Match yields the saved searches that find any of some courses, each course as the index has it when its turn comes: who wants the answer for a change waits for
// it with [Index.WaitFor] first. Nobody finds drafts and courses that are not there. Matches are in no order. Whoever ranges over them may take long, call back
// and stop. An error ends them: fault.NotReady while the index is built; ctx's own.
func (a *Alerts) Match(ctx context.Context, ids ...catalog.CourseID) iter.Seq2[Match, error] {
	return a.match(ctx, ids, nil)
}

// MatchRisen is [Alerts.Match] for a course whose ratings rose: of the saved searches that find it, those that ask for more than the ratings were. What else of
// the course changed makes no difference.
func (a *Alerts) MatchRisen(ctx context.Context, id catalog.CourseID, was catalog.CardRatings) iter.Seq2[Match, error] {
	return a.match(ctx, []catalog.CourseID{id}, &was)
}

// match looks at one course in each watch, and hands on what it found when that is over: of a round no more is held than one course's matches, the generation
// no longer than for one course, and the lock not while somebody takes them. A watch that has nothing to catch up with costs little beside a course.
func (a *Alerts) match(ctx context.Context, ids []catalog.CourseID, was *catalog.CardRatings) iter.Seq2[Match, error] {
	return func(yield func(Match, error) bool) {
		var found []Match
		for _, id := range ids {
			err := a.watch(ctx, func(w *watch) (err error) {
				found, err = w.matchCourse(id, was, found[:0])
				return err
			})
			if err != nil {
				yield(Match{}, err)
				return
			}
			for _, m := range found {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// Prepare does beforehand what the next [Alerts.Match] would have to do for all saved searches: it takes in what changed, and finds out which of them find
// nothing, or nothing but by typos or a part of their words. After a start that takes seconds for a hundred thousand. Errors: as Match.
func (a *Alerts) Prepare(ctx context.Context) error {
	return a.watch(ctx, (*watch).warm)
}

// watch lets something work on the generation that is served, after all that changed was taken in. When it fails, all is found out anew the next time.
func (a *Alerts) watch(ctx context.Context, work func(w *watch) error) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	gen, err := a.x.hold()
	if err != nil {
		return err
	}
	defer gen.reader.release()
	defer func() {
		if err != nil {
			a.distrust()
		}
	}()
	defer a.x.broken(ctx, &err)()
	if err := a.load(ctx); err != nil {
		return err
	}
	w := a.newWatch(ctx, gen)
	defer w.done()
	a.spoil() // it is as long as one watch
	a.heed(gen.cols)
	if err := w.fileWaiting(); err != nil {
		return err
	}
	if err := w.catchUp(); err != nil {
		return err
	}
	return work(w)
}

// Len returns how many saved searches are held.
func (a *Alerts) Len() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.learners {
		n += len(l.searches)
	}
	return n
}
