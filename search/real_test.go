package search_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
)

// Show 3 on real data: the same comparison over catalogs of other people, in three languages.
func TestRealCatalogsEqualBruteForce(t *testing.T) {
	dir := os.Getenv("CARREL_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	c := newCatalog(t)
	for _, f := range []struct{ file, preset string }{
		{"coursera_skills.csv", "coursera"}, {"icourse163_zh.csv", "icourse163"}, {"formations_grand_est_fr.csv", "grand-est"},
	} {
		path := filepath.Join(dir, "catalogs", f.file)
		if _, err := os.Stat(path); err != nil {
			if os.Getenv("CARREL_REQUIRE") == "1" {
				t.Fatal(err)
			}
			t.Skip("the real catalogs are not here: set CARREL_TESTDATA")
		}
		m, err := ingest.Preset(f.preset)
		if err != nil {
			t.Fatal(err)
		}
		file := ingest.File{Name: f.file, Open: func() (io.ReadSeekCloser, error) { return os.Open(path) }}
		if _, err := ingest.Run(context.Background(), c, []ingest.File{file}, ingest.Options{Actor: catalog.System, Map: m, Detect: analysis.Detect}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.FlushStats(context.Background()); err != nil {
		t.Fatal(err)
	}
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	against(t, c, x, soak(40))
	for _, q := range []string{"machine learning", "agricoles", "数据", "python", "elevage de ruminants", "高等数学"} {
		if find(t, x, search.Request{Q: q}).Total == 0 {
			t.Errorf("%q finds nothing", q)
		}
	}
	alerts := newSavers(t, c, x)
	alerts.saveRandom(7, soak(100))
	alerts.follow()
	var some []catalog.CourseID // what all of them find is compared with how they are named for a few
	for i, id := range alerts.courses() {
		if i%50 == 0 {
			some = append(some, id)
		}
	}
	pairs, found := alerts.checkAmong("of real courses", some)
	t.Logf("%d pairs of course and saved search, %d of them found", pairs, found)
	if err := x.Reindex(context.Background(), false); err != nil {
		t.Errorf("the same program makes another index of the same texts: %v", err)
	}
}
