package sync_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// keeper is what Bolt and Memory have beyond a Log.
type keeper interface {
	coursesync.Log
	Purge(ctx context.Context) (int, error)
	Renew(ctx context.Context, past coursesync.Seq) error
}

// onBoth runs a test on each log.
func onBoth(t *testing.T, test func(t *testing.T, c *clock, log keeper)) {
	t.Helper()
	t.Run("bolt", func(t *testing.T) {
		c := newClock()
		test(t, c, open(t, coursesync.BoltConfig{Now: c.now}))
	})
	t.Run("memory", func(t *testing.T) {
		c := newClock()
		test(t, c, coursesync.NewMemory("memory", c.now))
	})
}

func floorOf(t *testing.T, log coursesync.Log, channel coursesync.Channel, kinds ...coursesync.Kind) coursesync.Seq {
	t.Helper()
	floor, err := log.Floor(t.Context(), channel, kinds...)
	if err != nil {
		t.Fatalf("Floor: %v", err)
	}
	return floor
}

func purge(t *testing.T, log keeper, want int) {
	t.Helper()
	if n, err := log.Purge(t.Context()); n != want || err != nil {
		t.Fatalf("Purge: %d, %v; want %d", n, err, want)
	}
}

func TestPurge(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clock, log keeper) {
		t.Helper()
		review := upsert("catalog", "r", `1`)
		review.Kind = "review"
		mustAppend(t, log, upsert("catalog", "a", `1`), upsert("catalog", "b", `1`), upsert("org:acme", "x", `1`), review)
		first := mustAppend(t, log, remove("catalog", "a"), remove("org:acme", "x"))
		c.pass(40 * day)
		second := mustAppend(t, log, remove("catalog", "b"))
		c.pass(40 * day)
		purge(t, log, 0)
		c.pass(10 * day)
		purge(t, log, 0) // exactly as old as is kept
		c.pass(day)
		purge(t, log, 2)
		for _, f := range []struct {
			want    coursesync.Seq
			channel coursesync.Channel
			kinds   []coursesync.Kind
		}{
			{first - 1, "catalog", nil},
			{first - 1, "catalog", []coursesync.Kind{"review", "course"}},
			{0, "catalog", []coursesync.Kind{"review"}},
			{first, "org:acme", nil},
			{0, "org:", nil},
			{first, "", nil},
		} {
			if got := floorOf(t, log, f.channel, f.kinds...); got != f.want {
				t.Errorf("floor of %q %v: %d, want %d", f.channel, f.kinds, got, f.want)
			}
		}
		if _, ok, err := log.Get(t.Context(), "course", "a"); ok || err != nil {
			t.Errorf("the tombstone is left, %v", err)
		}
		c.pass(40 * day)
		purge(t, log, 1)
		if got := floorOf(t, log, "catalog"); got != second {
			t.Errorf("floor %d, want %d", got, second)
		}
		if got := headOf(t, log); got != second {
			t.Errorf("head %d, want %d", got, second)
		}
		again := mustAppend(t, log, upsert("org:beta", "a", `2`)) // nothing is left of it, not even its channel
		if got, _, _ := log.Get(t.Context(), "course", "a"); got.Created != again || again != second+1 {
			t.Errorf("made again: %+v, want Seq %d", got, second+1)
		}
	})
}

// TestPurgeClockJump has a tombstone of the future before one that is old: the clock was wrong for a while.
func TestPurgeClockJump(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clock, log keeper) {
		t.Helper()
		mustAppend(t, log, upsert("catalog", "a", `1`), upsert("catalog", "b", `1`))
		c.pass(1_000 * day)
		mustAppend(t, log, remove("catalog", "a"))
		c.pass(-1_000 * day)
		mustAppend(t, log, remove("catalog", "b"))
		c.pass(100 * day)
		purge(t, log, 1)
		if all := readAll(t, log, 0); len(all) != 1 || all[0].Key != "a" {
			t.Errorf("left: %v", all)
		}
	})
}

func TestPurgeInChunks(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clock, log keeper) {
		t.Helper()
		const n = coursesync.ReadChunk + 5
		var made, gone []coursesync.Change
		for i := range n {
			made = append(made, upsert("catalog", fmt.Sprint(i), `1`))
			gone = append(gone, remove("catalog", fmt.Sprint(i)))
		}
		mustAppend(t, log, made...)
		mustAppend(t, log, gone...)
		c.pass(100 * day)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := log.Purge(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		purge(t, log, n)
		if all := readAll(t, log, 0); len(all) > 0 {
			t.Errorf("left: %d", len(all))
		}
	})
}

func TestRenew(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clock, log keeper) {
		t.Helper()
		old := mustAppend(t, log, upsert("catalog", "a", `1`), upsert("org:acme", "b", `1`))
		c.pass(day)
		start := coursesync.Seq(c.now().Unix()) << 20
		renew := func(want coursesync.Seq) {
			t.Helper()
			if err := log.Renew(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if got := headOf(t, log); got != want {
				t.Errorf("head %d, want %d", got, want)
			}
			for _, channel := range []coursesync.Channel{"", "catalog", "org:acme", "staff", "learner:new"} {
				if got := floorOf(t, log, channel); got != want {
					t.Errorf("floor of %q: %d, want %d", channel, got, want)
				}
				if got := floorOf(t, log, channel, "course"); got != want {
					t.Errorf("floor of courses in %q: %d, want %d", channel, got, want)
				}
			}
			entries := readAll(t, log, old)
			if len(entries) != 1 || entries[0].Seq != want || entries[0].Kind != coursesync.KindRestore || entries[0].Channel != "staff" {
				t.Errorf("appended: %+v", entries)
			}
		}
		renew(start)
		renew(start + 1) // twice in a second
		c.pass(-2 * day)
		renew(start + 2) // the clock is behind
		var keys []string
		for _, c := range readAll(t, log, 0) {
			keys = append(keys, c.Key)
		}
		if diff := cmp.Diff([]string{"a", "b", "restore"}, keys); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestRenewWakes shows that a restore is news.
func TestRenewWakes(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *clock, log keeper) {
		t.Helper()
		head := headOf(t, log)
		woken := make(chan error)
		go func() { woken <- log.Wait(t.Context(), head) }()
		if err := log.Renew(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if err := <-woken; err != nil {
			t.Error(err)
		}
	})
}
