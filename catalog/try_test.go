package catalog

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

// A row that fails leaves no trace, whatever it had written before it failed; the rows around it stay.
func TestTryForgetsWhatFailed(t *testing.T) {
	c := testCatalog(t)
	puts(t, c, System, course("old", Published))
	failed := errors.New("failed")
	must(t, c, System, func(tx *Tx) error {
		tag, err := tx.EnsureTag("", "Kept", English)
		if err != nil {
			return err
		}
		err = tx.Try(func() error {
			if _, err := tx.EnsureTag("", "Lost", English); err != nil {
				return err
			}
			if _, err := tx.PutTag(Tag{ID: tag, Label: map[Locale]string{English: "Other"}}, Cond{}); err != nil {
				return err
			}
			changed := course("old", Archived)
			if _, err := tx.PutCourse(changed, Cond{}); err != nil {
				return err
			}
			inner := tx.Try(func() error { return tx.DeleteCourse("old", Cond{}) })
			if inner != nil {
				return inner
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
		if id, err := tx.EnsureTag("", "Other", English); id != "other" || err != nil {
			t.Errorf("the label that was taken back still finds %q, %v", id, err)
		}
		return tx.Try(func() error { return second(tx.PutCourse(course("new", Published), Cond{})) })
	})
	var tags, courses []string
	look(t, c, func(v *View) (int, error) {
		for ch := range entities(v, KindTag, "", "") {
			tags = append(tags, ch.Key)
		}
		for ch := range entities(v, KindCourse, "", "") {
			courses = append(courses, ch.Key)
		}
		return 0, nil
	})
	if diff := cmp.Diff([]string{"kept", "other"}, tags); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"new", "old"}, courses); diff != "" {
		t.Error(diff)
	}
	if got := stored(t, c, "old").Value.State; got != Published {
		t.Errorf("old is %s", got)
	}
}

// A course may ask for one that comes later in the same import.
func TestExpectedPrerequisites(t *testing.T) {
	c := testCatalog(t)
	put := func(expect bool) error {
		return do(t, c, System, func(tx *Tx) error {
			if expect {
				tx.Expect(func(id CourseID) bool { return id == "later" })
			}
			a := course("a", Published)
			a.Prerequisites = []CourseID{"later"}
			return second(tx.PutCourse(a, Cond{}))
		})
	}
	wantField(t, put(false), "/prerequisites/0", fault.UnknownRef)
	wantCode(t, put(true), "")
}
