package push

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// bundleOver is how many messages a device gets at once; of more, one says how many there are. Three still fit a locked screen.
	bundleOver = 3
	// keepFor is how long a message is worth sending: news of a course are none after three days, and the inbox has them.
	keepFor = 72 * time.Hour
	// keepNudge is the same of a nudge: an app that was not reached for a day pulls when it is opened.
	keepNudge = 24 * time.Hour
)

// message is on its way to one device. It holds all that is needed to write it but names that may change, which are looked up when it is sent.
type message struct {
	Learner  catalog.LearnerID      `json:"learner"`
	Device   catalog.DeviceID       `json:"device"`
	ID       catalog.NotificationID `json:"id,omitempty"` // in the inbox; "" of a bundle or a nudge
	Value    *catalog.Notification  `json:"value,omitempty"`
	Courses  []catalog.CourseID     `json:"courses,omitempty"`  // see note
	Bundle   int                    `json:"bundle,omitempty"`   // how many notifications it speaks of, when more than one
	Nudge    bool                   `json:"nudge,omitempty"`    // without a sound
	Channels []string               `json:"channels,omitempty"` // in which there is something to pull
	Seq      coursesync.Seq         `json:"seq"`                // a pull that has seen this sees it all
	At       time.Time              `json:"at"`                 // when the change was made
	Due      time.Time              `json:"due"`
	Expires  time.Time              `json:"expires"`
	Attempts int                    `json:"attempts,omitempty"`
}

// counts is how many notifications a message speaks of.
func (m *message) counts() int { return max(m.Bundle, 1) }

// tally is how many messages a learner got on a day.
type tally struct {
	Date string `json:"date"` // by the learner's clock
	N    int    `json:"n"`
}

// deliver puts the notes that are due into inboxes, and makes messages of them. It returns when the next one is due.
func (p *Push) deliver(ctx context.Context) (time.Time, error) {
	for {
		now := p.now()
		var list []dueNote
		var next time.Time
		err := p.db.View(func(tx *bolt.Tx) (err error) {
			list, next, err = dueNotes(tx, now)
			return err
		})
		if err != nil || len(list) == 0 {
			return next, err
		}
		if err := p.deliverSome(ctx, list, now); err != nil {
			return next, err
		}
	}
}

// dueNote is a note with its key.
type dueNote struct {
	key []byte
	who catalog.LearnerID
	note
}

func dueNotes(tx *bolt.Tx, now time.Time) (list []dueNote, next time.Time, err error) {
	rows, next := due(tx, bucketDueNote, now, chunk)
	taken := map[string]bool{}
	for _, row := range rows {
		_, key := momentOf(row)
		learner := cut(key)[0]
		if taken[learner] {
			continue
		}
		taken[learner] = true
		each(tx, bucketNotes, join(learner, ""), func(k, v []byte) bool {
			var n note
			if n, err = decode[note](v); err == nil && !n.Due.After(now) {
				list = append(list, dueNote{bytes.Clone(k), catalog.LearnerOf(learner + "/"), n})
			}
			return err == nil
		})
		if err != nil {
			return nil, next, err
		}
	}
	return list, next, nil
}

// asNow brings notes up to date, for what waited for a digest may be called otherwise by now, or be gone. It returns those that are still to be told, who
// reads them, and how many are not.
func (p *Push) asNow(ctx context.Context, list []dueNote) (told []dueNote, by map[catalog.LearnerID]reader, gone int, err error) {
	err = p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		told, by, gone = nil, map[catalog.LearnerID]reader{}, 0
		rs := newReaders(v)
		for _, n := range list {
			r, have := by[n.who]
			if !have {
				if r, err = rs.get(n.who); err != nil {
					return err
				}
				by[n.who] = r
			}
			courses, ok, err := name(v, r.actor, r.locale(), &n.Value, n.Courses)
			if err != nil {
				return err
			}
			if n.Courses = courses; !ok {
				gone++
				continue
			}
			told = append(told, n)
		}
		return nil
	})
	return told, by, gone, err
}

// deliverSome writes inboxes in one command. When the process is killed after it, the same notifications are put again, which changes nothing; then
// the notes give way to messages.
func (p *Push) deliverSome(ctx context.Context, due []dueNote, now time.Time) error {
	list, readersOf, gone, err := p.asNow(ctx, due)
	if err != nil {
		return err
	}
	refused := make([]bool, len(list))
	seq, err := p.cfg.Catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
		clear(refused)
		for i := range list {
			_, err := tx.PutNotification(list[i].who, notificationID(&list[i].note), list[i].Value)
			switch {
			case fault.Is(err, fault.AccountErased):
				refused[i] = true
			case fault.Is(err, fault.InvalidFields):
				refused[i] = true
				p.log.ErrorContext(ctx, "push: a notification is not as the catalog wants it", slog.Any("error", err))
			case err != nil:
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	byLearner := map[catalog.LearnerID][]dueNote{}
	for i := range list {
		if !refused[i] {
			byLearner[list[i].who] = append(byLearner[list[i].who], list[i])
		}
	}
	unsent := map[Reason]int{}
	err = p.db.Update(func(tx *bolt.Tx) error {
		clear(unsent)
		if gone > 0 {
			unsent[ReasonInvisible] = gone
		}
		for _, n := range due {
			if err := dropNote(tx, n.key); err != nil {
				return err
			}
		}
		for _, who := range sortedLearners(byLearner) {
			r := readersOf[who]
			o := outgoing{tx: tx, r: &r, who: who, seq: seq, now: now, unsent: unsent}
			if err := o.add(byLearner[who], p.cfg.Sender != nil); err != nil {
				return err
			}
		}
		return countDay(tx, now, 0, unsent)
	})
	if err != nil {
		return err
	}
	p.metrics.unsent(unsent)
	poke(p.send)
	return nil
}

func sortedLearners[V any](m map[catalog.LearnerID]V) []catalog.LearnerID {
	list := make([]catalog.LearnerID, 0, len(m))
	for who := range m {
		list = append(list, who)
	}
	slices.Sort(list)
	return list
}

// outgoing makes the messages of one learner.
type outgoing struct {
	tx     *bolt.Tx
	r      *reader
	who    catalog.LearnerID
	seq    coursesync.Seq
	now    time.Time
	unsent map[Reason]int // notifications that stay in the inbox only
}

func (o *outgoing) add(notes []dueNote, configured bool) error {
	switch {
	case !configured:
		o.unsent[ReasonNotConfigured] += len(notes)
		return nil
	case len(o.r.devices) == 0:
		o.unsent[ReasonNoDevice] += len(notes)
		return nil
	}
	left, day, err := o.left()
	if err != nil {
		return err
	}
	want := len(notes)
	if want > bundleOver {
		want = 1 // all of them are one message
	}
	if left == 0 {
		o.unsent[ReasonCapped] += len(notes)
		return nil
	}
	if want > left {
		o.unsent[ReasonCapped] += len(notes) - left
		notes, want = notes[:left], left
	}
	day.N += want
	if err := put(o.tx, bucketCaps, []byte(catalog.KeyOfLearner(o.who)), day); err != nil {
		return err
	}
	from, until := o.r.quiet()
	dueAt := quietEnd(o.now, o.r.zone(), from, until)
	for i := range o.r.devices {
		if err := o.toDevice(o.r.devices[i].ID, notes, dueAt); err != nil {
			return err
		}
	}
	return nil
}

// left says how many messages the learner may still get today.
func (o *outgoing) left() (int, tally, error) {
	today := o.now.In(o.r.zone()).Format(time.DateOnly)
	day, _, err := get[tally](o.tx, bucketCaps, []byte(catalog.KeyOfLearner(o.who)))
	if day.Date != today {
		day = tally{Date: today}
	}
	return max(o.r.dailyCap()-day.N, 0), day, err
}

// toDevice makes a device's messages. With those that wait for the end of quiet hours, too many become one.
func (o *outgoing) toDevice(id catalog.DeviceID, notes []dueNote, dueAt time.Time) error {
	key := deviceKey(o.who, id)
	var waiting []numbered
	if dueAt.After(o.now) {
		var err error
		if waiting, err = o.waiting(key); err != nil {
			return err
		}
	}
	total := len(notes)
	for i := range waiting {
		total += waiting[i].counts()
	}
	if total <= bundleOver {
		for _, n := range notes {
			m := o.message(id, n.At, dueAt)
			m.ID, m.Value, m.Courses, m.Channels = notificationID(&n.note), &n.Value, n.Courses, []string{"me", channelOf(&n.Value)}
			if err := addMessage(o.tx, &m); err != nil {
				return err
			}
		}
		return nil
	}
	at := notes[0].At
	for _, w := range waiting {
		if err := dropMessage(o.tx, w.n); err != nil {
			return err
		}
		if w.At.Before(at) {
			at = w.At
		}
	}
	m := o.message(id, at, dueAt)
	m.Bundle, m.Channels = total, []string{"me", "catalog", "org"}
	return addMessage(o.tx, &m)
}

func (o *outgoing) message(id catalog.DeviceID, at, dueAt time.Time) message {
	return message{Learner: o.who, Device: id, Seq: o.seq, At: at, Due: dueAt, Expires: dueAt.Add(keepFor)}
}

// numbered is a message with its number.
type numbered struct {
	n uint64
	message
}

// waiting returns what waits for a device and was never tried.
func (o *outgoing) waiting(key string) (list []numbered, err error) {
	for _, n := range messagesOf(o.tx, join(key, "")) {
		m, ok, err := get[message](o.tx, bucketMessage, number(n))
		if err != nil {
			return nil, err
		}
		if ok && !m.Nudge && m.Attempts == 0 && m.Due.After(o.now) {
			list = append(list, numbered{n, m})
		}
	}
	return list, nil
}

// addMessage puts a message into the outbox.
func addMessage(tx *bolt.Tx, m *message) error {
	n, err := tx.Bucket(bucketMessage).NextSequence()
	if err != nil {
		return err
	}
	if err := tx.Bucket(bucketDevices).Put(append(join(deviceKey(m.Learner, m.Device), ""), number(n)...), nil); err != nil {
		return err
	}
	return putMessage(tx, n, m)
}

// putMessage writes a message and when it is due.
func putMessage(tx *bolt.Tx, n uint64, m *message) error {
	if err := put(tx, bucketMessage, number(n), m); err != nil {
		return err
	}
	return tx.Bucket(bucketDue).Put(append(moment(m.Due), number(n)...), nil)
}

// postpone moves a message to another time.
func postpone(tx *bolt.Tx, n uint64, m *message, to time.Time) error {
	if err := tx.Bucket(bucketDue).Delete(append(moment(m.Due), number(n)...)); err != nil {
		return err
	}
	m.Due = to
	return putMessage(tx, n, m)
}

// dropMessage takes a message out of the outbox.
func dropMessage(tx *bolt.Tx, n uint64) error {
	m, ok, err := get[message](tx, bucketMessage, number(n))
	if err != nil || !ok {
		return err
	}
	return errors.Join(
		tx.Bucket(bucketDue).Delete(append(moment(m.Due), number(n)...)),
		tx.Bucket(bucketDevices).Delete(append(join(deviceKey(m.Learner, m.Device), ""), number(n)...)),
		tx.Bucket(bucketMessage).Delete(number(n)))
}

// messagesOf returns the numbers of the messages for the devices whose keys begin with a prefix.
func messagesOf(tx *bolt.Tx, prefix []byte) []uint64 {
	var list []uint64
	each(tx, bucketDevices, prefix, func(k, _ []byte) bool {
		list = append(list, numberAt(k[len(k)-numberBytes:]))
		return true
	})
	return list
}

func dropMessages(tx *bolt.Tx, prefix []byte) error {
	for _, n := range messagesOf(tx, prefix) {
		if err := dropMessage(tx, n); err != nil {
			return err
		}
	}
	return nil
}

// collapse names what a message tells of, so that a newer one about the same takes the place of one that was not shown yet, and one that is sent twice is
// shown once. Push services allow 64 bytes.
func (m *message) collapse() string {
	switch {
	case m.Nudge:
		return "nudge"
	case m.Value == nil:
		return "bundle"
	}
	return string(m.Value.Rule) + "-" + strconv.FormatUint(hash(string(m.Value.Subject.Kind), m.Value.Subject.ID), 36)
}
