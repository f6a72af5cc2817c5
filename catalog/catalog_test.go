package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// noon is the time of every test's clock.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The cast.
var (
	anon        = Actor{}
	learner     = Actor{Subject: "lea"}
	acmeLearner = Actor{Subject: "leo", Org: "acme"}
	staffEditor = Actor{Subject: "eda", Roles: []Role{RoleEditor}}
	acmeEditor  = Actor{Subject: "edo", Roles: []Role{RoleEditor}, Org: "acme"}
	bolzEditor  = Actor{Subject: "edu", Roles: []Role{RoleEditor}, Org: "bolz"}
	translator  = Actor{Subject: "tra", Roles: []Role{RoleTranslator}}
	acmeTransl  = Actor{Subject: "tro", Roles: []Role{RoleTranslator}, Org: "acme"}
	admin       = Actor{Subject: "ada", Roles: []Role{RoleAdmin}}
	acmeAdmin   = Actor{Subject: "ado", Roles: []Role{RoleAdmin}, Org: "acme"}
)

func testCatalog(tb testing.TB) *Catalog {
	tb.Helper()
	dir := tb.TempDir()
	c, err := Open(Config{Path: filepath.Join(dir, "log.db"), Secrets: filepath.Join(dir, "secrets"), Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// do runs a command and returns its error.
func do(tb testing.TB, c *Catalog, actor Actor, fn func(tx *Tx) error) error {
	tb.Helper()
	_, err := c.Update(tb.Context(), actor, fn)
	return err
}

// must runs a command that must succeed.
func must(tb testing.TB, c *Catalog, actor Actor, fn func(tx *Tx) error) {
	tb.Helper()
	if err := do(tb, c, actor, fn); err != nil {
		tb.Fatal(err)
	}
}

// puts writes courses that must succeed.
func puts(tb testing.TB, c *Catalog, actor Actor, courses ...Course) {
	tb.Helper()
	must(tb, c, actor, func(tx *Tx) error {
		for _, course := range courses {
			if _, err := tx.PutCourse(course, Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// look reads.
func look[T any](tb testing.TB, c *Catalog, fn func(v *View) (T, error)) T {
	tb.Helper()
	var got T
	err := c.View(tb.Context(), func(v *View) (err error) {
		got, err = fn(v)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// stored returns a course that must exist.
func stored(tb testing.TB, c *Catalog, id CourseID) Stored[Course] {
	tb.Helper()
	return look(tb, c, func(v *View) (Stored[Course], error) { return v.CourseFor(System, id) })
}

// head returns the log's head.
func head(tb testing.TB, c *Catalog) coursesync.Seq {
	tb.Helper()
	return look(tb, c, func(v *View) (coursesync.Seq, error) { return v.Head(), nil })
}

// course makes a small valid course.
func course(id CourseID, state State) Course {
	return Course{ID: id, Text: Text{Title: "Title of " + string(id)}, Language: English, State: state}
}

func wantCode(tb testing.TB, err error, want fault.Code) {
	tb.Helper()
	if got := fault.CodeOf(err); got != want {
		tb.Errorf("got %v, want %q", err, want)
	}
}

// wantField checks that err names one field, with a code.
func wantField(tb testing.TB, err error, pointer string, want fault.Code) {
	tb.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != fault.InvalidFields || len(e.Fields) == 0 {
		tb.Fatalf("got %v, want %s at %s", err, want, pointer)
	}
	if len(e.Fields) != 1 || e.Fields[0].Pointer != pointer || e.Fields[0].Code != want {
		tb.Errorf("got %+v, want %s at %s", e.Fields, want, pointer)
	}
}

func TestUpdateSeesItsOwnWrites(t *testing.T) {
	c := testCatalog(t)
	puts(t, c, System, course("b", Published))
	must(t, c, System, func(tx *Tx) error {
		if _, err := tx.PutTag(Tag{ID: "go", Label: map[Locale]string{"en": "Go"}}, Cond{}); err != nil {
			return err
		}
		a := course("a", Published)
		a.Tags = []TagID{"go"}
		if _, err := tx.PutCourse(a, Cond{}); err != nil {
			return err
		}
		if err := tx.DeleteCourse("b", Cond{}); err != nil {
			return err
		}
		if _, ok, _ := tx.Course("b"); ok {
			t.Error("the deleted course is still there")
		}
		var keys []string
		for ch := range entities(&tx.View, KindCourse, "", "") {
			keys = append(keys, ch.Key)
		}
		if diff := cmp.Diff([]string{"a"}, keys); diff != "" {
			t.Error(diff)
		}
		ids, err := tx.CoursesWithTag("go")
		if diff := cmp.Diff([]CourseID{"a"}, ids); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func TestDryRunForgets(t *testing.T) {
	c := testCatalog(t)
	before := head(t, c)
	err := c.DryRun(t.Context(), System, func(tx *Tx) error {
		changed, err := tx.PutCourse(course("a", Published), Cond{})
		if !changed {
			t.Error("not changed")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := head(t, c); after != before {
		t.Errorf("head moved from %d to %d", before, after)
	}
}

func TestConditions(t *testing.T) {
	c := testCatalog(t)
	put := func(cond Cond) error {
		return do(t, c, System, func(tx *Tx) error {
			next := course("a", Published)
			next.Provider = fmt.Sprint(cond)
			_, err := tx.PutCourse(next, cond)
			return err
		})
	}
	wantCode(t, put(Cond{MustExist: true}), fault.LostUpdate)
	wantCode(t, put(Cond{Version: 7}), fault.LostUpdate)
	wantCode(t, put(Cond{MustNotExist: true}), "")
	wantCode(t, put(Cond{MustNotExist: true}), fault.LostUpdate)
	wantCode(t, put(Cond{MustExist: true}), "")
	version := stored(t, c, "a").Version
	wantCode(t, put(Cond{Version: version}), "")
	wantCode(t, put(Cond{Version: version}), fault.LostUpdate)
	del := func(cond Cond) error {
		return do(t, c, System, func(tx *Tx) error { return tx.DeleteCourse("a", cond) })
	}
	wantCode(t, del(Cond{Version: version}), fault.LostUpdate)
	wantCode(t, del(Cond{MustExist: true}), "")
	wantCode(t, del(Cond{}), fault.NotFound)
	wantCode(t, del(Cond{MustExist: true}), fault.LostUpdate)
}

// Many commands that read, add one and write lose no addition.
func TestUpdatesDoNotOverwriteEachOther(t *testing.T) {
	c := testCatalog(t)
	puts(t, c, System, course("a", Published))
	const workers, each = 8, 10
	var group stdsync.WaitGroup
	var runs atomic.Int64
	for range workers {
		group.Go(func() {
			for range each {
				err := do(t, c, System, func(tx *Tx) error {
					runs.Add(1)
					s, _, err := tx.Course("a")
					if err != nil {
						return err
					}
					s.Value.DurationMinutes++
					_, err = tx.PutCourse(s.Value, Cond{})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := stored(t, c, "a").Value.DurationMinutes; got != workers*each {
		t.Errorf("counted to %d in %d runs, want %d", got, runs.Load(), workers*each)
	}
}

// A tag is never deleted while a course begins to name it, whoever is first.
func TestNoReferenceDangles(t *testing.T) {
	c := testCatalog(t)
	for round := range 30 {
		tag := TagID(fmt.Sprint("tag-", round))
		must(t, c, System, func(tx *Tx) error {
			_, err := tx.PutTag(Tag{ID: tag, Label: map[Locale]string{"en": "x"}}, Cond{})
			return err
		})
		id := CourseID(fmt.Sprint("c", round))
		errs := make([]error, 2)
		start := make(chan struct{})
		var group stdsync.WaitGroup
		group.Go(func() {
			<-start
			errs[0] = do(t, c, System, func(tx *Tx) error {
				named := course(id, Published)
				named.Tags = []TagID{tag}
				_, err := tx.PutCourse(named, Cond{})
				return err
			})
		})
		group.Go(func() {
			<-start
			errs[1] = do(t, c, System, func(tx *Tx) error { return tx.DeleteTag(tag, Cond{}) })
		})
		close(start)
		group.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: put %v, delete %v: one of them must fail", round, errs[0], errs[1])
		}
		if errs[0] != nil {
			wantField(t, errs[0], "/tags/0", fault.UnknownRef)
		} else {
			wantCode(t, errs[1], fault.HasDependents)
		}
	}
}

// The guard works without the tables, too: a delete that saw the state before the course lost.
func TestDeleteLosesToAnOlderView(t *testing.T) {
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		_, err := tx.PutTag(Tag{ID: "go", Label: map[Locale]string{"en": "Go"}}, Cond{})
		return err
	})
	runs := 0
	err := do(t, c, System, func(tx *Tx) error {
		err := tx.DeleteTag("go", Cond{})
		if runs++; runs == 1 {
			done := make(chan error)
			go func() {
				_, err := c.Update(context.Background(), System, func(tx *Tx) error {
					named := course("a", Published)
					named.Tags = []TagID{"go"}
					_, err := tx.PutCourse(named, Cond{})
					return err
				})
				done <- err
			}()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		return err
	})
	wantCode(t, err, fault.HasDependents)
	if runs != 2 {
		t.Errorf("ran %d times, want 2", runs)
	}
}

// A command that loses again and again gets a moment alone.
func TestUnluckyCommandsGetTheirTurn(t *testing.T) {
	c := testCatalog(t)
	puts(t, c, System, course("a", Published))
	runs := 0
	err := do(t, c, System, func(tx *Tx) error {
		runs++
		s, _, err := tx.Course("a")
		if err != nil {
			return err
		}
		if runs <= freeAttempts {
			other := make(chan error)
			go func() {
				_, err := c.Update(context.Background(), System, func(tx *Tx) error {
					next := course("a", Published)
					next.DurationMinutes = runs
					_, err := tx.PutCourse(next, Cond{})
					return err
				})
				other <- err
			}()
			if err := <-other; err != nil {
				t.Error(err)
			}
		}
		s.Value.Provider = "me"
		_, err = tx.PutCourse(s.Value, Cond{})
		return err
	})
	if err != nil || runs != freeAttempts+1 {
		t.Errorf("%v after %d runs", err, runs)
	}
}

func TestErrorsOfCommandsComeBackAsTheyAre(t *testing.T) {
	c := testCatalog(t)
	mine := fault.New("test", fault.LostUpdate)
	runs := 0
	err := do(t, c, System, func(*Tx) error { runs++; return mine })
	if !errors.Is(err, mine) || runs != 1 {
		t.Errorf("got %v after %d runs", err, runs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Update(ctx, System, func(*Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Path: filepath.Join(dir, "log.db"), Logger: slog.New(slog.DiscardHandler), LockTimeout: time.Millisecond}
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(cfg)
	wantCode(t, err, fault.Locked)
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
