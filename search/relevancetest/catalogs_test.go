package relevancetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// The catalogs that are searched.
const (
	demoCatalog = "demo"
	realCatalog = "real"
)

// clock is the time in all measurements, so that dates weigh the same today and tomorrow.
func clock() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// realFiles are the catalogs of other people, each with the preset that maps it. They are searched as one.
var realFiles = []struct{ file, preset string }{
	{"coursera_skills.csv", "coursera"},
	{"udemy_courses.csv", "udemy"},
	{"uiuc_2026_summer.csv", "uiuc"},
	{"icourse163_zh.csv", "icourse163"},
	{"formations_grand_est_fr.csv", "grand-est"},
}

// testData returns a file or folder of the data that is not in the repository; where there is none it skips the test,
// unless all is required or the golden file, which holds all, is to be written.
func testData(tb testing.TB, elem ...string) string {
	tb.Helper()
	dir := os.Getenv("CARREL_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	path := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		if *update || os.Getenv("CARREL_REQUIRE") == "1" {
			tb.Fatal(err)
		}
		tb.Skip("not measured: the real catalogs are not here; set CARREL_TESTDATA")
	}
	return path
}

// shelf is a catalog with a folder for its index, which can be opened again and again with other settings.
type shelf struct {
	catalog *catalog.Catalog
	dir     string
}

func newShelf(tb testing.TB, dir string) *shelf {
	tb.Helper()
	c, err := catalog.Open(catalog.Config{
		Path: filepath.Join(dir, "log.db"), Secrets: filepath.Join(dir, "secrets"), Now: clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &shelf{catalog: c, dir: filepath.Join(dir, "index")}
}

// shelves are those that several tests look at, filled once.
var shelves = struct {
	dir  string
	open map[string]*shelf
}{open: map[string]*shelf{}}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "relevancetest")
	if err != nil {
		panic(err)
	}
	shelves.dir = dir
	code := m.Run()
	for _, s := range shelves.open {
		err = errors.Join(err, s.catalog.Close())
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// catalogs are those whose queries are judged.
var catalogs = []struct {
	name string
	fill func(testing.TB, *shelf)
}{{demoCatalog, fillDemo}, {realCatalog, fillReal}}

// openShelf returns the shelf of a catalog, which nobody changes.
func openShelf(tb testing.TB, name string, fill func(testing.TB, *shelf)) *shelf {
	tb.Helper()
	if name == realCatalog {
		testData(tb, "catalogs")
	}
	s := shelves.open[name]
	if s == nil {
		dir := filepath.Join(shelves.dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			tb.Fatal(err)
		}
		s = newShelf(tb, dir)
		shelves.open[name] = s
		fill(tb, s)
	}
	return s
}

// fill imports files as an administrator would.
func (s *shelf) fill(tb testing.TB, files []ingest.File, m *ingest.Mapping) {
	tb.Helper()
	options := ingest.Options{Actor: catalog.System, Map: m, Detect: analysis.Detect}
	if _, err := ingest.Run(context.Background(), s.catalog, files, options); err != nil {
		tb.Fatal(err)
	}
	if err := s.catalog.FlushStats(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

// open opens the index, up to date; the caller closes it.
func (s *shelf) open(tb testing.TB, change func(*search.Config)) *search.Index {
	tb.Helper()
	cfg := search.Config{Dir: s.dir, Catalog: s.catalog, Now: clock, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	x, err := search.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := coursesync.CatchUp(context.Background(), s.catalog.Log(), x); err != nil {
		tb.Fatal(err)
	}
	return x
}

// with opens the index for as long as fn needs it.
func (s *shelf) with(tb testing.TB, change func(*search.Config), fn func(*search.Index)) {
	tb.Helper()
	x := s.open(tb, change)
	fn(x)
	if err := x.Close(); err != nil {
		tb.Error(err)
	}
}

func fillDemo(tb testing.TB, s *shelf) {
	tb.Helper()
	s.fill(tb, ingest.Demo(), nil)
	s.update(tb, ingest.PutDemoSynonyms)
}

func fillReal(tb testing.TB, s *shelf) {
	tb.Helper()
	dir := testData(tb, "catalogs")
	for _, f := range realFiles {
		m, err := ingest.Preset(f.preset)
		if err != nil {
			tb.Fatal(err)
		}
		file := ingest.File{Name: f.file, Open: func() (io.ReadSeekCloser, error) { return os.Open(filepath.Join(dir, f.file)) }}
		s.fill(tb, []ingest.File{file}, m)
	}
	s.update(tb, putRealSynonyms)
}

// putRealSynonyms writes what an editor of the real catalogs would.
func putRealSynonyms(tx *catalog.Tx) error {
	text, err := os.ReadFile(filepath.Join("testdata", "real-synonyms.json"))
	if err != nil {
		return err
	}
	var synonyms []catalog.Synonym
	if err := json.Unmarshal(text, &synonyms); err != nil {
		return err
	}
	for _, s := range synonyms {
		if _, err := tx.PutSynonym(s, catalog.Cond{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) update(tb testing.TB, fn func(*catalog.Tx) error) {
	tb.Helper()
	if _, err := s.catalog.Update(context.Background(), catalog.System, fn); err != nil {
		tb.Fatal(err)
	}
}
