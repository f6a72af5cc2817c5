package sync_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// TestDiskFullForReal fills a file system: there the file can grow, because it has holes, and it is the writing of a page that fails.
func TestDiskFullForReal(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("a small file system can only be mounted by root")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log.db")
	b := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}})
	if err := fillUp(b, func() error { return os.Remove(ballast) }); err != nil {
		t.Fatal(err)
	}
	checkFile(t, b)
	shut(t, b)
	if err := reopenFull(path); err != nil {
		t.Error(err)
	}
}
