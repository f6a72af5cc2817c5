package sync

import (
	"encoding/binary"
	"errors"
	"time"
)

// recordVersion is the first byte of every record, so that its layout can change entity by entity.
const recordVersion = 1

// separator stands between the parts of a key. No kind and no channel holds it.
const separator = 0

// A record is: version, op, schema, at (unix milliseconds), created, since (behind created), channel, kind, key, erases, body. Numbers are
// varints, strings have their length before them, the body is the rest. The Seq is the record's key.

// encode makes the record of a change.
func encode(c *Change) []byte {
	b := make([]byte, 0, 48+len(c.Channel)+len(c.Kind)+len(c.Key)+len(c.Erases)+len(c.Body))
	b = append(b, recordVersion, byte(c.Op))
	b = binary.AppendUvarint(b, uint64(c.Schema)) //nolint:gosec // not negative, see malformed
	b = binary.AppendVarint(b, c.At.UnixMilli())
	b = binary.AppendUvarint(b, uint64(c.Created))
	b = binary.AppendUvarint(b, uint64(c.Since-c.Created))
	for _, s := range []string{string(c.Channel), string(c.Kind), c.Key, string(c.Erases)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, c.Body...)
}

// errRecord says that a record ends too early, or is of a version that this program does not know.
var errRecord = errors.New("not a record of a changelog")

// decode reads a record. The change's Body is part of it, not a copy.
func decode(seq Seq, record []byte) (Change, error) {
	r := recordReader{rest: record}
	if v := r.byte(); v != recordVersion {
		return Change{}, errRecord
	}
	c := Change{Seq: seq, Op: Op(r.byte())}
	c.Schema = int(r.uvarint()) //nolint:gosec // written from an int
	c.At = time.UnixMilli(r.varint()).UTC()
	c.Created = Seq(r.uvarint())
	c.Since = c.Created + Seq(r.uvarint())
	c.Channel = Channel(r.string())
	c.Kind = Kind(r.string())
	c.Key = r.string()
	c.Erases = Channel(r.string())
	if r.bad {
		return Change{}, errRecord
	}
	if len(r.rest) > 0 {
		c.Body = r.rest
	}
	return c, nil
}

// own gives a change a body of its own, so that it outlives the transaction.
func (c Change) own() Change {
	c.Body = append([]byte(nil), c.Body...)
	return c
}

// recordReader takes the parts of a record; after the first that is missing all are empty.
type recordReader struct {
	rest []byte
	bad  bool
}

func (r *recordReader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	part := r.rest[:n]
	r.rest = r.rest[n:]
	return part
}

func (r *recordReader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.take(lengthOr(n))
	return v
}

func (r *recordReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.take(lengthOr(n))
	return v
}

// lengthOr turns the length of a varint that could not be read, 0 or less, into one that take refuses.
func lengthOr(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

func (r *recordReader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return ""
	}
	return string(r.take(int(n))) //nolint:gosec // no longer than the rest
}

// seqKey is a Seq as a key.
func seqKey(seq Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

// keySeq is the Seq at the end of a key or value; 0 when there is none.
func keySeq(b []byte) Seq {
	if len(b) < 8 {
		return 0
	}
	return Seq(binary.BigEndian.Uint64(b[len(b)-8:]))
}

// entityName is the key of an entity.
func entityName(kind Kind, key string) []byte {
	b := make([]byte, 0, len(kind)+1+len(key))
	b = append(b, kind...)
	b = append(b, separator)
	return append(b, key...)
}

// channelPrefix begins the keys of a channel in buckets channel and floor.
func channelPrefix(channel Channel) []byte {
	b := make([]byte, 0, len(channel)+1+8)
	b = append(b, channel...)
	return append(b, separator)
}

// channelKey is the key of a change in its channel.
func channelKey(channel Channel, seq Seq) []byte {
	return binary.BigEndian.AppendUint64(channelPrefix(channel), uint64(seq))
}

// floorKey is the key of a floor.
func floorKey(channel Channel, kind Kind) []byte { return append(channelPrefix(channel), kind...) }
