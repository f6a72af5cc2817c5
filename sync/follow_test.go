package sync_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/logtest"
)

// copier is a follower that keeps a copy of the bodies of what lives.
type copier struct {
	at     coursesync.Cursor
	bodies map[string]string
	places map[string]coursesync.Channel
	sizes  []int // of the batches
	resets int
	before func(batch []coursesync.Change) error // asked before anything is applied; may be nil
	reset  func() error                          // may be nil
}

func newCopier() *copier {
	return &copier{bodies: map[string]string{}, places: map[string]coursesync.Channel{}}
}

func (f *copier) Name() string { return "copier" }

func (f *copier) Cursor(context.Context) (coursesync.Cursor, error) { return f.at, nil }

func (f *copier) Apply(_ context.Context, batch []coursesync.Change, next coursesync.Cursor) error {
	if f.before != nil {
		if err := f.before(batch); err != nil {
			return err
		}
	}
	f.sizes = append(f.sizes, len(batch))
	for _, c := range batch {
		switch c.Op {
		case coursesync.OpUpsert:
			f.bodies[c.Key], f.places[c.Key] = string(c.Body), c.Channel
		case coursesync.OpDelete:
			delete(f.bodies, c.Key)
		case coursesync.OpErase:
			maps.DeleteFunc(f.bodies, func(key, _ string) bool { return f.places[key] == c.Erases })
		case coursesync.OpAssert: // is not kept
		}
	}
	f.at = next
	return nil
}

func (f *copier) Reset(context.Context) error {
	f.resets++
	if f.reset != nil {
		return f.reset()
	}
	fresh := newCopier()
	f.at, f.bodies, f.places = fresh.at, fresh.bodies, fresh.places
	return nil
}

func TestFollowerContract(t *testing.T) {
	logtest.Follower(t,
		func(*testing.T) coursesync.Follower { return newCopier() },
		func(_ *testing.T, f coursesync.Follower) any { return maps.Clone(f.(*copier).bodies) },
		[]coursesync.Change{upsert("catalog", "a", `1`), upsert("learner:ada", "b", `1`)},
		[]coursesync.Change{upsert("catalog", "a", `2`), upsert("catalog", "c", `1`), upsert("catalog", "d", `1`)},
		[]coursesync.Change{remove("catalog", "c"), remove("catalog", "d")},
		[]coursesync.Change{upsert("catalog", "d", `2`), eraseAda()},
		[]coursesync.Change{upsert("learner:ada", "e", `1`)},
	)
}

// fill appends n entities.
func fill(t *testing.T, log coursesync.Log, n int) {
	t.Helper()
	var batch []coursesync.Change
	for i := range n {
		batch = append(batch, upsert("catalog", fmt.Sprint(i), `1`))
	}
	mustAppend(t, log, batch...)
}

func catchUp(t *testing.T, log coursesync.Log, f *copier, wantResets int) {
	t.Helper()
	if err := coursesync.CatchUp(t.Context(), log, f); err != nil {
		t.Fatalf("CatchUp: %v", err)
	}
	if want := (coursesync.Cursor{Log: log.ID(), Seq: headOf(t, log)}); f.at != want {
		t.Errorf("the follower is at %+v, want %+v", f.at, want)
	}
	want := map[string]string{}
	for _, c := range readAll(t, log, 0) {
		if c.Op == coursesync.OpUpsert {
			want[c.Key] = string(c.Body)
		}
	}
	if diff := cmp.Diff(want, f.bodies); diff != "" {
		t.Errorf("(-log +follower):\n%s", diff)
	}
	if f.resets != wantResets {
		t.Errorf("%d resets, want %d", f.resets, wantResets)
	}
}

func TestCatchUpInBatches(t *testing.T) {
	log := coursesync.NewMemory("log", nil)
	f := newCopier()
	catchUp(t, log, f, 0)
	fill(t, log, 2_100)
	f.sizes = nil
	catchUp(t, log, f, 0)
	if diff := cmp.Diff([]int{1_000, 1_000, 100}, f.sizes); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	for i := range 5 { // large ones come fewer at a time
		mustAppend(t, log, upsert("catalog", fmt.Sprint("large", i), string(make([]byte, coursesync.MaxBody))))
	}
	f.sizes = nil
	catchUp(t, log, f, 0)
	if diff := cmp.Diff([]int{2, 2, 1}, f.sizes); diff != "" {
		t.Errorf("batches of large ones (-want +got):\n%s", diff)
	}
}

// TestStartOver has a case for each way in which a cursor can be useless, and for those that look so and are not.
func TestStartOver(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clock, log keeper) {
		t.Helper()
		f := newCopier()
		mustAppend(t, log, upsert("catalog", "a", `1`), upsert("catalog", "b", `1`), upsert("learner:ada", "c", `1`))
		catchUp(t, log, f, 0)

		f.at.Log = "another"
		catchUp(t, log, f, 1)
		f.at.Seq += 5
		catchUp(t, log, f, 2)

		mustAppend(t, log, remove("catalog", "a"))
		catchUp(t, log, f, 2)
		c.pass(100 * day)
		purge(t, log, 1)
		catchUp(t, log, f, 2) // it has seen what was purged

		mustAppend(t, log, remove("catalog", "b"))
		c.pass(100 * day)
		purge(t, log, 1)
		catchUp(t, log, f, 3) // it has not

		mustAppend(t, log, upsert("catalog", "e", `1`), eraseAda())
		catchUp(t, log, f, 3) // an erasure is news, not a loss

		if err := log.Renew(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		catchUp(t, log, f, 4)
		catchUp(t, log, newCopier(), 0) // a fresh one is behind every floor, and needs nothing from there
	})
}

// TestFirstPass fails in the middle of a first pass over old entries, while the floor is far ahead: the pass goes on where it was.
func TestFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := coursesync.NewMemory("log", nil)
		fill(t, log, 3_000)
		mustAppend(t, log, upsert("catalog", "x", `1`))
		mustAppend(t, log, remove("catalog", "x"))
		time.Sleep(100 * day)
		purge(t, log, 1)
		f := newCopier()
		fails := 0
		f.before = func([]coursesync.Change) error {
			if len(f.sizes) == 2 && fails < 3 {
				fails++
				return errors.New("not now")
			}
			return nil
		}
		var p coursesync.Progress
		stop := follow(t, log, f, &p)
		waitCaughtUp(&p)
		stop()
		if diff := cmp.Diff([]int{1_000, 1_000, 1_000}, f.sizes); diff != "" || f.resets > 0 || fails != 3 {
			t.Errorf("%d resets, %d failures, batches (-want +got):\n%s", f.resets, fails, diff)
		}
	})
}

// follow runs Follow until stop is called, which wants it to end by its context.
func follow(t *testing.T, log coursesync.Log, f coursesync.Follower, p *coursesync.Progress) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- coursesync.Follow(ctx, log, f, p) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow: %v", err)
		}
	}
}

// waitCaughtUp waits, in the time of a synctest bubble.
func waitCaughtUp(p *coursesync.Progress) {
	for synctest.Wait(); !p.State().CaughtUp || p.State().Err != nil; synctest.Wait() {
		time.Sleep(time.Second)
	}
}

func TestFollowLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := coursesync.NewMemory("log", nil)
		f := newCopier()
		var p coursesync.Progress
		stop := follow(t, log, f, &p)
		for i := range 5 {
			seq := mustAppend(t, log, upsert("catalog", "a", fmt.Sprint(i)))
			synctest.Wait()
			if got := p.State(); got.Cursor != seq || got.Head != seq || !got.CaughtUp || got.Err != nil || f.bodies["a"] != fmt.Sprint(i) {
				t.Errorf("after %d: %+v, %v", seq, got, f.bodies)
			}
		}
		stop()
	})
}

// TestBackoff has a follower that fails for a long time: attempts become rarer, up to a bound, and at once frequent when it recovers.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := coursesync.NewMemory("log", nil)
		mustAppend(t, log, upsert("catalog", "a", `1`))
		var attempts []time.Time
		no, broken := errors.New("no"), true
		f := newCopier()
		f.before = func([]coursesync.Change) error {
			attempts = append(attempts, time.Now())
			if broken {
				return no
			}
			return nil
		}
		var p coursesync.Progress
		stop := follow(t, log, f, &p)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		want := 100 * time.Millisecond
		for i := 1; i < len(attempts); i++ {
			if got := attempts[i].Sub(attempts[i-1]); got < want || got > want*3/2 {
				t.Errorf("wait %d: %v, want %v to %v", i, got, want, want*3/2)
			}
			want = min(2*want, 30*time.Second)
		}
		if want != 30*time.Second || len(attempts) < 12 {
			t.Errorf("%d attempts in five minutes", len(attempts))
		}
		if got := p.State(); !errors.Is(got.Err, no) || got.CaughtUp {
			t.Errorf("%+v", got)
		}
		broken = false
		waitCaughtUp(&p)
		attempts, broken = nil, true
		mustAppend(t, log, upsert("catalog", "a", `2`))
		time.Sleep(time.Second)
		synctest.Wait()
		if len(attempts) < 3 {
			t.Errorf("%d attempts in the first second of another failure", len(attempts))
		}
		stop()
	})
}

// TestPurgedMeanwhile has a follower that hangs, and then fails, for so long that tombstones are purged which it never saw.
func TestPurgedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := coursesync.NewMemory("log", nil)
		mustAppend(t, log, upsert("catalog", "a", `1`), upsert("catalog", "b", `1`))
		f := newCopier()
		hung := false
		f.before = func(batch []coursesync.Change) error {
			if hung || len(batch) > 1 {
				return nil
			}
			hung = true
			time.Sleep(100 * day)
			return errors.New("no")
		}
		var p coursesync.Progress
		stop := follow(t, log, f, &p)
		waitCaughtUp(&p)
		mustAppend(t, log, remove("catalog", "a"))
		time.Sleep(coursesync.TombstoneAge + day)
		purge(t, log, 1)
		time.Sleep(30 * day)
		stop()
		if diff := cmp.Diff(map[string]string{"b": `1`}, f.bodies); diff != "" || f.resets != 1 || p.State().Resets != 1 {
			t.Errorf("%d resets, (-want +got):\n%s", f.resets, diff)
		}
	})
}

// TestPurgedWhileReading purges between the reading of a batch and its use.
func TestPurgedWhileReading(t *testing.T) {
	c := newClock()
	log := &purging{Memory: coursesync.NewMemory("log", c.now)}
	mustAppend(t, log, upsert("catalog", "a", `1`), upsert("catalog", "b", `1`))
	f := newCopier()
	catchUp(t, log, f, 0)
	mustAppend(t, log, remove("catalog", "a"))
	mustAppend(t, log, upsert("catalog", "c", `1`))
	c.pass(100 * day)
	log.purge = func() { purge(t, log, 1) }
	catchUp(t, log, f, 1)
}

// purging is a log that purges just before it reads.
type purging struct {
	*coursesync.Memory
	purge func()
}

func (p *purging) Floor(ctx context.Context, channel coursesync.Channel, kinds ...coursesync.Kind) (coursesync.Seq, error) {
	floor, err := p.Memory.Floor(ctx, channel, kinds...)
	if fn := p.purge; fn != nil {
		p.purge = nil
		fn() // after the first look at the floor, before anything is read
	}
	return floor, err
}

func TestUselessReset(t *testing.T) {
	log := coursesync.NewMemory("log", nil)
	mustAppend(t, log, upsert("catalog", "a", `1`))
	f := newCopier()
	f.at = coursesync.Cursor{Log: "another", Seq: 1}
	f.reset = func() error { return nil }
	if err := coursesync.CatchUp(t.Context(), log, f); err == nil || len(f.sizes) > 0 {
		t.Errorf("a follower that stays where it cannot be was fed %v, %v", f.sizes, err)
	}
	no := errors.New("no")
	f.reset = func() error { return no }
	if err := coursesync.CatchUp(t.Context(), log, f); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	f.reset = func() error { // as one that acts on the world: it goes on from now
		f.at = coursesync.Cursor{Log: log.ID(), Seq: headOf(t, log)}
		return nil
	}
	mustAppend(t, log, upsert("catalog", "b", `1`))
	if err := coursesync.CatchUp(t.Context(), log, f); err != nil || len(f.bodies) > 0 {
		t.Errorf("it was fed %v, %v", f.bodies, err)
	}
}

func TestFollowClosedLog(t *testing.T) {
	log := open(t, coursesync.BoltConfig{})
	ended := make(chan error)
	go func() { ended <- coursesync.Follow(t.Context(), log, newCopier(), nil) }()
	shut(t, log)
	if err := <-ended; !fault.Is(err, fault.NotReady) {
		t.Errorf("got %v, want %s", err, fault.NotReady)
	}
}
