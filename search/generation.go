package search

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// generation is what a search sees: a snapshot of the index, the columns that belong to it, and the place in the log that both reflect.
type generation struct {
	id     uint64 // no other has it
	reader *reader
	cols   *columns
	cursor coursesync.Cursor
	edit   uint64 // how many edits made it; one is left out where everything may have changed (journal.go)
}

// generations counts them, and columns.
var generations atomic.Uint64

// reader is a snapshot of the index. It is shared by generations that differ in columns only, and closed when none needs it.
type reader struct {
	index index.IndexReader
	dicts *dicts
	store *store
	refs  atomic.Int32
	since atomic.Int64 // when it was last known to be the newest: nanoseconds after the program's start

	once    sync.Once
	views   []view
	err     error
	lookups sync.Pool // *lookup
}

// start is what ages are measured from; they need a clock that never jumps.
var start = time.Now()

// stale reports whether a newer snapshot may be worth having.
func (r *reader) stale() bool { return int64(time.Since(start))-r.since.Load() > int64(refreshEvery) }

// newReader takes a snapshot of the index as it is now. It has one reference.
func (s *store) newReader(d *dicts) (*reader, error) {
	r, err := s.index.Reader()
	if err != nil {
		return nil, err
	}
	s.users.Add(1)
	rd := &reader{index: r, dicts: d, store: s}
	rd.refs.Store(1)
	rd.since.Store(int64(time.Since(start)))
	return rd, nil
}

// release gives a reference back.
func (r *reader) release() {
	if r.refs.Add(-1) > 0 {
		return
	}
	if err := r.index.Close(); err != nil {
		slog.Default().Warn("search: closing a snapshot of the index", slog.Any("error", err))
	}
	if err := r.store.release(); err != nil {
		slog.Default().Warn("search: removing an index that was replaced", slog.Any("error", err))
	}
}

// lookup returns what a search reads the snapshot with. It goes back to lookups.
func (r *reader) lookup() (*lookup, error) {
	r.once.Do(func() {
		snapshot, ok := r.index.(*scorch.IndexSnapshot)
		if !ok {
			r.err = errSegment
			return
		}
		r.views, r.err = r.store.rows.views(snapshot, r.dicts.courses)
	})
	if r.err != nil {
		return nil, r.err
	}
	if l, ok := r.lookups.Get().(*lookup); ok {
		return l, nil
	}
	return &lookup{views: r.views, dicts: make([][fieldCount]segment.TermDictionary, len(r.views)), kept: r.store.lists}, nil
}

// refreshEvery is how old a snapshot may get while nothing is written. Bleve goes on merging after the last write; only a newer snapshot has
// fewer segments to look into, and lets go of the files of those that were merged.
const refreshEvery = 5 * time.Second

// refresh takes a newer snapshot of the same content. While somebody writes there is no need.
func (x *Index) refresh() {
	if !x.apply.TryLock() {
		return
	}
	defer x.apply.Unlock()
	old := x.gen // only written under apply
	if old == nil || !old.reader.stale() {
		return
	}
	r, err := x.store.newReader(x.dicts)
	if err != nil {
		x.cfg.Logger.Warn("search: taking a snapshot of the index", slog.Any("error", err))
		return
	}
	if r.index == old.reader.index {
		old.reader.since.Store(r.since.Load())
		r.release()
		return
	}
	x.publish(&generation{reader: r, cols: old.cols, cursor: old.cursor, edit: old.edit}, nil)
}

// acquire returns the current generation; its reader must be released.
func (x *Index) acquire() (*generation, error) {
	x.mu.RLock()
	stale := x.gen != nil && x.gen.reader.stale()
	x.mu.RUnlock()
	if stale {
		x.refresh()
	}
	x.searches.Add(1)
	return x.hold()
}

// hold is acquire for whoever searches for the index's own sake.
func (x *Index) hold() (*generation, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if err := x.ready(); err != nil {
		return nil, err
	}
	x.gen.reader.refs.Add(1)
	return x.gen, nil
}

// publish replaces the generation; readyAt too, unless it is nil. The reader's reference passes over.
func (x *Index) publish(gen *generation, readyAt *coursesync.Seq) {
	gen.id = generations.Add(1)
	x.mu.Lock()
	old, moved := x.gen, x.moved
	x.gen, x.moved = gen, make(chan struct{})
	if readyAt != nil {
		x.readyAt = *readyAt
	}
	x.mu.Unlock()
	close(moved)
	if old != nil {
		old.reader.release()
	}
}
