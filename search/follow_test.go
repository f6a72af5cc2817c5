package search_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// small is a catalog that is quick to make and has everything in it.
var small = searchtest.Options{Courses: 120, Seed: 5, Vocabulary: 300, Words: 15, Tags: 20, Orgs: true, States: true}

// questions are a fixed set of requests about a catalog.
func questions(t *testing.T, c *catalog.Catalog) []search.Request {
	t.Helper()
	o, err := searchtest.NewOracle(context.Background(), c, noon)
	if err != nil {
		t.Fatal(err)
	}
	random := newChooser(o, 11)
	list := make([]search.Request, 30)
	for i := range list {
		list[i] = random.request()
		list[i].Explain, list[i].Limit = true, 10
	}
	return list
}

// state is what an index answers: two indexes that agree on it are the same to everyone.
func state(t *testing.T, x *search.Index, questions []search.Request) string {
	t.Helper()
	var all []*search.Response
	for _, req := range questions {
		resp := find(t, x, req)
		resp.QueryID, resp.TookMS, resp.AsOf = "", 0, ""
		all = append(all, resp)
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// change makes some of every kind of change.
func change(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	update(t, c, func(tx *catalog.Tx) error {
		courses := []catalog.CourseID{}
		list, err := tx.CoursesWithTag("tag-0")
		if err != nil {
			return err
		}
		courses = append(courses, list...)
		for i, id := range courses {
			s, _, err := tx.Course(id)
			if err != nil {
				return err
			}
			switch i % 4 {
			case 0:
				s.Value.State = catalog.Archived
				_, err = tx.PutCourse(s.Value, catalog.Cond{})
			case 1:
				s.Value.Title, s.Value.Tags = "Entirely renamed", s.Value.Tags[:1]
				_, err = tx.PutCourse(s.Value, catalog.Cond{})
			case 2:
				err = tx.DeleteCourse(id, catalog.Cond{})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	update(t, c, func(tx *catalog.Tx) error {
		_, err := tx.PutTag(catalog.Tag{ID: "tag-1", Label: map[catalog.Locale]string{"en": "Relabelled"}, Synonyms: map[catalog.Locale][]string{"fr": {"réétiqueté"}}}, catalog.Cond{})
		if err != nil {
			return err
		}
		if _, err := tx.PutInstructor(catalog.Instructor{ID: "person-1", Name: "Grace Hopper"}, catalog.Cond{}); err != nil {
			return err
		}
		_, err = tx.PutCategory(catalog.Category{ID: "category-2", Label: map[catalog.Locale]string{"en": "Cartography"}, Parent: "category-1"}, catalog.Cond{})
		return err
	})
	if err := c.FlushStats(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// A change reaches everything that it touches: after it, the index answers as the oracle does.
func TestFollowsChanges(t *testing.T) {
	c, x := filled(t, small)
	change(t, c)
	catchUp(t, c, x)
	against(t, c, x, 60)
	for _, q := range []string{"relabelled", "réétiquetés", "grace hopper", "cartography"} {
		if find(t, x, search.Request{Q: q, Actor: catalog.System}).Total == 0 {
			t.Errorf("%q finds nothing", q)
		}
	}
	fresh, ask := openIndex(t, c, t.TempDir()), questions(t, c)
	catchUp(t, c, fresh)
	if diff := cmp.Diff(state(t, fresh, ask), state(t, x, ask)); diff != "" {
		t.Errorf("an index that followed differs from one built anew: %s", diff)
	}
}

// The contract of followers: the same batch twice is as once, and a reset with a replay gives the same.
func TestFollowerContract(t *testing.T) {
	ctx := context.Background()
	c, x := filled(t, small)
	change(t, c)
	var batch []coursesync.Change
	from, err := x.Cursor(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for ch, err := range c.Log().Read(ctx, from.Seq) {
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, ch)
	}
	next := coursesync.Cursor{Log: c.Log().ID(), Seq: batch[len(batch)-1].Seq}
	var states []string
	ask := questions(t, c)
	for range 2 {
		if err := x.Apply(ctx, batch, next); err != nil {
			t.Fatal(err)
		}
		if at, err := x.Cursor(ctx); err != nil || at != next {
			t.Fatalf("the cursor is %v, %v", at, err)
		}
		states = append(states, state(t, x, ask))
	}
	if diff := cmp.Diff(states[0], states[1]); diff != "" {
		t.Errorf("applied twice: %s", diff)
	}
	if err := x.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if at, err := x.Cursor(ctx); err != nil || at != (coursesync.Cursor{}) {
		t.Errorf("after a reset the cursor is %v, %v", at, err)
	}
	if _, err := x.Search(ctx, search.Request{}); code(err) != fault.NotReady {
		t.Errorf("after a reset a search gave %v", err)
	}
	catchUp(t, c, x)
	if diff := cmp.Diff(states[0], state(t, x, ask)); diff != "" {
		t.Errorf("reset and replayed: %s", diff)
	}
}

// An index that is closed goes on from where it was, also when changes came meanwhile.
func TestReopen(t *testing.T) {
	c, first := filled(t, small)
	dir := t.TempDir()
	x := openIndex(t, c, dir)
	catchUp(t, c, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, c)
	x = openIndex(t, c, dir)
	if err := x.Ready(); err != nil {
		t.Errorf("what was there is not served: %v", err)
	}
	catchUp(t, c, x)
	catchUp(t, c, first)
	ask := questions(t, c)
	if diff := cmp.Diff(state(t, first, ask), state(t, x, ask)); diff != "" {
		t.Error(diff)
	}
}

// Show 4: each file of the index, cut, emptied, zeroed or gone, leads to a rebuild, and then to the same answers.
func TestTornFiles(t *testing.T) {
	c := newCatalog(t)
	if err := searchtest.Fill(context.Background(), c, small); err != nil {
		t.Fatal(err)
	}
	good := t.TempDir()
	x := openIndex(t, c, good)
	catchUp(t, c, x)
	update(t, c, func(tx *catalog.Tx) error { // a second segment, and something deleted in the first
		s, _, err := tx.Course("course-000001")
		if err == nil {
			s.Value.ID = "one-more"
			_, err = tx.PutCourse(s.Value, catalog.Cond{})
		}
		return err
	})
	catchUp(t, c, x)
	ask := questions(t, c)
	want := state(t, x, ask)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	files := []string{}
	err := filepath.WalkDir(good, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(good, path)
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 4 || !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".zap") }) {
		t.Fatalf("files of the index: %q", files)
	}
	damages := map[string]func(b []byte) []byte{
		"empty": func([]byte) []byte { return nil },
		"cut":   func(b []byte) []byte { return b[:len(b)/2] },
		"short": func(b []byte) []byte { return b[:len(b)-1] },
		"zero":  func(b []byte) []byte { return make([]byte, len(b)) },
		"hole": func(b []byte) []byte {
			return append(append(bytes.Clone(b[:len(b)/3]), make([]byte, len(b)/3)...), b[2*(len(b)/3):]...)
		},
		"gone": nil,
	}
	for _, name := range files {
		for kind, damage := range damages {
			t.Run(strings.ReplaceAll(name, "/", "_")+"/"+kind, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, name)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if damage != nil {
					if err := os.WriteFile(path, damage(b), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				x := openIndex(t, c, dir)
				catchUp(t, c, x)
				if got := state(t, x, ask); got != want {
					t.Error("the answers differ: " + cmp.Diff(want, state(t, x, ask)))
				}
			})
		}
	}
}

// An index that this program cannot read, or of another catalog, is built again; of those that were set aside one is kept.
// Something else in the place of the file that names the index does not keep it from being built.
func TestLiveIsNoFile(t *testing.T) {
	c, x := filled(t, small)
	ask := questions(t, c)
	want := state(t, x, ask)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "live", "deeper"), 0o700); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, c, dir)
	catchUp(t, c, x)
	if diff := cmp.Diff(want, state(t, x, ask)); diff != "" {
		t.Error(diff)
	}
}

func TestForeignIndex(t *testing.T) {
	c, x := filled(t, small)
	ask := questions(t, c)
	want := state(t, x, ask)
	dir := t.TempDir()
	x = openIndex(t, c, dir)
	catchUp(t, c, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"mapping 0", "format 0, mapping 1, analysis 1\n"} {
		if err := os.WriteFile(filepath.Join(liveFolder(t, dir), "version"), []byte(version), 0o600); err != nil {
			t.Fatal(err)
		}
		x = openIndex(t, c, dir)
		if err := x.Ready(); code(err) != fault.NotReady {
			t.Errorf("an index of version %q is served: %v", version, err)
		}
		catchUp(t, c, x)
		if diff := cmp.Diff(want, state(t, x, ask)); diff != "" {
			t.Error(diff)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, dir); len(got) != 3 || !slices.Contains(got, "set-aside") {
		t.Errorf("the folder holds %q", got)
	}
	other := newCatalog(t)
	update(t, other, func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: "other", Text: catalog.Text{Title: "Other"}, Language: "en"}, catalog.Cond{})
		return err
	})
	x = openIndex(t, other, dir)
	catchUp(t, other, x)
	if diff := cmp.Diff([]string{"other"}, ids(find(t, x, search.Request{}))); diff != "" {
		t.Error(diff)
	}
}

// An empty catalog is searched at once.
func TestEmptyCatalog(t *testing.T) {
	c := newCatalog(t)
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	resp := find(t, x, search.Request{Q: "anything", Facets: []string{"*"}})
	if resp.Total != 0 || len(resp.Hits) != 0 || resp.Hits == nil {
		t.Errorf("got %+v", resp)
	}
}

func TestWaitFor(t *testing.T) {
	c, x := filled(t, searchtest.Options{Courses: 3})
	seq := update(t, c, func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: "new", Text: catalog.Text{Title: "Zymurgy"}, Language: "en"}, catalog.Cond{})
		return err
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := x.WaitFor(ctx, seq); code(err) != fault.StaleRead {
		t.Errorf("got %v", err)
	}
	reached := make(chan error)
	go func() { reached <- x.WaitFor(context.Background(), seq) }()
	catchUp(t, c, x)
	if err := <-reached; err != nil {
		t.Error(err)
	}
	resp := find(t, x, search.Request{Q: "zymurgy"})
	if resp.Total != 1 || resp.Seq < seq || resp.AsOf != fmt.Sprint(resp.Seq) {
		t.Errorf("got %+v", resp)
	}
}

// While the index changes, pages neither repeat nor skip a course that did not change itself.
func TestPagesUnderChange(t *testing.T) {
	c, x := filled(t, searchtest.Options{Courses: 150, Seed: 8, Vocabulary: 300, Words: 10})
	for _, sort := range []string{"rating", "-newest", "popular", "title", "-title", "duration"} {
		before := []string{}
		req := search.Request{Sort: sort, Limit: 100}
		for {
			page := find(t, x, req)
			before = append(before, ids(page)...)
			if page.Next == nil {
				break
			}
			req.Cursor = *page.Next
		}
		changed := map[string]bool{}
		seen := map[string]int{}
		req = search.Request{Sort: sort, Limit: 7}
		for n := 0; ; n++ {
			page := find(t, x, req)
			for _, id := range ids(page) {
				seen[id]++
			}
			if page.Next == nil {
				break
			}
			req.Cursor = *page.Next
			id := fmt.Sprintf("course-%06d", n*13%150)
			changed[id], changed[fmt.Sprint("new-", n)] = true, true
			update(t, c, func(tx *catalog.Tx) error {
				s, ok, err := tx.Course(catalog.CourseID(id))
				if err != nil || !ok {
					return err
				}
				made := s.Value
				made.ID = catalog.CourseID(fmt.Sprint("new-", n))
				if _, err := tx.PutCourse(made, catalog.Cond{}); err != nil {
					return err
				}
				s.Value.Title, s.Value.DurationMinutes, s.Value.PublishedAt = fmt.Sprint("Retitled ", n), 10+n, new(noon.Add(time.Duration(n)*time.Hour))
				_, err = tx.PutCourse(s.Value, catalog.Cond{})
				return err
			})
			catchUp(t, c, x)
		}
		for _, id := range before {
			if !changed[id] && seen[id] != 1 {
				t.Errorf("%s: %s came %d times", sort, id, seen[id])
			}
		}
	}
}
