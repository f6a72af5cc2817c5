package search_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
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

// noon is the time in all tests: some enrollments have closed, some are to open.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

func newCatalog(tb testing.TB) *catalog.Catalog {
	tb.Helper()
	return newCatalogAt(tb, clock)
}

func newCatalogAt(tb testing.TB, now func() time.Time) *catalog.Catalog {
	tb.Helper()
	dir := tb.TempDir()
	c, err := catalog.Open(catalog.Config{
		Path: filepath.Join(dir, "log.db"), Secrets: filepath.Join(dir, "secrets"), Now: now, Logger: slog.New(slog.DiscardHandler),
	})
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

func openIndex(tb testing.TB, c *catalog.Catalog, dir string) *search.Index {
	tb.Helper()
	logger := slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	x, err := search.Open(search.Config{Dir: dir, Catalog: c, Now: clock, Logger: logger})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := x.Close(); err != nil {
			tb.Error(err)
		}
	})
	return x
}

func catchUp(tb testing.TB, c *catalog.Catalog, x *search.Index) {
	tb.Helper()
	if err := coursesync.CatchUp(context.Background(), c.Log(), x); err != nil {
		tb.Fatal(err)
	}
}

// filled is a catalog with an index that is up to date.
func filled(tb testing.TB, o searchtest.Options) (*catalog.Catalog, *search.Index) {
	tb.Helper()
	c := newCatalog(tb)
	return c, fill(tb, c, o)
}

// fill fills a catalog and returns its index.
func fill(tb testing.TB, c *catalog.Catalog, o searchtest.Options) *search.Index {
	tb.Helper()
	if err := searchtest.Fill(context.Background(), c, o); err != nil {
		tb.Fatal(err)
	}
	x := openIndex(tb, c, tb.TempDir())
	catchUp(tb, c, x)
	return x
}

func update(tb testing.TB, c *catalog.Catalog, fn func(tx *catalog.Tx) error) coursesync.Seq {
	tb.Helper()
	seq, err := c.Update(context.Background(), catalog.System, fn)
	if err != nil {
		tb.Fatal(err)
	}
	return seq
}

func find(tb testing.TB, x *search.Index, req search.Request) *search.Response {
	tb.Helper()
	resp, err := x.Search(context.Background(), req)
	if err != nil {
		tb.Fatal(err)
	}
	return resp
}

func ids(resp *search.Response) []string {
	list := []string{}
	for _, h := range resp.Hits {
		list = append(list, string(h.ID))
	}
	return list
}

var actors = []catalog.Actor{
	{},
	{Subject: "lea", Roles: []catalog.Role{catalog.RoleLearner}},
	{Subject: "ann", Roles: []catalog.Role{catalog.RoleLearner}, Org: "acme"},
	{Subject: "ed", Roles: []catalog.Role{catalog.RoleEditor}, Org: "acme"},
	{Subject: "tom", Roles: []catalog.Role{catalog.RoleTranslator}, Org: "umbrella"},
	{Subject: "eve", Roles: []catalog.Role{catalog.RoleEditor}},
}

// chooser draws random requests from the words and values of a catalog.
type chooser struct {
	*rand.Rand
	words  []string
	pinned []string // queries
	values map[string][]string
}

func newChooser(o *searchtest.Oracle, seed uint64) *chooser {
	c := &chooser{Rand: rand.New(rand.NewPCG(seed, 2)), words: o.Words(4000), pinned: o.PinnedQueries(), values: map[string][]string{}}
	for _, f := range search.Facets() {
		c.values[f] = append(o.Values(f), "no-such-value")
	}
	return c
}

func (c *chooser) chance(percent int) bool { return c.IntN(100) < percent }

func (c *chooser) some(facet string, percent int) []string {
	if !c.chance(percent) {
		return nil
	}
	var list []string
	for range 1 + c.IntN(3) {
		if v := c.values[facet][c.IntN(len(c.values[facet]))]; !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// word draws a word, sometimes cut short or mistyped.
func (c *chooser) word() string {
	w := []rune(c.words[c.IntN(len(c.words))])
	switch at := c.IntN(len(w)); c.IntN(8) {
	case 0:
		w = w[:1+at]
	case 1:
		w = slices.Delete(w, at, at+1)
	case 2:
		w = slices.Insert(w, at, 'z')
	}
	return string(w)
}

func (c *chooser) query() string {
	if len(c.pinned) > 0 && c.chance(10) {
		return c.pinned[c.IntN(len(c.pinned))]
	}
	var parts []string
	for range c.IntN(4) * (1 + c.IntN(2)) {
		parts = append(parts, c.word())
	}
	if c.chance(10) {
		parts = append(parts, "-"+c.word())
	}
	if c.chance(10) {
		parts = append(parts, `"`+c.word()+" "+c.word()+`"`)
	}
	if c.chance(10) {
		parts = append(parts, fmt.Sprintf("tag:%q", c.values[search.FacetTags][c.IntN(len(c.values[search.FacetTags]))]))
	}
	if c.chance(5) {
		parts = append(parts, "-level:beginner")
	}
	if c.chance(5) {
		parts = append(parts, "rating:>=3.5")
	}
	c.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return strings.Join(parts, " ")
}

func (c *chooser) request() search.Request {
	r := search.Request{
		Actor: actors[c.IntN(len(actors))], Locale: []catalog.Locale{"", catalog.English, catalog.French, catalog.Chinese}[c.IntN(4)],
		Q: c.query(), Facets: []string{"*"}, FacetLimit: search.MaxFacetLimit, Limit: 1 + c.IntN(search.MaxLimit),
		Tags: c.some(search.FacetTags, 20), Categories: c.some(search.FacetCategory, 20), Levels: c.some(search.FacetLevel, 20),
		Languages: c.some(search.FacetLanguage, 20), Providers: c.some(search.FacetProvider, 15), Instructors: c.some(search.FacetInstructors, 10),
		Sort: []string{"", "relevance", "rating", "newest", "popular", "title", "duration"}[c.IntN(7)],
	}
	if r.Sort != "" && c.chance(30) {
		r.Sort = "-" + r.Sort
	}
	if c.chance(15) {
		r.AllTags = c.some(search.FacetTags, 100)[:1]
	}
	if c.chance(20) {
		least := []float64{3, 3.5, 4, 4.25, 4.5}[c.IntN(5)]
		r.MinRating = &least
	}
	if c.chance(10) {
		least := []float64{3, 3.5, 4}[c.IntN(3)]
		r.MinInstructorRating = &least
	}
	if c.chance(15) {
		least := c.IntN(600)
		r.MinDuration = &least
	}
	if c.chance(15) {
		most := 600 + c.IntN(600)
		r.MaxDuration = &most
	}
	if c.chance(20) {
		r.Availabilities = []string{"open", "upcoming", "closed"}[c.IntN(3):][:1]
	}
	r.Free = c.chance(10)
	if c.chance(20) {
		r.States = [][]string{{"*"}, {"draft"}, {"archived", "published"}}[c.IntN(3)]
	}
	return r
}

// compare checks a request against the oracle: the total, every facet, and all pages.
func compare(t *testing.T, x *search.Index, o *searchtest.Oracle, req search.Request) bool {
	t.Helper()
	want, err := o.Search(req)
	if err != nil {
		t.Fatal(err)
	}
	resp := find(t, x, req)
	diff := cmp.Diff(want.Total, resp.Total) + cmp.Diff(want.Relaxed, resp.Relaxed)
	for _, facet := range search.Facets() {
		diff += cmp.Diff(listed(want.Facets[facet]), counted(resp.Facets[facet]))
	}
	var got []string
	for page := resp; ; page = find(t, x, req) {
		got = append(got, ids(page)...)
		if page.Next == nil || len(got) > want.Total {
			break
		}
		req.Cursor = *page.Next
	}
	order := []string{}
	for _, id := range want.IDs {
		order = append(order, string(id))
	}
	if sort := strings.TrimPrefix(req.Sort, "-"); sort == "" || sort == search.SortRelevance {
		slices.Sort(order)
		slices.Sort(got)
	}
	if len(order) != len(got) || len(got) > 0 {
		diff += cmp.Diff(order, got)
	}
	if diff != "" {
		t.Errorf("%s as %s in %q: −want +got\n%s", req.Values().Encode(), req.Actor.Subject, req.Locale, diff)
	}
	return diff == ""
}

// listed is what a facet with the largest limit shows of counts.
func listed(counts map[string]int) []string {
	var list []search.FacetValue
	for v, n := range counts {
		list = append(list, search.FacetValue{Value: v, Count: n})
	}
	slices.SortFunc(list, func(a, b search.FacetValue) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Value, b.Value)
	})
	return counted(list[:min(len(list), search.MaxFacetLimit)])
}

// counted are a facet's first values with a count; what is listed only because it is selected is left out.
func counted(values []search.FacetValue) []string {
	list := []string{}
	for _, v := range values {
		if v.Count > 0 && len(list) < search.MaxFacetLimit {
			list = append(list, fmt.Sprintf("%s: %d", v.Value, v.Count))
		}
	}
	return list
}

// Show 3: every count, total and page equals what walking all courses finds.
func TestEqualsBruteForce(t *testing.T) {
	c, x := filled(t, searchtest.Options{Courses: 700, Seed: 1, Vocabulary: 900, Words: 25, Tags: 60, Orgs: true, States: true, Curated: true})
	against(t, c, x, soak(700))
	t.Run("translated", func(t *testing.T) {
		c, x := filled(t, searchtest.Options{Courses: 200, Seed: 2, Vocabulary: 2000, Words: 20, Translated: true})
		against(t, c, x, soak(300))
	})
}

// soak is how many times something random is tried.
func soak(n int) int {
	if os.Getenv("CARREL_SOAK") != "" {
		return 40 * n
	}
	return n
}

// against compares random requests with the oracle; real catalogs are compared the same way once they are loaded (see TestRealCatalogs in ingest).
func against(t *testing.T, c *catalog.Catalog, x *search.Index, requests int) {
	t.Helper()
	o, err := searchtest.NewOracle(context.Background(), c, noon)
	if err != nil {
		t.Fatal(err)
	}
	random := newChooser(o, 7)
	wrong := 0
	for n := range requests {
		if !compare(t, x, o, random.request()) {
			if wrong++; wrong == 3 {
				t.Fatalf("and so on, after %d requests", n+1)
			}
		}
	}
	t.Logf("%d random requests, %d of which are answered wrongly", requests, wrong)
}

func code(err error) fault.Code {
	return fault.CodeOf(err)
}
