package ingest

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// realFile finds a real catalog; tests that need one do not run without.
func realFile(t *testing.T, name string) File {
	t.Helper()
	dir := os.Getenv("CARREL_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(dir, "catalogs", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CARREL_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip("the real catalogs are not here: set CARREL_TESTDATA")
	}
	return File{Name: name, Open: func() (io.ReadSeekCloser, error) { return os.Open(path) }}
}

func open(t *testing.T) *catalog.Catalog {
	t.Helper()
	dir := t.TempDir()
	c, err := catalog.Open(catalog.Config{Path: filepath.Join(dir, "carrel.db"), Secrets: filepath.Join(dir, "secrets")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func run(t *testing.T, c *catalog.Catalog, opt Options, files ...File) Report {
	t.Helper()
	opt.Actor, opt.Detect = catalog.System, analysis.Detect
	report, err := Run(context.Background(), c, files, opt)
	if err != nil {
		t.Fatal(err)
	}
	r := report.Rows
	if r.Read != r.Created+r.Updated+r.Unchanged+r.Merged+r.Rejected || r.Rejected != len(report.Errors) {
		t.Errorf("the rows do not add up: %+v with %d errors", r, len(report.Errors))
	}
	return report
}

// TestRealCatalogs loads each file with its preset: what the dry run says is what happens, every rejection has its reason, and a second
// import appends nothing.
func TestRealCatalogs(t *testing.T) {
	for _, c := range []struct {
		file, preset string
		want         catalog.ImportRows
		codes        map[string]int
	}{
		{"udemy_courses.csv", "udemy", catalog.ImportRows{Read: 3678, Created: 3667, Merged: 6, Rejected: 5}, map[string]int{"broken-quote": 5}},
		{"coursera_skills.csv", "coursera", catalog.ImportRows{Read: 1139, Created: 1114, Merged: 21, Rejected: 4}, map[string]int{"unknown-level": 4}},
		{"uiuc_2026_summer.csv", "uiuc", catalog.ImportRows{Read: 1724, Created: 1062, Merged: 662}, nil},
		{"icourse163_zh.csv", "icourse163", catalog.ImportRows{Read: 1219, Created: 1219}, nil},
		{"formations_grand_est_fr.csv", "grand-est", catalog.ImportRows{Read: 1207, Created: 1205, Merged: 2}, nil},
	} {
		t.Run(c.preset, func(t *testing.T) {
			t.Parallel()
			file := realFile(t, c.file)
			m, err := Preset(c.preset)
			if err != nil {
				t.Fatal(err)
			}
			cat := open(t)
			dry := run(t, cat, Options{Map: m, DryRun: true}, file)
			first := run(t, cat, Options{Map: m}, file)
			if diff := cmp.Diff(c.want, first.Rows); diff != "" {
				t.Error(diff)
			}
			codes := map[string]int{}
			for _, e := range first.Errors {
				codes[e.Code]++
				if e.Line < 2 || e.Detail == "" || e.Column == "" {
					t.Errorf("a rejection without its reason: %+v", e)
				}
			}
			if c.codes != nil {
				if diff := cmp.Diff(c.codes, codes); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff(dry.Rows, first.Rows); diff != "" {
				t.Errorf("the dry run said otherwise: %s", diff)
			}
			if diff := cmp.Diff(dry.Errors, first.Errors); diff != "" {
				t.Errorf("the dry run said otherwise: %s", diff)
			}
			before, _ := cat.Log().Head(context.Background())
			again := run(t, cat, Options{Map: m}, file)
			after, _ := cat.Log().Head(context.Background())
			if before != after || again.Rows.Created+again.Rows.Updated > 0 || again.Rows.Unchanged != first.Rows.Created {
				t.Errorf("a second import appended %d changes: %+v", after-before, again.Rows)
			}
		})
	}
}

// TestDemoCatalogLoads imports what ships with the program: no row is rejected, and every course speaks all three languages.
func TestDemoCatalogLoads(t *testing.T) {
	cat := open(t)
	report := run(t, cat, Options{}, Demo()...)
	for _, e := range report.Errors {
		t.Errorf("%+v", e)
	}
	for _, w := range report.Warnings {
		t.Error(w)
	}
	for s, err := range cat.Courses(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		c := s.Value
		if len(c.Translations) != 2 || c.Category == "" || len(c.Instructors) == 0 {
			t.Errorf("%s lacks something: %d translations, category %q, %d instructors", c.ID, len(c.Translations), c.Category, len(c.Instructors))
		}
		for l, text := range c.Translations {
			if text.Title == "" || text.Summary == "" || text.Description == "" {
				t.Errorf("%s lacks a text in %s", c.ID, l)
			}
		}
	}
	before, _ := cat.Log().Head(context.Background())
	run(t, cat, Options{}, Demo()...)
	if after, _ := cat.Log().Head(context.Background()); after != before {
		t.Errorf("loading it again appended %d changes", after-before)
	}
}
