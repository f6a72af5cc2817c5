package sync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

func TestFirstSeq(t *testing.T) {
	c := newClock()
	first := coursesync.Seq(c.now().Unix()) << 20
	for name, log := range map[string]coursesync.Log{
		"bolt":   open(t, coursesync.BoltConfig{Now: c.now}),
		"memory": coursesync.NewMemory("memory", c.now),
	} {
		if got := mustAppend(t, log, upsert("catalog", "a", `1`)); got != first {
			t.Errorf("%s: the first Seq is %d, want %d", name, got, first)
		}
		if got := mustAppend(t, log, upsert("catalog", "b", `1`)); got != first+1 {
			t.Errorf("%s: the second Seq is %d, want %d", name, got, first+1)
		}
		if got := readAll(t, log, 0)[0].At; !got.Equal(c.now()) {
			t.Errorf("%s: at %v, want %v", name, got, c.now())
		}
	}
}

func TestReopen(t *testing.T) {
	c := newClock()
	cfg := coursesync.BoltConfig{Path: filepath.Join(t.TempDir(), "folder", "log.db"), Now: c.now}
	b := open(t, cfg)
	id := b.ID()
	mustAppend(t, b, upsert("catalog", "a", `1`), upsert("catalog", "b", `1`))
	head := mustAppend(t, b, remove("catalog", "a"))
	c.pass(coursesync.TombstoneAge + day)
	if n, err := b.Purge(t.Context()); n != 1 || err != nil {
		t.Fatalf("Purge: %d, %v", n, err)
	}
	before := readAll(t, b, 0)
	shut(t, b)
	shut(t, b)

	b = open(t, cfg)
	if got := headOf(t, b); b.ID() != id || got != head {
		t.Errorf("id %s, head %d; want %s, %d, although the last change was purged", b.ID(), got, id, head)
	}
	if diff := cmp.Diff(before, readAll(t, b, 0)); diff != "" {
		t.Errorf("Read (-before +after):\n%s", diff)
	}
	if got := mustAppend(t, b, upsert("catalog", "a", `2`)); got != head+1 {
		t.Errorf("the next Seq is %d, want %d", got, head+1)
	}
}

func TestClosed(t *testing.T) {
	b := open(t, coursesync.BoltConfig{})
	m := coursesync.NewMemory("memory", nil)
	mustAppend(t, b, upsert("catalog", "a", `1`))
	mustAppend(t, m, upsert("catalog", "a", `1`))
	if err := errors.Join(b.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]coursesync.Log{"bolt": b, "memory": m} {
		_, appending := log.Append(t.Context(), upsert("catalog", "a", `1`))
		_, _, getting := log.Get(t.Context(), "course", "a")
		_, head := log.Head(t.Context())
		_, floor := log.Floor(t.Context(), "catalog")
		waiting := log.Wait(t.Context(), 1<<52)
		for _, err := range []error{appending, getting, head, floor, waiting} {
			if !fault.Is(err, fault.NotReady) {
				t.Errorf("%s: %v, want %s", name, err, fault.NotReady)
			}
		}
	}
	for name, log := range map[string]coursesync.Log{"bolt": b, "memory": m} {
		count := 0
		for _, err := range log.Read(t.Context(), 0) {
			count++
			if !fault.Is(err, fault.NotReady) {
				t.Errorf("%s: Read: %v", name, err)
			}
		}
		if count != 1 {
			t.Errorf("%s: Read yielded %d times", name, count)
		}
	}
}

func TestLocked(t *testing.T) {
	cfg := coursesync.BoltConfig{Path: filepath.Join(t.TempDir(), "log.db"), LockTimeout: 10 * time.Millisecond}
	open(t, cfg)
	_, err := tryOpen(t, cfg)
	if !fault.Is(err, fault.Locked) || !strings.Contains(err.Error(), "--server") {
		t.Errorf("got %v, want %s and a word about --server", err, fault.Locked)
	}
}

// TestDamaged opens what is no log. Each time the file must stay as it was.
func TestDamaged(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	b := open(t, coursesync.BoltConfig{Path: good})
	for i := range 100 {
		mustAppend(t, b, upsert("catalog", fmt.Sprint(i), `"`+strings.Repeat("x", 1_000)+`"`))
	}
	shut(t, b)
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"text", []byte(strings.Repeat("This is a letter, not a log.\n", 1_000))},
		{"short text", []byte("hello")},
		{"zeros", make([]byte, 1<<16)},
		{"cut in the first page", raw[:1_000]},
		{"cut in the second page", raw[:5_000]},
		{"cut behind the headers", raw[:8_192]},
		{"cut in the middle", raw[:20_480]},
		{"zeros behind the headers", append(bytes.Clone(raw[:8_192]), make([]byte, len(raw)-8_192)...)},
		{"another program's", foreign(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			if err := os.WriteFile(path, c.raw, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := tryOpen(t, coursesync.BoltConfig{Path: path})
			if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("got %v, want %s and what to do", err, fault.Corrupt)
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(c.raw, after) {
				t.Error("the file was changed")
			}
		})
	}
}

// foreign returns a bbolt file that is not ours.
func foreign(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("widgets"))
		return err
	}), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestView(t *testing.T) {
	b := open(t, coursesync.BoltConfig{})
	mustAppend(t, b, upsert("catalog", "a/1", `1`), upsert("catalog", "a/2", `1`), upsert("catalog", "a/3", `1`), upsert("catalog", "b", `1`),
		upsert("catalog", "a", `1`))
	other := upsert("catalog", "a/1", `1`)
	other.Kind = "courses"
	mustAppend(t, b, remove("catalog", "a/2"), other)
	for _, c := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "", []string{"a", "a/1", "a/3", "b"}},
		{"a/", "", []string{"a/1", "a/3"}},
		{"a/", "a/1", []string{"a/3"}},
		{"a/", "a/10", []string{"a/3"}},
		{"a/", "a/3", nil},
		{"a/", "0", []string{"a/1", "a/3"}},
		{"a/", "b", nil},
		{"", "a/3", []string{"b"}},
		{"c", "", nil},
	} {
		var got []string
		if err := b.View(t.Context(), func(v *coursesync.BoltView) error {
			for e := range v.Entities("course", c.prefix, c.after) {
				got = append(got, e.Key)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("prefix %q, after %q (-want +got):\n%s", c.prefix, c.after, diff)
		}
	}
	if err := b.View(t.Context(), func(v *coursesync.BoltView) error {
		for _, key := range []string{"a/1", "a/2", "a/3", "b", "c"} {
			last, ok := v.Get("course", key)
			if seq, live := v.Version("course", key); live != (ok && last.Op != coursesync.OpDelete) || live && seq != last.Seq {
				t.Errorf("%s: version %d, %v; its last change is %+v", key, seq, live, last)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	own := errors.New("own")
	if err := b.View(t.Context(), func(v *coursesync.BoltView) error {
		if gone, ok := v.Get("course", "a/2"); !ok || gone.Op != coursesync.OpDelete || v.Head() != gone.Seq+1 {
			t.Errorf("tombstone %+v, head %d", gone, v.Head())
		}
		return own
	}); err != own { //nolint:errorlint // it must be the very same
		t.Errorf("View: %v", err)
	}
}

func TestBackup(t *testing.T) {
	b := open(t, coursesync.BoltConfig{Zero: &byBody{schema: 1}})
	mustAppend(t, b, upsert("catalog", "a", `1`), upsert("catalog", "b", `1`))
	mustAppend(t, b, remove("catalog", "a"))
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Backup(t.Context(), f, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 1<<20 {
		t.Errorf("%v, %v: a backup is as large as what it holds, not as its mapping", info, err)
	}
	before := readAll(t, b, 0)
	mustAppend(t, b, upsert("catalog", "c", `1`))
	again := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}})
	if diff := cmp.Diff(before, readAll(t, again, 0)); diff != "" {
		t.Errorf("the backup (-original +backup):\n%s", diff)
	}
	if again.ID() != b.ID() {
		t.Error("the backup is of another log")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Backup(ctx, &bytes.Buffer{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := b.Backup(t.Context(), failing{}, nil); err == nil {
		t.Error("a backup that could not be written was reported as done")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no") }
