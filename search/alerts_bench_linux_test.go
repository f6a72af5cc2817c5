package search_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// benchSaved is how many saved searches the benchmark has.
const benchSaved = 100_000

func heap() float64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc) / 1e6
}

// BenchmarkAlerts measures how long it takes to find the saved searches of a course that has just changed, beside comparing it with all of them.
func BenchmarkAlerts(b *testing.B) {
	o := searchtest.Options{Courses: 5000, Seed: 3, Translated: true} // what a course costs depends on the searches; with all of benchCourses see bench
	c, x := filled(b, o)
	a := search.NewAlerts(x)
	log, err := searchtest.NewSavedLog(b.Context(), c, o)
	if err != nil {
		b.Fatal(err)
	}
	saved, err := log.Changes(benchSaved)
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(a.Load(b.Context()), a.Apply(b.Context(), saved, coursesync.Cursor{})); err != nil {
		b.Fatal(err)
	}
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
			found := drain(b, a, id)
			took, cpu = append(took, time.Since(began)), append(cpu, threadTime()-spent)
			looked, counted, _, _ := a.Examined()
			matches, clauses, bundles, n = matches+found, clauses+looked, bundles+counted, n+1
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
	b.Run("round", func(b *testing.B) { // what an import published, once it is known
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var matches, courses int
		var cpu time.Duration
		all := make([]catalog.CourseID, o.Courses/5)
		for i := range all {
			all[i] = catalog.CourseID(fmt.Sprintf("course-%06d", i*5))
		}
		for b.Loop() {
			spent := threadTime()
			matches, courses = matches+drain(b, a, all...), courses+len(all)
			cpu += threadTime() - spent
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(courses), "ms-for-one")
		b.ReportMetric(cpu.Seconds()*1000/float64(courses), "cpu-ms-for-one")
		b.ReportMetric(float64(matches)/float64(courses), "matches")
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

// drain counts the saved searches that find courses.
func drain(b *testing.B, a *search.Alerts, ids ...catalog.CourseID) (n int) {
	b.Helper()
	for _, err := range a.Match(context.Background(), ids...) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	return n
}

// edit changes a course's summary, and lets the index follow.
func edit(b *testing.B, c *catalog.Catalog, x *search.Index, id catalog.CourseID, n int) {
	b.Helper()
	update(b, c, func(tx *catalog.Tx) error {
		course, _, err := tx.Course(id)
		if err == nil {
			course.Value.Summary += fmt.Sprintf(" %d", n)
			_, err = tx.PutCourse(course.Value, catalog.Cond{})
		}
		return err
	})
	catchUp(b, c, x)
}

// threadTime is how long the thread has computed: on a machine with other work it tells more than a clock does.
func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD, which package syscall does not name
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
