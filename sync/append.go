package sync

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

// request is a batch that waits to be appended.
type request struct {
	batch []Change
	bytes int           // of bodies
	done  chan struct{} // closed when seq and err are final
	seq   Seq
	err   error
}

// Append implements [Log]. Callers that come while another commits wait, and then share one commit: whoever gets the turn takes all
// that wait. So the fsync is shared without anybody waiting for company.
func (b *Bolt) Append(ctx context.Context, batch ...Change) (Seq, error) {
	r, err := newRequest(batch)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := b.enqueue(r); err != nil {
		return 0, err
	}
	select {
	case b.turn <- struct{}{}:
		b.lead(r)
	case <-r.done:
	case <-ctx.Done():
		if b.withdraw(r) {
			return 0, ctx.Err()
		}
		<-r.done // its commit has begun
	}
	return r.seq, r.err
}

func newRequest(batch []Change) (*request, error) {
	batch, err := normalize(batch)
	if err != nil {
		return nil, err
	}
	r := &request{batch: batch, done: make(chan struct{})}
	for _, c := range batch {
		r.bytes += len(c.Body)
	}
	return r, nil
}

func (b *Bolt) enqueue(r *request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.life.over() {
		return closedError("sync.Append")
	}
	if len(b.queue) >= maxQueue {
		return fault.New("sync.Append", fault.Overloaded, "retry_after", 1)
	}
	b.queue = append(b.queue, r)
	return nil
}

// withdraw takes a request out of the queue, and reports whether it was still there.
func (b *Bolt) withdraw(r *request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.queue, r)
	if i < 0 {
		return false
	}
	b.queue = slices.Delete(b.queue, i, i+1)
	return true
}

// lead commits groups until r is done, and passes the turn on. The others' requests that are left are led by one of them.
func (b *Bolt) lead(r *request) {
	defer func() { <-b.turn }()
	for !r.settled() {
		b.commitGroup(b.takeGroup())
	}
}

func (r *request) settled() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// takeGroup takes as many of those who wait as may share a commit: at least one, if there is one.
func (b *Bolt) takeGroup() []*request {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, changes, bytes := 0, 0, 0
	for _, r := range b.queue {
		changes += len(r.batch)
		bytes += r.bytes
		if n > 0 && (changes > maxGroup || bytes > maxGroupBytes) {
			break
		}
		n++
	}
	group := slices.Clone(b.queue[:n])
	b.queue = slices.Delete(b.queue, 0, n)
	return group
}

// commitGroup appends requests in one transaction. When that fails, for whatever reason, each is tried alone, so that only those
// to blame get the error.
func (b *Bolt) commitGroup(group []*request) {
	defer func() {
		for _, r := range group {
			close(r.done)
		}
	}()
	err := b.commit(group)
	if err == nil {
		return
	}
	if len(group) == 1 {
		group[0].seq, group[0].err = 0, err
		return
	}
	for _, r := range group {
		if err := b.commit([]*request{r}); err != nil {
			r.seq, r.err = 0, err
		}
	}
}

// commit appends requests in one transaction. A request that does not hold gets its error and leaves no trace; an error that is
// returned means that nothing of any of them was done.
func (b *Bolt) commit(group []*request) error {
	return fail("sync.Append", b.transact(func(t *tables) error {
		for _, r := range group {
			r.seq, r.err = 0, nil
			if err := b.perform(t, r); err != nil {
				return err
			}
		}
		return nil
	}))
}

// transact runs fn in a write transaction, and tells the waiting of the new head once it is on disk. The caller has the turn.
func (b *Bolt) transact(fn func(t *tables) error) error {
	if b.broken != nil {
		return b.broken
	}
	tx, err := b.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	t := openTables(tx)
	if err := fn(t); err != nil {
		return err
	}
	if !t.dirty {
		return nil // nothing to make durable: what was read is
	}
	head, id := t.head(), tx.ID()
	moved := head != Seq(b.head.Load())
	if moved {
		if err := b.disown(t); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		b.checkFailed(id, err)
		return err
	}
	if moved {
		b.orphan = false
		b.head.Store(uint64(head))
		b.news.wake()
	}
	return nil
}

// checkFailed finds out whether a failed commit is there nevertheless: its last step writes the page that makes it valid and then asks the
// disk to keep it; when only that second part failed, readers see what might be gone after a crash. Then no write can be
// promised any more, until the file is opened again.
func (b *Bolt) checkFailed(id int, cause error) {
	visible := true
	if err := b.db.View(func(tx *bolt.Tx) error {
		visible = tx.ID() >= id
		return nil
	}); err != nil || visible {
		b.broken = fault.Wrap("sync.Append", fault.NotReady, cause).
			WithFix("the disk did not confirm a write: check it, then start Carrel again; until then nothing is written")
	}
}

// perform appends one request within a transaction. Everything is checked before the first write, so that one who fails leaves nothing.
func (b *Bolt) perform(t *tables, r *request) error {
	for _, c := range r.batch {
		last, exists, err := t.last(c.Kind, c.Key)
		if err != nil {
			return err
		}
		if r.err = conflict(c, last, exists); r.err != nil {
			return nil //nolint:nilerr // it is the request's error, not the transaction's
		}
	}
	applied, err := applyAll(t, r.batch, logTime(b.cfg.Now))
	if err != nil {
		return err
	}
	if len(applied) > 0 {
		if err := b.applyZero(t, applied); err != nil {
			return err
		}
	}
	r.seq = t.head()
	return nil
}

// logTime is the time as the log keeps it.
func logTime(clock func() time.Time) time.Time { return clock().UTC().Truncate(time.Millisecond) }

// applyAll writes a batch that was checked, and returns what changed, with what was there before. Those bodies are valid until the transaction ends.
func applyAll(t *tables, batch []Change, at time.Time) ([]Applied, error) {
	applied := make([]Applied, 0, len(batch))
	for _, c := range batch {
		if c.Op == OpAssert {
			continue
		}
		seq, err := t.next()
		if err != nil {
			return nil, err
		}
		if c.Op == OpErase {
			dropped, err := erase(t, c.Erases, seq)
			if err != nil {
				return nil, err
			}
			applied = append(applied, dropped...)
		}
		last, exists, err := t.last(c.Kind, c.Key)
		if err != nil {
			return nil, err
		}
		if c.Op == OpDelete && (!exists || last.Op == OpDelete) {
			continue
		}
		settle(&c, seq, last, exists)
		c.At = at
		if err := t.put(&c, last, exists); err != nil {
			return nil, err
		}
		a := Applied{Change: c}
		if exists {
			a.Prev = &last
		}
		applied = append(applied, a)
	}
	return applied, nil
}

// erase drops every entity of a channel. The floors rise to the erasure itself, so that a cursor from before it is not taken for one
// of a channel that begins anew under the same name. It returns the live ones: of a tombstone, nothing is left to be dropped.
func erase(t *tables, channel Channel, seq Seq) ([]Applied, error) {
	var dropped []Applied
	for _, s := range slices.Collect(t.inChannel(channel, 0)) {
		c, err := t.at(s)
		if err != nil {
			return nil, err
		}
		if err := t.drop(c); err != nil {
			return nil, err
		}
		if err := t.raise(channel, c.Kind, seq); err != nil {
			return nil, err
		}
		if c.Op == OpDelete {
			continue
		}
		gone := c
		gone.Op, gone.Body, gone.Erases = OpDelete, nil, ""
		dropped = append(dropped, Applied{Change: gone, Prev: &c})
	}
	return dropped, nil
}

// applyZero lets follower zero derive. A panic of its is an error like any other: those who share the commit must not hang.
func (b *Bolt) applyZero(t *tables, applied []Applied) (err error) {
	if b.cfg.Zero == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("follower %s panicked: %v\n%s", b.cfg.Zero.Name(), p, debug.Stack())
		}
	}()
	return b.cfg.Zero.ApplyIn(t.tx, applied)
}
