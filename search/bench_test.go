package search_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
		})
	}
}

// BenchmarkSuggest measures the completion of beginnings of common words, by language and by how much was typed, in a catalog of three languages.
func BenchmarkSuggest(b *testing.B) {
	o := benchLanguages[1].options
	_, x := filled(b, o)
	suggestLengths(b, x, o)
}

func suggestLengths(b *testing.B, x *search.Index, o searchtest.Options) {
	b.Helper()
	const words = 200 // the commonest
	for _, l := range suggestLocales {
		common := searchtest.CommonWords(l, o)[:words]
		for _, runes := range []int{1, 2, 3, 5} {
			b.Run(fmt.Sprintf("%s-%d", l, runes), func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					n := len(took)
					typed := []rune(common[n%words] + common[n*7%words] + common[n*11%words])
					prefix := blank(8*n+runes) + string(typed[:min(runes, len(typed))])
					began := time.Now()
					if _, err := x.Suggest(context.Background(), catalog.Actor{}, l, prefix, 8); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(took[len(took)*95/100].Microseconds()), "p95-µs")
			})
		}
	}
}

// blank writes a number in blanks. Before what is typed it makes each request another one, so that no kept response answers.
func blank(n int) string {
	return strings.NewReplacer("0", " ", "1", "\t").Replace(strconv.FormatInt(int64(n), 2))
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
