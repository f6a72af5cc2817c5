package catalog

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Erase deletes a learner: the channel with all that is the learner's own is dropped, and what the learner had added to numbers goes
// into what their courses have absorbed, so that no number changes. The learner or an administrator bound to no organization may. It is a command of its own: fault.Conflict after
// other writes in the same transaction.
//
// What is left is a salted hash. It refuses tokens issued until now; the list of hashes is kept outside backups ([Config].Secrets), and Open applies it
// to a log that does not know them, because it was restored: see reapply.
func (tx *Tx) Erase(who LearnerID) error {
	const op = "catalog.Erase"
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	if tx.overlay.count > 0 {
		return fault.New(op, fault.Conflict, "state", "writing").WithFix("erase a learner in a command of its own")
	}
	return tx.eraseAt(who, tx.overlay.now)
}

// eraseAt erases a learner as of a moment.
func (tx *Tx) eraseAt(who LearnerID, at time.Time) error {
	tx.exists(kindAccount, learnerKey(who)) // guards that nothing is added meanwhile, see kindAccount
	added, err := tx.addedBy(who)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(added)) {
		if err := tx.absorb(id, added[id]); err != nil {
			return err
		}
	}
	if err := tx.dropTokens(who); err != nil {
		return err
	}
	return tx.erase(KindErasure, tx.c.learner.hash(who), channelStaff, learnerChannel(who), Erasure{At: at})
}

// contribution is what one learner adds to a course.
type contribution struct {
	review   *Review
	enrolled int
}

// addedBy returns what a learner adds to courses. All that it reads is guarded.
func (tx *Tx) addedBy(who LearnerID) (map[CourseID]contribution, error) {
	added := map[CourseID]contribution{}
	for ch := range entities(&tx.View, KindReview, learnerPrefix(who), "") {
		s, err := decode[Review](ch)
		if err != nil {
			return nil, err
		}
		_, id := splitLearner(ch.Key)
		added[CourseID(id)] = contribution{review: &s.Value}
	}
	for ch := range entities(&tx.View, KindEnrollment, learnerPrefix(who), "") {
		s, err := decode[Enrollment](ch)
		if err != nil {
			return nil, err
		}
		_, id := splitLearner(ch.Key)
		if n := enrolled(&s.Value); n > 0 {
			c := added[CourseID(id)]
			c.enrolled = n
			added[CourseID(id)] = c
		}
	}
	return added, nil
}

// absorb moves what a learner adds to a course into what the course has absorbed.
func (tx *Tx) absorb(id CourseID, c contribution) error {
	if !tx.exists(KindCourse, string(id)) {
		return nil // no numbers that anyone could miss
	}
	n, _, err := tx.numbers(id)
	if err != nil {
		return err
	}
	n.count(c.review, -1)
	n.Enrolled -= c.enrolled
	a := &n.Stats.Absorbed
	a.Enrollments += c.enrolled
	if c.review != nil {
		a.Rating = a.Rating.plus(Sum{Sum: float64(c.review.Rating), N: 1})
		for who, stars := range c.review.Instructors {
			if a.Instructors == nil {
				a.Instructors = map[InstructorID]Sum{}
			}
			a.Instructors[who] = a.Instructors[who].plus(Sum{Sum: float64(stars), N: 1})
		}
	}
	_, err = tx.putStats(id, n, putOpts{})
	return err
}

// Erased reports whether a token of that learner issued at iat (unix seconds) is not newer than the learner's erasure. It reads memory only.
func (c *Catalog) Erased(who LearnerID, iat int64) bool { return c.learner.erased(who, iat) }

// erasuresIn returns the erasures in a batch.
func erasuresIn(batch []coursesync.Change) (found []erasedLine, err error) {
	for _, ch := range batch {
		if ch.Kind != KindErasure || ch.Op == coursesync.OpAssert {
			continue
		}
		var body Erasure
		if err := json.Unmarshal(ch.Body, &body); err != nil {
			return nil, fault.Wrap("catalog.erasures", fault.Corrupt, err)
		}
		found = append(found, erasedLine{Hash: ch.Key, At: body.At.Unix()})
	}
	return found, nil
}

// openLearner is called at the end of Open: it opens the secrets and erases again whom a restored log brought back.
func (c *Catalog) openLearner() error {
	secrets, err := openSecrets(c.cfg)
	if err != nil {
		return err
	}
	c.learner = learnerState{secrets: secrets, flushing: make(chan struct{}, 1)}
	ctx := context.Background()
	missing := maps.Clone(secrets.list)
	err = c.View(ctx, func(v *View) error {
		for ch := range entities(v, KindErasure, "", "") {
			s, err := decode[Erasure](ch)
			if err != nil {
				return err
			}
			at := s.Value.At.Unix()
			secrets.remember(erasedLine{Hash: ch.Key, At: at})
			if at >= missing[ch.Key] {
				delete(missing, ch.Key)
			}
		}
		return nil
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return c.reapply(ctx, missing)
}

// reapply erases the learners whose hashes the log does not know. Hashes cannot be turned back, so each learner's channel in the log is hashed
// and compared: one pass over the log, after a restore only. Those of whom the log holds nothing are noted in it, so that the next Open need not look.
func (c *Catalog) reapply(ctx context.Context, missing map[string]int64) error {
	found := map[LearnerID]bool{}
	for ch, err := range c.log.Read(ctx, 0) {
		if err != nil {
			return err
		}
		for _, channel := range []coursesync.Channel{ch.Channel, ch.Erases} { // an older erasure names whom it erased
			who, ok := strings.CutPrefix(string(channel), string(learnerChannel("")))
			if ok && missing[c.learner.hash(LearnerID(who))] != 0 {
				found[LearnerID(who)] = true
			}
		}
	}
	c.cfg.Logger.InfoContext(ctx, "catalog: erasing again whom the log does not know to be erased",
		slog.Int("hashes", len(missing)), slog.Int("learners", len(found)))
	for who := range found {
		hash := c.learner.hash(who)
		if _, err := c.Update(ctx, System, func(tx *Tx) error { return tx.eraseAt(who, time.Unix(missing[hash], 0).UTC()) }); err != nil {
			return err
		}
		delete(missing, hash)
	}
	hashes := slices.Sorted(maps.Keys(missing))
	for part := range slices.Chunk(hashes, coursesync.ReadChunk) {
		_, err := c.Update(ctx, System, func(tx *Tx) error {
			for _, hash := range part {
				if _, err := tx.put(KindErasure, hash, channelStaff, Erasure{At: time.Unix(missing[hash], 0).UTC()}, putOpts{}); err != nil {
					return err
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
