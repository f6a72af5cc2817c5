package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	savedSearches = 100_000
	changedMany   = 200   // courses that change one after another
	loopedMany    = 2_000 // saved searches that are run one by one, for comparison

	goalAlerts     = 5 * time.Millisecond
	goalAlertsLoop = 50
	goalAlertsMB   = 100
)

// alerts measures how long it takes to find the saved searches of a course that has changed, beside running them all.
func (b *bench) alerts() error {
	dir, err := b.folder(b.courses)
	if err != nil {
		return err
	}
	s, err := openReady(dir)
	if err != nil {
		return err
	}
	return errors.Join(b.alertsOf(s), s.close())
}

func (b *bench) alertsOf(s *site) error {
	section(fmt.Sprintf("Alerts: %d saved searches over %d courses in three languages, in process", savedSearches, b.courses))
	ctx := context.Background()
	log, err := searchtest.NewSavedLog(ctx, s.catalog, optionsOf(b.courses))
	if err != nil {
		return err
	}
	saved, err := log.Changes(savedSearches)
	if err != nil {
		return err
	}
	a := search.NewAlerts(s.index)
	start := time.Now()
	if err := errors.Join(a.Load(ctx), a.Apply(ctx, saved, coursesync.Cursor{}), a.Prepare(ctx)); err != nil {
		return err
	}
	prepared := time.Since(start)
	var matches int
	took, _, err := measure(warmUp, changedMany, func(i int) (int, error) {
		id := catalog.CourseID(fmt.Sprintf("course-%06d", i*7919%b.courses))
		n, err := matching(ctx, a, id)
		matches += n
		return 0, err
	})
	if err != nil {
		return err
	}
	changed, err := b.changedCourses(ctx, s, a)
	if err != nil {
		return err
	}
	with := heapMB()
	runtime.KeepAlive(a)
	memory := with - heapMB() // when it is gone
	looped, err := loop(ctx, s, saved[:loopedMany])
	if err != nil {
		return err
	}
	all := looped * savedSearches / loopedMany
	fmt.Printf("| one course against all saved searches | p50 / p95 ms |\n|---|---|\n| as it is | %s / %s |\n| after a change | %s / %s |\n", within(took.at(50), goalAlerts, true), ms(took.at(95)),
		within(changed.at(50), goalAlerts, true), ms(changed.at(95)))
	fmt.Printf("| running them all, from %d of them | %s |\n\n", loopedMany, ms(all))
	fmt.Printf("Running them all takes so many times as long: %s. A course is found by %d of them. To begin with took %.1f s; memory: %s MB.\n",
		verdict(float64(all)/float64(changed.at(50)), goalAlertsLoop), matches/(warmUp+changedMany), prepared.Seconds(), atMost(memory, goalAlertsMB))
	return nil
}

// matching counts the saved searches that find a course.
func matching(ctx context.Context, a *search.Alerts, id catalog.CourseID) (n int, err error) {
	for _, err := range a.Match(ctx, id) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// changedCourses measures courses right after each has changed, when what depends on it is looked at again. Each is as before afterwards.
func (b *bench) changedCourses(ctx context.Context, s *site, a *search.Alerts) (times, error) {
	var took times
	for i := range changedMany {
		id := catalog.CourseID(fmt.Sprintf("course-%06d", i*104_729%b.courses))
		before, err := put(ctx, s, id, func(c *catalog.Course) { c.Summary += fmt.Sprintf(" %d", i) })
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := matching(ctx, a, id); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
		if _, err := put(ctx, s, id, func(c *catalog.Course) { *c = before }); err != nil {
			return nil, err
		}
		if _, err := matching(ctx, a, id); err != nil { // so that the next one need not look at this one too
			return nil, err
		}
	}
	return took, nil
}

// put changes a course, lets the index follow, and returns what was before.
func put(ctx context.Context, s *site, id catalog.CourseID, change func(c *catalog.Course)) (before catalog.Course, err error) {
	_, err = s.catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
		course, _, err := tx.Course(id)
		if err != nil {
			return err
		}
		before = course.Value
		change(&course.Value)
		_, err = tx.PutCourse(course.Value, catalog.Cond{})
		return err
	})
	return before, errors.Join(err, coursesync.CatchUp(ctx, s.catalog.Log(), s.index))
}

// loop runs saved searches one by one, as who has no index of them would, and only counts what they find.
func loop(ctx context.Context, s *site, saved []coursesync.Change) (time.Duration, error) {
	start := time.Now()
	for _, ch := range saved {
		one, err := catalog.SavedSearchIn(ch)
		if err != nil {
			return 0, err
		}
		values, err := url.ParseQuery(one.Value.Query)
		if err != nil {
			return 0, err
		}
		req, err := search.ParseSaved(values)
		if err != nil {
			return 0, err
		}
		req.Locale, req.Limit = catalog.Locale(values.Get("locale")), 1
		if _, err := s.index.Search(ctx, req); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

func heapMB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}
