package insight

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// The buckets.
var (
	bucketMeta    = []byte("meta")
	bucketTotals  = []byte("totals")  // day ‖ group → totals
	bucketQueries = []byte("queries") // day ‖ group ‖ key → row; its sequence is the number of rows
	bucketShared  = []byte("shared")  // group ‖ key → shared
	bucketOrgs    = []byte("orgs")    // organization → the last day on which it searched
	keyFormat     = []byte("format")
)

// format is the version of what the buckets hold. A file of another one is set aside: it is statistics.
const format = 1

const (
	fileMode   = 0o600
	folderMode = 0o700
	// mapSize is how much address space the file is given at once: growing the mapping has to wait for readers. It is beyond what the file can grow to.
	mapSize = 1 << 30
	// growBy is by how much the file grows at once, in bytes; bbolt's own 16 MB would be more than most files need in all.
	growBy = 1 << 20
	// asideSuffix names the damaged file that was set aside; one is kept, for whoever wants to look.
	asideSuffix = ".damaged"
	// maxRenewals is how often a running process begins anew before it stops to count: a disk that damages one file after another needs a person.
	maxRenewals = 3
)

// errDamaged says that the file cannot be used.
var errDamaged = errors.New("the file is damaged")

// guard makes an error of it when bbolt panics over a damaged page, or reads past the end of a file that was cut.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return fn()
}

// load opens the file and reads into memory what lives there. A damaged file is set aside and a new one made.
func (s *Store) load() error {
	if err := os.MkdirAll(filepath.Dir(s.cfg.Path), folderMode); err != nil {
		return fault.Wrap("insight.Open", fault.Internal, err)
	}
	err := guard(s.openFile)
	if err == nil || fault.Is(err, fault.Locked) {
		return err
	}
	if info, statErr := os.Stat(s.cfg.Path); statErr == nil && info.IsDir() {
		return s.renew(err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fault.Wrap("insight.Open", fault.Internal, err, "path", s.cfg.Path)
	}
	return s.renew(err)
}

// renew sets the file aside and begins with an empty one.
func (s *Store) renew(why error) error {
	s.cfg.Logger.Warn("insight: the statistics cannot be used and begin anew; the file is set aside",
		slog.String("path", s.cfg.Path+asideSuffix), slog.Any("error", why))
	err := os.RemoveAll(s.cfg.Path + asideSuffix)
	if err == nil {
		err = os.Rename(s.cfg.Path, s.cfg.Path+asideSuffix)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = guard(s.openFile)
	}
	if err != nil {
		return fault.Wrap("insight.Open", fault.Internal, err, "path", s.cfg.Path)
	}
	return nil
}

// openFile opens the file, makes its buckets, and reads all of it: so damage shows now, and not under a search.
func (s *Store) openFile() error {
	db, err := bolt.Open(s.cfg.Path, fileMode, &bolt.Options{
		Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, InitialMmapSize: initialMap(), NoStatistics: true,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return fault.Wrap("insight.Open", fault.Locked, err, "path", s.cfg.Path).WithFix("another process has %s open: stop it", s.cfg.Path)
	}
	if err != nil {
		return err
	}
	db.AllocSize = growBy
	found := contents{shared: map[group]map[string]shared{}, orgs: map[catalog.OrgID]day{}}
	if err = db.Update(prepare); err == nil {
		err = db.View(found.read)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.mu.Lock()
	s.db = db
	s.mu.Unlock()
	s.shelf.Lock()
	s.shared, s.total = found.shared, found.total
	s.shelf.Unlock()
	s.orgs = found.orgs
	return nil
}

// initialMap is mapSize where addresses are plenty. Windows would make the file as large as its mapping.
func initialMap() int {
	if strconv.IntSize < 64 || runtime.GOOS == "windows" {
		return 0
	}
	return mapSize
}

func prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketTotals, bucketQueries, bucketShared, bucketOrgs} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	switch have := meta.Get(keyFormat); {
	case have == nil:
		return meta.Put(keyFormat, []byte{format})
	case len(have) != 1 || have[0] != format:
		return fmt.Errorf("%w: format %v", errDamaged, have)
	}
	return nil
}

// contents is what of the file is in memory too.
type contents struct {
	shared map[group]map[string]shared
	total  int
	orgs   map[catalog.OrgID]day
}

// read walks over every row.
func (c *contents) read(tx *bolt.Tx) error {
	err := tx.Bucket(bucketShared).ForEach(func(k, v []byte) error {
		in, key, ok := splitGroup(k)
		sh, good := decodeShared(v)
		if !ok || !good {
			return errDamaged
		}
		if c.shared[in] == nil {
			c.shared[in] = map[string]shared{}
		}
		c.shared[in][string(key)] = sh
		c.total++
		return nil
	})
	if err != nil {
		return err
	}
	err = tx.Bucket(bucketOrgs).ForEach(func(k, v []byte) error {
		org, _, ok := splitName(k)
		if !ok || len(v) != dayBytes {
			return errDamaged
		}
		c.orgs[catalog.OrgID(org)] = day(binary.BigEndian.Uint32(v)) //nolint:gosec // written from one
		return nil
	})
	if err != nil {
		return err
	}
	err = tx.Bucket(bucketTotals).ForEach(func(_, v []byte) error {
		if _, ok := decodeTotals(v); !ok {
			return errDamaged
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tx.Bucket(bucketQueries).ForEach(func(_, v []byte) error {
		if _, _, ok := decodeNumbers(v); !ok {
			return errDamaged
		}
		return nil
	})
}

// Keys: a day is four bytes, so that days sort by time; a name has its length before it, so that no name is the beginning of another.

const dayBytes = 4

func appendDay(b []byte, d day) []byte { return binary.BigEndian.AppendUint32(b, uint32(max(d, 0))) }

func appendName(b []byte, name string) []byte { return append(append(b, byte(len(name))), name...) } //nolint:gosec // at most maxName

func appendGroup(b []byte, in group) []byte {
	return appendName(appendName(b, string(in.org)), string(in.locale))
}

// groupKey is the key of a group's totals, and the beginning of those of its rows.
func groupKey(d day, in group) []byte { return appendGroup(appendDay(nil, d), in) }

// splitGroup takes a group off the front of a key.
func splitGroup(k []byte) (in group, rest []byte, ok bool) {
	org, rest, ok1 := splitName(k)
	locale, rest, ok2 := splitName(rest)
	return group{catalog.OrgID(org), catalog.Locale(locale)}, rest, ok1 && ok2
}

func splitName(k []byte) (name, rest []byte, ok bool) {
	if len(k) == 0 || len(k) < 1+int(k[0]) {
		return nil, nil, false
	}
	n := 1 + int(k[0])
	return k[1:n], k[n:], true
}

// numbers reads what appendNumbers wrote.
func numbers(b []byte, into ...*uint64) (rest []byte, err error) {
	for _, at := range into {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		*at, b = v, b[n:]
	}
	return b, nil
}

func appendNumbers(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}
