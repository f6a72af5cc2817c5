package catalog

import (
	"fmt"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

// save saves a search of lea's.
func save(id SavedSearchID, s SavedSearch, cond Cond) func(tx *Tx) error {
	return func(tx *Tx) error { return second(tx.PutSavedSearch("lea", id, s, cond)) }
}

func TestSavedSearches(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	stored := func() SavedSearch {
		return look(t, c, func(v *View) (SavedSearch, error) {
			s, _, err := v.MySavedSearch("lea", "x")
			return s.Value, err
		})
	}
	for _, step := range []struct {
		name    string
		given   SavedSearch
		want    SavedSearch
		changes bool
	}{
		{"the first", SavedSearch{"Go", "q=go&min_rating=4", NotifyDaily}, SavedSearch{"Go", "q=go&min_rating=4", NotifyDaily}, true},
		{"the same", SavedSearch{" Go ", "q=go&min_rating=4", NotifyDaily}, SavedSearch{"Go", "q=go&min_rating=4", NotifyDaily}, false},
		{"nobody is told who does not ask", SavedSearch{"Go", "tag=go", ""}, SavedSearch{"Go", "tag=go", NotifyOff}, true},
		{"escaped", SavedSearch{"机器学习", "q=%E6%9C%BA%E5%99%A8&language=zh", NotifyInstant}, SavedSearch{"机器学习", "q=%E6%9C%BA%E5%99%A8&language=zh", NotifyInstant}, true},
	} {
		was := head(t, c)
		must(t, c, learner, save("x", step.given, Cond{}))
		if changed := head(t, c) != was; changed != step.changes {
			t.Errorf("%s: changed is %v", step.name, changed)
		}
		if d := cmp.Diff(step.want, stored()); d != "" {
			t.Errorf("%s: %s", step.name, d)
		}
	}
	wantCode(t, do(t, c, learner, save("x", SavedSearch{"N", "q=n", ""}, Cond{MustNotExist: true})), fault.LostUpdate)
	wantCode(t, do(t, c, learner, save("y", SavedSearch{"N", "q=n", ""}, Cond{MustExist: true})), fault.LostUpdate)
	if list, err := c.MySavedSearches(t.Context(), "lea", Page{Limit: 5}); err != nil || len(list.Items) != 1 || list.Items[0].ID != "x" {
		t.Errorf("got %+v, %v", list, err)
	}
	if list, err := c.MySavedSearches(t.Context(), "leo", Page{Limit: 5}); err != nil || len(list.Items) != 0 {
		t.Errorf("another learner has %+v, %v", list, err)
	}
	del := func(tx *Tx) error { return tx.DeleteSavedSearch("lea", "x", Cond{}) }
	wantCode(t, do(t, c, acmeLearner, del), fault.Forbidden)
	must(t, c, learner, del)
	wantCode(t, do(t, c, learner, del), fault.NotFound)
}

func TestSavedSearchesRefused(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	for _, tc := range []struct {
		name    string
		id      SavedSearchID
		s       SavedSearch
		pointer string
		code    fault.Code
	}{
		{"a bad id", "a/b", SavedSearch{"N", "q=n", ""}, "/id", fault.BadID},
		{"a long id", SavedSearchID(strings.Repeat("i", maxID+1)), SavedSearch{"N", "q=n", ""}, "/id", fault.BadID},
		{"no name", "x", SavedSearch{" ", "q=n", ""}, "/name", fault.Required},
		{"a long name", "x", SavedSearch{strings.Repeat("n", maxName+1), "q=n", ""}, "/name", fault.TooLong},
		{"no query", "x", SavedSearch{"N", "", ""}, "/query", fault.Required},
		{"a long query", "x", SavedSearch{"N", strings.Repeat("q", maxSavedQuery+1), ""}, "/query", fault.TooLong},
		{"a long query in Chinese", "x", SavedSearch{"N", strings.Repeat("学", maxSavedQuery/3+1), ""}, "/query", fault.TooLong},
		{"a broken escape", "x", SavedSearch{"N", "q=%zz", ""}, "/query", fault.BadQuery},
		{"a broken text", "x", SavedSearch{"N", "q=%ff", ""}, "/query", fault.BadQuery},
		{"a line break", "x", SavedSearch{"N", "q=a\nb", ""}, "/query", fault.BadEncoding},
		{"another way", "x", SavedSearch{"N", "q=n", "weekly"}, "/notify", fault.BadValue},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantField(t, do(t, c, learner, save(tc.id, tc.s, Cond{})), tc.pointer, tc.code)
		})
	}
	for actor, want := range map[string]fault.Code{"anon": fault.Unauthorized, "acmeLearner": fault.Forbidden, "acmeAdmin": fault.Forbidden, "admin": ""} {
		wantCode(t, do(t, c, cast[actor], save("x", SavedSearch{"N", "q=n", ""}, Cond{})), want)
	}
}

// Of several who make the last one allowed at once, one succeeds.
func TestSavedSearchesAreBounded(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	s := SavedSearch{"N", "q=n", ""}
	must(t, c, learner, func(tx *Tx) error {
		for i := range MaxSavedSearches - 1 {
			if err := save(SavedSearchID(fmt.Sprint("s", i)), s, Cond{})(tx); err != nil {
				return err
			}
		}
		return nil
	})
	errs := make([]error, 4)
	var wg stdsync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = c.Update(t.Context(), learner, save(SavedSearchID(fmt.Sprint("last", i)), s, Cond{}))
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		wantField(t, err, "/id", fault.TooMany)
	}
	if held := look(t, c, func(v *View) (int, error) { return v.holds(KindSavedSearch, "lea"), nil }); made != 1 || held != MaxSavedSearches {
		t.Errorf("%d were made, %d are held", made, held)
	}
	must(t, c, learner, save("s1", SavedSearch{"Another name", "q=n", ""}, Cond{})) // one that is there can be changed
	must(t, c, learner, func(tx *Tx) error { return tx.DeleteSavedSearch("lea", "s1", Cond{}) })
	must(t, c, learner, save("s1", s, Cond{}))
	must(t, c, acmeLearner, func(tx *Tx) error { return second(tx.PutSavedSearch("leo", "s1", s, Cond{})) })
}
