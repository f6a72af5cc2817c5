package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// smallDisk is a file system of a few megabytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("a small file system can only be mounted by root")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestFullDisk: a backup and a restore that find no room say so, leave nothing, and what was there is as it was.
func TestFullDisk(t *testing.T) {
	dir := filledFolder(t, 2_000)
	writeCourse(t, dir, "A1", "Here")
	file := filepath.Join(smallDisk(t, "1m"), "saved.db")
	if err := os.WriteFile(file, []byte("an old one"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, "no room", "backup", file, "--data", dir)
	token := adminToken(t, dir) // before the start, which reads the key
	server := startServer(t, dir)
	fails(t, "no room", "backup", file, "--server", server.url, "--token", token)
	server.kill()
	if text, err := os.ReadFile(file); err != nil || string(text) != "an old one" || len(beside(t, file)) > 0 {
		t.Errorf("the old backup was touched, or something is left: %v, %v", err, beside(t, file))
	}

	file = filepath.Join(t.TempDir(), "saved.db")
	succeed(t, "backup", file, "--data", dir)
	full := filepath.Join(smallDisk(t, "1m"), "data")
	if err := os.MkdirAll(folder(full).secrets(), 0o700); err != nil {
		t.Fatal(err)
	}
	before := listing(t, full)
	fails(t, "nothing was changed", "restore", file, "--data", full)
	if after := listing(t, full); after != before {
		t.Errorf("the folder changed from %s to %s", before, after)
	}
}
