package sync

import (
	"encoding/binary"
	"errors"
	"time"
)

// A record is a change as the file holds it: a version byte, fixed numbers, then the strings and the body with their lengths.
// It is the value under its Seq in bucketLog. The number of the record's version lets a later one read what this one wrote.
const recordVersion = 1

var errRecord = errors.New("a record of the changelog is damaged")

func encodeChange(c *Change) []byte {
	size := 1 + 1 + 3*8 + 4*binary.MaxVarintLen64 + len(c.Channel) + len(c.Kind) + len(c.Key) + len(c.Erases) + len(c.Body)
	b := make([]byte, 0, size)
	b = append(b, recordVersion, byte(c.Op))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Since))
	b = binary.BigEndian.AppendUint64(b, uint64(c.At.UnixMilli())) //nolint:gosec // read back the same way
	b = binary.AppendUvarint(b, uint64(max(c.Schema, 0)))          //nolint:gosec // not negative
	for _, s := range []string{string(c.Channel), string(c.Kind), c.Key, string(c.Erases)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, c.Body...)
}

// decodeChange reads a record. Body is a part of b, not a copy.
func decodeChange(seq Seq, b []byte) (Change, error) {
	const fixed = 2 + 3*8
	if len(b) < fixed || b[0] != recordVersion {
		return Change{}, errRecord
	}
	c := Change{
		Seq: seq, Op: Op(b[1]),
		Created: Seq(binary.BigEndian.Uint64(b[2:])), Since: Seq(binary.BigEndian.Uint64(b[10:])),
		At: time.UnixMilli(int64(binary.BigEndian.Uint64(b[18:]))).UTC(), //nolint:gosec // written from an int64
	}
	b = b[fixed:]
	schema, n := binary.Uvarint(b)
	if n <= 0 {
		return Change{}, errRecord
	}
	c.Schema, b = int(schema), b[n:] //nolint:gosec // written from an int
	var parts [4]string
	for i := range parts {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return Change{}, errRecord
		}
		parts[i], b = string(b[n:n+int(size)]), b[n+int(size):] //nolint:gosec // checked above
	}
	c.Channel, c.Kind, c.Key, c.Erases = Channel(parts[0]), Kind(parts[1]), parts[2], Channel(parts[3])
	if len(b) > 0 {
		c.Body = b
	}
	return c, nil
}

// seqKey is a Seq as a key: big-endian, so that keys sort as numbers do.
func seqKey(s Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(s)) }

func keySeq(k []byte) Seq { return Seq(binary.BigEndian.Uint64(k)) }

// entityKey names an entity: kind, a zero byte, key. Neither holds a zero byte.
func entityKey(kind Kind, key string) []byte {
	b := make([]byte, 0, len(kind)+1+len(key))
	b = append(b, kind...)
	b = append(b, 0)
	return append(b, key...)
}

// channelKey places a change in its channel: channel, a zero byte, Seq.
func channelKey(ch Channel, s Seq) []byte {
	b := make([]byte, 0, len(ch)+1+8)
	b = append(b, ch...)
	b = append(b, 0)
	return binary.BigEndian.AppendUint64(b, uint64(s))
}
