package search_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// names are what a folder holds.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// liveFolder is where the index is that is served.
func liveFolder(t *testing.T, dir string) string {
	t.Helper()
	name, err := os.ReadFile(filepath.Join(dir, "live"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, strings.TrimSpace(string(name)))
}

// background runs something until the test ends.
func background(t *testing.T, fn func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = fn(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// indexed is small's catalog with an index that is up to date, in a folder that the test knows.
func indexed(t *testing.T) (c *catalog.Catalog, x *search.Index, dir string) {
	t.Helper()
	c, dir = newCatalog(t), t.TempDir()
	if err := searchtest.Fill(context.Background(), c, small); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, c, dir)
	catchUp(t, c, x)
	return c, x, dir
}

// A new index answers as the old one did, goes on following, and is what the next start finds; of the old one nothing is left.
func TestReindex(t *testing.T) {
	c, x, dir := indexed(t)
	change(t, c)
	catchUp(t, c, x)
	ask := questions(t, c)
	want, old := state(t, x, ask), liveFolder(t, dir)
	for range 2 {
		if err := x.Reindex(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, state(t, x, ask)); diff != "" {
			t.Errorf("the new index answers differently: %s", diff)
		}
	}
	s := x.ReindexStatus()
	if s.State != search.ReindexDone || s.Documents != s.Of || s.Of == 0 || s.Err != nil || s.EndedAt.IsZero() {
		t.Errorf("the status is %+v", s)
	}
	if got := names(t, dir); len(got) != 2 || slices.Contains(got, filepath.Base(old)) {
		t.Errorf("the folder holds %q", got)
	}
	update(t, c, func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: "later", Text: catalog.Text{Title: "Zymurgy"}, Language: "en"}, catalog.Cond{})
		return err
	})
	catchUp(t, c, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, c, dir)
	if err := x.Ready(); err != nil {
		t.Error(err)
	}
	if n := find(t, x, search.Request{Q: "zymurgy"}).Total; n != 1 {
		t.Errorf("%d courses are found that came after the swap, want 1", n)
	}
}

// While a new index is built, compared and swapped again and again, courses are written and read: no search fails, each sees the write that it
// waited for, and in the end the index equals one that was built from nothing.
func TestReindexUnderChange(t *testing.T) {
	c, x, _ := indexed(t)
	background(t, func(ctx context.Context) error { return coursesync.Follow(ctx, c.Log(), x, nil) })
	stop, stopped := make(chan struct{}), sync.WaitGroup{}
	writes := 0
	stopped.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			writes++
			if !rewrite(t, c, x, n) {
				return
			}
		}
	})
	for range soak(2) {
		if err := x.Reindex(context.Background(), false); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	stopped.Wait()
	if writes < 10 {
		t.Errorf("only %d writes came between: too little was tested", writes)
	}
	catchUp(t, c, x)
	against(t, c, x, 60)
	fresh, ask := openIndex(t, c, t.TempDir()), questions(t, c)
	catchUp(t, c, fresh)
	if diff := cmp.Diff(state(t, fresh, ask), state(t, x, ask)); diff != "" {
		t.Errorf("an index that was swapped under change differs from one built anew: %s", diff)
	}
}

// rewrite gives a course and a tag a word of their own and looks for both.
func rewrite(t *testing.T, c *catalog.Catalog, x *search.Index, n int) bool {
	t.Helper()
	word := "zz" + strings.Repeat("y", n%7) + strings.Map(func(r rune) rune { return r - '0' + 'a' }, fmt.Sprint(n))
	id := catalog.CourseID(fmt.Sprintf("moving-%d", n%3))
	seq, err := c.Update(context.Background(), catalog.System, func(tx *catalog.Tx) error {
		if _, err := tx.PutTag(catalog.Tag{ID: "moving", Label: map[catalog.Locale]string{"en": "label" + word}}, catalog.Cond{}); err != nil {
			return err
		}
		_, err := tx.PutCourse(catalog.Course{ID: id, Text: catalog.Text{Title: word}, Language: "en", Tags: []catalog.TagID{"moving"}, State: catalog.Published}, catalog.Cond{})
		return err
	})
	if err != nil {
		t.Error(err)
		return false
	}
	if err := x.WaitFor(context.Background(), seq); err != nil {
		t.Error(err)
		return false
	}
	for _, q := range []string{word, "label" + word} {
		resp, err := x.Search(context.Background(), search.Request{Q: `"` + q + `"`})
		if err != nil || !slices.Contains(ids(resp), string(id)) {
			t.Errorf("%q: %v, %v", q, ids(resp), err)
			return false
		}
	}
	return true
}

// One rebuild at a time, and none while there is nothing to be replaced.
func TestReindexTurns(t *testing.T) {
	_, x, _ := indexed(t)
	if s := x.ReindexStatus(); s.State != search.ReindexIdle || s.Running() {
		t.Errorf("before the first one the status is %+v", s)
	}
	if s, err := x.StartReindex(false); err != nil || s.State != search.ReindexBuilding {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := x.StartReindex(true); code(err) != fault.ReindexRunning {
		t.Errorf("a second one: %v", err)
	}
	if err := x.Reindex(context.Background(), true); code(err) != fault.ReindexRunning {
		t.Errorf("a second one: %v", err)
	}
	background(t, x.Run)
	await(t, x, search.ReindexDone)
	if err := x.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := x.Reindex(context.Background(), true); code(err) != fault.NotReady {
		t.Errorf("while the first one is built: %v", err)
	}
}

// await waits for the end of a rebuild.
func await(t *testing.T, x *search.Index, want search.ReindexState) {
	t.Helper()
	for {
		s := x.ReindexStatus()
		if !s.Running() && s.State != search.ReindexIdle {
			if s.State != want {
				t.Errorf("the rebuild ended as %+v, want %s", s, want)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// An index that another version wrote is served until the new one is there.
func TestReindexAfterUpgrade(t *testing.T) {
	c, x, dir := indexed(t)
	ask := questions(t, c)
	want := state(t, x, ask)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	old := liveFolder(t, dir)
	if err := os.WriteFile(filepath.Join(old, "version"), []byte("format 1, mapping 0, analysis 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	change(t, c)
	for range 2 { // opening it changes nothing
		x = openIndex(t, c, dir)
		if err := x.Ready(); err != nil || !x.Outdated() {
			t.Fatalf("ready: %v, outdated: %v", err, x.Outdated())
		}
		catchUp(t, c, x)
		if got := state(t, x, ask); got == want {
			t.Error("the old index does not follow")
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
	x = openIndex(t, c, dir)
	catchUp(t, c, x)
	background(t, x.Run)
	await(t, x, search.ReindexDone)
	if x.Outdated() || liveFolder(t, dir) == old {
		t.Error("it was not rebuilt")
	}
	against(t, c, x, 60)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if x = openIndex(t, c, dir); x.Outdated() {
		t.Error("the new index is of another version too")
	}
}

// Whatever a kill can leave is gone after the next start.
func TestReindexLeftovers(t *testing.T) {
	c, x, dir := indexed(t)
	ask := questions(t, c)
	want := state(t, x, ask)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	live := liveFolder(t, dir)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, leave := range map[string]func(at string){
		"first layout":    func(at string) { must(os.CopyFS(filepath.Join(at, "index"), os.DirFS(live))) },
		"whole build":     func(at string) { must(os.CopyFS(filepath.Join(at, "index-000007"), os.DirFS(live))) },
		"torn build":      func(at string) { must(os.Mkdir(filepath.Join(at, "index-000002"), 0o750)) },
		"unfinished name": func(at string) { must(os.WriteFile(filepath.Join(at, "live.next"), []byte("index-0000"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			at := t.TempDir()
			must(os.CopyFS(at, os.DirFS(dir)))
			leave(at)
			x := openIndex(t, c, at)
			if err := x.Ready(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, state(t, x, ask)); diff != "" {
				t.Error(diff)
			}
			if got := names(t, at); len(got) != 2 {
				t.Errorf("the folder holds %q", got)
			}
		})
	}
}

// damage changes an index that is closed.
func damage(t *testing.T, dir string, change func(b *bleve.Batch, n int)) {
	t.Helper()
	b, err := bleve.Open(liveFolder(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	batch := b.NewBatch()
	for n := range small.Courses {
		change(batch, n)
	}
	if err := b.Batch(batch); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func courseName(n int) string { return fmt.Sprintf("course-%06d", n) }

// A new index that is more than a tenth apart from the old one is refused, whatever the difference, and taken when that is forced.
func TestReindexRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		every   int // how many of the courses are changed: one in …
		replace bool
		want    string // the percentage that tells
	}{
		{"a few documents are missing", 40, false, ""},
		{"many documents are missing", 6, false, "documents"},
		{"documents hold other words", 3, true, "totals"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, x, dir := indexed(t)
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, dir, func(b *bleve.Batch, n int) {
				switch {
				case n%test.every != 0:
				case test.replace:
					doc := document.NewDocument(courseName(n))
					doc.AddField(document.NewTextFieldWithIndexingOptions("en", nil, []byte("unheard"), index.IndexField))
					if err := b.IndexAdvanced(doc); err != nil {
						t.Error(err)
					}
				default:
					b.Delete(courseName(n))
				}
			})
			x = openIndex(t, c, dir)
			old := liveFolder(t, dir)
			err := x.Reindex(context.Background(), false)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused *fault.Error
			if !errors.As(err, &refused) || refused.Code != fault.IndexShifted {
				t.Fatalf("got %v", err)
			}
			if percent, _ := refused.Args[test.want].(int); percent <= 10 || !strings.Contains(refused.Fix, "--force") {
				t.Errorf("%s is not blamed: %v", test.want, refused)
			}
			if s := x.ReindexStatus(); s.State != search.ReindexRefused || s.Err == nil {
				t.Errorf("the status is %+v", s)
			}
			if got := names(t, dir); liveFolder(t, dir) != old || len(got) != 2 {
				t.Errorf("after the refusal the folder holds %q", got)
			}
			if err := x.Reindex(context.Background(), true); err != nil {
				t.Fatal(err)
			}
			against(t, c, x, 40)
		})
	}
}

// A build that cannot go on ends, leaves nothing, and the next one goes well.
func TestReindexGivesUp(t *testing.T) {
	for name, stop := range map[string]func(t *testing.T, c *catalog.Catalog, x *search.Index, cancel func()){
		"its context ends": func(_ *testing.T, _ *catalog.Catalog, _ *search.Index, cancel func()) { cancel() },
		"the index is closed": func(t *testing.T, _ *catalog.Catalog, x *search.Index, _ func()) {
			t.Helper()
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		},
		"the index is reset": func(t *testing.T, c *catalog.Catalog, x *search.Index, _ func()) {
			t.Helper()
			if err := x.Reset(context.Background()); err != nil {
				t.Error(err)
			}
			catchUp(t, c, x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, x, dir := indexed(t)
			update(t, c, func(tx *catalog.Tx) error { // which the index does not follow, so that the build waits
				_, err := tx.PutCourse(catalog.Course{ID: "ahead", Text: catalog.Text{Title: "Ahead"}, Language: "en"}, catalog.Cond{})
				return err
			})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error)
			go func() { ended <- x.Reindex(ctx, true) }()
			for s := x.ReindexStatus(); s.Documents == 0 || s.Documents < s.Of; s = x.ReindexStatus() {
				time.Sleep(time.Millisecond)
			}
			stop(t, c, x, cancel)
			if err := <-ended; err == nil {
				t.Error("it went on")
			}
			if s := x.ReindexStatus(); s.State != search.ReindexFailed || s.Err == nil {
				t.Errorf("the status is %+v", s)
			}
			if got := slices.DeleteFunc(names(t, dir), func(n string) bool { return n == "set-aside" }); len(got) != 2 {
				t.Errorf("the folder holds %q", got)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			x = openIndex(t, c, dir)
			if err := x.Ready(); err != nil {
				t.Fatal(err)
			}
			catchUp(t, c, x)
			if err := x.Reindex(context.Background(), false); err != nil {
				t.Error(err)
			}
			against(t, c, x, 20)
		})
	}
}
