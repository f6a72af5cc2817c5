package sync

import (
	"context"
	"io"

	bolt "go.etcd.io/bbolt"
)

// The entity that a restore appends, so that the log's head is past every Seq that the lost one may have issued.
const (
	KindRestore    Kind    = "restore"
	restoreKey             = "last"
	restoreChannel Channel = "staff"
)

// Backup writes a consistent copy of the file while the log goes on. Its read transaction stays open for as long as w takes: give it a
// file, not a slow connection, or the file grows meanwhile.
func (b *Bolt) Backup(ctx context.Context, w io.Writer) error {
	return b.db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(&contextWriter{ctx, w})
		return err
	})
}

// contextWriter stops a copy when its context ends.
type contextWriter struct {
	ctx context.Context //nolint:containedctx // io.Writer has no place for it
	w   io.Writer
}

func (c *contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// Renew makes a restored log refuse every older cursor: Seqs go on at the present time (or after the head, if that is later), every floor is
// raised to that Seq, and one entry is appended at it.
func (b *Bolt) Renew(context.Context) error {
	var head Seq
	err := b.db.Update(func(tx *bolt.Tx) error {
		w := newWriter(tx, b.cfg)
		now := Seq(w.now.Unix()) << seqShift //nolint:gosec // a clock after 1970
		w.head = max(w.head, now-1)
		batch := []Change{{Channel: restoreChannel, Kind: KindRestore, Key: restoreKey, Op: OpUpsert, Body: []byte("{}")}}
		if err := w.write(batch); err != nil {
			return err
		}
		head = w.head
		if err := w.floor.Put(floorOfEverything, seqKey(head)); err != nil {
			return err
		}
		return w.finish()
	})
	if err != nil {
		return commitError("sync.Renew", err)
	}
	b.head.set(head)
	return nil
}
