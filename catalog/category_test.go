package catalog

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

func TestCategoryTree(t *testing.T) {
	c := testCatalog(t)
	put := func(id, parent string) error {
		return do(t, c, System, func(tx *Tx) error {
			return second(tx.PutCategory(Category{ID: CategoryID(id), Label: label, Parent: CategoryID(parent)}, Cond{}))
		})
	}
	wantField(t, put("a", "none"), "/parent", fault.UnknownRef)
	for i := range MaxCategoryDepth {
		parent := ""
		if i > 0 {
			parent = fmt.Sprint("l", i-1)
		}
		wantCode(t, put(fmt.Sprint("l", i), parent), "")
	}
	wantField(t, put("deep", fmt.Sprint("l", MaxCategoryDepth-1)), "/parent", fault.OutOfRange)
	wantField(t, put("l0", "l3"), "/parent", fault.Cycle)
	wantField(t, put("l0", "l0"), "/parent", fault.Cycle)
	wantField(t, put("self", "self"), "/parent", fault.UnknownRef)
	wantCode(t, put("top", ""), "")
	wantField(t, put("l0", "top"), "/parent", fault.OutOfRange) // with all below it
	wantCode(t, put("l5", "top"), "")
	wantField(t, put("l0", "l7"), "/parent", fault.OutOfRange)
	wantCode(t, put("l0", "l6"), "")
	wantField(t, put("x~c", "y~p"), "/parent", fault.UnknownRef)
	wantField(t, put("c", "x~c"), "/parent", fault.UnknownRef)
	wantCode(t, put("x~c", "top"), "")
	children := look(t, c, func(v *View) ([]CategoryID, error) { return v.Subcategories("top") })
	if diff := cmp.Diff([]CategoryID{"l5", "x~c"}, children); diff != "" {
		t.Error(diff)
	}
	del := func(id CategoryID) error {
		return do(t, c, System, func(tx *Tx) error { return tx.DeleteCategory(id, Cond{}) })
	}
	wantCode(t, del("top"), fault.HasDependents)
	wantCode(t, del("x~c"), "")
	wantCode(t, del("none"), fault.NotFound)
	for _, bad := range []string{"A", "a b", "a--b", "", "x~", "C++"} {
		wantField(t, put(bad, ""), "/id", fault.BadID)
	}
	err := do(t, c, System, func(tx *Tx) error { return second(tx.PutCategory(Category{ID: "x"}, Cond{})) })
	wantField(t, err, "/label", fault.Required)
}

// A category and what names it are written in one command: it sees its own tree.
func TestCategoryTreeWithinACommand(t *testing.T) {
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		for _, pair := range [][2]CategoryID{{"a", ""}, {"b", "a"}, {"c", "b"}} {
			if _, err := tx.PutCategory(Category{ID: pair[0], Label: label, Parent: pair[1]}, Cond{}); err != nil {
				return err
			}
		}
		_, err := tx.PutCategory(Category{ID: "a", Label: label, Parent: "c"}, Cond{})
		wantField(t, err, "/parent", fault.Cycle)
		wantCode(t, tx.DeleteCategory("b", Cond{}), fault.HasDependents)
		if err := tx.DeleteCategory("c", Cond{}); err != nil {
			return err
		}
		return tx.DeleteCategory("b", Cond{})
	})
}

func TestDeletingWhatIsNamed(t *testing.T) {
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		a := course("a", Draft)
		var err error
		if a.Category, err = tx.EnsureCategory("", "K", English); err != nil {
			return err
		}
		tag, err := tx.EnsureTag("", "T", English)
		if err != nil {
			return err
		}
		who, err := tx.EnsureInstructor("", "", "I", "")
		a.Tags, a.Instructors = []TagID{tag}, []InstructorID{who}
		if err != nil {
			return err
		}
		return second(tx.PutCourse(a, Cond{}))
	})
	all := map[string]func(tx *Tx) error{
		"tag":        func(tx *Tx) error { return tx.DeleteTag("t", Cond{}) },
		"category":   func(tx *Tx) error { return tx.DeleteCategory("k", Cond{}) },
		"instructor": func(tx *Tx) error { return tx.DeleteInstructor("i", Cond{}) },
	}
	for name, del := range all {
		if err := do(t, c, System, del); !fault.Is(err, fault.HasDependents) {
			t.Errorf("%s: %v", name, err)
		}
	}
	puts(t, c, System, course("a", Draft)) // names nothing any more
	for name, del := range all {
		if err := do(t, c, System, del); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnsure(t *testing.T) {
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		for _, tag := range []Tag{
			{ID: "machine-learning", Label: map[Locale]string{"en": "Machine learning", "fr": "Apprentissage automatique"}, Synonyms: map[Locale][]string{"en": {"ML"}}},
			{ID: "acme~safety", Label: map[Locale]string{"en": "Safety", "fr": "Sécurité"}},
		} {
			if _, err := tx.PutTag(tag, Cond{}); err != nil {
				return err
			}
		}
		return second(tx.PutInstructor(Instructor{ID: "ada", Name: "Ada"}, Cond{}))
	})
	for _, test := range []struct {
		org   OrgID
		label string
		want  TagID
	}{
		{"", "Machine Learning", "machine-learning"},
		{"", "machine-learning", "machine-learning"},
		{"", "apprentissage AUTOMATIQUE", "machine-learning"},
		{"", "ml", "machine-learning"},
		{"", "Safety", "safety"},
		{"", "C++", "cplusplus"},
		{"", "机器学习", "机器学习"},
		{"acme", "Machine Learning", "machine-learning"},
		{"acme", "safety", "acme~safety"},
		{"acme", "Sécurité", "acme~safety"},
		{"acme", "acme~safety", "acme~safety"},
		{"acme", "New", "acme~new"},
		{"bolz", "safety", "bolz~safety"},
		{"bolz", "acme~safety", "bolz~acme-safety"},
	} {
		for range 2 { // the second time it is found
			must(t, c, System, func(tx *Tx) error {
				got, err := tx.EnsureTag(test.org, test.label, English)
				if got != test.want {
					t.Errorf("EnsureTag(%q, %q) = %q, want %q", test.org, test.label, got, test.want)
				}
				if again, _ := tx.EnsureTag(test.org, test.label, French); again != got {
					t.Errorf("again: %q", again)
				}
				return err
			})
			if test.org == "" && test.want == "safety" {
				must(t, c, System, func(tx *Tx) error { return tx.DeleteTag("safety", Cond{}) })
			}
		}
	}
	wantField(t, do(t, c, System, func(tx *Tx) error { return second2(tx.EnsureTag("", "?!", English)) }), "/tags", fault.BadValue)
	wantField(t, do(t, c, System, func(tx *Tx) error { return second2(tx.EnsureCategory("", " ", English)) }), "/category", fault.BadValue)
	must(t, c, System, func(tx *Tx) error {
		for _, test := range []struct {
			org            OrgID
			provider, name string
			id, want       InstructorID
		}{
			{"", "MIT", "Ada L.", "", "mit-ada-l"},
			{"", "MIT", "Ada L.", "ada", "ada"},
			{"acme", "", "Ada", "", "ada"},
			{"acme", "X", "Bob", "", "acme~x-bob"},
			{"acme", "X", "Bob", "acme~x-bob", "acme~x-bob"},
			{"", "北大", "王伟", "", "北大-王伟"},
		} {
			got, err := tx.EnsureInstructor(test.org, test.provider, test.name, test.id)
			if got != test.want || err != nil {
				t.Errorf("EnsureInstructor(%+v) = %q, %v", test, got, err)
			}
		}
		return nil
	})
	for _, id := range []InstructorID{"a b", "bolz~x"} {
		err := do(t, c, System, func(tx *Tx) error { return second2(tx.EnsureInstructor("acme", "", "x", id)) })
		wantField(t, err, "/instructors", fault.BadID)
	}
}

func second2[T any](_ T, err error) error { return err }
