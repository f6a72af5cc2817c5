package sync

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// FollowerZero derives tables in the log's own transaction, so that they are never behind it.
type FollowerZero interface {
	// Name prefixes the names of its buckets: NAME/table. It must be stable, and no bucket of the log's own.
	Name() string
	// Schema is the version of its tables; when it differs from the one on disk, the tables are dropped and built again from the log.
	Schema() int
	// ApplyIn derives from changes, in order. An error fails the Append that brought them. While tables are built again, the changes
	// are the last ones of each entity, without a Prev and without what erasures dropped. Bodies are valid until it returns.
	ApplyIn(tx *bolt.Tx, changes []Applied) error
}

// Applied is a change with the entity's change before it (nil when there was none, not even a tombstone).
// For OpErase, the live entities that are dropped come first, each as an OpDelete with its Prev and its old Seq.
type Applied struct {
	Change
	Prev *Change
}

// zeroPrefix begins the keys in bucket meta under which the schemas of followers are kept. A follower whose schema is there has tables
// that are complete.
const zeroPrefix = "zero/"

func schemaValue(f FollowerZero) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(int64(f.Schema()))) //nolint:gosec // only compared
}

// rebuildZero brings follower zero's tables up to the log, if they are of another schema or not there. The schema is written last, with the
// last of the rows, so that a rebuild that dies is begun again.
func (b *Bolt) rebuildZero() error {
	fresh, err := b.zeroFresh()
	if err != nil || b.cfg.Zero == nil || fresh && !b.cfg.RebuildZero {
		return err
	}
	f := b.cfg.Zero
	if err := b.transact(func(t *tables) error { return dropZero(t, f) }); err != nil {
		return err
	}
	count := 0
	for after, done := Seq(0), false; !done; {
		err := b.transact(func(t *tables) error {
			t.touch()
			applied, last, err := appliedChunk(t, after)
			if err != nil {
				return err
			}
			after, done = last, len(applied) == 0
			count += len(applied)
			if done {
				return t.meta.Put([]byte(zeroPrefix+f.Name()), schemaValue(f))
			}
			return b.applyZero(t, applied)
		})
		if err != nil {
			return fmt.Errorf("building the tables of %s: %w", f.Name(), err)
		}
	}
	if count > 0 {
		b.cfg.Logger.Info("tables built again", slog.String("follower", f.Name()), slog.Int("schema", f.Schema()), slog.Int("changes", count))
	}
	return nil
}

// zeroFresh reports whether there is nothing to rebuild, and notes whether the file has tables of another follower.
func (b *Bolt) zeroFresh() (bool, error) {
	fresh := b.cfg.Zero == nil
	err := b.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketMeta).Cursor()
		for k, v := c.Seek([]byte(zeroPrefix)); bytes.HasPrefix(k, []byte(zeroPrefix)); k, v = c.Next() {
			if b.cfg.Zero == nil || string(k) != zeroPrefix+b.cfg.Zero.Name() {
				b.orphan = true
			} else {
				fresh = bytes.Equal(v, schemaValue(b.cfg.Zero))
			}
		}
		return nil
	})
	return fresh, err
}

// disown forgets the schemas of followers that are not with us, before the log changes without them: they must build again.
func (b *Bolt) disown(t *tables) error {
	if !b.orphan {
		return nil
	}
	for _, k := range keysWith(t.meta.Cursor(), zeroPrefix) {
		if b.cfg.Zero != nil && string(k) == zeroPrefix+b.cfg.Zero.Name() {
			continue
		}
		if err := t.meta.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// dropZero removes a follower's tables.
func dropZero(t *tables, f FollowerZero) error {
	t.touch()
	if err := t.meta.Delete([]byte(zeroPrefix + f.Name())); err != nil {
		return err
	}
	for _, name := range keysWith(t.tx.Cursor(), f.Name()+"/") {
		if err := t.tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	return nil
}

// keysWith returns copies of the keys that begin with a prefix.
func keysWith(c *bolt.Cursor, prefix string) [][]byte {
	var keys [][]byte
	for k, _ := c.Seek([]byte(prefix)); bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
		keys = append(keys, slices.Clone(k))
	}
	return keys
}

// appliedChunk returns the next changes of the log, as follower zero gets them when its tables are built again, and the Seq of the last.
func appliedChunk(t *tables, after Seq) ([]Applied, Seq, error) {
	var chunk []Applied
	size := 0
	c := t.log.Cursor()
	for k, v := c.Seek(seqKey(after + 1)); k != nil && len(chunk) < ReadChunk && size < readChunkBytes; k, v = c.Next() {
		change, err := decode(keySeq(k), v)
		if err != nil {
			return nil, after, corrupt("sync.OpenBolt", keySeq(k), err)
		}
		chunk = append(chunk, Applied{Change: change})
		after, size = change.Seq, size+len(v)
	}
	return chunk, after, nil
}
