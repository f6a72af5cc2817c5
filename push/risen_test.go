package push

import (
	"fmt"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// rate lets learners rate a course, and writes its sum.
func (w *world) rate(id catalog.CourseID, stars, raters int) {
	w.Helper()
	w.do(func(tx *catalog.Tx) error {
		for i := range raters {
			if _, err := tx.PutReview(catalog.LearnerID(fmt.Sprint("rater", i)), id, catalog.Review{Rating: stars}, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err := w.catalog.FlushStats(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// TestRatingReached: a saved search that asks for a rating is told of a course when it has it: once, and not of one that had it before it was saved.
func TestRatingReached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []catalog.CourseID{"go", "other"} {
		w.course(id, "Go "+string(id))
		for i := range 20 {
			who := catalog.LearnerID(fmt.Sprint("rater", i))
			w.enroll(who, id, catalog.Active)
		}
	}
	w.rate("other", 3, 20) // so that the mean is not that of the course
	w.device("lea")
	w.device("max")
	w.pass(time.Minute)
	w.searchFor("lea", "four", "q=go&min_rating=4")
	w.searchFor("lea", "any", "q=go")
	w.rate("go", 3, 10)
	w.pass(time.Minute)
	if got := w.rules("lea"); got != "" {
		t.Fatalf("told too early: %s", got)
	}
	w.rate("go", 5, 20)
	w.rate("go", 5, 20)
	w.pass(time.Minute)
	if got := w.rules("lea"); got != "search_match four 1" {
		now, err := w.ratingsNow(t.Context(), []catalog.CourseID{"go"})
		t.Fatalf("inbox: %q; the rating is %v, %v", got, now, err)
	}
	if got := w.phone.shown(); len(got) != 1 || got[0].Data["course"] != "go" {
		t.Errorf("%+v, want one message", got)
	}
	w.searchFor("max", "four", "q=go&min_rating=4")
	w.rate("go", 1, 20)
	w.pass(time.Minute)
	if err := w.Close(); err != nil { // and a restart
		t.Fatal(err)
	}
	w.open(true)
	w.rate("go", 5, 20)
	w.pass(time.Minute)
	if lea, max := w.rules("lea"), w.rules("max"); lea != "search_match four 1" || max != "" {
		t.Errorf("told again: %q, %q", lea, max)
	}
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.rate("go", 4, 20)
	w.rate("go", 5, 20)
	w.pass(time.Minute)
	if lea := w.rules("lea"); lea != "search_match four 1" {
		t.Errorf("told again after it started over: %q", lea)
	}
	w.sound()
}

// searchFor saves a search that is told at once.
func (w *world) searchFor(who catalog.LearnerID, id catalog.SavedSearchID, query string) {
	w.Helper()
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutSavedSearch(who, id, catalog.SavedSearch{Name: string(id), Query: query, Notify: catalog.NotifyInstant}, catalog.Cond{})
		return err
	})
}
