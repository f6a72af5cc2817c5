package sync

import (
	"bytes"
	"encoding/binary"
	"iter"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

// The buckets. The package comment says what is in them.
var (
	bucketLog     = []byte("log")
	bucketEntity  = []byte("entity")
	bucketChannel = []byte("channel")
	bucketTomb    = []byte("tomb")
	bucketFloor   = []byte("floor")
	bucketMeta    = []byte("meta")
)

// The keys of bucket meta.
var (
	metaFormat = []byte("format")
	metaID     = []byte("id")
	metaFloor  = []byte("floor")
	metaStart  = []byte("start")
	metaPurged = []byte("purged")
)

// appendFill is how full bbolt leaves the pages of a bucket that grows at its end: half, which is its default, would be wasted.
const appendFill = 0.95

// tables is the log within one transaction.
type tables struct {
	tx                                       *bolt.Tx
	log, entity, channel, tomb, floors, meta *bolt.Bucket
	dirty                                    bool // something was written
}

// touch notes that something is written, so that the transaction is worth a commit.
func (t *tables) touch() { t.dirty = true }

func openTables(tx *bolt.Tx) *tables {
	t := &tables{
		tx: tx, log: tx.Bucket(bucketLog), entity: tx.Bucket(bucketEntity), channel: tx.Bucket(bucketChannel),
		tomb: tx.Bucket(bucketTomb), floors: tx.Bucket(bucketFloor), meta: tx.Bucket(bucketMeta),
	}
	if tx.Writable() {
		t.log.FillPercent = appendFill
		t.channel.FillPercent = appendFill
	}
	return t
}

// head is the Seq of the last change. It is the log bucket's own sequence number, because that lies in a page which every
// transaction writes anyway, and outlives the change itself.
func (t *tables) head() Seq { return Seq(t.log.Sequence()) }

// next returns the Seq of the change to come.
func (t *tables) next() (Seq, error) {
	seq := t.head() + 1
	if seq > maxSeq {
		return 0, usedUp()
	}
	return seq, nil
}

func usedUp() error {
	return fault.New("sync.Append", fault.Internal).WithFix("the log has used up its numbers: was the clock in the far future when it was made?")
}

// last returns an entity's last change. Its body is valid until the transaction ends.
func (t *tables) last(kind Kind, key string) (Change, bool, error) {
	seq := keySeqOfEntity(t.entity.Get(entityName(kind, key)))
	if seq == 0 {
		return Change{}, false, nil
	}
	c, err := t.at(seq)
	return c, err == nil, err
}

// at returns the change of a Seq that an index names. Its body is valid until the transaction ends.
func (t *tables) at(seq Seq) (Change, error) {
	c, err := decode(seq, t.log.Get(seqKey(seq)))
	if err != nil {
		return c, corrupt("sync.read", seq, err)
	}
	return c, nil
}

// entityValue is what bucket entity holds: where the last change is, and whether it is a tombstone.
func entityValue(c *Change) []byte { return append(seqKey(c.Seq), byte(c.Op)) }

func keySeqOfEntity(value []byte) Seq {
	if len(value) != 9 {
		return 0
	}
	return keySeq(value[:8])
}

func isTombstone(value []byte) bool { return len(value) == 9 && Op(value[8]) == OpDelete }

// put adds a change at the head. The one before it of the same entity, if there is one, is compacted away.
func (t *tables) put(c *Change, last Change, exists bool) error {
	t.touch()
	if exists {
		if err := t.forget(last); err != nil {
			return err
		}
	}
	key := seqKey(c.Seq)
	if err := t.log.Put(key, encode(c)); err != nil {
		return err
	}
	if err := t.channel.Put(channelKey(c.Channel, c.Seq), nil); err != nil {
		return err
	}
	if err := t.entity.Put(entityName(c.Kind, c.Key), entityValue(c)); err != nil {
		return err
	}
	if c.Op == OpDelete {
		if err := t.tomb.Put(key, binary.BigEndian.AppendUint64(nil, uint64(c.At.UnixMilli()))); err != nil {
			return err
		}
	}
	return t.log.SetSequence(uint64(c.Seq))
}

// forget removes a change from the log and its channel; its entity still points to it.
func (t *tables) forget(c Change) error {
	key := seqKey(c.Seq)
	if err := t.log.Delete(key); err != nil {
		return err
	}
	if c.Op == OpDelete {
		if err := t.tomb.Delete(key); err != nil {
			return err
		}
	}
	return t.channel.Delete(channelKey(c.Channel, c.Seq))
}

// drop removes an entity altogether.
func (t *tables) drop(c Change) error {
	if err := t.forget(c); err != nil {
		return err
	}
	return t.entity.Delete(entityName(c.Kind, c.Key))
}

// raise lifts a floor to a Seq, if it is not as high already.
func (t *tables) raise(channel Channel, kind Kind, seq Seq) error {
	key := floorKey(channel, kind)
	if keySeq(t.floors.Get(key)) >= seq {
		return nil
	}
	return t.floors.Put(key, seqKey(seq))
}

// raiseMeta lifts one of the floors in bucket meta.
func (t *tables) raiseMeta(key []byte, seq Seq) error {
	if keySeq(t.meta.Get(key)) >= seq {
		return nil
	}
	return t.meta.Put(key, seqKey(seq))
}

// floor is [Log.Floor] within the transaction.
func (t *tables) floor(channel Channel, kinds []Kind) Seq {
	all := keySeq(t.meta.Get(metaFloor))
	if channel == "" {
		return max(all, keySeq(t.meta.Get(metaPurged)))
	}
	for _, kind := range kinds {
		all = max(all, keySeq(t.floors.Get(floorKey(channel, kind))))
	}
	if len(kinds) > 0 {
		return all
	}
	prefix := channelPrefix(channel)
	c := t.floors.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		all = max(all, keySeq(v))
	}
	return all
}

// inChannel yields the Seqs of a channel's changes after a place, in order. The channel must not change meanwhile.
func (t *tables) inChannel(channel Channel, after Seq) iter.Seq[Seq] {
	return func(yield func(Seq) bool) {
		prefix := channelPrefix(channel)
		c := t.channel.Cursor()
		for k, _ := c.Seek(channelKey(channel, after+1)); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			if !yield(keySeq(k)) {
				return
			}
		}
	}
}

// deletedAt reads a value of bucket tomb.
func deletedAt(value []byte) time.Time {
	return time.UnixMilli(int64(keySeq(value))) //nolint:gosec // written from an int64
}
