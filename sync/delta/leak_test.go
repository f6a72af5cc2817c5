package delta_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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

// issue gives somebody a new token.
func (l *leaks) issue(who catalog.LearnerID, org catalog.OrgID) {
	actor := l.token(who, org)
	switch who {
	case "ed":
		actor.Roles = []catalog.Role{catalog.RoleEditor}
	case "staff":
		actor.Roles = []catalog.Role{catalog.RoleTranslator}
	}
	l.oracle.orgs[who] = org
	l.callers = append(l.callers, actor)
	const kept = 4 // tokens of each: the older ones are as good as these
	mine := func(a catalog.Actor) bool { return a.Subject == who }
	if n := len(l.callers); n > kept*6 {
		if i := slices.IndexFunc(l.callers, mine); i < n-1 {
			l.callers = slices.Delete(l.callers, i, i+1)
		}
	}
}

func pick[T any](l *leaks, list ...T) T { return list[l.rng.IntN(len(list))] }

// mark is a text that is found again wherever it appears.
func (l *leaks) mark(kind coursesync.Kind, key string) string {
	text := fmt.Sprintf("qz%dzq", len(l.marks))
	l.marks[text] = string(kind) + " " + key
	return text
}

var markPattern = regexp.MustCompile(`qz[0-9]+zq`)

// try runs a command that the rules may refuse.
func (l *leaks) try(actor catalog.Actor, fn func(tx *catalog.Tx) error) {
	if _, err := l.c.Update(l.ctx, actor, fn); err != nil && fault.KindOf(err) == fault.KindInternal {
		l.Fatal(err)
	}
}

// happen lets something happen.
func (l *leaks) happen() {
	l.now = l.now.Add(time.Minute)
	id := catalog.CourseID(pick(l, leakCourses...))
	org := catalog.OrgOf(string(id))
	in := func(name string) string { return strings.TrimPrefix(string(org)+"~"+name, "~") }
	text := func(kind coursesync.Kind, key string) map[catalog.Locale]string {
		return map[catalog.Locale]string{"en": l.mark(kind, key), "fr": l.mark(kind, key)}
	}
	switch l.rng.IntN(14) {
	case 0, 1, 2, 3:
		l.try(catalog.System, func(tx *catalog.Tx) error {
			c := catalog.Course{
				ID: id, Text: catalog.Text{Title: l.mark("course", string(id)), Description: l.mark("course", string(id))}, Language: "en",
				Translations: map[catalog.Locale]catalog.Text{"fr": {Title: l.mark("course", string(id))}},
				State:        pick(l, catalog.Draft, catalog.Draft, catalog.Published, catalog.Published, catalog.Archived), ContentPublic: l.rng.IntN(4) == 0,
			}
			if other := catalog.CourseID(in(pick(l, "a", "b"))); other != id {
				c.Prerequisites = []catalog.CourseID{other}
			}
			_, err := tx.PutCourse(c, catalog.Cond{})
			if err != nil {
				c.Prerequisites = nil
				_, err = tx.PutCourse(c, catalog.Cond{})
			}
			return err
		})
	case 4, 5:
		content := catalog.Content{Modules: []catalog.Module{{ID: "m", Title: text("module", string(id)+"/m")}}}
		for _, name := range []string{"l0", "l1", "l2"}[:l.rng.IntN(4)] {
			content.Lessons = append(content.Lessons, catalog.Lesson{ID: name, Module: "m", Title: text("lesson", string(id)+"/"+name), Body: text("lesson", string(id)+"/"+name)})
		}
		l.try(catalog.System, func(tx *catalog.Tx) error {
			_, err := tx.PutContent(id, content, catalog.Cond{})
			return err
		})
	case 6:
		l.try(catalog.System, func(tx *catalog.Tx) error { return tx.DeleteCourse(id, catalog.Cond{}) })
	case 7:
		l.try(catalog.System, func(tx *catalog.Tx) error {
			name := catalog.InstructorID(in("ann"))
			_, err := tx.PutInstructor(catalog.Instructor{ID: name, Name: l.mark("instructor", string(name)), Bio: text("instructor", string(name))}, catalog.Cond{})
			return err
		})
	case 8:
		l.try(catalog.System, func(tx *catalog.Tx) error {
			name := catalog.TagID(in("tag"))
			_, err := tx.PutTag(catalog.Tag{ID: name, Label: text("tag", string(name))}, catalog.Cond{})
			return err
		})
	case 9:
		who := pick[catalog.LearnerID](l, "lea", "alma", "bob", "ed")
		l.issue(who, pick[catalog.OrgID](l, "", "acme", "beta"))
	case 10:
		if err := l.c.FlushStats(l.ctx); err != nil {
			l.Fatal(err)
		}
	default:
		l.learn(id)
	}
}

// learn lets somebody do what learners do.
func (l *leaks) learn(id catalog.CourseID) {
	a := l.oracle.rights(pick(l, l.callers...))
	if a.Anonymous() {
		return
	}
	key := string(a.Subject) + "/" + string(id)
	m := delta.Mutation{Kind: pick(l, catalog.KindEnrollment, catalog.KindEnrollment, catalog.KindBookmark, catalog.KindReview, catalog.KindSavedSearch, catalog.KindProgress), Key: string(id), Op: "upsert"}
	switch m.Kind {
	case catalog.KindEnrollment:
		m.Doc = fmt.Appendf(nil, `{"state":%q}`, pick(l, "active", "active", "withdrawn"))
	case catalog.KindReview:
		m.Doc = fmt.Appendf(nil, `{"rating":3,"text":%q}`, l.mark(m.Kind, key))
	case catalog.KindSavedSearch:
		m.Key = "s"
		m.Doc = fmt.Appendf(nil, `{"name":%q,"query":"q=x","notify":"off"}`, l.mark(m.Kind, string(a.Subject)+"/s"))
	case catalog.KindProgress:
		m.Key += "/l1"
		m.Doc = fmt.Appendf(nil, `{"position":%d,"time_by_device":{%q:1}}`, l.rng.IntN(9), l.mark(m.Kind, key+"/l1"))
	}
	err := l.c.View(l.ctx, func(v *catalog.View) error {
		if ch, ok := v.Log().Get(m.Kind, string(a.Subject)+"/"+m.Key); ok && ch.Op == coursesync.OpUpsert {
			m.Base = ch.Seq
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
	client := pick(l, "c1", "c2")
	sent := l.oracle.last[a.Subject]
	if sent == nil {
		sent = map[string][]uint64{}
		l.oracle.last[a.Subject] = sent
	}
	m.N = uint64(len(sent[client]) + 1)
	if _, err := l.s.Push(l.ctx, delta.Push{Actor: a, Subject: a.Subject, Client: client, Locale: "en", Mutations: []delta.Mutation{m}}); err != nil {
		l.Fatal(err)
	}
	sent[client] = append(sent[client], m.N)
}

// look lets the oracle read the log.
func (l *leaks) look() {
	var log []coursesync.Change
	for ch, err := range l.c.Log().Read(l.ctx, 0) {
		if err != nil {
			l.Fatal(err)
		}
		log = append(log, ch)
	}
	l.oracle.look(log, l.callers)
}

// request makes a request that somebody might send who wants more than is due.
func (l *leaks) request() delta.Request {
	r := delta.Request{
		Actor: pick(l, l.callers...), Limit: pick(l, 0, 1, 2, 5, 1000), Locale: pick(l, leakLocales...), Fields: pick(l, delta.FieldsCard, delta.FieldsFull), Client: pick(l, "", "", "c1", "c2"),
	}
	switch l.rng.IntN(4) {
	case 0:
		r.Channels, r.Client = []string{"catalog"}, ""
	case 1:
		r.Channels = []string{"catalog", "org", "me", "courses"}
	default:
		for range 1 + l.rng.IntN(3) {
			r.Channels = append(r.Channels, pick(l, "catalog", "org", "me", "courses", "course:"+pick(l, leakCourses...), "course:none", "org:acme", "learner:bob", "course:"))
		}
	}
	if l.rng.IntN(5) > 0 {
		r.Cursor = l.cursor()
	}
	if l.rng.IntN(3) == 0 { // as most cursors were given
		r.Locale, r.Fields = "en", delta.FieldsCard
	}
	return r
}

// cursor is one of those that were given to somebody, or what can be made of them.
func (l *leaks) cursor() string { return l.bend(pick(l, l.cursors...), l.rng.IntN(20)) }

// bend makes another cursor of one, in one of the ways below.
func (l *leaks) bend(text string, way int) string {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return text
	}
	switch way {
	case 0:
		raw[l.rng.IntN(len(raw))] ^= 1 << l.rng.IntN(8)
	case 1:
		raw = raw[:l.rng.IntN(len(raw))]
	case 2: // the head of one, the places of another
		other, _ := base64.RawURLEncoding.DecodeString(pick(l, l.cursors...))
		at := min(19, len(raw), len(other))
		raw = append(slices.Clone(raw[:at]), other[at:]...)
	case 3:
		other, _ := base64.RawURLEncoding.DecodeString(pick(l, l.cursors...))
		raw = append(slices.Clone(raw[:l.rng.IntN(len(raw))]), other[l.rng.IntN(len(other)+1):]...)
	case 4:
		return text + pick(l, "=", "A", "\x00", "é")
	}
	return base64.RawURLEncoding.EncodeToString(raw)
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
