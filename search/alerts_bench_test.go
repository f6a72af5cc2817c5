package search_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// benchSaved is how many saved searches the benchmark has.
const benchSaved = 100_000

// savedLog makes up what people save after they found something: words of a title, in one of the languages, seldom the commonest. Of ten searches one has no
// words, one a word with a typing error, one a beginning, one an exclusion, one words of different courses, which hardly any has together; half have filters.
type savedLog struct {
	*rand.Rand
	titles map[catalog.Locale][]string
	common map[string]bool
}

// tooCommon is how many of the commonest words of each language nobody saves a search for.
const tooCommon = 100

func newSavedLog(tb testing.TB, c *catalog.Catalog, o searchtest.Options) *savedLog {
	tb.Helper()
	l := &savedLog{Rand: rand.New(rand.NewPCG(1, 1)), titles: map[catalog.Locale][]string{}, common: map[string]bool{}}
	for course, err := range c.Courses(tb.Context()) {
		if err != nil {
			tb.Fatal(err)
		}
		for _, locale := range []catalog.Locale{catalog.English, catalog.French, catalog.Chinese} {
			text, _ := course.Value.TextIn(locale)
			l.titles[locale] = append(l.titles[locale], text.Title)
		}
	}
	for locale := range l.titles {
		for _, w := range searchtest.CommonWords(locale, o)[:tooCommon] {
			l.common[w] = true
		}
	}
	return l
}

// words takes a few words out of a title.
func (l *savedLog) some(locale catalog.Locale, n int) (words []string) {
	title := l.titles[locale][l.IntN(len(l.titles[locale]))]
	for _, w := range strings.FieldsFunc(title, func(r rune) bool { return r == ' ' || r == '.' || r == '，' }) {
		if runes := []rune(w); locale == catalog.Chinese && len(runes) > 3 {
			at := l.IntN(len(runes) - 2)
			w = string(runes[at : at+2])
		}
		if !l.common[w] {
			words = append(words, w)
		}
	}
	l.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return words[:min(n, len(words))]
}

func (l *savedLog) search() string {
	locale := []catalog.Locale{catalog.English, catalog.English, catalog.French, catalog.Chinese}[l.IntN(4)]
	words := l.some(locale, 1+l.IntN(3))
	if len(words) > 0 {
		last := []rune(words[len(words)-1])
		switch l.IntN(10) {
		case 0:
			words = nil
		case 1:
			at := l.IntN(len(last))
			words[len(words)-1] = string(slices.Insert(last, at, 'x'))
		case 2:
			words[len(words)-1] = string(last[:1+len(last)/2])
		case 3:
			for _, w := range l.some(locale, 1) {
				words = append(words, "-"+w)
			}
		case 4:
			words = append(words, l.some(locale, 1)...)
		}
	}
	req := search.Request{Q: strings.Join(words, " ")}
	if words == nil || l.IntN(2) == 0 {
		l.filter(&req)
	}
	values := req.Values()
	values.Set("locale", string(locale))
	return values.Encode()
}

func (l *savedLog) filter(req *search.Request) {
	least := []float64{3, 3.5, 4, 4.5}[l.IntN(4)]
	switch l.IntN(6) {
	case 0:
		req.MinRating = &least
	case 1:
		req.Levels = []string{"beginner", "all"}
	case 2:
		req.Languages = []string{"en"}
	case 3:
		req.Categories = []string{"category-" + strconv.Itoa(l.IntN(40))}
	case 4:
		req.Instructors = []string{"person-" + strconv.Itoa(l.IntN(500))}
	}
	if l.IntN(3) == 0 || req.MinRating == nil {
		req.Tags = []string{"tag-" + strconv.Itoa(l.IntN(1+l.IntN(300)))}
	}
}

// save hands alerts so many saved searches, ten of each learner.
func (l *savedLog) save(tb testing.TB, a *search.Alerts, n int) {
	tb.Helper()
	if err := a.Load(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	var batch []coursesync.Change
	for i := range n {
		body, err := json.Marshal(catalog.SavedSearch{Name: "n", Query: l.search(), Notify: catalog.NotifyInstant})
		if err != nil {
			tb.Fatal(err)
		}
		batch = append(batch, coursesync.Change{Kind: catalog.KindSavedSearch, Key: fmt.Sprintf("learner-%d/%d", i/10, i%10), Op: coursesync.OpUpsert, Body: body})
	}
	if err := a.Apply(tb.Context(), batch, coursesync.Cursor{}); err != nil {
		tb.Fatal(err)
	}
}

func heap() float64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc) / 1e6
}

// BenchmarkAlerts measures how long it takes to find the saved searches of a course that has just changed, beside comparing it with all of them.
func BenchmarkAlerts(b *testing.B) {
	o := searchtest.Options{Courses: benchCourses, Seed: 3, Translated: true}
	if n, err := strconv.Atoi(os.Getenv("CARREL_BENCH_COURSES")); err == nil {
		o.Courses = n
	}
	c, x := filled(b, o)
	a := search.NewAlerts(x)
	newSavedLog(b, c, o).save(b, a, benchSaved)
	began := time.Now()
	if err := a.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	prepared := time.Since(began)
	b.Run("match", func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var took, cpu []time.Duration
		var matches, clauses, bundles, n int
		for b.Loop() {
			b.StopTimer()
			id := catalog.CourseID(fmt.Sprintf("course-%06d", n*7919%o.Courses))
			edit(b, c, x, id, n)
			b.StartTimer()
			began, spent := time.Now(), threadTime()
			list, err := a.Match(context.Background(), id)
			if err != nil {
				b.Fatal(err)
			}
			took, cpu = append(took, time.Since(began)), append(cpu, threadTime()-spent)
			looked, counted, _, _ := a.Examined()
			matches, clauses, bundles, n = matches+len(list), clauses+looked, bundles+counted, n+1
		}
		slices.Sort(took)
		slices.Sort(cpu)
		_, _, allClauses, allBundles := a.Examined()
		facts, relaxed := a.Odd()
		for unit, value := range map[string]float64{
			"p50-ms": took[len(took)/2].Seconds() * 1000, "p95-ms": took[len(took)*95/100].Seconds() * 1000, "max-ms": took[len(took)-1].Seconds() * 1000,
			"cpu-p50-ms": cpu[len(cpu)/2].Seconds() * 1000, "cpu-p95-ms": cpu[len(cpu)*95/100].Seconds() * 1000,
			"matches": float64(matches) / float64(n), "clauses": float64(clauses) / float64(n), "bundles": float64(bundles) / float64(n),
			"all-clauses": float64(allClauses), "all-bundles": float64(allBundles), "prepare-s": prepared.Seconds(), "odd-words": float64(facts), "relaxed": float64(relaxed),
		} {
			b.ReportMetric(value, unit)
		}
	})
	b.Run("looping", func(b *testing.B) {
		const sample = 10_000
		n := 0
		for b.Loop() {
			searches, _, err := a.Looping(context.Background(), catalog.CourseID(fmt.Sprintf("course-%06d", n*7919%o.Courses)), sample)
			if err != nil || searches != sample {
				b.Fatal(searches, err)
			}
			n++
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(n)*benchSaved/sample, "ms-for-all")
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
		}
		with := heap()
		a = nil
		b.ReportMetric(with-heap(), "MB")
	})
}

// edit changes a course's summary, and lets the index follow.
func edit(b *testing.B, c *catalog.Catalog, x *search.Index, id catalog.CourseID, n int) {
	b.Helper()
	update(b, c, func(tx *catalog.Tx) error {
		course, _, err := tx.Course(id)
		if err == nil {
			course.Value.Text.Summary += fmt.Sprintf(" %d", n)
			_, err = tx.PutCourse(course.Value, catalog.Cond{})
		}
		return err
	})
	catchUp(b, c, x)
}
