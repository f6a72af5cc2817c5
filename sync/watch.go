package sync

import (
	"context"
	"errors"
	stdsync "sync"
)

// errClosed is what waiters get when the log closes.
var errClosed = errors.New("sync: the log is closed")

// watched is a Seq that can be waited for.
type watched struct {
	mu     stdsync.Mutex
	seq    Seq
	moved  chan struct{} // closed when seq moves; nil while nobody waits
	closed bool
}

func (w *watched) get() Seq {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

func (w *watched) set(s Seq) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq = s
	w.wake()
}

func (w *watched) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake()
}

func (w *watched) wake() {
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
}

func (w *watched) wait(ctx context.Context, past Seq) error {
	for {
		w.mu.Lock()
		if w.seq > past || w.closed {
			closed := w.closed && w.seq <= past
			w.mu.Unlock()
			if closed {
				return errClosed
			}
			return ctx.Err()
		}
		if w.moved == nil {
			w.moved = make(chan struct{})
		}
		moved := w.moved
		w.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
