package search_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/searchtest"
)

// suggestLocales are those that the pages speak.
var suggestLocales = []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}

// TestSuggestEqualsWalk: whatever is typed, by whom and after which changes, what is suggested is what a walk over all courses finds.
func TestSuggestEqualsWalk(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]searchtest.Options{
		"translated":   {Courses: 600, Seed: 5, Vocabulary: 150, Words: 5, Translated: true, Orgs: true, States: true},
		"each its own": {Courses: 600, Seed: 6, Vocabulary: 150, Words: 5, Orgs: true, States: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, x := filled(t, o)
			random := compareSuggestions(t, c, x, 7)
			for round := range 4 {
				random.change(t, c)
				catchUp(t, c, x)
				random = compareSuggestions(t, c, x, uint64(round))
			}
		})
	}
}

// typist draws what is typed, and changes, from a catalog.
type typist struct {
	*chooser
	texts   []string // titles, labels and names
	courses []catalog.Course
}

// compareSuggestions compares an index with a walk over the catalog.
func compareSuggestions(t *testing.T, c *catalog.Catalog, x *search.Index, seed uint64) *typist {
	t.Helper()
	plain, err := searchtest.NewOracle(context.Background(), c, noon)
	if err != nil {
		t.Fatal(err)
	}
	o, err := searchtest.NewBatchOracle(context.Background(), c, plain)
	if err != nil {
		t.Fatal(err)
	}
	random := &typist{chooser: newChooser(plain, seed)}
	random.read(t, c)
	found, asked := 0, soak(100)
	for range asked {
		actor, locale := actors[random.IntN(len(actors))], suggestLocales[random.IntN(len(suggestLocales))]
		prefix, limit := random.prefix(), 1+random.IntN(search.MaxSuggestions)
		want := o.Suggest(actor, locale, prefix, limit)
		if len(want) == 0 {
			continue // what a search finds is compared elsewhere
		}
		found++
		got, err := x.Suggest(context.Background(), actor, locale, prefix, limit)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%q as %s of %q in %s, %d: %v −want +got\n%s", prefix, actor.Subject, actor.Org, locale, limit, err, diff)
		}
	}
	if found < asked/3 {
		t.Errorf("of %d prefixes only %d complete anything", asked, found)
	}
	return random
}

func (r *typist) read(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	for course, err := range c.Courses(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		r.courses = append(r.courses, course.Value)
		r.texts = append(r.texts, course.Value.Title)
		for _, translation := range course.Value.Translations {
			r.texts = append(r.texts, translation.Title)
		}
	}
	err := c.View(context.Background(), func(v *catalog.View) error {
		for i := range 50 {
			tag, _, err := v.Tag(catalog.TagID(fmt.Sprintf("tag-%d", i)))
			if err != nil {
				return err
			}
			for _, label := range tag.Value.Label {
				r.texts = append(r.texts, label)
			}
			who, _, err := v.Instructor(catalog.InstructorID(fmt.Sprintf("person-%d", i)))
			if err != nil {
				return err
			}
			r.texts = append(r.texts, who.Value.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.texts)
}

// prefix draws a piece of a text: from its beginning, from that of a word or from anywhere, of one letter or more; at times in capitals or in pinyin.
func (r *typist) prefix() string {
	runes := []rune(r.texts[r.IntN(len(r.texts))])
	from := 0
	for n := r.IntN(len(runes)); n > 0 && r.chance(70); n-- {
		if from = n; runes[n-1] == ' ' || r.chance(10) {
			break
		}
	}
	typed := string(runes[from:min(len(runes), from+1+r.IntN(12))])
	switch {
	case r.chance(10):
		return strings.ToUpper(typed)
	case r.chance(20):
		return spelledOut(typed)
	}
	return typed
}

// spelledOut writes Han characters in pinyin, the last one not to the end.
func spelledOut(text string) string {
	var b strings.Builder
	for _, c := range text {
		if readings := analysis.Pinyin(c); len(readings) > 0 {
			b.WriteString(readings[0])
		} else {
			b.WriteRune(c)
		}
	}
	spelled := []rune(b.String())
	return string(spelled[:max(1, len(spelled)-1)])
}

// change writes what moves suggestions: titles, states, organizations' courses, tags, names and numbers of learners.
func (r *typist) change(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	update(t, c, func(tx *catalog.Tx) error {
		for range 30 {
			if err := r.changeCourse(tx); err != nil {
				return err
			}
			label := map[catalog.Locale]string{catalog.French: r.name(), catalog.Chinese: r.name()}
			tag := catalog.Tag{ID: catalog.TagID(fmt.Sprintf("tag-%d", r.IntN(50))), Label: label}
			if _, err := tx.PutTag(tag, catalog.Cond{}); err != nil {
				return err
			}
			who := catalog.Instructor{ID: catalog.InstructorID(fmt.Sprintf("person-%d", r.IntN(50))), Name: r.name()}
			if _, err := tx.PutInstructor(who, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// name makes a new name or label.
func (r *typist) name() string { return r.words[r.IntN(len(r.words))] + " " + r.prefix() }

func (r *typist) changeCourse(tx *catalog.Tx) error {
	course := r.courses[r.IntN(len(r.courses))]
	var err error
	switch r.IntN(4) {
	case 0:
		if _, exists, _ := tx.Course(course.ID); exists {
			err = tx.DeleteCourse(course.ID, catalog.Cond{})
		}
	case 1:
		enrollments := r.IntN(100_000)
		if _, exists, _ := tx.Course(course.ID); exists {
			_, err = tx.PutStatsBase(course.ID, catalog.StatsBase{Enrollments: &enrollments})
		}
	case 2:
		course.State = []catalog.State{catalog.Draft, catalog.Published, catalog.Archived}[r.IntN(3)]
		_, err = tx.PutCourse(course, catalog.Cond{})
	default:
		course.Title = r.texts[r.IntN(len(r.texts))]
		course.Tags = append(course.Tags[:0:0], catalog.TagID(fmt.Sprintf("tag-%d", r.IntN(50))))
		_, err = tx.PutCourse(course, catalog.Cond{})
	}
	return err
}
