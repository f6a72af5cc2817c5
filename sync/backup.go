package sync

import (
	"context"
	"io"
)

// KindRestore is the kind of the one entry that a restore appends.
const KindRestore Kind = "restore"

const (
	restoreKey             = "restore"
	restoreChannel Channel = "staff"
)

// Backup writes a consistent copy of the file, while others read and write. announce, unless nil, is told how many bytes come, before the
// first. Space that is freed meanwhile is not used again before it ends, so that the file grows.
func (b *Bolt) Backup(ctx context.Context, w io.Writer, announce func(size int64)) error {
	return b.view(ctx, "sync.Backup", func(t *tables) error {
		if announce != nil {
			announce(t.tx.Size())
		}
		_, err := t.tx.WriteTo(&ctxWriter{ctx: ctx, w: w})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
}

// ctxWriter stops writing when its context ends.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
}

// Write implements [io.Writer].
func (c *ctxWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// Renew makes a restored log refuse every older cursor: the original may have gone on after the backup, and its numbers must not be
// issued again for something else. Seq goes on at the number of this moment, all floors are raised to it, and one entry is appended at it.
// past is the head of the log that this one replaces, 0 when that is not known: the number is greater, whatever the clock says and
// however soon after another restore this one comes.
func (b *Bolt) Renew(ctx context.Context, past Seq) error {
	return b.write(ctx, "sync.Renew", func(t *tables) error {
		seq := max(t.head()+1, past+1, firstSeq(b.cfg.Now()))
		if seq > maxSeq {
			return usedUp()
		}
		if err := t.log.SetSequence(uint64(seq - 1)); err != nil {
			return err
		}
		if err := t.raiseMeta(metaFloor, seq); err != nil {
			return err
		}
		applied, err := applyAll(t, []Change{renewal()}, logTime(b.cfg.Now))
		if err != nil {
			return err
		}
		return b.applyZero(t, applied)
	})
}

// Renewed returns the Seq of the last restore, 0 when there was none. With the log's ID it names the line of states that the log is in: what is kept
// elsewhere and speaks of another line is out of date.
func (b *Bolt) Renewed(ctx context.Context) (Seq, error) {
	var seq Seq
	err := b.view(ctx, "sync.Renewed", func(t *tables) error {
		seq = keySeq(t.meta.Get(metaFloor))
		return nil
	})
	return seq, err
}

func renewal() Change {
	return Change{Kind: KindRestore, Key: restoreKey, Channel: restoreChannel, Op: OpUpsert, Body: []byte(`{}`)}
}
