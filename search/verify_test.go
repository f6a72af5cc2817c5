package search_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// closedIndex makes a catalog with an index that nobody holds.
func closedIndex(t *testing.T) (c *catalog.Catalog, dir string) {
	t.Helper()
	c, x, dir := indexed(t)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func verifyIndex(t *testing.T, c *catalog.Catalog, dir string) search.Verified {
	t.Helper()
	found, err := search.Verify(t.Context(), dir, c)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestVerify: an index is as its catalog says, also after every kind of change; what it has not read yet is no mistake.
func TestVerify(t *testing.T) {
	c, dir := closedIndex(t)
	if found := verifyIndex(t, c, dir); found.State != search.IndexCurrent || found.Documents != small.Courses || found.Wrong.Len() > 0 {
		t.Errorf("built: %+v", found)
	}
	change(t, c)
	update(t, c, func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: "brand-new", Text: catalog.Text{Title: "Brand new"}, Language: "en", State: catalog.Published}, catalog.Cond{})
		return err
	})
	if found := verifyIndex(t, c, dir); found.State != search.IndexTrailing || found.Trails == 0 || found.Wrong.Len() > 0 {
		t.Errorf("behind: %+v", found)
	}
	x := openIndex(t, c, dir)
	catchUp(t, c, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if found := verifyIndex(t, c, dir); found.State != search.IndexCurrent || found.Wrong.Len() > 0 {
		t.Errorf("followed: %+v", found)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, c *catalog.Catalog, dir string)
		want  string
	}{
		{"a document that is gone", func(t *testing.T, _ *catalog.Catalog, dir string) {
			t.Helper()
			damage(t, dir, func(b *bleve.Batch, n int) {
				if n == 7 {
					b.Delete(courseName(n))
				}
			})
		}, `course "course-000007" is not in the index`},
		{"a segment that is torn", func(t *testing.T, _ *catalog.Catalog, dir string) {
			t.Helper()
			segments, err := filepath.Glob(filepath.Join(liveFolder(t, dir), "store", "*.zap"))
			if err != nil || len(segments) == 0 {
				t.Fatal(segments, err)
			}
			raw, err := os.ReadFile(segments[0])
			if err != nil {
				t.Fatal(err)
			}
			raw[len(raw)/2] ^= 1
			if err := os.WriteFile(segments[0], raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "the checksum does not fit"},
		{"a name that says nothing", func(t *testing.T, _ *catalog.Catalog, dir string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, "live"), []byte("index-1"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "the file live is damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, dir := closedIndex(t)
			tc.spoil(t, c, dir)
			found := verifyIndex(t, c, dir)
			if !slices.ContainsFunc(found.Wrong.List, func(one string) bool { return strings.Contains(one, tc.want) }) {
				t.Errorf("%q is not among the findings: %v", tc.want, found.Wrong.List)
			}
		})
	}
}

// TestVerifyMissedChanges has an index that says that it has read what it never got: a course, a deletion, a label.
func TestVerifyMissedChanges(t *testing.T) {
	c, x, dir := indexed(t)
	var ids []catalog.CourseID
	for course, err := range c.Courses(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, course.Value.ID)
	}
	update(t, c, func(tx *catalog.Tx) error {
		s, _, err := tx.Course(ids[0])
		if err != nil {
			return err
		}
		s.Value.Title += " twice"
		if _, err := tx.PutCourse(s.Value, catalog.Cond{}); err != nil {
			return err
		}
		return tx.DeleteCourse(ids[1], catalog.Cond{})
	})
	head, err := c.Log().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Apply(t.Context(), nil, coursesync.Cursor{Log: c.Log().ID(), Seq: head}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	found := verifyIndex(t, c, dir)
	slices.Sort(found.Wrong.List)
	want := []string{
		fmt.Sprintf("the index has course %q, which is not in the catalog", ids[1]),
		fmt.Sprintf("the index has other words for course %q than the catalog", ids[0]),
	}
	if found.State != search.IndexCurrent || !slices.Equal(found.Wrong.List, want) {
		t.Errorf("%+v", found)
	}
}

func TestVerifyStates(t *testing.T) {
	c, dir := closedIndex(t)
	state := func(want search.IndexState) {
		t.Helper()
		if found := verifyIndex(t, c, dir); found.State != want || found.Wrong.Len() > 0 {
			t.Errorf("%+v, want %s", found, want)
		}
	}
	if err := c.Log().Renew(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	state(search.IndexExpired)
	if err := os.WriteFile(filepath.Join(liveFolder(t, dir), "version"), []byte("format 1, mapping 1, analysis 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	state(search.IndexForeign)
	dir = t.TempDir()
	state(search.IndexMissing)
}

// TestNotServedAfterARestore: what an index from before a restore says is not shown, not even until it is built again.
func TestNotServedAfterARestore(t *testing.T) {
	c, dir := closedIndex(t)
	if err := c.Log().Renew(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	x := openIndex(t, c, dir)
	if x.Ready() == nil {
		t.Error("it is served")
	}
	if err := coursesync.CatchUp(context.Background(), c.Log(), x); err != nil {
		t.Fatal(err)
	}
	if err := x.Ready(); err != nil {
		t.Error(err)
	}
	against(t, c, x, 10)
}
