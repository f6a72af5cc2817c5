package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// TestLocalBelongsToALog: local.db lives as long as the log goes on, and is emptied after each restore; statistics are those of one catalog.
func TestLocalBelongsToALog(t *testing.T) {
	dir := folder(t.TempDir())
	one, other := openLog(t), openLog(t)
	if err := os.WriteFile(dir.insight(), []byte("statistics"), 0o600); err != nil {
		t.Fatal(err)
	}
	// kept opens local.db, as a server does, and reports whether what was written the last time is there.
	kept := func(log *coursesync.Bolt) (there bool) {
		t.Helper()
		db, err := openLocal(t.Context(), dir, log)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.Update(func(tx *bolt.Tx) error {
			there = tx.Bucket([]byte("sessions")) != nil
			_, err := tx.CreateBucketIfNotExists([]byte("sessions"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return there
	}
	renew := func() {
		t.Helper()
		if err := one.Renew(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	insight := func() bool { _, err := os.Stat(dir.insight()); return !errors.Is(err, fs.ErrNotExist) }
	for i, step := range []struct {
		log     *coursesync.Bolt
		restore bool
		want    bool
		insight bool
	}{{one, false, false, true}, {one, false, true, true}, {one, true, false, true}, {one, false, true, true}, {one, true, false, true}, {other, false, false, false}, {other, false, true, false}} {
		if step.restore {
			renew()
		}
		if got := kept(step.log); got != step.want || insight() != step.insight {
			t.Errorf("step %d: kept %v, statistics %v", i, got, insight())
		}
	}
}

func openLog(t *testing.T) *coursesync.Bolt {
	t.Helper()
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: filepath.Join(t.TempDir(), "log.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}
