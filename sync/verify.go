package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// MaxFindings is how many findings are kept in words: a damage comes in thousands, and the first few say where to look.
	MaxFindings = 100
	// verifyBeat is after how many keys a check looks whether it is still wanted.
	verifyBeat = 4_096
	// shownKey bounds what of a key stands in a finding, in bytes.
	shownKey = 80
)

// Findings are what a check found wrong. The zero value is ready.
type Findings struct {
	List []string // the first MaxFindings
	More int      // how many came after those
}

// Add notes a finding.
func (f *Findings) Add(format string, args ...any) {
	if len(f.List) == MaxFindings {
		f.More++
		return
	}
	f.List = append(f.List, fmt.Sprintf(format, args...))
}

// Len is how many there are.
func (f *Findings) Len() int { return len(f.List) + f.More }

// VerifyConfig says what else is to be done with what [Bolt.Verify] walks over. All of it may be nil.
type VerifyConfig struct {
	// Entity looks at the last change of an entity, which is decoded and well-formed, tombstones included; what it says is a finding. Body is valid
	// until it returns.
	Entity func(c *Change) error
	// ID names a live entity in its channel's digest; nil: by its key.
	ID func(c *Change) string
	// Channel gets the digests of a channel's live entities. Channels come in order.
	Channel func(channel Channel, digests map[Kind]Digest) error
}

// Verified is what [Bolt.Verify] found.
type Verified struct {
	Head       Seq
	Live       int // entities
	Tombstones int
	Wrong      Findings
}

// verifying is one check of a log under way, in one read transaction.
type verifying struct {
	*Verified
	ctx     context.Context
	t       *tables
	cfg     VerifyConfig
	bolt    BoltConfig
	keys    int
	damaged bool // pages cannot be read
}

// Verify walks over the whole log at one moment. It decodes every record; sees that entities, channels, tombstones and floors say the same as the
// log, in both directions; and lets bbolt check its pages. What is wrong is in the result, an error means that it could not be found out.
//
// It is for a log that nobody writes to: the file of one that is written grows meanwhile. It takes about 100 bytes of memory for each page of the file.
// Errors: fault.Conflict for an older format.
func (b *Bolt) Verify(ctx context.Context, cfg VerifyConfig) (Verified, error) {
	var out Verified
	if b.older {
		return out, fault.New("sync.Verify", fault.Conflict).WithFix("%s has an older format: start Carrel with it once, which migrates it", b.cfg.Path)
	}
	err := b.view(ctx, "sync.Verify", func(t *tables) error {
		v := &verifying{Verified: &out, ctx: ctx, t: t, cfg: cfg, bolt: b.cfg}
		out.Head = t.head()
		return v.all()
	})
	return out, err
}

func (v *verifying) all() error {
	if v.cut() {
		return nil
	}
	steps := []struct {
		part string
		walk func() error
	}{
		{"bucket log", v.records},
		{"bucket entity", v.entities},
		{"bucket channel", v.channels},
		{"bucket tomb", v.tombstones},
		{"bucket floor", v.floors},
		{"the file", v.others},
		{"the file", v.pages},
	}
	for _, step := range steps {
		if err := v.step(step.part, step.walk); err != nil {
			return err
		}
	}
	return nil
}

// cut reports whether the end of the file is missing: reading there is a fault.
func (v *verifying) cut() bool {
	info, err := os.Stat(v.bolt.Path)
	if err == nil && info.Size() >= v.t.tx.Size() {
		return false
	}
	v.Wrong.Add("the file is cut: it should have %d bytes", v.t.tx.Size())
	return true
}

// step does a part of the check. A page that cannot be read ends that part only.
func (v *verifying) step(part string, walk func() error) error {
	var own error
	if broke := guard(v.bolt, func() error { own = walk(); return nil }); broke != nil {
		v.damaged = true
		v.Wrong.Add("%s cannot be read to its end: %v", part, errors.Unwrap(broke))
	}
	return own
}

// beat ends a walk that nobody waits for any more.
func (v *verifying) beat() error {
	if v.keys++; v.keys%verifyBeat == 0 {
		return v.ctx.Err()
	}
	return nil
}

// each walks over a bucket.
func (v *verifying) each(b *bolt.Bucket, look func(k, value []byte) error) error {
	c := b.Cursor()
	for k, value := c.First(); k != nil; k, value = c.Next() {
		if err := v.beat(); err != nil {
			return err
		}
		if err := look(k, value); err != nil {
			return err
		}
	}
	return v.ctx.Err()
}

// name shows an entity.
func name(c *Change) string { return fmt.Sprintf("%s %s", c.Kind, show([]byte(c.Key))) }

func show(key []byte) string {
	if len(key) > shownKey {
		return fmt.Sprintf("%q…", key[:shownKey])
	}
	return fmt.Sprintf("%q", key)
}

// records checks bucket log, and that the others name what is in it.
func (v *verifying) records() error {
	return v.each(v.t.log, func(k, value []byte) error {
		if len(k) != 8 {
			v.Wrong.Add("bucket log has a key of %d bytes", len(k))
			return nil
		}
		c, err := decode(keySeq(k), value)
		if err != nil {
			v.Wrong.Add("the record at %d cannot be read", keySeq(k))
			return nil //nolint:nilerr // it is a finding
		}
		if c.Op == OpDelete {
			v.Tombstones++
		} else {
			v.Live++
		}
		v.record(&c)
		return nil
	})
}

// record checks a record by itself and against the buckets that should name it.
func (v *verifying) record(c *Change) {
	if field, bad := malformed(*c); bad || c.Op == OpAssert {
		v.Wrong.Add("%s at %d is malformed: %s", name(c), c.Seq, field.Pointer)
		return
	}
	if c.Seq > v.Head || c.Created == 0 || c.Created > c.Seq || c.Since < c.Created || c.Since > c.Seq {
		v.Wrong.Add("%s at %d has impossible numbers: made at %d, access since %d, the head is %d", name(c), c.Seq, c.Created, c.Since, v.Head)
	}
	if !bytes.Equal(v.t.entity.Get(entityName(c.Kind, c.Key)), entityValue(c)) {
		v.Wrong.Add("%s is in the log at %d, and bucket entity does not say so", name(c), c.Seq)
	}
	key := channelKey(c.Channel, c.Seq)
	if k, _ := v.t.channel.Cursor().Seek(key); !bytes.Equal(k, key) {
		v.Wrong.Add("%s at %d is missing in its channel %s", name(c), c.Seq, show([]byte(c.Channel)))
	}
	if at := v.t.tomb.Get(seqKey(c.Seq)); c.Op == OpDelete && !deletedAt(at).Equal(c.At) {
		v.Wrong.Add("%s was deleted at %d, and bucket tomb does not say so", name(c), c.Seq)
	}
	if v.cfg.Entity == nil {
		return
	}
	if err := v.cfg.Entity(c); err != nil {
		v.Wrong.Add("%s at %d: %v", name(c), c.Seq, err)
	}
}

// named returns the change that a bucket names. One that is in the log and cannot be read is known already.
func (v *verifying) named(seq Seq) (c Change, there, readable bool) {
	record := v.t.log.Get(seqKey(seq))
	if record == nil {
		return Change{}, false, false
	}
	c, err := decode(seq, record)
	return c, true, err == nil
}

// entities checks that all that bucket entity names is in the log.
func (v *verifying) entities() error {
	return v.each(v.t.entity, func(k, value []byte) error {
		c, there, readable := v.named(keySeqOfEntity(value))
		switch {
		case !there:
			v.Wrong.Add("bucket entity names %s at %d, where the log has nothing", show(k), keySeqOfEntity(value))
		case readable && !bytes.Equal(k, entityName(c.Kind, c.Key)):
			v.Wrong.Add("bucket entity names %s at %d, where the log has %s", show(k), c.Seq, name(&c))
		}
		return nil
	})
}

// channels checks that all that bucket channel names is in the log, and sums channels up.
func (v *verifying) channels() error {
	var channel Channel
	digests := map[Kind]Digest{}
	flush := func() error {
		if v.cfg.Channel == nil || len(digests) == 0 {
			return nil
		}
		return v.cfg.Channel(channel, maps.Clone(digests))
	}
	err := v.each(v.t.channel, func(k, _ []byte) error {
		prefix, seq, ok := bytes.Cut(k, []byte{separator})
		if !ok || len(seq) != 8 {
			v.Wrong.Add("bucket channel has a key that says nothing: %s", show(k))
			return nil
		}
		if string(prefix) != string(channel) {
			if err := flush(); err != nil {
				return err
			}
			channel = Channel(prefix)
			clear(digests)
		}
		c, there, readable := v.named(keySeq(k))
		switch {
		case !there:
			v.Wrong.Add("channel %s names %d, where the log has nothing", show(prefix), keySeq(k))
		case readable && c.Channel != channel:
			v.Wrong.Add("channel %s names %d, where the log has %s of channel %s", show(prefix), c.Seq, name(&c), show([]byte(c.Channel)))
		case readable && c.Op != OpDelete:
			v.sum(digests, &c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

func (v *verifying) sum(digests map[Kind]Digest, c *Change) {
	id := c.Key
	if v.cfg.ID != nil {
		id = v.cfg.ID(c)
	}
	d := digests[c.Kind]
	d.Add(c.Kind, id, c.Seq)
	digests[c.Kind] = d
}

// tombstones checks that all that bucket tomb names is a tombstone.
func (v *verifying) tombstones() error {
	return v.each(v.t.tomb, func(k, _ []byte) error {
		c, there, readable := v.named(keySeq(k))
		switch {
		case !there:
			v.Wrong.Add("bucket tomb names %d, where the log has nothing", keySeq(k))
		case readable && c.Op != OpDelete:
			v.Wrong.Add("bucket tomb names %s at %d, which is no tombstone", name(&c), c.Seq)
		}
		return nil
	})
}

// floors checks that no floor is higher than the head: no cursor would ever be good.
func (v *verifying) floors() error {
	for _, key := range [][]byte{metaFloor, metaPurged} {
		if floor := keySeq(v.t.meta.Get(key)); floor > v.Head {
			v.Wrong.Add("%s in bucket meta is %d, past the head at %d", key, floor, v.Head)
		}
	}
	if len(v.t.meta.Get(metaID)) == 0 {
		v.Wrong.Add("the log has no identity")
	}
	return v.each(v.t.floors, func(k, value []byte) error {
		if floor := keySeq(value); floor == 0 || floor > v.Head {
			v.Wrong.Add("the floor of %s is %d, and the head is at %d", show(k), floor, v.Head)
		}
		return nil
	})
}

// others walks over the buckets of followers, so that pages that cannot be read are found where that ends this walk and not the process.
func (v *verifying) others() error {
	own := [][]byte{bucketLog, bucketEntity, bucketChannel, bucketTomb, bucketFloor}
	return v.t.tx.ForEach(func(bucket []byte, b *bolt.Bucket) error {
		if slices.ContainsFunc(own, func(one []byte) bool { return bytes.Equal(one, bucket) }) {
			return nil
		}
		return v.each(b, func([]byte, []byte) error { return nil })
	})
}

// pages lets bbolt check its pages, unless some are known to be damaged: bbolt does that in a goroutine, where a fault of the memory map cannot be caught.
func (v *verifying) pages() error {
	if v.damaged {
		return nil
	}
	for err := range v.t.tx.Check() {
		v.Wrong.Add("pages: %v", err)
	}
	return v.ctx.Err()
}
