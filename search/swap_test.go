package search

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// bench is an index with a new one beside it that is complete, and not yet swapped.
type bench struct {
	t       *testing.T
	catalog *catalog.Catalog
	x       *Index
	b       *builder
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	c, err := catalog.Open(catalog.Config{Path: filepath.Join(dir, "log.db"), Secrets: filepath.Join(dir, "secrets"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	x, err := Open(Config{Dir: filepath.Join(dir, "search"), Catalog: c, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	s := &bench{t: t, catalog: c, x: x}
	s.tag("first")
	for _, id := range []catalog.CourseID{"a", "b", "c"} {
		s.course(id, "before")
	}
	s.follow()
	if s.b, err = x.newBuilder(); err != nil {
		t.Fatal(err)
	}
	if err := s.b.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *bench) update(fn func(tx *catalog.Tx) error) {
	s.t.Helper()
	if _, err := s.catalog.Update(s.t.Context(), catalog.System, fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *bench) tag(label string) {
	s.t.Helper()
	s.update(func(tx *catalog.Tx) error {
		_, err := tx.PutTag(catalog.Tag{ID: "tag", Label: map[catalog.Locale]string{"en": label}}, catalog.Cond{})
		return err
	})
}

func (s *bench) course(id catalog.CourseID, title string) {
	s.t.Helper()
	s.update(func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: id, Text: catalog.Text{Title: title}, Language: "en", Tags: []catalog.TagID{"tag"}, State: catalog.Published}, catalog.Cond{})
		return err
	})
}

// follow brings the live index to the head of the log.
func (s *bench) follow() {
	s.t.Helper()
	if err := coursesync.CatchUp(s.t.Context(), s.catalog.Log(), s.x); err != nil {
		s.t.Fatal(err)
	}
}

// swap tries to, and reports whether it was done.
func (s *bench) swap() bool {
	s.t.Helper()
	old, err := s.x.trySwap(s.t.Context(), s.b)
	if err != nil {
		s.t.Fatal(err)
	}
	if old == nil {
		return false
	}
	if err := old.retire(); err != nil {
		s.t.Fatal(err)
	}
	return true
}

func (s *bench) finds(q string, want ...catalog.CourseID) {
	s.t.Helper()
	resp, err := s.x.Search(context.Background(), Request{Q: `"` + q + `"`, Sort: SortTitle})
	if err != nil {
		s.t.Fatal(err)
	}
	var got []catalog.CourseID
	for _, h := range resp.Hits {
		got = append(got, h.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%q: −want +got\n%s", q, diff)
	}
}

// What the live index has applied since is in the new one when it takes over, also what only a label brought about.
func TestSwapMissesNothing(t *testing.T) {
	s := newBench(t)
	s.tag("second")
	s.course("a", "after")
	s.course("d", "after")
	s.update(func(tx *catalog.Tx) error { return tx.DeleteCourse("c", catalog.Cond{}) })
	s.follow()
	if !s.swap() {
		t.Fatal("not swapped")
	}
	s.finds("second", "a", "d", "b")
	s.finds("first")
	s.finds("after", "a", "d")
	s.finds("before", "b")
	s.tag("third")
	s.follow()
	s.finds("third", "a", "d", "b")
}

// The log holds an entity's last change only. What the live index has applied of an earlier one is found after the swap too, and what comes later
// does not harm.
func TestSwapAheadOfTheLive(t *testing.T) {
	s := newBench(t)
	s.course("a", "once again")
	s.follow()
	s.course("a", "twice again")
	s.course("d", "twice again")
	at := s.x.gen.cursor
	if !s.swap() {
		t.Fatal("not swapped")
	}
	if s.x.gen.cursor != at {
		t.Errorf("the swap moved the cursor from %v to %v", at, s.x.gen.cursor)
	}
	s.finds("again", "a")
	s.follow()
	s.finds("again", "a", "d")
	s.finds("twice", "a", "d")
}

// A swap does not hold the live index up for long: with much to do it is put off.
func TestSwapIsPutOff(t *testing.T) {
	s := newBench(t)
	s.update(func(tx *catalog.Tx) error {
		for n := range finishChanges {
			if _, err := tx.PutTag(catalog.Tag{ID: catalog.TagID(fmt.Sprint("tag-", n)), Label: map[catalog.Locale]string{"en": "more"}}, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	s.follow()
	if s.swap() {
		t.Error("swapped at once")
	}
	if err := s.x.swap(t.Context(), s.b); err != nil {
		t.Error(err)
	}
	s.finds("before", "a", "b", "c")
}

// A search that began before the swap ends on the old index, whose files stay as long.
func TestSwapUnderASearch(t *testing.T) {
	s := newBench(t)
	gen, err := s.x.acquire()
	if err != nil {
		t.Fatal(err)
	}
	if !s.swap() {
		t.Fatal("not swapped")
	}
	old := gen.reader.store.path
	if total, first, err := s.x.ask(t.Context(), s.b, gen, "before"); total != 3 || len(first) != 3 || err != nil {
		t.Errorf("on the old index: %d, %v, %v", total, first, err)
	}
	if !exists(old) {
		t.Error("the files went before the search")
	}
	gen.reader.release()
	if exists(old) {
		t.Error("the files stayed")
	}
}
