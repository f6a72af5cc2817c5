package files_test

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/carrel-lms/carrel/fault"
)

// TestFullDisk: a file for which there is no room is refused as such, nothing of it is left, and there is room for a smaller one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a small file system can only be mounted by root")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	f := newFolder(t, dir)
	if _, err := f.Receive(bytes.NewReader(make([]byte, 2<<20)), nil); !fault.Is(err, fault.DiskFull) {
		t.Errorf("%v, want %s", err, fault.DiskFull)
	}
	if left := f.listing(); len(left) > 0 {
		t.Errorf("something is left: %v", left)
	}
	f.receive("small")
}
