package sync

import (
	"context"
	"time"
)

// Purge removes tombstones older than TombstoneAge, and raises floors, in chunks; it returns how many.
func (b *Bolt) Purge(ctx context.Context) (int, error) {
	before := b.cfg.Now().Add(-TombstoneAge)
	removed := 0
	for after, more := Seq(0), true; more; {
		var n int
		err := b.write(ctx, "sync.Purge", func(t *tables) (err error) {
			n, after, more, err = purgeChunk(t, after, before)
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += n
	}
	return removed, nil
}

// purgeChunk looks at the next tombstones. All are looked at, not only those up to the first young one: clocks jump.
func purgeChunk(t *tables, after Seq, before time.Time) (n int, last Seq, more bool, err error) {
	var old []Seq
	looked := 0
	c := t.tomb.Cursor()
	for k, v := c.Seek(seqKey(after + 1)); k != nil; k, v = c.Next() {
		if looked == ReadChunk {
			more = true
			break
		}
		looked++
		after = keySeq(k)
		if deletedAt(v).Before(before) {
			old = append(old, after)
		}
	}
	for _, seq := range old {
		if err := purgeOne(t, seq); err != nil {
			return 0, after, false, err
		}
	}
	return len(old), after, more, nil
}

// purgeOne removes a tombstone. Whoever has not read up to it must start over, because it will not hear of the deletion.
func purgeOne(t *tables, seq Seq) error {
	t.touch()
	c, err := t.at(seq)
	if err != nil {
		return err
	}
	if err := t.drop(c); err != nil {
		return err
	}
	if err := t.raise(c.Channel, c.Kind, seq); err != nil {
		return err
	}
	return t.raiseMeta(metaPurged, seq)
}
