package search_test

import (
	"context"
	"os"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
)

// benchCourses is how many courses the benchmarks have.
const benchCourses = 50_000

// benchLanguages are the catalogs that the benchmarks run on.
var benchLanguages = []struct {
	name    string
	options searchtest.Options
}{
	{"one", searchtest.Options{Courses: benchCourses, Seed: 3, Language: catalog.English}},
	{"three", searchtest.Options{Courses: benchCourses, Seed: 3, Translated: true}},
}

// BenchmarkSearch measures searches in process, with six facets, in a catalog of one language and of three.
func BenchmarkSearch(b *testing.B) {
	for _, l := range benchLanguages {
		b.Run(l.name, func(b *testing.B) {
			_, x := filled(b, l.options)
			o := searchtest.CommonWords(catalog.English, l.options)
			least := 4.0
			for _, bench := range []struct {
				name string
				req  search.Request
			}{
				{"everything", search.Request{}},
				{"filtered", search.Request{Tags: []string{"tag-0"}, Levels: []string{"beginner"}}},
				{"commonest-word", search.Request{Q: o[0] + " -xxxx"}},
				{"three-common-words", search.Request{Q: o[3] + " " + o[4] + " " + o[5] + " -xxxx"}},
				{"three-common-words-filtered", search.Request{Q: o[3] + " " + o[4] + " " + o[5] + " -xxxx", MinRating: &least, Levels: []string{"beginner", "all"}}},
				{"rare-word", search.Request{Q: o[5000] + " -xxxx"}},
				{"prefix-1", search.Request{Q: "p"}},
				{"prefix-3", search.Request{Q: o[0][:3]}},
				{"typo", search.Request{Q: o[300] + "z"}},
				{"title-sort", search.Request{Sort: "title"}},
			} {
				bench.req.Facets = []string{"tags", "category", "level", "language", "provider", "rating"}
				b.Run(bench.name, func(b *testing.B) {
					total, n := 0, 0
					for b.Loop() { // each time another request, so that no kept response answers
						bench.req.Limit, bench.req.FacetLimit = 1+n%25, 1+n/25%search.MaxFacetLimit
						total = find(b, x, bench.req).Total
						n++
					}
					b.ReportMetric(float64(total), "hits")
				})
			}
			b.Run("suggest", func(b *testing.B) {
				for b.Loop() {
					if _, err := x.Suggest(context.Background(), catalog.Actor{}, catalog.English, o[0][:3], 8); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkBuild measures the building of an index from the log, and its opening.
func BenchmarkBuild(b *testing.B) {
	for _, l := range benchLanguages {
		b.Run(l.name, func(b *testing.B) {
			c := newCatalog(b)
			if err := searchtest.Fill(context.Background(), c, l.options); err != nil {
				b.Fatal(err)
			}
			dir := b.TempDir()
			b.Run("build", func(b *testing.B) {
				for b.Loop() {
					if err := os.RemoveAll(dir); err != nil {
						b.Fatal(err)
					}
					x := openIndex(b, c, dir)
					catchUp(b, c, x)
					if err := x.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(benchCourses*b.N)/b.Elapsed().Seconds(), "courses/s")
			})
			b.Run("open", func(b *testing.B) {
				for b.Loop() {
					if err := openIndex(b, c, dir).Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
