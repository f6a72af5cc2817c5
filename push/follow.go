package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// An event's kind says what happened. Settled, it becomes a round of the same kind.
const (
	eventChanged   = "changed"   // a course, materially
	eventPublished = "published" // a course, for the first time
	eventImport    = "import"    // one is done
	eventRated     = "rated"     // a course, or with a zero byte before it an instructor, has other ratings
)

// event is something that happened and may still happen again before it is told.
type event struct {
	First  coursesync.Seq `json:"first"`
	Last   coursesync.Seq `json:"last"`
	At     time.Time      `json:"at"`     // when the first change was made
	Begun  time.Time      `json:"begun"`  // when we saw the first
	Latest time.Time      `json:"latest"` // and the last

	Was *courseMark `json:"was,omitempty"` // of a course that changed: what it was before; nil when a part of it changed too
}

// Name implements [coursesync.Follower].
func (p *Push) Name() string { return "push" }

// Cursor implements [coursesync.Follower].
func (p *Push) Cursor(context.Context) (cursor coursesync.Cursor, err error) {
	err = p.db.View(func(tx *bolt.Tx) error {
		cursor, _, err = get[coursesync.Cursor](tx, bucketMeta, keyCursor)
		return err
	})
	return cursor, err
}

// Apply implements [coursesync.Follower]: what it derives and the cursor are one transaction, and changes that the cursor has passed are passed over.
func (p *Push) Apply(_ context.Context, batch []coursesync.Change, next coursesync.Cursor) error {
	err := p.db.Update(func(tx *bolt.Tx) error {
		at, _, err := get[coursesync.Cursor](tx, bucketMeta, keyCursor)
		if err != nil {
			return err
		}
		a := applying{tx: tx, now: p.now(), nudges: p.cfg.Sender != nil}
		for i := range batch {
			if at.Log == next.Log && batch[i].Seq <= at.Seq {
				continue
			}
			if err := a.change(&batch[i]); err != nil {
				return fmt.Errorf("%s %q: %w", batch[i].Kind, batch[i].Key, err)
			}
		}
		if err := a.endOwn(laterMark); err != nil {
			return err
		}
		return put(tx, bucketMeta, keyCursor, next)
	})
	if err == nil {
		poke(p.decide)
	}
	return err
}

// Reset implements [coursesync.Follower]: it goes to the head, for what was there before must not be told again. What waits to be sent is dropped: it may
// speak of what a restore took back.
func (p *Push) Reset(ctx context.Context) error {
	log := p.cfg.Catalog.Log()
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	err = p.db.Update(func(tx *bolt.Tx) error {
		return clearAll(tx, bucketCourses, bucketParts, bucketRatings, bucketEvents, bucketRounds, bucketProgress, bucketNotes, bucketDueNote, bucketMessage, bucketDue, bucketDevices,
			bucketGone, bucketMoved, bucketNudges, bucketDueNudg, bucketCaps, bucketImports)
	})
	if err == nil {
		err = p.remember(ctx)
	}
	if err != nil {
		return err
	}
	return p.db.Update(func(tx *bolt.Tx) error {
		return put(tx, bucketMeta, keyCursor, coursesync.Cursor{Log: log.ID(), Seq: head})
	})
}

// remember notes what there is, courses first: the language of a lesson is its course's. It is repeated when it was broken off, the cursor being written
// after it.
func (p *Push) remember(ctx context.Context) error {
	marks, ratings := newPile(p.db, bucketCourses), newPile(p.db, bucketRatings)
	languages := map[string]catalog.Locale{}
	for s, err := range p.cfg.Catalog.Courses(ctx) {
		if err != nil {
			return err
		}
		mark := markOf(&s.Value)
		mark.Ever = mark.Ever || s.Value.EverPublished
		languages[string(s.Value.ID)] = mark.Language
		rated, err := p.ratingsNow(ctx, []catalog.CourseID{s.Value.ID})
		if err != nil {
			return err
		}
		if err := errors.Join(marks.add(string(s.Value.ID), mark), ratings.add(string(s.Value.ID), rated[0])); err != nil {
			return err
		}
	}
	if err := errors.Join(marks.flush(), ratings.flush()); err != nil {
		return err
	}
	parts := newPile(p.db, bucketParts)
	for ch, err := range p.cfg.Catalog.Log().Read(ctx, 0) {
		if err != nil {
			return err
		}
		if !isPart(ch.Kind) || ch.Op != coursesync.OpUpsert {
			continue
		}
		course, _, _ := strings.Cut(ch.Key, "/")
		mark, err := partOf(&ch, languages[course])
		if err == nil {
			err = parts.add(partKey(&ch), mark)
		}
		if err != nil {
			return err
		}
	}
	return parts.flush()
}

// pile gathers rows and writes them many at a time.
type pile struct {
	db     *bolt.DB
	bucket []byte
	rows   map[string][]byte
}

// pileSize is how many rows are written at once: a few hundred kB.
const pileSize = 5_000

func newPile(db *bolt.DB, bucket []byte) *pile {
	return &pile{db: db, bucket: bucket, rows: map[string][]byte{}}
}

func (p *pile) add(key string, row any) (err error) {
	if p.rows[key], err = json.Marshal(row); err != nil || len(p.rows) < pileSize {
		return err
	}
	return p.flush()
}

func (p *pile) flush() error {
	err := p.db.Update(func(tx *bolt.Tx) error {
		for key, row := range p.rows {
			if err := tx.Bucket(p.bucket).Put([]byte(key), row); err != nil {
				return err
			}
		}
		return nil
	})
	clear(p.rows)
	return err
}

// applying is one Apply under way.
type applying struct {
	tx  *bolt.Tx
	now time.Time

	nudges bool     // there is a push service
	own    struct { // what a learner did in the changes just before, one after another, for all that we know
		channel coursesync.Channel
		seq     coursesync.Seq
	}
}

// change derives from one change.
func (a *applying) change(ch *coursesync.Change) error {
	if ch.Op == coursesync.OpErase {
		return forget(a.tx, strings.TrimPrefix(string(ch.Erases), string(catalog.LearnerChannel(""))))
	}
	if err := a.move(ch); err != nil {
		return err
	}
	switch {
	case ch.Kind == catalog.KindCourse:
		return a.course(ch)
	case isPart(ch.Kind):
		return a.part(ch)
	case ch.Kind == catalog.KindImport:
		return a.imported(ch)
	case ch.Kind == catalog.KindCourseStats && ch.Op == coursesync.OpUpsert:
		return a.rated(ch)
	case ch.Kind == catalog.KindInstructorStats && ch.Op == coursesync.OpUpsert:
		return a.noteOf(eventRated, instructorMark+ch.Key, ch)
	case ch.Kind == catalog.KindDevice && ch.Op == coursesync.OpDelete:
		return dropDevice(a.tx, ch.Key)
	}
	return nil
}

func isPart(kind coursesync.Kind) bool {
	return kind == catalog.KindModule || kind == catalog.KindLesson || kind == catalog.KindAsset
}

// course compares a course with what is remembered of it.
func (a *applying) course(ch *coursesync.Change) error {
	id := []byte(ch.Key)
	if ch.Op != coursesync.OpUpsert {
		for _, kind := range []string{eventChanged, eventPublished, eventRated} {
			if _, err := a.forgetEvent(kind, ch.Key); err != nil {
				return err
			}
		}
		return errors.Join(a.tx.Bucket(bucketCourses).Delete(id), a.tx.Bucket(bucketRatings).Delete(id))
	}
	c, err := catalog.Decode[catalog.Course](*ch)
	if err != nil {
		return err
	}
	was, known, err := get[courseMark](a.tx, bucketCourses, id)
	if err != nil {
		return err
	}
	now := markOf(&c.Value)
	switch {
	case known && was.material(now):
		err = a.changed(ch, &was, &now)
	case !was.Ever && now.State == catalog.Published:
		err = a.note(eventPublished, ch)
	}
	if err != nil {
		return err
	}
	now.Ever = now.Ever || was.Ever
	if now.State == catalog.Draft {
		untold, err := a.forgetEvent(eventPublished, ch.Key)
		if err != nil {
			return err
		}
		now.Ever = now.Ever && !untold // nobody was told: it is new again when it comes back
	}
	return put(a.tx, bucketCourses, id, now)
}

// changed notes that a course changed, or that it is again as it was before the changes that nobody was told of yet.
func (a *applying) changed(ch *coursesync.Change, was, now *courseMark) error {
	key := join(eventChanged, ch.Key)
	before, known, err := get[event](a.tx, bucketEvents, key)
	switch {
	case err != nil:
		return err
	case known && before.Was != nil && !before.Was.material(*now):
		return a.tx.Bucket(bucketEvents).Delete(key)
	}
	if err := a.note(eventChanged, ch); err != nil || known {
		return err
	}
	e, _, err := get[event](a.tx, bucketEvents, key)
	if e.Was = was; err == nil {
		err = put(a.tx, bucketEvents, key, e)
	}
	return err
}

// forgetEvent drops an event that nobody was told of yet, and reports whether there was one.
func (a *applying) forgetEvent(kind, subject string) (bool, error) {
	events, key := a.tx.Bucket(bucketEvents), join(kind, subject)
	return events.Get(key) != nil, events.Delete(key)
}

// part compares a part of a course with what is remembered of it.
func (a *applying) part(ch *coursesync.Change) error {
	id, _, _ := strings.Cut(ch.Key, "/")
	course, known, err := get[courseMark](a.tx, bucketCourses, []byte(id))
	if err != nil {
		return err
	}
	key := []byte(partKey(ch))
	was, had, err := get[partMark](a.tx, bucketParts, key)
	if err != nil {
		return err
	}
	changed := had
	if ch.Op == coursesync.OpUpsert {
		now, err := partOf(ch, course.Language)
		if err != nil {
			return err
		}
		changed = !had || was != now
		err = put(a.tx, bucketParts, key, now)
		if err != nil {
			return err
		}
	} else if err := a.tx.Bucket(bucketParts).Delete(key); err != nil {
		return err
	}
	if !changed || !known || !course.Ever || course.State == catalog.Draft {
		return nil
	}
	if err := a.noteOf(eventChanged, id, ch); err != nil {
		return err
	}
	e, _, err := get[event](a.tx, bucketEvents, join(eventChanged, id))
	if e.Was != nil {
		e.Was = nil
		err = errors.Join(err, put(a.tx, bucketEvents, join(eventChanged, id), e))
	}
	return err
}

// partKey names a part: modules, lessons and files may have the same id.
func partKey(ch *coursesync.Change) string { return ch.Key + "\x00" + string(ch.Kind) }

// instructorMark begins the subject of an event of an instructor's rating. No id has it.
const instructorMark = "\x00"

// rated notes that a course's rating rose. Most changes of stats are other ones.
func (a *applying) rated(ch *coursesync.Change) error {
	s, err := catalog.Decode[catalog.CourseStats](*ch)
	if err != nil || s.Value.Rating == nil {
		return err
	}
	best, known, err := get[catalog.CardRatings](a.tx, bucketRatings, []byte(ch.Key))
	if err != nil || known && tenths(*s.Value.Rating) <= tenths(best.Course) {
		return err
	}
	return a.note(eventRated, ch)
}

// imported notes that an import is running, so that the courses it makes are told together (see settle), or that somebody's is done.
func (a *applying) imported(ch *coursesync.Change) error {
	var r catalog.Stored[catalog.ImportRecord]
	if ch.Op == coursesync.OpUpsert {
		var err error
		if r, err = catalog.Decode[catalog.ImportRecord](*ch); err != nil {
			return err
		}
	}
	key := []byte(ch.Key)
	switch running := r.Value.State == catalog.ImportRunning && !r.Value.DryRun; {
	case !running && a.tx.Bucket(bucketImports).Get(key) != nil:
		if err := errors.Join(a.tx.Bucket(bucketImports).Delete(key), put(a.tx, bucketMeta, keyImported, a.now)); err != nil {
			return err
		}
	case !running:
	case a.tx.Bucket(bucketImports).Get(key) == nil:
		return put(a.tx, bucketImports, key, a.now)
	}
	ended := r.Value.State == catalog.ImportDone || r.Value.State == catalog.ImportFailed
	if !ended || r.Value.DryRun || r.Value.By == catalog.System.Subject {
		return nil
	}
	return a.note(eventImport, ch)
}

func (a *applying) note(kind string, ch *coursesync.Change) error { return a.noteOf(kind, ch.Key, ch) }

// noteOf notes an event, or that it happened again.
func (a *applying) noteOf(kind, subject string, ch *coursesync.Change) error {
	key := join(kind, subject)
	e, known, err := get[event](a.tx, bucketEvents, key)
	if err != nil {
		return err
	}
	if !known {
		e = event{First: ch.Seq, At: ch.At, Begun: a.now}
	}
	e.Last, e.Latest = ch.Seq, a.now
	return put(a.tx, bucketEvents, key, e)
}

// move notes that the devices of a change's channel have something to pull, when that is worth waking them for: not ratings and counts alone, and not what
// devices report without end, as progress. A notification has a message of its own.
func (a *applying) move(ch *coursesync.Change) error {
	moves := false
	switch ch.Kind {
	case catalog.KindEnrollment, catalog.KindBookmark, catalog.KindReview, catalog.KindSavedSearch, catalog.KindPreference:
		if a.own.channel != ch.Channel || a.own.seq+1 != ch.Seq {
			if err := a.endOwn(laterMark); err != nil {
				return err
			}
		}
		a.own.channel, a.own.seq = ch.Channel, ch.Seq
		return nil
	case catalog.KindProgress:
		if a.own.channel == ch.Channel && a.own.seq+1 == ch.Seq {
			a.own.seq = ch.Seq // a part of the same command, perhaps
		}
		return nil
	case catalog.KindClient:
		if a.own.channel == ch.Channel && a.own.seq+1 == ch.Seq {
			return a.endOwn(ownMark)
		}
	case catalog.KindCourse:
		_, ever, err := catalog.PublishedIn(*ch)
		if err != nil {
			return err
		}
		moves = ever
	case catalog.KindInstructor, catalog.KindTag, catalog.KindCategory, catalog.KindMembership:
		moves = true
	case catalog.KindModule, catalog.KindLesson, catalog.KindAsset:
		id, _, _ := strings.Cut(ch.Key, "/")
		course, _, err := get[courseMark](a.tx, bucketCourses, []byte(id))
		if err != nil {
			return err
		}
		moves = course.Ever
	}
	if err := a.endOwn(laterMark); err != nil || !moves {
		return err
	}
	return a.moved(string(ch.Channel), ch.Seq)
}

// What a learner does must not use up the nudge that was for news.
const (
	// ownMark ends the key of a move that one of the learner's own devices made by sync, which writes what it did and then its number in one command. It
	// knows already what it did, so that only others are told, if there are any.
	ownMark = "\x00"
	// laterMark ends the key of what the learner did elsewhere, on a page perhaps. It is told with the next nudge, or some time later.
	laterMark = "\x01"
)

// endOwn notes what a learner did; mark says whether it was a device that did.
func (a *applying) endOwn(mark string) error {
	channel, seq := a.own.channel, a.own.seq
	if a.own.channel, a.own.seq = "", 0; channel == "" {
		return nil
	}
	return a.moved(string(channel)+mark, seq)
}

// moved notes that a channel moved, unless nobody is nudged.
func (a *applying) moved(key string, seq coursesync.Seq) error {
	if !a.nudges {
		return nil
	}
	return moved(a.tx, key, seq)
}

// moved notes up to where the devices of a channel are to be nudged.
func moved(tx *bolt.Tx, key string, seq coursesync.Seq) error {
	was, _, err := get[coursesync.Seq](tx, bucketMoved, []byte(key))
	if err != nil || was >= seq {
		return err
	}
	return put(tx, bucketMoved, []byte(key), seq)
}

// forget drops all that is held of a learner who was erased: what waits to be sent before all.
func forget(tx *bolt.Tx, learner string) error {
	who := catalog.LearnerID(learner)
	prefix := catalog.KeyOfLearner(who)
	for _, key := range keys(tx, bucketNotes, join(prefix, "")) {
		if err := dropNote(tx, key); err != nil {
			return err
		}
	}
	devices := []byte(prefix + "/")
	if err := dropMessages(tx, devices); err != nil {
		return err
	}
	for _, key := range keys(tx, bucketNudges, devices) {
		if err := dropNudge(tx, key); err != nil {
			return err
		}
	}
	for _, key := range keys(tx, bucketGone, devices) {
		if err := tx.Bucket(bucketGone).Delete(key); err != nil {
			return err
		}
	}
	if err := tx.Bucket(bucketCaps).Delete([]byte(prefix)); err != nil {
		return err
	}
	if err := forgetDead(tx, who); err != nil {
		return err
	}
	for _, mark := range []string{"", ownMark, laterMark} {
		if err := tx.Bucket(bucketMoved).Delete([]byte(string(catalog.LearnerChannel(who)) + mark)); err != nil {
			return err
		}
	}
	return nil
}

// dropDevice drops what waits to be sent to a device that is no more.
func dropDevice(tx *bolt.Tx, key string) error {
	if err := dropMessages(tx, join(key, "")); err != nil {
		return err
	}
	return dropNudge(tx, []byte(key))
}
