package push

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
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
	// maxNamed is how many of the courses that a saved search found are remembered until it is told: one is named, the others are for when that is gone by then.
	maxNamed = 20
	// maxName bounds the name of a file in a notification, in bytes: the catalog takes longer ones of imports.
	maxName = 200
)

// round is what settled together, while it is being told.
type round struct {
	Kind    string   `json:"kind"` // of the events
	Courses []string `json:"courses,omitempty"`
	Import  string   `json:"import,omitempty"`

	Instructors []string `json:"instructors,omitempty"`

	Seq  coursesync.Seq `json:"seq,omitempty"`  // of the first change: its name in what is told
	At   time.Time      `json:"at,omitzero"`    // when that was made
	Each []event        `json:"each,omitempty"` // of courses that changed: these, which are told of one by one
}

// progress is how far a round is.
type progress struct {
	Done   int    `json:"done,omitempty"`   // of courses that changed: how many were told of
	Second bool   `json:"second,omitempty"` // of new courses: who knows their instructors is told
	After  string `json:"after,omitempty"`  // who was decided about last
}

// note is a notification on its way to one learner.
type note struct {
	Value catalog.Notification `json:"value"`
	Seq   coursesync.Seq       `json:"seq"`
	At    time.Time            `json:"at"` // when the change was made
	Due   time.Time            `json:"due"`

	Digest  bool               `json:"digest,omitempty"`  // it waited for its day
	Courses []catalog.CourseID `json:"courses,omitempty"` // of those that a saved search found, the first maxNamed
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
	next := now.Add(p.pace.idle)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	begun := time.Now()
	settled, err := p.settle(now)
	p.settling = time.Since(begun)
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
	t := telling{p: p, key: key}
	known := false
	err := p.db.View(func(tx *bolt.Tx) (err error) {
		if t.round, known, err = get[round](tx, bucketRounds, key); err != nil {
			return err
		}
		t.progress, _, err = get[progress](tx, bucketProgress, key)
		return err
	})
	if err != nil || !known {
		return err
	}
	t.seq, t.at = t.round.Seq, t.round.At
	switch t.round.Kind {
	case eventChanged:
		err = t.changed(ctx)
	case eventImport:
		err = t.imported(ctx)
	case eventPublished:
		err = t.published(ctx)
	case eventRated:
		err = t.risen(ctx)
	}
	if err != nil {
		return err
	}
	return p.db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.Bucket(bucketRounds).Delete(key), tx.Bucket(bucketProgress).Delete(key))
	})
}

// telling is one round being told.
type telling struct {
	p     *Push
	key   []byte
	round round
	progress
	seq coursesync.Seq // of the first change of what is being told
	at  time.Time      // when that was made
}

// wanted is a note with who is to get it, and how soon.
type wanted struct {
	who     catalog.LearnerID
	subject string // in the note's key
	n       catalog.Notification
	courses []catalog.CourseID
	how     catalog.Notify
	due     time.Time
}

// commit writes notes together with how far the round is.
func (t *telling) commit(list []wanted, after string) error {
	t.After = after
	return t.p.db.Update(func(tx *bolt.Tx) error {
		for i := range list {
			if err := t.write(tx, &list[i]); err != nil {
				return err
			}
		}
		return put(tx, bucketProgress, t.key, t.progress)
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
			waiting.Courses = append(waiting.Courses, w.courses[:min(len(w.courses), max(maxNamed-len(waiting.Courses), 0))]...)
			return put(tx, bucketNotes, key, waiting)
		}
	}
	key := noteKey(w.who, w.n.Rule, w.subject, t.seq)
	if tx.Bucket(bucketNotes).Get(key) != nil {
		return nil
	}
	w.n.At = t.at
	if err := put(tx, bucketNotes, key, note{Value: w.n, Seq: t.seq, At: t.at, Due: w.due, Digest: w.how == catalog.NotifyDaily, Courses: w.courses}); err != nil {
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
