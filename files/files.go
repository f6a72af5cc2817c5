// Package files keeps the bytes of files that courses hand out, in one folder of the data folder.
//
// # On disk
//
//	<64 hexadecimal digits>           a file that something names, under the SHA-256 of its bytes
//	unused/<64 hexadecimal digits>    one that nothing names any more, for [Grace] longer
//	.upload-*                         one that is still coming; removed at the next start
//
// A name says what is in the file, so a file never changes, the same bytes are kept once, and a copy of the folder that is made while the server writes is as good as
// any. A file appears under its name only when all of it is on the disk.
//
// # Who names a file
//
// Not this package: [Config.Named] says. Between the moment when a file is there and the moment when something names it, the file is kept by its [Received], which
// its receiver lets go of after that. So the sweep takes no file that is named, nor one that is about to be.
//
// A folder belongs to one process, and to one changelog, which is in the folder above it.
package files

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// Grace is how long a file stays that nothing names any more: who restores a backup, or opens the folder with a wrong changelog, notices within a week.
	Grace = 7 * 24 * time.Hour
	// SweepEvery is how often [Store.Run] looks for such files. It reads what all courses name, so not more often.
	SweepEvery = time.Hour
	// headSize is how many of a file's first bytes [Received] shows: what is needed to tell its type.
	headSize = 512
	// copySize is the buffer between connection, hash and disk, in bytes: an upload's memory.
	copySize = 256 << 10
)

const (
	unusedDir  = "unused"
	uploadMark = ".upload-"
)

// Sum is the SHA-256 of a file, which is its name.
type Sum [sha256.Size]byte

// ParseSum reads 64 hexadecimal digits in lower case.
func ParseSum(s string) (sum Sum, ok bool) {
	if len(s) != hex.EncodedLen(len(sum)) || strings.ToLower(s) != s {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(s))
	return sum, err == nil
}

// String writes 64 hexadecimal digits.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// Config says where the files are, and what they are for.
type Config struct {
	Dir    string // made when missing
	Named  func(context.Context) (map[Sum]bool, error)
	Logger *slog.Logger     // slog.Default when nil
	Now    func() time.Time // time.Now when nil
}

// Store is the open folder. Its methods are safe for concurrent use.
type Store struct {
	cfg Config

	mu      sync.Mutex   // guards what follows, and that no file is put aside while it is being kept
	held    map[Sum]int  // how many keep a file that may not be named yet
	touched map[Sum]bool // what was kept at any moment since the sweep under way began; nil when none is
	usage   Usage        // as the last sweep saw it
}

// Usage says how much room the files take.
type Usage struct {
	Files, Unused           int
	FilesBytes, UnusedBytes int64
}

// Open makes the folder where it is missing, and removes what was cut off in the middle. [Store.Run] does the sweeping.
func Open(cfg Config) (*Store, error) {
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{cfg: cfg, held: map[Sum]int{}}
	if err := os.MkdirAll(s.path(unusedDir), 0o750); err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	cut, err := filepath.Glob(s.path(uploadMark + "*"))
	for _, path := range cut {
		err = errors.Join(err, os.Remove(path))
	}
	return s, err
}

func (s *Store) path(name string) string { return filepath.Join(s.cfg.Dir, name) }

// Open opens a file for reading. fault.FileMissing when it is not there.
func (s *Store) Open(sum Sum) (*os.File, error) {
	f, err := os.Open(s.path(sum.String()))
	if errors.Is(err, fs.ErrNotExist) { // a sweep that saw an older changelog may have put it aside
		f, err = os.Open(filepath.Join(s.path(unusedDir), sum.String()))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap("files.Open", fault.FileMissing, err, "retry_after", missingRetry).WithFix("copy the file from a backup of the folder %s", s.cfg.Dir)
	}
	return f, err
}

// Check says what is wrong with a file in a folder of files that no server holds: that it is missing, or has another size than it should; and, if deep, that its
// bytes have another sum. One that was put aside counts as there: the next start brings it back.
func Check(dir string, sum Sum, size int64, deep bool) error {
	path := filepath.Join(dir, sum.String())
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = filepath.Join(dir, unusedDir, sum.String())
		info, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("is missing")
	case err != nil:
		return err
	case info.Size() != size:
		return fmt.Errorf("has %d bytes instead of %d", info.Size(), size)
	case !deep:
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // its name is a sum
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, f, make([]byte, copySize)); err != nil {
		return err
	}
	if Sum(hash.Sum(nil)) != sum {
		return errors.New("has other bytes than it came with")
	}
	return nil
}

// missingRetry is what a caller is told to wait for a file that is missing, in seconds: a person has to bring it.
const missingRetry = 3600

// Received is a file that is there. Until [Received.Release], no sweep takes it.
type Received struct {
	Sum  Sum
	Size int64
	Head []byte // its first 512 bytes, fewer when it is shorter

	release func()
}

// Release says that the file is named now, or will not be. It may be called more than once.
func (r *Received) Release() { r.release() }

// Receive reads a file to its end and keeps it. want, unless nil, is what its sum must be. All of it is on the disk when Receive returns; on an error nothing is left
// of it. Errors: those of r, as they are; fault.DigestMismatch, fault.DiskFull; fault.InvalidFields for an empty file.
func (s *Store) Receive(r io.Reader, want *Sum) (*Received, error) {
	const op = "files.Receive"
	f, err := os.CreateTemp(s.cfg.Dir, uploadMark+"*") // readable by its owner only
	if err != nil {
		return nil, asDiskFull(op, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	in := &reading{r: r}
	hash := sha256.New()
	size, err := io.CopyBuffer(io.MultiWriter(f, hash), in, make([]byte, copySize))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	switch {
	case in.err != nil:
		return nil, in.err // the caller's connection, not our disk
	case err != nil:
		return nil, asDiskFull(op, err)
	case size == 0:
		return nil, fault.Invalid(op, fault.BadField("", fault.Required, "the file is empty"))
	}
	got := &Received{Sum: Sum(hash.Sum(nil)), Size: size, Head: in.head}
	if want != nil && *want != got.Sum {
		return nil, fault.New(op, fault.DigestMismatch, "got", got.Sum.String())
	}
	got.release = s.keep(got.Sum)
	if err := s.name(f.Name(), got); err != nil {
		got.Release()
		return nil, asDiskFull(op, err)
	}
	return got, nil
}

// keep keeps a file from the sweep until the function that it returns is called.
func (s *Store) keep(sum Sum) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[sum]++
	s.touch(sum)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[sum]--; s.held[sum] == 0 {
			delete(s.held, sum)
		}
	})
}

func (s *Store) touch(sum Sum) {
	if s.touched != nil {
		s.touched[sum] = true
	}
}

// name gives a file its name, durably. One that has the name has the same bytes, unless the disk lost some: hence it is replaced, where the system lets us replace
// what somebody reads.
func (s *Store) name(temporary string, got *Received) error {
	path := s.path(got.Sum.String())
	if err := os.Rename(temporary, path); err != nil {
		if info, e := os.Stat(path); e != nil || info.Size() != got.Size {
			return err
		}
	}
	return syncFolder(s.cfg.Dir)
}

// syncFolder makes a new name durable. Some systems cannot, and do not need it.
func syncFolder(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the administrator names it
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = d.Sync() // see above
	return d.Close()
}

// reading remembers the beginning of what it reads, and its error, to tell that from those of writing.
type reading struct {
	r    io.Reader
	head []byte
	err  error
}

// Read implements [io.Reader].
func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.head = append(r.head, p[:min(n, headSize-len(r.head))]...)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// errWindowsDiskFull is ERROR_DISK_FULL; package syscall has no name for it.
const errWindowsDiskFull = syscall.Errno(112)

// asDiskFull gives an error of the disk its code.
func asDiskFull(op string, err error) error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			return fault.Wrap(op, fault.DiskFull, err)
		}
	}
	if filepath.Separator == '\\' && errors.Is(err, errWindowsDiskFull) {
		return fault.Wrap(op, fault.DiskFull, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}
