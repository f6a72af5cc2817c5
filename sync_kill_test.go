package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
)

const (
	// syncKills and syncKillsSoak are how often the server is killed.
	syncKills     = 10
	syncKillsSoak = 200
	// killRenames bounds the names that phones take: a learner has 1,000 clients in a lifetime.
	killRenames = 500
	// killCuts is how many of a hundred connections are cut.
	killCuts = 20
)

var killCourses = []string{"a", "b", "acme~a", "acme~b"}

// event is a mutation that the server acknowledged as done.
type event struct {
	who catalog.LearnerID
	m   mutation
	outcome
}

// killWorld is what phones and an editor work on at once, each in a goroutine of its own, while the server is killed.
type killWorld struct {
	t       *testing.T
	seed    uint64
	dir     string
	road    *cutter
	phones  []*device
	admin   string
	failed  atomic.Bool
	renamed atomic.Int64
	repeats atomic.Int64

	mu     sync.Mutex
	clock  time.Time
	tokens map[catalog.LearnerID]string
	events []event
}

// TestSyncKill lets phones and an editor work at random over connections that are cut, while the server is killed again and again. In the end every phone
// has what a new one gets, its sums are the server's, and what was acknowledged was done, and done once. CARREL_SEED repeats the choices of a run.
func TestSyncKill(t *testing.T) {
	kills := syncKills
	if os.Getenv("CARREL_SOAK") != "" {
		kills = syncKillsSoak
	}
	w := newKillWorld(t)
	rng := newRand(w.seed, 0)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for round := range kills {
		server := startServer(t, w.dir)
		w.road.lead(strings.TrimPrefix(server.url, "http://"), killCuts)
		if round == 0 {
			w.begin(ctx, &wg)
		}
		<-time.After(time.Duration(1+rng.IntN(1<<(4+rng.IntN(7)))) * time.Millisecond)
		server.kill()
		if w.failed.Load() {
			break
		}
	}
	server := startServer(t, w.dir)
	defer server.kill()
	w.road.lead(strings.TrimPrefix(server.url, "http://"), 0)
	stop()
	wg.Wait()
	if !t.Failed() {
		w.settle()
	}
	server.kill()
	if !t.Failed() {
		w.checkOwn()
	}
	t.Logf("seed %d: %d kills, %d connections cut, %d mutations acknowledged, %d sent again, %d new names", w.seed, kills, w.road.cuts, len(w.events), w.repeats.Load(), w.renamed.Load())
}

func newKillWorld(t *testing.T) *killWorld {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("CARREL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	w := &killWorld{
		t: t, seed: seed, dir: t.TempDir(), road: newCutter(t, seed), clock: time.Now().Add(-12 * time.Hour).Truncate(time.Second), tokens: map[catalog.LearnerID]string{},
	}
	w.admin = adminToken(t, w.dir)
	w.issue("lea", "")
	w.issue("omar", "acme")
	for _, who := range []catalog.LearnerID{"lea", "lea", "omar", "omar", ""} {
		channels := "catalog,org,me,courses"
		if who == "" {
			channels = "catalog"
		}
		w.phones = append(w.phones, newDevice(w.road.url(), who, channels, func() string { return w.tokenOf(who) }))
	}
	return w
}

// issue gives a learner a token of an organization that is newer than the one before: the clock of tokens runs apart, because it counts in seconds.
func (w *killWorld) issue(who catalog.LearnerID, org catalog.OrgID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(2 * time.Second)
	keys, err := identity.OpenKeyring(folder(w.dir).secrets(), func() time.Time { return w.clock })
	if err != nil {
		w.fail("%v", err)
		return
	}
	token, err := keys.Sign(identity.Grant{Actor: catalog.Actor{Subject: who, Org: org}, TTL: 24 * time.Hour})
	if err != nil {
		w.fail("%v", err)
		return
	}
	w.tokens[who] = token
}

func (w *killWorld) tokenOf(who catalog.LearnerID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tokens[who]
}

// fail may be called by any goroutine.
func (w *killWorld) fail(format string, args ...any) {
	w.failed.Store(true)
	w.t.Errorf("CARREL_SEED=%d: %s", w.seed, fmt.Sprintf(format, args...))
}

// begin makes the courses and lets everyone work until ctx ends.
func (w *killWorld) begin(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() {
		e := newDevice(w.road.url(), "", "catalog", func() string { return w.admin })
		rng := newRand(w.seed, 2)
		for n := 0; ctx.Err() == nil && !w.failed.Load(); n++ {
			w.write(ctx, e, rng, n)
			pause(ctx, rng)
		}
	})
	for i, d := range w.phones {
		wg.Go(func() {
			rng := newRand(w.seed, 10+i)
			saved := d.clone()
			for ctx.Err() == nil && !w.failed.Load() {
				saved = w.step(ctx, d, saved, rng)
				pause(ctx, rng)
			}
		})
	}
}

func pause(ctx context.Context, rng *rand.Rand) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(rng.IntN(8)) * time.Millisecond):
	}
}

// write lets the editor change a course or its lessons. Whether that was done nobody needs to know.
func (w *killWorld) write(ctx context.Context, e *device, rng *rand.Rand, n int) {
	id := killCourses[rng.IntN(len(killCourses))]
	title := fmt.Sprintf("%s %d", id, n)
	method, path, body := http.MethodPut, "/v2/courses/"+id, map[string]any{
		"title": title, "language": "en", "translations": map[string]any{"fr": map[string]any{"title": "fr " + title}},
		"state": []string{"published", "published", "published", "draft", "archived"}[rng.IntN(5)], "content_public": rng.IntN(4) == 0,
	}
	switch what := rng.IntN(8); {
	case n < 2*len(killCourses) && n%2 == 0: // first they are made, and get lessons
		path, body["state"] = "/v2/courses/"+killCourses[n/2], "published"
	case n < 2*len(killCourses):
		path, body = "/v2/courses/"+killCourses[n/2]+"/content", killContent(rng, title)
	case what == 0:
		method, body = http.MethodDelete, nil
	case what < 4:
		path, body = path+"/content", killContent(rng, title)
	}
	var sent any
	if body != nil {
		sent = body
	}
	status, answer, err := e.ask(ctx, transports[rng.IntN(2)], method, path, sent)
	if err == nil && status >= 400 && status != http.StatusNotFound && !tryLater(status) {
		w.fail("%s %s is answered %d: %s", method, path, status, answer)
	}
}

func killContent(rng *rand.Rand, title string) map[string]any {
	text := map[string]any{"en": title}
	lessons := []map[string]any{}
	for i := range rng.IntN(4) {
		lessons = append(lessons, map[string]any{"id": fmt.Sprint("l", i), "module": "m", "title": text, "body": map[string]any{"en": strings.Repeat("<p>"+title+"</p>", 1+rng.IntN(200))}})
	}
	return map[string]any{"modules": []map[string]any{{"id": "m", "title": text}}, "lessons": lessons}
}

func tryLater(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// step lets a phone do something. It returns the phone's last backup.
func (w *killWorld) step(ctx context.Context, d, saved *device, rng *rand.Rand) *device {
	n := rng.IntN(100)
	if d.who == "" {
		n = 50
	}
	switch {
	case n < 30:
		d.edit(drawMutation(rng))
	case n < 65:
		w.pull(ctx, d, transports[rng.IntN(2)], []int{1, 3, 1000}[rng.IntN(3)])
	case n < 93:
		w.push(ctx, d, rng, []int{1, 3, 500}[rng.IntN(3)])
	case n < 94: // the reader's language: the cursor expires
		d.locale = map[string]string{"en": "fr", "fr": "en"}[d.locale]
	case n < 95:
		w.issue("omar", []catalog.OrgID{"", "acme"}[rng.IntN(2)])
	case n < 97 && len(d.flight) == 0:
		return d.clone()
	case n < 98 && len(d.flight) == 0 && w.renamed.Load() < killRenames: // the phone comes from its backup
		token, base := d.token, d.base
		*d = *saved.clone()
		d.token, d.base = token, base
	case n < 99 && len(d.flight) == 0 && w.renamed.Load() < killRenames: // a number was lost
		d.next++
	}
	return saved
}

// drawMutation makes something that a learner does.
func drawMutation(rng *rand.Rand) mutation {
	course := killCourses[rng.IntN(len(killCourses))]
	m := mutation{Kind: []string{"enrollment", "enrollment", "bookmark", "progress", "review"}[rng.IntN(5)], Key: course, Op: "upsert"}
	switch m.Kind {
	case "enrollment":
		m.Doc = map[string]any{"state": []string{"active", "active", "completed", "withdrawn"}[rng.IntN(4)]}
	case "progress":
		m.Key = fmt.Sprint(course, "/l", rng.IntN(3))
		m.Doc = map[string]any{"position": rng.IntN(1000), "completed": rng.IntN(9) == 0, "time_by_device": map[string]any{"x": rng.IntN(1000)}}
	case "review":
		m.Doc = map[string]any{"rating": 1 + rng.IntN(5), "text": strings.Repeat("words ", rng.IntN(500))}
	}
	if (m.Kind == "bookmark" || m.Kind == "review") && rng.IntN(3) == 0 {
		m.Op, m.Doc = "delete", nil
	}
	return m
}

// pull asks for a page.
func (w *killWorld) pull(ctx context.Context, d *device, client *http.Client, limit int) (done bool) {
	status, answer, err := d.ask(ctx, client, http.MethodGet, d.pullPath(limit), nil)
	switch {
	case err != nil || tryLater(status):
	case status == http.StatusGone:
		d.startOver()
	case status == http.StatusOK:
		var p page
		if err := json.Unmarshal(answer, &p); err != nil {
			w.fail("a page: %v: %s", err, answer)
			return true
		}
		before := d.client
		if d.apply(&p); d.client != before {
			w.renamed.Add(1)
		}
		return !p.More
	default:
		w.fail("a pull of %q is answered %d: %s", d.who, status, answer)
		return true
	}
	return false
}

// push sends a batch, sometimes twice at once, and sometimes once more after it was answered.
func (w *killWorld) push(ctx context.Context, d *device, rng *rand.Rand, n int) {
	if d.load(n); len(d.flight) == 0 {
		return
	}
	body := d.body()
	twin := make(chan *pushAnswer, 1)
	if twice := rng.IntN(4) == 0; twice {
		go func() { twin <- w.send(ctx, d, transports[1], body) }()
	} else {
		twin <- nil
	}
	got := w.send(ctx, d, transports[rng.IntN(2)], body)
	if other := <-twin; got == nil {
		got = other
	}
	switch {
	case got == nil:
		return
	case got.Code != "" || !d.answered(got.Results):
		d.renew()
		w.renamed.Add(1)
		return
	}
	w.note(d.who, body, got.Results)
	if rng.IntN(3) == 0 {
		w.again(ctx, d, body, got)
	}
}

// send sends a batch. nil when there is no answer; Code is set when nothing was done.
func (w *killWorld) send(ctx context.Context, d *device, client *http.Client, body batch) *pushAnswer {
	status, answer, err := d.ask(ctx, client, http.MethodPost, "/v2/sync", body)
	if err != nil || tryLater(status) {
		return nil
	}
	var got pushAnswer
	if err := json.Unmarshal(answer, &got); err != nil {
		w.fail("a push: %v: %s", err, answer)
		return nil
	}
	switch {
	case status == http.StatusConflict && (got.Code == "mutation-gap" || got.Code == "client-reused"):
	case status != http.StatusOK || len(got.Results) != len(body.Mutations):
		w.fail("a push of %q is answered %d: %s", d.who, status, answer)
		return nil
	}
	return &got
}

// note records what was acknowledged.
func (w *killWorld) note(who catalog.LearnerID, body batch, results []outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range results {
		if s := r.became(); s == "applied" || s == "merged" {
			w.events = append(w.events, event{who, body.Mutations[i], r})
		}
	}
}

// again sends what was answered once more, on a connection of its own: it must be told the same.
func (w *killWorld) again(ctx context.Context, d *device, body batch, first *pushAnswer) {
	second := w.send(ctx, d, transports[1], body)
	if second == nil {
		return
	}
	w.repeats.Add(int64(len(body.Mutations)))
	if second.Code != "" || second.Last < first.Last {
		w.fail("%+v was answered %+v, and then %+v", body, first, second)
		return
	}
	for i, r := range second.Results {
		was := first.Results[i]
		if r.Status != "duplicate" || r.Outcome != was.became() || r.Version != was.Version {
			w.fail("mutation %+v of %s was answered %+v, and then %+v", body.Mutations[i], body.Client, was, r)
		}
	}
}

func newRand(seed uint64, n int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(n))) }
