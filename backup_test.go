package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// carrel runs a command in this process and returns its exit status and what it said.
func carrel(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = program{args: args, getenv: func(string) string { return "" }, stdout: &out, stderr: &errs}.run(t.Context())
	return status, out.String(), errs.String()
}

// succeed runs a command that must.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	status, out, errs := carrel(t, args...)
	if status != exitDone {
		t.Fatalf("carrel %s: status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// fails runs a command that must not, and must say why.
func fails(t *testing.T, why string, args ...string) {
	t.Helper()
	status, out, errs := carrel(t, args...)
	if status != exitFailed || !strings.Contains(errs, why) {
		t.Errorf("carrel %s: status %d, want %q\n%s%s", strings.Join(args, " "), status, why, out, errs)
	}
}

// writeCourse writes a course into a folder that no server holds.
func writeCourse(t *testing.T, dir string, id catalog.CourseID, title string) {
	t.Helper()
	inFolder(t, dir, func(c *catalog.Catalog) error {
		_, err := c.Update(t.Context(), catalog.System, func(tx *catalog.Tx) error {
			_, err := tx.PutCourse(catalog.Course{ID: id, Text: catalog.Text{Title: title}, Language: "en", State: catalog.Published}, catalog.Cond{})
			return err
		})
		return err
	})
}

func inFolder(t *testing.T, dir string, fn func(c *catalog.Catalog) error) {
	t.Helper()
	c, err := catalog.Open(catalog.Config{Path: folder(dir).log(), Secrets: folder(dir).secrets()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := fn(c); err != nil {
		t.Fatal(err)
	}
}

// titles are what the courses of a changelog are called; it is only looked at.
func titles(t *testing.T, path string) map[string]string {
	t.Helper()
	c, err := catalog.Open(catalog.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all := map[string]string{}
	for s, err := range c.Courses(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[string(s.Value.ID)] = s.Value.Title
	}
	return all
}

// TestBackupOfARunningServer takes backups while courses are written: each is a whole catalog, with all that was acknowledged before it began.
func TestBackupOfARunningServer(t *testing.T) {
	dir := filledFolder(t, 100)
	token := adminToken(t, dir)
	server := startServer(t, dir)
	defer server.kill()
	fails(t, "--server", "backup", filepath.Join(t.TempDir(), "x.db"), "--data", dir)
	fails(t, "is in use", "backup", folder(dir).log(), "--server", server.url, "--token", token)
	file := filepath.Join(t.TempDir(), "saved.db")
	if err := os.WriteFile(file, []byte("an old one"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, "401", "backup", file, "--server", server.url, "--token", "wrong")
	if text, err := os.ReadFile(file); err != nil || string(text) != "an old one" {
		t.Errorf("a backup that failed touched the old one: %v", err)
	}
	w := &writers{acknowledged: map[string]int{}, tried: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.run(ctx, server.url, token, 2) })
	for range 3 {
		w.mu.Lock()
		before := maps.Clone(w.acknowledged)
		w.mu.Unlock()
		if out := succeed(t, "backup", file, "--server", server.url, "--token", token); !strings.Contains(out, "all read back") {
			t.Errorf("it says %s", out)
		}
		succeed(t, "verify", file)
		saved := titles(t, file)
		if len(saved) < 100 {
			t.Errorf("%d courses", len(saved))
		}
		for id, version := range before {
			var got int
			if _, _ = fmt.Sscanf(saved[id], "course "+id+" version %d", &got); got < version {
				t.Errorf("%s: version %d in the backup, %d was acknowledged before", id, got, version)
			}
		}
	}
	stop()
	wg.Wait()
	if len(w.acknowledged) == 0 {
		t.Error("nothing was written meanwhile")
	}
	if left := beside(t, file); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	next := t.TempDir()
	succeed(t, "restore", file, "--data", next)
	succeed(t, "verify", "--data", next)
	if len(titles(t, folder(next).log())) != len(titles(t, file)) {
		t.Error("the restored catalog is another one")
	}
}

// beside are the other files in a file's folder.
func beside(t *testing.T, file string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != filepath.Base(file) {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestBackupIsWholeOrNot: an answer that breaks off, is cut by a proxy that does not tell the length, or is something else altogether replaces nothing.
func TestBackupIsWholeOrNot(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "saved.db")
	writeCourse(t, dir, "A1", "First")
	succeed(t, "backup", file, "--data", dir)
	writeCourse(t, dir, "A1", "Second")
	raw, err := os.ReadFile(folder(dir).log())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter)
		why    string
	}{
		"broken off": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
			_, _ = w.Write(raw[:len(raw)/2])
			panic(http.ErrAbortHandler)
		}, "broke off"},
		"cut": {func(w http.ResponseWriter) {
			_, _ = w.Write(raw[:12_288])
			_ = http.NewResponseController(w).Flush()
		}, "no whole backup"},
		"a page":  {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>Please sign in</html>") }, "no whole backup"},
		"nothing": {func(http.ResponseWriter) {}, "no whole backup"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tc.answer(w) }))
		status, out, errs := carrel(t, "backup", file, "--server", server.URL)
		server.Close()
		if status != exitFailed || !strings.Contains(errs, tc.why) {
			t.Errorf("%s: status %d, want %q\n%s%s", name, status, tc.why, out, errs)
		}
		if titles(t, file)["A1"] != "First" || len(beside(t, file)) > 0 {
			t.Errorf("%s: the old backup was touched, or something is left: %v", name, beside(t, file))
		}
	}
	succeed(t, "backup", file, "--data", dir)
	if titles(t, file)["A1"] != "Second" {
		t.Error("a whole backup did not replace the old one")
	}
}

// TestLeftoversOfBackups: what a kill left is removed when nobody can be writing to it any more.
func TestLeftoversOfBackups(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "saved.db")
	writeCourse(t, dir, "A1", "First")
	for name, age := range map[string]time.Duration{".saved.db.partial-1": 25 * time.Hour, ".saved.db.partial-2": time.Hour, ".other.db.partial-3": 25 * time.Hour} {
		path := filepath.Join(filepath.Dir(file), name)
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	succeed(t, "backup", file, "--data", dir)
	if left := strings.Join(beside(t, file), " "); left != ".other.db.partial-3 .saved.db.partial-2" {
		t.Errorf("left: %s", left)
	}
}

// TestRestoreShowsTheOlderState: after a restore nothing shows what came after the backup, neither search nor an answer that was kept for a retry,
// and the learner who was erased meanwhile stays erased.
func TestRestoreShowsTheOlderState(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "saved.db")
	token := adminToken(t, dir)
	writeCourse(t, dir, "A1", "Pottery")
	succeed(t, "backup", file, "--data", dir)
	server := startServer(t, dir)
	retry := func() int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.url+"/v2/courses", strings.NewReader(`{"id":"A2","title":"Falconry"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "one")
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	if status := retry(); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	if !put(t.Context(), server.url, token, "A1", 1) { // renames it
		t.Fatal("the write was refused")
	}
	shows := func(q, total string) {
		t.Helper()
		out := ""
		until(func() bool { // the index follows
			out = succeed(t, "search", q, "--server", server.url)
			return strings.Contains(out, total)
		})
		if !strings.Contains(out, total) {
			t.Errorf("%s: %s, want %s", q, out, total)
		}
	}
	shows("falconry", "1 of 1")
	shows("version", "1 of 1")
	server.kill()
	if out := succeed(t, "restore", file, "--data", dir); !strings.Contains(out, "before-restore-1") {
		t.Errorf("it says %s", out)
	}
	if out := succeed(t, "verify", "--data", dir); !strings.Contains(out, "before a restore") {
		t.Errorf("verify says %s", out)
	}
	server = startServer(t, dir)
	defer func() { server.kill() }()
	for q, want := range map[string]string{"falconry": "0 of 0", "version": "0 of 0", "pottery": "1 of 1"} {
		if out := succeed(t, "search", q, "--server", server.url); !strings.Contains(out, want) { // from the first answer on
			t.Errorf("%s after the restore: %s", q, out)
		}
	}
	if status := retry(); status != http.StatusCreated {
		t.Errorf("the retry was answered %d", status)
	}
	shows("falconry", "1 of 1") // it was done, not only said again
}

// restoring is what a restore leaves in a folder as it goes on.
type restoring struct {
	copies, asides int
	log            os.FileInfo
}

func restoreState(dir string) (s restoring) {
	copies, _ := filepath.Glob(folder(dir).log() + ".restoring-*")
	asides, _ := filepath.Glob(folder(dir).log() + ".before-restore-*")
	s.copies, s.asides = len(copies), len(asides)
	s.log, _ = os.Stat(folder(dir).log())
	return s
}

// restoreMoments are when a restore is killed: while it copies and checks, at any time, as soon as the old log has its second name, and when the new one is in place.
var restoreMoments = []func(dir string, before restoring){
	func(dir string, before restoring) {
		until(func() bool { return restoreState(dir).copies > before.copies })
		<-time.After(rand.N(20 * time.Millisecond))
	},
	func(string, restoring) { <-time.After(rand.N(500 * time.Millisecond)) },
	func(dir string, before restoring) {
		until(func() bool { return restoreState(dir).asides > before.asides })
	},
	func(dir string, before restoring) {
		until(func() bool { return !os.SameFile(restoreState(dir).log, before.log) })
	},
}

// TestKillDuringRestore kills restores at random moments. There is the old catalog or the new one, whole, and whoever was erased is not in the new one
// from its first moment on; the next restore cleans up.
func TestKillDuringRestore(t *testing.T) {
	rounds := 8
	if os.Getenv("CARREL_SOAK") != "" {
		rounds = 60
	}
	dir, file := filledFolder(t, 300), filepath.Join(t.TempDir(), "saved.db")
	lea := catalog.Actor{Subject: "lea", IssuedAt: time.Now().Unix() - 100}
	writeCourse(t, dir, "A1", "backed up")
	inFolder(t, dir, func(c *catalog.Catalog) error {
		_, err := c.Update(t.Context(), lea, func(tx *catalog.Tx) error { _, err := tx.PutBookmark("lea", "A1"); return err })
		return err
	})
	succeed(t, "backup", file, "--data", dir)
	inFolder(t, dir, func(c *catalog.Catalog) error {
		_, err := c.Update(t.Context(), lea, func(tx *catalog.Tx) error { return tx.Erase("lea") })
		return err
	})
	old, restored := 0, 0
	for round := range rounds {
		writeCourse(t, dir, "A1", "newer")
		before := restoreState(dir)
		cmd := exec.CommandContext(t.Context(), "carrel", "restore", file, "--data", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		restoreMoments[round%len(restoreMoments)](dir, before)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		switch title := titles(t, folder(dir).log())["A1"]; title {
		case "newer":
			old++
		case "backed up":
			restored++
		default:
			t.Fatalf("A1 is called %q", title)
		}
		if n := heldOf(t, folder(dir).log(), "learner:lea"); n > 0 {
			t.Errorf("%d entities of the erased learner are there", n)
		}
		succeed(t, "verify", "--data", dir)
	}
	t.Logf("killed before the new one was in place %d times, after it %d times", old, restored)
	if old == 0 || restored == 0 {
		t.Error("not all moments were met")
	}
	succeed(t, "restore", file, "--data", dir)
	if left, err := filepath.Glob(folder(dir).log() + ".restoring-*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// heldOf counts what a changelog holds in a channel, before anybody opens it to serve.
func heldOf(t *testing.T, path string, channel coursesync.Channel) (n int) {
	t.Helper()
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, err := range b.Read(t.Context(), 0, channel) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestRestoreRefusesWhatIsNoBackup at the command line: the reason, and nothing changed.
func TestRestoreRefusesWhatIsNoBackup(t *testing.T) {
	dir := t.TempDir()
	writeCourse(t, dir, "A1", "Here")
	before := listing(t, dir)
	bad := filepath.Join(t.TempDir(), "bad.db")
	if err := os.WriteFile(bad, []byte(strings.Repeat("no backup\n", 1_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, "is no whole backup", "restore", bad, "--data", dir)
	fails(t, "no such file", "restore", bad+".missing", "--data", dir)
	if status, _, errs := carrel(t, "restore", folder(dir).log(), "--data", dir); status != exitUsage || !strings.Contains(errs, "itself") {
		t.Errorf("the changelog itself: status %d, %s", status, errs)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder changed from %s to %s", before, after)
	}
	server := startServer(t, dir)
	defer server.kill()
	other := t.TempDir()
	writeCourse(t, other, "B1", "Elsewhere")
	fails(t, "--server", "restore", folder(other).log(), "--data", dir)
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(entries)
}

// TestVerifyNamesEachPart damages each part of a data folder in turn and wants it named, with what mends it; and then mends it.
func TestVerifyNamesEachPart(t *testing.T) {
	spoilLog := func(fn func(tx *bolt.Tx) error) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			db, err := bolt.Open(folder(dir).log(), 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Update(fn); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		spoil     func(t *testing.T, dir string)
		part, fix string
	}{
		"a page of the changelog": {func(t *testing.T, dir string) {
			t.Helper()
			raw, err := os.ReadFile(folder(dir).log())
			if err != nil {
				t.Fatal(err)
			}
			i := bytes.Index(raw[2*os.Getpagesize():], []byte(`"id":"course-000042"`)) + 2*os.Getpagesize()
			copy(raw[i-i%os.Getpagesize():], make([]byte, os.Getpagesize()))
			if err := os.WriteFile(folder(dir).log(), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}, partLog, "carrel restore"},
		"an index of the changelog": {spoilLog(func(tx *bolt.Tx) error { return tx.Bucket([]byte("entity")).Delete([]byte("course\x00course-000001")) }), partLog, "carrel restore"},
		"the catalog's tables": {spoilLog(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("zero/state_courses")).Delete([]byte("published\x00course-000001"))
		}), partTables, "carrel reindex"},
		"the search index": {func(t *testing.T, dir string) {
			t.Helper()
			segments, err := filepath.Glob(filepath.Join(folder(dir).index(), liveName(dir), "store", "*.zap"))
			if err != nil || len(segments) == 0 {
				t.Fatal(segments, err)
			}
			if err := os.Truncate(segments[0], 100); err != nil {
				t.Fatal(err)
			}
		}, partIndex, "carrel reindex"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file := filledFolder(t, 60), filepath.Join(t.TempDir(), "saved.db")
			succeed(t, "backup", file, "--data", dir)
			if out := succeed(t, "verify", "--data", dir); strings.Count(out, "\n") != 3 {
				t.Errorf("sound: %s", out)
			}
			tc.spoil(t, dir)
			status, out, errs := carrel(t, "verify", "--data", dir)
			if status != exitFailed || !strings.HasPrefix(out, tc.part+": ") || !strings.Contains(errs, tc.part+": ") || !strings.Contains(errs, tc.fix) {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
			status, out, _ = carrel(t, "verify", "--data", dir, "--json")
			if status != exitFailed || !strings.Contains(out, `"part":"`+tc.part+`"`) {
				t.Errorf("as JSON: status %d\n%.500s", status, out)
			}
			if tc.part == partLog {
				fails(t, "", "backup", file, "--data", dir)
				succeed(t, "restore", file, "--data", dir)
			}
			succeed(t, "reindex", "--data", dir, "--force")
			succeed(t, "verify", "--data", dir)
		})
	}
}
