package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

// taught is a catalog with a course x, taught by ann and bob; zoe teaches nothing.
func taught(tb testing.TB) (*Catalog, *testClock) {
	tb.Helper()
	c, clock := clockCatalog(tb)
	must(tb, c, System, func(tx *Tx) error {
		for _, id := range []InstructorID{"ann", "bob", "zoe"} {
			if _, err := tx.PutInstructor(Instructor{ID: id, Name: string(id)}, Cond{}); err != nil {
				return err
			}
		}
		x := course("x", Published)
		x.Instructors = []InstructorID{"ann", "bob"}
		_, err := tx.PutCourse(x, Cond{})
		return err
	})
	return c, clock
}

func TestReviewRules(t *testing.T) {
	c, _ := taught(t)
	enroll(t, c, learner, "x", Active)
	for _, tc := range []struct {
		name    string
		r       Review
		pointer string
		code    fault.Code
	}{
		{"no rating", Review{}, "/rating", fault.OutOfRange},
		{"six stars", Review{Rating: 6}, "/rating", fault.OutOfRange},
		{"one who teaches elsewhere", Review{Rating: 5, Instructors: map[InstructorID]int{"zoe": 4}}, "/instructors/zoe", fault.UnknownRef},
		{"six stars for ann", Review{Rating: 5, Instructors: map[InstructorID]int{"ann": 6}}, "/instructors/ann", fault.OutOfRange},
		{"a novel", Review{Rating: 5, Text: strings.Repeat("字", maxReviewText+1)}, "/text", fault.TooLong},
		{"no text at all", Review{Rating: 5, Text: "a\xff"}, "/text", fault.BadEncoding},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantField(t, do(t, c, learner, func(tx *Tx) error {
				_, err := tx.PutReview("lea", "x", tc.r, Cond{})
				return err
			}), tc.pointer, tc.code)
		})
	}
	review(t, c, learner, "x", Review{Rating: 5, Text: strings.Repeat("字", maxReviewText), Instructors: map[InstructorID]int{"ann": 1, "bob": 5}})
}

func TestReviewsAreOfTheEnrolled(t *testing.T) {
	c, _ := taught(t)
	put := func(actor Actor, id CourseID) error {
		return do(t, c, actor, func(tx *Tx) error {
			_, err := tx.PutReview(actor.Subject, id, Review{Rating: 3}, Cond{})
			return err
		})
	}
	wantCode(t, put(anon, "x"), fault.Unauthorized)
	wantCode(t, put(learner, "x"), fault.NotEnrolled)
	wantCode(t, put(learner, "nowhere"), fault.NotFound)
	for _, s := range []EnrollmentState{Active, Completed} {
		enroll(t, c, learner, "x", s)
		wantCode(t, put(learner, "x"), "")
	}
	enroll(t, c, learner, "x", Withdrawn)
	wantCode(t, put(learner, "x"), fault.NotEnrolled)
	wantCode(t, do(t, c, admin, func(tx *Tx) error {
		_, err := tx.PutReview("leo", "x", Review{Rating: 3}, Cond{})
		return err
	}), fault.NotEnrolled)
	wantCode(t, do(t, c, learner, func(tx *Tx) error { return tx.DeleteReview("lea", "x", Cond{Version: 1}) }), fault.LostUpdate)
	wantCode(t, do(t, c, learner, func(tx *Tx) error { return tx.DeleteReview("lea", "x", Cond{}) }), "")
	wantCode(t, do(t, c, learner, func(tx *Tx) error { return tx.DeleteReview("lea", "x", Cond{}) }), fault.NotFound)
}

func TestReviewNamesAndDates(t *testing.T) {
	c, clock := taught(t)
	lea := Actor{Subject: "lea", Name: " Léa\u00a0M. "}
	enroll(t, c, lea, "x", Active)
	mine := func() Review {
		return look(t, c, func(v *View) (Review, error) { s, _, err := v.MyReview("lea", "x"); return s.Value, err })
	}
	review(t, c, lea, "x", Review{Rating: 4, At: noon.Add(-time.Hour)})
	if d := cmp.Diff(Review{Rating: 4, By: "Léa\u00a0M.", At: noon}, mine()); d != "" {
		t.Error(d)
	}
	was := head(t, c)
	clock.add(time.Minute)
	review(t, c, lea, "x", Review{Rating: 4})
	if head(t, c) != was {
		t.Error("the same review again made a change")
	}
	review(t, c, lea, "x", Review{Rating: 4, By: "L."})
	if d := cmp.Diff(Review{Rating: 4, By: "L.", At: clock.now()}, mine()); d != "" {
		t.Error(d)
	}
	review(t, c, Actor{Subject: "lea", Name: strings.Repeat("x", maxName+1)}, "x", Review{Rating: 3})
	if by := mine().By; by != "" {
		t.Errorf("a name that does not fit became %q", by)
	}
	old := time.Date(2020, 5, 1, 0, 0, 0, 0, time.UTC)
	must(t, c, System, func(tx *Tx) error { // demo data has its own dates, and writing it again changes nothing
		_, err := tx.PutReview("lea", "x", Review{Rating: 2, By: "Ann", At: old}, Cond{})
		return err
	})
	if d := cmp.Diff(Review{Rating: 2, By: "Ann", At: old}, mine()); d != "" {
		t.Error(d)
	}
}

func TestAnInstructorWhoLeftStaysInTheReview(t *testing.T) {
	c, _ := taught(t)
	enroll(t, c, learner, "x", Active)
	review(t, c, learner, "x", Review{Rating: 4, Instructors: map[InstructorID]int{"ann": 2, "bob": 3}})
	x := stored(t, c, "x").Value
	x.Instructors = []InstructorID{"bob"}
	puts(t, c, System, x)
	review(t, c, learner, "x", Review{Rating: 5, Instructors: map[InstructorID]int{"ann": 2, "bob": 3}})
	must(t, c, System, func(*Tx) error { return c.FlushStats(t.Context()) })
	ann := look(t, c, func(v *View) (InstructorStats, error) { s, _, err := v.InstructorStats("ann"); return s, err })
	bob := look(t, c, func(v *View) (InstructorStats, error) { s, _, err := v.InstructorStats("bob"); return s, err })
	if ann.Total != (Sum{}) || bob.Total != (Sum{Sum: 3, N: 1}) {
		t.Errorf("ann %+v, bob %+v", ann.Total, bob.Total)
	}
}

func TestReviewsAreListedNewestFirst(t *testing.T) {
	c, clock := taught(t)
	var want []string
	for i := range 7 {
		who := Actor{Subject: LearnerID(fmt.Sprintf("idp|l/%d", i)), Name: fmt.Sprint("n", i)}
		enroll(t, c, who, "x", Active)
		if i%3 != 0 { // some in the same millisecond
			clock.add(time.Second)
		}
		review(t, c, who, "x", Review{Rating: 1 + i%5, Text: "text"})
		want = append(want, who.Name)
	}
	slices.Reverse(want)
	// names reads all pages.
	names := func(limit int, actor Actor) (got []string) {
		for p := (Page{Limit: limit}); ; {
			list, err := c.Reviews(t.Context(), actor, "x", p)
			if err != nil || len(list.Items) > limit || len(got) > len(want) {
				t.Fatalf("got %+v, %v", list, err)
			}
			for _, r := range list.Items {
				got = append(got, r.By)
			}
			if p.After = list.Next; p.After == "" {
				return got
			}
		}
	}
	for _, limit := range []int{1, 2, 3, 100} {
		if got := names(limit, anon); !slices.Equal(got, want) {
			t.Errorf("by %d: got %v, want %v", limit, got, want)
		}
	}
	first, err := c.Reviews(t.Context(), anon, "x", Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r := first.Items[0]; r.Learner != "idp|l/6" || strings.Contains(r.ID+first.Next, "l/6") || len(r.ID) < 20 {
		t.Errorf("got %+v, next %q", r, first.Next)
	}
	hide := func(actor Actor, id string, hidden bool) error {
		return do(t, c, actor, func(tx *Tx) error { return second(tx.HideReview("x", id, hidden)) })
	}
	wantCode(t, hide(anon, first.Items[0].ID, true), fault.Unauthorized)
	wantCode(t, hide(learner, first.Items[0].ID, true), fault.Forbidden)
	wantCode(t, hide(acmeEditor, first.Items[0].ID, true), fault.Forbidden)
	wantCode(t, hide(staffEditor, "other", true), fault.NotFound)
	wantCode(t, hide(staffEditor, first.Items[0].ID, true), "")
	if got := names(2, anon); !slices.Equal(got, want[1:]) {
		t.Errorf("readers get %v", got)
	}
	if got := names(2, staffEditor); !slices.Equal(got, want) {
		t.Errorf("editors get %v", got)
	}
	// The learner's next words stay hidden too, and the rating counts all the time.
	review(t, c, Actor{Subject: "idp|l/6", Name: "n6"}, "x", Review{Rating: 5, Text: "again"})
	if got := names(2, anon); !slices.Equal(got, want[1:]) {
		t.Errorf("readers get %v", got)
	}
	stars := look(t, c, func(v *View) ([5]int, error) { return v.RatingHistogram("x") })
	if stars != [5]int{2, 1, 1, 1, 2} {
		t.Errorf("got %v", stars)
	}
	wantCode(t, hide(staffEditor, first.Items[0].ID, false), "")
	if got := names(7, anon); len(got) != 7 {
		t.Errorf("readers get %v", got)
	}
}

func TestReviewsOfWhatOneDoesNotSee(t *testing.T) {
	c := world(t)
	for id, want := range map[CourseID]fault.Code{"pub": "", "arch": "", "draft": fault.NotFound, "acme~pub": fault.NotFound, "none": fault.NotFound} {
		_, err := c.Reviews(t.Context(), learner, id, Page{})
		if fault.CodeOf(err) != want {
			t.Errorf("%s: got %v, want %q", id, err, want)
		}
	}
	for _, after := range []string{"x", "00", strings.Repeat("0", 31)} {
		_, err := c.Reviews(t.Context(), learner, "pub", Page{After: after})
		wantCode(t, err, fault.InvalidCursor)
	}
}
