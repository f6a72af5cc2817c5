package sync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	stdsync "sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/carrel-lms/carrel/fault"
)

// LockTimeout is how long [OpenBolt] waits for another process, if its caller does not say: long enough for one that is just
// ending, short enough that a person is told at once.
const LockTimeout = time.Second

// mapSize is how much address space the file is given: when a file outgrows its mapping, bbolt must wait for every reader before it
// maps again, and all new readers wait for that. 64 GiB is more than a log of this design grows to, and costs nothing where addresses
// have 47 bits; only pages that are read take memory.
const mapSize int64 = 64 << 30

// The log is its owner's alone: it holds what learners did.
const (
	fileMode   = 0o600
	folderMode = 0o700
)

// BoltConfig says where a log lives and who follows it inline.
type BoltConfig struct {
	Path        string
	Zero        FollowerZero     // may be nil
	Now         func() time.Time // time.Now when nil
	Logger      *slog.Logger     // slog.Default() when nil
	LockTimeout time.Duration    // how long OpenBolt waits for another process; 0 = LockTimeout

	// ReadOnly opens a log that is there for looking only: nothing in the file changes, others may look too, and what writes fails. An
	// older format is not migrated: see [Bolt.Older].
	ReadOnly bool
	// RebuildZero drops follower zero's tables and builds them again, whatever state they are in.
	RebuildZero bool
}

// Bolt is a [Log] in one bbolt file. Its methods are safe for concurrent use.
type Bolt struct {
	cfg  BoltConfig
	db   *bolt.DB
	id   LogID
	head atomic.Uint64 // of what is committed
	news broadcast     // after head has moved
	life life

	turn   chan struct{} // holds one token while somebody writes
	mu     stdsync.Mutex // guards queue
	queue  []*request
	broken error // set when the disk may hold what we told was not written; guarded by turn
	orphan bool  // the file has tables of a follower that is not with us; guarded by turn
	older  bool  // the file is of an older format, and only looked at
}

var _ Log = (*Bolt)(nil)

// OpenBolt opens or makes a log, its folder too. Errors: fault.Locked when another process has it open,
// fault.NewerFormat, fault.Corrupt. With ReadOnly nothing is made: a log that is missing is an error.
func OpenBolt(cfg BoltConfig) (*Bolt, error) {
	cfg = cfg.withDefaults()
	if !cfg.ReadOnly {
		if err := os.MkdirAll(filepath.Dir(cfg.Path), folderMode); err != nil {
			return nil, fail("sync.OpenBolt", err)
		}
	}
	b := &Bolt{cfg: cfg, turn: make(chan struct{}, 1)}
	b.news.init()
	b.life.init()
	if err := guard(cfg, b.open); err != nil {
		return nil, err
	}
	if cfg.ReadOnly {
		return b, nil
	}
	if err := b.rebuildZero(); err != nil {
		b.db.Close() // the reason that we give up is the better one to report
		return nil, fail("sync.OpenBolt", err)
	}
	return b, nil
}

func (cfg BoltConfig) withDefaults() BoltConfig {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.LockTimeout <= 0 {
		cfg.LockTimeout = LockTimeout
	}
	return cfg
}

// guard makes an error of it when bbolt panics because a page is damaged, or reads past the end of a file that was cut. What it had open then
// stays open until the process ends.
func guard(cfg BoltConfig, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged(cfg.Path, fmt.Errorf("panic: %v", p))
		}
	}()
	return fn()
}

// open opens the file and checks what is in it.
func (b *Bolt) open() error {
	db, err := openFile(b.cfg)
	if err != nil {
		return err
	}
	b.db = db
	if err := b.prepare(); err != nil {
		db.Close() // the reason that we give up is the better one to report
		return fail("sync.OpenBolt", err)
	}
	return nil
}

// prepare makes the buckets of a new file, or migrates those of an older one, and loads what is kept in memory.
func (b *Bolt) prepare() error {
	tx, err := b.db.Begin(!b.cfg.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	changed := false
	if b.cfg.ReadOnly {
		b.older, err = lookAtFormat(tx, b.cfg)
	} else {
		changed, err = prepareFormat(tx, b.cfg, FormatVersion, migrations)
	}
	if err != nil {
		return err
	}
	t := openTables(tx)
	id, head := LogID(t.meta.Get(metaID)), t.head()
	if changed {
		if err := tx.Commit(); err != nil {
			return err
		}
		if err := syncFolder(b.cfg.Path); err != nil {
			return err
		}
	}
	b.id = id
	b.head.Store(uint64(head))
	return nil
}

// openFile opens the bbolt file.
func openFile(cfg BoltConfig) (*bolt.DB, error) {
	const op = "sync.OpenBolt"
	options := &bolt.Options{
		Timeout: cfg.LockTimeout, FreelistType: bolt.FreelistMapType, InitialMmapSize: initialMap(), NoStatistics: true, ReadOnly: cfg.ReadOnly,
	}
	var file *os.File
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode) //nolint:gosec // the administrator names the folder
		return file, err
	}
	if cfg.ReadOnly {
		options.InitialMmapSize = 0    // it does not grow
		options.PreLoadFreelist = true // here, where a fault is caught; Verify needs it
		if info, err := os.Stat(cfg.Path); err == nil && info.Size() == 0 {
			return nil, damaged(cfg.Path, errors.New("it is empty"))
		}
	}
	db, err := bolt.Open(cfg.Path, fileMode, options)
	switch {
	case err == nil && replaced(file, cfg.Path):
		db.Close()
		return nil, fault.New(op, fault.Locked, "path", cfg.Path).WithFix("%s was replaced by a restore while it was opened: try again", cfg.Path)
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, locked(cfg.Path, err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, berrors.ErrInvalidMapping):
		return nil, damaged(cfg.Path, err)
	}
	var pathErr *os.PathError
	if !errors.As(err, &pathErr) && !diskFull(err) {
		return nil, damaged(cfg.Path, err)
	}
	return nil, fail(op, err)
}

// replaced reports whether a file that was opened has another name by now: a restore may rename it while we wait for its lock, and who then went on
// would write into the log that was put aside.
func replaced(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && !os.SameFile(opened, named)
}

func locked(path string, err error) error {
	return fault.Wrap("sync.OpenBolt", fault.Locked, err, "path", path).
		WithFix("another process has %s open: stop it, or talk to it with --server URL", path)
}

func damaged(path string, err error) error {
	return fault.Wrap("sync.OpenBolt", fault.Corrupt, err, "path", path).
		WithFix("%s is no changelog of Carrel, or a damaged one: put a backup in its place with carrel restore", path)
}

// initialMap is mapSize where addresses are plenty. Windows would make the file as large as its mapping.
func initialMap() int {
	size := mapSize
	if strconv.IntSize < 64 || runtime.GOOS == "windows" {
		size = 0
	}
	return int(size)
}

// syncFolder makes sure that a file that was just made is found again after the power fails.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // there is no such call
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Older reports whether a log that is only looked at has an older format than this program writes. All that may be asked of it is a backup; whoever
// opens it for writing migrates it.
func (b *Bolt) Older() bool { return b.older }

// ID implements [Log].
func (b *Bolt) ID() LogID { return b.id }

// Close lets the appends and reads under way finish, and closes the file. It is idempotent.
func (b *Bolt) Close() error {
	if !b.life.end() {
		return nil
	}
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	for group := b.takeGroup(); len(group) > 0; group = b.takeGroup() {
		b.commitGroup(group)
	}
	return fail("sync.Close", b.db.Close())
}

// write runs fn in a transaction of its own, while nobody else writes, and moves the head after it.
func (b *Bolt) write(ctx context.Context, op string, fn func(t *tables) error) error {
	if err := ctx.Err(); err != nil {
		return err // select would choose at random
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.turn }()
	return fail(op, b.transact(fn))
}
