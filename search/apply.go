package search

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

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
	writing
	edit    *edit
	touched touched
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
	a := &applying{edit: newEdit(old.cols, x.dicts), touched: newTouched()}
	a.writing = writing{x: x, store: x.store, cols: a.edit.columns, courses: map[catalog.CourseID]*catalog.Course{}}
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
	touched := a.touched.among(a.courses, a.edit.columns, old.cols)
	wrote, err := a.write(ctx, touched, next)
	if err != nil {
		return fault.Wrap("search.Apply", fault.Internal, err)
	}
	gen := &generation{reader: old.reader, cols: a.edit.seal(), cursor: next, edit: old.edit + 1}
	if wrote {
		if gen.reader, err = x.store.newReader(x.dicts); err != nil {
			return fault.Wrap("search.Apply", fault.Internal, err)
		}
	} else {
		gen.reader.refs.Add(1)
	}
	x.journal.add(gen.edit, a.rows(touched))
	x.publish(gen, nil)
	return nil
}

// rows returns the rows of the courses that are indexed: those that changed, and those that a change touches.
func (a *applying) rows(touched []catalog.CourseID) []int32 {
	rows := make([]int32, 0, len(a.courses)+len(touched))
	for _, id := range slices.AppendSeq(touched, maps.Keys(a.courses)) {
		if r, ok := a.x.dicts.courses.find(string(id)); ok {
			rows = append(rows, int32(r)-1) //nolint:gosec // far fewer than 2^31
		}
	}
	return rows
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

// write indexes and deletes documents; the cursor is committed with the last of them, or after all, so that a crash in between repeats the whole. It
// reports whether any document changed.
func (a *applying) write(ctx context.Context, touched []catalog.CourseID, next coursesync.Cursor) (wrote bool, err error) {
	ids := append(slices.Sorted(maps.Keys(a.courses)), touched...)
	batch := a.store.bleve.NewBatch()
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
	return len(ids) > 0, a.store.bleve.Batch(batch)
}

// writeAll writes many documents.
func (a *applying) writeAll(ctx context.Context, ids []catalog.CourseID) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(docWriters)
	for chunk := range slices.Chunk(ids, docBatch) {
		g.Go(func() error {
			batch := a.store.bleve.NewBatch()
			if err := a.fill(ctx, batch, chunk); err != nil {
				return err
			}
			return a.store.bleve.Batch(batch)
		})
	}
	return g.Wait()
}
