package insight

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// childPath names the file on which a process of this test works until it is killed.
const childPath = "CARREL_INSIGHT_CHILD"

// child searches and flushes, and says how many searches are safe, until it is killed.
func child() {
	path := os.Getenv(childPath)
	if path == "" {
		return
	}
	s, err := Open(Config{Path: path})
	if err != nil {
		slog.Error("child", slog.Any("error", err))
		os.Exit(1)
	}
	for n := 1; ; n++ {
		s.Searched(Search{Caller: strconv.Itoa(n), Locale: catalog.English, Text: fmt.Sprint("query ", n%3000), Key: fmt.Sprint("query ", n%3000), First: true, Total: 1})
		if n%50 == 0 {
			s.Flush()
			_, _ = fmt.Fprintln(os.Stdout, n)
		}
	}
}

// TestKill kills a process that writes, again and again. What it had written is there, and the file is sound.
func TestKill(t *testing.T) {
	path := t.TempDir() + "/insight.db"
	total := 0
	for range soak(3, 30) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childPath+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		last := 0
		for range 3 + rand.IntN(40) {
			if !lines.Scan() {
				break
			}
			last, _ = strconv.Atoi(lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it died
			last, _ = strconv.Atoi(lines.Text())
		}
		_ = cmd.Wait()
		if last == 0 {
			t.Fatal("the process wrote nothing")
		}
		total += last
		s, err := Open(Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Report(t.Context(), Scope{Days: 2, Listed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if r.Totals.Searches < total {
			t.Errorf("%d searches, want at least the %d that were written", r.Totals.Searches, total)
		}
		total = r.Totals.Searches
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + asideSuffix); err == nil {
			t.Fatal("the file was taken for damaged")
		}
	}
}

// check lets bbolt look for pages that are lost or used twice.
func check(t *testing.T, s *Store) {
	t.Helper()
	err := s.view(func(tx *bolt.Tx) error {
		var all []error
		for err := range tx.Check() {
			all = append(all, err)
		}
		return errors.Join(all...)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDamagedFiles: whatever a disk made of the file, the store opens, and counts.
func TestDamagedFiles(t *testing.T) {
	full := newWorld(t)
	for i := range 3000 {
		full.search(fmt.Sprint("query ", i), "ann")
	}
	full.Flush()
	if err := full.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(full.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"no bbolt file": []byte(strings.Repeat("nonsense ", 5000)), "cut": sound[:len(sound)/8], "a page": sound[:5000], "zeros": make([]byte, len(sound)),
		"torn after the head": over(sound, 4*4096, bytes.Repeat([]byte{0xff}, len(sound)-4*4096)),
		"another format":      another(t, sound),
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, clock: full.clock, path: t.TempDir() + "/insight.db", limit: defaultBounds}
			if err := os.WriteFile(w.path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			w.open()
			defer func() { _ = w.Close() }()
			w.search("after", "ann")
			if r := w.report(); r.Totals.Searches != 1 || len(r.Top) != 1 {
				t.Errorf("%+v, want to begin anew with one search", r.Totals)
			}
			kept, err := os.ReadFile(w.path + asideSuffix)
			if err != nil || !bytes.Equal(kept, file) && name != "another format" {
				t.Errorf("the damaged file was not set aside as it was: %v", err)
			}
		})
	}
	t.Run("folders", func(t *testing.T) { // in the place of the file, and of the one that was set aside
		w := &world{t: t, clock: full.clock, path: t.TempDir() + "/insight.db", limit: defaultBounds}
		for _, folder := range []string{w.path + "/x", w.path + asideSuffix + "/x"} {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w.open()
		defer func() { _ = w.Close() }()
		w.search("after", "ann")
		if r := w.report(); r.Totals.Searches != 1 {
			t.Errorf("%+v, want one search", r.Totals)
		}
	})
	t.Run("empty", func(t *testing.T) { // as a full disk leaves it
		w := &world{t: t, clock: full.clock, path: t.TempDir() + "/insight.db", limit: defaultBounds}
		if err := os.WriteFile(w.path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w.open()
		defer func() { _ = w.Close() }()
		w.search("after", "ann")
		if n := w.report().Totals.Searches; n != 1 {
			t.Errorf("%d searches, want 1", n)
		}
	})
}

func over(b []byte, at int, with []byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return b
}

// another is a sound file of a version to come.
func another(t *testing.T, sound []byte) []byte {
	t.Helper()
	path := t.TempDir() + "/other.db"
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyFormat, []byte{format + 1}) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDamageWhileOpen: rows that turn out to be damaged do not stop the counting, and searches do not notice.
func TestDamageWhileOpen(t *testing.T) {
	w := newWorld(t)
	w.search("before", "ann")
	w.Flush()
	err := w.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketTotals).Put(groupKey(dayOf(w.clock.now()), group{"", catalog.English}), []byte{0xff})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.search("lost", "ann")
	w.Flush()
	w.search("after", "ann")
	if r := w.report(); r.Totals.Searches != 1 || r.Top[0].Query != "after" || w.Stats().Dropped != 1 {
		t.Errorf("%+v %+v, want to begin anew with one search, and one dropped", r.Totals, w.Stats())
	}
}

func TestLocked(t *testing.T) {
	w := newWorld(t)
	if _, err := Open(Config{Path: w.path}); !fault.Is(err, fault.Locked) {
		t.Errorf("a second Open: %v, want %s", err, fault.Locked)
	}
	if _, err := os.Stat(w.path + asideSuffix); err == nil {
		t.Error("a file in use was set aside")
	}
}

func TestAfterClose(t *testing.T) {
	w := newWorld(t)
	w.search("before", "ann")
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	w.search("after", "ann")
	w.event("query000001", Click, "A", 1)
	w.Flush()
	if _, err := w.Report(t.Context(), Scope{Days: 1}); !fault.Is(err, fault.NotReady) {
		t.Errorf("a report: %v, want %s", err, fault.NotReady)
	}
	w.open()
	if n := w.report().Totals.Searches; n != 1 {
		t.Errorf("%d searches, want the one before", n)
	}
}

// TestManyAtOnce is for the race detector: searches, events, reports, suggestions and the writer at one time.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var writer, all sync.WaitGroup
	writer.Go(func() { _ = w.Run(ctx) })
	const callers, each = 4, 200
	for c := range callers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("query-%d-%d", c, i)
				w.Searched(Search{QueryID: id, Caller: fmt.Sprint(c, i), Locale: catalog.English, Text: fmt.Sprint(i % 9), Key: fmt.Sprint(i % 9), First: true, Total: 1, Hits: []catalog.CourseID{"A"}})
				_ = w.Event(Event{QueryID: id, Type: Click, Course: "A", Position: 1})
				w.Completions("", catalog.English, "1", 3)
				if i%50 == 0 {
					_, _ = w.Report(ctx, Scope{Days: 3, Listed: 10})
				}
			}
		})
	}
	all.Wait()
	if got := w.report().Totals; got.Searches != callers*each || got.Clicks != callers*each {
		t.Errorf("%+v, want %d searches with a click each", got, callers*each)
	}
	cancel()
	writer.Wait()
}
