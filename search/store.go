package search

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	index "github.com/blevesearch/bleve_index_api"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/analysis"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// lockTimeout is how long opening waits for another process. Without it bbolt waits for ever. The catalog is opened first, so
	// that a second process fails there.
	lockTimeout = time.Second

	indexFolder = "index"     // bleve's
	asideFolder = "set-aside" // the last index that could not be used, for whoever wants to know why
	versionFile = "version"   // what wrote the index
	storeFolder = "store"     // within indexFolder, by bleve
	rootFile    = "root.bolt" // within storeFolder, by scorch
	metaFile    = "index_meta.json"
)

// formatVersion names everything that an index depends on. One of another version is built again.
var formatVersion = fmt.Sprintf("mapping %d, analysis %d\n", mappingVersion, analysis.Version)

var cursorKey = []byte("carrel/cursor")

// store is bleve's index on disk, with the cursor that was committed with it.
type store struct {
	bleve  bleve.Index
	index  index.Index
	cursor coursesync.Cursor
	rows   rowCache
	lists  *cache[postings]
}

// errForeign says that an index was written by another version of this package.
var errForeign = errors.New("it was written by another version")

// openStore opens the index in a folder. Any error but fault.Locked says that it cannot be used and should be set aside; fs.ErrNotExist that
// there is none.
func openStore(dir string) (s *store, err error) {
	if _, err := os.Stat(filepath.Join(dir, indexFolder)); err != nil {
		return nil, err
	}
	version, err := os.ReadFile(filepath.Join(dir, versionFile)) //nolint:gosec // in the folder that the administrator chose
	if err != nil {
		return nil, errors.New("its version file is missing")
	}
	if string(version) != formatVersion {
		return nil, errForeign
	}
	defer guard(&err)()
	if err := verify(filepath.Join(dir, indexFolder)); err != nil {
		return nil, err
	}
	b, err := bleve.OpenUsing(filepath.Join(dir, indexFolder), map[string]any{"bolt_timeout": lockTimeout.String()})
	if err != nil {
		return nil, err
	}
	s, err = newStore(b)
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

// createStore makes an empty index in a folder.
func createStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	b, err := bleve.NewUsing(filepath.Join(dir, indexFolder), newMapping(), scorch.Name, scorch.Name,
		map[string]any{"bolt_timeout": lockTimeout.String()})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, versionFile), []byte(formatVersion), 0o600); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	s, err := newStore(b)
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

func newStore(b bleve.Index) (*store, error) {
	i, err := b.Advanced()
	if err != nil {
		return nil, err
	}
	s := &store{bleve: b, index: i, lists: newPostingsCache()}
	raw, err := b.GetInternal(cursorKey)
	if err != nil || raw == nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s.cursor)
}

// setAside moves an index that cannot be used out of the way. At most one is kept.
func setAside(dir string) error {
	aside := filepath.Join(dir, asideFolder)
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(dir, indexFolder), aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
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
