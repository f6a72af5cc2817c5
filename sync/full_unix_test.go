//go:build linux || darwin

package sync_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// TestDiskFull lets a process run into a limit on the size of its files, which to a program is a full disk that can be emptied.
func TestDiskFull(t *testing.T) {
	cmd := player(t.Context(), "full", filepath.Join(t.TempDir(), "log.db"))
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// fullSize is where the disk of playFull ends: past the file's first growth by bbolt, so that the end comes in the middle of things.
const fullSize = 40 << 20

func playFull(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := limitFiles(fullSize); err != nil {
		return err
	}
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}, Logger: quiet})
	if err != nil {
		return err
	}
	return errors.Join(fillUp(b, func() error { return limitFiles(math.MaxInt64) }), b.Close(), reopenFull(path))
}

func limitFiles(size uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(size, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// fillUp writes until there is no room, makes room, and goes on.
func fillUp(b *coursesync.Bolt, makeRoom func() error) error {
	ctx := context.Background()
	body := strings.Repeat(" ", 256<<10)
	n := 0
	var err error
	for ; err == nil && n < 1_000; n++ {
		_, err = b.Append(ctx, upsert("catalog", fmt.Sprintf("%04d", n), body))
	}
	if !fault.Is(err, fault.DiskFull) {
		return fmt.Errorf("after %d appends: %w, want %s", n, err, fault.DiskFull)
	}
	acked := n - 1
	for range 3 { // still full, and still readable
		head, err := b.Head(ctx)
		if err != nil {
			return err
		}
		if _, err := b.Append(ctx, upsert("catalog", "more", strings.Repeat(" ", 4<<20))); !fault.Is(err, fault.DiskFull) {
			return fmt.Errorf("on a full disk: %w", err)
		}
		if now, err := b.Head(ctx); now != head || err != nil {
			return fmt.Errorf("the head moved from %d to %d, %w", head, now, err)
		}
		if err := countAll(b, acked); err != nil {
			return err
		}
	}
	if err := makeRoom(); err != nil {
		return err
	}
	if _, err := b.Append(ctx, upsert("catalog", "room", `1`)); err != nil {
		return fmt.Errorf("when there is room again: %w", err)
	}
	return countAll(b, acked+1)
}

func countAll(b *coursesync.Bolt, want int) error {
	got := 0
	for _, err := range b.Read(context.Background(), 0) {
		if err != nil {
			return err
		}
		got++
	}
	if got != want {
		return fmt.Errorf("%d changes are there, want %d", got, want)
	}
	return nil
}

// reopenFull looks at what a reader finds later.
func reopenFull(path string) error {
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}, Logger: quiet})
	if err != nil {
		return err
	}
	defer b.Close()
	if _, ok, err := b.Get(context.Background(), "course", "room"); !ok {
		return errors.Join(errors.New("what was written last is gone"), err)
	}
	return nil
}
