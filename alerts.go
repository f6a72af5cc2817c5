package main

import (
	"context"
	"iter"
	"log/slog"

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
	return func(yield func(push.Match, error) bool) {
		found, err := s.match(ctx, courses)
		if err != nil {
			yield(push.Match{}, err)
			return
		}
		for _, m := range found {
			if !yield(push.Match{Learner: m.Learner, Search: m.Search, Course: m.Course}, nil) {
				return
			}
		}
	}
}

func (s savedSearches) match(ctx context.Context, courses []catalog.CourseID) ([]search.Match, error) {
	head, err := s.catalog.Log().Head(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.index.WaitFor(ctx, head); err != nil {
		return nil, err
	}
	if err := coursesync.CatchUp(ctx, s.catalog.Log(), s.alerts); err != nil {
		return nil, err
	}
	return s.alerts.Match(ctx, courses...)
}

// prepare reads all saved searches, so that the first news need not wait for that. Without it they are read then.
func (s savedSearches) prepare(ctx context.Context) {
	if err := s.alerts.Prepare(ctx); err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "saved searches will be read when the first course changes", slog.Any("error", err))
	}
}
