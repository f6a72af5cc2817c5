package relevancetest_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/relevancetest"
)

var update = flag.Bool("update", false, "write the golden file and the table of variants anew, from what is measured")

var (
	goldenFile = filepath.Join("testdata", "golden.txt")
	tableFile  = filepath.Join("testdata", "rules.txt")
)

// variants are what the table compares: search as it is, then without each of its rules.
func variants() []relevancetest.Variant {
	list := []relevancetest.Variant{{Name: "all rules"}}
	for _, r := range search.Rules() {
		off := func(cfg *search.Config) { cfg.Without = []search.Rule{r} }
		list = append(list, relevancetest.Variant{Name: "without " + string(r), Change: off})
	}
	return list
}

// judged reads the queries of a catalog.
func judged(tb testing.TB, name string) []relevancetest.Query {
	tb.Helper()
	var list []relevancetest.Query
	files, err := filepath.Glob(filepath.Join("testdata", "judged", name+"-*.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		queries, err := relevancetest.ReadQueries(f)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, queries...)
	}
	if len(list) == 0 {
		tb.Fatalf("no queries for %s", name)
	}
	return list
}

// ask measures a catalog as search is, or with a change.
func (s *shelf) ask(tb testing.TB, queries []relevancetest.Query, change func(*search.Config)) (results []relevancetest.Result) {
	tb.Helper()
	s.with(tb, change, func(x *search.Index) {
		var err error
		if results, err = relevancetest.Ask(context.Background(), x, queries); err != nil {
			tb.Fatal(err)
		}
	})
	return results
}

// allVisible demands that everybody may see the courses that were judged.
func allVisible(tb testing.TB, s *shelf, queries []relevancetest.Query) {
	tb.Helper()
	known := map[string]bool{}
	for c, err := range s.catalog.Courses(context.Background()) {
		if err != nil {
			tb.Fatal(err)
		}
		known[string(c.Value.ID)] = c.Value.State == catalog.Published
	}
	for _, q := range queries {
		for id := range q.Grades {
			if !known[string(id)] {
				tb.Errorf("%q: course %s is not there for everybody", q.Text, id)
			}
		}
	}
}

// No total may drop. When the file is out of date, `make golden` writes it again, and the change is seen in review.
func TestRelevanceIsNoWorseThanGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	golden, err := relevancetest.ReadGolden(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range catalogs {
		t.Run(c.name, func(t *testing.T) {
			s := openShelf(t, c.name, c.fill)
			queries := judged(t, c.name)
			allVisible(t, s, queries)
			results := s.ask(t, queries, nil)
			worse, stale := golden.Compare(c.name, results)
			for _, line := range append(worse, stale...) {
				t.Error(line)
			}
			if len(worse) > 0 {
				t.Errorf("answered worse than in %s:\n%s", goldenFile, strings.Join(golden.Drops(c.name, results), "\n"))
			}
			if len(stale) > 0 {
				t.Errorf("%s is out of date: run make golden and review what changed", goldenFile)
			}
		})
	}
}

// writeGolden measures both catalogs, with all variants.
func writeGolden(t *testing.T) {
	t.Helper()
	var report strings.Builder
	report.WriteString("# What make golden measured. The test of this package holds search to it.\n\n")
	table := make([]relevancetest.Measured, len(variants()))
	for _, c := range catalogs {
		s := openShelf(t, c.name, c.fill)
		queries := judged(t, c.name)
		for i, v := range variants() {
			results := s.ask(t, queries, v.Change)
			if i == 0 {
				report.WriteString(relevancetest.Report(c.name, results) + "\n")
			}
			table[i].Variant = v.Name
			table[i].Totals = append(table[i].Totals, relevancetest.Totals(c.name, results)...)
		}
	}
	write(t, goldenFile, strings.TrimSuffix(report.String(), "\n"))
	write(t, tableFile, relevancetest.Table(table))
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}
