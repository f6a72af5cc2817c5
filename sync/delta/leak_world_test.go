package delta_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

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
		l.write(id, in)
	case 4, 5:
		l.teach(id, text)
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

// write makes or changes a course.
func (l *leaks) write(id catalog.CourseID, in func(string) string) {
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
		if err != nil { // there is no such course
			c.Prerequisites = nil
			_, err = tx.PutCourse(c, catalog.Cond{})
		}
		return err
	})
}

// teach gives a course some of three lessons.
func (l *leaks) teach(id catalog.CourseID, text func(coursesync.Kind, string) map[catalog.Locale]string) {
	content := catalog.Content{Modules: []catalog.Module{{ID: "m", Title: text("module", string(id)+"/m")}}}
	for _, name := range []string{"l0", "l1", "l2"}[:l.rng.IntN(4)] {
		key := string(id) + "/" + name
		content.Lessons = append(content.Lessons, catalog.Lesson{ID: name, Module: "m", Title: text("lesson", key), Body: text("lesson", key)})
	}
	l.try(catalog.System, func(tx *catalog.Tx) error {
		_, err := tx.PutContent(id, content, catalog.Cond{})
		return err
	})
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
