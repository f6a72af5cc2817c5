package main

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// savedSearches is a [push.Matcher] by the index over saved searches.
type savedSearches struct {
	catalog *catalog.Catalog
	index   *search.Index
	alerts  *search.Alerts
}

func newSavedSearches(c *catalog.Catalog, x *search.Index) savedSearches {
	return savedSearches{c, x, search.NewAlerts(x)}
}

// Matches implements [push.Matcher]. Courses and saved searches are taken in up to the present head first: what was saved before a course was published finds it.
func (s savedSearches) Matches(ctx context.Context, courses []catalog.CourseID) iter.Seq2[push.Match, error] {
	return s.upToDate(ctx, s.alerts.Match(ctx, courses...))
}

// Risen implements [push.Matcher].
func (s savedSearches) Risen(ctx context.Context, course catalog.CourseID, was catalog.CardRatings) iter.Seq2[push.Match, error] {
	return s.upToDate(ctx, s.alerts.MatchRisen(ctx, course, was))
}

// upToDate takes all in, and then passes on what is found.
func (s savedSearches) upToDate(ctx context.Context, found iter.Seq2[search.Match, error]) iter.Seq2[push.Match, error] {
	return func(yield func(push.Match, error) bool) {
		if err := s.takeIn(ctx); err != nil {
			yield(push.Match{}, err)
			return
		}
		for m, err := range found {
			if !yield(push.Match{Learner: m.Learner, Search: m.Search, Course: m.Course}, err) {
				return
			}
		}
	}
}

// indexWait is how long the index is waited for. While it is built anew, nudges and other news have their turns between.
const indexWait = 10 * time.Second

func (s savedSearches) takeIn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	head, err := s.catalog.Log().Head(ctx)
	if err == nil {
		err = s.index.WaitFor(ctx, head)
	}
	if err == nil {
		err = coursesync.CatchUp(ctx, s.catalog.Log(), s.alerts)
	}
	return err
}

// prepare reads all saved searches, so that the first news need not wait for that. Without it they are read then.
func (s savedSearches) prepare(ctx context.Context) {
	if err := s.alerts.Prepare(ctx); err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "saved searches will be read when the first course changes", slog.Any("error", err))
	}
}
