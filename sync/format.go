package sync

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

// FormatVersion is the version of the buckets and of what is in them. Raise it with any change that an older program would read wrongly, and
// add the step that leads there to migrations. Tables of follower zero are not part of it: they have a schema of their own.
const FormatVersion = 1

// migration turns a file of one version into the next.
type migration func(tx *bolt.Tx) error

// migrations leads from each older version to the one after it. All steps that a file needs run in one transaction.
var migrations = map[uint32]migration{}

// prepareFormat makes the buckets of a new file, or checks and migrates those of an existing one. It reports whether it wrote.
func prepareFormat(tx *bolt.Tx, cfg BoltConfig, current uint32, steps map[uint32]migration) (bool, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		if k, _ := tx.Cursor().First(); k != nil {
			return false, damaged(cfg.Path, fmt.Errorf("it holds bucket %q and no bucket %q", k, bucketMeta))
		}
		return true, makeFormat(tx, cfg, current)
	}
	found, err := formatOf(meta, cfg, current)
	if err != nil {
		return false, err
	}
	for v := found; v < current; v++ {
		step := steps[v]
		if step == nil {
			return false, damaged(cfg.Path, fmt.Errorf("nothing leads from format %d to %d", v, v+1))
		}
		if err := step(tx); err != nil {
			return false, fault.Wrap("sync.OpenBolt", fault.Internal, err).WithFix("the changelog stays as it was, in format %d", found)
		}
		cfg.Logger.Info("changelog migrated", slog.String("path", cfg.Path), slog.Any("from", v), slog.Any("to", v+1))
	}
	if found == current {
		return false, complete(tx, cfg)
	}
	if err := meta.Put(metaFormat, binary.BigEndian.AppendUint32(nil, current)); err != nil {
		return false, err
	}
	return true, complete(tx, cfg)
}

// formatOf reads the format of a file, which must not be newer than ours.
func formatOf(meta *bolt.Bucket, cfg BoltConfig, current uint32) (uint32, error) {
	raw := meta.Get(metaFormat)
	if len(raw) != 4 {
		return 0, damaged(cfg.Path, fmt.Errorf("its format is %x", raw))
	}
	found := binary.BigEndian.Uint32(raw)
	if found > current {
		return 0, fault.New("sync.OpenBolt", fault.NewerFormat, "found", found, "known", current).
			WithFix("%s has format %d and this Carrel knows formats up to %d: use the newer Carrel that wrote it", cfg.Path, found, current)
	}
	return found, nil
}

// lookAtFormat checks a file that stays as it is, and reports whether its format is an older one.
func lookAtFormat(tx *bolt.Tx, cfg BoltConfig) (older bool, err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return false, damaged(cfg.Path, fmt.Errorf("it has no bucket %q", bucketMeta))
	}
	found, err := formatOf(meta, cfg, FormatVersion)
	if err != nil {
		return false, err
	}
	return found < FormatVersion, complete(tx, cfg)
}

// complete checks that a file has all its buckets.
func complete(tx *bolt.Tx, cfg BoltConfig) error {
	for _, name := range [][]byte{bucketLog, bucketEntity, bucketChannel, bucketTomb, bucketFloor} {
		if tx.Bucket(name) == nil {
			return damaged(cfg.Path, fmt.Errorf("it has no bucket %q", name))
		}
	}
	return nil
}

// makeFormat makes the buckets of a new log.
func makeFormat(tx *bolt.Tx, cfg BoltConfig, version uint32) error {
	for _, name := range [][]byte{bucketLog, bucketEntity, bucketChannel, bucketTomb, bucketFloor, bucketMeta} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(metaFormat, binary.BigEndian.AppendUint32(nil, version)); err != nil {
		return err
	}
	if err := meta.Put(metaID, []byte(rand.Text())); err != nil {
		return err
	}
	start := firstSeq(cfg.Now()) - 1
	if err := meta.Put(metaStart, seqKey(start)); err != nil {
		return err
	}
	return tx.Bucket(bucketLog).SetSequence(uint64(start))
}
