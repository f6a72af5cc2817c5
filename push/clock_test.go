package push

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

func at(t *testing.T, zone, s string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	got, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestQuietEnd: on the 29th of March 2026 at 2 in Paris it becomes 3, on the 25th of October at 3 it becomes 2 again.
func TestQuietEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ zone, now, quiet, want string }{
		{"Europe/Paris", "2026-03-10 21:59", "22:00-07:30", "2026-03-10 20:59"},
		{"Europe/Paris", "2026-03-10 22:00", "22:00-07:30", "2026-03-11 06:30"},
		{"Europe/Paris", "2026-03-11 07:29", "22:00-07:30", "2026-03-11 06:30"},
		{"Europe/Paris", "2026-03-11 07:30", "22:00-07:30", "2026-03-11 06:30"},
		{"Europe/Paris", "2026-03-28 23:00", "22:00-07:30", "2026-03-29 05:30"}, // the night has an hour less
		{"Europe/Paris", "2026-10-24 23:00", "22:00-07:30", "2026-10-25 06:30"}, // and one more
		{"Europe/Paris", "2026-03-29 01:30", "22:00-02:30", "2026-03-29 01:00"}, // half past two never comes: three does
		{"Europe/Paris", "2026-03-10 13:00", "12:00-14:00", "2026-03-10 13:00"},
		{"America/New_York", "2026-03-07 23:30", "23:00-07:00", "2026-03-08 11:00"},
		{"America/New_York", "2026-10-31 23:30", "23:00-07:00", "2026-11-01 12:00"},
		{"Australia/Lord_Howe", "2026-04-04 23:00", "22:00-06:00", "2026-04-04 19:30"}, // clocks move by half an hour
		{"Asia/Kathmandu", "2026-05-01 23:00", "22:00-06:15", "2026-05-02 00:30"},
		{"Asia/Shanghai", "2026-05-01 03:00", "off", "2026-04-30 19:00"},
	} {
		now := at(t, tc.zone, tc.now)
		from, until, ok := catalog.QuietSpan(tc.quiet)
		if got := quietEnd(now, now.Location(), from, until).UTC().Format("2006-01-02 15:04"); got != tc.want || !ok {
			t.Errorf("%s %s, quiet %s: %s UTC, want %s", tc.zone, tc.now, tc.quiet, got, tc.want)
		}
	}
}

func TestNextAt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ zone, now, minute, want string }{
		{"Europe/Paris", "2026-03-10 07:59", "08:00", "2026-03-10 07:00"},
		{"Europe/Paris", "2026-03-10 08:00", "08:00", "2026-03-11 07:00"},
		{"Europe/Paris", "2026-03-28 09:00", "08:00", "2026-03-29 06:00"}, // summer began
		{"Europe/Paris", "2026-10-24 09:00", "08:00", "2026-10-25 07:00"}, // and ended
		{"Europe/Paris", "2026-03-29 00:30", "02:30", "2026-03-29 01:00"}, // there is no half past two: three it is
		{"Asia/Shanghai", "2026-12-31 23:00", "08:00", "2027-01-01 00:00"},
	} {
		now := at(t, tc.zone, tc.now)
		minute, ok := catalog.DigestMinute(tc.minute)
		if got := nextAt(now, now.Location(), minute).UTC().Format("2006-01-02 15:04"); got != tc.want || !ok {
			t.Errorf("%s %s, next %s: %s UTC, want %s", tc.zone, tc.now, tc.minute, got, tc.want)
		}
	}
	now := at(t, "Europe/Paris", "2026-10-25 00:00") // half past two comes twice, the digest once
	first := nextAt(now, now.Location(), 150)
	if second := nextAt(first, now.Location(), 150); second.Sub(first) < 23*time.Hour {
		t.Errorf("a digest at %s and again at %s", first, second)
	}
}

// TestDigest: what a search finds in a day is one message, at the learner's hour, also when clocks are moved that night.
func TestDigest(t *testing.T) {
	t.Parallel()
	w := worldAt(t, at(t, "Europe/Paris", "2026-03-28 10:00"), true)
	w.device("lea", func(d *catalog.Device) { d.Timezone = "Europe/Paris" })
	w.device("wei", func(d *catalog.Device) { d.Timezone = "Asia/Shanghai" })
	for _, who := range []catalog.LearnerID{"lea", "wei"} {
		w.search(who, "go", catalog.NotifyDaily)
	}
	for i := range 3 {
		w.course(catalog.CourseID(fmt.Sprint("go", i)), fmt.Sprint("Go ", i))
		w.pass(time.Hour)
	}
	told := map[string]string{}
	for range 48 {
		w.pass(30 * time.Minute)
		for _, m := range w.phone.shown() {
			told[m.Token] += w.clock.now().UTC().Format("02 15:04 ") + m.Title
		}
	}
	for token, want := range map[string]string{"token-lea": "29 06:00 3 new courses for “go”", "token-wei": "29 00:00 3 new courses for “go”"} {
		if told[token] != want {
			t.Errorf("%s: %q, want %q", token, told[token], want)
		}
	}
	if got := w.rules("lea"); got != "search_match s-go 3" {
		t.Errorf("inbox: %q", got)
	}
	w.sound()
}

// TestQuietHours: what comes at night waits for the morning, and is then one message if it is too much. The inbox has it at once.
func TestQuietHours(t *testing.T) {
	t.Parallel()
	w := worldAt(t, at(t, "Europe/Paris", "2026-10-24 23:00"), true)
	w.device("lea", func(d *catalog.Device) { d.Timezone = "America/New_York" })
	w.do(func(tx *catalog.Tx) error {
		return tx.PutPreferences("lea", catalog.Preferences{Timezone: "Europe/Paris", QuietHours: "22:00-07:30"})
	})
	for i, words := range []string{"a", "b", "c", "d"} {
		w.search("lea", words, catalog.NotifyInstant)
		w.course(catalog.CourseID(fmt.Sprint("c", i)), words)
		w.pass(5 * time.Second)
		if got := len(w.inbox("lea")); got != i+1 {
			t.Errorf("the inbox has %d, want %d", got, i+1)
		}
	}
	w.phone.silent()
	w.clock.add(at(t, "Europe/Paris", "2026-10-25 07:29").Sub(w.clock.now()))
	w.turn()
	if got := w.phone.shown(); len(got) != 0 {
		t.Fatalf("%+v before the night is over", got)
	}
	w.clock.add(time.Minute)
	w.turn()
	if got := w.phone.shown(); len(got) != 1 || got[0].Title != "4 pieces of news for you" || !strings.HasPrefix(got[0].Collapse, "bundle-") {
		t.Errorf("%+v, want one message of four", got)
	}
	w.sound()
}

// TestDailyCap: beyond it, news is in the inbox only, until the learner's next day.
func TestDailyCap(t *testing.T) {
	t.Parallel()
	w := worldAt(t, at(t, "Asia/Shanghai", "2026-05-01 20:00"), true)
	w.device("wei", func(d *catalog.Device) { d.Timezone = "Asia/Shanghai" })
	w.search("wei", "go", catalog.NotifyInstant)
	w.do(func(tx *catalog.Tx) error { return tx.PutPushDefaults("", catalog.PushDefaults{DailyCap: 2}) })
	publish := func(i int) int {
		w.course(catalog.CourseID(fmt.Sprint("go", i)), fmt.Sprint("Go ", i))
		w.pass(5 * time.Second)
		return len(w.phone.shown())
	}
	if got := publish(1) + publish(2) + publish(3); got != 2 || len(w.inbox("wei")) != 3 {
		t.Errorf("%d messages, want two, and three in the inbox", got)
	}
	w.clock.add(4 * time.Hour) // past midnight in Shanghai, not in UTC
	if got := publish(4); got != 1 {
		t.Errorf("%d messages on the next day", got)
	}
}

// TestClockJumps: a clock that is set an hour forward or back loses nothing and tells nothing twice, and what is fresh does not wait for it.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.device("lea")
			w.search("lea", "go", catalog.NotifyInstant)
			w.course("one", "Go one")
			w.follow()
			w.clock.add(jump) // between the event and its end
			w.course("two", "Go two")
			w.pass(5 * time.Second)
			if got := w.rules("lea"); got != "search_match s-go 2" || len(w.phone.shown()) != 1 {
				t.Errorf("inbox: %q", got)
			}
			w.phone.outcome = func(*Message) Outcome { return Outcome{Reason: ReasonInternal} }
			w.course("three", "Go three")
			w.pass(5 * time.Second)
			w.phone.outcome = nil
			w.clock.add(jump) // while a message waits to be tried again
			w.pass(2 * time.Hour)
			if got := len(w.phone.shown()); got != 1 || len(w.inbox("lea")) != 2 {
				t.Errorf("%d messages, %s", got, w.rules("lea"))
			}
			w.clock.add(jump)
			w.pass(48 * time.Hour)
			if got := w.phone.shown(); len(got) != 0 {
				t.Errorf("%+v again", got)
			}
			w.sound()
		})
	}
}

// TestOneDigest: all that waited for a day is one message, and what is not wanted any more by then is not in it.
func TestOneDigest(t *testing.T) {
	t.Parallel()
	set := func(w *world, p catalog.Preferences) {
		p.Timezone = "Europe/Paris"
		w.do(func(tx *catalog.Tx) error { return tx.PutPreferences("lea", p) })
	}
	for name, tc := range map[string]struct {
		meanwhile func(w *world)
		want      string
	}{
		"wanted":     {func(*world) {}, "08:00 3 pieces of news for you"},
		"search off": {func(w *world) { w.search("lea", "a", catalog.NotifyOff) }, "08:00 2 pieces of news for you"},
		"search gone": {func(w *world) {
			w.do(func(tx *catalog.Tx) error { return tx.DeleteSavedSearch("lea", "s-a", catalog.Cond{}) })
		}, "08:00 2 pieces of news for you"},
		"rule off": {func(w *world) { set(w, catalog.Preferences{SearchMatch: catalog.NotifyOff}) }, "08:00 Taken"},
		"withdrawn": {func(w *world) {
			w.do(func(tx *catalog.Tx) error {
				_, err := tx.PutEnrollment("lea", "taken", catalog.Withdrawn, catalog.Cond{})
				return err
			})
		}, "08:00 2 pieces of news for you"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := worldAt(t, at(t, "Europe/Paris", "2026-03-10 10:00"), true)
			w.device("lea")
			set(w, catalog.Preferences{CourseChanged: catalog.NotifyDaily})
			w.course("taken", "Take")
			w.enroll("lea", "taken", catalog.Active)
			w.pass(time.Hour)
			for _, words := range []string{"a", "b"} {
				w.search("lea", words, catalog.NotifyDaily)
			}
			w.course("x", "a b")
			w.course("taken", "Taken")
			w.pass(time.Hour)
			tc.meanwhile(w)
			if got := strings.Join(w.until("2026-03-11 12:00"), ", "); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			w.sound()
		})
	}
}
