package push

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// publish makes courses c0, c1, … in one transaction.
func (w *world) publish(from, until int) {
	w.Helper()
	w.do(func(tx *catalog.Tx) error {
		for i := from; i < until; i++ {
			c := catalog.Course{ID: catalog.CourseID(fmt.Sprint("c", i)), Text: catalog.Text{Title: fmt.Sprint("Course ", i)}, Language: catalog.English}
			if _, err := tx.PutCourse(c, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// importing records what an import is doing.
func (w *world) importing(state string) {
	w.Helper()
	w.do(func(tx *catalog.Tx) error {
		return tx.PutImport(catalog.ImportRecord{ID: "i1", By: "adm", File: "big.csv", Format: "csv", State: state, StartedAt: noon})
	})
	w.turn()
}

// TestImportIsOneMessage: 5,000 courses that come in batches are one message for each saved search, and one for whoever imported them, also when the disk is slow.
func TestImportIsOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []catalog.LearnerID{"lea", "adm"} {
		w.device(who)
	}
	w.search("lea", "course 1", catalog.NotifyInstant)
	w.importing(catalog.ImportQueued)
	w.importing(catalog.ImportRunning)
	const courses, batch = 5_000, 1_000
	for from := 0; from < courses; from += batch {
		w.publish(from, from+batch)
		w.pass(20 * time.Second)
	}
	w.importing(catalog.ImportDone)
	w.pass(5 * time.Second)
	if got := w.rules("lea"); got != "search_match s-course_1 1111" {
		t.Errorf("inbox: %q", got)
	}
	if got := w.rules("adm"); got != "import_finished i1 0" {
		t.Errorf("inbox: %q", got)
	}
	shown := w.phone.shown()
	if len(shown) != 2 {
		t.Fatalf("%d messages, want two", len(shown))
	}
	links := []string{shown[0].Link, shown[1].Link}
	slices.Sort(links)
	if want := []string{"https://learn.example.org/?q=course+1", "https://learn.example.org/me/inbox"}; !slices.Equal(links, want) {
		t.Errorf("they lead to %q, want %q", links, want)
	}
	w.sound()
}

// TestEndlessImport: one that does not come to an end holds nothing back for longer than two minutes, and a program that publishes without a pause neither.
func TestEndlessImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.search("lea", "course", catalog.NotifyInstant)
	w.importing(catalog.ImportRunning)
	w.publish(0, 2)
	w.pass(119 * time.Second)
	if got := w.rules("lea"); got != "" {
		t.Errorf("told while it ran: %s", got)
	}
	w.pass(time.Second)
	if got := w.rules("lea"); got != "search_match s-course 2" {
		t.Errorf("inbox: %q", got)
	}
	w.phone.shown()
	for i := range 60 { // a slow one
		w.publish(2+i, 3+i)
		w.pass(2 * time.Second)
	}
	if got := w.phone.shown(); len(got) != 1 {
		t.Errorf("%d messages in two minutes of an import, want one", len(got))
	}
	w.importing(catalog.ImportDone)
	w.pass(2 * time.Minute)
	w.phone.shown()
	for i := range 301 {
		w.publish(100+i, 101+i)
		w.pass(400 * time.Millisecond)
	}
	if got := w.phone.shown(); len(got) != 1 {
		t.Errorf("%d messages in two minutes of publishing, want one", len(got))
	}
}

// TestBurstIsOneMessage: what several rules and searches tell a learner at the same time is one message, however many learners there are.
func TestBurstIsOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const learners, searches = 300, 4 // more notes than one transaction takes
	for i := range learners {
		who := catalog.LearnerID(fmt.Sprint("l", i))
		w.device(who)
		for _, words := range []string{"c", "o", "u", "r"}[:searches] {
			w.search(who, words, catalog.NotifyInstant)
		}
	}
	w.publish(0, 1)
	w.pass(5 * time.Second)
	got := map[string]int{}
	for _, m := range w.phone.shown() {
		if got[m.Token]++; m.Title != "4 pieces of news for you" {
			t.Errorf("%s got %q", m.Token, m.Title)
		}
	}
	if len(got) != learners {
		t.Errorf("%d learners got a message, want %d", len(got), learners)
	}
	for token, n := range got {
		if n != 1 {
			t.Errorf("%s got %d", token, n)
		}
	}
	w.sound()
}

// TestImportThatChanges: an import that changes many courses of a learner is one message, whatever time it takes.
func TestImportThatChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	const courses = 8
	for i := range courses {
		id := catalog.CourseID(fmt.Sprint("c", i))
		w.course(id, "Old")
		w.enroll("lea", id, catalog.Active)
	}
	w.pass(after)
	w.importing(catalog.ImportRunning)
	for i := range courses {
		w.course(catalog.CourseID(fmt.Sprint("c", i)), fmt.Sprint("New ", i))
		w.pass(30 * time.Second)
	}
	w.importing(catalog.ImportDone)
	for range 60 {
		w.pass(10 * time.Second)
	}
	var got []string
	for _, m := range w.phone.shown() {
		got = append(got, m.Title)
	}
	if want := "8 pieces of news for you"; strings.Join(got, ", ") != want || len(w.inbox("lea")) != courses {
		t.Errorf("%q, and %d in the inbox", got, len(w.inbox("lea")))
	}
	w.sound()
}

// TestCohort: an import that changes many courses which many learners take is told to each of them, in commands of a size that the log takes, and to whoever
// comes after.
func TestCohort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const learners, courses = 500, 45
	put := func(title string) {
		w.do(func(tx *catalog.Tx) error {
			for i := range courses {
				c := catalog.Course{ID: catalog.CourseID(fmt.Sprint("c", i)), Text: catalog.Text{Title: title}, Language: catalog.English}
				if _, err := tx.PutCourse(c, catalog.Cond{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	put("Course")
	for c := range courses {
		w.do(func(tx *catalog.Tx) error {
			for i := range learners {
				if _, err := tx.PutEnrollment(catalog.LearnerID(fmt.Sprint("l", i)), catalog.CourseID(fmt.Sprint("c", c)), catalog.Active, catalog.Cond{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	w.pass(after)
	put("Changed")
	w.follow()
	w.clock.add(after)
	w.now = func() time.Time { // a clock that goes on: notes are not due at the same time
		w.clock.add(10 * time.Microsecond)
		return w.clock.now()
	}
	w.decideAll()
	if s, err := w.Status(0, 0); err != nil || s.Notes != 0 || len(w.inbox("l0")) != courses || len(w.inbox("l499")) != courses {
		t.Errorf("%d notes are left, %d and %d are in inboxes, %v", s.Notes, len(w.inbox("l0")), len(w.inbox("l499")), err)
	}
}

// TestFullInbox: of more news than an inbox holds the newest are told.
func TestFullInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	const courses = catalog.MaxNotifications + 50
	w.publish(0, courses)
	for i := range courses {
		w.do(func(tx *catalog.Tx) error {
			_, err := tx.PutEnrollment("lea", catalog.CourseID(fmt.Sprint("c", i)), catalog.Active, catalog.Cond{})
			return err
		})
	}
	w.pass(after)
	w.do(func(tx *catalog.Tx) error {
		for i := range courses {
			c := catalog.Course{ID: catalog.CourseID(fmt.Sprint("c", i)), Text: catalog.Text{Title: "Changed"}, Language: catalog.English}
			if _, err := tx.PutCourse(c, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	w.pass(after)
	if got := w.phone.shown(); len(got) != 1 || got[0].Title != fmt.Sprint(catalog.MaxNotifications, " pieces of news for you") {
		t.Errorf("%+v", got)
	}
	w.sound()
}

// TestEditingIsOneChange: what an editor saves one after another is told once, a while after the last.
func TestEditingIsOneChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.course("go", "Go")
	w.enroll("lea", "go", catalog.Active)
	w.device("lea")
	for i := range 5 {
		w.course("go", fmt.Sprint("Go ", i))
		w.pass(time.Minute)
	}
	if got := w.rules("lea"); got != "" {
		t.Errorf("told while it went on: %s", got)
	}
	w.pass(2 * time.Minute)
	if got := w.phone.shown(); len(got) != 1 || got[0].Title != "Go 4" {
		t.Errorf("%+v, want one message, of the last title", got)
	}
}

// TestTakenBack: a change that was taken back before it was told is none, unless something else of the course changed.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.course("go", "Go")
	w.enroll("lea", "go", catalog.Active)
	w.pass(after)
	w.course("go", "Going")
	w.pass(time.Minute)
	w.course("go", "Go")
	w.pass(after)
	if got := w.rules("lea"); got != "" {
		t.Errorf("inbox %q", got)
	}
	w.course("go", "Going")
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutContent("go", catalog.Content{Modules: []catalog.Module{{ID: "m", Title: map[catalog.Locale]string{"en": "M"}}}}, catalog.Cond{})
		return err
	})
	w.course("go", "Go")
	w.pass(after)
	if got := w.rules("lea"); got != "course_changed go 0" {
		t.Errorf("inbox %q", got)
	}
}

// TestCapOfTwoDevices: what two devices show counts once.
func TestCapOfTwoDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []catalog.DeviceID{"phone", "tablet"} {
		w.do(func(tx *catalog.Tx) error {
			_, err := tx.PutDevice("lea", id, catalog.Device{Token: "token-" + string(id), Platform: catalog.PlatformAndroid}, catalog.Cond{})
			return err
		})
	}
	w.do(func(tx *catalog.Tx) error { return tx.PutPushDefaults("", catalog.PushDefaults{DailyCap: 2}) })
	w.search("lea", "go", catalog.NotifyInstant)
	for i := range 3 {
		w.course(catalog.CourseID(fmt.Sprint("c", i)), "Go")
		w.pass(time.Minute)
	}
	got := map[string]int{}
	for _, m := range w.phone.shown() {
		got[m.Token]++
	}
	if got["token-phone"] != 2 || got["token-tablet"] != 2 {
		t.Errorf("%v, want two on each", got)
	}
}
