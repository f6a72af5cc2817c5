package sync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	stdsync "sync"
	"testing"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// TestBusy does everything at once: append, read, follow, purge, back up. What is left must hold together.
func TestBusy(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	b := open(t, coursesync.BoltConfig{Now: c.now, Zero: &byBody{schema: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	var writers, others stdsync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 60 {
				key := fmt.Sprintf("%d/%d", w, n)
				mustAppend(t, b, upsert("catalog", key, fmt.Sprint(n)), upsert("catalog", "hot", fmt.Sprint(w)))
				if n%2 == 0 {
					mustAppend(t, b, remove("catalog", key))
				}
				c.pass(day)
			}
		})
	}
	forever := func(fn func(n int) error) {
		others.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := fn(n); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	forever(func(int) error {
		var last coursesync.Seq
		for c, err := range b.Read(ctx, 0) {
			if err != nil {
				return err
			}
			if c.Seq <= last {
				return fmt.Errorf("%d came after %d", c.Seq, last)
			}
			last = c.Seq
		}
		return nil
	})
	forever(func(int) error {
		_, err := b.Purge(ctx)
		return err
	})
	forever(func(n int) error {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n%3)))
		if err != nil {
			return err
		}
		return errors.Join(b.Backup(ctx, f, nil), f.Close())
	})
	f := newCopier()
	others.Go(func() {
		if err := coursesync.Follow(ctx, b, f, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	writers.Wait()
	cancel()
	others.Wait()
	catchUp(t, b, f, f.resets)
	wantRows(t, b)
	checkFile(t, b)
	wantBackup(t, b, dir)
}

// wantBackup makes one last backup, which must be as the log.
func wantBackup(t *testing.T, b *coursesync.Bolt, dir string) {
	t.Helper()
	path := filepath.Join(dir, "last")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Backup(t.Context(), f, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	again := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}})
	wantRows(t, again)
	checkFile(t, again)
	if got, want := len(readAll(t, again, 0)), len(readAll(t, b, 0)); got != want {
		t.Errorf("the backup has %d changes, the log %d", got, want)
	}
}
