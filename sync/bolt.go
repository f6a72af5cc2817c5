package sync

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// FormatVersion is the version of the file that this program writes.
	FormatVersion = 1
	// LockTimeout is how long OpenBolt waits for another process to let go of the file.
	LockTimeout = time.Second
	// mmapSize of address space is mapped at once where that is free: a remap while a read transaction is open blocks the writer.
	mmapSize = 64 << 30
	// allocSize is by how much the file grows.
	allocSize = 16 << 20
	// seqShift makes the first Seq of unix seconds: a million changes a second would have to be sustained for two logs to meet.
	seqShift = 20
)

// The buckets.
var (
	bucketMeta    = []byte("meta")    // see the keys below
	bucketLog     = []byte("log")     // Seq → record: the last change of each entity
	bucketEntity  = []byte("entity")  // kind 0 key → Seq
	bucketChannel = []byte("channel") // channel 0 Seq → nothing
	bucketTomb    = []byte("tomb")    // Seq → nothing: the tombstones, oldest first
	bucketFloor   = []byte("floor")   // channel 0 kind → Seq; a zero byte alone → the floor of everything

	metaFormat = []byte("format")
	metaID     = []byte("id")
	metaHead   = []byte("head")
	metaZero   = []byte("zero/") // followed by the name of follower zero → its schema
)

// BoltConfig says where a log lives and who follows it inline.
type BoltConfig struct {
	Path        string
	Zero        FollowerZero     // may be nil
	Now         func() time.Time // time.Now when nil
	Logger      *slog.Logger     // slog.Default when nil
	LockTimeout time.Duration    // how long OpenBolt waits for another process; 0 = LockTimeout
}

// FollowerZero derives tables in the log's own transaction, so that they are never behind it.
type FollowerZero interface {
	// Name prefixes the names of its buckets: "name/…".
	Name() string
	// Schema is the version of its tables; when it differs from the one on disk, the tables are dropped and built again from the log.
	Schema() int
	// ApplyIn derives from changes, in order. An error fails the Append that brought them.
	ApplyIn(tx *bolt.Tx, changes []Applied) error
}

// Applied is a change with the entity's change before it (nil when there was none, not even a tombstone). Bodies are valid
// during the call only. For OpErase, the entities dropped come first, each as an OpDelete with its Prev and its old Seq.
type Applied struct {
	Change
	Prev *Change
}

// Bolt is a Log in one bbolt file. It is safe for concurrent use by one process; a second one is refused.
type Bolt struct {
	cfg  BoltConfig
	db   *bolt.DB
	id   LogID
	head watched // moves after the commit has returned

	queue    chan *request
	closing  chan struct{}
	done     chan struct{}
	closeOne stdsync.Once
	closeErr error
}

// OpenBolt opens or makes a log. Errors: fault.Locked, fault.NewerFormat, fault.Corrupt, fault.DiskFull.
func OpenBolt(cfg BoltConfig) (*Bolt, error) {
	cfg.setDefaults()
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o750); err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	db, err := bolt.Open(cfg.Path, 0o600, &bolt.Options{
		Timeout: cfg.LockTimeout, FreelistType: bolt.FreelistMapType, InitialMmapSize: initialMmap(), NoFreelistSync: false,
	})
	if err != nil {
		return nil, openError(cfg.Path, err)
	}
	db.AllocSize = allocSize
	b := &Bolt{cfg: cfg, db: db, queue: make(chan *request, maxQueue), closing: make(chan struct{}), done: make(chan struct{})}
	if err := b.prepare(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go b.commitLoop()
	return b, nil
}

func (cfg *BoltConfig) setDefaults() {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.LockTimeout == 0 {
		cfg.LockTimeout = LockTimeout
	}
}

// initialMmap is mmapSize where mapping costs nothing but addresses: not on 32 bits, and not on Windows, where the file grows to it.
func initialMmap() int {
	if bits.UintSize < 64 || runtime.GOOS == "windows" {
		return 0
	}
	return mmapSize
}

func openError(path string, err error) error {
	const op = "sync.OpenBolt"
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fault.Wrap(op, fault.Locked, err).WithFix("another process has %s open; stop it, or talk to it with --server URL", path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fault.Wrap(op, fault.Corrupt, err).WithFix("%s is no changelog, or is damaged; restore it with \"carrel restore\"", path)
	case isFull(err):
		return fault.Wrap(op, fault.DiskFull, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("sync: may not open %s: %w", path, err)
	}
	return fault.Wrap(op, fault.Corrupt, err).WithFix("%s cannot be opened; restore it with \"carrel restore\"", path)
}

// prepare makes the buckets of a new file, migrates an older one, and brings follower zero up to date.
func (b *Bolt) prepare() error {
	err := b.db.Update(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketMeta) == nil {
			return b.create(tx)
		}
		return migrate(tx)
	})
	if err != nil {
		return commitError("sync.OpenBolt", err)
	}
	if err := b.readMeta(); err != nil {
		return err
	}
	return b.prepareZero()
}

func (b *Bolt) create(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketLog, bucketEntity, bucketChannel, bucketTomb, bucketFloor} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails, says crypto/rand
	meta := tx.Bucket(bucketMeta)
	first := Seq(b.cfg.Now().Unix()) << seqShift //nolint:gosec // a clock before 1970 is caught by the test of head below
	return errors.Join(
		meta.Put(metaFormat, binary.BigEndian.AppendUint64(nil, FormatVersion)),
		meta.Put(metaID, []byte(hex.EncodeToString(id))),
		meta.Put(metaHead, seqKey(first-1)),
	)
}

// migrations bring a file from the version that is their index to the next.
var migrations = []func(tx *bolt.Tx) error{
	0: func(tx *bolt.Tx) error { // version 0 was never released: it lacked the floors
		_, err := tx.CreateBucketIfNotExists(bucketFloor)
		return err
	},
}

func migrate(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	raw := meta.Get(metaFormat)
	if len(raw) != 8 {
		return fault.New("sync.OpenBolt", fault.Corrupt).WithFix("the file is no changelog")
	}
	version := binary.BigEndian.Uint64(raw)
	if version > FormatVersion {
		return fault.New("sync.OpenBolt", fault.NewerFormat).WithFix("the changelog has format %d, this program reads up to %d: upgrade it", version, FormatVersion)
	}
	for v := version; v < FormatVersion; v++ {
		if err := migrations[v](tx); err != nil {
			return err
		}
	}
	if version == FormatVersion {
		return nil
	}
	return meta.Put(metaFormat, binary.BigEndian.AppendUint64(nil, FormatVersion))
}

func (b *Bolt) readMeta() error {
	return b.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		id, head := meta.Get(metaID), meta.Get(metaHead)
		if len(id) == 0 || len(head) != 8 {
			return fault.New("sync.OpenBolt", fault.Corrupt).WithFix("the changelog has lost its head; restore it with \"carrel restore\"")
		}
		b.id = LogID(id)
		b.head.set(keySeq(head))
		return nil
	})
}

// ID returns the log's identity.
func (b *Bolt) ID() LogID { return b.id }

// Head returns the Seq of the last change that is committed.
func (b *Bolt) Head(context.Context) (Seq, error) { return b.head.get(), nil }

// Wait returns when the head is past the given Seq.
func (b *Bolt) Wait(ctx context.Context, past Seq) error { return b.head.wait(ctx, past) }

// View runs fn in a read transaction: everything that it reads is of one moment. fn must be short, and must not append.
func (b *Bolt) View(ctx context.Context, fn func(v *BoltView) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.db.View(func(tx *bolt.Tx) error { return fn(&BoltView{tx: tx, log: tx.Bucket(bucketLog), entity: tx.Bucket(bucketEntity)}) })
}

// BoltView reads a log at one moment.
type BoltView struct {
	tx          *bolt.Tx
	log, entity *bolt.Bucket
}

// Tx gives follower zero its own buckets. Read only.
func (v *BoltView) Tx() *bolt.Tx { return v.tx }

// Head is the Seq of the last change in this view.
func (v *BoltView) Head() Seq { return keySeq(v.tx.Bucket(bucketMeta).Get(metaHead)) }

// Get returns an entity's last change, perhaps a tombstone. Body is valid until the view ends only.
func (v *BoltView) Get(kind Kind, key string) (Change, bool) {
	at := v.entity.Get(entityKey(kind, key))
	if at == nil {
		return Change{}, false
	}
	return v.at(at)
}

func (v *BoltView) at(seq []byte) (Change, bool) {
	raw := v.log.Get(seq)
	c, err := decodeChange(keySeq(seq), raw)
	if err != nil {
		slog.Default().Error("sync: an entity points at no record", slog.Uint64("seq", uint64(keySeq(seq))))
		return Change{}, false
	}
	return c, true
}

// Entities yields the live entities of a kind whose key starts with prefix and is greater than after, in order of key.
// Bodies are valid until the view ends only.
func (v *BoltView) Entities(kind Kind, prefix, after string) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		start := entityKey(kind, max(prefix, after))
		within := string(entityKey(kind, prefix))
		last := string(entityKey(kind, after))
		c := v.entity.Cursor()
		for k, at := c.Seek(start); k != nil && len(k) >= len(within) && string(k[:len(within)]) == within; k, at = c.Next() {
			if after != "" && string(k) <= last {
				continue
			}
			ch, ok := v.at(at)
			if ok && ch.Op != OpDelete && !yield(ch) {
				return
			}
		}
	}
}

// Get returns an entity's last change (perhaps a tombstone), and whether there is one.
func (b *Bolt) Get(ctx context.Context, kind Kind, key string) (c Change, ok bool, err error) {
	err = b.View(ctx, func(v *BoltView) error {
		c, ok = v.Get(kind, key)
		c.Body = clone(c.Body)
		return nil
	})
	return c, ok, err
}

// Floor returns the highest Seq among the tombstones purged from a channel: see [Log]. It walks the floors: there is one for each
// channel that ever lost a tombstone.
func (b *Bolt) Floor(ctx context.Context, channel Channel, kinds ...Kind) (floor Seq, err error) {
	err = b.View(ctx, func(v *BoltView) error {
		floors := v.tx.Bucket(bucketFloor)
		floor = floorOf(floors.Get(floorOfEverything))
		c := floors.Cursor()
		for k, at := c.First(); k != nil; k, at = c.Next() {
			ch, kind, _ := strings.Cut(string(k), "\x00")
			if (channel == "" || ch == string(channel)) && (len(kinds) == 0 || slices.Contains(kinds, Kind(kind))) {
				floor = max(floor, floorOf(at))
			}
		}
		return nil
	})
	return floor, err
}

// Close lets the appends under way finish and closes the file. It is idempotent.
func (b *Bolt) Close() error {
	b.closeOne.Do(func() {
		close(b.closing)
		<-b.done
		b.head.close()
		b.closeErr = b.db.Close()
	})
	return b.closeErr
}
