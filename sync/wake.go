package sync

import (
	"context"
	stdsync "sync"
)

// broadcast wakes all who wait, again and again.
type broadcast struct {
	mu stdsync.Mutex
	ch chan struct{}
}

func (b *broadcast) init() { b.ch = make(chan struct{}) }

// next returns a channel that is closed by the next wake.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// life says whether a log is open.
type life struct {
	once   stdsync.Once
	closed chan struct{}
}

func (l *life) init() { l.closed = make(chan struct{}) }

// end closes, and reports whether this was the first time.
func (l *life) end() bool {
	first := false
	l.once.Do(func() {
		first = true
		close(l.closed)
	})
	return first
}

func (l *life) over() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// waitPast waits until head is past a Seq, ctx ends or the log is closed.
func waitPast(ctx context.Context, past Seq, head func() Seq, news *broadcast, l *life) error {
	for {
		next := news.next() // before head is read, so that no news falls between
		if head() > past {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closed:
			return closedError("sync.Wait")
		}
	}
}
