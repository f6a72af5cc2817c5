package search

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// IndexState says how an index stands to its catalog.
type IndexState string

// The states of an index. Only the first two can be compared with the catalog; all others are mended by the next start of a server by itself.
const (
	IndexCurrent  IndexState = "current"  // it has read the whole log
	IndexTrailing IndexState = "trailing" // it has not read the last changes
	IndexExpired  IndexState = "expired"  // of another log, of one before a restore, or too far behind: it will be built again
	IndexMissing  IndexState = "missing"  // there is none, or its first build did not end
	IndexForeign  IndexState = "foreign"  // another version of the program wrote it: it will be built again
)

// Verified is what [Verify] found.
type Verified struct {
	State     IndexState
	Documents int // in the index; 0 where it is not read, also because it trails too far
	Trails    int // changes of the log that it has not read
	Wrong     coursesync.Findings
}

// trailing bounds how many changes an index may be behind and still be compared: their keys are kept in memory.
const trailing = 200_000

// Verify compares the index in a folder with a catalog and changes neither. All files are read and their checksums compared. Then the words of each
// course are worked out as for a new index, and each must have exactly these in the index; what the changes that the index has not read yet touch is
// left out. It takes about 50 bytes of memory a course, and as much time as a rebuild. Errors: fault.Locked when another process holds the index.
func Verify(ctx context.Context, dir string, c *catalog.Catalog) (out Verified, err error) {
	name, err := readLive(dir)
	if errors.Is(err, fs.ErrNotExist) {
		out.State = IndexMissing
		return out, nil
	}
	if err != nil {
		out.Wrong.Add("%v", err)
		return out, nil
	}
	s, err := lookAtStore(filepath.Join(dir, name))
	switch {
	case fault.Is(err, fault.Locked):
		return out, err
	case errors.Is(err, errForeign):
		out.State = IndexForeign
		return out, nil
	case err != nil:
		out.Wrong.Add("%s: %v", name, err)
		return out, nil
	}
	v := &verifying{Verified: &out, catalog: c, store: s, dicts: newDicts(), changed: map[string]bool{}, seed: maphash.MakeSeed()}
	err = v.compare(ctx)
	return out, errors.Join(err, s.bleve.Close())
}

// lookAtStore opens an index for reading only.
func lookAtStore(path string) (s *store, err error) {
	v, err := readVersion(path)
	if err != nil {
		return nil, err
	}
	if v != ownVersion {
		return nil, errForeign
	}
	defer guard(&err)()
	if err := verify(path); err != nil {
		return nil, err
	}
	b, err := bleve.OpenUsing(path, map[string]any{"bolt_timeout": lockTimeout.String(), "read_only": true})
	if err != nil {
		return nil, err
	}
	s, err = newStore(b, path, v)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return s, nil
}

// verifying is one check of an index under way.
type verifying struct {
	*Verified
	catalog *catalog.Catalog
	store   *store
	dicts   *dicts
	cols    *columns        // labels and names only
	changed map[string]bool // kind \0 key of all that the index has not read
	seed    maphash.Seed

	mu   sync.Mutex // guards Wrong while courses are compared
	sums []uint64   // by course: of the terms that the index has for it
	has  []bool     // by course: the index has a document
}

func (v *verifying) compare(ctx context.Context) error {
	if comparable, err := v.place(ctx); err != nil || !comparable {
		return err
	}
	if err := v.labels(ctx); err != nil {
		return err
	}
	err := v.read(ctx)
	if err != nil && ctx.Err() == nil {
		v.Wrong.Add("%v", err)
		return nil
	}
	if err == nil {
		err = v.courses(ctx)
	}
	return err
}

// place sees where in the log the index is, and what it has not read; it reports whether the two can be compared.
func (v *verifying) place(ctx context.Context) (bool, error) {
	log, at := v.catalog.Log(), v.store.cursor
	if at == (coursesync.Cursor{}) {
		v.State = IndexMissing
		return false, nil
	}
	served, err := serves(ctx, log, at)
	if err != nil {
		return false, err
	}
	v.State = IndexCurrent
	if !served {
		v.State = IndexExpired
		return false, nil
	}
	for ch, err := range log.Read(ctx, at.Seq) {
		if err != nil {
			return false, err
		}
		v.State = IndexTrailing
		if v.Trails++; v.Trails <= trailing {
			v.changed[changedKey(ch.Kind, ch.Key)] = true
		}
	}
	return v.Trails <= trailing, nil
}

func changedKey(kind coursesync.Kind, key string) string { return string(kind) + "\x00" + key }

// serves reports whether a log can serve a cursor, as the loop of followers decides it at a start.
func serves(ctx context.Context, log coursesync.Log, at coursesync.Cursor) (bool, error) {
	head, err := log.Head(ctx)
	if err != nil {
		return false, err
	}
	floor, err := log.Floor(ctx, "")
	return at.Log == log.ID() && at.Seq <= head && at.Seq >= floor, err
}

// labels loads what documents need besides their course.
func (v *verifying) labels(ctx context.Context) error {
	e := newEdit(&columns{}, v.dicts)
	err := loadKind(ctx, v.catalog, catalog.KindTag, func(key string, t *catalog.Tag) { e.putTag(key, t) })
	if err == nil {
		err = loadKind(ctx, v.catalog, catalog.KindCategory, func(key string, t *catalog.Category) { e.putCategory(key, t) })
	}
	if err == nil {
		err = loadKind(ctx, v.catalog, catalog.KindInstructor, func(key string, t *catalog.Instructor) { e.putInstructor(key, t) })
	}
	v.cols = e.seal()
	return err
}

// read sums up, for each document of the index, the terms that it has.
func (v *verifying) read(ctx context.Context) (err error) {
	r, err := v.store.index.Reader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	snapshot, ok := r.(*scorch.IndexSnapshot)
	if !ok {
		return errSegment
	}
	defer guard(&err)()
	for _, s := range snapshot.Segments() {
		rows, err := v.documents(s)
		if err != nil {
			return err
		}
		for field := range fieldCount {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := v.terms(s.Segment(), field, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// documents returns the numbers of a segment's courses; −1: deleted.
func (v *verifying) documents(s *scorch.SegmentSnapshot) ([]int, error) {
	rows := make([]int, s.FullSize())
	deleted := s.Deleted()
	for n := range rows {
		rows[n] = -1
		if deleted != nil && deleted.Contains(uint32(n)) {
			continue
		}
		id, err := s.DocID(uint64(n))
		if err != nil {
			return nil, err
		}
		row := v.row(string(id))
		if v.has[row] {
			v.Wrong.Add("course %q is in the index twice", id)
		}
		v.has[row], rows[n] = true, row
		v.Documents++
	}
	return rows, nil
}

// row numbers a course.
func (v *verifying) row(id string) int {
	row := int(v.dicts.courses.ref(id))
	for len(v.has) <= row {
		v.has, v.sums = append(v.has, false), append(v.sums, 0)
	}
	return row
}

// terms adds the terms of a field to the sums of the documents that have them.
func (v *verifying) terms(s segment.Segment, field int, rows []int) error {
	dict, err := s.Dictionary(fieldNames[field])
	if err != nil || dict.Cardinality() == 0 {
		return err
	}
	var list segment.PostingsList
	var iter segment.PostingsIterator
	for all := dict.AutomatonIterator(nil, nil, nil); ; {
		entry, err := all.Next()
		if err != nil || entry == nil {
			return err
		}
		if list, err = dict.PostingsList([]byte(entry.Term), nil, list); err != nil {
			return err
		}
		iter = list.Iterator(true, false, false, iter)
		for {
			next, err := iter.Next()
			if err != nil {
				return err
			}
			if next == nil {
				break
			}
			if row := rows[next.Number()]; row >= 0 {
				v.sums[row] += v.weigh(field, entry.Term, int(next.Frequency())) //nolint:gosec // a byte, see document.go
			}
		}
	}
}

// weigh makes a number of a term, its field and its frequency, such that different documents have different sums.
func (v *verifying) weigh(field int, term string, frequency int) uint64 {
	return (maphash.String(v.seed, term) + uint64(field)) * uint64(2*frequency+1) //nolint:gosec // not negative
}

// courses compares each course of the catalog with its document, and looks for documents without a course.
func (v *verifying) courses(ctx context.Context) error {
	for after := ""; ; {
		chunk, err := readChunk(ctx, v.catalog, catalog.KindCourse, after)
		if err != nil {
			return err
		}
		if len(chunk) == 0 {
			break
		}
		after = chunk[len(chunk)-1].key
		if err := v.chunk(chunk); err != nil {
			return err
		}
	}
	names := v.dicts.courses.list()
	for row, there := range v.has {
		if there && !v.changed[changedKey(catalog.KindCourse, names[row])] {
			v.Wrong.Add("the index has course %q, which is not in the catalog", names[row])
		}
	}
	return nil
}

// chunk compares some courses; analysing their words is most of the work.
func (v *verifying) chunk(chunk []raw) error {
	rows := make([]int, len(chunk))
	for i, one := range chunk {
		rows[i] = v.row(one.key)
	}
	var g errgroup.Group
	part := (len(chunk) + loaders - 1) / loaders
	for from := 0; from < len(chunk); from += part {
		g.Go(func() error {
			for i := from; i < min(from+part, len(chunk)); i++ {
				if err := v.course(chunk[i], rows[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (v *verifying) course(one raw, row int) error {
	var c catalog.Course
	if err := json.Unmarshal(one.body, &c); err != nil {
		return err
	}
	there := v.has[row]
	v.has[row] = false // it has a course
	if v.touched(&c) {
		return nil
	}
	finding := ""
	if !there {
		finding = "course %q is not in the index"
	} else if v.sums[row] != v.expected(&c) {
		finding = "the index has other words for course %q than the catalog"
	}
	if finding != "" {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.Wrong.Add(finding, c.ID)
	}
	return nil
}

// touched reports whether a change that the index has not read may give a course other words.
func (v *verifying) touched(c *catalog.Course) bool {
	if len(v.changed) == 0 {
		return false
	}
	has := func(kind coursesync.Kind, key string) bool { return v.changed[changedKey(kind, key)] }
	if has(catalog.KindCourse, string(c.ID)) {
		return true
	}
	for _, tag := range c.Tags {
		if has(catalog.KindTag, string(tag)) {
			return true
		}
	}
	for _, who := range c.Instructors {
		if has(catalog.KindInstructor, string(who)) {
			return true
		}
	}
	names := v.dicts.categories.list()
	for r := range v.cols.ancestors(v.dicts.categories.ref(string(c.Category))) {
		if has(catalog.KindCategory, names[r]) {
			return true
		}
	}
	return false
}

// expected sums up the terms that a course's document should have.
func (v *verifying) expected(c *catalog.Course) (sum uint64) {
	t := &terms{texts: v.cols.passages(v.dicts, c), vocabulary: v.dicts.words}
	t.analyze()
	for field := range fieldCount {
		for term, tf := range t.freqs[field] {
			sum += v.weigh(field, term, tf.Frequency())
		}
	}
	return sum
}
