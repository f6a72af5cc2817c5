package search

import (
	"context"
	"slices"

	"github.com/blevesearch/bleve/v2"

	"github.com/carrel-lms/carrel/catalog"
)

// touched are labels and names that changed: the courses that bear them have to be indexed again.
type touched struct{ tags, categories, instructors map[ref]bool }

func newTouched() touched { return touched{map[ref]bool{}, map[ref]bool{}, map[ref]bool{}} }

// among returns the courses that bear what was touched, apart from those that are indexed anyhow, in order. A category touches those below it
// too, by each of the trees: the one before and the one after the change.
func (t *touched) among(indexed map[catalog.CourseID]*catalog.Course, c *columns, trees ...*columns) []catalog.CourseID {
	if len(t.tags)+len(t.categories)+len(t.instructors) == 0 {
		return nil
	}
	in := func(set map[ref]bool) func(ref) bool { return func(r ref) bool { return set[r] } }
	above := func(tree *columns, r ref) bool {
		for up := range tree.ancestors(r) {
			if t.categories[up] {
				return true
			}
		}
		return false
	}
	below := func(r ref) bool {
		return len(t.categories) > 0 && (above(c, r) || slices.ContainsFunc(trees, func(tree *columns) bool { return above(tree, r) }))
	}
	var ids []catalog.CourseID
	for i := range int32(c.n) { //nolint:gosec // far fewer than 2^31
		r := c.row(i)
		if r.state == 0 {
			continue
		}
		if slices.ContainsFunc(r.tags, in(t.tags)) || slices.ContainsFunc(r.instructors, in(t.instructors)) || below(r.category) {
			id := c.details(i).id
			if _, ok := indexed[id]; !ok {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// writing makes documents for an index: the one that is served, or one that is being built.
type writing struct {
	x       *Index
	store   *store
	cols    *columns                             // whose labels and names the documents have
	courses map[catalog.CourseID]*catalog.Course // to be indexed; nil: to be deleted
	alone   bool                                 // texts are analysed here, and not by as many goroutines as there are processors
}

// fill puts documents into a batch: as the changes have them, or as the catalog has those that a change touched.
func (w *writing) fill(ctx context.Context, batch *bleve.Batch, ids []catalog.CourseID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	touched := make([]catalog.CourseID, 0, len(ids))
	for _, id := range ids {
		c, changed := w.courses[id]
		if !changed {
			touched = append(touched, id)
		} else if err := w.add(batch, id, c); err != nil {
			return err
		}
	}
	courses, err := w.read(ctx, touched)
	if err != nil {
		return err
	}
	for i, id := range touched {
		if err := w.add(batch, id, courses[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) add(batch *bleve.Batch, id catalog.CourseID, c *catalog.Course) error {
	if c == nil {
		batch.Delete(string(id))
		return nil
	}
	doc := newDocument(id, w.cols.passages(w.x.dicts, c), w.x.dicts.words)
	if w.alone {
		for _, f := range doc.Fields {
			f.Analyze() // bleve asks again, and finds it done
		}
	}
	return batch.IndexAdvanced(doc)
}

// read returns courses as the catalog has them now; nil for one that is gone.
func (w *writing) read(ctx context.Context, ids []catalog.CourseID) ([]*catalog.Course, error) {
	list := make([]*catalog.Course, len(ids))
	err := w.x.cfg.Catalog.View(ctx, func(v *catalog.View) error {
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
