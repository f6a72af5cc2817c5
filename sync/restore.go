package sync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

// A restore makes the new log whole beside the old one, under a name that begins with restoringMark; what a kill left of such is removed by the next
// restore. Then the old log gets a second name, asideMark and a number behind it, and the new one takes its first name by one rename: whoever opens
// the log finds the old one or the new one, whenever the restore was killed.
const (
	restoringMark = ".restoring-"
	asideMark     = ".before-restore-"
	// maxAside bounds the search for a free name; whoever keeps so many old logs should remove some.
	maxAside = 10_000
)

// RestoreConfig says what is to be restored.
type RestoreConfig struct {
	Path   string // of the log; one that is there is kept beside it
	Backup string // the file that [Bolt.Backup] wrote
	// Prepare gets the path of the restored log before it takes its place, to apply what the backup does not know; nil: nothing. It must close the log again.
	Prepare     func(ctx context.Context, path string) error
	Now         func() time.Time // time.Now when nil
	Logger      *slog.Logger     // slog.Default when nil
	LockTimeout time.Duration    // how long to wait for another process; 0 = LockTimeout
}

// Restored is what a restore did.
type Restored struct {
	Verified        // of the backup
	ID       LogID  // the log's
	Aside    string // where the log that was there is kept; "" when there was none
}

// Restore puts a backup in the place of a log. The backup is walked over before anything is touched; what is restored refuses all cursors from before
// (see [Bolt.Renew]). Until the last step fails or succeeds, the log that was there is as it was; killed at any moment, it leaves the one or the other.
//
// The log that is there may be damaged. Errors: fault.Locked when another process has it, or the backup, open; fault.Corrupt and fault.NewerFormat
// for the backup; fault.DiskFull.
func Restore(ctx context.Context, cfg RestoreConfig) (Restored, error) {
	const op = "sync.Restore"
	if err := os.MkdirAll(filepath.Dir(cfg.Path), folderMode); err != nil {
		return Restored{}, fail(op, err)
	}
	held, err := hold(cfg)
	if err != nil {
		return Restored{}, err
	}
	defer func() { _ = held.release() }() // it was only looked at
	if err := sweepRestoring(cfg.Path); err != nil {
		return Restored{}, fail(op, err)
	}
	next, err := copyBackup(ctx, cfg)
	if err != nil {
		return Restored{}, unchanged(fail(op, err))
	}
	defer func() { _ = os.Remove(next) }() // gone already when all went well
	out, err := renewCopy(ctx, cfg, next, held.head)
	if err == nil && cfg.Prepare != nil {
		err = cfg.Prepare(ctx, next)
	}
	if err == nil {
		err = ctx.Err() // the last moment to give up
	}
	if err == nil {
		out.Aside, err = putInPlace(cfg.Path, next, held)
	}
	return out, unchanged(fail(op, err))
}

// unchanged says of an error of a full disk what it means here.
func unchanged(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.DiskFull {
		return f.WithFix("a restore needs room for one more copy of the log: make room on the disk and begin again; nothing was changed")
	}
	return err
}

// held is the log that is to be replaced, kept from all other processes. There may be none, or one that cannot be opened.
type held struct {
	db     *bolt.DB
	exists bool
	head   Seq // 0: not known
}

// hold takes the lock of the log that is there. A damaged one has none that could be held, and nobody can open it.
func hold(cfg RestoreConfig) (*held, error) {
	if _, err := os.Stat(cfg.Path); errors.Is(err, fs.ErrNotExist) {
		return &held{}, nil
	}
	h := &held{exists: true}
	own := BoltConfig{Path: cfg.Path, LockTimeout: cfg.LockTimeout}.withDefaults()
	err := guard(own, func() error {
		db, err := openFile(own)
		if err != nil {
			return err
		}
		h.db = db
		return db.View(func(tx *bolt.Tx) error {
			if log := tx.Bucket(bucketLog); log != nil {
				h.head = Seq(log.Sequence())
			}
			return nil
		})
	})
	if fault.Is(err, fault.Corrupt) {
		return h, nil
	}
	return h, err
}

func (h *held) release() error {
	if h.db == nil {
		return nil
	}
	db := h.db
	h.db = nil
	return db.Close()
}

// sweepRestoring removes what killed restores left.
func sweepRestoring(path string) error {
	left, err := filepath.Glob(escapeGlob(path) + restoringMark + "*")
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// escapeGlob takes the special meaning from the characters of a path.
func escapeGlob(path string) string {
	var out []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' {
			out = append(out, '[', c, ']')
			continue
		}
		out = append(out, path[i])
	}
	return string(out)
}

// copyBackup copies the backup beside the log. It is read as a changelog, under its lock: the log of a running server is refused.
func copyBackup(ctx context.Context, cfg RestoreConfig) (path string, err error) {
	backup, err := OpenBolt(BoltConfig{Path: cfg.Backup, ReadOnly: true, Logger: cfg.Logger, LockTimeout: cfg.LockTimeout})
	if fault.Is(err, fault.Corrupt) {
		return "", notWhole(cfg.Backup, err)
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, backup.Close()) }()
	if info, err := os.Stat(cfg.Backup); err != nil || info.Size() < backup.size() {
		return "", notWhole(cfg.Backup, errors.Join(err, fmt.Errorf("it should have %d bytes", backup.size())))
	}
	out, err := os.CreateTemp(filepath.Dir(cfg.Path), filepath.Base(cfg.Path)+restoringMark+"*")
	if err != nil {
		return "", err
	}
	err = backup.Backup(ctx, out, nil)
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(out.Name()))
	}
	return out.Name(), nil
}

// size is how long the file must be at least.
func (b *Bolt) size() (size int64) {
	_ = b.db.View(func(tx *bolt.Tx) error { // it was just opened
		size = tx.Size()
		return nil
	})
	return size
}

func notWhole(path string, err error) error {
	return fault.Wrap("sync.Restore", fault.Corrupt, err, "path", path).WithFix("%s is no whole backup of Carrel: use another one; nothing was changed", path)
}

// renewCopy checks the copy and makes it the log of this moment.
func renewCopy(ctx context.Context, cfg RestoreConfig, path string, past Seq) (out Restored, err error) {
	log, err := OpenBolt(BoltConfig{Path: path, Now: cfg.Now, Logger: cfg.Logger})
	if fault.Is(err, fault.Corrupt) {
		return out, notWhole(cfg.Backup, err)
	}
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	out.ID = log.ID()
	if out.Verified, err = log.Verify(ctx, VerifyConfig{}); err != nil {
		return out, err
	}
	if n := out.Wrong.Len(); n > 0 {
		return out, notWhole(cfg.Backup, fmt.Errorf("%d things are wrong with it, the first: %s", n, out.Wrong.List[0]))
	}
	return out, log.Renew(ctx, past)
}

// putInPlace gives the old log another name and the new one the old one's.
func putInPlace(path, next string, old *held) (aside string, err error) {
	if !old.exists {
		// A second name is made only where there is none: a server may have made a log of its own meanwhile.
		if err := os.Link(next, path); errors.Is(err, fs.ErrExist) {
			return "", fault.Wrap("sync.Restore", fault.Locked, err).WithFix("another process has made %s meanwhile: stop it and begin again", path)
		} else if err == nil {
			return "", errors.Join(os.Remove(next), syncFolder(path))
		}
		return "", errors.Join(os.Rename(next, path), syncFolder(path)) // a file system without links
	}
	if aside, err = keepAside(path); err != nil {
		return "", err
	}
	if err := releaseOnWindows(old); err != nil {
		return aside, err
	}
	if err := os.Rename(next, path); err != nil {
		return "", errors.Join(err, os.Remove(aside))
	}
	return aside, syncFolder(path)
}

// keepAside gives a log a second name, the first that is free: no earlier one is overwritten. Where there are no links it is copied. The name that a killed
// restore gave it is as good as a new one.
func keepAside(path string) (string, error) {
	log, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	for n := 1; n <= maxAside; n++ {
		aside := fmt.Sprintf("%s%s%d", path, asideMark, n)
		if taken, err := os.Lstat(aside); err == nil {
			if os.SameFile(log, taken) {
				return aside, nil
			}
			continue
		}
		err := os.Link(path, aside)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			err = copyFile(path, aside)
		}
		return aside, err
	}
	return "", fmt.Errorf("there are %d files %s%s…: remove some", maxAside, path, asideMark)
}

// copyFile copies a file under a name that is free. On an error nothing is left of it.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from) //nolint:gosec // the administrator names the folder
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()                                        // only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode) //nolint:gosec // the administrator names the folder
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// releaseOnWindows closes the old log where a file that is open cannot be renamed over.
func releaseOnWindows(old *held) error {
	if runtime.GOOS == "windows" {
		return old.release()
	}
	return nil
}
