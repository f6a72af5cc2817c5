package sync

import (
	"container/heap"
	"context"
	"errors"
	"iter"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

// commitError gives what bbolt says of a failed commit its code. The transaction is rolled back, and reads go on.
func commitError(op string, err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case isFull(err):
		return fault.Wrap(op, fault.DiskFull, err).WithFix("make room on the disk; writes go on by themselves then")
	}
	return fault.Wrap(op, fault.Internal, err)
}

// Read yields the changes after from up to the head at this moment: see [Log].
func (b *Bolt) Read(ctx context.Context, from Seq, channels ...Channel) iter.Seq2[Change, error] {
	head := b.head.get()
	return func(yield func(Change, error) bool) {
		for from < head {
			var chunk []Change
			last := head
			err := b.View(ctx, func(v *BoltView) (err error) {
				chunk, last, err = v.chunk(from, head, channels)
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
			}
			from = last
		}
	}
}

// chunk copies up to ReadChunk changes in (from, head], and says up to where it has read.
func (v *BoltView) chunk(from, head Seq, channels []Channel) ([]Change, Seq, error) {
	var chunk []Change
	for seq, raw := range v.seqs(from, channels) {
		if seq > head {
			break
		}
		if raw == nil {
			raw = v.log.Get(seqKey(seq))
		}
		c, err := decodeChange(seq, raw)
		if err != nil {
			return nil, 0, fault.Wrap("sync.Read", fault.Corrupt, err).WithFix("restore the changelog with \"carrel restore\"")
		}
		c.Body = clone(c.Body)
		chunk = append(chunk, c)
		if len(chunk) == ReadChunk {
			return chunk, seq, nil
		}
	}
	return chunk, head, nil
}

// seqs yields the Seqs after from, in order, with their records where they are at hand.
func (v *BoltView) seqs(from Seq, channels []Channel) iter.Seq2[Seq, []byte] {
	if len(channels) > 0 {
		return v.merged(from, channels)
	}
	return func(yield func(Seq, []byte) bool) {
		c := v.log.Cursor()
		for k, raw := c.Seek(seqKey(from + 1)); k != nil; k, raw = c.Next() {
			if !yield(keySeq(k), raw) {
				return
			}
		}
	}
}

// merged walks several channels at once, smallest Seq first.
func (v *BoltView) merged(from Seq, channels []Channel) iter.Seq2[Seq, []byte] {
	return func(yield func(Seq, []byte) bool) {
		var h channelHeap
		seen := map[Channel]bool{}
		for _, ch := range channels {
			if seen[ch] {
				continue
			}
			seen[ch] = true
			c := &channelCursor{prefix: append([]byte(ch), 0), cursor: v.tx.Bucket(bucketChannel).Cursor()}
			if k, _ := c.cursor.Seek(channelKey(ch, from+1)); c.at(k) {
				h = append(h, c)
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			if !yield(h[0].seq, nil) {
				return
			}
			if k, _ := h[0].cursor.Next(); h[0].at(k) {
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
		}
	}
}

// channelCursor is a place in one channel.
type channelCursor struct {
	prefix []byte
	cursor *bolt.Cursor
	seq    Seq
}

func (c *channelCursor) at(k []byte) bool {
	n := len(c.prefix)
	if len(k) != n+8 || string(k[:n]) != string(c.prefix) {
		return false
	}
	c.seq = keySeq(k[n:])
	return true
}

// channelHeap orders channels by the Seq that comes next.
type channelHeap []*channelCursor

func (h channelHeap) Len() int           { return len(h) }
func (h channelHeap) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h channelHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push adds a channel, for container/heap.
func (h *channelHeap) Push(x any) { *h = append(*h, x.(*channelCursor)) } //nolint:forcetypeassert // only ours are pushed

// Pop removes the last one, for container/heap.
func (h *channelHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
