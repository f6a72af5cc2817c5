package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
)

const (
	// pushDevices is how many are nudged by one change, each of a learner of its own.
	pushDevices = 10_000
	// pushTx is how many learners are written at once.
	pushTx = 1000
	// pushRate is that of people who search meanwhile, pushQuiet how long they are watched before.
	pushRate  = 50
	pushQuiet = 10 * time.Second
	// pushRounds is how often each is measured: every time on a server of its own without push.db, since a device is nudged every 15 minutes at most.
	pushRounds = 5
	// pushSettle is how long a server rests before it is measured.
	pushSettle = 3 * time.Second
	// pushMost is when a message that did not come will not.
	pushMost = 4 * time.Minute
	pushSeed = 61

	goalNudged = 5 * time.Second
	goalBeside = 1.5

	pushTeacher = "push-teacher"
	pushTaken   = "push-taken"
	pushDone    = "push-done"

	// changedQuiet is how long a course has to rest before its change is told, publishedQuiet how long new courses do (see the package push).
	changedQuiet   = 2 * time.Minute
	publishedQuiet = 3 * time.Second
)

// push measures how soon devices hear of a change, and what that does to those who search meanwhile.
func (b *bench) push() error {
	data, err := b.syncFolder()
	if err != nil {
		return err
	}
	section(fmt.Sprintf("Messages to %d devices, %d courses, through Firebase's SDK to a stand-in on the same cores", pushDevices, b.courses))
	start := time.Now()
	if err := pushLearners(data); err != nil {
		return err
	}
	note("%d learners with a device each were written in %.0f s", pushDevices, time.Since(start).Seconds())
	fcm, err := b.startService()
	if err != nil {
		return err
	}
	n := &nudging{bench: b, data: data, fcm: fcm, log: newQueryLog(pushSeed, optionsOf(b.courses))}
	if err := n.nudges(); err != nil {
		return err
	}
	return n.messages()
}

// pushLearners writes the learners: each has a device, takes one course and has completed another one by the same instructor.
func pushLearners(data string) (err error) {
	s, err := open(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ctx := context.Background()
	_, err = s.catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
		_, err := tx.PutInstructor(catalog.Instructor{ID: pushTeacher, Name: "Ada Teacher"}, catalog.Cond{})
		for _, id := range []catalog.CourseID{pushTaken, pushDone} {
			course := catalog.Course{ID: id, Text: catalog.Text{Title: "What one learns"}, Language: catalog.English, Instructors: []catalog.InstructorID{pushTeacher}, State: catalog.Published}
			_, one := tx.PutCourse(course, catalog.Cond{})
			err = errors.Join(err, one)
		}
		return err
	})
	for from := 0; from < pushDevices && err == nil; from += pushTx {
		_, err = s.catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
			for i := from; i < min(from+pushTx, pushDevices); i++ {
				if err := pushLearner(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

func pushLearner(tx *catalog.Tx, i int) error {
	who := catalog.LearnerID(fmt.Sprintf("push-learner-%06d", i))
	platform := []catalog.Platform{catalog.PlatformAndroid, catalog.PlatformIOS, catalog.PlatformWeb}[i%3]
	token := fmt.Sprintf("bench%06d:", i) + strings.Repeat("APA91bH", 20) // as long as Google's
	_, device := tx.PutDevice(who, "phone", catalog.Device{Token: token, Platform: platform, Locale: languages[i%len(languages)]}, catalog.Cond{})
	_, taken := tx.PutEnrollment(who, pushTaken, catalog.Active, catalog.Cond{})
	_, done := tx.PutEnrollment(who, pushDone, catalog.Completed, catalog.Cond{})
	return errors.Join(device, taken, done)
}

// nudging is the section under way.
type nudging struct {
	*bench
	data string
	fcm  *service
	log  *queryLog
}

// target is a server that is measured.
type target struct {
	*server
	client *client
	admin  admin
}

// start starts a server that has told nobody anything yet, and warms it up. Without a service it sends nothing.
func (n *nudging) start(service bool) (t target, err error) {
	if err := os.Remove(filepath.Join(n.data, "push.db")); err != nil && !os.IsNotExist(err) {
		return t, err
	}
	keys, err := identity.OpenKeyring(filepath.Join(n.data, "secrets"), nil)
	if err != nil {
		return t, err
	}
	var env []string
	if service {
		env = []string{"CARREL_FCM_PROJECT=bench", "CARREL_FCM_ENDPOINT=" + n.fcm.url}
	}
	if t.server, err = n.serve(n.data, env...); err != nil {
		return t, err
	}
	if t.client, err = t.ready(); err != nil {
		return t, err
	}
	if t.admin, err = newAdmin(t.url, keys); err != nil {
		return t, err
	}
	_, _, _, err = t.client.closedLoop(clients, n.paths(warmQueries))
	time.Sleep(pushSettle)
	return t, err
}

func (t *target) end() error {
	t.client.close()
	return t.stop()
}

// paths are searches that nobody made before.
func (n *nudging) paths(count int) []string {
	return list(count, func() string { return path(n.log.mixed()) })
}

// told is what one change led to.
type told struct {
	first, last   time.Duration // from its answer until a device had its message
	quiet, beside times         // of searches before, and until the last device had it
	refused       int           // of the searches
	before, most  float64       // memory of its own that the server held, MB
	resident      float64       // the most with files that it maps
	cores         [2]float64    // that were busy until the last device had it: with the server, the stand-in and this program, and with what else runs
	others        float64       // the same before, of what else runs
	messages      int
}

// nudgeKind is a way to nudge everybody.
type nudgeKind struct {
	name    string
	rounds  int
	service bool
	answer  time.Duration // after which the service answers
	goals   bool
	change  func(a admin) error
}

func changeTitle(a admin) error { return a.publish("", 1) }

func changeLesson(a admin) error {
	const content = `{"modules":[{"id":"m1","title":{"en":"Module"}}],"lessons":[{"id":"l1","module":"m1","title":{"en":"Lesson"},"body":{"en":"<p>As of %d</p>"}}],"assets":[]}`
	return a.do(http.MethodPut, "/v2/courses/"+pushTaken+"/content", fmt.Sprintf(content, time.Now().UnixNano()))
}

// nudges measures silent messages.
func (n *nudging) nudges() error {
	fmt.Printf("### Nudges\n\nSearches of the mixed log come at %d/s, before the change and after it. Times are from the answer to the change; each round is on a server of its own.\n\n", pushRate)
	fmt.Println("| | round | first device, s | all, s | messages | searches before / meanwhile | refused | p50 / p95 before, ms | meanwhile | p95, times that before | memory of its own, MB, before / most | with files, most | cores busy meanwhile | others' before / meanwhile |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, k := range []nudgeKind{
		{name: "catalog, a title", rounds: pushRounds, service: true, goals: true, change: changeTitle},
		{name: "course, a lesson", rounds: pushRounds, service: true, goals: true, change: changeLesson},
		{name: "catalog, answers after 100 ms", rounds: 1, service: true, answer: 100 * time.Millisecond, change: changeTitle},
		{name: "the change alone, no service", rounds: 3, change: changeTitle},
	} {
		var all []told
		for round := range k.rounds {
			one, err := n.round(&k)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			all = append(all, one)
			one.row(k.name, itoa(round+1))
		}
		together(all).row(k.name, "all")
		if k.goals {
			defer together(all).judge(k.name)
		}
	}
	return nil
}

// together puts rounds together: the slowest, all searches, and the most memory.
func together(rounds []told) told {
	sum := told{before: rounds[0].before}
	for _, t := range rounds {
		sum.first, sum.last = max(sum.first, t.first), max(sum.last, t.last)
		sum.quiet, sum.beside = append(sum.quiet, t.quiet...), append(sum.beside, t.beside...)
		sum.refused, sum.messages = sum.refused+t.refused, sum.messages+t.messages
		if t.most-t.before >= sum.most-sum.before {
			sum.before, sum.most = t.before, t.most
		}
		sum.resident = max(sum.resident, t.resident)
		share := float64(len(rounds))
		sum.cores[0], sum.cores[1], sum.others = sum.cores[0]+t.cores[0]/share, sum.cores[1]+t.cores[1]/share, sum.others+t.others/share
	}
	return sum
}

func (t told) row(name, round string) {
	fmt.Printf("| %s | %s | %.2f | %.2f | %d | %d / %d | %d | %s / %s | %s / %s | %.2f | %.0f / %.0f | %.0f | %.2f | %.2f / %.2f |\n", name, round, t.first.Seconds(), t.last.Seconds(), t.messages,
		len(t.quiet), len(t.beside), t.refused, ms(t.quiet.at(50)), ms(t.quiet.at(95)), ms(t.beside.at(50)), ms(t.beside.at(95)), t.times(), t.before, t.most, t.resident, t.cores[0], t.others, t.cores[1])
}

func (t told) times() float64 { return float64(t.beside.at(95)) / float64(t.quiet.at(95)) }

func (t told) judge(name string) {
	fmt.Printf("\n- %s: the slowest round, s: %s; p95 of all searches meanwhile, times that before: %s; memory: %.0f MB more at most\n", name,
		within5(t.last), atMost(t.times(), goalBeside), t.most-t.before)
}

func within5(d time.Duration) string { return atMost(d.Seconds(), goalNudged.Seconds()) }

// round changes something on a new server, and waits until all devices know.
func (n *nudging) round(k *nudgeKind) (r told, err error) {
	if err := n.fcm.forget(k.answer); err != nil {
		return r, err
	}
	t, err := n.start(k.service)
	if err != nil {
		return r, err
	}
	searches := t.client.keepAsking(pushRate, n.paths(pushRate*120))
	defer searches.stop()
	pids := []int{os.Getpid(), t.cmd.Process.Pid, n.fcm.cmd.Process.Pid}
	begun, quiet := time.Now(), cpuOf(pids...)
	time.Sleep(pushQuiet)
	memory, files := watch(t.cmd.Process.Pid, "RssAnon"), watch(t.cmd.Process.Pid, residentLine)
	changed, busy := time.Now(), cpuOf(pids...)
	_, r.others = busy.since(quiet)
	if err := k.change(t.admin); err != nil {
		return r, err
	}
	answered := time.Now()
	ended := answered.Add(goalNudged)
	if k.service {
		taken, err := n.fcm.wait(true, pushDevices, pushMost)
		if err != nil {
			return r, err
		}
		r.first, r.last = taken.spread(answered)
		ended = answered.Add(r.last)
	}
	time.Sleep(time.Until(ended))
	r.cores[0], r.cores[1] = cpuOf(pids...).since(busy)
	time.Sleep(time.Second) // what is still to be written down, and messages that come twice
	searches.stop()
	own := memory.stop()
	r.before, r.most, r.resident = own[0], slices.Max(own), slices.Max(files.stop())
	again, err := n.fcm.all(true)
	if err != nil {
		return r, err
	}
	r.messages, r.refused = again.Messages, searches.refused
	r.quiet, r.beside = searches.between(begun, changed), searches.between(changed, ended)
	return r, errors.Join(searches.err(), t.end())
}

// messages measures messages that are shown: first those of a new course, with the nudges that it leads to, then those of a change, alone.
func (n *nudging) messages() error {
	if err := n.fcm.forget(0); err != nil {
		return err
	}
	t, err := n.start(true)
	if err != nil {
		return err
	}
	memory := watch(t.cmd.Process.Pid, "RssAnon")
	fmt.Printf("\n### Messages that are shown, nobody searching\n\n| | devices | messages | told after, s | first device, s | all, s | a second |\n|---|---|---|---|---|---|---|\n")
	course := fmt.Sprintf(`{"title":"Another course by her","language":"en","instructors":[%q]}`, pushTeacher)
	for _, m := range []struct {
		name  string
		quiet time.Duration
		do    func() error
	}{
		{"a new course by an instructor whom all know, and a nudge for each", publishedQuiet, func() error { return t.admin.do(http.MethodPut, "/v2/courses/push-new", course) }},
		{"a change of a course that all take", changedQuiet, func() error {
			return t.admin.do(http.MethodPatch, "/v2/courses/"+pushTaken, fmt.Sprintf(`{"title":"Renamed, %d"}`, time.Now().UnixNano()))
		}},
	} {
		if err := n.fcm.forget(0); err != nil {
			return err
		}
		if err := m.do(); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		settled := time.Now().Add(m.quiet)
		taken, err := n.fcm.wait(false, pushDevices, pushMost)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		first, last := taken.spread(settled)
		fmt.Printf("| %s | %d | %d | %.0f | %.2f | %.2f | %.0f |\n", m.name, taken.Devices, taken.Messages, m.quiet.Seconds(), first.Seconds(), last.Seconds(), pushDevices/last.Seconds())
	}
	own := memory.stop()
	fmt.Printf("\nFirst and last are from when it is told: the rest before that is there so that a burst is one message. Memory of the server's own, MB: %.0f before, %.0f at most.\n", own[0], slices.Max(own))
	return t.end()
}

// asking sends at a fixed rate until it is stopped, and remembers when each request began.
type asking struct {
	mu      sync.Mutex
	wg      sync.WaitGroup
	quit    chan struct{}
	once    sync.Once
	began   []time.Time
	took    times
	refused int
	failed  map[string]int
}

func (c *client) keepAsking(rate float64, paths []string) *asking {
	a := &asking{quit: make(chan struct{}), failed: map[string]int{}}
	start := time.Now()
	a.wg.Go(func() {
		for i := 0; ; i++ {
			at := time.Duration(float64(i) / rate * float64(time.Second))
			select {
			case <-a.quit:
				return
			case <-time.After(at - time.Since(start)):
			}
			a.wg.Go(func() { a.ask(c, paths[i%len(paths)]) })
		}
	})
	return a
}

func (a *asking) ask(c *client, path string) {
	began := time.Now()
	got, err := c.get(path)
	took := time.Since(began)
	a.mu.Lock()
	defer a.mu.Unlock()
	l := load{failed: a.failed}
	l.add(got, took, err)
	a.refused += l.refused
	if len(l.accepted) > 0 {
		a.began, a.took = append(a.began, began), append(a.took, took)
	}
}

// stop waits for the last answer. It may be called again.
func (a *asking) stop() {
	a.once.Do(func() { close(a.quit) })
	a.wg.Wait()
}

// between are the times of the requests that began between two moments.
func (a *asking) between(from, until time.Time) (some times) {
	for i, at := range a.began {
		if !at.Before(from) && at.Before(until) {
			some = append(some, a.took[i])
		}
	}
	return some
}

func (a *asking) err() error {
	if len(a.failed) > 0 {
		return fmt.Errorf("searches failed: %v", a.failed)
	}
	return nil
}
