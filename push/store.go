package push

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// The buckets. Parts of keys are joined by a zero byte, which no id holds; numbers in keys are 8 bytes, big endian, times in unix milliseconds. Values
// are JSON.
var (
	bucketMeta     = []byte("meta")     // format, cursor, imported
	bucketCourses  = []byte("courses")  // course → courseMark: what was last seen of it
	bucketParts    = []byte("parts")    // course/part, with its kind → partMark
	bucketRatings  = []byte("ratings")  // course → catalog.CardRatings: the highest of which saved searches were told
	bucketEvents   = []byte("events")   // kind, subject → event, which may still grow
	bucketRounds   = []byte("rounds")   // number → round: settled events, being told
	bucketProgress = []byte("progress") // number of a round → progress
	bucketNotes    = []byte("notes")    // learner, rule, subject, Seq → note
	bucketDueNote  = []byte("duenote")  // time, key of a note → nothing
	bucketMessage  = []byte("message")  // number → message
	bucketDue      = []byte("due")      // time, number of a message → nudgeDue for nudges, else nothing
	bucketDevices  = []byte("devices")  // learner/device, number of a message → nothing
	bucketGone     = []byte("gone")     // learner/device → hash of the token that the service does not know
	bucketMoved    = []byte("moved")    // channel → Seq up to which its devices are to be nudged
	bucketNudges   = []byte("nudges")   // learner/device → nudge
	bucketDueNudg  = []byte("duenudg")  // time, learner/device → nothing
	bucketCaps     = []byte("caps")     // learner → tally of the day
	bucketImports  = []byte("imports")  // import that is running → when that was seen
	bucketDead     = []byte("dead")     // number → DeadLetter
	bucketDays     = []byte("days")     // date (UTC) → DayCount

	keyFormat   = []byte("format")
	keyCursor   = []byte("cursor")
	keyImported = []byte("imported") // when an import ended last, as we saw it
)

var buckets = [][]byte{
	bucketMeta, bucketCourses, bucketParts, bucketRatings, bucketEvents, bucketRounds, bucketProgress, bucketNotes, bucketDueNote, bucketMessage, bucketDue, bucketDevices, bucketGone,
	bucketMoved, bucketNudges, bucketDueNudg, bucketCaps, bucketImports, bucketDead, bucketDays,
}

const (
	// format is the version of what the buckets hold.
	format = 1

	fileMode   = 0o600
	folderMode = 0o700
	// lockTimeout is how long Open waits for another process: the changelog, opened before, was free.
	lockTimeout = time.Second
	// mapSize is how much address space the file is given at once: growing the mapping has to wait for readers.
	mapSize = 4 << 30
	// growBy is by how much the file grows at once, in bytes: most stay small.
	growBy = 1 << 20
)

const numberBytes = 8

func openStore(path string) (*bolt.DB, error) {
	const op = "push.Open"
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	db, err := bolt.Open(path, fileMode, &bolt.Options{
		Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, InitialMmapSize: initialMap(), NoStatistics: true,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fault.Wrap(op, fault.Locked, err, "path", path).WithFix("another process has %s open: stop it", path)
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Corrupt, err, "path", path).WithFix("remove %s: what waits to be pushed is lost, inboxes are not", path)
	}
	db.AllocSize = growBy
	if err := db.Update(prepare); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// initialMap is mapSize where addresses are plenty. Windows would make the file as large as its mapping.
func initialMap() int {
	if strconv.IntSize < 64 || runtime.GOOS == "windows" {
		return 0
	}
	return mapSize
}

func prepare(tx *bolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	switch have := meta.Get(keyFormat); {
	case have == nil:
		return meta.Put(keyFormat, []byte{format})
	case len(have) != 1 || have[0] > format:
		return fault.New("push.Open", fault.NewerFormat)
	}
	return nil
}

// join makes a key of parts.
func join(parts ...string) []byte {
	var b []byte
	for i, part := range parts {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, part...)
	}
	return b
}

// cut takes a key apart.
func cut(key []byte) []string {
	var parts []string
	for part := range bytes.SplitSeq(key, []byte{0}) {
		parts = append(parts, string(part))
	}
	return parts
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func moment(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixMilli(), 0)))
}

// momentOf reads the time at the front of a key, and returns the rest.
func momentOf(key []byte) (time.Time, []byte) {
	ms := binary.BigEndian.Uint64(key)
	return time.UnixMilli(int64(ms)), key[numberBytes:] //nolint:gosec // written from one
}

// deviceKey names a device in keys.
func deviceKey(who catalog.LearnerID, id catalog.DeviceID) string {
	return catalog.OfLearner(who, string(id))
}

// get reads a row, and reports whether there is one.
func get[T any](tx *bolt.Tx, bucket, key []byte) (row T, ok bool, err error) {
	b := tx.Bucket(bucket).Get(key)
	if b == nil {
		return row, false, nil
	}
	row, err = decode[T](b)
	return row, true, err
}

func decode[T any](b []byte) (row T, err error) {
	if err := json.Unmarshal(b, &row); err != nil {
		return row, fault.Wrap("push.read", fault.Corrupt, err).WithFix("remove push.db: what waits to be pushed is lost, inboxes are not")
	}
	return row, nil
}

func put(tx *bolt.Tx, bucket, key []byte, row any) error {
	b, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, b)
}

// each calls fn for the rows whose keys begin with a prefix, until it returns false. fn may not write the bucket.
func each(tx *bolt.Tx, bucket, prefix []byte, fn func(k, v []byte) bool) {
	c := tx.Bucket(bucket).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if !fn(k, v) {
			return
		}
	}
}

// keys returns the keys that begin with a prefix.
func keys(tx *bolt.Tx, bucket, prefix []byte) [][]byte {
	var found [][]byte
	each(tx, bucket, prefix, func(k, _ []byte) bool {
		found = append(found, bytes.Clone(k))
		return true
	})
	return found
}

// due returns what a bucket of times holds up to now, at most so many rows, and when the next one comes; the zero time when none does.
func due(tx *bolt.Tx, bucket []byte, now time.Time, most int) (rest [][]byte, next time.Time) {
	each(tx, bucket, nil, func(k, _ []byte) bool {
		at, what := momentOf(k)
		if at.After(now) || len(rest) == most {
			next = at
			return false
		}
		rest = append(rest, bytes.Clone(k))
		_ = what
		return true
	})
	return rest, next
}

// clearAll empties buckets.
func clearAll(tx *bolt.Tx, names ...[]byte) error {
	for _, name := range names {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return nil
}
