package catalog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Content is what a course is made of: modules in order of position, then id; lessons in order of their modules, then likewise.
type Content struct {
	Modules []Module       `json:"modules"`
	Lessons []Lesson       `json:"lessons"`
	Assets  []Asset        `json:"assets"`
	Version coursesync.Seq `json:"-"` // of the last write to any part: ETag and Cond of [Tx.PutContent]; 0 when nothing was ever written
}

// contentKinds are the kinds of a course's parts.
var contentKinds = []coursesync.Kind{KindModule, KindLesson, KindAsset}

// partKey is the key of a part of a course.
func partKey(course CourseID, id string) string { return string(course) + "/" + id }

// Content returns modules and lessons in order. fault.NotFound when the course is invisible, fault.NotEnrolled when the
// actor is neither enrolled nor its editor and the content is not public.
func (v *View) Content(actor Actor, id CourseID) (Content, error) {
	id, err := v.contentFor(actor, id)
	if err != nil {
		return Content{}, err
	}
	return v.content(id)
}

// contentFor returns the id of a course whose content the actor may read. Errors as those of Content.
func (v *View) contentFor(actor Actor, id CourseID) (CourseID, error) {
	s, err := v.CourseFor(actor, id)
	if err != nil {
		return "", err
	}
	ok, err := v.readsContent(actor, s.Value)
	if err == nil && !ok {
		err = fault.New("catalog.Content", fault.NotEnrolled)
	}
	return s.Value.ID, err
}

// readsContent reports whether an actor who sees a course may read its lessons.
func (v *View) readsContent(actor Actor, c Course) (bool, error) {
	if org := OrgOf(string(c.ID)); c.ContentPublic || actor.SeesDrafts(org) || actor.Translates(org) {
		return true, nil
	}
	if actor.Anonymous() {
		return false, nil
	}
	e, ok, err := v.MyEnrollment(actor.Subject, c.ID)
	return ok && e.Value.State != Withdrawn, err
}

// Outline is Content without lesson bodies and assets; everyone who sees the course may see it.
func (v *View) Outline(actor Actor, id CourseID) (Content, error) {
	s, err := v.CourseFor(actor, id)
	if err != nil {
		return Content{}, err
	}
	c, err := v.content(s.Value.ID)
	c.Assets = []Asset{}
	for i := range c.Lessons {
		c.Lessons[i].Body = nil
	}
	return c, err
}

// content reads a course's parts.
func (v *View) content(id CourseID) (c Content, err error) {
	if c.Modules, err = parts[Module](v, KindModule, id); err != nil {
		return c, err
	}
	if c.Lessons, err = parts[Lesson](v, KindLesson, id); err != nil {
		return c, err
	}
	if c.Assets, err = v.assets(id); err != nil {
		return c, err
	}
	c.Version = v.contentVersion(id)
	c.sort()
	return c, nil
}

// contentVersion is the version of a course's content, 0 when nothing was ever written.
func (v *View) contentVersion(id CourseID) coursesync.Seq {
	g, _ := v.get(KindSetting, guardContent+string(id))
	return g.Seq
}

func parts[T any](v *View, kind coursesync.Kind, id CourseID) ([]T, error) {
	list := []T{}
	for ch := range entities(v, kind, partKey(id, ""), "") {
		s, err := decode[T](ch)
		if err != nil {
			return nil, err
		}
		list = append(list, s.Value)
	}
	return list, nil
}

// sort brings the parts into the order in which one reads them.
func (c *Content) sort() {
	slices.SortFunc(c.Modules, func(a, b Module) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), strings.Compare(a.ID, b.ID))
	})
	place := make(map[string]int, len(c.Modules))
	for i, m := range c.Modules {
		place[m.ID] = i
	}
	slices.SortFunc(c.Lessons, func(a, b Lesson) int {
		return cmp.Or(cmp.Compare(place[a.Module], place[b.Module]), cmp.Compare(a.Position, b.Position), strings.Compare(a.ID, b.ID))
	})
	slices.SortFunc(c.Assets, func(a, b Asset) int { return strings.Compare(a.ID, b.ID) })
}

// PutContent replaces a course's content; what is not in it is deleted. cond is about [Content.Version]. Where all positions
// are 0, the order of the lists counts. Files that Carrel holds stay where an asset has the URL that [View.Content] showed. An editor's only; PutModule,
// PutLesson and PutAssetFile write one part.
func (tx *Tx) PutContent(id CourseID, c Content, cond Cond) (bool, error) {
	const op = "catalog.PutContent"
	id = nfc(id)
	_, err := tx.mayWriteContent(op, id, Actor.Edits)
	if err != nil {
		return false, err
	}
	g, exists := tx.get(KindSetting, guardContent+string(id))
	if err := cond.check(g.Seq, exists); err != nil {
		return false, err
	}
	var p problems
	if c.Assets, err = p.heldAssets(tx, id, c.Assets); err != nil {
		return false, err
	}
	c = p.content(c)
	if err := p.err(op); err != nil {
		return false, err
	}
	w := contentWriter{tx: tx, course: id, keep: map[ref]bool{}}
	for _, m := range c.Modules {
		w.put(KindModule, m.ID, m)
	}
	for _, l := range c.Lessons {
		w.put(KindLesson, l.ID, l)
	}
	for _, a := range c.Assets {
		w.put(KindAsset, a.ID, a)
	}
	w.dropOthers()
	return w.done()
}

// contentWriter writes parts of a course; the first error stays.
type contentWriter struct {
	tx      *Tx
	course  CourseID
	keep    map[ref]bool
	changed bool
	err     error
}

func (w *contentWriter) put(kind coursesync.Kind, id string, part any) {
	if w.err != nil {
		return
	}
	key := partKey(w.course, id)
	changed, err := w.tx.put(kind, key, contentChannel(w.course), part, putOpts{})
	w.keep[ref{kind, key}] = true
	w.changed, w.err = w.changed || changed, err
}

// dropOthers deletes what was not put.
func (w *contentWriter) dropOthers() {
	for _, kind := range contentKinds {
		var gone []string
		for ch := range entities(&w.tx.View, kind, partKey(w.course, ""), "") {
			if !w.keep[ref{kind, ch.Key}] {
				gone = append(gone, ch.Key)
			}
		}
		for _, key := range gone {
			if w.err == nil {
				w.err = w.tx.del(kind, key, contentChannel(w.course), Cond{})
			}
			w.changed = true
		}
	}
}

// done moves the content's version when something changed.
func (w *contentWriter) done() (bool, error) {
	key := guardContent + string(w.course)
	w.tx.exists(KindSetting, key) // read: who else writes this content at once must lose
	if w.err != nil || !w.changed {
		return false, w.err
	}
	return w.tx.put(KindSetting, key, channelStaff, guard{}, putOpts{blind: true})
}

// mayWriteContent returns the course when the actor has the right to write its content.
func (tx *Tx) mayWriteContent(op string, id CourseID, right func(Actor, OrgID) bool) (Course, error) {
	actor := tx.overlay.actor
	if actor.Anonymous() {
		return Course{}, fault.New(op, fault.Unauthorized)
	}
	s, err := tx.CourseFor(actor, id)
	if err != nil {
		return Course{}, err
	}
	org := OrgOf(string(id))
	return s.Value, tx.mayWrite(op, org, right(actor, org))
}

// deleteContent deletes all parts of a course and their guard.
func (tx *Tx) deleteContent(id CourseID) error {
	w := contentWriter{tx: tx, course: id}
	w.dropOthers()
	if w.err != nil {
		return w.err
	}
	return tx.del(KindSetting, guardContent+string(id), channelStaff, Cond{})
}

// PutModule creates or replaces a module. A translator may change titles in other languages than the course's.
func (tx *Tx) PutModule(id CourseID, m Module) (bool, error) {
	const op = "catalog.PutModule"
	id = nfc(id)
	course, err := tx.mayWriteContent(op, id, Actor.Translates)
	if err != nil {
		return false, err
	}
	var p problems
	m = p.module("", m)
	if err := p.err(op); err != nil {
		return false, err
	}
	old, exists, err := load[Module](&tx.View, KindModule, partKey(id, m.ID))
	if err != nil {
		return false, err
	}
	if !tx.overlay.actor.Edits(OrgOf(string(id))) {
		same := m
		same.Title = old.Value.Title
		if !exists || !equalBodies(same, old.Value) || m.Title[course.Language] != old.Value.Title[course.Language] {
			return false, translatorsOnly(op)
		}
	}
	w := contentWriter{tx: tx, course: id, keep: map[ref]bool{}}
	w.put(KindModule, m.ID, m)
	if exists && m.Position != old.Value.Position {
		w.rank(func(p place) bool { return p.Module == m.ID }, m.Position)
	}
	return w.done()
}

// PutLesson creates or replaces a lesson of a module that exists. A translator may change titles and bodies in other languages than the course's.
func (tx *Tx) PutLesson(id CourseID, l Lesson) (bool, error) {
	const op = "catalog.PutLesson"
	id = nfc(id)
	course, err := tx.mayWriteContent(op, id, Actor.Translates)
	if err != nil {
		return false, err
	}
	var p problems
	l = p.lesson("", l)
	if len(p.fields) == 0 && !tx.exists(KindModule, partKey(id, l.Module)) {
		p.add("/module", fault.UnknownRef, "names no module of the course: "+l.Module, "id", l.Module)
	}
	if err := p.err(op); err != nil {
		return false, err
	}
	old, exists, err := load[Lesson](&tx.View, KindLesson, partKey(id, l.ID))
	if err != nil {
		return false, err
	}
	if !tx.overlay.actor.Edits(OrgOf(string(id))) {
		same := l
		same.Title, same.Body = old.Value.Title, old.Value.Body
		src := course.Language
		if !exists || !equalBodies(same, old.Value) || l.Title[src] != old.Value.Title[src] || l.Body[src] != old.Value.Body[src] {
			return false, translatorsOnly(op)
		}
	}
	w := contentWriter{tx: tx, course: id, keep: map[ref]bool{}}
	w.put(KindLesson, l.ID, l)
	if exists && (l.Position != old.Value.Position || l.Module != old.Value.Module) {
		module, _, err := load[Module](&tx.View, KindModule, partKey(id, l.Module))
		if err != nil {
			return false, err
		}
		w.rank(func(p place) bool { return p.ID == l.ID }, module.Value.Position)
	}
	return w.done()
}
