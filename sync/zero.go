package sync

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// prepareZero builds follower zero's tables again when their schema is another one. The schema number is written last: a process that
// dies in between finds the old number and starts over.
func (b *Bolt) prepareZero() error {
	zero := b.cfg.Zero
	if zero == nil {
		return nil
	}
	key := append(clone(metaZero), zero.Name()...)
	want := binary.BigEndian.AppendUint64(nil, uint64(zero.Schema())) //nolint:gosec // a small number
	have := ""
	err := b.db.View(func(tx *bolt.Tx) error {
		have = string(tx.Bucket(bucketMeta).Get(key))
		return nil
	})
	if err != nil || have == string(want) {
		return err
	}
	if have != "" {
		b.cfg.Logger.Info("sync: building tables again", slog.String("follower", zero.Name()))
	}
	if err := b.db.Update(func(tx *bolt.Tx) error { return dropTables(tx, zero.Name()+"/") }); err != nil {
		return commitError("sync.OpenBolt", err)
	}
	if err := b.replayZero(); err != nil {
		return fmt.Errorf("sync: building the tables of %s: %w", zero.Name(), err)
	}
	return commitError("sync.OpenBolt", b.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(key, want) }))
}

func dropTables(tx *bolt.Tx, prefix string) error {
	var names [][]byte
	err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if strings.HasPrefix(string(name), prefix) {
			names = append(names, clone(name))
		}
		return nil
	})
	for _, name := range names {
		err = errors.Join(err, tx.DeleteBucket(name))
	}
	return err
}

func (b *Bolt) replayZero() error {
	head := b.head.get()
	for from := Seq(0); from < head; {
		err := b.db.Update(func(tx *bolt.Tx) error {
			v := &BoltView{tx: tx, log: tx.Bucket(bucketLog), entity: tx.Bucket(bucketEntity)}
			chunk, last, err := v.chunk(from, head, nil)
			if err != nil {
				return err
			}
			applied := make([]Applied, len(chunk))
			for i, c := range chunk {
				applied[i] = Applied{Change: c}
			}
			from = last
			return b.cfg.Zero.ApplyIn(tx, applied)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
