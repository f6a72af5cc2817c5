package sync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	stdsync "sync"
	"time"
)

const (
	// followBatch is how many changes a follower gets at once: its transaction and its memory grow with it.
	followBatch = ReadChunk
	// The waits after a failed Apply: doubled from the first to the last, with up to half of it again at random.
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
	Err      error // of the last Apply; nil when it went well
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

// Follow brings a follower up to the log's head and keeps it there until ctx ends, whose error it returns. A follower that fails is tried again,
// with growing waits; one whose cursor the log cannot serve (another log, a place past the head, tombstones purged since) starts over. p may be nil.
func Follow(ctx context.Context, log Log, f Follower, p *Progress) error {
	return (&follow{log: log, f: f, p: orNew(p)}).run(ctx, false)
}

// CatchUp brings a follower up to the head at the moment of the call and returns; or the first error.
func CatchUp(ctx context.Context, log Log, f Follower) error {
	return (&follow{log: log, f: f, p: &Progress{}}).run(ctx, true)
}

func orNew(p *Progress) *Progress {
	if p == nil {
		return &Progress{}
	}
	return p
}

// follow is one follower on its way.
type follow struct {
	log Log
	f   Follower
	p   *Progress
}

func (fo *follow) run(ctx context.Context, once bool) error {
	wait := firstBackoff
	for {
		at, err := fo.catchUp(ctx)
		fo.p.update(func(s *ProgressState) { s.Err = err })
		if err == nil {
			if once {
				return nil
			}
			wait = firstBackoff
			err = fo.log.Wait(ctx, at)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue
		}
		if once || errors.Is(err, errClosed) {
			return err
		}
		slog.Default().LogAttrs(ctx, slog.LevelError, "sync: a follower failed and will be tried again",
			slog.String("follower", fo.f.Name()), slog.Duration("after", wait), slog.Any("error", err))
		if err := pause(ctx, wait+rand.N(wait/2)); err != nil { //nolint:gosec // jitter is no secret
			return err
		}
		wait = min(2*wait, lastBackoff)
	}
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

// catchUp applies all up to the head, and returns that.
func (fo *follow) catchUp(ctx context.Context) (Seq, error) {
	at, err := fo.start(ctx)
	if err != nil {
		return 0, err
	}
	for {
		head, err := fo.log.Head(ctx)
		if err != nil {
			return 0, err
		}
		fo.p.update(func(s *ProgressState) { s.Cursor, s.Head, s.CaughtUp = at, head, at >= head })
		if at >= head {
			return at, nil
		}
		if at, err = fo.pass(ctx, at, head); err != nil {
			return 0, err
		}
	}
}

// pass applies one pass of reading, up to head.
func (fo *follow) pass(ctx context.Context, at, head Seq) (Seq, error) {
	batch := make([]Change, 0, followBatch)
	apply := func(next Seq) error {
		if err := fo.f.Apply(ctx, batch, Cursor{fo.log.ID(), next}); err != nil {
			return fmt.Errorf("%s: %w", fo.f.Name(), err)
		}
		at, batch = next, batch[:0]
		fo.p.update(func(s *ProgressState) { s.Cursor, s.Head = at, max(head, at) })
		return nil
	}
	for c, err := range fo.log.Read(ctx, at) {
		if err != nil {
			return at, err
		}
		if len(batch) == followBatch {
			if err := apply(batch[len(batch)-1].Seq); err != nil {
				return at, err
			}
		}
		batch = append(batch, c)
	}
	if len(batch) > 0 {
		head = max(head, batch[len(batch)-1].Seq)
	}
	err := apply(head)
	return at, err
}

// start returns the place to go on from, after a reset where that is needed.
func (fo *follow) start(ctx context.Context) (Seq, error) {
	cursor, err := fo.f.Cursor(ctx)
	if err != nil {
		return 0, err
	}
	head, err := fo.log.Head(ctx)
	if err != nil {
		return 0, err
	}
	if cursor == (Cursor{}) {
		return 0, nil
	}
	lost := cursor.Log != fo.log.ID() || cursor.Seq > head
	if !lost {
		floor, err := fo.log.Floor(ctx, "")
		if err != nil {
			return 0, err
		}
		lost = cursor.Seq < floor
	}
	if !lost {
		return cursor.Seq, nil
	}
	if err := fo.f.Reset(ctx); err != nil {
		return 0, err
	}
	fo.p.update(func(s *ProgressState) { s.Resets++ })
	cursor, err = fo.f.Cursor(ctx)
	return cursor.Seq, err
}
