package sync_test

import (
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

// restoring is a folder with a log and an older backup of it.
type restoring struct {
	t            *testing.T
	dir          string
	path, backup string
	clock        *clock
	id           coursesync.LogID
	head         coursesync.Seq // of the log, not of the backup
}

func newRestoring(t *testing.T) *restoring {
	t.Helper()
	r := &restoring{t: t, dir: t.TempDir(), clock: newClock()}
	r.path, r.backup = filepath.Join(r.dir, "log.db"), filepath.Join(t.TempDir(), "backup.db")
	b := open(t, coursesync.BoltConfig{Path: r.path, Now: r.clock.now})
	mustAppend(t, b, upsert("catalog", "a", `"backed up"`))
	f, err := os.Create(r.backup)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Backup(t.Context(), f, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	r.id, r.head = b.ID(), mustAppend(t, b, upsert("catalog", "a", `"newer"`), upsert("catalog", "b", `"newer"`))
	shut(t, b)
	return r
}

func (r *restoring) restore(change ...func(*coursesync.RestoreConfig)) (coursesync.Restored, error) {
	r.t.Helper()
	cfg := coursesync.RestoreConfig{Path: r.path, Backup: r.backup, Now: r.clock.now, Logger: quiet, LockTimeout: time.Nanosecond}
	for _, fn := range change {
		fn(&cfg)
	}
	return coursesync.Restore(r.t.Context(), cfg)
}

// bodies are what a log's courses say.
func (r *restoring) bodies(path string) map[string]string {
	r.t.Helper()
	b, err := tryOpen(r.t, coursesync.BoltConfig{Path: path, ReadOnly: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer shut(r.t, b)
	all := map[string]string{}
	for _, c := range readAll(r.t, b, 0) {
		if c.Kind == "course" {
			all[c.Key] = string(c.Body)
		}
	}
	return all
}

var newer, backedUp = map[string]string{"a": `"newer"`, "b": `"newer"`}, map[string]string{"a": `"backed up"`}

// unchanged looks for anything that a restore which failed has left.
func (r *restoring) unchanged(want map[string]string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.bodies(r.path)); diff != "" {
		r.t.Errorf("(-want +got):\n%s", diff)
	}
	if left, err := filepath.Glob(filepath.Join(r.dir, "*")); err != nil || len(left) != 1 {
		r.t.Errorf("left: %v, %v", left, err)
	}
}

func TestRestore(t *testing.T) {
	r := newRestoring(t)
	var asides []string
	head := r.head
	for n := range 3 { // within one second
		prepared := ""
		out, err := r.restore(func(cfg *coursesync.RestoreConfig) {
			cfg.Prepare = func(_ context.Context, path string) error {
				prepared = path
				if diff := cmp.Diff(backedUp, r.bodies(path)); diff != "" { //nolint:contextcheck // the helper has the test's
					t.Errorf("prepared (-want +got):\n%s", diff)
				}
				return nil
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if out.ID != r.id || out.Live != 1 || prepared == "" || prepared == r.path {
			t.Errorf("%+v, prepared %s", out, prepared)
		}
		if diff := cmp.Diff(backedUp, r.bodies(r.path)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		b := open(t, coursesync.BoltConfig{Path: r.path, Now: r.clock.now})
		now := headOf(t, b)
		if renewed, err := b.Renewed(t.Context()); now <= head || renewed != now || floorOf(t, b, "catalog") != now || err != nil {
			t.Errorf("restore %d: head %d after %d, renewed %d, %v", n, now, head, renewed, err)
		}
		head = now
		shut(t, b)
		asides = append(asides, filepath.Base(out.Aside))
	}
	if diff := cmp.Diff([]string{"log.db.before-restore-1", "log.db.before-restore-2", "log.db.before-restore-3"}, asides); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(newer, r.bodies(r.path+".before-restore-1")); diff != "" {
		t.Errorf("the first one that was kept (-want +got):\n%s", diff)
	}
}

// TestRestoreIntoNothing: without a log there is none to be kept.
func TestRestoreIntoNothing(t *testing.T) {
	r := newRestoring(t)
	r.dir = filepath.Join(t.TempDir(), "new", "folder")
	r.path = filepath.Join(r.dir, "log.db")
	out, err := r.restore()
	if err != nil || out.Aside != "" {
		t.Fatalf("%+v, %v", out, err)
	}
	r.unchanged(backedUp)
}

// TestRestoreOverDamage is what restores are for.
func TestRestoreOverDamage(t *testing.T) {
	for name, damage := range map[string][]byte{"text": []byte(strings.Repeat("no log\n", 9_000)), "cut": nil} {
		t.Run(name, func(t *testing.T) {
			r := newRestoring(t)
			if damage == nil {
				raw, err := os.ReadFile(r.path)
				if err != nil {
					t.Fatal(err)
				}
				damage = raw[:8_192]
			}
			if err := os.WriteFile(r.path, damage, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := r.restore()
			if err != nil {
				t.Fatal(err)
			}
			if kept, err := os.ReadFile(out.Aside); err != nil || string(kept) != string(damage) {
				t.Errorf("the damaged log was not kept: %v", err)
			}
			if diff := cmp.Diff(backedUp, r.bodies(r.path)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRestoreRefuses: whatever is wrong is said, and nothing is changed.
func TestRestoreRefuses(t *testing.T) {
	raw := func(change func(raw []byte) []byte) func(r *restoring) {
		return func(r *restoring) {
			text, err := os.ReadFile(r.backup)
			if err != nil {
				r.t.Fatal(err)
			}
			if err := os.WriteFile(r.backup, change(text), 0o600); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	other := errors.New("erasures cannot be applied")
	for _, tc := range []struct {
		name  string
		spoil func(r *restoring)
		cfg   func(cfg *coursesync.RestoreConfig)
		code  fault.Code
		says  string
	}{
		{name: "empty", spoil: raw(func([]byte) []byte { return nil }), code: fault.Corrupt, says: "no whole backup"},
		{name: "text", spoil: raw(func([]byte) []byte { return []byte(strings.Repeat("id,title\n", 9_000)) }), code: fault.Corrupt, says: "no whole backup"},
		{name: "cut", spoil: raw(func(raw []byte) []byte { return raw[:len(raw)-1] }), code: fault.Corrupt, says: "no whole backup"},
		{name: "another program's", spoil: func(r *restoring) {
			if err := os.WriteFile(r.backup, foreign(r.t), 0o600); err != nil {
				r.t.Fatal(err)
			}
		}, code: fault.Corrupt, says: "no whole backup"},
		{name: "an entity is missing", spoil: func(r *restoring) {
			spoil(r.t, r.backup, func(tx *bolt.Tx) error { return tx.Bucket([]byte("entity")).Delete([]byte("course\x00a")) })
		}, code: fault.Corrupt, says: "bucket entity"},
		{name: "newer", spoil: func(r *restoring) {
			spoil(r.t, r.backup, func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{0, 0, 0, 99}) })
		}, code: fault.NewerFormat, says: "99"},
		{name: "missing", spoil: func(r *restoring) { _ = os.Remove(r.backup) }, code: fault.Internal, says: "no such file"},
		{name: "a folder", spoil: func(r *restoring) { r.backup = r.t.TempDir() }, code: fault.Corrupt, says: "no whole backup"},
		{name: "a log that is open", spoil: func(r *restoring) {
			open(r.t, coursesync.BoltConfig{Path: r.backup})
		}, code: fault.Locked, says: "another process"},
		{name: "what follows fails", cfg: func(cfg *coursesync.RestoreConfig) {
			cfg.Prepare = func(context.Context, string) error { return other }
		}, code: fault.Internal, says: other.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRestoring(t)
			if tc.spoil != nil {
				tc.spoil(r)
			}
			if tc.cfg == nil {
				tc.cfg = func(*coursesync.RestoreConfig) {}
			}
			_, err := r.restore(tc.cfg)
			if !fault.Is(err, tc.code) || !strings.Contains(fmt.Sprint(err), tc.says) {
				t.Errorf("got %v, want %s and %q", err, tc.code, tc.says)
			}
			r.unchanged(newer)
		})
	}
}

// TestRestoreUnderAServer: a log that somebody has open stays.
func TestRestoreUnderAServer(t *testing.T) {
	r := newRestoring(t)
	b := open(t, coursesync.BoltConfig{Path: r.path})
	if _, err := r.restore(); !fault.Is(err, fault.Locked) || !strings.Contains(err.Error(), "--server") {
		t.Errorf("got %v", err)
	}
	shut(t, b)
	r.unchanged(newer)
}

// TestRestoreIsExclusive: while a restore is at work nobody opens the log; who waited for it does not get the one that was put aside.
func TestRestoreIsExclusive(t *testing.T) {
	r := newRestoring(t)
	waited := make(chan error, 1)
	_, err := r.restore(func(cfg *coursesync.RestoreConfig) {
		cfg.Prepare = func(context.Context, string) error {
			if _, err := tryOpen(t, coursesync.BoltConfig{Path: r.path, LockTimeout: time.Nanosecond}); !fault.Is(err, fault.Locked) {
				t.Errorf("meanwhile: %v", err)
			}
			go func() { //nolint:contextcheck // it outlasts the call
				b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: r.path, LockTimeout: time.Minute, Logger: quiet})
				if err == nil {
					_, there, lost := b.Get(context.Background(), "course", "b")
					err = errors.Join(lost, b.Close())
					if there {
						err = errors.Join(err, errors.New("it has the log from before the restore"))
					}
				}
				waited <- err
			}()
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil && !fault.Is(err, fault.Locked) {
		t.Error(err)
	}
}

// TestRestoreAfterKills cleans up what killed restores left: a half copy, and a second name of the log that is still in use.
func TestRestoreAfterKills(t *testing.T) {
	r := newRestoring(t)
	if err := os.WriteFile(r.path+".restoring-123", []byte("half a co"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(r.path, r.path+".before-restore-1"); err != nil {
		t.Fatal(err)
	}
	out, err := r.restore()
	if err != nil || filepath.Base(out.Aside) != "log.db.before-restore-1" {
		t.Fatalf("%+v, %v", out, err)
	}
	left, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v", left, err)
	}
	if diff := cmp.Diff(newer, r.bodies(out.Aside)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
