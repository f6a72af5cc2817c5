package sync

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strconv"
)

// Digest says in a few bytes which rows there are: two sides that hold the same rows in the same versions have the same one, whatever
// the order in which they got them.
type Digest struct {
	Count int    // rows
	Sum   uint64 // Σ mod 2^64 of the first 8 bytes, big-endian, of SHA-256(kind \0 id \0 version), version in decimal digits
}

// MarshalJSON implements [json.Marshaler]. The sum is a string in decimal digits: JavaScript's numbers do not hold it.
func (d Digest) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count int    `json:"count"`
		Sum   string `json:"sum"`
	}{d.Count, strconv.FormatUint(d.Sum, 10)})
}

// Add counts a row.
func (d *Digest) Add(kind Kind, id string, version Seq) {
	row := make([]byte, 0, len(kind)+len(id)+22) // 20 digits at most
	row = append(append(row, kind...), separator)
	row = append(append(row, id...), separator)
	sum := sha256.Sum256(strconv.AppendUint(row, uint64(version), 10))
	d.Count++
	d.Sum += binary.BigEndian.Uint64(sum[:])
}
