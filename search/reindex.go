package search

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

// ReindexState says what the last rebuild is at.
type ReindexState string

// The states of a rebuild. After the last three the next one can begin.
const (
	ReindexIdle      ReindexState = "idle"      // there was none since the program started
	ReindexBuilding  ReindexState = "building"  // documents are made, then the log is followed
	ReindexComparing ReindexState = "comparing" // both indexes answer the same questions
	ReindexDone      ReindexState = "done"      // the new index is served
	ReindexRefused   ReindexState = "refused"   // it answers too differently, the old one is served
	ReindexFailed    ReindexState = "failed"    // the old one is served
)

// ReindexStates lists them.
func ReindexStates() []ReindexState {
	return []ReindexState{ReindexIdle, ReindexBuilding, ReindexComparing, ReindexDone, ReindexRefused, ReindexFailed}
}

// ReindexStatus says how far a rebuild is.
type ReindexStatus struct {
	State              ReindexState
	Documents          int       // made so far
	Of                 int       // courses when it began
	StartedAt, EndedAt time.Time // zero: not yet
	Err                error     // why it was refused (fault.IndexShifted) or failed
}

// Running reports whether the rebuild is under way.
func (s *ReindexStatus) Running() bool {
	return s.State == ReindexBuilding || s.State == ReindexComparing
}

// rebuild is the one rebuild that there can be at a time.
type rebuild struct {
	asked chan bool // for Run: begin one; forced?

	mu     sync.Mutex
	status ReindexStatus
	closed bool
	cancel context.CancelFunc // of the one under way
	done   chan struct{}      // closed when that has ended
}

// begin reserves the turn. Errors: fault.ReindexRunning.
func (r *rebuild) begin(now time.Time, courses int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return errClosed()
	case r.status.Running():
		return fault.New("search.Reindex", fault.ReindexRunning)
	}
	r.status = ReindexStatus{State: ReindexBuilding, Of: courses, StartedAt: now}
	return nil
}

// enter notes how to stop the work, which begins now.
func (r *rebuild) enter(cancel context.CancelFunc) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed()
	}
	r.cancel, r.done = cancel, make(chan struct{})
	return nil
}

func (r *rebuild) update(fn func(s *ReindexStatus)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.status)
}

// end notes the outcome.
func (r *rebuild) end(now time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.State, r.status.Err, r.status.EndedAt = ReindexDone, err, now
	switch {
	case fault.Is(err, fault.IndexShifted):
		r.status.State = ReindexRefused
	case err != nil:
		r.status.State = ReindexFailed
	}
	if r.done != nil {
		close(r.done)
	}
	r.cancel, r.done = nil, nil
}

// close stops the work under way, waits for its end, and lets nothing begin any more.
func (r *rebuild) close() {
	r.mu.Lock()
	r.closed = true
	cancel, done := r.cancel, r.done
	r.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// Outdated reports whether another version of the program wrote the index that is served. It is right about nearly everything.
func (x *Index) Outdated() bool { return x.outdated.Load() }

// ReindexStatus says how far the last rebuild is.
func (x *Index) ReindexStatus() ReindexStatus {
	x.rebuild.mu.Lock()
	defer x.rebuild.mu.Unlock()
	s := x.rebuild.status
	if s.State == "" {
		s.State = ReindexIdle
	}
	return s
}

// Run rebuilds the index in the background, when [Index.StartReindex] asks for it and, once at the start, when another version of the program wrote
// it. It returns when ctx ends, with its error. An index that is refused is not tried again before the next start.
func (x *Index) Run(ctx context.Context) error {
	if x.Outdated() {
		x.cfg.Logger.InfoContext(ctx, "search: another version wrote the index; it is served until a new one is built beside it")
		if _, err := x.StartReindex(false); err != nil {
			x.cfg.Logger.WarnContext(ctx, "search: the index is not rebuilt", slog.Any("error", err))
		}
	}
	for {
		select {
		case forced := <-x.rebuild.asked:
			_ = x.reindex(ctx, forced) // the status keeps it
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// StartReindex lets [Index.Run] rebuild the index and returns at once. Errors: fault.ReindexRunning; fault.NotReady while the index is
// built for the first time.
func (x *Index) StartReindex(forced bool) (ReindexStatus, error) {
	if err := x.beginReindex(); err != nil {
		return ReindexStatus{}, err
	}
	x.rebuild.asked <- forced // there is room: whoever was before has ended
	return x.ReindexStatus(), nil
}

// Reindex builds a new index beside the one that is served, compares the two, and lets the new one take its place. When it answers more than a
// tenth differently and that is not forced, the old one stays. Somebody must go on feeding the index meanwhile, or it be at the head of the log.
// Errors: fault.IndexShifted, fault.ReindexRunning, fault.DiskFull, fault.NotReady while the index is built for the first time.
func (x *Index) Reindex(ctx context.Context, forced bool) error {
	if err := x.beginReindex(); err != nil {
		return err
	}
	return x.reindex(ctx, forced)
}

func (x *Index) beginReindex() error {
	gen, err := x.hold()
	if err != nil {
		return err
	}
	defer gen.reader.release()
	return x.rebuild.begin(x.cfg.Now(), gen.cols.courses())
}

// reindex does what was begun.
func (x *Index) reindex(ctx context.Context, forced bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := x.rebuild.enter(cancel)
	if err == nil {
		err = x.replace(ctx, forced)
	}
	x.rebuild.end(x.cfg.Now(), err)
	s := x.ReindexStatus()
	switch {
	case err == nil:
		x.cfg.Logger.InfoContext(ctx, "search: a new index is served", slog.Int("documents", s.Documents), slog.Duration("after", s.EndedAt.Sub(s.StartedAt)))
	case ctx.Err() == nil:
		x.cfg.Logger.ErrorContext(ctx, "search: the index was not replaced, the old one is served", slog.Any("error", err))
	}
	return err
}

// replace builds, compares and swaps. Whatever happens before the swap leaves nothing behind.
func (x *Index) replace(ctx context.Context, forced bool) (err error) {
	b, err := x.newBuilder()
	if err != nil {
		return asFault(err)
	}
	defer func() {
		if b != nil {
			err = errors.Join(err, b.store.retire())
		}
	}()
	if err := b.fill(ctx); err != nil {
		return asFault(err)
	}
	x.rebuild.update(func(s *ReindexStatus) { s.State = ReindexComparing })
	if err := x.compare(ctx, b); err != nil {
		if !forced || !fault.Is(err, fault.IndexShifted) {
			return asFault(err)
		}
		x.cfg.Logger.WarnContext(ctx, "search: the new index answers differently, and is served because that was forced", slog.Any("error", err))
	}
	if err := x.swap(ctx, b); err != nil {
		return asFault(err)
	}
	b = nil
	return nil
}

// swap puts the new index in the old one's place. Searches under way end on the old one, whose files go with the last of them.
func (x *Index) swap(ctx context.Context, b *builder) error {
	for {
		if err := b.catchUp(ctx); err != nil {
			return err
		}
		old, err := x.trySwap(ctx, b)
		if err != nil {
			return err
		}
		if old != nil {
			if err := old.retire(); err != nil {
				x.cfg.Logger.WarnContext(ctx, "search: removing the old index", slog.Any("error", err))
			}
			return nil
		}
	}
}

// trySwap is swap while nothing is written. It returns the old index, or nil when the log has run too far ahead meanwhile.
func (x *Index) trySwap(ctx context.Context, b *builder) (*store, error) {
	x.apply.Lock()
	defer x.apply.Unlock()
	if x.isClosed() {
		return nil, errClosed()
	}
	gen := x.gen // only written under apply
	caughtUp, err := b.finish(ctx, gen)
	if err != nil || !caughtUp {
		return nil, err
	}
	r, err := b.store.newReader(x.dicts)
	if err != nil {
		return nil, err
	}
	_, err = r.lookup() // else the first search would do it, and all others wait for it
	if err == nil {
		err = b.store.settle()
	}
	if err == nil {
		err = writeLive(x.cfg.Dir, filepath.Base(b.store.path))
	}
	if err != nil {
		r.release()
		return nil, err
	}
	old := x.store
	x.store = b.store
	x.outdated.Store(false)
	x.publish(&generation{reader: r, cols: gen.cols, cursor: gen.cursor, edit: gen.edit + unknownEdit}, nil) // it may be ahead of the old one
	return old, nil
}

// asFault gives an error of a build its code.
func asFault(err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case diskFull(err):
		return fault.Wrap("search.Reindex", fault.DiskFull, err).WithFix("make room on the disk and begin again: the new index needs as much as the old one")
	}
	return fault.Wrap("search.Reindex", fault.Internal, err)
}

// diskFull reports whether an error says that there is no room. Some of bleve's carry the words only.
func diskFull(err error) bool {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT} {
		if errors.Is(err, full) || strings.HasSuffix(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}
