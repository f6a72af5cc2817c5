package push

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
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
	Learner  catalog.LearnerID        `json:"learner"`
	Device   catalog.DeviceID         `json:"device"`
	ID       catalog.NotificationID   `json:"id,omitempty"` // in the inbox; "" of a bundle or a nudge
	Value    *catalog.Notification    `json:"value,omitempty"`
	Courses  []catalog.CourseID       `json:"courses,omitempty"`  // see note
	Bundle   []catalog.NotificationID `json:"bundle,omitempty"`   // of several: what it speaks of
	Digest   bool                     `json:"digest,omitempty"`   // it waited for its day: of two or more on a day one is made
	Unsure   bool                     `json:"unsure,omitempty"`   // it may have been taken: it keeps its key, and is not bundled
	Nudge    bool                     `json:"nudge,omitempty"`    // without a sound
	Channels []string                 `json:"channels,omitempty"` // in which there is something to pull
	Seq      coursesync.Seq           `json:"seq"`                // a pull that has seen this sees it all
	At       time.Time                `json:"at"`                 // when the change was made
	Since    time.Time                `json:"since"`              // since when it should be sent
	Due      time.Time                `json:"due"`                // when it is tried next
	Expires  time.Time                `json:"expires"`
	Attempts int                      `json:"attempts,omitempty"`
}

// news returns which notifications a message speaks of.
func (m *message) news() []catalog.NotificationID {
	if m.Value != nil {
		return []catalog.NotificationID{m.ID}
	}
	return m.Bundle
}

// deliver puts notes that are due into inboxes, and makes messages of them: some of them, so that nudges need not wait for all. It returns when it is time for
// the next.
func (p *Push) deliver(ctx context.Context) (next time.Time, err error) {
	now := p.now()
	var list []dueNote
	err = p.db.View(func(tx *bolt.Tx) (err error) {
		list, next, err = dueNotes(tx, now)
		return err
	})
	if err != nil || len(list) == 0 {
		return next, err
	}
	return now, p.deliverSome(ctx, list, now)
}

// dueNote is a note with its key.
type dueNote struct {
	key  []byte
	who  catalog.LearnerID
	late bool // there are too many newer ones
	note
}

// dueNotes takes the notes that are due of as many learners as have chunk of them together. All of a learner's are taken, so that they are one message; of more
// than an inbox holds, the newest.
func dueNotes(tx *bolt.Tx, now time.Time) (list []dueNote, next time.Time, err error) {
	rows, next := due(tx, bucketDueNote, now, chunk)
	taken := map[string]bool{}
	for _, row := range rows {
		if len(list) >= chunk {
			break
		}
		_, key := momentOf(row)
		learner := cut(key)[0]
		if taken[learner] {
			continue
		}
		taken[learner] = true
		some, err := dueNotesOf(tx, learner, now)
		if err != nil {
			return nil, next, err
		}
		list = append(list, some...)
	}
	return list, next, nil
}

// dueNotesOf returns the notes of a learner that are due. Those that an inbox has no room for are marked.
func dueNotesOf(tx *bolt.Tx, learner string, now time.Time) (list []dueNote, err error) {
	each(tx, bucketNotes, join(learner, ""), func(k, v []byte) bool {
		var n note
		if n, err = decode[note](v); err == nil && !n.Due.After(now) {
			list = append(list, dueNote{key: bytes.Clone(k), who: catalog.LearnerOf(learner + "/"), note: n})
		}
		return err == nil
	})
	if over := len(list) - catalog.MaxNotifications; over > 0 {
		slices.SortStableFunc(list, func(a, b dueNote) int { return a.At.Compare(b.At) })
		for i := range over {
			list[i].late = true
		}
	}
	return list, err
}

// delivery is notes on their way into inboxes.
type delivery struct {
	told    map[catalog.LearnerID][]dueNote
	readers map[catalog.LearnerID]*reader
	unsent  map[Reason]int // those that are not told
}

// asNow brings notes up to date, for what waited for a digest may be called otherwise by now, be gone, or be wanted no more.
func (p *Push) asNow(ctx context.Context, list []dueNote) (d delivery, err error) {
	err = p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		d = delivery{map[catalog.LearnerID][]dueNote{}, map[catalog.LearnerID]*reader{}, map[Reason]int{}}
		rs := newReaders(v)
		for _, n := range list {
			if n.late {
				d.unsent[ReasonInboxFull]++
				continue
			}
			r, err := d.reader(rs, n.who)
			if err != nil {
				return err
			}
			why, err := r.asNow(v, &n)
			if err != nil {
				return err
			}
			if why != "" {
				d.unsent[why]++
				continue
			}
			d.told[n.who] = append(d.told[n.who], n)
		}
		return nil
	})
	return d, err
}

func (d *delivery) reader(rs *readers, who catalog.LearnerID) (*reader, error) {
	if r := d.readers[who]; r != nil {
		return r, nil
	}
	r, err := rs.get(who)
	d.readers[who] = &r
	return &r, err
}

// asNow brings a note up to date, or says why it is not told.
func (r *reader) asNow(v *catalog.View, n *dueNote) (why Reason, err error) {
	if wanted, err := r.wants(v, &n.Value); err != nil || !wanted {
		return ReasonUnwanted, err
	}
	courses, seen, err := name(v, r.actor, r.locale(), &n.Value, n.Courses)
	if err != nil || !seen {
		return ReasonInvisible, err
	}
	n.Courses = courses
	return "", nil
}

// deliverSome writes inboxes in one command. When the process is killed after it, the same notifications are put again, which changes nothing; then
// the notes give way to messages.
func (p *Push) deliverSome(ctx context.Context, list []dueNote, now time.Time) error {
	d, err := p.asNow(ctx, list)
	if err != nil {
		return err
	}
	var left []catalog.LearnerID
	seq, err := p.cfg.Catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
		left = nil
		for who, notes := range d.told {
			err := p.putNotifications(ctx, tx, who, notes)
			if fault.Is(err, fault.AccountErased) {
				left = append(left, who)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, who := range left {
		delete(d.told, who)
	}
	err = p.db.Update(func(tx *bolt.Tx) error {
		for _, n := range list {
			if err := dropNote(tx, n.key); err != nil {
				return err
			}
		}
		unsent := maps.Clone(d.unsent)
		for _, who := range sortedLearners(d.told) {
			o := outgoing{tx: tx, r: d.readers[who], who: who, seq: seq, now: now}
			switch notes := d.told[who]; {
			case p.cfg.Sender == nil:
				unsent[ReasonNotConfigured] += len(notes)
			case len(o.r.devices) == 0:
				unsent[ReasonNoDevice] += len(notes)
			default:
				if err := o.add(notes); err != nil {
					return err
				}
			}
		}
		if err := countDay(tx, now, 0, unsent); err != nil {
			return err
		}
		tx.OnCommit(func() { p.metrics.unsent(unsent) })
		return nil
	})
	poke(p.send)
	return err
}

// putNotifications writes a learner's inbox. fault.AccountErased for one who left.
func (p *Push) putNotifications(ctx context.Context, tx *catalog.Tx, who catalog.LearnerID, notes []dueNote) error {
	list := make([]catalog.NewNotification, len(notes))
	for i := range notes {
		list[i] = catalog.NewNotification{ID: notificationID(&notes[i].note), Value: notes[i].Value}
	}
	outcomes, err := tx.PutNotifications(who, list)
	for _, o := range outcomes {
		if o.Err != nil {
			p.log.ErrorContext(ctx, "push: a notification is not as the catalog wants it", slog.Any("error", o.Err))
		}
	}
	return err
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
	tx  *bolt.Tx
	r   *reader
	who catalog.LearnerID
	seq coursesync.Seq
	now time.Time
}

// add makes a message of each note for each device, or one of all when there are many. What comes together with others later is bundled when it is sent.
func (o *outgoing) add(notes []dueNote) error {
	dueAt := o.r.quietEnd(o.now)
	for i := range o.r.devices {
		id := o.r.devices[i].ID
		if len(notes) > bundleOver {
			m := o.message(id, &notes[0], dueAt)
			m.ID, m.Value, m.Courses, m.Channels = "", nil, nil, []string{"me", "catalog", "org"}
			for k := range notes {
				m.Bundle = append(m.Bundle, notificationID(&notes[k].note))
			}
			if err := addMessage(o.tx, &m); err != nil {
				return err
			}
			continue
		}
		for k := range notes {
			m := o.message(id, &notes[k], dueAt)
			if err := addMessage(o.tx, &m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *outgoing) message(id catalog.DeviceID, n *dueNote, dueAt time.Time) message {
	return message{
		Learner: o.who, Device: id, ID: notificationID(&n.note), Value: &n.Value, Courses: n.Courses, Digest: n.Digest, Channels: []string{"me", channelOf(&n.Value)},
		Seq: o.seq, At: n.At, Since: dueAt, Due: dueAt, Expires: dueAt.Add(keepFor),
	}
}

// numbered is a message with its number.
type numbered struct {
	n uint64
	message
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
	var kind []byte
	if m.Nudge {
		kind = nudgeDue
	}
	return tx.Bucket(bucketDue).Put(append(moment(m.Due), number(n)...), kind)
}

// nudgeDue says of a message that is due that it is a nudge: of these there are thousands at a time, and not all who look need to read them.
var nudgeDue = []byte{'n'}

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
	case m.Value == nil: // another bundle has other news, so neither takes the other's place
		return "bundle-" + strconv.FormatUint(hash(string(m.Bundle[0])), 36)
	}
	return string(m.Value.Rule) + "-" + strconv.FormatUint(hash(string(m.Value.Subject.Kind), m.Value.Subject.ID), 36)
}
