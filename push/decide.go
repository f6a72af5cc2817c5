package push

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// chunk is how many learners are decided about, or told, in one transaction: a few milliseconds.
	chunk = 500
	// maxRound is how many courses are told of together; an import of more is told in two or three messages.
	maxRound = 10_000
	// maxRaters is how many of those who rated a course hear of another one by its instructor: the latest.
	maxRaters = 10_000
	// maxCoursesBy is how many courses of an instructor are looked at for those who know them.
	maxCoursesBy = 200
)

// round is what settled together, while it is being told.
type round struct {
	Kind    string         `json:"kind"` // of the events
	Courses []string       `json:"courses,omitempty"`
	Import  string         `json:"import,omitempty"`
	Seq     coursesync.Seq `json:"seq"`             // of the first change: the round's name in what is told
	Last    coursesync.Seq `json:"last"`            // of the last one
	At      time.Time      `json:"at"`              // when the first was made
	After   string         `json:"after,omitempty"` // who was decided about last
	Second  bool           `json:"second,omitempty"`
}

// note is a notification on its way to one learner.
type note struct {
	Value catalog.Notification `json:"value"`
	Seq   coursesync.Seq       `json:"seq"`
	At    time.Time            `json:"at"` // when the change was made
	Due   time.Time            `json:"due"`
}

// noteKey is the key under which something is decided once: learner, rule, subject, Seq.
func noteKey(who catalog.LearnerID, rule catalog.NotificationRule, subject string, seq coursesync.Seq) []byte {
	return join(catalog.KeyOfLearner(who), string(rule), subject, strconv.FormatUint(uint64(seq), 10))
}

// notificationID is the same as an id of the learner's.
func notificationID(n *note) catalog.NotificationID {
	subject := hash(string(n.Value.Subject.Kind), n.Value.Subject.ID)
	return catalog.NotificationID(string(n.Value.Rule) + "-" + strconv.FormatUint(uint64(n.Seq), 10) + "-" + strconv.FormatUint(subject, 36))
}

// decideStep does all that is to be decided now, and returns how long nothing more is to be done. A part that fails keeps no other from its turn.
func (p *Push) decideStep(ctx context.Context) (time.Duration, error) {
	now := p.now()
	settled, err := p.settle(now)
	next := now.Add(p.pace.idle)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	sooner(settled)
	errs := []error{err, p.tellRounds(ctx)}
	at, err := p.deliver(ctx)
	sooner(at)
	errs = append(errs, err)
	if p.cfg.Sender != nil {
		at, err = p.nudge(ctx)
		sooner(at)
		errs = append(errs, err)
	}
	errs = append(errs, p.sweep(ctx))
	return next.Sub(p.now()), errors.Join(errs...)
}

// settle makes rounds of the events that are over, and returns when the next one is.
func (p *Push) settle(now time.Time) (next time.Time, err error) {
	err = p.db.Update(func(tx *bolt.Tx) error {
		next = time.Time{}
		var fresh []string
		s := settling{tx: tx, now: now, pace: &p.pace}
		var published event
		each(tx, bucketEvents, nil, func(k, v []byte) bool {
			e, err := decode[event](v)
			if err != nil {
				s.err = err
				return false
			}
			parts := cut(k)
			switch parts[0] {
			case eventChanged:
				s.take(e, round{Kind: eventChanged, Courses: parts[1:]}, p.pace.changed, p.pace.changedMost)
			case eventImport:
				s.take(e, round{Kind: eventImport, Import: parts[1]}, 0, 0)
			case eventPublished:
				if len(fresh) < maxRound {
					fresh = append(fresh, parts[1])
					published = published.with(e)
				}
			}
			return true
		})
		if len(fresh) > 0 {
			s.take(published, round{Kind: eventPublished, Courses: fresh}, p.pace.published, p.pace.publishedMost)
		}
		next = s.next
		return errors.Join(s.err, s.write())
	})
	return next, err
}

// with is one event of two.
func (e event) with(o event) event {
	if e.Begun.IsZero() {
		return o
	}
	if o.First < e.First {
		e.First, e.At = o.First, o.At
	}
	if o.Begun.Before(e.Begun) {
		e.Begun = o.Begun
	}
	if o.Latest.After(e.Latest) {
		e.Latest = o.Latest
	}
	e.Last = max(e.Last, o.Last)
	return e
}

// settling gathers rounds.
type settling struct {
	tx     *bolt.Tx
	now    time.Time
	pace   *pace
	rounds []round
	next   time.Time
	err    error
}

// take takes a round that was quiet for long enough, or waited long enough. Else it notes when that will be.
func (s *settling) take(e event, r round, quiet, most time.Duration) {
	at := e.Latest.Add(quiet)
	if latest := e.Begun.Add(most); latest.Before(at) {
		at = latest
	}
	if at.After(s.now) {
		if s.next.IsZero() || at.Before(s.next) {
			s.next = at
		}
		return
	}
	r.Seq, r.Last, r.At = e.First, e.Last, e.At
	s.rounds = append(s.rounds, r)
}

// write puts the rounds in the place of their events.
func (s *settling) write() error {
	rounds, events := s.tx.Bucket(bucketRounds), s.tx.Bucket(bucketEvents)
	for _, r := range s.rounds {
		n, err := rounds.NextSequence()
		if err != nil {
			return err
		}
		if err := put(s.tx, bucketRounds, number(n), r); err != nil {
			return err
		}
		subjects := r.Courses
		if r.Kind == eventImport {
			subjects = []string{r.Import}
		}
		for _, subject := range subjects {
			if err := events.Delete(join(r.Kind, subject)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellRounds makes notes of all rounds.
func (p *Push) tellRounds(ctx context.Context) error {
	var open [][]byte
	if err := p.db.View(func(tx *bolt.Tx) error {
		open = keys(tx, bucketRounds, nil)
		return nil
	}); err != nil {
		return err
	}
	var errs []error
	for _, key := range open {
		errs = append(errs, p.tellRound(ctx, key)) // one that cannot be told yet keeps no other waiting
	}
	return errors.Join(errs...)
}

func (p *Push) tellRound(ctx context.Context, key []byte) error {
	var r round
	var known bool
	err := p.db.View(func(tx *bolt.Tx) (err error) {
		r, known, err = get[round](tx, bucketRounds, key)
		return err
	})
	if err != nil || !known {
		return err
	}
	t := telling{p: p, key: key, round: r}
	switch r.Kind {
	case eventChanged:
		err = t.changed(ctx)
	case eventImport:
		err = t.imported(ctx)
	case eventPublished:
		err = t.published(ctx)
	}
	if err != nil {
		return err
	}
	return p.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketRounds).Delete(key) })
}

// telling is one round being told.
type telling struct {
	p     *Push
	key   []byte
	round round
}

// wanted is a note with who is to get it, and how soon.
type wanted struct {
	who     catalog.LearnerID
	subject string // in the note's key
	n       catalog.Notification
	how     catalog.Notify
	due     time.Time
}

// commit writes notes together with how far the round is.
func (t *telling) commit(list []wanted, after string) error {
	t.round.After = after
	return t.p.db.Update(func(tx *bolt.Tx) error {
		for i := range list {
			if err := t.write(tx, &list[i]); err != nil {
				return err
			}
		}
		return put(tx, bucketRounds, t.key, t.round)
	})
}

// write adds a note, or makes it part of one that waits for its day.
func (t *telling) write(tx *bolt.Tx, w *wanted) error {
	if w.how == catalog.NotifyDaily {
		key, waiting, err := openNote(tx, w, t.p.now())
		if err != nil {
			return err
		}
		if key != nil {
			waiting.Value.Count += w.n.Count
			return put(tx, bucketNotes, key, waiting)
		}
	}
	key := noteKey(w.who, w.n.Rule, w.subject, t.round.Seq)
	if tx.Bucket(bucketNotes).Get(key) != nil {
		return nil
	}
	w.n.At = t.round.At
	if err := put(tx, bucketNotes, key, note{Value: w.n, Seq: t.round.Seq, At: t.round.At, Due: w.due}); err != nil {
		return err
	}
	return tx.Bucket(bucketDueNote).Put(append(moment(w.due), key...), nil)
}

// openNote finds the note of the same learner, rule and subject that is not due yet.
func openNote(tx *bolt.Tx, w *wanted, now time.Time) (key []byte, n note, err error) {
	prefix := join(catalog.KeyOfLearner(w.who), string(w.n.Rule), w.subject, "")
	each(tx, bucketNotes, prefix, func(k, v []byte) bool {
		var one note
		if one, err = decode[note](v); err != nil {
			return false
		}
		if one.Due.After(now) {
			key, n = slices.Clone(k), one
		}
		return key == nil
	})
	return key, n, err
}

// dropNote deletes a note.
func dropNote(tx *bolt.Tx, key []byte) error {
	n, ok, err := get[note](tx, bucketNotes, key)
	if err != nil || !ok {
		return err
	}
	if err := tx.Bucket(bucketDueNote).Delete(append(moment(n.Due), key...)); err != nil {
		return err
	}
	return tx.Bucket(bucketNotes).Delete(key)
}

// want fills in how soon a reader hears of something, and reports whether at all.
func (t *telling) want(r *reader, w *wanted) bool {
	now := t.p.now()
	w.due = now
	switch how := r.notify(w.n.Rule); {
	case how == catalog.NotifyOff:
		return false
	case how == catalog.NotifyDaily, w.how == catalog.NotifyDaily:
		w.how, w.due = catalog.NotifyDaily, nextAt(now, r.zone(), r.digestMinute())
	}
	return true
}

// changed tells those who take a course that it changed.
func (t *telling) changed(ctx context.Context) error {
	id := catalog.CourseID(t.round.Courses[0])
	for after := catalog.LearnerID(t.round.After); ; {
		var list []wanted
		looked := 0
		err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
			list, looked = nil, 0
			rs := newReaders(v)
			for who, state := range v.LearnersOf(id, after) {
				if looked++; looked > chunk {
					break
				}
				after = who
				if state != catalog.Active {
					continue
				}
				if e, _, err := v.MyEnrollment(who, id); err != nil || e.Created > t.round.Last {
					if err != nil {
						return err
					}
					continue // they never knew it otherwise
				}
				w, ok, err := t.aboutCourse(rs, who, id, catalog.RuleCourseChanged, nil)
				if err != nil {
					return err
				}
				if ok {
					list = append(list, w)
				}
			}
			return nil
		})
		if err == nil {
			err = t.commit(list, string(after))
		}
		if err != nil || looked <= chunk {
			return err
		}
	}
}

// aboutCourse makes a note about a course, if the learner sees it and wants to hear of it.
func (t *telling) aboutCourse(rs *readers, who catalog.LearnerID, id catalog.CourseID, rule catalog.NotificationRule, data map[string]string) (w wanted, ok bool, err error) {
	r, err := rs.get(who)
	if err != nil {
		return w, false, err
	}
	course, err := rs.v.SharedCourseFor(r.actor, id)
	if fault.Is(err, fault.NotFound) {
		return w, false, nil
	}
	if err != nil {
		return w, false, err
	}
	text, _ := course.Value.TextIn(r.locale())
	named := map[string]string{"course": text.Title}
	maps.Copy(named, data)
	w = wanted{who: who, subject: string(id), n: catalog.Notification{
		Rule: rule, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: string(id)}, Data: named,
	}}
	return w, t.want(&r, &w), nil
}

// imported tells whoever asked for an import that it is done.
func (t *telling) imported(ctx context.Context) error {
	var list []wanted
	err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		rec, err := v.Import(catalog.System, t.round.Import)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := newReaders(v).get(rec.Value.By)
		if err != nil {
			return err
		}
		w := wanted{who: rec.Value.By, subject: t.round.Import, n: catalog.Notification{
			Rule: catalog.RuleImportFinished, Subject: catalog.Subject{Kind: catalog.KindImport, ID: t.round.Import},
			Data: map[string]string{"file": first(rec.Value.File, t.round.Import)}, Count: rec.Value.Rows.Rejected,
		}}
		if t.want(&r, &w) {
			list = append(list, w)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.commit(list, "")
}

// published tells of new courses: first those whose saved searches find them, then those who know their instructors.
func (t *telling) published(ctx context.Context) error {
	if !t.round.Second {
		if err := t.matched(ctx); err != nil {
			return err
		}
		t.round.Second = true
		if err := t.commit(nil, ""); err != nil {
			return err
		}
	}
	return t.taught(ctx)
}

// found is what one saved search found in a round.
type found struct {
	first catalog.CourseID
	count int
}

// matched tells of saved searches. All that a search found is one note.
func (t *telling) matched(ctx context.Context) error {
	if t.p.cfg.Matcher == nil {
		return nil
	}
	courses := make([]catalog.CourseID, len(t.round.Courses))
	for i, id := range t.round.Courses {
		courses[i] = catalog.CourseID(id)
	}
	by := map[string]found{} // keys are those of saved searches
	for m, err := range t.p.cfg.Matcher.Matches(ctx, courses) {
		if err != nil {
			return err
		}
		key := catalog.OfLearner(m.Learner, string(m.Search))
		f := by[key]
		if f.count++; f.first == "" || m.Course < f.first {
			f.first = m.Course
		}
		by[key] = f
	}
	return t.inChunks(ctx, slices.Sorted(maps.Keys(by)), func(rs *readers, key string) (wanted, bool, error) {
		return t.aboutSearch(rs, key, by[key])
	})
}

// inChunks makes notes of sorted keys, as many in one transaction as is good, from where the round was left.
func (t *telling) inChunks(ctx context.Context, sorted []string, make func(rs *readers, key string) (wanted, bool, error)) error {
	from, here := slices.BinarySearch(sorted, t.round.After)
	if here {
		from++
	}
	for some := range slices.Chunk(sorted[from:], chunk) {
		var list []wanted
		err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
			list = nil
			rs := newReaders(v)
			for _, key := range some {
				w, ok, err := make(rs, key)
				if err != nil {
					return err
				}
				if ok {
					list = append(list, w)
				}
			}
			return nil
		})
		if err == nil {
			err = t.commit(list, some[len(some)-1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// aboutSearch makes the note of a saved search, if it is still there and wanted.
func (t *telling) aboutSearch(rs *readers, key string, f found) (w wanted, ok bool, err error) {
	who, id := catalog.LearnerOfKey(key), catalog.WithoutLearner(key)
	search, there, err := rs.v.MySavedSearch(who, catalog.SavedSearchID(id))
	if err != nil || !there || search.Value.Notify == catalog.NotifyOff {
		return w, false, err
	}
	r, err := rs.get(who)
	if err != nil {
		return w, false, err
	}
	course, err := rs.v.SharedCourseFor(r.actor, f.first)
	if fault.Is(err, fault.NotFound) {
		return w, false, nil
	}
	if err != nil {
		return w, false, err
	}
	text, _ := course.Value.TextIn(r.locale())
	w = wanted{who: who, subject: id, how: search.Value.Notify, n: catalog.Notification{
		Rule: catalog.RuleSearchMatch, Subject: catalog.Subject{Kind: catalog.KindSavedSearch, ID: id}, Count: f.count,
		Data: map[string]string{"search": search.Value.Name, "course": text.Title},
	}}
	return w, t.want(&r, &w), nil
}

// taught tells those who rated or completed a course of one who teaches a new one. Of many new ones by the same instructor, one is told.
func (t *telling) taught(ctx context.Context) error {
	newest := map[catalog.InstructorID]catalog.CourseID{}
	err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for _, id := range t.round.Courses {
			c, ok, err := v.Course(catalog.CourseID(id))
			if err != nil {
				return err
			}
			if !ok || c.Value.State != catalog.Published {
				continue
			}
			for _, who := range c.Value.Instructors {
				if _, have := newest[who]; !have {
					newest[who] = c.Value.ID
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	know := map[string]bool{} // learner/instructor
	for _, who := range slices.Sorted(maps.Keys(newest)) {
		if err := t.p.knowers(ctx, who, t.round.Courses, know); err != nil {
			return err
		}
	}
	return t.inChunks(ctx, slices.Sorted(maps.Keys(know)), func(rs *readers, key string) (w wanted, ok bool, err error) {
		who, by := catalog.LearnerOfKey(key), catalog.InstructorID(catalog.WithoutLearner(key))
		instructor, there, err := rs.v.Instructor(by)
		if err != nil || !there {
			return w, false, err
		}
		return t.aboutCourse(rs, who, newest[by], catalog.RuleInstructorCourse, map[string]string{"instructor": instructor.Value.Name})
	})
}

// knowers adds those who rated or completed a course by an instructor that is not among the new ones.
func (p *Push) knowers(ctx context.Context, by catalog.InstructorID, fresh []string, know map[string]bool) error {
	var courses []catalog.CourseID
	err := p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		courses = nil
		for id := range v.CoursesBy(by) {
			if _, isNew := slices.BinarySearch(fresh, string(id)); !isNew && len(courses) < maxCoursesBy {
				courses = append(courses, id)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range courses {
		err := p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
			n := 0
			for who := range v.RatersOf(id) {
				if n++; n > maxRaters {
					break
				}
				know[catalog.OfLearner(who, string(by))] = true
			}
			n = 0
			for who, state := range v.LearnersOf(id, "") {
				if n++; n > maxRaters {
					break
				}
				if state == catalog.Completed {
					know[catalog.OfLearner(who, string(by))] = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// channelOf is where readers find what a notification is about, as /v2/sync names it.
func channelOf(n *catalog.Notification) string {
	switch {
	case n.Subject.Kind != catalog.KindCourse:
		return "catalog"
	case strings.Contains(n.Subject.ID, "~"):
		return "org"
	}
	return "catalog"
}
