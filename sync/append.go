package sync

import (
	"context"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// maxQueue is how many appends wait for the committer before the next caller blocks: more would only make the wait longer.
	maxQueue = 1_024
	// maxGroupChanges ends a group: a transaction of so many changes takes about 100 ms, and all of its callers wait for it.
	maxGroupChanges = 20_000
)

// request is one Append on its way through the committer.
type request struct {
	ctx     context.Context //nolint:containedctx // a request that was given up while it waited is not carried out
	batch   []Change
	seq     Seq
	err     error
	settled chan struct{}
}

// Append commits a batch: see [Log]. Callers that come at the same time share one transaction and one fsync.
//
// Once the committer has taken a request, its outcome is awaited even when ctx ends: the caller learns what happened.
func (b *Bolt) Append(ctx context.Context, batch ...Change) (Seq, error) {
	if err := validate(batch); err != nil {
		return 0, err
	}
	r := &request{ctx: ctx, batch: batch, settled: make(chan struct{})}
	select {
	case <-b.closing:
		return 0, errClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	case b.queue <- r:
	}
	select {
	case <-r.settled:
		return r.seq, r.err
	case <-b.done: // closed between the two
		select {
		case <-r.settled:
			return r.seq, r.err
		default:
			return 0, errClosed
		}
	}
}

// commitLoop takes what waits, as one group, until the log closes.
func (b *Bolt) commitLoop() {
	defer close(b.done)
	for {
		select {
		case r := <-b.queue:
			b.commit(b.group(r))
		case <-b.closing:
			for {
				select {
				case r := <-b.queue:
					b.commit(b.group(r))
				default:
					return
				}
			}
		}
	}
}

// group adds to a request all that wait behind it.
func (b *Bolt) group(first *request) []*request {
	group := []*request{first}
	changes := len(first.batch)
	for changes < maxGroupChanges {
		select {
		case r := <-b.queue:
			group = append(group, r)
			changes += len(r.batch)
		default:
			return group
		}
	}
	return group
}

// commit carries out a group in one transaction. When the transaction fails, each request is tried alone, so that the one that broke it gets
// the error and the others go through.
func (b *Bolt) commit(group []*request) {
	err := b.transact(group)
	if err != nil && len(group) > 1 && !fault.Is(err, fault.DiskFull) {
		for _, r := range group {
			r.seq, r.err = 0, nil
			if err := b.transact([]*request{r}); err != nil {
				r.err = err
			}
			close(r.settled)
		}
		return
	}
	for _, r := range group {
		if err != nil {
			r.seq, r.err = 0, err
		}
		close(r.settled)
	}
}

// transact runs a group's transaction. Requests whose conditions do not hold get their own error and write nothing.
func (b *Bolt) transact(group []*request) error {
	var head Seq
	err := b.db.Update(func(tx *bolt.Tx) error {
		w := newWriter(tx, b.cfg)
		for _, r := range group {
			r.seq, r.err = 0, r.ctx.Err()
			if r.err == nil {
				r.err = w.check(r.batch)
			}
			if r.err != nil {
				continue
			}
			if err := w.write(r.batch); err != nil {
				return err
			}
			r.seq = w.head
		}
		head = w.head
		if w.head == w.start {
			return errNothing
		}
		return w.finish()
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	if err != nil {
		return commitError("sync.Append", err)
	}
	b.head.set(head) // memory follows disk
	return nil
}

// errNothing rolls a transaction back that has nothing to write: asserts cost no fsync.
var errNothing = errors.New("nothing to write")

// writer writes batches within one transaction.
type writer struct {
	tx                                *bolt.Tx
	log, entity, channel, tomb, floor *bolt.Bucket
	zero                              FollowerZero
	start, head                       Seq
	now                               time.Time
}

func newWriter(tx *bolt.Tx, cfg BoltConfig) *writer {
	w := &writer{
		tx: tx, log: tx.Bucket(bucketLog), entity: tx.Bucket(bucketEntity), channel: tx.Bucket(bucketChannel), tomb: tx.Bucket(bucketTomb),
		floor: tx.Bucket(bucketFloor), zero: cfg.Zero, now: cfg.Now().UTC().Truncate(time.Millisecond),
	}
	w.head = keySeq(tx.Bucket(bucketMeta).Get(metaHead))
	w.start = w.head
	return w
}

func (w *writer) finish() error { return w.tx.Bucket(bucketMeta).Put(metaHead, seqKey(w.head)) }

// last returns an entity's last change. Its Body is a part of the file: bbolt keeps the page until the transaction ends.
func (w *writer) last(kind Kind, key string) (Change, bool, error) {
	at := w.entity.Get(entityKey(kind, key))
	if at == nil {
		return Change{}, false, nil
	}
	c, err := decodeChange(keySeq(at), w.log.Get(at))
	return c, err == nil, err
}

// check looks at all conditions of a batch before anything of it is written.
func (w *writer) check(batch []Change) error {
	for i := range batch {
		c := &batch[i]
		prev, ok, err := w.last(c.Kind, c.Key)
		if err != nil {
			return err
		}
		if !holds(c.IfSeq, prev, ok) {
			return lostUpdate(*c)
		}
		if ok && c.Op != OpAssert && prev.Channel != c.Channel {
			return wrongChannel(*c, prev)
		}
	}
	return nil
}

func (w *writer) write(batch []Change) error {
	applied := make([]Applied, 0, len(batch))
	for i := range batch {
		c := batch[i]
		if c.Op == OpAssert {
			continue
		}
		prev, ok, err := w.last(c.Kind, c.Key)
		if err != nil {
			return err
		}
		if c.Op == OpDelete && (!ok || prev.Op == OpDelete) {
			continue
		}
		if c.Op == OpErase {
			dropped, err := w.drop(c.Erases)
			if err != nil {
				return err
			}
			applied = append(applied, dropped...)
		}
		var before *Change
		if ok {
			prev.Body = clone(prev.Body) // its record is about to be deleted
			before = &prev
		}
		if err := w.put(&c, before); err != nil {
			return err
		}
		applied = append(applied, Applied{c, before})
	}
	if w.zero == nil || len(applied) == 0 {
		return nil
	}
	return w.zero.ApplyIn(w.tx, applied)
}

// put gives a change its numbers and writes it in place of the entity's last one.
func (w *writer) put(c *Change, prev *Change) error {
	w.head++
	c.Seq, c.IfSeq, c.At = w.head, 0, w.now
	c.Created, c.Since = c.Seq, c.Seq
	if prev != nil {
		c.Created = prev.Created
		if !c.Access {
			c.Since = prev.Since
		}
		if err := w.forget(prev); err != nil {
			return err
		}
	}
	c.Access = false
	if c.Op == OpDelete {
		c.Body = nil
		if err := w.tomb.Put(seqKey(c.Seq), []byte{}); err != nil {
			return err
		}
	}
	at := seqKey(c.Seq)
	if err := w.log.Put(at, encodeChange(c)); err != nil {
		return err
	}
	if err := w.channel.Put(channelKey(c.Channel, c.Seq), []byte{}); err != nil {
		return err
	}
	return w.entity.Put(entityKey(c.Kind, c.Key), at)
}

// forget removes the record of a change that another one replaces.
func (w *writer) forget(prev *Change) error {
	at := seqKey(prev.Seq)
	if prev.Op == OpDelete {
		if err := w.tomb.Delete(at); err != nil {
			return err
		}
	}
	return errors.Join(w.log.Delete(at), w.channel.Delete(channelKey(prev.Channel, prev.Seq)))
}

// drop removes every entity of a channel, tombstones included, as if none had been.
func (w *writer) drop(ch Channel) ([]Applied, error) {
	var seqs []Seq
	prefix := append([]byte(ch), 0)
	c := w.channel.Cursor()
	for k, _ := c.Seek(prefix); k != nil && len(k) == len(prefix)+8 && string(k[:len(prefix)]) == string(prefix); k, _ = c.Next() {
		seqs = append(seqs, keySeq(k[len(prefix):]))
	}
	dropped := make([]Applied, 0, len(seqs))
	for _, s := range seqs {
		prev, err := decodeChange(s, w.log.Get(seqKey(s)))
		if err != nil {
			return nil, err
		}
		prev.Body = clone(prev.Body)
		if err := errors.Join(w.forget(&prev), w.entity.Delete(entityKey(prev.Kind, prev.Key))); err != nil {
			return nil, err
		}
		gone := prev
		gone.Op, gone.Body = OpDelete, nil
		dropped = append(dropped, Applied{gone, &prev})
	}
	return dropped, nil
}
