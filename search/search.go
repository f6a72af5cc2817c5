// Package search finds courses: by words in English, French and Chinese, by filters with exact facet counts, and by what somebody
// begins to type.
//
// # What it holds
//
// An [Index] is a follower of the changelog. On disk it is one bleve (scorch) index that maps terms to courses, with the cursor committed in
// the same batch; it stores no text. In memory, beside it, are columns: one row for each course with all that is filtered, counted and
// sorted by. Columns are made from the catalog when the index is opened. A rating changes a column only; a changed label or name
// indexes the courses anew that bear it.
//
// The folder is a cache (folders.go says what is in it). A torn, foreign or missing index is set aside and built again from the log; meanwhile
// searches answer fault.NotReady. Nothing in it needs a backup, and all of it can be deleted while the program is stopped.
//
// An index that can be read is never taken away before there is a better one: [Index.Reindex], and [Index.Run] when another version of the program
// wrote it, build the next one beside it, compare the two and put one in the other's place between two searches (reindex.go).
//
// # How it searches
//
// A search sees one generation: a snapshot of the index with the columns that belong to it. The words of the query are looked up
// one after another and scored into arrays by row (match.go); then one pass over the rows found applies the filters, counts the facets and
// keeps the best (collect.go). A row that fails exactly one filter still counts in that filter's facet, which makes the counts disjunctive.
// What the caller may not see is dropped before anything is counted. Without words the columns alone answer.
package search

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// retryBuild is what a caller is told while the index is built, in seconds.
const retryBuild = 5

// Config says where an index lives.
type Config struct {
	Dir     string           // the index's folder, made when missing; everything in it can be deleted
	Catalog *catalog.Catalog // whose log is followed and whose texts are shown
	Now     func() time.Time // time.Now when nil
	Logger  *slog.Logger     // slog.Default when nil
	Past    PastQueries      // what callers asked before, to be suggested; nil: nothing
	Without []Rule           // rules that are switched off, to measure what they are good for
}

// Index is the open search index. Its methods are safe for concurrent use.
type Index struct {
	cfg       Config
	ranking   *ranking
	admission *admission
	pool      sync.Pool        // *scratch
	results   *cache[*outcome] // of generations
	filters   *cache[[]uint64] // of columns
	counts    *cache[[]int32]  // of columns
	sights    *cache[sight]    // of columns
	dicts     *dicts           // shared by all indexes that come one after another

	suggestions *cache[[]Suggestion]
	past        *cache[bool] // whether a past query finds something
	heavy       heavy

	searches atomic.Uint64 // that have begun
	outdated atomic.Bool   // another version wrote what is served
	rebuild  rebuild

	apply       sync.Mutex // held by whoever writes
	store       *store
	journal     journal
	replayUntil coursesync.Seq // up to there the columns may be ahead of the index
	resets      int

	mu      sync.RWMutex // guards what follows
	gen     *generation
	moved   chan struct{} // closed when gen is replaced
	readyAt coursesync.Seq
	closed  bool
}

// Open opens or makes an index. One that cannot be used is set aside, with a line in the log, and is built again by following.
// Errors: fault.Locked when another process holds it; others when the folder cannot be written.
func Open(cfg Config) (*Index, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	x := &Index{
		cfg: cfg, ranking: newRanking(cfg.Without), admission: newAdmission(), moved: make(chan struct{}), results: newResults(), filters: newFilters(), counts: newCounts(),
		sights: newSights(), suggestions: newSuggestions(), past: newPast(), heavy: newHeavy(), dicts: newDicts(),
	}
	x.rebuild.asked = make(chan bool, 1)
	s, err := openLive(cfg.Dir)
	if fault.Is(err, fault.Locked) {
		return nil, err
	}
	if err != nil {
		if highest, _, _ := numbers(cfg.Dir); highest > 0 || !errors.Is(err, fs.ErrNotExist) {
			cfg.Logger.Warn("search: the index cannot be used and is built again", slog.Any("error", err))
		}
		if s, err = createLive(cfg.Dir, ""); err != nil {
			return nil, fault.Wrap("search.Open", fault.Internal, err)
		}
	}
	if err := sweep(cfg.Dir, filepath.Base(s.path)); err != nil {
		cfg.Logger.Warn("search: what an unfinished build left cannot be removed", slog.Any("error", err))
	}
	if err := x.begin(context.Background(), s); err != nil {
		return nil, errors.Join(err, s.bleve.Close())
	}
	return x, nil
}

// begin starts to serve a store: with columns from the catalog when it holds something of this log.
func (x *Index) begin(ctx context.Context, s *store) error {
	log := x.cfg.Catalog.Log()
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	x.store, x.replayUntil = s, 0
	x.outdated.Store(s.version != ownVersion)
	readyAt := head
	cols := newColumns()
	served, err := serves(ctx, log, s.cursor) // else following will start over, and what an index from before a restore says is wrong meanwhile
	if err != nil {
		return err
	}
	if served {
		if cols, err = loadColumns(ctx, x.cfg.Catalog, x.dicts); err != nil {
			return err
		}
		if x.replayUntil, err = log.Head(ctx); err != nil {
			return err
		}
		readyAt = s.cursor.Seq
	}
	reader, err := s.newReader(x.dicts)
	if err != nil {
		return err
	}
	if _, err := reader.lookup(); err != nil {
		return err
	}
	if err := x.dicts.words.load(reader.views); err != nil {
		return err
	}
	gen := &generation{reader: reader, cols: cols, cursor: s.cursor}
	if x.gen != nil { // only written under apply
		gen.edit = x.gen.edit + unknownEdit
	}
	x.publish(gen, &readyAt)
	return nil
}

// Close closes the files; it is idempotent. Searches under way finish, a build is given up.
func (x *Index) Close() error {
	x.rebuild.close()
	x.apply.Lock()
	defer x.apply.Unlock()
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return nil
	}
	x.closed = true
	gen := x.gen
	x.gen = nil
	close(x.moved)
	x.mu.Unlock()
	gen.reader.release()
	return x.store.bleve.Close()
}

// Name implements coursesync.Follower.
func (x *Index) Name() string { return "search" }

// Cursor implements coursesync.Follower.
func (x *Index) Cursor(context.Context) (coursesync.Cursor, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.closed {
		return coursesync.Cursor{}, errClosed()
	}
	return x.gen.cursor, nil
}

// Reset implements coursesync.Follower: it forgets everything. Searches answer fault.NotReady until all is there again.
func (x *Index) Reset(ctx context.Context) error {
	x.apply.Lock()
	defer x.apply.Unlock()
	if x.isClosed() {
		return errClosed()
	}
	if err := x.store.bleve.Close(); err != nil {
		x.cfg.Logger.WarnContext(ctx, "search: closing the index to build it again", slog.Any("error", err))
	}
	x.resets++ // what is being built is of no use any more
	s, err := createLive(x.cfg.Dir, filepath.Base(x.store.path))
	if err != nil {
		return fault.Wrap("search.Reset", fault.Internal, err)
	}
	return x.begin(ctx, s)
}

func (x *Index) isClosed() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.closed
}

func errClosed() error { return fault.New("search", fault.NotReady, "retry_after", retryBuild) }

// Ready returns nil when searches are answered; fault.NotReady, with "retry_after", while the first build is under way.
func (x *Index) Ready() error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.ready()
}

// ready is Ready under mu.
func (x *Index) ready() error {
	if x.closed || x.gen.cursor.Seq < x.readyAt {
		return fault.New("search", fault.NotReady, "retry_after", retryBuild)
	}
	return nil
}

// WaitFor returns when the index has read up to seq; fault.StaleRead when ctx ends first.
func (x *Index) WaitFor(ctx context.Context, seq coursesync.Seq) error {
	for {
		x.mu.RLock()
		closed, moved := x.closed, x.moved
		reached := !closed && x.gen.cursor.Seq >= seq
		x.mu.RUnlock()
		switch {
		case closed:
			return errClosed()
		case reached:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fault.Wrap("search.WaitFor", fault.StaleRead, ctx.Err(), "retry_after", retryAfter)
		}
	}
}
