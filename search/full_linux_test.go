package search_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/searchtest"
)

// room is enough to begin an index, and not to end it.
const room = 300 << 10

// TestReindexOnFullDisk builds where there is room for one index only: the old one serves on, nothing is left of the new one, and with more room the
// next build goes well.
func TestReindexOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skip("a small file system can only be mounted by root")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	c := newCatalog(t)
	if err := searchtest.Fill(context.Background(), c, searchtest.Options{Courses: 700, Seed: 5, Vocabulary: 3000, Words: 60}); err != nil {
		t.Fatal(err)
	}
	x := openIndex(t, c, dir)
	catchUp(t, c, x)
	ask := questions(t, c)
	want := state(t, x, ask)
	ballast := filepath.Join(dir, "ballast")
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ballast, make([]byte, int64(disk.Bavail)*disk.Bsize-room), 0o600); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	if err := x.Reindex(context.Background(), false); code(err) != fault.DiskFull {
		t.Fatalf("with no room left: %v", err)
	}
	if diff := cmp.Diff(before, names(t, dir)); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
	if diff := cmp.Diff(want, state(t, x, ask)); diff != "" {
		t.Errorf("the old index suffered: %s", diff)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := x.Reindex(context.Background(), false); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if diff := cmp.Diff(want, state(t, x, ask)); diff != "" {
		t.Error(diff)
	}
}
