package search

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/blevesearch/bleve/v2"
	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// docBatch is how many documents go to bleve at once: it analyses and holds all of them in memory.
	docBatch = 500
	// docWriters batches are made at the same time: each is partly computed by one goroutine only.
	docWriters = 2
)

// applying is one Apply under way.
type applying struct {
	x       *Index
	edit    *edit
	courses map[catalog.CourseID]*catalog.Course // to be indexed; nil: to be deleted
	touched struct{ tags, categories, instructors map[ref]bool }
	prior   bool // it may have changed
}

// Apply implements coursesync.Follower. What a label or a name touches is read from the catalog, whose state may be newer than the batch: the
// change that made it so will come as well.
func (x *Index) Apply(ctx context.Context, batch []coursesync.Change, next coursesync.Cursor) error {
	x.apply.Lock()
	defer x.apply.Unlock()
	if x.isClosed() {
		return errClosed()
	}
	old := x.gen // only written under apply
	a := &applying{x: x, edit: newEdit(old.cols, x.dicts), courses: map[catalog.CourseID]*catalog.Course{}}
	a.touched.tags, a.touched.categories, a.touched.instructors = map[ref]bool{}, map[ref]bool{}, map[ref]bool{}
	for i := range batch {
		if err := a.change(&batch[i]); err != nil {
			return fault.Wrap("search.Apply", fault.Internal, err)
		}
	}
	if a.prior {
		if err := a.readPrior(ctx); err != nil {
			return err
		}
	}
	wrote, err := a.write(ctx, a.touchedCourses(old.cols), next)
	if err != nil {
		return fault.Wrap("search.Apply", fault.Internal, err)
	}
	gen := &generation{reader: old.reader, cols: a.edit.seal(), cursor: next}
	if wrote {
		if gen.reader, err = x.store.newReader(x.dicts); err != nil {
			return fault.Wrap("search.Apply", fault.Internal, err)
		}
	} else {
		gen.reader.refs.Add(1)
	}
	x.publish(gen, nil)
	return nil
}

// change takes one change into the columns and notes what has to be indexed.
func (a *applying) change(ch *coursesync.Change) error {
	gone := ch.Op == coursesync.OpDelete
	switch ch.Kind {
	case catalog.KindCourse:
		return a.course(ch, gone)
	case catalog.KindCourseStats:
		s, err := body[catalog.CourseStats](ch)
		a.edit.putStats(catalog.CourseID(ch.Key), s)
		return err
	case catalog.KindTag:
		t, err := optional[catalog.Tag](ch, gone)
		r, changed := a.edit.putTag(ch.Key, t)
		a.touch(a.touched.tags, r, changed, ch)
		return err
	case catalog.KindCategory:
		c, err := optional[catalog.Category](ch, gone)
		r, changed := a.edit.putCategory(ch.Key, c)
		a.touch(a.touched.categories, r, changed, ch)
		return err
	case catalog.KindInstructor:
		i, err := optional[catalog.Instructor](ch, gone)
		r, changed := a.edit.putInstructor(ch.Key, i)
		a.touch(a.touched.instructors, r, changed, ch)
		return err
	case catalog.KindInstructorStats:
		s, err := body[catalog.InstructorStats](ch)
		a.edit.putInstructorStats(ch.Key, s)
		return err
	case catalog.KindSynonym:
		s, err := optional[catalog.Synonym](ch, gone)
		a.edit.putSynonym(ch.Key, s)
		return err
	case catalog.KindPin:
		p, err := optional[catalog.Pin](ch, gone)
		a.edit.putPin(ch.Key, p)
		return err
	case catalog.KindSetting:
		a.prior = true
	}
	return nil
}

// touch notes that courses have to be indexed again. While a start is replayed, the columns know what the index does not, and cannot tell
// whether something changed.
func (a *applying) touch(set map[ref]bool, r ref, changed bool, ch *coursesync.Change) {
	if changed || ch.Seq <= a.x.replayUntil {
		set[r] = true
	}
}

func (a *applying) course(ch *coursesync.Change, gone bool) error {
	id := catalog.CourseID(ch.Key)
	if gone {
		a.courses[id] = nil
		a.edit.dropCourse(id)
		return nil
	}
	c, err := body[catalog.Course](ch)
	if err != nil {
		return err
	}
	a.courses[id] = &c
	a.edit.putCourse(&c)
	return nil
}

// body decodes a change's body; the zero value when it is a tombstone.
func body[T any](ch *coursesync.Change) (value T, err error) {
	if ch.Op == coursesync.OpDelete {
		return value, nil
	}
	return value, json.Unmarshal(ch.Body, &value)
}

// optional is body, with nil for a tombstone.
func optional[T any](ch *coursesync.Change, gone bool) (*T, error) {
	if gone {
		return nil, nil
	}
	value, err := body[T](ch)
	return &value, err
}

func (a *applying) readPrior(ctx context.Context) error {
	return a.x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		p, err := v.Priors()
		a.edit.prior = p.Course
		return err
	})
}

// touchedCourses returns the courses that bear a label or a name which changed, apart from those that are indexed anyhow, in order. A category
// touches those below it too, by the tree before and after.
func (a *applying) touchedCourses(old *columns) []catalog.CourseID {
	t := &a.touched
	if len(t.tags)+len(t.categories)+len(t.instructors) == 0 {
		return nil
	}
	in := func(set map[ref]bool) func(ref) bool { return func(r ref) bool { return set[r] } }
	above := func(c *columns, r ref) bool {
		for up := range c.ancestors(r) {
			if t.categories[up] {
				return true
			}
		}
		return false
	}
	var ids []catalog.CourseID
	for i := range int32(a.edit.n) { //nolint:gosec // far fewer than 2^31
		r := a.edit.row(i)
		if r.state == 0 {
			continue
		}
		if slices.ContainsFunc(r.tags, in(t.tags)) || slices.ContainsFunc(r.instructors, in(t.instructors)) ||
			len(t.categories) > 0 && (above(a.edit.columns, r.category) || above(old, r.category)) {
			id := a.edit.details(i).id
			if _, indexed := a.courses[id]; !indexed {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// write indexes and deletes documents; the cursor is committed with the last of them, or after all, so that a crash in between repeats the whole. It
// reports whether any document changed.
func (a *applying) write(ctx context.Context, touched []catalog.CourseID, next coursesync.Cursor) (wrote bool, err error) {
	ids := append(slices.Sorted(maps.Keys(a.courses)), touched...)
	batch := a.x.store.bleve.NewBatch()
	if len(ids) <= docBatch {
		if err := a.fill(ctx, batch, ids); err != nil {
			return false, err
		}
	} else if err := a.writeAll(ctx, ids); err != nil {
		return true, err
	}
	cursor, err := json.Marshal(next)
	if err != nil {
		return true, err
	}
	batch.SetInternal(cursorKey, cursor)
	return len(ids) > 0, a.x.store.bleve.Batch(batch)
}

// writeAll writes many documents.
func (a *applying) writeAll(ctx context.Context, ids []catalog.CourseID) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(docWriters)
	for chunk := range slices.Chunk(ids, docBatch) {
		g.Go(func() error {
			batch := a.x.store.bleve.NewBatch()
			if err := a.fill(ctx, batch, chunk); err != nil {
				return err
			}
			return a.x.store.bleve.Batch(batch)
		})
	}
	return g.Wait()
}

// fill puts documents into a batch: as the changes have them, or as the catalog has those that a change touched.
func (a *applying) fill(ctx context.Context, batch *bleve.Batch, ids []catalog.CourseID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	touched := make([]catalog.CourseID, 0, len(ids))
	for _, id := range ids {
		c, changed := a.courses[id]
		if !changed {
			touched = append(touched, id)
		} else if err := a.add(batch, id, c); err != nil {
			return err
		}
	}
	courses, err := a.read(ctx, touched)
	if err != nil {
		return err
	}
	for i, id := range touched {
		if err := a.add(batch, id, courses[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) add(batch *bleve.Batch, id catalog.CourseID, c *catalog.Course) error {
	if c == nil {
		batch.Delete(string(id))
		return nil
	}
	return batch.IndexAdvanced(newDocument(id, a.edit.passages(a.x.dicts, c), a.x.dicts.words))
}

// read returns courses as the catalog has them now; nil for one that is gone.
func (a *applying) read(ctx context.Context, ids []catalog.CourseID) ([]*catalog.Course, error) {
	list := make([]*catalog.Course, len(ids))
	err := a.x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for i, id := range ids {
			c, ok, err := v.Course(id)
			if err != nil {
				return err
			}
			if ok {
				list[i] = &c.Value
			}
		}
		return nil
	})
	return list, err
}
