package sync

import (
	"bytes"
	"context"
	"iter"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// view runs fn in a read transaction.
func (b *Bolt) view(ctx context.Context, op string, fn func(t *tables) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return fail(op, b.db.View(func(tx *bolt.Tx) error { return fn(openTables(tx)) }))
}

// Head implements [Log].
func (b *Bolt) Head(ctx context.Context) (Seq, error) {
	if b.life.over() {
		return 0, closedError("sync.Head")
	}
	return Seq(b.head.Load()), ctx.Err()
}

// Wait implements [Log].
func (b *Bolt) Wait(ctx context.Context, past Seq) error {
	return waitPast(ctx, past, func() Seq { return Seq(b.head.Load()) }, &b.news, &b.life)
}

// Floor implements [Log].
func (b *Bolt) Floor(ctx context.Context, channel Channel, kinds ...Kind) (Seq, error) {
	var floor Seq
	err := b.view(ctx, "sync.Floor", func(t *tables) error {
		floor = t.floor(channel, kinds)
		return nil
	})
	return floor, err
}

// Get implements [Log].
func (b *Bolt) Get(ctx context.Context, kind Kind, key string) (Change, bool, error) {
	var c Change
	var ok bool
	err := b.view(ctx, "sync.Get", func(t *tables) error {
		var err error
		c, ok, err = t.last(kind, key)
		c = c.own()
		return err
	})
	return c, ok && err == nil, err
}

// Read implements [Log]. An entity that changes while the caller works may be missing from what is left: its new change is past the
// head at which Read was called.
func (b *Bolt) Read(ctx context.Context, from Seq, channels ...Channel) iter.Seq2[Change, error] {
	upTo := Seq(b.head.Load())
	channels = slices.Clone(channels)
	slices.Sort(channels)
	channels = slices.Compact(channels)
	return func(yield func(Change, error) bool) {
		for after, more := from, true; more; {
			var chunk []Change
			err := b.view(ctx, "sync.Read", func(t *tables) (err error) {
				chunk, more, err = readChunk(t, after, upTo, channels)
				return err
			})
			if err != nil {
				yield(Change{}, err)
				return
			}
			for _, c := range chunk {
				if !yield(c, nil) {
					return
				}
				after = c.Seq
			}
		}
	}
}

// readChunk copies the next changes after a place, and reports whether there may be more.
func readChunk(t *tables, after, upTo Seq, channels []Channel) ([]Change, bool, error) {
	if after >= upTo {
		return nil, false, nil
	}
	var chunk []Change
	size := 0
	for seq, record := range records(t, after, channels) {
		if seq > upTo {
			return chunk, false, nil
		}
		c, err := decode(seq, record)
		if err != nil {
			return nil, false, corrupt("sync.Read", seq, err)
		}
		chunk = append(chunk, c.own())
		if size += len(record); len(chunk) == ReadChunk || size >= readChunkBytes {
			return chunk, true, nil
		}
	}
	return chunk, false, nil
}

// records yields the records after a place, in order: all, or those of channels.
func records(t *tables, after Seq, channels []Channel) iter.Seq2[Seq, []byte] {
	if len(channels) > 0 {
		return func(yield func(Seq, []byte) bool) {
			for seq := range mergeChannels(t, after, channels) {
				if !yield(seq, t.log.Get(seqKey(seq))) {
					return
				}
			}
		}
	}
	return func(yield func(Seq, []byte) bool) {
		c := t.log.Cursor()
		for k, v := c.Seek(seqKey(after + 1)); k != nil; k, v = c.Next() {
			if !yield(keySeq(k), v) {
				return
			}
		}
	}
}

// mergeChannels yields the Seqs of several channels' changes after a place, in order.
func mergeChannels(t *tables, after Seq, channels []Channel) iter.Seq[Seq] {
	return func(yield func(Seq) bool) {
		places := make([]channelPlace, 0, len(channels))
		for _, channel := range channels {
			p := channelPlace{prefix: channelPrefix(channel), cursor: t.channel.Cursor()}
			k, _ := p.cursor.Seek(channelKey(channel, after+1))
			if p.at(k) {
				places = append(places, p)
			}
		}
		for len(places) > 0 {
			// Channels are few, tens at most: looking at each is faster than a heap, and shorter.
			first := 0
			for i := range places {
				if places[i].seq < places[first].seq {
					first = i
				}
			}
			if !yield(places[first].seq) {
				return
			}
			if k, _ := places[first].cursor.Next(); !places[first].at(k) {
				places = slices.Delete(places, first, first+1)
			}
		}
	}
}

// channelPlace is a place in a channel that is being read.
type channelPlace struct {
	prefix []byte
	cursor *bolt.Cursor
	seq    Seq
}

// at moves to a key, and reports whether it is still in the channel.
func (p *channelPlace) at(key []byte) bool {
	p.seq = keySeq(key)
	return bytes.HasPrefix(key, p.prefix)
}

// View runs fn in a read transaction: everything that it reads is of one moment. fn must be short, and must not append. Its error is
// returned as it is.
func (b *Bolt) View(ctx context.Context, fn func(v *BoltView) error) error {
	var own error
	err := b.view(ctx, "sync.View", func(t *tables) error {
		v := &BoltView{t: t}
		own = fn(v)
		return v.err
	})
	if own != nil {
		return own
	}
	return err
}

// BoltView reads a log at one moment.
type BoltView struct {
	t   *tables
	err error // a record that could not be read; View returns it
}

// Tx gives follower zero its own buckets. Read only.
func (v *BoltView) Tx() *bolt.Tx { return v.t.tx }

// Head is the Seq of the last change in this view.
func (v *BoltView) Head() Seq { return v.t.head() }

// Start is the number just below the first one that this log issued; 0 when that is not on record. Lower numbers are another log's.
func (v *BoltView) Start() Seq { return keySeq(v.t.meta.Get(metaStart)) }

// Floor is [Log.Floor] at this moment.
func (v *BoltView) Floor(channel Channel, kinds ...Kind) Seq { return v.t.floor(channel, kinds) }

// Get returns an entity's last change, perhaps a tombstone. Body is valid until the view ends only. A record that cannot be
// read counts as missing, and [Bolt.View] returns the error.
func (v *BoltView) Get(kind Kind, key string) (Change, bool) {
	c, ok, err := v.t.last(kind, key)
	if err != nil {
		v.err = err
	}
	return c, ok
}

// Version returns the Seq of an entity's last change without reading the change; false when there is no such entity, or only its tombstone.
func (v *BoltView) Version(kind Kind, key string) (Seq, bool) {
	value := v.t.entity.Get(entityName(kind, key))
	seq := keySeqOfEntity(value)
	return seq, seq != 0 && !isTombstone(value)
}

// Changes yields a channel's changes after a place, in order, tombstones included; of "" those of all channels. Bodies are valid until the view ends only.
func (v *BoltView) Changes(channel Channel, after Seq) iter.Seq[Change] {
	var channels []Channel
	if channel != "" {
		channels = []Channel{channel}
	}
	return func(yield func(Change) bool) {
		for seq, record := range records(v.t, after, channels) {
			c, err := decode(seq, record)
			if err != nil {
				v.err = corrupt("sync.View", seq, err)
				return
			}
			if !yield(c) {
				return
			}
		}
	}
}

// Last returns the Seq of a channel's last change; 0 when the channel is empty.
func (v *BoltView) Last(channel Channel) Seq {
	c := v.t.channel.Cursor()
	k, _ := c.Seek(channelKey(channel, maxSeq))
	if k == nil {
		k, _ = c.Last()
	} else if !bytes.Equal(k, channelKey(channel, maxSeq)) {
		k, _ = c.Prev()
	}
	if !bytes.HasPrefix(k, channelPrefix(channel)) {
		return 0
	}
	return keySeq(k)
}

// Entities yields the live entities of a kind whose key starts with prefix and is greater than after, in order of key.
// Bodies are valid until the view ends only.
func (v *BoltView) Entities(kind Kind, prefix, after string) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		begin, past := entityName(kind, prefix), entityName(kind, after)
		c := v.t.entity.Cursor()
		k, value := c.Seek(slices.MaxFunc([][]byte{begin, past}, bytes.Compare))
		for ; bytes.HasPrefix(k, begin); k, value = c.Next() {
			if isTombstone(value) || after != "" && bytes.Equal(k, past) {
				continue
			}
			change, err := v.t.at(keySeqOfEntity(value))
			if err != nil {
				v.err = err
				return
			}
			if !yield(change) {
				return
			}
		}
	}
}
