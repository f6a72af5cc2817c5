package api

import (
	"bytes"
	"net/http"
	"syscall"
	"testing"

	"github.com/carrel-lms/carrel/files"
)

// TestUploadOnFullDisk: an upload for which there is no room is 507, leaves the file that was there, and is taken once there is room.
func TestUploadOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a small file system can only be mounted by root")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s := withLessons(t, func(cfg *Config) {
		held, err := files.Open(files.Config{Dir: dir, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Files = held
	})
	first := pseudo("first", 1000)
	s.uploadAs(editor, "201", filePath, first, nil)
	there := names(t, dir)
	s.uploadAs(editor, "507 disk-full", filePath, make([]byte, 2<<20), nil)
	if now := names(t, dir); len(now) != len(there) {
		t.Errorf("something is left: %v", now)
	}
	if got := s.want("200", ask{method: http.MethodGet, path: filePath, as: learner}); !bytes.Equal(got.body, first) {
		t.Error("the file that was there is gone")
	}
	s.uploadAs(editor, "200", filePath, pseudo("second", 1000), nil)
}
