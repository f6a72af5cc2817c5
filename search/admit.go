package search

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
)

// How searches share the machine. A search that is or turns out to be expensive goes to the slow lane, which is so narrow that cheap searches always
// find room.
const (
	// searchesPerCPU run at once: they compute and wait for nothing, so more would only make all of them slower.
	searchesPerCPU = 1
	// maxWaiting searches run or wait for their turn: a class that opens the same page at once is served. Who comes later does better to come back.
	maxWaiting = 256
	// maxWait is how long one waits for its turn when many come at once; crowdedWait when there has been a queue for crowdedAfter: then more come than
	// can be served, and who waits long would only make those behind wait too. It stays so until nobody had to be refused for calmAfter: with the first
	// place that is free again the queue would only grow anew.
	maxWait      = time.Second
	crowdedAfter = time.Second
	crowdedWait  = 10 * time.Millisecond
	calmAfter    = 2 * time.Second
	// slowWork, and slowLists lists of every course, make a search expensive: several times what usual ones take. It is counted in work, not in time,
	// since on a busy machine all searches take long.
	slowWork  = 4_000
	slowLists = 40
	// maxSlow expensive searches are in the slow lane or wait for it, at most maxSlowWait; each may hold memory for every course.
	maxSlow     = 8
	maxSlowWait = time.Second
	// heavyWords and heavyPhrases make a query expensive before it is begun.
	heavyWords   = 16
	heavyPhrases = 3
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
	free        atomic.Int64 // when a search last found a place at once: nanoseconds after the program's start
	calm        atomic.Int64 // when the crowd will have gone, as far as is known; 0: there never was one
}

func newAdmission() *admission {
	cpus := runtime.GOMAXPROCS(0)
	return &admission{slots: semaphore.NewWeighted(int64(searchesPerCPU * cpus)), slow: semaphore.NewWeighted(int64(max(1, cpus/2)))}
}

// turn is a search's permission to run.
type turn struct {
	a       *admission
	ctx     context.Context //nolint:containedctx // a turn is as long as one call
	slow    bool
	placed  bool // it holds a place, of the slow lane when slow is set
	worked  int
	checkAt int
	slowAt  int // how much work makes it expensive
	texts   int // read for phrases
}

func overloaded() error {
	return fault.New("search.Search", fault.Overloaded, "retry_after", retryAfter)
}

// admit waits for a turn to search; it must be ended.
func (a *admission) admit(ctx context.Context, heavy bool) (*turn, error) {
	t := &turn{a: a, ctx: ctx}
	if int(a.queue.Add(1)) > maxWaiting {
		a.queue.Add(-1)
		return nil, overloaded()
	}
	enter := t.enter
	if heavy {
		enter = t.enterSlow
	}
	if err := enter(); err != nil {
		a.queue.Add(-1)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, overloaded()
	}
	return t, nil
}

// over sets the bounds for a search over so many rows.
func (t *turn) over(ctx context.Context, rows int) {
	t.ctx, t.slowAt = ctx, slowWork+slowLists*rows/postingsPerWork
}

// enter takes a place.
func (t *turn) enter() error {
	now := time.Since(start)
	if t.a.slots.TryAcquire(1) {
		t.a.free.Store(int64(now))
		t.placed = true
		return nil
	}
	if now-time.Duration(t.a.free.Load()) > crowdedAfter {
		t.a.calm.Store(int64(now + calmAfter))
	}
	calm := t.a.calm.Load()
	crowded := calm != 0 && now < time.Duration(calm)
	patience := maxWait
	if crowded {
		patience = crowdedWait
	}
	wait, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	err := t.a.slots.Acquire(wait, 1)
	t.placed = err == nil
	if crowded && err != nil && t.ctx.Err() == nil {
		t.a.calm.Store(int64(time.Since(start) + calmAfter))
	}
	return err
}

// enterSlow takes a place in the slow lane.
func (t *turn) enterSlow() error {
	if t.a.slowQueue.Add(1) > maxSlow {
		t.a.slowQueue.Add(-1)
		return overloaded()
	}
	wait, cancel := context.WithTimeout(t.ctx, maxSlowWait)
	defer cancel()
	if err := t.a.slow.Acquire(wait, 1); err != nil {
		t.a.slowQueue.Add(-1)
		if t.ctx.Err() != nil {
			return t.ctx.Err()
		}
		return overloaded()
	}
	t.slow, t.placed = true, true
	return nil
}

// leave gives the place back.
func (t *turn) leave() {
	switch {
	case !t.placed:
	case t.slow:
		t.a.slow.Release(1)
		t.a.slowQueue.Add(-1)
	default:
		t.a.slots.Release(1)
	}
	t.placed = false
}

// end ends the turn.
func (t *turn) end() {
	t.leave()
	t.a.queue.Add(-1)
}

// isHeavy reports whether a query will be expensive.
func isHeavy(q query.Query) bool {
	words, phrases := 0, 0
	for _, c := range q.Clauses {
		switch c.Kind {
		case query.KindWord:
			words++
		case query.KindPhrase:
			phrases++
		}
	}
	return words > heavyWords || phrases >= heavyPhrases
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
	case !t.slow && t.worked > t.slowAt:
		return t.moveOver()
	}
	return nil
}

// moveOver goes to the slow lane, unless the search is there already.
func (t *turn) moveOver() error {
	t.leave()
	return t.enterSlow()
}

// deadline turns the end of a search's own time into an answer.
func deadline(parent context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && parent.Err() == nil {
		return fault.Wrap("search.Search", fault.Overloaded, err, "retry_after", retryAfter)
	}
	return err
}
