package search

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/carrel-lms/carrel/fault"
)

// How searches share the machine. A search that turns out to be expensive gives its place to others and goes on in the slow lane, which is so
// narrow that cheap searches always find room.
const (
	// searchesPerCPU run at once: they compute and wait for nothing, so more would only make all of them slower.
	searchesPerCPU = 2
	// maxWaiting searches wait for their turn; who comes later does better to come back.
	maxWaiting = 64
	// maxWait is how long one waits for its turn: longer, and the caller has typed on.
	maxWait = 250 * time.Millisecond
	// slowAfter is when a search is expensive: ten times as long as usual.
	slowAfter = 30 * time.Millisecond
	// maxSlow expensive searches wait for the slow lane; each holds memory for every course.
	maxSlow = 8
	// maxDuration ends a search that takes too long. It is far above what any sensible one takes.
	maxDuration = 2 * time.Second
	// maxWork ends one that looks too much up, in lists of documents and multiples of postingsPerWork of them: a hundred times what a long
	// query over half a million courses takes.
	maxWork = 4_000_000
	// postingsPerWork documents take as long to read as a list takes to find.
	postingsPerWork = 256
	// checkEvery is how much work is done between two looks at the clock.
	checkEvery = 256
	// retryAfter is what a caller is told who was refused, in seconds.
	retryAfter = 1
)

// admission lets searches in.
type admission struct {
	slots, slow *semaphore.Weighted
	queue       atomic.Int32 // searches that run or wait
	slowQueue   atomic.Int32 // of those, in the slow lane or waiting for it
}

func newAdmission() *admission {
	cpus := runtime.GOMAXPROCS(0)
	return &admission{slots: semaphore.NewWeighted(int64(searchesPerCPU * cpus)), slow: semaphore.NewWeighted(int64(max(1, cpus/2)))}
}

// turn is a search's permission to run.
type turn struct {
	a       *admission
	ctx     context.Context
	since   time.Time
	slow    bool
	lost    bool // it has no place any more
	worked  int
	checkAt int
}

func overloaded() error {
	return fault.New("search.Search", fault.Overloaded, "retry_after", retryAfter)
}

// admit waits for a turn to search; it must be ended.
func (a *admission) admit(ctx context.Context) (*turn, error) {
	if int(a.queue.Add(1)) > maxWaiting+searchesPerCPU*runtime.GOMAXPROCS(0) {
		a.queue.Add(-1)
		return nil, overloaded()
	}
	wait, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if err := a.slots.Acquire(wait, 1); err != nil {
		a.queue.Add(-1)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, overloaded()
	}
	return &turn{a: a, ctx: ctx, since: time.Now()}, nil
}

// end gives the place back.
func (t *turn) end() {
	switch {
	case t.slow:
		t.a.slow.Release(1)
		t.a.slowQueue.Add(-1)
	case !t.lost:
		t.a.slots.Release(1)
	}
	t.a.queue.Add(-1)
}

// work counts what a search does, and now and then looks whether it may go on.
func (t *turn) work(n int) error {
	if t.worked += n; t.worked < t.checkAt {
		return nil
	}
	t.checkAt = t.worked + checkEvery
	switch {
	case t.ctx.Err() != nil:
		return t.ctx.Err()
	case t.worked > maxWork:
		return fault.New("search.Search", fault.QueryTooBroad)
	case !t.slow && time.Since(t.since) > slowAfter:
		return t.moveOver()
	}
	return nil
}

// moveOver goes to the slow lane.
func (t *turn) moveOver() error {
	if t.a.slowQueue.Add(1) > maxSlow {
		t.a.slowQueue.Add(-1)
		return overloaded()
	}
	t.a.slots.Release(1)
	if err := t.a.slow.Acquire(t.ctx, 1); err != nil {
		t.a.slowQueue.Add(-1)
		t.lost = true
		return err
	}
	t.slow = true
	return nil
}

// deadline turns the end of a search's own time into an answer.
func deadline(parent context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && parent.Err() == nil {
		return fault.Wrap("search.Search", fault.Overloaded, err, "retry_after", retryAfter)
	}
	return err
}
