package push

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// nightly makes a world in Paris in which lea sleeps from 22:00 to 7:30.
func nightly(t *testing.T, now string) *world {
	t.Helper()
	w := worldAt(t, at(t, "Europe/Paris", now), true)
	w.device("lea")
	w.do(func(tx *catalog.Tx) error {
		return tx.PutPreferences("lea", catalog.Preferences{Timezone: "Europe/Paris", QuietHours: "22:00-07:30"})
	})
	return w
}

// until lets time pass minute by minute, and returns when messages were shown, by the clock in Paris.
func (w *world) until(end string) (shown []string) {
	w.Helper()
	paris := at(w.T, "Europe/Paris", end)
	for w.clock.now().Before(paris) {
		w.pass(time.Minute)
		for _, m := range w.phone.shown() {
			shown = append(shown, w.clock.now().In(paris.Location()).Format("15:04 ")+m.Title)
		}
	}
	return shown
}

// TestNeverAtNight: what was due before the night and could not be sent then waits for the morning too.
func TestNeverAtNight(t *testing.T) {
	t.Parallel()
	for name, evening := range map[string]func(w *world){
		"service down": func(w *world) {
			w.phone.outcome = failing(ReasonUnavailable)
			w.until("2026-03-10 22:20")
			w.phone.outcome = nil
		},
		"server down": func(w *world) {
			w.follow()
			w.clock.add(5 * time.Second)
			if _, err := w.decideStep(w.Context()); err != nil {
				w.Fatal(err)
			}
			if err := w.Close(); err != nil {
				w.Fatal(err)
			}
			w.clock.add(5 * time.Hour)
			w.open(true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := nightly(t, "2026-03-10 21:58")
			w.search("lea", "go", catalog.NotifyInstant)
			w.course("go", "Go")
			evening(w)
			got := strings.Join(w.until("2026-03-11 12:00"), ", ")
			if len(got) < len("07:30") || got[:4] != "07:3" || strings.Count(got, "new course") != 1 {
				t.Errorf("shown: %s", got)
			}
			w.sound()
		})
	}
}

// TestNightIsOneMessage: what a night brings is one of the day's messages.
func TestNightIsOneMessage(t *testing.T) {
	t.Parallel()
	w := nightly(t, "2026-03-11 00:30")
	w.search("lea", "go", catalog.NotifyInstant)
	w.do(func(tx *catalog.Tx) error { return tx.PutPushDefaults("", catalog.PushDefaults{DailyCap: 2}) })
	publish := func(i int) {
		w.course(catalog.CourseID(fmt.Sprint("g", i)), "Go")
		w.pass(10 * time.Second)
	}
	for i := range 6 {
		publish(i)
	}
	if s, err := w.Status(0, 0); err != nil || !s.Oldest.IsZero() {
		t.Errorf("something is late at night: %+v, %v", s, err)
	}
	w.clock.add(9 * time.Hour)
	for i := 10; i < 14; i++ {
		publish(i)
	}
	var got []string
	for _, m := range w.phone.shown() {
		got = append(got, m.Title)
	}
	if want := "6 pieces of news for you, 1 new course for “go”"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	w.phone.silent()
	w.pass(time.Hour)
	if got := w.phone.silent(); len(got) != 1 || !strings.Contains(got[0].Data["channels"], "me") {
		t.Errorf("%+v, want a nudge for what is in the inbox only", got)
	}
	w.sound()
}

// TestOutageIsOneMessage: what an outage kept back is one message afterwards, and it is known how late it is.
func TestOutageIsOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.searches(9)
	w.pass(time.Hour)
	w.phone.outcome = failing(ReasonUnavailable)
	down := w.clock.now()
	for i := range 9 {
		w.find(i)
		w.pass(time.Minute)
	}
	w.pass(3 * time.Hour)
	if s, err := w.Status(0, 0); err != nil || s.Oldest.Sub(down).Abs() > time.Minute {
		t.Errorf("oldest %s, want %s; %v", s.Oldest, down, err)
	}
	w.phone.outcome = nil
	w.pass(2 * time.Hour)
	w.pass(2 * time.Hour)
	if got := w.phone.shown(); len(got) != 1 || got[0].Title != "9 pieces of news for you" {
		t.Errorf("%+v, want one message", got)
	}
	w.sound()
}

// TestReadElsewhere: what the learner read before it could be sent is not sent.
func TestReadElsewhere(t *testing.T) {
	t.Parallel()
	w := nightly(t, "2026-03-10 23:00")
	w.searches(5)
	publish := func(i int) {
		w.find(i)
		w.pass(time.Minute)
	}
	for i := range 4 {
		publish(i)
	}
	for _, n := range w.inbox("lea") {
		w.do(func(tx *catalog.Tx) error {
			_, err := tx.ReadNotification("lea", n.ID, true)
			return err
		})
	}
	publish(4)
	w.pass(10 * time.Hour)
	if got := w.phone.shown(); len(got) != 1 || got[0].Title != "1 piece of news for you" {
		t.Errorf("%+v, want one, of what was not read", got)
	}
	w.sound()
}

// TestNightsEnd: nights do not keep a message alive that cannot be sent.
func TestNightsEnd(t *testing.T) {
	t.Parallel()
	w := nightly(t, "2026-03-10 20:00")
	w.search("lea", "go", catalog.NotifyInstant)
	w.phone.outcome = failing(ReasonInternal)
	w.course("go", "Go")
	for range 5 * 24 {
		w.pass(time.Hour)
	}
	if s, err := w.Status(10, 0); err != nil || s.Queued != 0 || s.DeadCount != 1 || s.Dead[0].Reason != ReasonExpired {
		t.Errorf("%+v, %v", s, err)
	}
}
