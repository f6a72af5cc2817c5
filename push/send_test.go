package push

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

// waiting makes a world in which n learners have a message that waits.
func waiting(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t)
	for i := range n {
		who := catalog.LearnerID(fmt.Sprint("l", i))
		w.device(who)
		w.search(who, "go", catalog.NotifyInstant)
	}
	w.pass(nudgeEvery) // what they did themselves nudged their devices
	w.pass(nudgeEvery)
	w.phone.taken, w.phone.tried = nil, map[string]int{}
	w.course("go", "Go")
	w.follow()
	w.clock.add(5 * time.Second)
	if _, err := w.decideStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func failing(r Reason) func(*Message) Outcome {
	return func(*Message) Outcome { return Outcome{Reason: r, Detail: "no"} }
}

// TestGone: a device that the service does not know is removed, with all that waits for it, and nothing is sent to its token again.
func TestGone(t *testing.T) {
	t.Parallel()
	for _, why := range []Reason{ReasonUnregistered, ReasonMismatch} {
		w := waiting(t, 2)
		w.phone.outcome = func(m *Message) Outcome {
			if m.Token == "token-l0" {
				return Outcome{Reason: why}
			}
			return Outcome{Reason: Sent}
		}
		w.turn()
		w.course("go2", "Go 2")
		w.pass(after)
		if got := w.phone.tried["token-l0"]; got != 1 {
			t.Errorf("%s: %d messages went to the token, want 1", why, got)
		}
		_ = w.catalog.View(t.Context(), func(v *catalog.View) error {
			for who, want := range map[catalog.LearnerID]int{"l0": 0, "l1": 1} {
				if got, err := v.DevicesOf(who); err != nil || len(got) != want {
					t.Errorf("%s: %s has %d devices, %v", why, who, len(got), err)
				}
			}
			return nil
		})
		w.sound()
	}
}

// TestGoneAndKilled: the process is killed after it wrote down that the token is void, and before the catalog knew. The token is not used again.
func TestGoneAndKilled(t *testing.T) {
	t.Parallel()
	w := waiting(t, 1)
	w.phone.outcome = failing(ReasonUnregistered)
	if _, err := w.sendStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.open(true)
	w.course("go2", "Go 2")
	w.pass(5 * time.Second)
	if got := w.phone.tried["token-l0"]; got != 1 {
		t.Errorf("%d messages went to the token", got)
	}
}

// TestInvalid: what the service calls wrong is not sent again, and kept to be looked at.
func TestInvalid(t *testing.T) {
	t.Parallel()
	w := waiting(t, 1)
	w.phone.outcome = failing(ReasonInvalid)
	w.pass(after)
	s, err := w.Status(10, 10)
	if err != nil || w.phone.tried["token-l0"] != 2 || s.Queued != 0 || s.DeadCount != 2 { // a nudge and a message
		t.Errorf("%d tries, %+v, %v", w.phone.tried["token-l0"], s, err)
	}
	found := false
	for _, d := range s.Dead {
		found = found || d.Rule == catalog.RuleSearchMatch && d.Reason == ReasonInvalid && d.Detail == "no" && d.Attempts == 1
	}
	if !found {
		t.Errorf("%+v", s.Dead)
	}
}

// TestWaitsForAll: when the service has too much to do or is down, everything waits: as long as it says, else longer and longer.
func TestWaitsForAll(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		out  Outcome
		wait time.Duration
	}{
		{Outcome{Reason: ReasonQuota, RetryAfter: 7 * time.Minute}, 7 * time.Minute},
		{Outcome{Reason: ReasonUnavailable, RetryAfter: 90 * time.Second}, 90 * time.Second},
		{Outcome{Reason: ReasonQuota}, 30 * time.Second}, // half of a minute at least
	} {
		w := waiting(t, 3)
		w.phone.outcome = func(*Message) Outcome { return tc.out }
		w.turn()
		calls := w.phone.calls
		w.phone.outcome = nil
		w.clock.add(tc.wait - time.Second)
		w.turn()
		if s, err := w.Status(0, 0); err != nil || w.phone.calls != calls || s.Held != tc.out.Reason {
			t.Errorf("%+v: %d calls before it was time, %+v %v", tc.out, w.phone.calls-calls, s, err)
		}
		w.clock.add(2 * time.Minute)
		w.turn()
		if got := len(w.phone.shown()); got != 3 {
			t.Errorf("%+v: %d messages afterwards", tc.out, got)
		}
	}
}

// crowd is a service that answers none before as many calls are under way as may be.
type crowd struct {
	Sender
	calls *atomic.Int32
	all   chan struct{}
}

func (c crowd) Send(ctx context.Context, messages []Message) []Outcome {
	if c.calls.Add(1) == batchesAtOnce {
		close(c.all)
	}
	<-c.all
	return c.Sender.Send(ctx, messages)
}

// TestOutageOfMany: what fails in many batches at once is one failure, after which everything waits a second.
func TestOutageOfMany(t *testing.T) {
	t.Parallel()
	const devices = 9*batchSize + 1
	w := newWorld(t)
	w.do(func(tx *catalog.Tx) error {
		for i := range devices {
			d := catalog.Device{Token: fmt.Sprint("token-", i), Platform: catalog.PlatformAndroid}
			if _, err := tx.PutDevice(catalog.LearnerID(fmt.Sprint("l", i)), "phone", d, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	w.turn()
	w.course("go", "Go")
	w.phone.outcome = failing(ReasonUnavailable)
	w.cfg.Sender = crowd{w.phone, &atomic.Int32{}, make(chan struct{})}
	w.turn()
	if w.phone.calls != batchesAtOnce {
		t.Errorf("%d batches were sent, want none after those that were under way", w.phone.calls)
	}
	s, err := w.Status(0, 0)
	if wait := s.Until.Sub(w.clock.now()); err != nil || s.Queued != devices || s.Held != ReasonUnavailable || wait > usualPace.backoff {
		t.Errorf("%+v, %v: everything should wait %v, not %v", s, err, usualPace.backoff, wait)
	}
	w.phone.outcome = nil
	w.clock.add(usualPace.backoff * 2)
	w.turn()
	if got := len(w.phone.silent()); got != devices {
		t.Errorf("%d devices were nudged afterwards, want %d", got, devices)
	}
	w.sound()
}

// TestBackoffGrows: one that fails is tried again later each time, then given up when it is no news any more.
func TestBackoffGrows(t *testing.T) {
	t.Parallel()
	w := waiting(t, 2)
	w.phone.outcome = func(m *Message) Outcome {
		if m.Token == "token-l0" {
			return Outcome{Reason: ReasonInternal}
		}
		return Outcome{Reason: Sent}
	}
	for range 24 * 80 {
		w.turn()
		w.clock.add(150 * time.Second)
	}
	s, err := w.Status(10, 10)
	if tried := w.phone.tried["token-l0"]; err != nil || tried < 70 || tried > 400 || s.Queued != 0 || s.DeadCount != 1 || s.Dead[0].Reason != ReasonExpired {
		t.Errorf("%d tries; %+v %v", tried, s, err)
	}
	if got := len(w.phone.shown()); got != 1 {
		t.Errorf("the other got %d", got)
	}
}

// TestCredentialsRefused: nothing is sent until they are good again, and nothing is lost.
func TestCredentialsRefused(t *testing.T) {
	t.Parallel()
	w := waiting(t, 5)
	w.phone.outcome = failing(ReasonAuth)
	w.turn()
	for range 10 {
		w.clock.add(usualPace.halted)
		w.turn()
	}
	if s, err := w.Status(0, 0); err != nil || !s.Alarm || s.Held != ReasonAuth || s.Queued != 10 {
		t.Errorf("%+v, %v: want the alarm, and all that waits", s, err)
	}
	tries := 0
	for _, n := range w.phone.tried {
		tries += n
	}
	if tries > 5+10 { // all of them once, then one each time
		t.Errorf("%d tries while the credentials were refused", tries)
	}
	w.phone.outcome = nil
	w.clock.add(usualPace.halted)
	w.turn()
	if s, err := w.Status(0, 0); err != nil || s.Alarm || s.Queued != 0 || len(w.phone.shown()) != 5 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestPlatformRefused: when the key for one platform is refused, its messages wait, and those to others are sent.
func TestPlatformRefused(t *testing.T) {
	t.Parallel()
	w := waiting(t, 2)
	w.phone.outcome = func(m *Message) Outcome {
		if m.Token == "token-l0" {
			return Outcome{Reason: ReasonThirdParty}
		}
		return Outcome{Reason: Sent}
	}
	w.turn()
	if got := w.phone.shown(); len(got) != 1 || w.phone.tried["token-l0"] != 2 { // a nudge and a message
		t.Errorf("%+v, %d tries", got, w.phone.tried["token-l0"])
	}
	w.phone.outcome = nil
	w.clock.add(usualPace.halted)
	w.turn()
	if got := w.phone.shown(); len(got) != 1 || got[0].Token != "token-l0" {
		t.Errorf("%+v", got)
	}
}

// TestBundle: what becomes news at the same moment is one message when it is too much for a screen, and all of it is in the inbox.
func TestBundle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("few")
	w.device("many")
	for i, words := range []string{"a", "b", "c", "d", "e"} {
		w.search("many", words, catalog.NotifyInstant)
		if i < bundleOver {
			w.search("few", words, catalog.NotifyInstant)
		}
	}
	w.turn()
	w.course("all", "a b c d e")
	w.pass(5 * time.Second)
	shown := map[string]int{}
	for _, m := range w.phone.shown() {
		shown[m.Token]++
		if m.Token == "token-many" && (m.Title != "5 pieces of news for you" || m.Data["type"] != "bundle") {
			t.Errorf("%+v", m)
		}
	}
	if shown["token-few"] != 3 || shown["token-many"] != 1 || len(w.inbox("many")) != 5 || len(w.inbox("few")) != 3 {
		t.Errorf("%v; %q and %q", shown, w.rules("few"), w.rules("many"))
	}
	w.sound()
}

// TestKilledAfterInbox: the process is killed when the notification is in the inbox and the message is not yet in the outbox. There is one of each in the end.
func TestKilledAfterInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.search("lea", "go", catalog.NotifyInstant)
	w.turn()
	w.course("go", "Go")
	w.follow()
	w.clock.add(5 * time.Second)
	if _, err := w.settle(w.clock.now()); err != nil {
		t.Fatal(err)
	}
	if err := w.tellRounds(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.folder, "push.db")
	before := filepath.Join(w.folder, "before.db")
	if err := w.db.View(func(tx *bolt.Tx) error { return tx.CopyFile(before, fileMode) }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(before, path); err != nil {
		t.Fatal(err)
	}
	w.open(true)
	w.pass(time.Second)
	if got := w.phone.shown(); len(got) != 1 || w.rules("lea") != "search_match s-go 1" {
		t.Errorf("%+v, inbox %q", got, w.rules("lea"))
	}
	w.sound()
}

// TestRefusedForOne: a token for which the service refuses our credentials holds nobody else up.
func TestRefusedForOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []catalog.LearnerID{"a", "b"} {
		w.device(who)
		w.search(who, "go", catalog.NotifyInstant)
	}
	w.pass(time.Hour)
	w.phone.outcome = func(m *Message) Outcome {
		if m.Token == "token-a" {
			return Outcome{Reason: ReasonAuth}
		}
		return Outcome{Reason: Sent}
	}
	for i := range 5 {
		w.course(catalog.CourseID(fmt.Sprint("go", i)), "Go")
		w.pass(time.Hour)
	}
	got := 0
	for _, m := range w.phone.shown() {
		if m.Token == "token-b" {
			got++
		}
	}
	if got != 5 {
		t.Errorf("the other got %d messages of 5", got)
	}
	w.sound()
}

// TestKilledWhileSending: what may have been taken before a kill is sent again as it was, whatever has come since.
func TestKilledWhileSending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.searches(6)
	w.pass(time.Hour)
	w.course("one", "go0")
	w.follow()
	w.clock.add(time.Second)
	w.decideAll()
	path := filepath.Join(w.folder, "push.db")
	killed := filepath.Join(w.folder, "killed.db")
	w.phone.outcome = func(m *Message) Outcome {
		if !m.Silent() {
			if err := w.db.View(func(tx *bolt.Tx) error { return tx.CopyFile(killed, fileMode) }); err != nil {
				t.Error(err)
			}
		}
		return Outcome{Reason: Sent}
	}
	w.turn()
	w.phone.outcome = nil
	first := w.phone.shown()
	if err := errors.Join(w.Close(), os.Rename(killed, path)); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		w.course(catalog.CourseID(fmt.Sprint("more", i)), fmt.Sprint("go", i+1))
	}
	w.clock.add(time.Second)
	w.open(true)
	w.follow()
	w.clock.add(time.Second)
	w.decideAll() // all of it is due now
	w.turn()
	var keys []string
	for _, m := range w.phone.shown() {
		keys = append(keys, m.Collapse)
	}
	slices.Sort(keys)
	if len(first) != 1 || len(keys) != 2 || !strings.HasPrefix(keys[0], "bundle-") || keys[1] != first[0].Collapse {
		t.Errorf("first %+v, then %q", first, keys)
	}
	w.sound()
}

// TestDoubtStays: what may have been taken once keeps its key, whatever the service says of later attempts.
func TestDoubtStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.searches(5)
	w.pass(time.Hour)
	var first string
	w.phone.outcome = func(m *Message) Outcome {
		if first = m.Collapse; m.Silent() {
			return Outcome{Reason: Sent}
		}
		return Outcome{Reason: ReasonNetwork}
	}
	w.course("one", "go0")
	w.pass(time.Second)
	w.phone.outcome = failing(ReasonUnavailable)
	w.pass(time.Minute)
	for i := 1; i < 5; i++ {
		w.find(i)
	}
	w.pass(time.Minute)
	w.phone.outcome = nil
	w.pass(time.Hour)
	w.pass(time.Hour)
	var got []string
	for _, m := range w.phone.shown() {
		got = append(got, m.Collapse)
	}
	slices.Sort(got)
	if len(got) != 2 || !strings.HasPrefix(got[0], "bundle-") || got[1] != first {
		t.Errorf("%q, want a bundle and %s", got, first)
	}
}

// TestRotated: an app that registers a new token while the service says that it does not know the old one gets what waits for it.
func TestRotated(t *testing.T) {
	t.Parallel()
	w := waiting(t, 1)
	w.phone.outcome = func(m *Message) Outcome {
		if m.Token != "token-l0" {
			return Outcome{Reason: Sent}
		}
		w.device("l0", func(d *catalog.Device) { d.Token = "new" })
		return Outcome{Reason: ReasonUnregistered}
	}
	w.pass(time.Minute)
	if got := w.phone.shown(); len(got) != 1 || got[0].Token != "new" || w.phone.tried["token-l0"] != 1 {
		t.Errorf("%+v", got)
	}
}

// TestAskedForTooMuch: a service that wants a year gets a day.
func TestAskedForTooMuch(t *testing.T) {
	t.Parallel()
	for _, why := range []Reason{ReasonUnavailable, ReasonInternal} {
		w := waiting(t, 1)
		w.phone.outcome = func(*Message) Outcome { return Outcome{Reason: why, RetryAfter: 300 * 24 * time.Hour} }
		w.turn()
		w.phone.outcome = nil
		w.pass(5 * 24 * time.Hour)
		w.course("later", "Go later")
		w.pass(time.Minute)
		if s, err := w.Status(10, 0); err != nil || s.Queued != 0 || len(w.phone.shown()) == 0 {
			t.Errorf("%s: %+v, %v", why, s, err)
		}
	}
}

// TestExpiredStaysDead: what came too late is a dead letter, and not a part of a bundle.
func TestExpiredStaysDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.searches(4)
	w.pass(time.Hour)
	publish := func(i int) {
		w.find(i)
		w.follow()
		w.clock.add(time.Second)
		w.decideAll()
	}
	for i := range 3 {
		publish(i)
	}
	w.clock.add(10 * 24 * time.Hour) // the server was off
	publish(3)
	w.turn()
	if s, err := w.Status(10, 0); err != nil || s.DeadCount != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if got := w.phone.shown(); len(got) != 1 || got[0].Title != "1 new course for “go3”" {
		t.Errorf("%+v", got)
	}
}
