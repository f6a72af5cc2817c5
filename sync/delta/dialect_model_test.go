package delta_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// dialectDevices are phones that speak the dialects of client databases. Unlike the others they get a new token only now and then.
type dialectDevices struct {
	tables []*tablePhone
	docs   []*docPhone
}

// ownTables are the tables of which the model's phones change rows, and allTables those that they have.
var (
	ownTables = []string{"enrollments", "bookmarks", "progress", "reviews"}
	allTables = []string{
		"categories", "tags", "instructors", "instructor_stats", "courses", "course_stats", "modules", "lessons", "assets",
		"enrollments", "progress", "bookmarks", "reviews", "saved_searches", "preferences", "notifications",
	}
	kindOfOwn = map[string]coursesync.Kind{
		"enrollments": catalog.KindEnrollment, "bookmarks": catalog.KindBookmark, "progress": catalog.KindProgress, "reviews": catalog.KindReview,
	}
)

func (w *world) addDialects() {
	for i, who := range []catalog.LearnerID{"lea", "lea", "idp|leo/1", ""} {
		w.tables = append(w.tables, &tablePhone{id: i, who: who, keeps: i%2 == 0, locale: []catalog.Locale{"en", "fr"}[i%2], rows: map[string]map[string]*localRow{}})
		w.docs = append(w.docs, &docPhone{id: i, who: who, locale: []catalog.Locale{"fr", "en"}[i%2], collections: map[string]*collection{}})
	}
	w.refresh(nil)
}

// refresh gives devices the newest token: all when t is nil.
func (w *world) refresh(t *rapid.T) {
	actor := func(who catalog.LearnerID) catalog.Actor {
		at := slices.IndexFunc(w.phones, func(p *phone) bool { return p.who == who })
		return w.phones[at].actor
	}
	for i := range w.tables {
		if t == nil || rapid.Bool().Draw(t, "refreshed") {
			w.tables[i].actor, w.docs[i].actor = actor(w.tables[i].who), actor(w.docs[i].who)
		}
	}
}

// change is something that a learner does to a record: it makes one, changes one or throws one away.
type change struct {
	table, id string
	cols      columns
	remove    bool
}

// drawChange draws a change; live are the records of a table that the device shows.
func drawChange(t *rapid.T, device string, made *int, live func(table string) []string) change {
	c := change{table: rapid.SampledFrom(append([]string{"enrollments", "bookmarks"}, ownTables...)).Draw(t, "table"), cols: columns{}}
	course := string(rapid.SampledFrom(worldCourses).Draw(t, "course"))
	lesson := fmt.Sprint("l", rapid.IntRange(0, 2).Draw(t, "lesson"))
	switch c.table {
	case "enrollments":
		c.cols["state"] = column(rapid.SampledFrom([]string{"active", "active", "completed", "withdrawn"}).Draw(t, "state"))
	case "progress":
		c.cols["position"] = column(rapid.IntRange(1, 9).Draw(t, "position"))
		c.cols["completed"] = column(rapid.Bool().Draw(t, "completed"))
		c.cols["time_by_device"] = column(fmt.Sprintf(`{%q:%d}`, device, rapid.IntRange(1, 99).Draw(t, "seconds")))
	case "reviews":
		c.cols["rating"] = column(rapid.IntRange(1, 5).Draw(t, "rating"))
	}
	if ids := live(c.table); len(ids) > 0 && rapid.IntRange(0, 3).Draw(t, "old") > 0 {
		c.id = rapid.SampledFrom(ids).Draw(t, "record")
		c.remove = rapid.IntRange(0, 2).Draw(t, "remove") == 0
		return c
	}
	if c.cols["course"] = column(course); c.table == "progress" {
		c.cols["lesson"] = column(lesson)
	}
	*made++
	c.id = fmt.Sprintf("%s-%d", device, *made)
	if rapid.IntRange(0, 2).Draw(t, "plain") == 0 { // an app that makes ids of its own out of what the record is about
		if c.id = course; c.table == "progress" {
			c.id = course + "/" + lesson
		}
	}
	return c
}

func (p *tablePhone) live(table string) []string {
	ids := []string{}
	for _, id := range slices.Sorted(maps.Keys(p.rows[table])) {
		if p.rows[table][id].status != "deleted" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (p *docPhone) live(table string) []string {
	ids := []string{}
	docs := p.collection(table).docs
	for _, id := range slices.Sorted(maps.Keys(docs)) {
		if !docs[id].gone() {
			ids = append(ids, id)
		}
	}
	return ids
}

// keyOf is the key of a record by its columns.
func keyOf(table string, cols columns) string {
	switch table {
	case "progress":
		return cols.text("course") + "/" + cols.text("lesson")
	case "enrollments", "bookmarks", "reviews":
		return cols.text("course")
	}
	return cols.text("id")
}

// noteRow brings the model up to a row that was taken.
func (w *world) noteRow(who catalog.LearnerID, table string, cols columns) {
	doc := maps.Clone(cols)
	if text := doc.text("time_by_device"); text != "" {
		doc["time_by_device"] = json.RawMessage(text)
	}
	raw, _ := json.Marshal(doc)
	w.note(who, delta.Mutation{Kind: kindOfOwn[table], Key: keyOf(table, cols), Op: "upsert", Doc: raw})
}

// noteGone brings the model up to a record that was thrown away.
func (w *world) noteGone(who catalog.LearnerID, table, key string) {
	switch table {
	case "enrollments":
		if _, ok := w.own.enrolled[string(who)+" "+key]; ok {
			w.own.enrolled[string(who)+" "+key] = catalog.Withdrawn
		}
	case "bookmarks", "reviews":
		w.note(who, delta.Mutation{Kind: kindOfOwn[table], Key: key, Op: "delete"})
	}
}

// versions are those of what a learner has, by kind and key, tombstones too.
func (w *world) versions(who catalog.LearnerID) map[string]coursesync.Seq {
	seqs := map[string]coursesync.Seq{}
	for ch, err := range w.c.Log().Read(w.ctx, 0, catalog.LearnerChannel(who)) {
		if err != nil {
			w.t.Fatal(err)
		}
		seqs[string(ch.Kind)+" "+catalog.WithoutLearner(ch.Key)] = ch.Seq
	}
	return seqs
}

// pushTables lets a phone push, and works out what that must have done.
func (w *world) pushTables(p *tablePhone, lost bool) {
	changes := p.changes()
	if p.who == "" || len(changes) == 0 {
		return
	}
	before := w.versions(p.who)
	gone := map[string][]string{}
	for table, c := range changes {
		for _, id := range c.Deleted {
			gone[table] = append(gone[table], keyOf(table, p.rows[table][id].columns))
		}
	}
	rejected, done, err := p.push(w.ctx, w.s, changes, lost)
	if err != nil {
		w.t.Fatal(err)
	}
	if !done {
		return
	}
	set := map[string]bool{}
	for _, leaving := range []bool{false, true} {
		for _, table := range ownTables {
			for _, cols := range slices.Concat(changes[table].Created, changes[table].Updated) {
				cols := columns(cols)
				if (table == "enrollments" && cols.text("state") == "withdrawn") == leaving && !slices.Contains(rejected[table], cols.text("id")) {
					w.noteRow(p.who, table, cols)
					set[table+" "+keyOf(table, cols)] = true
				}
			}
		}
	}
	for table, c := range changes {
		for i, id := range c.Deleted {
			key := gone[table][i]
			setAgain := table == "bookmarks" && before[string(kindOfOwn[table])+" "+key] > p.number
			if !setAgain && !slices.Contains(rejected[table], id) && !set[table+" "+key] {
				w.noteGone(p.who, table, key)
			}
		}
	}
}

// pushDocs is the same for a collection.
func (w *world) pushDocs(p *docPhone, table string, lost bool) {
	rows := p.collection(table).rows()
	if p.who == "" || len(rows) == 0 {
		return
	}
	before := w.versions(p.who)
	refused, err := p.push(w.ctx, w.s, table, rows, lost)
	if err != nil {
		w.t.Fatal(err)
	}
	after := w.versions(p.who)
	set := map[string]bool{}
	for _, row := range rows {
		if cols := columns(row.New); !refused[cols.text("id")] && !cols.gone() {
			w.noteRow(p.who, table, cols)
			set[keyOf(table, cols)] = true
		}
	}
	for _, row := range rows {
		cols := columns(row.New)
		key := keyOf(table, cols)
		name := string(kindOfOwn[table]) + " " + key
		if refused[cols.text("id")] || !cols.gone() || set[key] {
			continue
		}
		if table == "bookmarks" && string(row.Assumed["version"]) != fmt.Sprint(before[name]) {
			// Another one set the mark again: it stays, and this phone is told, unless it was at the very same time.
			if _, there, _ := w.c.Log().Get(w.ctx, catalog.KindBookmark, catalog.OfLearner(p.who, key)); there && w.live(catalog.KindBookmark, catalog.OfLearner(p.who, key)) {
				if after[name] == before[name] {
					w.t.Fatalf("phone %d threw %s away, which stays, and will not be told", p.id, name)
				}
				continue
			}
		}
		w.noteGone(p.who, table, key)
	}
}

func (w *world) live(kind coursesync.Kind, key string) bool {
	ch, ok, err := w.c.Log().Get(w.ctx, kind, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return ok && ch.Op == coursesync.OpUpsert
}

func (w *world) dialectActions() map[string]func(*rapid.T) {
	at := func(t *rapid.T) int { return rapid.IntRange(0, len(w.tables)-1).Draw(t, "device") }
	edit := func(t *rapid.T) {
		p := w.tables[at(t)]
		if p.who == "" {
			return
		}
		switch c := drawChange(t, fmt.Sprint("t", p.id), &p.made, p.live); {
		case c.remove:
			p.remove(c.table, c.id)
		default:
			p.edit(c.table, c.id, c.cols)
		}
	}
	editDoc := func(t *rapid.T) {
		p := w.docs[at(t)]
		if p.who == "" {
			return
		}
		c := drawChange(t, fmt.Sprint("d", p.id), &p.made, p.live)
		if text := c.cols.text("time_by_device"); text != "" {
			c.cols["time_by_device"] = json.RawMessage(text)
		}
		if c.remove {
			p.remove(c.table, c.id)
		} else {
			p.edit(c.table, c.id, c.cols)
		}
	}
	return map[string]func(*rapid.T){
		"tableEdit": edit, "tableEdit2": edit, "docEdit": editDoc, "docEdit2": editDoc,
		"tablePull": func(t *rapid.T) {
			fate := rapid.IntRange(0, 5).Draw(t, "fate")
			if err := w.tables[at(t)].pull(w.ctx, w.s, fate == 1, fate == 2); err != nil {
				t.Fatal(err)
			}
		},
		"tableSync": func(t *rapid.T) {
			p := w.tables[at(t)]
			if err := p.pull(w.ctx, w.s, false, false); err != nil {
				t.Fatal(err)
			}
			w.pushTables(p, rapid.IntRange(0, 3).Draw(t, "cut") == 0)
		},
		"tablePush": func(t *rapid.T) {
			if p := w.tables[at(t)]; p.number != 0 {
				w.pushTables(p, rapid.IntRange(0, 3).Draw(t, "cut") == 0)
			}
		},
		"docPull": func(t *rapid.T) {
			p := w.docs[at(t)]
			limit, cut := rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "limit"), rapid.IntRange(0, 40).Draw(t, "cut")
			for i, name := range allTables {
				if p.who == "" && slices.Contains(privateTables, name) {
					continue
				}
				if _, err := p.pull(w.ctx, w.s, name, limit, i == cut); err != nil {
					t.Fatal(err)
				}
			}
		},
		"docPush": func(t *rapid.T) {
			p := w.docs[at(t)]
			cut := rapid.IntRange(0, 10).Draw(t, "cut")
			for i, name := range ownTables {
				w.pushDocs(p, name, i == cut)
			}
		},
		"refresh": w.refresh,
	}
}

// privateTables are those that nobody has who is not signed in.
var privateTables = []string{"modules", "lessons", "assets", "enrollments", "progress", "bookmarks", "reviews", "saved_searches", "preferences", "notifications"}

// settleDialects lets every device come back until none brings news.
func (w *world) settleDialects() {
	w.refresh(nil)
	for n := 0; ; n++ {
		before, _ := w.c.Log().Head(w.ctx)
		for _, p := range w.tables {
			w.catchUpTables(p)
			w.pushTables(p, false)
		}
		for _, p := range w.docs {
			w.catchUpDocs(p)
			for _, name := range ownTables {
				w.pushDocs(p, name, false)
			}
		}
		if after, _ := w.c.Log().Head(w.ctx); after == before {
			return
		}
		if n > 20 {
			w.t.Fatal("the devices never agree")
		}
	}
}

func (w *world) catchUpTables(p *tablePhone) {
	if err := p.pull(w.ctx, w.s, false, false); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) catchUpDocs(p *docPhone) {
	for _, name := range allTables {
		if p.who == "" && slices.Contains(privateTables, name) {
			continue
		}
		for n := 0; ; n++ {
			more, err := p.pull(w.ctx, w.s, name, 3, false)
			if err != nil {
				w.t.Fatal(err)
			}
			if !more {
				break
			}
			if n > 10_000 {
				w.t.Fatal("pulling never ends")
			}
		}
	}
}

// compareDialects holds what the devices have against what their learners may see, and against what new devices get.
func (w *world) compareDialects() {
	for _, p := range w.tables {
		w.catchUpTables(p)
		fresh := &tablePhone{who: p.who, actor: p.actor, locale: p.locale, rows: map[string]map[string]*localRow{}}
		w.catchUpTables(fresh)
		dirty := map[string]bool{} // refused rows stay as the phone has them
		has := map[string]columns{}
		for table, rows := range p.rows {
			for id, local := range rows {
				if local.status == "" {
					has[table+" "+id] = local.columns
				} else {
					dirty[table+" "+id] = true
				}
			}
		}
		w.compareRows(fmt.Sprint("tables ", p.id), p.who, has, flat(fresh.rows), dirty)
	}
	for _, p := range w.docs {
		w.catchUpDocs(p)
		fresh := &docPhone{who: p.who, actor: p.actor, locale: p.locale, collections: map[string]*collection{}}
		w.catchUpDocs(fresh)
		w.compareRows(fmt.Sprint("docs ", p.id), p.who, p.flat(), fresh.flat(), nil)
	}
}

func flat(tables map[string]map[string]*localRow) map[string]columns {
	all := map[string]columns{}
	for table, rows := range tables {
		for id, local := range rows {
			all[table+" "+id] = local.columns
		}
	}
	return all
}

func (p *docPhone) flat() map[string]columns {
	all := map[string]columns{}
	for name, c := range p.collections {
		for id, doc := range c.docs {
			if !doc.gone() {
				all[name+" "+id] = maps.Clone(doc)
				delete(all[name+" "+id], "edited")
			}
		}
	}
	return all
}

func (w *world) compareRows(name string, who catalog.LearnerID, has, fresh map[string]columns, dirty map[string]bool) {
	texts := func(rows map[string]columns) map[string]string {
		out := map[string]string{}
		for id, cols := range rows {
			if raw, _ := json.Marshal(cols); !dirty[id] {
				out[id] = string(raw)
			}
		}
		return out
	}
	if diff := cmp.Diff(texts(fresh), texts(has)); diff != "" {
		w.t.Fatalf("%s has not what a new device gets (-new +old):\n%s", name, diff)
	}
	got := map[string]string{}
	for id, cols := range fresh {
		table, _, _ := strings.Cut(id, " ")
		got[kindNames[table]+" "+keyOf(table, cols)] = string(cols["version"])
	}
	want := map[string]string{}
	for row, seq := range w.visible(&phone{who: who}) {
		want[row] = fmt.Sprint(seq)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Fatalf("%s has not what %q may see (-may +has):\n%s", name, who, diff)
	}
}

var kindNames = map[string]string{
	"categories": "category", "tags": "tag", "instructors": "instructor", "instructor_stats": "instructor_stats", "courses": "course", "course_stats": "course_stats",
	"modules": "module", "lessons": "lesson", "assets": "asset", "enrollments": "enrollment", "progress": "progress", "bookmarks": "bookmark", "reviews": "review",
	"preferences": "preference",
}

// TestModelDialects is TestModel with phones that hold the client databases, beside the others.
func TestModelDialects(t *testing.T) {
	runModel(t, func(w *world) map[string]func(*rapid.T) {
		w.addDialects()
		actions := w.actions()
		maps.Copy(actions, w.dialectActions())
		return actions
	}, func(w *world) {
		w.settle()
		w.settleDialects()
		w.compareOwn()
		w.compareDialects()
	})
}
