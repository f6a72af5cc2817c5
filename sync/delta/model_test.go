package delta_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// world is a server, its learners and their phones, and what the learners' own things should be by the merge rules, written apart.
type world struct {
	t      *rapid.T
	ctx    context.Context //nolint:containedctx // of one history
	dir    string
	now    time.Time
	c      *catalog.Catalog
	s      *delta.Service
	phones []*phone
	orgs   map[catalog.LearnerID]catalog.OrgID // by the newest token
	own    mine
	backup []byte
	saved  mine
	dialectDevices
}

// mine is what learners have: by learner and key.
type mine struct {
	enrolled  map[string]catalog.EnrollmentState
	bookmarks map[string]bool
	progress  map[string]catalog.Progress
	reviews   map[string]int
}

func (m mine) clone() mine {
	n := mine{map[string]catalog.EnrollmentState{}, map[string]bool{}, map[string]catalog.Progress{}, map[string]int{}}
	for k, v := range m.enrolled {
		n.enrolled[k] = v
	}
	for k, v := range m.bookmarks {
		n.bookmarks[k] = v
	}
	for k, v := range m.progress {
		n.progress[k] = v.Merge(catalog.Progress{})
	}
	for k, v := range m.reviews {
		n.reviews[k] = v
	}
	return n
}

var (
	worldCourses  = []catalog.CourseID{"a", "b", "c", "acme~a", "acme~b", "beta~a"}
	worldLearners = []catalog.LearnerID{"lea", "idp|leo/1"}
	worldOrgs     = []catalog.OrgID{"", "acme", "beta"}
)

func newWorld(t *rapid.T, dir string) *world {
	w := &world{t: t, ctx: context.Background(), dir: dir, now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), orgs: map[catalog.LearnerID]catalog.OrgID{}, own: mine{}.clone()}
	w.open()
	for i, who := range []catalog.LearnerID{"lea", "lea", "idp|leo/1", ""} {
		p := &phone{
			id: i, who: who, channels: []string{"catalog", "org", "me", "courses"}, locale: []catalog.Locale{"en", "fr"}[i%2], fields: []delta.Fields{"card", "full"}[i%2],
			rows: map[string]held{}, next: 1,
		}
		if who == "" {
			p.channels = []string{"catalog"}
		}
		p.renumber()
		if who == "" {
			p.client = ""
		}
		w.phones = append(w.phones, p)
	}
	for _, who := range worldLearners {
		w.token(who, "")
	}
	return w
}

func (w *world) open() {
	c, err := catalog.Open(catalog.Config{
		Path: filepath.Join(w.dir, "log.db"), Secrets: filepath.Join(w.dir, "secrets"), Now: func() time.Time { return w.now },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.c, w.s = c, delta.New(delta.Config{Catalog: c, Now: func() time.Time { return w.now }})
}

func (w *world) close() {
	if err := w.c.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// token gives a learner a new token of an organization; the phones get it, each when it next goes online.
func (w *world) token(who catalog.LearnerID, org catalog.OrgID) {
	w.now = w.now.Add(2 * time.Second)
	actor := catalog.Actor{Subject: who, Org: org, IssuedAt: w.now.Unix()}
	if _, err := w.c.Update(w.ctx, actor, func(tx *catalog.Tx) error { return tx.RecordMembership() }); err != nil {
		w.t.Fatal(err)
	}
	w.orgs[who] = org
	for _, p := range w.phones {
		if p.who == who {
			p.actor = actor
		}
	}
}

// run runs a command and reports whether it succeeded; a refusal must be one that the rules give.
func (w *world) run(actor catalog.Actor, fn func(tx *catalog.Tx) error) bool {
	_, err := w.c.Update(w.ctx, actor, fn)
	switch fault.CodeOf(err) {
	case "":
		return true
	case fault.NotFound, fault.NotEnrolled, fault.Conflict, fault.HasDependents, fault.EnrollClosed, fault.Forbidden:
		return false
	}
	w.t.Fatalf("%v", err)
	return false
}

// editor changes the catalog.
func (w *world) editor(t *rapid.T) {
	id := rapid.SampledFrom(worldCourses).Draw(t, "course")
	what := rapid.SampledFrom([]string{"put", "put", "put", "content", "content", "delete", "instructor", "tag", "stats"}).Draw(t, "edit")
	org := catalog.OrgOf(string(id))
	in := func(name string) string {
		if org == "" {
			return name
		}
		return string(org) + "~" + name
	}
	title := fmt.Sprintf("%s %s", id, w.now.Format("150405"))
	switch what {
	case "put":
		state := rapid.SampledFrom([]catalog.State{catalog.Draft, catalog.Published, catalog.Published, catalog.Archived}).Draw(t, "state")
		public := rapid.IntRange(0, 3).Draw(t, "public") == 0
		w.run(catalog.System, func(tx *catalog.Tx) error {
			who, err := tx.EnsureInstructor(org, "", "Ann", catalog.InstructorID(in("ann")))
			if err != nil {
				return err
			}
			tag, err := tx.EnsureTag(org, "Go", "en")
			if err != nil {
				return err
			}
			_, err = tx.PutCourse(catalog.Course{
				ID: id, Text: catalog.Text{Title: title}, Language: "en", State: state, ContentPublic: public,
				Translations: map[catalog.Locale]catalog.Text{"fr": {Title: "fr " + title}},
				Instructors:  []catalog.InstructorID{who}, Tags: []catalog.TagID{tag},
			}, catalog.Cond{})
			return err
		})
	case "delete":
		w.run(catalog.System, func(tx *catalog.Tx) error { return tx.DeleteCourse(id, catalog.Cond{}) })
	case "content":
		n := rapid.IntRange(0, 3).Draw(t, "lessons")
		content := catalog.Content{Modules: []catalog.Module{{ID: "m", Title: map[catalog.Locale]string{"en": title}}}}
		for i := range n {
			content.Lessons = append(content.Lessons, catalog.Lesson{
				ID: fmt.Sprint("l", i), Module: "m", Position: i + 1, Title: map[catalog.Locale]string{"en": title}, Body: map[catalog.Locale]string{"en": "<p>" + title + "</p>"},
			})
		}
		w.run(catalog.System, func(tx *catalog.Tx) error {
			_, err := tx.PutContent(id, content, catalog.Cond{})
			return err
		})
	case "instructor":
		w.run(catalog.System, func(tx *catalog.Tx) error {
			_, err := tx.PutInstructor(catalog.Instructor{ID: catalog.InstructorID(in("ann")), Name: title}, catalog.Cond{})
			return err
		})
	case "tag":
		w.run(catalog.System, func(tx *catalog.Tx) error { return tx.DeleteTag(catalog.TagID(in("go")), catalog.Cond{}) })
	case "stats":
		if err := w.c.FlushStats(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// draw makes something that a learner does.
func (w *world) draw(t *rapid.T, p *phone) delta.Mutation {
	id := string(rapid.SampledFrom(worldCourses).Draw(t, "course"))
	kind := rapid.SampledFrom([]coursesync.Kind{catalog.KindEnrollment, catalog.KindEnrollment, catalog.KindBookmark, catalog.KindProgress, catalog.KindReview}).Draw(t, "kind")
	m := delta.Mutation{Kind: kind, Key: id, Op: "upsert"}
	var doc any
	switch kind {
	case catalog.KindEnrollment:
		doc = map[string]any{"state": rapid.SampledFrom([]string{"active", "active", "completed", "withdrawn"}).Draw(t, "state")}
	case catalog.KindBookmark:
		if rapid.Bool().Draw(t, "remove") {
			m.Op = "delete"
		}
		doc = map[string]any{}
	case catalog.KindProgress:
		m.Key += "/l" + fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "lesson"))
		doc = map[string]any{
			"position": rapid.IntRange(0, 9).Draw(t, "position"), "completed": rapid.Bool().Draw(t, "completed"),
			"time_by_device": map[string]int{fmt.Sprint(p.id): rapid.IntRange(0, 99).Draw(t, "seconds")},
		}
	case catalog.KindReview:
		if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
			m.Op = "delete"
		}
		doc = map[string]any{"rating": rapid.IntRange(1, 5).Draw(t, "rating")}
	}
	m.Base = p.rows[string(kind)+" "+m.Key].version
	if m.Op == "upsert" {
		m.Doc, _ = json.Marshal(doc)
	}
	return m
}

// note brings the model up to what a mutation did.
func (w *world) note(who catalog.LearnerID, m delta.Mutation) {
	key := string(who) + " " + m.Key
	switch m.Kind {
	case catalog.KindEnrollment:
		var doc struct{ State catalog.EnrollmentState }
		_ = json.Unmarshal(m.Doc, &doc)
		w.own.enrolled[key] = doc.State
	case catalog.KindBookmark:
		if delete(w.own.bookmarks, key); m.Op == "upsert" {
			w.own.bookmarks[key] = true
		}
	case catalog.KindProgress:
		var doc catalog.Progress
		_ = json.Unmarshal(m.Doc, &doc)
		have := w.own.progress[key]
		have.Position, have.Completed = max(have.Position, doc.Position), have.Completed || doc.Completed
		times := map[string]float64{}
		for _, one := range []map[string]float64{have.TimeByDevice, doc.TimeByDevice} {
			for device, s := range one {
				times[device] = max(times[device], s)
			}
		}
		have.TimeByDevice = times
		w.own.progress[key] = have
	case catalog.KindReview:
		var doc struct{ Rating int }
		_ = json.Unmarshal(m.Doc, &doc)
		if delete(w.own.reviews, key); m.Op == "upsert" {
			w.own.reviews[key] = doc.Rating
		}
	}
}

// push lets a phone push. The model learns what was done from the answer, which is asked for again when it was lost: so a mutation that was done and
// cannot be told apart shows, and so does one that is done twice.
func (w *world) push(p *phone, n int, lost bool) {
	if len(p.queue) == 0 || p.who == "" {
		return
	}
	sent := slices.Clone(p.queue[:min(n, len(p.queue))])
	if lost {
		if _, err := p.push(w.ctx, w.s, n, true); err != nil {
			w.t.Fatal(err)
		}
		if len(p.queue) > 0 && p.queue[0].N == 1 && sent[0].N != 1 {
			return // it took a new name
		}
	}
	before, _ := w.c.Log().Head(w.ctx)
	client := p.client
	results, err := p.push(w.ctx, w.s, n, false)
	if err != nil {
		w.t.Fatal(err)
	}
	after, _ := w.c.Log().Head(w.ctx)
	all := len(results) > 0
	for i, r := range results {
		status := r.Status
		if status == delta.Duplicate {
			status = r.Outcome
		} else {
			all = false
		}
		if status == delta.Applied || status == delta.Merged {
			w.note(p.who, sent[i])
		}
		if r.N != sent[i].N {
			w.t.Fatalf("the result of %d is about %d", sent[i].N, r.N)
		}
	}
	if all && before != after {
		w.t.Fatalf("what was done already was done again: %v", results)
	}
	if lost && p.client == client && !all {
		w.t.Fatalf("what was sent twice is no duplicate: %+v", results)
	}
}

// restore puts the last backup in place.
func (w *world) restore() {
	if w.backup == nil {
		return
	}
	w.close()
	path := filepath.Join(w.dir, "log.db")
	if err := os.WriteFile(path, w.backup, 0o600); err != nil {
		w.t.Fatal(err)
	}
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := log.Renew(w.ctx, 0); err != nil {
		w.t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.own = w.saved.clone()
	w.open()
	for _, who := range worldLearners {
		w.token(who, w.orgs[who]) // who comes back has a token that is new to this log
	}
}

func (w *world) actions() map[string]func(*rapid.T) {
	one := func(t *rapid.T) *phone { return w.phones[rapid.IntRange(0, len(w.phones)-1).Draw(t, "phone")] }
	offline := func(t *rapid.T) {
		if p := one(t); p.who != "" {
			p.do(w.draw(t, p))
		}
	}
	pull := func(t *rapid.T) {
		p := one(t)
		if _, err := p.pull(w.ctx, w.s, rapid.SampledFrom([]int{1, 2, 3, 1000}).Draw(t, "limit"), rapid.IntRange(0, 3).Draw(t, "cut") == 0); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func(*rapid.T){
		"edit": w.editor, "edit2": w.editor, "edit3": w.editor, "offline": offline, "offline2": offline, "pull": pull, "pull2": pull,
		"push": func(t *rapid.T) {
			w.push(one(t), rapid.SampledFrom([]int{1, 2, 500}).Draw(t, "n"), rapid.IntRange(0, 2).Draw(t, "cut") == 0)
		},
		"online": func(t *rapid.T) { // the same by REST
			who := rapid.SampledFrom(worldLearners).Draw(t, "learner")
			p := w.phones[slices.IndexFunc(w.phones, func(p *phone) bool { return p.who == who })]
			id := rapid.SampledFrom(worldCourses).Draw(t, "course")
			state := rapid.SampledFrom([]catalog.EnrollmentState{catalog.Active, catalog.Active, catalog.Withdrawn}).Draw(t, "state")
			if w.run(p.actor, func(tx *catalog.Tx) error {
				_, err := tx.PutEnrollment(who, id, state, catalog.Cond{})
				return err
			}) {
				w.own.enrolled[string(who)+" "+string(id)] = state
			}
		},
		"token": func(t *rapid.T) {
			w.token(rapid.SampledFrom(worldLearners).Draw(t, "learner"), rapid.SampledFrom(worldOrgs).Draw(t, "org"))
		},
		"wait": func(t *rapid.T) {
			w.now = w.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 60 * 24 * time.Hour, 100 * 24 * time.Hour}).Draw(t, "time"))
			if _, err := w.c.Log().Purge(w.ctx); err != nil {
				t.Fatal(err)
			}
		},
		"restart": func(*rapid.T) {
			w.close()
			w.open()
		},
		"backup": func(t *rapid.T) {
			var b strings.Builder
			if err := w.c.Log().Backup(w.ctx, &b, nil); err != nil {
				t.Fatal(err)
			}
			w.backup, w.saved = []byte(b.String()), w.own.clone()
		},
		"restore": func(t *rapid.T) {
			if rapid.IntRange(0, 2).Draw(t, "really") == 0 {
				w.restore()
			}
		},
	}
}

// settle lets every phone come back, and compares.
func (w *world) settle() {
	for _, p := range w.phones {
		for len(p.queue) > 0 {
			w.push(p, 500, false)
		}
	}
	if err := w.c.FlushStats(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	w.compareOwn()
	for _, p := range w.phones {
		w.catchUp(p, 3)
		fresh := &phone{id: 99, who: p.who, actor: p.actor, channels: p.channels, locale: p.locale, fields: p.fields, rows: map[string]held{}, client: p.client}
		w.catchUp(fresh, 1000)
		if diff := cmp.Diff(fresh.rows, p.rows, cmp.AllowUnexported(held{})); diff != "" {
			w.t.Fatalf("phone %d has not what a new one gets (-new +old):\n%s", p.id, diff)
		}
		got := map[string]coursesync.Seq{}
		for name, row := range p.rows {
			got[name] = row.version
		}
		if diff := cmp.Diff(w.visible(p), got); diff != "" {
			w.t.Fatalf("phone %d has not what %q may see (-may +has):\n%s", p.id, p.who, diff)
		}
		again, err := w.s.Pull(w.ctx, p.request(0))
		if err != nil || again.Cursor != p.cursor || len(again.Changes) > 0 || again.More {
			w.t.Fatalf("nothing is new, but %+v %v", again, err)
		}
	}
}

func (w *world) catchUp(p *phone, limit int) {
	for n := 0; ; n++ {
		more, err := p.pull(w.ctx, w.s, limit, false)
		if err != nil {
			w.t.Fatal(err)
		}
		if !more {
			return
		}
		if n > 10_000 {
			w.t.Fatal("pulling never ends")
		}
	}
}

// compareOwn holds the catalog against the model of what learners did.
func (w *world) compareOwn() {
	got := mine{}.clone()
	for ch, err := range w.c.Log().Read(w.ctx, 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		learner, rest, _ := strings.Cut(ch.Key, "/")
		key := strings.ReplaceAll(learner, "%2F", "/") + " " + rest
		if ch.Op != coursesync.OpUpsert {
			continue
		}
		switch ch.Kind {
		case catalog.KindEnrollment:
			var e catalog.Enrollment
			_ = json.Unmarshal(ch.Body, &e)
			got.enrolled[key] = e.State
		case catalog.KindBookmark:
			got.bookmarks[key] = true
		case catalog.KindProgress:
			var p catalog.Progress
			_ = json.Unmarshal(ch.Body, &p)
			got.progress[key] = p
		case catalog.KindReview:
			var r catalog.Review
			_ = json.Unmarshal(ch.Body, &r)
			got.reviews[key] = r.Rating
		}
	}
	if diff := cmp.Diff(w.own, got, cmp.AllowUnexported(mine{})); diff != "" {
		w.t.Fatalf("what learners did (-did +is):\n%s", diff)
	}
}

// visible is what a phone's learner may see, by kind and id with the version: written apart from the code, from the whole log.
func (w *world) visible(p *phone) map[string]coursesync.Seq {
	type courseBody struct {
		State  catalog.State
		Public bool `json:"content_public"`
	}
	courses, enrolled := map[string]courseBody{}, map[string]bool{}
	var all []coursesync.Change
	for ch, err := range w.c.Log().Read(w.ctx, 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		if ch.Op != coursesync.OpUpsert {
			continue
		}
		all = append(all, ch)
		switch ch.Kind {
		case catalog.KindCourse:
			var c courseBody
			_ = json.Unmarshal(ch.Body, &c)
			courses[ch.Key] = c
		case catalog.KindEnrollment:
			var e catalog.Enrollment
			_ = json.Unmarshal(ch.Body, &e)
			if ch.Channel == coursesync.Channel("learner:"+p.who) && e.State != catalog.Withdrawn {
				enrolled[strings.SplitN(ch.Key, "/", 2)[1]] = true
			}
		}
	}
	mayCourse := func(id string) bool {
		c, ok := courses[id]
		org, _, owned := strings.Cut(id, "~")
		return ok && c.State != catalog.Draft && (!owned || p.who != "" && catalog.OrgID(org) == w.orgs[p.who])
	}
	may := map[string]coursesync.Seq{}
	for _, ch := range all {
		org, _, owned := strings.Cut(ch.Key, "~")
		id, ok := ch.Key, false
		switch ch.Kind {
		case catalog.KindCourse, catalog.KindCourseStats:
			ok = mayCourse(id)
		case catalog.KindInstructor, catalog.KindInstructorStats, catalog.KindTag, catalog.KindCategory:
			ok = !owned || p.who != "" && catalog.OrgID(org) == w.orgs[p.who]
		case catalog.KindModule, catalog.KindLesson, catalog.KindAsset:
			course, _, _ := strings.Cut(id, "/")
			ok = enrolled[course] && mayCourse(course)
		case catalog.KindEnrollment, catalog.KindBookmark, catalog.KindProgress, catalog.KindReview, catalog.KindPreference, catalog.KindSavedSearch, catalog.KindNotification:
			ok = p.who != "" && ch.Channel == coursesync.Channel("learner:"+p.who)
			_, id, _ = strings.Cut(id, "/")
		}
		if ok {
			may[string(ch.Kind)+" "+id] = ch.Seq
		}
	}
	return may
}

func soak() bool { return os.Getenv("CARREL_SOAK") != "" }

// TestModel lets learners, editors and phones do at random what they do: phones lose answers and come back after months, the server is restarted and
// restored, access is gained and lost. In the end every phone must hold exactly what its learner may see, and nothing that was acknowledged is lost.
func TestModel(t *testing.T) {
	runModel(t, (*world).actions, (*world).settle)
}

// runModel runs histories: what can happen, and what must hold in the end.
func runModel(t *testing.T, actions func(*world) map[string]func(*rapid.T), settle func(*world)) {
	t.Helper()
	checks := "1000"
	if soak() {
		checks = "20000"
	}
	if err := errors.Join(flag.Set("rapid.checks", checks), flag.Set("rapid.steps", "60")); err != nil {
		t.Fatal(err)
	}
	dir := fastDir(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := newWorld(rt, filepath.Join(dir, fmt.Sprint(n)))
		defer func() {
			_ = w.c.Close()
			_ = os.RemoveAll(w.dir)
		}()
		rt.Repeat(actions(w))
		settle(w)
	})
}

// fastDir is a folder in memory where there is one: a thousand histories would wait for the disk for minutes, and none of them pulls the plug.
func fastDir(t *testing.T) string {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "carrel-delta-*"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}
