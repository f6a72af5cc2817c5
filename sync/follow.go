package sync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	stdsync "sync"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

// How a follower is fed.
const (
	// followBatch is how many changes a follower gets at once: its transaction and its memory grow with it.
	followBatch = ReadChunk
	// followBytes ends a batch earlier: so many bytes of bodies, which for texts is a few hundred lessons.
	followBytes = readChunkBytes
	// firstBackoff and lastBackoff bound the waits after a failure: doubled from one to the other, with up to half of it again at random, so
	// that followers that failed together do not come back together.
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

// Progress says how far a follower is. It is safe for concurrent use; its zero value is ready.
type Progress struct {
	mu    stdsync.Mutex
	state ProgressState
}

// ProgressState is a follower's progress at one moment.
type ProgressState struct {
	Cursor   Seq   // up to where it has derived
	Head     Seq   // of the log, when it last looked; Head − Cursor is no count of changes, Seqs have gaps
	CaughtUp bool  // it has derived all that there was when it last looked
	Err      error // of the last attempt; nil when it went well
	Resets   int   // how often it started over
}

// State returns the progress now.
func (p *Progress) State() ProgressState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *Progress) update(fn func(s *ProgressState)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(&p.state)
}

// Follow brings a follower up to the log's head and keeps it there until ctx ends, whose error it returns, or the log is closed
// (fault.NotReady). A follower that fails is tried again, with growing waits; one whose cursor the log cannot serve starts over. p may be nil.
//
// A cursor cannot be served when it names another log, is past the head, or is below the floor: then tombstones are gone that the follower never
// saw. A follower on its first pass has nothing that a tombstone could remove but what it got in this pass, so only those count that are
// younger than the head at which the pass began; when the process ends within the pass, that head is forgotten and the pass may begin anew.
func Follow(ctx context.Context, log Log, f Follower, p *Progress) error {
	fo := newFollow(log, f, p)
	for wait := firstBackoff; ; {
		err := fo.catchUp(ctx)
		fo.p.update(func(s *ProgressState) { s.Err = err })
		if err == nil {
			wait = firstBackoff
			err = log.Wait(ctx, fo.at)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			continue
		case logClosed(ctx, log):
			return err
		}
		slog.Default().LogAttrs(ctx, slog.LevelError, "a follower failed and will be tried again",
			slog.String("follower", f.Name()), slog.Duration("after", wait), slog.Any("error", err))
		if err := pause(ctx, wait+rand.N(wait/2)); err != nil { //nolint:gosec // jitter is no secret
			return err
		}
		wait = min(2*wait, lastBackoff)
	}
}

// CatchUp brings a follower up to the head at the moment of the call and returns; or the first error.
func CatchUp(ctx context.Context, log Log, f Follower) error {
	return newFollow(log, f, nil).catchUp(ctx)
}

// logClosed asks the log itself: a follower's own error may look the same.
func logClosed(ctx context.Context, log Log) bool {
	_, err := log.Head(ctx)
	return fault.Is(err, fault.NotReady)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// follow is one follower on its way.
type follow struct {
	log  Log
	f    Follower
	p    *Progress
	at   Seq // the follower's cursor
	base Seq // the head when its first pass began; 0 when that was not seen
}

func newFollow(log Log, f Follower, p *Progress) *follow {
	if p == nil {
		p = &Progress{}
	}
	return &follow{log: log, f: f, p: p}
}

// errMissed says that tombstones were purged before the follower got them.
var errMissed = errors.New("the log has lost what the follower has not read")

// catchUp applies all up to the head.
func (fo *follow) catchUp(ctx context.Context) error {
	if err := fo.start(ctx); err != nil {
		return err
	}
	for {
		head, err := fo.log.Head(ctx)
		if err != nil {
			return err
		}
		fo.p.update(func(s *ProgressState) { s.Cursor, s.Head, s.CaughtUp = fo.at, head, fo.at >= head })
		if fo.at >= head {
			return nil
		}
		err = fo.pass(ctx, head)
		if errors.Is(err, errMissed) {
			err = fo.start(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// pass reads once up to the head, or a little further, and applies. When it ends, the cursor is there, whether or not something was left to apply:
// compaction and purging leave gaps, even at the end.
func (fo *follow) pass(ctx context.Context, head Seq) error {
	var batch []Change
	size := 0
	for c, err := range fo.log.Read(ctx, fo.at) {
		if err != nil {
			return err
		}
		if len(batch) == followBatch || size >= followBytes {
			if err := fo.apply(ctx, batch, batch[len(batch)-1].Seq); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch = append(batch, c)
		size += len(c.Body)
	}
	if len(batch) > 0 {
		head = max(head, batch[len(batch)-1].Seq)
	}
	return fo.apply(ctx, batch, head)
}

// apply gives the follower a batch. The floor is looked at after the batch was read, so that no purge falls between.
func (fo *follow) apply(ctx context.Context, batch []Change, next Seq) error {
	floor, err := fo.log.Floor(ctx, "")
	if err != nil {
		return err
	}
	if floor > max(fo.at, fo.base) {
		return errMissed
	}
	if err := fo.f.Apply(ctx, batch, Cursor{Log: fo.log.ID(), Seq: next}); err != nil {
		return fmt.Errorf("%s: %w", fo.f.Name(), err)
	}
	fo.at = next
	fo.p.update(func(s *ProgressState) { s.Cursor, s.Head = next, max(s.Head, next) })
	return nil
}

// start finds the place to go on from, after a reset where that is needed.
func (fo *follow) start(ctx context.Context) error {
	ok, err := fo.locate(ctx)
	if ok || err != nil {
		return err
	}
	slog.Default().LogAttrs(ctx, slog.LevelWarn, "a follower starts over", slog.String("follower", fo.f.Name()))
	if err := fo.f.Reset(ctx); err != nil {
		return fmt.Errorf("%s: %w", fo.f.Name(), err)
	}
	fo.p.update(func(s *ProgressState) { s.Resets++ })
	if ok, err = fo.locate(ctx); !ok && err == nil {
		err = fmt.Errorf("%s: its reset left a cursor that the log cannot serve", fo.f.Name())
	}
	return err
}

// locate takes the follower's cursor, and reports whether the log can serve it.
func (fo *follow) locate(ctx context.Context) (bool, error) {
	cursor, err := fo.f.Cursor(ctx)
	if err != nil {
		return false, fmt.Errorf("%s: %w", fo.f.Name(), err)
	}
	head, err := fo.log.Head(ctx)
	if err != nil {
		return false, err
	}
	if cursor == (Cursor{}) {
		fo.at, fo.base = 0, head
		return true, nil
	}
	if cursor.Log != fo.log.ID() || cursor.Seq > head {
		return false, nil
	}
	floor, err := fo.log.Floor(ctx, "")
	if err != nil {
		return false, err
	}
	fo.at = cursor.Seq
	return floor <= max(fo.at, fo.base), nil
}
