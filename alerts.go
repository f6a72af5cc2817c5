package main

import (
	"context"
	"iter"
	"net/url"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// savedSearches is a [push.Matcher] that runs every saved search, newest courses first.
type savedSearches struct {
	catalog *catalog.Catalog
	index   *search.Index
}

// maxPages bounds the pages of one saved search that are looked at for new courses: 5,000 hits.
const maxPages = 50

// kept is a saved search to be run.
type kept struct {
	id    catalog.SavedSearchID
	query string
	actor catalog.Actor
}

// Matches implements [push.Matcher].
func (s savedSearches) Matches(ctx context.Context, courses []catalog.CourseID) iter.Seq2[push.Match, error] {
	fresh := map[catalog.CourseID]bool{}
	for _, id := range courses {
		fresh[id] = true
	}
	return func(yield func(push.Match, error) bool) {
		head, err := s.catalog.Log().Head(ctx)
		if err == nil {
			err = s.index.WaitFor(ctx, head)
		}
		for after := ""; err == nil; {
			var some []kept
			if some, after, err = s.some(ctx, after); err != nil || len(some) == 0 {
				break
			}
			for _, k := range some {
				var more bool
				if more, err = s.run(ctx, k, fresh, yield); err != nil || !more {
					break
				}
			}
		}
		if err != nil {
			yield(push.Match{}, err)
		}
	}
}

// some reads saved searches that come after a key, whose owners want to hear of them.
func (s savedSearches) some(ctx context.Context, after string) (list []kept, last string, err error) {
	err = s.catalog.View(ctx, func(v *catalog.View) error {
		list, last = nil, after
		for ch := range v.Log().Entities(catalog.KindSavedSearch, "", after) {
			one, err := catalog.Decode[catalog.SavedSearch](ch)
			if err != nil {
				return err
			}
			last = ch.Key
			if one.Value.Notify == catalog.NotifyOff {
				continue
			}
			actor, err := v.OnRecord(catalog.LearnerOfKey(ch.Key))
			if err != nil {
				return err
			}
			if list = append(list, kept{catalog.SavedSearchID(catalog.WithoutLearner(ch.Key)), one.Value.Query, actor}); len(list) == coursesync.ReadChunk {
				break
			}
		}
		return nil
	})
	return list, last, err
}

// run yields what one saved search finds of the new courses, and reports whether more is wanted. One that cannot be read any more finds nothing.
func (s savedSearches) run(ctx context.Context, k kept, fresh map[catalog.CourseID]bool, yield func(push.Match, error) bool) (bool, error) {
	values, err := url.ParseQuery(k.query)
	if err != nil {
		return true, nil //nolint:nilerr // see above
	}
	r, err := search.ParseSaved(values)
	if err != nil {
		return true, nil //nolint:nilerr // see above
	}
	r.Actor, r.Sort, r.Limit, r.Facets = k.actor, search.SortNewest, search.MaxLimit, nil
	for range maxPages {
		found, err := s.index.Search(ctx, r)
		if err != nil {
			return false, err
		}
		if found.Relaxed {
			break // nothing has all of the words
		}
		for _, hit := range found.Hits {
			if fresh[hit.ID] && !yield(push.Match{Learner: k.actor.Subject, Search: k.id, Course: hit.ID}, nil) {
				return false, nil
			}
		}
		if found.Next == nil {
			break
		}
		r.Cursor = *found.Next
	}
	return true, nil
}
