package push

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

// TestOldDevices: a device that was not seen for 270 days is dropped.
func TestOldDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.clock.add(30 * 24 * time.Hour)
	w.device("max")
	w.pass(241 * 24 * time.Hour)
	_ = w.catalog.View(t.Context(), func(v *catalog.View) error {
		for who, want := range map[catalog.LearnerID]int{"lea": 0, "max": 1} {
			if got, err := v.DevicesOf(who); err != nil || len(got) != want {
				t.Errorf("%s has %d devices, %v", who, len(got), err)
			}
		}
		return nil
	})
}

// TestNudges: the first at once, then one in 15 minutes at most, which tells all of it; and none for ratings, counts and notifications.
func TestNudges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as(catalog.Actor{Subject: "org", Org: "acme", IssuedAt: 5}, func(tx *catalog.Tx) error { return tx.RecordMembership() })
	w.course("go", "Go")
	for _, who := range []catalog.LearnerID{"lea", "org"} {
		w.device(who)
	}
	w.enroll("lea", "go", catalog.Active)
	w.pass(time.Hour)
	w.pass(time.Hour)
	w.phone.silent()
	told := func() string {
		var list []string
		for _, m := range w.phone.silent() {
			list = append(list, m.Token[len("token-"):]+":"+m.Data["channels"])
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	step := func(what, want string) {
		t.Helper()
		w.turn()
		if got := told(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	w.course("acme~x", "X")
	step("a course of acme", "org:org")
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutContent("go", catalog.Content{Modules: []catalog.Module{{ID: "m", Title: map[catalog.Locale]string{"en": "M"}}}}, catalog.Cond{})
		return err
	})
	step("lessons", "lea:courses")
	w.course("go", "Go on")
	bySync := func(number uint64, change func(tx *catalog.Tx) error) {
		t.Helper()
		w.do(func(tx *catalog.Tx) error {
			return errors.Join(change(tx), tx.PutClient("lea", "phone", catalog.ClientState{Last: number}))
		})
	}
	bookmark := func(tx *catalog.Tx) error {
		_, err := tx.PutBookmark("lea", "go")
		return err
	}
	bySync(1, bookmark)
	step("both were nudged", "")
	w.clock.add(nudgeEvery)
	step("15 minutes later", "lea:catalog org:catalog") // a bookmark that lea's only device made is no news to it
	w.do(func(tx *catalog.Tx) error { return tx.DeleteBookmark("lea", "go") })
	w.clock.add(nudgeEvery)
	step("one that was taken away on a page", "")
	w.clock.add(nudgeEvery)
	step("is, later", "lea:me")
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutDevice("lea", "tablet", catalog.Device{Token: "token-tablet", Platform: catalog.PlatformWeb}, catalog.Cond{})
		return err
	})
	w.clock.add(nudgeEvery)
	w.turn()
	w.phone.silent()
	w.clock.add(nudgeEvery)
	bySync(2, bookmark)
	step("with two devices it is", "lea:me tablet:me")
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutReview("lea", "go", catalog.Review{Rating: 5}, catalog.Cond{})
		return err
	})
	if err := w.catalog.FlushStats(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.add(nudgeEvery)
	step("a review", "") // and nobody is nudged for the rating that it changes
	w.clock.add(nudgeEvery)
	step("later", "lea:me tablet:me")
	w.search("lea", "new", catalog.NotifyInstant)
	w.clock.add(nudgeEvery)
	step("a search", "")
	w.course("new", "New")
	step("a course, of which lea is told, with the search", "lea:me,catalog org:catalog tablet:me,catalog")
	w.pass(time.Second)
	if got := len(w.inbox("lea")); got == 0 {
		t.Error("lea was not told")
	}
	w.clock.add(nudgeEvery)
	step("the notification", "")
	w.sound()
}

// TestManyChannelsMove: the first nudge of each device comes at once, however many channels have moved.
func TestManyChannelsMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const learners = chunk + 100
	each := func(fn func(tx *catalog.Tx, who catalog.LearnerID) error) {
		w.do(func(tx *catalog.Tx) error {
			for i := range learners {
				if err := fn(tx, catalog.LearnerID(fmt.Sprint("l", i))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	w.publish(0, learners)
	each(func(tx *catalog.Tx, who catalog.LearnerID) error {
		_, err := tx.PutDevice(who, "phone", catalog.Device{Token: "token-" + string(who), Platform: catalog.PlatformAndroid}, catalog.Cond{})
		return err
	})
	each(func(tx *catalog.Tx, who catalog.LearnerID) error {
		_, err := tx.PutEnrollment(who, catalog.CourseID("c"+string(who)[1:]), catalog.Active, catalog.Cond{})
		return err
	})
	w.pass(time.Hour)
	w.pass(time.Hour)
	w.phone.silent()
	each(func(tx *catalog.Tx, who catalog.LearnerID) error {
		_, err := tx.PutContent(catalog.CourseID("c"+string(who)[1:]), catalog.Content{Modules: []catalog.Module{{ID: "m", Title: map[catalog.Locale]string{"en": "M"}}}}, catalog.Cond{})
		return err
	})
	w.follow()
	w.decideAll()
	if s, err := w.Status(0, 0); err != nil || s.Queued != learners {
		t.Errorf("%d of %d are queued, %v", s.Queued, learners, err)
	}
}

// TestNudgeOnce: a nudge that was planned and came earlier with other news does not come again at its time, and one that a move overtakes on its way leaves
// the device alone for as long as any other.
func TestNudgeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.pass(time.Hour)
	nudges := func(d time.Duration) int {
		w.pass(d)
		return len(w.phone.silent())
	}
	w.search("lea", "go", catalog.NotifyOff) // planned for a quarter of an hour later
	if got := nudges(10 * time.Minute); got != 0 {
		t.Fatalf("%d nudges for one's own deed", got)
	}
	w.course("a", "A")
	w.turn()
	w.course("b", "B")
	if got := nudges(6 * time.Minute); got != 1 {
		t.Errorf("%d nudges, want one", got)
	}
	if got := nudges(9 * time.Minute); got != 1 {
		t.Errorf("%d nudges a quarter of an hour later, want one", got)
	}
	w.clock.add(time.Hour)
	w.phone.outcome = func(*Message) Outcome {
		w.phone.outcome = nil
		w.course("c", "C")
		w.follow()
		w.clock.add(lookEvery)
		if _, err := w.decideStep(t.Context()); err != nil {
			t.Error(err)
		}
		return Outcome{Reason: Sent}
	}
	w.course("a", "A again")
	if got := nudges(time.Minute); got != 1 {
		t.Errorf("%d nudges, want one", got)
	}
	if got := nudges(nudgeEvery); got != 1 {
		t.Errorf("%d nudges for what came meanwhile, want one", got)
	}
	w.sound()
}

// TestErasedWithPlans: of a learner who leaves nothing stays, planned nudges neither; a device whose name begins alike is another one.
func TestErasedWithPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []catalog.DeviceID{"phone", "phone2"} {
		w.do(func(tx *catalog.Tx) error {
			_, err := tx.PutDevice("lea", id, catalog.Device{Token: "token-" + string(id), Platform: catalog.PlatformAndroid}, catalog.Cond{})
			return err
		})
	}
	w.search("lea", "go", catalog.NotifyInstant)
	w.turn()
	rows := func() (n int) {
		_ = w.db.View(func(tx *bolt.Tx) error {
			n = len(keys(tx, bucketNudges, nil)) + len(keys(tx, bucketDueNudg, nil))
			return nil
		})
		return n
	}
	w.do(func(tx *catalog.Tx) error { return tx.DeleteDevice("lea", "phone", catalog.Cond{}) })
	w.turn()
	if got := rows(); got != 2 {
		t.Errorf("%d rows of the other device, want its plan", got)
	}
	w.do(func(tx *catalog.Tx) error { return tx.Erase("lea") })
	w.turn()
	if got := rows(); got != 0 {
		t.Errorf("%d rows of somebody who left", got)
	}
}
