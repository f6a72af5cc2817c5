package push

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// clock is a fake one.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// phone takes messages, and fails as it is told.
type phone struct {
	mu      sync.Mutex
	taken   []Message
	calls   int
	tried   map[string]int
	outcome func(m *Message) Outcome // nil: all are taken
}

func (f *phone) Send(_ context.Context, messages []Message) []Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	outcomes := make([]Outcome, len(messages))
	for i := range messages {
		f.tried[messages[i].Token]++
		if outcomes[i].Reason = Sent; f.outcome != nil {
			outcomes[i] = f.outcome(&messages[i])
		}
		if outcomes[i].Reason == Sent {
			f.taken = append(f.taken, messages[i])
		}
	}
	return outcomes
}

// shown returns and forgets the messages that people see, silent those that they do not.
func (f *phone) shown() []Message  { return f.take(false) }
func (f *phone) silent() []Message { return f.take(true) }

func (f *phone) take(silent bool) (list []Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var rest []Message
	for _, m := range f.taken {
		if m.Silent() == silent {
			list = append(list, m)
		} else {
			rest = append(rest, m)
		}
	}
	f.taken = rest
	return list
}

// looper matches by looking at each saved search: a course is found when the words are in its title.
type looper struct{ c *catalog.Catalog }

func (l looper) Matches(ctx context.Context, courses []catalog.CourseID) iter.Seq2[Match, error] {
	return func(yield func(Match, error) bool) {
		err := l.c.View(ctx, func(v *catalog.View) error {
			for ch := range v.Log().Entities(catalog.KindSavedSearch, "", "") {
				s, err := catalog.Decode[catalog.SavedSearch](ch)
				if err != nil {
					return err
				}
				who := catalog.LearnerOf(ch.Key)
				actor, err := v.OnRecord(who)
				if err != nil {
					return err
				}
				values, err := url.ParseQuery(s.Value.Query)
				if err != nil {
					return err
				}
				for _, id := range courses {
					c, err := v.CourseFor(actor, id)
					if err != nil {
						continue
					}
					now, err := v.CardRatings(id)
					if err != nil {
						return err
					}
					least, _ := strconv.ParseFloat(values.Get("min_rating"), 64)
					if now.Course >= least && strings.Contains(strings.ToLower(c.Value.Title), values.Get("q")) &&
						!yield(Match{who, catalog.SavedSearchID(catalog.WithoutLearner(ch.Key)), id}, nil) {
						return nil
					}
				}
			}
			return nil
		})
		if err != nil {
			yield(Match{}, err)
		}
	}
}

// Risen: the words are found in the title, and the rating is that of the parameter.
func (l looper) Risen(ctx context.Context, course catalog.CourseID, was catalog.CardRatings) iter.Seq2[Match, error] {
	return func(yield func(Match, error) bool) {
		for m, err := range l.Matches(ctx, []catalog.CourseID{course}) {
			least := 0.0
			if err == nil {
				err = l.c.View(ctx, func(v *catalog.View) error {
					s, _, err := v.MySavedSearch(m.Learner, m.Search)
					if values, bad := url.ParseQuery(s.Value.Query); bad == nil {
						least, _ = strconv.ParseFloat(values.Get("min_rating"), 64)
					}
					return err
				})
			}
			if (err != nil || least > was.Course) && !yield(m, err) {
				return
			}
		}
	}
}

// world is a catalog with the push that follows it. Time passes when the test says so.
type world struct {
	*testing.T
	*Push
	clock   *clock
	catalog *catalog.Catalog
	phone   *phone
	folder  string
}

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldAt(t, noon, true)
}

func worldAt(t *testing.T, now time.Time, configured bool) *world {
	t.Helper()
	w := &world{T: t, clock: &clock{t: now}, phone: &phone{tried: map[string]int{}}, folder: t.TempDir()}
	var err error
	w.catalog, err = catalog.Open(catalog.Config{Path: filepath.Join(w.folder, "carrel.db"), Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.catalog.Close() })
	w.open(configured)
	return w
}

// open opens the push, again after a kill.
func (w *world) open(configured bool) {
	w.Helper()
	texts, err := locales.Load("")
	if err != nil {
		w.Fatal(err)
	}
	cfg := Config{
		Path: filepath.Join(w.folder, "push.db"), Catalog: w.catalog, Texts: texts, Matcher: looper{w.catalog}, Now: w.clock.now, PublicURL: "https://learn.example.org/",
		AsOf: func(s coursesync.Seq) string { return fmt.Sprint("as-of-", s) },
	}
	if configured {
		cfg.Sender = w.phone
	}
	if w.Push, err = Open(w.Context(), cfg); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = w.Close() })
}

// do runs a command as the program itself.
func (w *world) do(fn func(tx *catalog.Tx) error) {
	w.Helper()
	w.as(catalog.System, fn)
}

func (w *world) as(actor catalog.Actor, fn func(tx *catalog.Tx) error) {
	w.Helper()
	_, err := w.catalog.Update(w.Context(), actor, fn)
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) follow() {
	w.Helper()
	if err := coursesync.CatchUp(w.Context(), w.catalog.Log(), w.Push); err != nil {
		w.Fatal(err)
	}
}

// decideAll decides what is to be decided now.
func (w *world) decideAll() {
	w.Helper()
	for range 100 {
		if wait, err := w.decideStep(w.Context()); err != nil {
			w.Fatal(err)
		} else if wait > 0 {
			return
		}
	}
	w.Fatal("there is no end to deciding")
}

// turn follows, decides and sends what is to be done now.
func (w *world) turn() {
	w.Helper()
	w.follow()
	w.decideAll()
	if w.cfg.Sender == nil {
		return
	}
	w.follow() // what deciding wrote
	for range 100 {
		if wait, err := w.sendStep(w.Context()); err != nil {
			w.Fatal(err)
		} else if wait > 0 {
			return
		}
	}
}

// pass lets time pass, and everything that is due by then happen.
func (w *world) pass(d time.Duration) {
	w.Helper()
	w.turn()
	w.clock.add(d)
	w.turn()
}

func (w *world) course(id catalog.CourseID, title string, change ...func(c *catalog.Course)) {
	w.Helper()
	w.do(func(tx *catalog.Tx) error {
		s, _, err := tx.Course(id)
		c := s.Value
		c.ID, c.Title = id, title
		if c.Language == "" {
			c.Language = catalog.English
		}
		for _, fn := range change {
			fn(&c)
		}
		if err == nil {
			_, err = tx.PutCourse(c, catalog.Cond{})
		}
		return err
	})
}

func (w *world) enroll(who catalog.LearnerID, id catalog.CourseID, state catalog.EnrollmentState) {
	w.Helper()
	for _, s := range []catalog.EnrollmentState{catalog.Active, state} {
		w.do(func(tx *catalog.Tx) error {
			_, err := tx.PutEnrollment(who, id, s, catalog.Cond{})
			return err
		})
	}
}

func (w *world) device(who catalog.LearnerID, change ...func(d *catalog.Device)) {
	w.Helper()
	d := catalog.Device{Token: "token-" + string(who), Platform: catalog.PlatformAndroid}
	for _, fn := range change {
		fn(&d)
	}
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutDevice(who, "phone", d, catalog.Cond{})
		return err
	})
}

func (w *world) search(who catalog.LearnerID, words string, how catalog.Notify) {
	w.Helper()
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutSavedSearch(who, catalog.SavedSearchID("s-"+strings.ReplaceAll(words, " ", "_")), catalog.SavedSearch{Name: words, Query: "q=" + words, Notify: how}, catalog.Cond{})
		return err
	})
}

// searches saves lea's searches go0, go1, …, to be told at once.
func (w *world) searches(n int) {
	w.Helper()
	for i := range n {
		w.search("lea", fmt.Sprint("go", i), catalog.NotifyInstant)
	}
}

// find publishes a course that one of them finds.
func (w *world) find(i int) {
	w.Helper()
	w.course(catalog.CourseID(fmt.Sprint("c", i)), fmt.Sprint("go", i))
}

func (w *world) inbox(who catalog.LearnerID) []catalog.MyNotification {
	w.Helper()
	list, err := w.catalog.MyNotifications(w.Context(), who, catalog.Page{Limit: catalog.MaxNotifications})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

func (w *world) rules(who catalog.LearnerID) string {
	w.Helper()
	var list []string
	for _, n := range w.inbox(who) {
		list = append(list, fmt.Sprintf("%s %s %d", n.Value.Rule, n.Value.Subject.ID, n.Value.Count))
	}
	return strings.Join(list, ", ")
}

// sound lets bbolt look at the file, and looks for rows that nothing leads to.
func (w *world) sound() {
	w.Helper()
	err := w.db.View(func(tx *bolt.Tx) error {
		var all []error
		for err := range tx.Check() {
			all = append(all, err)
		}
		n := func(b []byte) int { return len(keys(tx, b, nil)) }
		if n(bucketMessage) != n(bucketDue) || n(bucketMessage) != n(bucketDevices) || n(bucketNotes) != n(bucketDueNote) {
			all = append(all, fmt.Errorf("messages %d, due %d, by device %d; notes %d, due %d",
				n(bucketMessage), n(bucketDue), n(bucketDevices), n(bucketNotes), n(bucketDueNote)))
		}
		return errors.Join(all...)
	})
	if err != nil {
		w.Error(err)
	}
}
