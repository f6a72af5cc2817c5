package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const backupPath = "/v2/backup"

func TestBackup(t *testing.T) {
	s := newServer(t, func(cfg *Config) { cfg.Limits.Timeout = time.Nanosecond }) // which is for requests, not for files
	if _, err := s.catalog.Update(t.Context(), catalog.System, func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: "C1", Text: catalog.Text{Title: "Learning Go"}, Language: "en", State: catalog.Published}, catalog.Cond{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got := s.want("200", ask{method: http.MethodGet, path: backupPath, as: root, header: map[string]string{"Accept-Encoding": "gzip, zstd"}})
	for name, want := range map[string]string{
		"Content-Type": "application/octet-stream", "Content-Length": strconv.Itoa(len(got.body)), "Content-Encoding": "", "Cache-Control": "private, no-store",
	} {
		if have := got.header.Get(name); have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
	if name := got.header.Get("Content-Disposition"); !strings.HasPrefix(name, `attachment; filename="carrel-20`) {
		t.Errorf("its name is %s", name)
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	if err := os.WriteFile(path, got.body, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, ReadOnly: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	found, err := b.Verify(t.Context(), coursesync.VerifyConfig{})
	if err != nil || found.Wrong.Len() > 0 || b.ID() != s.catalog.Log().ID() || found.Live == 0 {
		t.Errorf("%+v, %v", found, err)
	}
	s.want("200", ask{method: http.MethodHead, path: backupPath, as: root})
}

// TestBackupIsForTheStaff: it holds what all learners did.
func TestBackupIsForTheStaff(t *testing.T) {
	s := newServer(t)
	s.want("401 unauthorized", ask{method: http.MethodGet, path: backupPath})
	for _, as := range []catalog.Actor{learner, editor, translator, acme, acmeAdmin} {
		s.want("403 forbidden", ask{method: http.MethodGet, path: backupPath, as: as})
	}
	s.want("400 unknown-parameter", ask{method: http.MethodGet, path: backupPath + "?from=1", as: root})
}

// slowBackup begins a backup that is larger than what lies between server and client, and takes its first bytes: they come before the last ones are read.
func slowBackup(t *testing.T, s *server) *http.Response {
	t.Helper()
	for i := range 8 {
		big := coursesync.Change{
			Channel: "staff", Kind: "ballast", Key: strconv.Itoa(i), Op: coursesync.OpUpsert, Body: bytes.Repeat([]byte(" "), coursesync.MaxBody),
		}
		if _, err := s.catalog.Log().Append(t.Context(), big); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+backupPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token(root))
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if _, err := io.ReadFull(res.Body, make([]byte, 1<<16)); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", res.Status, err)
	}
	return res
}

// TestOneBackupAtATime: a second one is refused while the first is under way, also when that one's client is slow; then there can be another.
func TestOneBackupAtATime(t *testing.T) {
	s := newServer(t)
	slow := slowBackup(t, s) //nolint:bodyclose // it is closed when the test ends
	s.want("409 backup-running", ask{method: http.MethodGet, path: backupPath, as: root})
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Written meanwhile"}})
	rest, err := io.Copy(io.Discard, slow.Body)
	if err != nil || rest+1<<16 != slow.ContentLength {
		t.Errorf("%d bytes more of %d, %v", rest, slow.ContentLength, err)
	}
	if got := s.want("200", ask{method: http.MethodGet, path: backupPath, as: root}); int64(len(got.body)) < slow.ContentLength {
		t.Errorf("the next one has %d bytes", len(got.body))
	}
}

// TestDrainCutsBackups: a server that stops does not wait for them, and nobody takes what came for a backup.
func TestDrainCutsBackups(t *testing.T) {
	s := newServer(t)
	slow := slowBackup(t, s) //nolint:bodyclose // it is closed when the test ends
	s.api.Drain()
	if rest, err := io.Copy(io.Discard, slow.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d more bytes, %v", rest, err)
	}
}
