package push

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// nudgeEvery is how long a device is left alone after a nudge. Android and iOS stop to deliver silent messages to apps that get many.
	nudgeEvery = 15 * time.Minute
	// lookEvery is how often all devices are looked at for news of the catalog, at most: that takes some seconds for 100,000.
	lookEvery = 10 * time.Second
	// nudgeChunk is how many devices are looked at in one transaction: one or two milliseconds.
	nudgeChunk = 100
	// nudgeRest is how many times as long as for looking at them nothing is done after it, maxNudgeRest how long at most: others want to use the processor
	// too, and 10,000 nudges are made in two or three seconds all the same, sooner than they are sent. maxRested is how long that is done for one channel:
	// with many more devices, what else is to be decided must not wait for them.
	nudgeRest    = 8
	maxNudgeRest = 20 * time.Millisecond
	maxRested    = 3 * time.Second
	// staleAfter is how long a device may not have been seen: then Google has forgotten its token too.
	staleAfter = 270 * 24 * time.Hour
	// sweepEvery is how often devices are looked at for that.
	sweepEvery = 24 * time.Hour
)

// nudge is what is known of a device's nudges.
type nudge struct {
	At       time.Time                 `json:"at"`                 // of the last one
	Told     map[string]coursesync.Seq `json:"told"`               // up to where it has been told or is going to be, by channel
	Again    time.Time                 `json:"again,omitzero"`     // when the next one comes, if there is something to tell
	Channels []string                  `json:"channels,omitempty"` // in which there is
	From     time.Time                 `json:"from,omitzero"`      // since when
}

// move is a channel with something to pull.
type move struct {
	channel coursesync.Channel // see moveKey
	seq     coursesync.Seq
}

// nudge makes silent messages for the devices whose channels moved: the first at once, then one every nudgeEvery. It returns when the next is due.
func (p *Push) nudge(ctx context.Context) (next time.Time, err error) {
	now := p.now()
	var moves []move
	err = p.db.View(func(tx *bolt.Tx) error {
		var bad error
		each(tx, bucketMoved, nil, func(k, v []byte) bool {
			var seq coursesync.Seq
			seq, bad = decode[coursesync.Seq](v)
			moves = append(moves, move{coursesync.Channel(k), seq})
			return bad == nil && len(moves) < chunk
		})
		return bad
	})
	wait := p.nudged.Add(lookEvery)
	resting := wait.After(now) && !p.nudged.After(now)
	more := false
	for i := 0; err == nil && i < len(moves); i++ {
		if ofMany(moves[i].channel) {
			if resting {
				next = wait
				continue
			}
			p.nudged = now
		}
		err = p.nudgeChannel(ctx, moves[i], now)
		more = len(moves) == chunk
	}
	if len(moves) > 0 {
		poke(p.send)
	}
	if err != nil {
		return next, err
	}
	later, err := p.nudgeAgain(now)
	if more {
		return now, err
	}
	if next.IsZero() || !later.IsZero() && later.Before(next) {
		next = later
	}
	return next, err
}

// ofMany reports whether all devices have to be looked at for a channel.
func ofMany(ch coursesync.Channel) bool { return nudgeName(ch) == "org" || nudgeName(ch) == "catalog" }

// nudgeChannel nudges the devices of one channel, and is done with it then. Broken off, it is repeated: who was told is known.
func (p *Push) nudgeChannel(ctx context.Context, m move, now time.Time) error {
	var some []catalog.DeviceOf
	begun, rested := time.Now(), time.Duration(0)
	flush := func() error {
		if len(some) == 0 {
			return nil
		}
		err := p.db.Update(func(tx *bolt.Tx) error {
			for i := range some {
				if err := nudgeDevice(tx, &some[i], m, now); err != nil {
					return err
				}
			}
			return nil
		})
		some = some[:0]
		poke(p.send)
		return err
	}
	for d, err := range p.devicesOf(ctx, m.channel) {
		if err != nil {
			return err
		}
		if some = append(some, d); len(some) == nudgeChunk {
			if err := flush(); err != nil {
				return err
			}
			pause := min(nudgeRest*time.Since(begun), maxNudgeRest, maxRested-rested)
			if err := rest(ctx, pause); err != nil {
				return err
			}
			rested += pause
			begun = time.Now()
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return p.db.Update(func(tx *bolt.Tx) error {
		key := []byte(m.channel)
		if at, ok, err := get[coursesync.Seq](tx, bucketMoved, key); err != nil || !ok || at > m.seq {
			return err // it moved on meanwhile
		}
		return tx.Bucket(bucketMoved).Delete(key)
	})
}

// rest does nothing for some time.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// nudgeDevice makes a nudge, or notes that there is to be one.
func nudgeDevice(tx *bolt.Tx, d *catalog.DeviceOf, m move, now time.Time) error {
	key := []byte(deviceKey(d.Learner, d.ID))
	n, _, err := get[nudge](tx, bucketNudges, key)
	if err != nil {
		return err
	}
	name := nudgeName(m.channel)
	later := strings.HasSuffix(string(m.channel), laterMark)
	if m.seq <= n.Told[name] || m.seq <= d.Created {
		return nil // it knows
	}
	if n.Told == nil {
		n.Told = map[string]coursesync.Seq{}
	}
	n.Told[name] = m.seq
	if !slices.Contains(n.Channels, name) {
		n.Channels = append(n.Channels, name)
	}
	if n.From.IsZero() {
		n.From = now
	}
	waits, err := waitingNudge(tx, key)
	if err != nil {
		return err
	}
	again := n.At.Add(nudgeEvery)
	if later {
		again = now.Add(nudgeEvery)
	}
	if waits == nil && again.After(now) && (later || !n.At.After(now)) {
		if n.Again.IsZero() {
			n.Again = again
			if err := tx.Bucket(bucketDueNudg).Put(append(moment(again), key...), nil); err != nil {
				return err
			}
		}
		return put(tx, bucketNudges, key, n)
	}
	return n.send(tx, key, waits, now)
}

// waitingNudge returns the nudge of a device that was not sent yet; nil when there is none.
func waitingNudge(tx *bolt.Tx, key []byte) (*numbered, error) {
	for _, at := range messagesOf(tx, join(string(key), "")) {
		m, ok, err := get[message](tx, bucketMessage, number(at))
		if err != nil || ok && m.Nudge {
			return &numbered{at, m}, err
		}
	}
	return nil, nil //nolint:nilnil // none is an answer
}

// send puts a nudge into the outbox. One that still waits there gives way, and what it was to tell is told along.
func (n *nudge) send(tx *bolt.Tx, key []byte, old *numbered, now time.Time) error {
	m := message{
		Learner: catalog.LearnerOf(string(key)), Device: catalog.DeviceID(catalog.WithoutLearner(string(key))), Nudge: true,
		Channels: n.Channels, At: n.From, Since: now, Due: now, Expires: now.Add(keepNudge),
	}
	if old != nil {
		for _, name := range old.Channels {
			if !slices.Contains(m.Channels, name) {
				m.Channels = append(m.Channels, name)
			}
		}
		m.At, m.Seq, m.Since, m.Due, m.Attempts = old.At, old.Seq, old.Since, old.Due, old.Attempts
		if err := dropMessage(tx, old.n); err != nil {
			return err
		}
	}
	for _, seq := range n.Told {
		m.Seq = max(m.Seq, seq)
	}
	if err := addMessage(tx, &m); err != nil {
		return err
	}
	return put(tx, bucketNudges, key, nudge{At: now, Told: n.Told})
}

// nudgeAgain nudges those that waited, and returns when the next has waited long enough.
func (p *Push) nudgeAgain(now time.Time) (next time.Time, err error) {
	err = p.db.Update(func(tx *bolt.Tx) error {
		var rows [][]byte
		rows, next = due(tx, bucketDueNudg, now, chunk)
		for _, row := range rows {
			at, key := momentOf(row)
			key = bytes.Clone(key)
			if err := tx.Bucket(bucketDueNudg).Delete(row); err != nil {
				return err
			}
			n, ok, err := get[nudge](tx, bucketNudges, key)
			if err != nil {
				return err
			}
			if !ok || n.Again.UnixMilli() != at.UnixMilli() {
				continue // the device is gone, or was nudged earlier
			}
			old, err := waitingNudge(tx, key)
			if err == nil {
				err = n.send(tx, key, old, now)
			}
			if err != nil {
				return err
			}
		}
		if len(rows) > 0 {
			poke(p.send)
		}
		return nil
	})
	return next, err
}

// dropNudge forgets the nudges of a device.
func dropNudge(tx *bolt.Tx, key []byte) error {
	n, _, err := get[nudge](tx, bucketNudges, key)
	if err != nil {
		return err
	}
	return errors.Join(tx.Bucket(bucketDueNudg).Delete(append(moment(n.Again), key...)), tx.Bucket(bucketNudges).Delete(key))
}

// nudgeName is a channel as a device asks for it.
func nudgeName(ch coursesync.Channel) string {
	switch {
	case strings.HasPrefix(string(ch), "learner:"):
		return "me"
	case strings.HasPrefix(string(ch), "org:"):
		return "org"
	case strings.HasPrefix(string(ch), "course:"):
		return "courses"
	}
	return string(catalog.ChannelCatalog)
}

// devicesOf yields the devices that carry a channel.
func (p *Push) devicesOf(ctx context.Context, ch coursesync.Channel) iter.Seq2[catalog.DeviceOf, error] {
	name := string(ch)
	if who, mine := strings.CutPrefix(name, "learner:"); mine {
		return p.devicesOfLearner(ctx, who)
	}
	if id, content := strings.CutPrefix(name, "course:"); content {
		return p.devicesOfCourse(ctx, catalog.CourseID(id))
	}
	if org, bound := strings.CutPrefix(name, "org:"); bound {
		return p.devicesOfOrg(ctx, catalog.OrgID(org))
	}
	return p.cfg.Catalog.Devices(ctx)
}

// devicesOfLearner yields a learner's devices; where one of them made the move, only if there are others.
func (p *Push) devicesOfLearner(ctx context.Context, who string) iter.Seq2[catalog.DeviceOf, error] {
	return func(yield func(catalog.DeviceOf, error) bool) {
		who, own := strings.CutSuffix(strings.TrimSuffix(who, laterMark), ownMark)
		list, err := p.devicesOfAll(ctx, []catalog.LearnerID{catalog.LearnerID(who)})
		if err != nil {
			yield(catalog.DeviceOf{}, err)
			return
		}
		if !own || len(list) > 1 {
			yieldAll(list, yield)
		}
	}
}

// devicesOfOrg yields the devices of an organization's learners.
func (p *Push) devicesOfOrg(ctx context.Context, org catalog.OrgID) iter.Seq2[catalog.DeviceOf, error] {
	return func(yield func(catalog.DeviceOf, error) bool) {
		for d, err := range p.cfg.Catalog.Devices(ctx) {
			var actor catalog.Actor
			if err == nil {
				err = p.cfg.Catalog.View(ctx, func(v *catalog.View) (err error) {
					actor, err = v.OnRecord(d.Learner)
					return err
				})
			}
			if (err != nil || actor.Org == org) && !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// devicesOfCourse yields the devices of those who take or took a course.
func (p *Push) devicesOfCourse(ctx context.Context, id catalog.CourseID) iter.Seq2[catalog.DeviceOf, error] {
	return func(yield func(catalog.DeviceOf, error) bool) {
		for after := catalog.LearnerID(""); ; {
			var who []catalog.LearnerID
			err := p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
				who = nil
				for l := range v.LearnersOf(id, after) {
					if who = append(who, l); len(who) == chunk {
						break
					}
				}
				return nil
			})
			var list []catalog.DeviceOf
			if err == nil {
				list, err = p.devicesOfAll(ctx, who)
			}
			if err != nil {
				yield(catalog.DeviceOf{}, err)
				return
			}
			if !yieldAll(list, yield) || len(who) < chunk {
				return
			}
			after = who[len(who)-1]
		}
	}
}

// devicesOfAll returns the devices of some learners.
func (p *Push) devicesOfAll(ctx context.Context, who []catalog.LearnerID) (list []catalog.DeviceOf, err error) {
	err = p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		list = nil
		for _, l := range who {
			some, err := v.DevicesOf(l)
			if err != nil {
				return err
			}
			list = append(list, some...)
		}
		return nil
	})
	return list, err
}

// yieldAll yields a list, and reports whether more is wanted.
func yieldAll(list []catalog.DeviceOf, yield func(catalog.DeviceOf, error) bool) bool {
	for _, d := range list {
		if !yield(d, nil) {
			return false
		}
	}
	return true
}

// sweep drops the devices that were not seen for so long that their tokens are void.
func (p *Push) sweep(ctx context.Context) error {
	now := p.now()
	if now.Sub(p.swept) < sweepEvery && !p.swept.After(now) {
		return nil
	}
	stale := func(d catalog.Device) bool { return now.Sub(d.SeenAt) > staleAfter }
	there := map[string]bool{}
	for d, err := range p.cfg.Catalog.Devices(ctx) {
		if err != nil {
			return err
		}
		there[deviceKey(d.Learner, d.ID)] = true
		if !stale(d.Value) {
			continue
		}
		_, err := p.cfg.Catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
			_, err := tx.DropDevice(d.Learner, d.ID, stale)
			return err
		})
		if err != nil {
			return err
		}
	}
	p.swept = now
	return p.forgetOthers(there)
}

// forgetOthers forgets the devices that are not there: one that was dropped while it was nudged may have left a row.
func (p *Push) forgetOthers(there map[string]bool) error {
	return p.db.Update(func(tx *bolt.Tx) error {
		for _, key := range keys(tx, bucketNudges, nil) {
			if there[string(key)] {
				continue
			}
			if err := dropNudge(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}
