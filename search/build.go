package search

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// buildBatch documents of a new index are made at once, by one writer. Few, so that a search never waits long for a processor; with
	// fewer still, merging their segments would be most of the work.
	buildBatch = 200
	// finishChanges is how many changes are applied to the new index while the live one waits: a second's work at most.
	finishChanges = coursesync.ReadChunk
	// maxRest bounds a pause, for the case that a batch was held up by something else.
	maxRest = time.Second
)

var (
	errReset = errors.New("the index that is served was reset meanwhile")
	errLost  = errors.New("the log has lost changes that the new index has not read")
)

// builder fills a store beside the one that is served. It makes the documents of all courses from the catalog, and then follows the log, with a
// cursor of its own, from where the live index was when it began. Columns belong to no store, as they come from the catalog: the builder
// reads labels and names in those of the live index, and so never goes ahead of it.
type builder struct {
	x      *Index
	store  *store
	at     coursesync.Cursor
	resets int // of the index, when this began
	pace   pace

	admission *admission // of the questions that are compared: they take no place from others
}

// newBuilder makes an empty index beside the live one.
func (x *Index) newBuilder() (*builder, error) {
	x.apply.Lock() // so that no reset chooses the same name
	defer x.apply.Unlock()
	if x.isClosed() {
		return nil, errClosed()
	}
	path, err := nextPath(x.cfg.Dir)
	if err != nil {
		return nil, err
	}
	s, err := createStore(path)
	if err != nil {
		return nil, err
	}
	return &builder{x: x, store: s, at: x.gen.cursor, resets: x.resets, pace: pace{x: x}, admission: newAdmission()}, nil
}

// fill makes the documents of all courses, and follows the log to its head.
func (b *builder) fill(ctx context.Context) error {
	for after := ""; ; {
		chunk, err := readChunk(ctx, b.x.cfg.Catalog, catalog.KindCourse, after)
		if err != nil {
			return err
		}
		if len(chunk) == 0 {
			return b.catchUp(ctx)
		}
		after = chunk[len(chunk)-1].key
		for part := range slices.Chunk(chunk, buildBatch) {
			courses := make(map[catalog.CourseID]*catalog.Course, len(part))
			for _, one := range part {
				var c catalog.Course
				if err := json.Unmarshal(one.body, &c); err != nil {
					return err
				}
				courses[c.ID] = &c
			}
			if err := b.write(ctx, courses, nil, nil); err != nil {
				return err
			}
			b.x.rebuild.update(func(s *ReindexStatus) { s.Documents += len(courses) })
		}
	}
}

// catchUp follows the log to where its head is now: somebody may go on writing for ever.
func (b *builder) catchUp(ctx context.Context) error {
	log := b.x.cfg.Catalog.Log()
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	return coursesync.CatchUp(ctx, until{log, head}, b)
}

// until is a log that seems to grow no more.
type until struct {
	coursesync.Log
	head coursesync.Seq
}

// Head implements coursesync.Log.
func (u until) Head(context.Context) (coursesync.Seq, error) { return u.head, nil }

// Name implements coursesync.Follower.
func (b *builder) Name() string { return "search index being built" }

// Cursor implements coursesync.Follower.
func (b *builder) Cursor(context.Context) (coursesync.Cursor, error) { return b.at, nil }

// Reset implements coursesync.Follower: a build that cannot go on has to begin anew.
func (b *builder) Reset(context.Context) error { return errLost }

// Apply implements coursesync.Follower. It waits for the live index, whose columns it needs.
func (b *builder) Apply(ctx context.Context, batch []coursesync.Change, next coursesync.Cursor) error {
	if err := b.x.WaitFor(ctx, next.Seq); err != nil {
		return err
	}
	if err := b.apply(ctx, batch, nil); err != nil {
		return err
	}
	b.at = next
	return nil
}

// finish applies what is left, while the live index waits, and gives the new one the live one's cursor. Some of it the live one may not have applied
// yet, and will apply again; but it may hold changes that the log has only in a later state by now, and those must not be missed. It
// reports false when too much is left.
func (b *builder) finish(ctx context.Context, gen *generation) (bool, error) {
	if b.resets != b.x.resets {
		return false, errReset
	}
	var batch []coursesync.Change
	for ch, err := range b.x.cfg.Catalog.Log().Read(ctx, b.at.Seq) {
		if err != nil {
			return false, err
		}
		if batch = append(batch, ch); len(batch) == finishChanges {
			return false, nil
		}
	}
	cursor, err := json.Marshal(gen.cursor)
	if err != nil {
		return false, err
	}
	return true, b.apply(ctx, batch, cursor)
}

// apply indexes what changes touch. All labels and names that are mentioned count as changed: the columns know no earlier state.
func (b *builder) apply(ctx context.Context, batch []coursesync.Change, cursor []byte) error {
	courses, t, d := map[catalog.CourseID]*catalog.Course{}, newTouched(), b.x.dicts
	for i := range batch {
		ch := &batch[i]
		switch ch.Kind {
		case catalog.KindCourse:
			c, err := optional[catalog.Course](ch, ch.Op == coursesync.OpDelete)
			if err != nil {
				return err
			}
			courses[catalog.CourseID(ch.Key)] = c
		case catalog.KindTag:
			t.tags[d.tags.ref(ch.Key)] = true
		case catalog.KindCategory:
			t.categories[d.categories.ref(ch.Key)] = true
		case catalog.KindInstructor:
			t.instructors[d.instructors.ref(ch.Key)] = true
		}
	}
	return b.write(ctx, courses, &t, cursor)
}

// write indexes courses and those that bear what was touched; the cursor, when there is one, is committed with the last.
func (b *builder) write(ctx context.Context, courses map[catalog.CourseID]*catalog.Course, t *touched, cursor []byte) error {
	cols := b.x.columns()
	if cols == nil {
		return errClosed()
	}
	ids := slices.Sorted(maps.Keys(courses))
	if t != nil {
		ids = append(ids, t.among(courses, cols)...)
	}
	w := &writing{x: b.x, store: b.store, cols: cols, courses: courses}
	for part := range slices.Chunk(ids, buildBatch) {
		if err := b.batch(ctx, w, part); err != nil {
			return err
		}
	}
	if cursor == nil {
		return nil
	}
	last := b.store.bleve.NewBatch()
	last.SetInternal(cursorKey, cursor)
	return b.store.bleve.Batch(last)
}

// batch writes a few documents, and lets searches go first.
func (b *builder) batch(ctx context.Context, w *writing, ids []catalog.CourseID) error {
	batch := b.store.bleve.NewBatch()
	w.alone = b.pace.busy()
	if err := w.fill(ctx, batch, ids); err != nil {
		return err
	}
	if err := b.store.bleve.Batch(batch); err != nil {
		return err
	}
	return b.pace.rest(ctx)
}

// columns returns the newest columns; nil when the index is closed.
func (x *Index) columns() *columns {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.gen == nil {
		return nil
	}
	return x.gen.cols
}

// courses counts the courses that are there.
func (c *columns) courses() int {
	n := 0
	for _, p := range c.pages {
		for i := range p.rows {
			if p.rows[i].state != 0 {
				n++
			}
		}
	}
	return n
}

// pace lets searches go before the work of a build: while somebody searches, it rests as long as it worked, on a single processor
// three times as long.
type pace struct {
	x        *Index
	searches uint64 // at the last look
	since    time.Time
}

// busy reports whether somebody has searched since the last rest.
func (p *pace) busy() bool { return p.x.searches.Load() != p.searches }

// rest pauses as long as is fair.
func (p *pace) rest(ctx context.Context) error {
	pause, busy := time.Since(p.since), p.busy()
	if !busy || p.since.IsZero() {
		pause = 0
	}
	if runtime.GOMAXPROCS(0) == 1 {
		pause *= 3
	}
	if pause > 0 {
		t := time.NewTimer(min(pause, maxRest))
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	p.searches, p.since = p.x.searches.Load(), time.Now()
	return ctx.Err()
}
