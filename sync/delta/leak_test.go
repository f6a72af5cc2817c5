package delta_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

const (
	// leakRequests and leakRequestsSoak are how many requests are tried.
	leakRequests     = 3_000
	leakRequestsSoak = 120_000
	// leakCursors is how many cursors are remembered, to be sent by anybody.
	leakCursors = 200
)

var (
	leakCourses = []string{"a", "b", "c", "acme~a", "acme~b", "beta~a", "beta~b"}
	leakLocales = []catalog.Locale{"en", "fr", "zh-Hans"}
)

// leaks is a server whose every text is marked with what it belongs to, its callers, and all cursors that anyone was given.
type leaks struct {
	*stage
	seed    uint64
	rng     *rand.Rand
	oracle  *oracle
	callers []catalog.Actor // each with one of the tokens that were issued, old ones too
	cursors []string
	honest  []delta.Request   // how phones would go on
	marks   map[string]string // of a mark in a text: "kind key" of the entity that it is in
	hub     *delta.Hub
	ears    []ear
	tried   map[string]int // outcomes, so that one sees that something was tried
}

// ear is an open stream.
type ear struct {
	listener *delta.Listener
	caller   catalog.Actor
}

// TestNothingLeaks asks for what callers must not have, in many ways: other organizations' and learners' channels, their cursors, cursors that were bent, cut
// and spliced, or are another server's. Whatever comes back must be visible to the caller, or have been once when it comes as a delete.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	l := newLeaks(t)
	requests := leakRequests
	if soak() {
		requests = leakRequestsSoak
	}
	for n := 0; n < requests && !t.Failed(); n++ {
		if n%4 == 0 {
			l.happen()
			l.look()
		}
		switch l.rng.IntN(10) {
		case 0, 1:
			l.digest()
		case 2:
			l.listen()
		default:
			l.pull()
		}
	}
	for _, e := range l.ears {
		e.listener.Close()
	}
	if t.Failed() {
		t.Fatalf("CARREL_SEED=%d repeats it", l.seed)
	}
	for _, outcome := range []string{"rows", "deletes", "revoked", "cursor-expired", "invalid-cursor", "forbidden", "digest", "news", "unauthorized", "shared"} {
		if l.tried[outcome] == 0 {
			t.Errorf("it never came to %s: %v", outcome, l.tried)
		}
	}
	t.Log(l.tried)
}

func newLeaks(t *testing.T) *leaks {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("CARREL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	l := &leaks{
		stage: newStage(t), seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), marks: map[string]string{}, tried: map[string]int{},
		oracle: &oracle{
			orgs: map[catalog.LearnerID]catalog.OrgID{}, ever: map[catalog.LearnerID]map[string]bool{}, read: map[catalog.LearnerID]map[string]bool{},
			last: map[catalog.LearnerID]map[string][]uint64{},
		},
	}
	l.callers = []catalog.Actor{{}}
	for who, org := range map[catalog.LearnerID]catalog.OrgID{"lea": "", "alma": "acme", "bob": "beta", "ed": "acme", "staff": ""} {
		l.issue(who, org)
	}
	slices.SortFunc(l.callers, func(a, b catalog.Actor) int { return strings.Compare(callerKey(a), callerKey(b)) }) // maps have no order, seeds want one
	stranger := newStage(t)
	stranger.course("foreign", catalog.Published)
	page, err := stranger.s.Pull(stranger.ctx, delta.Request{Channels: []string{"catalog"}, Locale: "en"})
	if err != nil {
		t.Fatal(err)
	}
	l.cursors = append(l.cursors, page.Cursor)
	l.hub = l.s.NewHub()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.hub.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	return l
}

// refused holds a refusal: it tells nothing of what the caller may not see.
func (l *leaks) refused(r *delta.Request, err error) {
	code := fault.CodeOf(err)
	l.tried[string(code)]++
	switch code {
	case fault.InvalidParameter, fault.InvalidCursor, fault.CursorExpired, fault.CursorBehind, fault.Unauthorized, fault.Forbidden:
	default:
		l.Errorf("%+v is refused: %v", r, err)
	}
	if markPattern.MatchString(err.Error()) {
		l.Errorf("%+v is refused with what is somebody's: %v", r, err)
	}
}

func (l *leaks) pull() {
	r := l.request()
	mine := -1
	if len(l.honest) > 0 && l.rng.IntN(2) == 0 {
		mine = l.rng.IntN(len(l.honest))
		r = l.honest[mine]
		r.Limit = pick(l, 0, 1, 2)
		tokens := slices.DeleteFunc(slices.Clone(l.callers), func(a catalog.Actor) bool { return a.Subject != r.Actor.Subject })
		r.Actor = pick(l, tokens[len(tokens)-1], tokens[len(tokens)-1], pick(l, tokens...)) // the newest, mostly
		if l.rng.IntN(4) == 0 {
			r.Cursor, mine = l.bend(r.Cursor, l.rng.IntN(5)), -1
		}
	}
	page, err := l.s.Pull(l.ctx, r)
	if err != nil {
		l.refused(&r, err)
		if mine >= 0 {
			l.honest = slices.Delete(l.honest, mine, mine+1)
		}
		return
	}
	l.goOn(r, mine, page.Cursor)
	if len(l.cursors) < leakCursors {
		l.cursors = append(l.cursors, page.Cursor)
	} else {
		l.cursors[1+l.rng.IntN(leakCursors-1)] = page.Cursor // the first is another server's
	}
	l.checkRows(&r, page)
	for _, ch := range page.Revoked {
		l.tried["revoked"]++
		if !l.oracle.read[r.Actor.Subject][ch] {
			l.Errorf("%+v: %s was never the caller's", r, ch)
		}
	}
	if page.LastMutation != nil {
		if want := uint64(len(l.oracle.last[r.Actor.Subject][r.Client])); *page.LastMutation != want {
			l.Errorf("%+v: the last mutation is %d, not %d", r, *page.LastMutation, want)
		}
	}
	if page.Public {
		l.tried["shared"]++
		open := r
		open.Actor = catalog.Actor{}
		if other, err := l.s.Pull(l.ctx, open); err != nil || !bytes.Equal(page.JSON(), other.JSON()) {
			l.Errorf("%+v: the page is public, but a stranger gets %s, %v", r, other.JSON(), err)
		}
	}
}

// goOn remembers a request as a phone would go on with it.
func (l *leaks) goOn(r delta.Request, mine int, cursor string) {
	r.Cursor = cursor
	switch {
	case mine >= 0:
		l.honest[mine] = r
	case len(l.honest) < 12:
		l.honest = append(l.honest, r)
	case l.rng.IntN(20) == 0:
		l.honest[l.rng.IntN(len(l.honest))] = r
	}
}

// checkRows holds the rows of a page against what the caller sees and saw, and every text in it.
func (l *leaks) checkRows(r *delta.Request, page *delta.Page) {
	now := l.oracle.now[callerKey(l.oracle.rights(r.Actor))]
	for _, raw := range page.Changes {
		var w wire
		if err := json.Unmarshal(raw, &w); err != nil {
			l.Fatal(err)
		}
		switch {
		case w.Op == "delete":
			l.tried["deletes"]++
			if !l.oracle.ever[r.Actor.Subject][w.name()] {
				l.Errorf("%+v: %s was never the caller's, and comes as deleted", r, w.name())
			}
		case now[w.name()] != w.Version:
			l.Errorf("%+v: %s comes with version %d, the caller sees %d", r, w.name(), w.Version, now[w.name()])
		default:
			l.tried["rows"]++
		}
		var doc struct{ Prerequisites []string }
		_ = json.Unmarshal(w.Doc, &doc)
		for _, id := range doc.Prerequisites {
			if now["course "+id] == 0 {
				l.Errorf("%+v: %s names the course %s", r, w.name(), id)
			}
		}
	}
	for _, mark := range markPattern.FindAllString(string(page.JSON()), -1) {
		kind, key, _ := strings.Cut(l.marks[mark], " ")
		name := l.marks[mark]
		if who, rest, _ := strings.Cut(key, "/"); who == string(r.Actor.Subject) {
			name = kind + " " + rest
		}
		if now[name] == 0 {
			l.Errorf("%+v: there is a text of %s", r, l.marks[mark])
		}
	}
}

// digest asks for sums: only of what the caller reads, and only of what is there to be seen.
func (l *leaks) digest() {
	r := l.request()
	r.Client = ""
	digest, err := l.s.Digest(l.ctx, r)
	if err != nil {
		l.refused(&r, err)
		return
	}
	l.tried["digest"]++
	key := callerKey(l.oracle.rights(r.Actor))
	for channel, sums := range digest {
		if !l.oracle.seen[key][channel] {
			l.Errorf("%+v: the digest tells of %s", r, channel)
		}
		for kind, sum := range sums {
			want := coursesync.Digest{}
			for name, version := range l.oracle.now[key] {
				k, id, _ := strings.Cut(name, " ")
				if k == string(kind) && inChannel(kind, id) == channel {
					want.Add(kind, id, version)
				}
			}
			if want != *sum {
				l.Errorf("%+v: the digest of %s in %s is %v, of what the caller sees %v", r, kind, channel, *sum, want)
			}
		}
	}
}

// inChannel is where a row belongs, as docs/sync.md tells.
func inChannel(kind coursesync.Kind, id string) string {
	switch kind {
	case catalog.KindModule, catalog.KindLesson, catalog.KindAsset:
		course, _, _ := strings.Cut(id, "/")
		return "course:" + course
	case catalog.KindCourse, catalog.KindCourseStats, catalog.KindInstructor, catalog.KindInstructorStats, catalog.KindTag, catalog.KindCategory:
		if org := catalog.OrgOf(id); org != "" {
			return "org:" + string(org)
		}
		return "catalog"
	}
	return "me"
}

// listen opens a stream, or takes the news of one that is open.
func (l *leaks) listen() {
	if len(l.ears) < 8 {
		r := l.request()
		r.Limit = 0
		listener, err := l.hub.Listen(l.ctx, r, coursesync.Seq(l.rng.IntN(2)))
		if err != nil {
			l.refused(&r, err)
			return
		}
		l.ears = append(l.ears, ear{listener, r.Actor})
		return
	}
	i := l.rng.IntN(len(l.ears))
	e := l.ears[i]
	select {
	case <-e.listener.Wake():
		news, _, err := e.listener.Take(l.ctx)
		if err != nil {
			l.Fatal(err)
		}
		for _, ch := range news.Channels {
			l.tried["news"]++
			if !l.oracle.read[e.caller.Subject][ch] {
				l.Errorf("%+v hears of %s", e.caller, ch)
			}
		}
	default:
	}
	if l.rng.IntN(4) == 0 {
		e.listener.Close()
		l.ears = slices.Delete(l.ears, i, i+1)
	}
}
