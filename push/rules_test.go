package push

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// after is longer than anything takes to settle.
const after = time.Hour

func TestMaterialChanges(t *testing.T) {
	t.Parallel()
	later := noon.AddDate(0, 1, 0)
	content := func(body, french string) catalog.Content {
		l := catalog.Lesson{ID: "l1", Module: "m1", Title: map[catalog.Locale]string{"en": "One"}, Body: map[catalog.Locale]string{"en": body}}
		if french != "" {
			l.Body["fr"] = french
		}
		return catalog.Content{Modules: []catalog.Module{{ID: "m1", Title: map[catalog.Locale]string{"en": "M"}}}, Lessons: []catalog.Lesson{l}}
	}
	putContent := func(w *world, c catalog.Content) {
		w.do(func(tx *catalog.Tx) error {
			_, err := tx.PutContent("go", c, catalog.Cond{})
			return err
		})
	}
	for name, tc := range map[string]struct {
		change func(w *world)
		told   bool
	}{
		"title":       {func(w *world) { w.course("go", "Going") }, true},
		"dates":       {func(w *world) { w.course("go", "Go", func(c *catalog.Course) { c.StartsAt = &later }) }, true},
		"archived":    {func(w *world) { w.course("go", "Go", func(c *catalog.Course) { c.State = catalog.Archived }) }, true},
		"lesson":      {func(w *world) { putContent(w, content("<p>other</p>", "")) }, true},
		"no content":  {func(w *world) { putContent(w, catalog.Content{}) }, true},
		"draft":       {func(w *world) { w.course("go", "Going", func(c *catalog.Course) { c.State = catalog.Draft }) }, false},
		"deleted":     {func(w *world) { w.do(func(tx *catalog.Tx) error { return tx.DeleteCourse("go", catalog.Cond{}) }) }, false},
		"description": {func(w *world) { w.course("go", "Go", func(c *catalog.Course) { c.Description = "new" }) }, false},
		"translation": {func(w *world) {
			w.course("go", "Go", func(c *catalog.Course) { c.Translations = map[catalog.Locale]catalog.Text{"fr": {Title: "Va"}} })
			putContent(w, content("<p>body</p>", "<p>corps</p>"))
		}, false},
		"price": {func(w *world) {
			price := 5.0
			w.course("go", "Go", func(c *catalog.Course) { c.Price, c.Currency = &price, "EUR" })
		}, false},
		"ratings": {func(w *world) {
			w.do(func(tx *catalog.Tx) error {
				_, err := tx.PutReview("lea", "go", catalog.Review{Rating: 5}, catalog.Cond{})
				return err
			})
			if err := w.catalog.FlushStats(w.Context()); err != nil {
				w.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.course("go", "Go")
			putContent(w, content("<p>body</p>", ""))
			w.enroll("lea", "go", catalog.Active)
			w.enroll("max", "go", catalog.Withdrawn)
			w.enroll("ida", "go", catalog.Completed)
			w.device("lea")
			w.pass(after)
			w.phone.silent()
			if got := w.rules("lea"); got != "" {
				t.Fatalf("told of what was there before: %s", got)
			}
			tc.change(w)
			w.pass(after)
			told := w.rules("lea")
			if (told == "course_changed go 0") != tc.told {
				t.Errorf("inbox: %q", told)
			}
			if got := len(w.phone.shown()); (got == 1) != tc.told {
				t.Errorf("%d messages", got)
			}
			if others := w.rules("max") + w.rules("ida"); others != "" {
				t.Errorf("others: %q", others)
			}
			w.sound()
		})
	}
}

func TestSavedSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea", func(d *catalog.Device) { d.Locale = "fr-CA" })
	w.device("max")
	w.search("lea", "go", catalog.NotifyInstant)
	w.search("max", "go", catalog.NotifyOff)
	w.course("draft", "Go drafted", func(c *catalog.Course) { c.State = catalog.Draft })
	w.course("acme~go", "Go at Acme")
	w.pass(5 * time.Second)
	if got := w.rules("lea"); got != "" {
		t.Fatalf("told of what lea does not see: %s", got)
	}
	w.course("go", "Go", func(c *catalog.Course) { c.Translations = map[catalog.Locale]catalog.Text{"fr": {Title: "Le Go"}} })
	w.pass(5 * time.Second)
	if got := w.rules("lea"); got != "search_match s-go 1" {
		t.Errorf("inbox: %q", got)
	}
	shown := w.phone.shown()
	if len(shown) != 1 || !strings.HasPrefix(shown[0].Title, "1 nouveau cours pour «") || !strings.Contains(shown[0].Body, "Le Go") {
		t.Fatalf("%+v, want one French message", shown)
	}
	if shown[0].Data["course"] != "go" || shown[0].Data["link"] != "https://learn.example.org/courses/go" || shown[0].Link != shown[0].Data["link"] {
		t.Errorf("%+v", shown[0])
	}
	if shown[0].Data["channels"] != "me,catalog" || shown[0].Data["as_of"] == "" || shown[0].Channel != "search_match" {
		t.Errorf("%+v", shown[0])
	}
	w.course("draft", "Go drafted", func(c *catalog.Course) { c.State = catalog.Published })
	w.course("go", "Go again", func(c *catalog.Course) { c.State = catalog.Archived }) // no new course
	w.course("go", "Go again", func(c *catalog.Course) { c.State = catalog.Published })
	w.pass(5 * time.Second)
	if got := w.phone.shown(); len(got) != 1 {
		t.Errorf("%+v, want one message of the draft that was published", got)
	}
	if got := w.rules("max"); got != "" {
		t.Errorf("max, who wants none: %s", got)
	}
}

// TestGoneMeanwhile: what became invisible before it was told is not named, neither in a digest nor in a message that waited for the end of quiet hours.
func TestGoneMeanwhile(t *testing.T) {
	t.Parallel()
	hide := func(w *world, ids ...catalog.CourseID) {
		for _, id := range ids {
			w.course(id, "Go "+string(id), func(c *catalog.Course) { c.State = catalog.Draft })
		}
	}
	for name, tc := range map[string]struct {
		hide  []catalog.CourseID
		title string // of the message; "" for none
		body  string // begins with
		link  string
	}{
		"none":  {nil, "3 new courses for “go”", "“Go a” and others", "https://learn.example.org/?q=go"},
		"first": {[]catalog.CourseID{"a"}, "2 new courses for “go”", "“Go b” and others", "https://learn.example.org/?q=go"},
		"two":   {[]catalog.CourseID{"b", "a"}, "1 new course for “go”", "“Go c” matches", "https://learn.example.org/courses/c"},
		"all":   {[]catalog.CourseID{"a", "b", "c"}, "", "", ""},
	} {
		for _, how := range []catalog.Notify{catalog.NotifyDaily, catalog.NotifyInstant} {
			t.Run(name+" "+string(how), func(t *testing.T) {
				t.Parallel()
				w := worldAt(t, at(t, "Europe/Paris", "2026-03-10 23:00"), true)
				w.device("lea")
				w.do(func(tx *catalog.Tx) error {
					return tx.PutPreferences("lea", catalog.Preferences{Timezone: "Europe/Paris", QuietHours: "22:00-07:30"})
				})
				w.search("lea", "go", how)
				for _, id := range []catalog.CourseID{"a", "b", "c"} {
					w.course(id, "Go "+string(id))
				}
				w.pass(5 * time.Second)
				hide(w, tc.hide...)
				w.pass(12 * time.Hour)
				shown := w.phone.shown()
				if tc.title == "" {
					if len(shown) != 0 || how == catalog.NotifyDaily && len(w.inbox("lea")) != 0 {
						t.Errorf("%+v, and in the inbox %s", shown, w.rules("lea"))
					}
					return
				}
				if len(shown) != 1 || shown[0].Title != tc.title || !strings.HasPrefix(shown[0].Body, tc.body) || shown[0].Link != tc.link || shown[0].Data["link"] != tc.link {
					t.Errorf("%+v, want %q, %q to %s", shown, tc.title, tc.body, tc.link)
				}
				w.sound()
			})
		}
	}
}

// TestDraftAndBack: a course that was withdrawn before anybody was told of it is new when it comes back.
func TestDraftAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.search("lea", "go", catalog.NotifyInstant)
	for _, told := range []string{"", "search_match s-go 1", "search_match s-go 1"} {
		w.course("go", "Go", func(c *catalog.Course) { c.State = catalog.Published })
		w.turn()
		if told != "" {
			w.pass(time.Minute)
		}
		w.course("go", "Go", func(c *catalog.Course) { c.State = catalog.Draft })
		w.pass(time.Minute)
		if got := w.rules("lea"); got != told {
			t.Errorf("inbox %q, want %q", got, told)
		}
	}
}

func TestInstructor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutInstructor(catalog.Instructor{ID: "ada", Name: "Ada"}, catalog.Cond{})
		return err
	})
	by := func(c *catalog.Course) { c.Instructors = []catalog.InstructorID{"ada"} }
	w.course("one", "One", by)
	for _, who := range []catalog.LearnerID{"rated", "done", "taking", "none"} {
		w.device(who)
	}
	w.enroll("rated", "one", catalog.Active)
	w.enroll("done", "one", catalog.Completed)
	w.enroll("taking", "one", catalog.Active)
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutReview("rated", "one", catalog.Review{Rating: 4}, catalog.Cond{})
		return err
	})
	w.pass(after)
	w.course("acme~two", "Two at Acme", by) // which they do not see
	w.course("two", "Two", by)
	w.course("zwei", "Zwei", by)
	w.course("three", "Three")
	w.pass(5 * time.Second)
	for who, want := range map[catalog.LearnerID]string{"rated": "instructor_course two 0", "done": "instructor_course two 0", "taking": "", "none": ""} {
		if got := w.rules(who); got != want {
			t.Errorf("%s: %q, want %q", who, got, want)
		}
	}
	if shown := w.phone.shown(); len(shown) != 2 || shown[0].Title != "New from Ada" || shown[0].Link != "https://learn.example.org/courses/two" {
		t.Errorf("%+v", shown)
	}
}

// TestNotConfigured: without a push service the inbox has everything, and the outbox says why it sent nothing.
func TestNotConfigured(t *testing.T) {
	t.Parallel()
	w := worldAt(t, noon, false)
	w.device("lea")
	w.search("lea", "go", catalog.NotifyInstant)
	w.course("go", "Go")
	w.pass(5 * time.Second)
	if got := w.rules("lea"); got != "search_match s-go 1" {
		t.Errorf("inbox: %q", got)
	}
	s, err := w.Status(10, 10)
	if err != nil || s.Configured || s.Queued != 0 || len(s.Days) != 1 || s.Days[0].Unsent[ReasonNotConfigured] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestPreferences: the learner's word counts before the organization's, and that before everyone's.
func TestPreferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as(catalog.Actor{Subject: "lea", Org: "acme", IssuedAt: 5}, func(tx *catalog.Tx) error { return tx.RecordMembership() })
	w.course("go", "Go")
	for _, who := range []catalog.LearnerID{"lea", "max"} {
		w.device(who)
		w.enroll(who, "go", catalog.Active)
	}
	set := func(org catalog.OrgID, n catalog.Notify) {
		w.do(func(tx *catalog.Tx) error { return tx.PutPushDefaults(org, catalog.PushDefaults{CourseChanged: n}) })
	}
	w.turn()
	title := 0
	told := func() (lea, max int) {
		title++
		before := [2]int{len(w.inbox("lea")), len(w.inbox("max"))}
		w.course("go", fmt.Sprint("Go ", title))
		w.pass(after)
		return len(w.inbox("lea")) - before[0], len(w.inbox("max")) - before[1]
	}
	set("acme", catalog.NotifyOff)
	if lea, max := told(); lea != 0 || max != 1 {
		t.Errorf("off in acme: lea %d, max %d", lea, max)
	}
	set("", catalog.NotifyOff)
	set("acme", catalog.NotifyInstant)
	if lea, max := told(); lea != 1 || max != 0 {
		t.Errorf("off for all but acme: lea %d, max %d", lea, max)
	}
	w.do(func(tx *catalog.Tx) error {
		return tx.PutPreferences("lea", catalog.Preferences{CourseChanged: catalog.NotifyOff})
	})
	w.do(func(tx *catalog.Tx) error {
		return tx.PutPreferences("max", catalog.Preferences{CourseChanged: catalog.NotifyInstant})
	})
	if lea, max := told(); lea != 0 || max != 1 {
		t.Errorf("as they prefer: lea %d, max %d", lea, max)
	}
}

// TestApplyTwiceIsOnce: the follower contract.
func TestApplyTwiceIsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.search("lea", "go", catalog.NotifyInstant)
	w.turn()
	from, err := w.Cursor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.course("go", "Go")
	var batch []coursesync.Change
	for ch, err := range w.catalog.Log().Read(t.Context(), from.Seq) {
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, ch)
	}
	next := coursesync.Cursor{Log: from.Log, Seq: batch[len(batch)-1].Seq}
	for range 2 {
		if err := w.Apply(t.Context(), batch, next); err != nil {
			t.Fatal(err)
		}
		w.clock.add(5 * time.Second)
		if _, err := w.decideStep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.turn()
	if got := w.rules("lea"); got != "search_match s-go 1" || len(w.phone.shown()) != 1 {
		t.Errorf("inbox: %q", got)
	}
	w.course("rust", "Go and Rust")
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(5 * time.Second)
	if got := w.phone.shown(); len(got) != 0 {
		t.Errorf("%+v: told of what was there when it started over", got)
	}
}

// TestErased: what waits for somebody who leaves is dropped.
func TestErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("lea")
	w.search("lea", "go", catalog.NotifyDaily)
	w.search("lea", "course", catalog.NotifyInstant)
	w.phone.outcome = func(*Message) Outcome { return Outcome{Reason: ReasonUnavailable} }
	w.course("go", "Go course")
	w.pass(5 * time.Second)
	if s, err := w.Status(0, 0); err != nil || s.Notes != 1 || s.Queued != 2 {
		t.Fatalf("%+v %v, want a digest, a message and a nudge that wait", s, err)
	}
	w.do(func(tx *catalog.Tx) error { return tx.Erase("lea") })
	w.phone.outcome = nil
	w.pass(48 * time.Hour)
	if s, err := w.Status(0, 0); err != nil || s.Notes != 0 || s.Queued != 0 {
		t.Errorf("%+v %v", s, err)
	}
	if got := w.phone.shown(); len(got) != 0 || len(w.inbox("lea")) != 0 {
		t.Errorf("%+v", got)
	}
	w.sound()
}

// TestFailedImport: whoever uploaded a file hears that nothing came of it.
func TestFailedImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.device("adm")
	w.importing(catalog.ImportRunning)
	w.importing(catalog.ImportFailed)
	w.pass(time.Minute)
	if got := w.phone.shown(); len(got) != 1 || got[0].Title != "Import failed: big.csv" || w.rules("adm") != "import_failed i1 0" {
		t.Errorf("%+v, inbox %q", got, w.rules("adm"))
	}
	w.do(func(tx *catalog.Tx) error {
		return tx.PutPreferences("adm", catalog.Preferences{ImportFinished: catalog.NotifyOff})
	})
	w.do(func(tx *catalog.Tx) error {
		return tx.PutImport(catalog.ImportRecord{ID: "i2", By: "adm", File: "b.csv", Format: "csv", State: catalog.ImportFailed, StartedAt: noon})
	})
	w.pass(time.Minute)
	if got := w.phone.shown(); len(got) != 0 {
		t.Errorf("%+v, though it is off", got)
	}
}
