package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

const (
	// batchSize is how many messages are written out and recorded at once: two or three milliseconds, so that whoever searches need not wait for long.
	batchSize = 100
	// batchesAtOnce is how many calls are under way: the SDK makes 50 requests at once for each, so that 10,000 messages take three or four seconds even
	// when each answer takes 100 ms.
	batchesAtOnce = 8
	// maxTurn bounds the messages of one turn: some seconds of sending, and some MB.
	maxTurn = 4_000
	// maxLooked bounds the messages looked at for one turn: of a device that has many waiting only one is taken.
	maxLooked = 10_000
	// maxAsked is how long a service may let everything wait: one that asks for more is mistaken, and messages would be none any more.
	maxAsked = 24 * time.Hour
	// maxDoublings bounds the exponent of a wait.
	maxDoublings = 20
)

func numberAt(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// gates close while nothing may be sent.
type gates struct {
	mu     sync.Mutex
	until  time.Time
	reason Reason
	streak int       // how often the service was unavailable in a row
	doubts int       // how many calls in a row said of all messages that our credentials are refused
	sent   time.Time // when a message was taken last
	alarm  bool      // our credentials are refused

	platformAlarm time.Time // when it was last said that those for a platform are
}

// state returns until when nothing is sent, and why.
func (g *gates) state() (time.Time, Reason, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until, g.reason, g.alarm
}

// fail counts a failure. The gates are locked.
func (g *gates) fail(again bool) {
	if again || g.streak == 0 {
		g.streak++
	}
}

// sendStep sends what is due, and returns how long nothing more is.
func (p *Push) sendStep(ctx context.Context) (time.Duration, error) {
	now := p.now()
	if err := p.dropGone(ctx); err != nil {
		return 0, err
	}
	if until, _, _ := p.gates.state(); until.After(now) {
		return until.Sub(now), nil
	}
	if err := p.bundle(now); err != nil {
		return 0, err
	}
	picked, next, err := p.pick(now)
	if err != nil {
		return 0, err
	}
	if len(picked) == 0 {
		if next.IsZero() {
			return p.pace.idle, nil
		}
		return next.Sub(now), nil
	}
	if _, _, alarm := p.gates.state(); alarm {
		picked = picked[:1] // to see whether our credentials are good again
	}
	var g errgroup.Group
	var writing sync.Mutex
	g.SetLimit(batchesAtOnce)
	for some := range slices.Chunk(picked, batchSize) {
		g.Go(func() error {
			if until, _, _ := p.gates.state(); until.After(p.now()) {
				return nil // it stays due
			}
			writing.Lock() // one after another: the other core is for those who search
			ready, err := p.prepare(ctx, some, now)
			writing.Unlock()
			if err != nil || len(ready) == 0 {
				return err
			}
			return p.sendBatch(ctx, ready)
		})
	}
	return 0, g.Wait()
}

// pick takes due messages, one for each device at most: so none follows one that says that the device is gone.
func (p *Push) pick(now time.Time) (list []numbered, next time.Time, err error) {
	err = p.db.View(func(tx *bolt.Tx) error {
		var rows [][]byte
		rows, next = due(tx, bucketDue, now, maxLooked)
		devices := map[string]bool{}
		for _, row := range rows {
			_, key := momentOf(row)
			m, ok, err := get[message](tx, bucketMessage, key)
			if err != nil {
				return err
			}
			device := deviceKey(m.Learner, m.Device)
			if !ok || devices[device] {
				continue
			}
			devices[device] = true
			if list = append(list, numbered{numberAt(key), m}); len(list) == maxTurn {
				return nil
			}
		}
		return nil
	})
	return list, next, err
}

// ready is a message as it is sent.
type ready struct {
	numbered
	written
	doubted bool // an attempt before this one may have been taken
}

// prepare writes messages out. Those that are of no use any more are dropped, and those for whom it is night wait for the morning.
func (p *Push) prepare(ctx context.Context, picked []numbered, now time.Time) ([]ready, error) {
	var list, not []ready
	err := p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		list, not = nil, nil
		rs := newReaders(v)
		tokens := map[string]bool{}
		for _, m := range picked {
			w, err := p.write(rs, &m.message, now)
			if err != nil {
				return err
			}
			switch {
			case w.why == ReasonUnregistered: // until the device is dropped, or has another token
			case w.why != "" || w.wait.After(now):
				not = append(not, ready{numbered: m, written: w})
			case !tokens[w.wire.Token]: // else both were registered at once: the later one stays
				tokens[w.wire.Token] = true
				list = append(list, ready{numbered: m, written: w})
			}
		}
		return nil
	})
	if err != nil || len(not) == 0 {
		return list, err
	}
	return list, p.putOff(not, now)
}

// putOff takes messages out of the outbox that will not be sent, and lets others wait. Those that came too late are kept to be looked at.
func (p *Push) putOff(list []ready, now time.Time) error {
	unsent := map[Reason]int{}
	err := p.db.Update(func(tx *bolt.Tx) error {
		for i := range list {
			m := &list[i]
			if tx.Bucket(bucketMessage).Get(number(m.n)) == nil {
				continue // the device or the learner was dropped meanwhile
			}
			if m.why == "" {
				m.Since = m.wait
				if err := postpone(tx, m.n, &m.message, m.wait); err != nil {
					return err
				}
				continue
			}
			unsent[m.why]++
			if err := p.dropWhy(tx, m, now); err != nil {
				return err
			}
		}
		return countDay(tx, now, 0, unsent)
	})
	if err == nil {
		p.metrics.unsent(unsent)
	}
	return err
}

// dropWhy takes a message out of the outbox that is not sent.
func (p *Push) dropWhy(tx *bolt.Tx, m *ready, now time.Time) error {
	switch {
	case m.why == ReasonExpired && !m.Nudge:
		if err := addDead(tx, &m.message, Outcome{Reason: m.why}, "", now); err != nil {
			return err
		}
	case m.why == ReasonCapped: // what is in the inbox only is to be pulled
		if err := moved(tx, string(catalog.LearnerChannel(m.Learner)), m.Seq); err != nil {
			return err
		}
		poke(p.decide)
	}
	return dropMessage(tx, m.n)
}

// sendBatch sends some messages and writes down what became of them.
func (p *Push) sendBatch(ctx context.Context, some []ready) error {
	wire := make([]Message, len(some))
	for i := range some {
		wire[i] = some[i].wire
	}
	for i := range some {
		some[i].doubted = some[i].Unsure
	}
	if err := p.markUnsure(some); err != nil {
		return err
	}
	calling, cancel := context.WithTimeout(ctx, p.pace.sending)
	outcomes := p.cfg.Sender.Send(calling, wire)
	cancel()
	if len(outcomes) != len(some) {
		return fault.New("push.send", fault.Internal)
	}
	now := p.now()
	retry := p.heed(ctx, outcomes, now)
	sent, unsent := 0, map[Reason]int{}
	err := p.db.Update(func(tx *bolt.Tx) error {
		sent = 0
		clear(unsent)
		for i := range some {
			if outcomes[i].Reason != Sent && ctx.Err() != nil {
				continue // we hung up: it was no attempt
			}
			if outcomes[i].Reason == Sent {
				sent++
			} else {
				unsent[outcomes[i].Reason]++
			}
			if err := p.record(tx, &some[i], outcomes[i], now, retry); err != nil {
				return err
			}
		}
		return countDay(tx, now, sent, unsent)
	})
	if err != nil {
		return err
	}
	p.metrics.unsent(unsent)
	for i := range some {
		if outcomes[i].Reason == Sent {
			p.metrics.sent(some[i].Nudge, now.Sub(some[i].At))
		}
	}
	return nil
}

// markUnsure writes down that messages may be taken from now on, before they are sent. Nudges have one key for all.
func (p *Push) markUnsure(some []ready) error {
	shown := func(m ready) bool { return !m.Nudge && !m.Unsure }
	if !slices.ContainsFunc(some, shown) {
		return nil
	}
	return p.db.Update(func(tx *bolt.Tx) error {
		for i := range some {
			m := &some[i]
			if !shown(*m) || tx.Bucket(bucketMessage).Get(number(m.n)) == nil {
				continue
			}
			m.Unsure = true
			if err := put(tx, bucketMessage, number(m.n), m.message); err != nil {
				return err
			}
		}
		return nil
	})
}

// heed closes the gates when the service says so, and returns the time before which none of the messages is tried again.
func (p *Push) heed(ctx context.Context, outcomes []Outcome, now time.Time) time.Time {
	var worst Outcome
	sent := slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Reason == Sent })
	for _, o := range outcomes {
		if o.Reason == ReasonAuth && sent {
			continue // the service takes our credentials: it refuses them for this token only
		}
		if rank(o.Reason) > rank(worst.Reason) || o.Reason == worst.Reason && o.RetryAfter > worst.RetryAfter {
			worst = o
		}
	}
	g := &p.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		return now
	}
	if sent {
		g.sent, g.doubts = now, 0
	}
	if sent && g.alarm {
		g.alarm = false
		p.metrics.halted.Set(0)
		p.log.InfoContext(ctx, "push: the push service takes our credentials again")
	}
	p.warnOfPlatform(ctx, outcomes, now)
	wait := time.Duration(0)
	asked := min(worst.RetryAfter, maxAsked)
	again := !g.until.After(now) // else what was under way when the gate closed says the same
	switch worst.Reason {
	case ReasonAuth:
		if g.doubts++; len(outcomes) == 1 && g.doubts == 1 && !g.alarm && now.Sub(g.sent) < p.pace.halted {
			break // it may be this token: the next message shows
		}
		wait = p.pace.halted
		if !g.alarm {
			p.log.ErrorContext(ctx, "push: the push service refuses our credentials; nothing is sent until it takes them, and what waits is kept",
				slog.String("detail", worst.Detail), slog.Duration("next_try", wait))
		}
		g.alarm = true
		p.metrics.halted.Set(1)
	case ReasonQuota:
		g.fail(again)
		wait = max(asked, backoff(p.pace.quota, p.pace.backoffMost, g.streak))
	case ReasonUnavailable:
		g.fail(again)
		wait = max(asked, backoff(p.pace.backoff, p.pace.backoffMost, g.streak))
	case ReasonNetwork, ReasonInternal:
		if !sent { // nothing gets through
			g.fail(again)
			wait = backoff(p.pace.backoff, p.pace.backoffMost, g.streak)
		}
	}
	if sent && worst.Reason != ReasonAuth {
		g.streak = 0
	}
	if wait > 0 {
		g.reason = worst.Reason
		if until := now.Add(wait); until.After(g.until) {
			g.until = until
		}
	}
	return now.Add(wait)
}

// warnOfPlatform says, once while it lasts, that the credentials for a platform are refused. The gates are locked.
func (p *Push) warnOfPlatform(ctx context.Context, outcomes []Outcome, now time.Time) {
	i := slices.IndexFunc(outcomes, func(o Outcome) bool { return o.Reason == ReasonThirdParty })
	if g := &p.gates; i >= 0 && now.Sub(g.platformAlarm) >= p.pace.halted {
		g.platformAlarm = now
		p.log.ErrorContext(ctx, "push: APNs or Web Push refuses the project's credentials; messages to that platform wait", slog.String("detail", outcomes[i].Detail))
	}
}

// rank orders reasons by what they mean for all other messages.
func rank(r Reason) int {
	return slices.Index([]Reason{ReasonInternal, ReasonNetwork, ReasonUnavailable, ReasonQuota, ReasonAuth}, r)
}

// backoff doubles a wait with each attempt, and takes a random part of the second half off, so that what failed together does not come back together.
func backoff(base, most time.Duration, attempt int) time.Duration {
	wait := base << min(max(attempt-1, 0), maxDoublings)
	if wait > most || wait <= 0 {
		wait = most
	}
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // jitter is no secret
}

// record writes down what became of one message.
func (p *Push) record(tx *bolt.Tx, m *ready, o Outcome, now, retry time.Time) error {
	if tx.Bucket(bucketMessage).Get(number(m.n)) == nil {
		return leaveAlone(tx, m, o, now) // or the device or the learner was dropped meanwhile
	}
	m.Unsure = m.doubted || m.Unsure && (o.Reason == ReasonNetwork || o.Reason == ReasonInternal) // all others are the service's word that it did not take it
	switch {
	case o.Reason == ReasonUnregistered || o.Reason == ReasonMismatch:
		return tokenGone(tx, deviceKey(m.Learner, m.Device), m.wire.Token)
	case o.Reason == ReasonAuth: // perhaps it was this message's fault: when the gate opens, another one is tried first
		return postpone(tx, m.n, &m.message, now.Add(p.pace.halted))
	case o.Reason == ReasonThirdParty:
		return postpone(tx, m.n, &m.message, now.Add(p.pace.halted))
	case o.Reason.retried():
		m.Attempts++
		at := now.Add(max(backoff(p.pace.backoff, p.pace.backoffMost, m.Attempts), o.RetryAfter))
		if at.Before(retry) {
			at = retry
		}
		if at.After(m.Expires) {
			at = m.Expires
		}
		return postpone(tx, m.n, &m.message, at)
	case o.Reason == Sent && !m.Nudge:
		if err := countShown(tx, &m.message, m.date); err != nil {
			return err
		}
	case o.Reason != Sent:
		if err := addDead(tx, &m.message, o, m.wire.Platform, now); err != nil {
			return err
		}
	}
	return dropMessage(tx, m.n)
}

// leaveAlone lets a nudge wait that took the place of one which was under way and came.
func leaveAlone(tx *bolt.Tx, m *ready, o Outcome, now time.Time) error {
	if !m.Nudge || o.Reason != Sent {
		return nil
	}
	next, err := waitingNudge(tx, []byte(deviceKey(m.Learner, m.Device)))
	if err != nil || next == nil {
		return err
	}
	next.Since = now.Add(nudgeEvery)
	return postpone(tx, next.n, &next.message, next.Since)
}

// tokenGone notes that the service does not know a device's token. What waits for the device goes with it, unless it has another token by now.
func tokenGone(tx *bolt.Tx, device, token string) error {
	return tx.Bucket(bucketGone).Put([]byte(device), []byte(tokenHash(token)))
}

// tokenHash stands for a token where we remember that the service does not know it.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// dropGone removes the devices that the service does not know, from the catalog; until then their tokens are not used (see [Push.write]).
func (p *Push) dropGone(ctx context.Context) error {
	type goner struct{ key, hash []byte }
	var list []goner
	err := p.db.View(func(tx *bolt.Tx) error {
		each(tx, bucketGone, nil, func(k, v []byte) bool {
			list = append(list, goner{bytes.Clone(k), bytes.Clone(v)})
			return len(list) < chunk
		})
		return nil
	})
	for _, gone := range list {
		if err != nil {
			break
		}
		who, id := catalog.LearnerOf(string(gone.key)), catalog.DeviceID(catalog.WithoutLearner(string(gone.key)))
		_, err = p.cfg.Catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
			_, err := tx.DropDevice(who, id, func(d catalog.Device) bool { return tokenHash(d.Token) == string(gone.hash) })
			return err
		})
		if err == nil {
			err = p.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketGone).Delete(gone.key) })
		}
	}
	return err
}
