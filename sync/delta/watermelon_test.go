package delta_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/sync/delta"
)

// openService opens a catalog with a number of courses.
func openService(t *testing.T, courses int) (*catalog.Catalog, *delta.Service) {
	t.Helper()
	dir := t.TempDir()
	c, err := catalog.Open(catalog.Config{Path: filepath.Join(dir, "log.db"), Secrets: filepath.Join(dir, "secrets"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	for from := 0; from < courses; from += 1_000 {
		putCourses(t, c, from, min(from+1_000, courses), "first")
	}
	return c, delta.New(delta.Config{Catalog: c})
}

// putCourses writes courses of a title, those of numbers from until to.
func putCourses(t *testing.T, c *catalog.Catalog, from, to int, title string) {
	t.Helper()
	if _, err := c.Update(context.Background(), catalog.System, func(tx *catalog.Tx) error {
		for i := from; i < to; i++ {
			course := catalog.Course{ID: catalog.CourseID(fmt.Sprint("c", i)), Text: catalog.Text{Title: title}, Language: "en", State: catalog.Published}
			if _, err := tx.PutCourse(course, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func readTables(t *testing.T, all *delta.Tables) answer {
	t.Helper()
	var b bytes.Buffer
	if _, err := all.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(b.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTablesWhileWriting pulls more than one view holds, while courses change: what is there at the number that it returns must be in it, each course once.
func TestTablesWhileWriting(t *testing.T) {
	t.Parallel()
	c, s := openService(t, 2_500)
	titles := map[string]string{}
	since, done := delta.TablesRequest{Tables: []string{"courses"}, Locale: "en"}, make(chan struct{})
	go func() {
		defer close(done)
		for n := range 40 {
			putCourses(t, c, n*50, n*50+50, fmt.Sprint("title ", n))
		}
	}()
	for finished := false; ; {
		select {
		case <-done:
			finished = true
		default:
		}
		all, err := s.Watermelon(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		a := readTables(t, all)
		all.Close()
		seen := map[string]bool{}
		for _, row := range a.Changes["courses"].Updated {
			if seen[row.text("id")] {
				t.Fatalf("%s came twice", row.text("id"))
			}
			seen[row.text("id")] = true
			titles[row.text("id")] = row.text("title")
		}
		since.Since = a.Timestamp
		if finished {
			break
		}
	}
	for i := range 2_500 {
		want := "first"
		if i < 2_000 {
			want = fmt.Sprint("title ", i/50)
		}
		if got := titles[fmt.Sprint("c", i)]; got != want {
			t.Fatalf("course %d is %q, want %q", i, got, want)
		}
	}
}

// TestTablesAtOnce holds the bound on large answers, which small ones do not need.
func TestTablesAtOnce(t *testing.T) {
	t.Parallel()
	_, s := openService(t, 1_200)
	var open []*delta.Tables
	for {
		all, err := s.Watermelon(t.Context(), delta.TablesRequest{Locale: "en"})
		if fault.Is(err, fault.Overloaded) {
			break
		}
		if err != nil || len(open) > 20 {
			t.Fatal(len(open), err)
		}
		open = append(open, all)
	}
	small, err := s.Watermelon(t.Context(), delta.TablesRequest{Locale: "en", Since: open[0].Seq})
	if err != nil {
		t.Fatal("nothing new needs no place:", err)
	}
	small.Close()
	for _, all := range open {
		all.Close()
		all.Close() // which is nothing
	}
	all, err := s.Watermelon(t.Context(), delta.TablesRequest{Locale: "en"})
	if err != nil {
		t.Fatal(err)
	}
	all.Close()
}
