package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// TestSharedCoursesFollowTheLog compares what is kept with what is read anew, while the course changes, goes and comes back.
func TestSharedCoursesFollowTheLog(t *testing.T) {
	c := testCatalog(t)
	x := course("acme~x", Published)
	x.Tags, x.Translations = []TagID{}, map[Locale]Text{French: {Title: "Titre"}}
	same := func(step string) {
		t.Helper()
		for range 2 { // the second time from what is kept
			for _, actor := range []Actor{anon, acmeLearner, acmeEditor, bolzEditor} {
				err := c.View(t.Context(), func(v *View) error {
					want, wantErr := v.CourseFor(actor, x.ID)
					got, err := v.SharedCourseFor(actor, x.ID)
					if diff := cmp.Diff(want, got); diff != "" || fault.Is(err, fault.NotFound) != fault.Is(wantErr, fault.NotFound) {
						t.Errorf("%s, to %s of %q: %v, want %v %s", step, actor.Subject, actor.Org, err, wantErr, diff)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		}
	}
	same("before it is there")
	puts(t, c, acmeEditor, x)
	same("published")
	x.Title = "Another"
	puts(t, c, acmeEditor, x)
	same("renamed")
	x.State = Draft
	puts(t, c, acmeEditor, x)
	same("withdrawn")
	must(t, c, acmeEditor, func(tx *Tx) error {
		x.Title = "Third"
		if _, err := tx.PutCourse(x, Cond{}); err != nil {
			return err
		}
		if s, err := tx.SharedCourseFor(acmeEditor, x.ID); err != nil || s.Value.Title != "Third" {
			t.Errorf("a transaction sees %q of what it wrote: %v", s.Value.Title, err)
		}
		return nil
	})
	must(t, c, acmeEditor, func(tx *Tx) error { return tx.DeleteCourse(x.ID, Cond{}) })
	same("deleted")
	puts(t, c, acmeEditor, x)
	same("made again")
}

// TestCardsAreTheCallers changes all that a card points to, and finds nothing of it in the next one.
func TestCardsAreTheCallers(t *testing.T) {
	c := testCatalog(t)
	price, rating := 9.5, 4.25
	x := course("x", Published)
	x.Tags, x.Instructors, x.Price, x.Currency = []TagID{"go"}, []InstructorID{"ada"}, &price, "EUR"
	must(t, c, System, func(tx *Tx) error {
		if _, err := tx.PutTag(Tag{ID: "go", Label: map[Locale]string{English: "Go"}}, Cond{}); err != nil {
			return err
		}
		if _, err := tx.PutInstructor(Instructor{ID: "ada", Name: "Ada"}, Cond{}); err != nil {
			return err
		}
		if _, err := tx.PutCourse(x, Cond{}); err != nil {
			return err
		}
		if _, err := tx.put(KindInstructorStats, "ada", channelCatalog, InstructorStats{Rating: &rating}, putOpts{}); err != nil {
			return err
		}
		_, err := tx.put(KindCourseStats, "x", channelCatalog, CourseStats{Total: Sum{Sum: 9, N: 2}, Rating: &rating}, putOpts{})
		return err
	})
	card := func() Card {
		return look(t, c, func(v *View) (Card, error) {
			s, err := v.SharedCourseFor(anon, "x")
			if err != nil {
				return Card{}, err
			}
			return v.Card(s, English)
		})
	}
	want, spoilt := card(), card()
	spoilt.Tags[0], spoilt.Instructors[0] = "spoilt", CardInstructor{}
	*spoilt.Rating, *spoilt.InstructorRating, *spoilt.Price, *spoilt.Currency = 0, 0, 0, ""
	again := card()
	*again.Instructors[0].Rating = 0
	if diff := cmp.Diff(want, card()); diff != "" {
		t.Error(diff)
	}
}

// TestKeptIsBounded fills what is kept: it stays within its bound, and what is asked for all the while stays.
func TestKeptIsBounded(t *testing.T) {
	var k kept
	const body, asked = keptLargest / 4, coursesync.Seq(1)
	k.put(asked, "asked", body)
	k.put(2, "forgotten", body)
	k.put(3, "too large", keptLargest)
	for seq := coursesync.Seq(10); seq < 200; seq++ {
		k.put(seq, "other", body)
		if k.get(asked) != "asked" {
			t.Fatalf("at %d what is asked for is gone", seq)
		}
		held := int64(0)
		for _, half := range []map[coursesync.Seq]keptEntity{k.young, k.old} {
			for _, e := range half {
				held += e.bytes
			}
		}
		if held > keptBytes {
			t.Fatalf("at %d, %d bytes are held", seq, held)
		}
	}
	if k.get(2) != nil || k.get(3) != nil {
		t.Error("what nobody asks for, or is too large, is kept")
	}
}
