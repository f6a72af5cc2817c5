// Package insight counts what is searched for: which queries, which of them find nothing, and what is chosen from what they find; by organization,
// language and day. Administrators read reports of it, and suggestions complete what is typed with queries that others asked with success.
//
// # What it holds
//
// One bbolt file, insight.db, that nothing else depends on: it can be deleted while the program is stopped. One that is damaged is set aside, with a
// line in the log, and counting begins anew. The file has numbers by day and texts of queries, and nothing about who asked: DESIGN.md says what is
// kept from whom, and why.
//
// # How it counts
//
// [Store.Searched] and [Store.Event] put a record into a bounded queue and return; when it is full the record is dropped, and that is counted. [Store.Run]
// adds the records up and writes them once a second, in one transaction. So a search is never slower or less certain for being counted, and a
// process that is killed loses the last few seconds of statistics.
package insight

import (
	"container/list"
	"context"
	"hash/maphash"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

const (
	// KeepDays is how long numbers and texts are kept: a season of teaching, which is what curation looks back on.
	KeepDays = 90
	// MinCallers is how many different callers of an organization must have asked a query before it is suggested to others of it.
	MinCallers = 5

	// maxText bounds the characters of a query that is kept. A longer one was pasted: it is nobody's typical query, and more likely to be private.
	maxText = 80
	// maxHits bounds the hits remembered of a page: no page is larger.
	maxHits = 100
	// maxPosition bounds the position of a click: nobody scrolls so far.
	maxPosition = 10_000
	// maxName bounds the bytes of an organization's id in a key of the file; the catalog allows 128 characters.
	maxName = 255
	// writeEvery is how often records are written: the most that is lost when the process is killed, together with settleFor.
	writeEvery = time.Second
	// settleFor is how long a search waits to be counted, so that what somebody types letter by letter counts as one search.
	settleFor = 2 * time.Second
	// recentTTL is how long after a search a click still belongs to it.
	recentTTL = 30 * time.Minute
	// sweepEvery is how often old days are cleared away, beside each midnight (UTC).
	sweepEvery = time.Hour
	// warnEvery spaces the lines in the log while the file cannot be written.
	warnEvery = time.Minute
	// lockTimeout is how long Open waits for another process: the changelog, opened before, was free.
	lockTimeout = time.Second
)

// bounds are the limits that tests make smaller.
type bounds struct {
	queue    int // records that wait to be written, at about 250 bytes
	settling int // searches that wait to be counted
	recent   int // searches that a click can still belong to, at about 500 bytes
	pending  int // queries whose callers are being counted, at about 400 bytes
	orgs     int // organizations
	rowsDay  int // different queries of an organization, language and day, while the day lasts
	rowsOver int // how many more there may be before the rarest are dropped: it would cost too much to do it for each one
	rowsPast int // what remains of them when the day is over
	rows     int // in all, at about 150 bytes on disk
	shared   int // queries to suggest, in all; they are in memory too
	sharedIn int // of them in one organization and language
}

var defaultBounds = bounds{
	queue: 8192, settling: 10_000, recent: 20_000, pending: 20_000, orgs: 500,
	rowsDay: 2000, rowsOver: 500, rowsPast: 500, rows: 500_000, shared: 50_000, sharedIn: 1000,
}

// Config says where the statistics live.
type Config struct {
	Path   string           // the file, made when missing
	Now    func() time.Time // time.Now when nil
	Logger *slog.Logger     // slog.Default when nil
}

// Store is the open statistics. Its methods are safe for concurrent use.
type Store struct {
	cfg    Config
	bounds bounds
	seed   maphash.Seed // of callers and hits: of this process alone, and never written
	queue  chan record
	wake   chan struct{} // the queue is half full
	asked  *recent
	counts counters

	mu     sync.RWMutex // guards db and closed: readers hold it while they read
	db     *bolt.DB
	closed bool

	work     sync.Mutex // held by whoever writes; guards what follows
	settling map[uint64]record
	batch    *batch
	pending  *pending
	orgs     map[catalog.OrgID]day
	swept    time.Time
	sweptDay day
	warned   time.Time
	renewals int

	shelf  sync.RWMutex // guards shared, which moves after a commit only
	shared map[group]map[string]shared
	total  int // of shared

	reading chan struct{} // holds one token for each report under way
}

// counters are what Stats tells.
type counters struct{ written, dropped, refused, merged, unmatched, private atomic.Uint64 }

// Stats says how the counting goes.
type Stats struct {
	Written   uint64 // records that are in the file
	Dropped   uint64 // records lost because the queue was full or the file could not be written
	Refused   uint64 // records of one organization, or new queries of one day, too many
	Merged    uint64 // searches that were letters on the way to the next one
	Unmatched uint64 // events of a query or a course that is not remembered
	Private   uint64 // searches counted without their text, because it looks like somebody's own
	FileBytes int64
}

// Open opens or makes the file. One that cannot be used is set aside, with a line in the log.
// Errors: fault.Locked when another process holds it; others when the folder cannot be written.
func Open(cfg Config) (*Store, error) { return open(cfg, defaultBounds) }

func open(cfg Config, b bounds) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	s := &Store{
		cfg: cfg, bounds: b, seed: maphash.MakeSeed(), queue: make(chan record, b.queue), wake: make(chan struct{}, 1),
		settling: map[uint64]record{}, batch: newBatch(), pending: &pending{max: b.pending, byKey: map[sharedKey]*list.Element{}, order: list.New()},
		reading: make(chan struct{}, reportsAtOnce),
	}
	s.asked = newRecent(b.recent, cfg.Now)
	return s, s.load()
}

// Run counts and writes until ctx ends. What waits then is written by [Store.Close].
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		s.write(false)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// Flush counts and writes everything that waits, so that a report shows it.
func (s *Store) Flush() { s.write(true) }

// Close writes what waits and closes the file. It is idempotent; what is recorded afterwards is dropped.
func (s *Store) Close() error {
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return nil
	}
	s.Flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.db == nil {
		return nil // it was never opened
	}
	return s.db.Close()
}

// Stats returns the counters since the start, and the size of the file.
func (s *Store) Stats() Stats {
	c := &s.counts
	st := Stats{
		Written: c.written.Load(), Dropped: c.dropped.Load(), Refused: c.refused.Load(), Merged: c.merged.Load(),
		Unmatched: c.unmatched.Load(), Private: c.private.Load(),
	}
	if info, err := os.Stat(s.cfg.Path); err == nil {
		st.FileBytes = info.Size()
	}
	return st
}

// view reads the file.
func (s *Store) view(fn func(tx *bolt.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fault.New("insight.view", fault.NotReady)
	}
	return guard(func() error { return s.db.View(fn) })
}
