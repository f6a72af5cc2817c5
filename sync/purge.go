package sync

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"
)

// floorOfEverything is the key of the floor that holds for every channel and kind: what a restore raises.
var floorOfEverything = []byte{0}

func floorOf(raw []byte) Seq {
	if len(raw) != 8 {
		return 0
	}
	return keySeq(raw)
}

// Purge removes tombstones older than [TombstoneAge] and raises the floors of their channels and kinds in the same transactions, of
// at most [ReadChunk] each. It returns how many it removed.
func (b *Bolt) Purge(ctx context.Context) (int, error) {
	before := b.cfg.Now().Add(-TombstoneAge)
	total := 0
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n := 0
		err := b.db.Update(func(tx *bolt.Tx) (err error) {
			n, err = newWriter(tx, b.cfg).purge(before)
			return err
		})
		if err != nil {
			return total, commitError("sync.Purge", err)
		}
		total += n
		if n < ReadChunk {
			return total, nil
		}
	}
}

// purge removes the oldest tombstones, up to ReadChunk of them. Their order is that of their times: Seqs and clocks grow together but for
// clocks that were set back, which keep a tombstone a little longer.
func (w *writer) purge(before time.Time) (int, error) {
	var old []Change
	c := w.tomb.Cursor()
	for k, _ := c.First(); k != nil && len(old) < ReadChunk; k, _ = c.Next() {
		change, err := decodeChange(keySeq(k), w.log.Get(k))
		if err != nil {
			return 0, err
		}
		if !change.At.Before(before) {
			break
		}
		old = append(old, change)
	}
	for i := range old {
		t := &old[i]
		floor := append(append([]byte(t.Channel), 0), t.Kind...)
		if err := w.floor.Put(floor, seqKey(max(t.Seq, floorOf(w.floor.Get(floor))))); err != nil {
			return 0, err
		}
		if err := w.forget(t); err != nil {
			return 0, err
		}
		if err := w.entity.Delete(entityKey(t.Kind, t.Key)); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
