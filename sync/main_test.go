package sync_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	stdsync "sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/logtest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(playRole(role))
	}
	slog.SetDefault(quiet)
	goleak.VerifyTestMain(m)
}

// soak says whether the long versions run.
func soak() bool { return os.Getenv("CARREL_SOAK") != "" }

func TestBolt(t *testing.T) {
	logtest.Run(t, func(t *testing.T) coursesync.Log {
		t.Helper()
		return open(t, coursesync.BoltConfig{})
	})
}

func TestMemory(t *testing.T) {
	logtest.Run(t, func(*testing.T) coursesync.Log { return coursesync.NewMemory("memory", nil) })
}

// quiet logs nothing.
var quiet = slog.New(slog.DiscardHandler)

func tryOpen(tb testing.TB, cfg coursesync.BoltConfig) (*coursesync.Bolt, error) {
	tb.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(tb.TempDir(), "log.db")
	}
	cfg.Logger = quiet
	return coursesync.OpenBolt(cfg)
}

func open(tb testing.TB, cfg coursesync.BoltConfig) *coursesync.Bolt {
	tb.Helper()
	b, err := tryOpen(tb, cfg)
	if err != nil {
		tb.Fatalf("OpenBolt: %v", err)
	}
	tb.Cleanup(func() { shut(tb, b) })
	return b
}

func shut(tb testing.TB, b *coursesync.Bolt) {
	tb.Helper()
	if err := b.Close(); err != nil {
		tb.Errorf("Close: %v", err)
	}
}

// clock is a time that a test sets.
type clock struct {
	mu stdsync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const day = 24 * time.Hour

func upsert(channel coursesync.Channel, key, body string) coursesync.Change {
	return coursesync.Change{Channel: channel, Kind: "course", Key: key, Op: coursesync.OpUpsert, Body: []byte(body)}
}

func remove(channel coursesync.Channel, key string) coursesync.Change {
	return coursesync.Change{Channel: channel, Kind: "course", Key: key, Op: coursesync.OpDelete}
}

func eraseAda() coursesync.Change {
	return coursesync.Change{Channel: "staff", Kind: "erasure", Key: "hash", Op: coursesync.OpErase, Erases: "learner:ada"}
}

func mustAppend(tb testing.TB, log coursesync.Log, batch ...coursesync.Change) coursesync.Seq {
	tb.Helper()
	seq, err := log.Append(tb.Context(), batch...)
	if err != nil {
		tb.Fatalf("Append: %v", err)
	}
	return seq
}

func readAll(tb testing.TB, log coursesync.Log, from coursesync.Seq, channels ...coursesync.Channel) []coursesync.Change {
	tb.Helper()
	var all []coursesync.Change
	for c, err := range log.Read(context.Background(), from, channels...) {
		if err != nil {
			tb.Fatalf("Read: %v", err)
		}
		all = append(all, c)
	}
	return all
}

func headOf(tb testing.TB, log coursesync.Log) coursesync.Seq {
	tb.Helper()
	head, err := log.Head(context.Background())
	if err != nil {
		tb.Fatalf("Head: %v", err)
	}
	return head
}

// byBody is a follower zero: it finds entities by their body, and needs Prev to stay true.
type byBody struct {
	schema int
	fail   func(c coursesync.Applied) error // nil: never
}

const byBodyTable = "bybody/rows"

func (z *byBody) Name() string { return "bybody" }
func (z *byBody) Schema() int  { return z.schema }

func (z *byBody) ApplyIn(tx *bolt.Tx, changes []coursesync.Applied) error {
	rows, err := tx.CreateBucketIfNotExists([]byte(byBodyTable))
	if err != nil {
		return err
	}
	for _, c := range changes {
		if z.fail != nil {
			if err := z.fail(c); err != nil {
				return err
			}
		}
		if c.Prev != nil && c.Prev.Op == coursesync.OpUpsert {
			if err := rows.Delete(row(*c.Prev)); err != nil {
				return err
			}
		}
		if c.Op == coursesync.OpUpsert {
			if err := rows.Put(row(c.Change), []byte{1}); err != nil {
				return err
			}
		}
	}
	return nil
}

func row(c coursesync.Change) []byte {
	return bytes.Join([][]byte{c.Body[:min(len(c.Body), 64)], []byte(c.Kind), []byte(c.Key)}, []byte{'|'})
}

// rowsOf returns the rows of byBody's table, and those that it should have.
func rowsOf(tb testing.TB, b *coursesync.Bolt) (got, want []string) {
	tb.Helper()
	if err := b.View(context.Background(), func(v *coursesync.BoltView) error {
		if rows := v.Tx().Bucket([]byte(byBodyTable)); rows != nil {
			return rows.ForEach(func(k, _ []byte) error {
				got = append(got, string(k))
				return nil
			})
		}
		return nil
	}); err != nil {
		tb.Fatalf("View: %v", err)
	}
	for _, c := range readAll(tb, b, 0) {
		if c.Op == coursesync.OpUpsert {
			want = append(want, string(row(c)))
		}
	}
	slices.Sort(want)
	return got, want
}
