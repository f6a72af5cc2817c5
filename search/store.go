package search

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// lockTimeout is how long opening waits for another process. Without it bbolt waits for ever. The catalog is opened first, so
	// that a second process fails there.
	lockTimeout = time.Second

	storeFolder = "store"     // within an index's folder, by bleve
	rootFile    = "root.bolt" // within storeFolder, by scorch
	metaFile    = "index_meta.json"
)

var cursorKey = []byte("carrel/cursor")

// store is bleve's index on disk, with the cursor that was committed with it.
type store struct {
	bleve   bleve.Index
	index   index.Index
	path    string
	version version
	cursor  coursesync.Cursor // when it was opened
	rows    rowCache
	lists   *cache[postings]

	users   atomic.Int32 // its snapshots, and whoever owns it
	discard atomic.Bool  // the files go with the last user
}

// openStore opens an index. Any error but fault.Locked says that it cannot be used and should be set aside; fs.ErrNotExist that
// there is none.
func openStore(path string) (s *store, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	v, err := readVersion(path)
	if err != nil {
		return nil, err
	}
	defer guard(&err)()
	if err := verify(path); err != nil {
		return nil, err
	}
	b, err := bleve.OpenUsing(path, map[string]any{"bolt_timeout": lockTimeout.String()})
	if err != nil {
		return nil, err
	}
	s, err = newStore(b, path, v)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return s, nil
}

// guard turns a panic into an error, one by an access beyond the end of a mapped file too: what is read may be damaged anyhow.
func guard(err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			*err = fmt.Errorf("search: the index is damaged: %v", p)
		}
	}
}

// createStore makes an empty index. On an error nothing of it is left.
func createStore(path string) (s *store, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}()
	b, err := bleve.NewUsing(path, newMapping(), scorch.Name, scorch.Name, map[string]any{"bolt_timeout": lockTimeout.String()})
	if err != nil {
		return nil, err
	}
	err = writeFile(filepath.Join(path, versionFile), ownVersion.String())
	if err == nil {
		s, err = newStore(b, path, ownVersion)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return s, nil
}

// newMapping is a mapping that maps nothing: documents are made in document.go, field by field.
func newMapping() mapping.IndexMapping {
	m := bleve.NewIndexMapping()
	m.DefaultMapping = bleve.NewDocumentDisabledMapping()
	m.IndexDynamic, m.StoreDynamic, m.DocValuesDynamic = false, false, false
	m.ScoringModel = index.BM25Scoring
	return m
}

func newStore(b bleve.Index, path string, v version) (*store, error) {
	i, err := b.Advanced()
	if err != nil {
		return nil, err
	}
	s := &store{bleve: b, index: i, path: path, version: v, lists: newPostingsCache()}
	s.users.Store(1)
	raw, err := b.GetInternal(cursorKey)
	if err != nil || raw == nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s.cursor)
}

// retire ends the owner's use of an index that is needed no more: when the last snapshot of it is closed, its files go.
func (s *store) retire() error {
	s.discard.Store(true)
	return s.release()
}

// release ends one use.
func (s *store) release() error {
	if s.users.Add(-1) > 0 {
		return nil
	}
	err := s.bleve.Close()
	if s.discard.Load() {
		err = errors.Join(err, os.RemoveAll(s.path))
	}
	return err
}

// settle makes an index's files durable under their names; what is in them is.
func (s *store) settle() error {
	return errors.Join(syncFolder(filepath.Join(s.path, storeFolder)), syncFolder(s.path), syncFolder(filepath.Dir(s.path)))
}

// verify reads an index as far as needed to be sure that nothing was torn or zeroed: bleve itself would notice that late, by a
// fault in a worker that ends the program. It costs about as much as reading the files once.
func verify(dir string) error {
	meta, err := os.ReadFile(filepath.Join(dir, metaFile)) //nolint:gosec // in the folder that the administrator chose
	if err != nil {
		return err
	}
	if !json.Valid(meta) {
		return errors.New(metaFile + " is damaged")
	}
	store := filepath.Join(dir, storeFolder)
	segments, err := segmentsOf(filepath.Join(store, rootFile))
	if err != nil {
		return err
	}
	for _, name := range segments {
		if err := verifySegment(filepath.Join(store, name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// segmentsOf walks the whole of scorch's root file, which finds any damage to it, and returns the names of the segments in it.
func segmentsOf(path string) (names []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, ReadOnly: true, PreLoadFreelist: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fault.Wrap("search.Open", fault.Locked, err)
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		if tx.Size() > info.Size() {
			return errors.New("the file is cut")
		}
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return walk(b, &names) })
	})
	return names, err
}

// walk visits everything in a bucket and collects what looks like the name of a segment.
func walk(b *bolt.Bucket, names *[]string) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return walk(b.Bucket(k), names)
		}
		if bytes.HasSuffix(v, []byte(".zap")) {
			*names = append(*names, string(v))
		}
		return nil
	})
}

// verifySegment compares a segment with the checksum in its last four bytes.
func verifySegment(path string) error {
	f, err := os.Open(path) //nolint:gosec // in the folder that the administrator chose
	if err != nil {
		return err
	}
	defer f.Close()
	const sumSize = 4
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() <= sumSize {
		return io.ErrUnexpectedEOF
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, io.LimitReader(f, info.Size()-sumSize), make([]byte, 1<<20)); err != nil {
		return err
	}
	var want [sumSize]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(want[:]) != sum.Sum32() {
		return errors.New("the checksum does not fit")
	}
	return nil
}
