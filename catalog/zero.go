package catalog

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// zeroSchema is the version of the tables below and of those in zero_learner.go. Raise it with any change of theirs: they are then built again.
const zeroSchema = 3

// zeroName prefixes the tables' buckets.
const zeroName = "zero"

// The tables of the catalog's own half. Keys are made of parts joined by keyMark; values are empty where none is named.
const (
	tableTagCourses        = "tag_courses"        // tag, course
	tableCategoryCourses   = "category_courses"   // category, course
	tableInstructorCourses = "instructor_courses" // instructor, course
	tableStateCourses      = "state_courses"      // state, course
	tableChildren          = "category_children"  // parent, category
	tableLabels            = "labels"             // kind, organization, slug of a label or synonym, id
	tableImports           = "imports"            // made, newest first (see importOrder); value: id
)

// zero is follower zero: it derives the tables in the transaction that appends.
type zero struct{}

// Name implements [coursesync.FollowerZero].
func (zero) Name() string { return zeroName }

// Schema implements [coursesync.FollowerZero].
func (zero) Schema() int { return zeroSchema }

// ApplyIn implements [coursesync.FollowerZero].
func (zero) ApplyIn(tx *bolt.Tx, changes []coursesync.Applied) error {
	t := writableTables(tx)
	for _, a := range changes {
		if err := zeroApply(t, a); err != nil {
			return err
		}
	}
	return nil
}

// zeroApply derives from one change.
func zeroApply(t *tables, a coursesync.Applied) error {
	switch a.Kind {
	case KindCourse:
		return zeroCourse(t, a)
	case KindTag, KindCategory:
		return zeroLabels(t, a)
	case KindImport:
		return zeroImport(t, a)
	default:
		return zeroLearner(t, a)
	}
}

// courseRefs is what the tables hold of a course; decoding it is cheaper than decoding the texts.
type courseRefs struct {
	Tags        []string `json:"tags"`
	Category    string   `json:"category"`
	Instructors []string `json:"instructors"`
	State       string   `json:"state"`
}

// zeroCourse keeps what names what, and the courses by state.
func zeroCourse(t *tables, a coursesync.Applied) error {
	before, now, err := beforeAndNow[courseRefs](a)
	if err != nil {
		return err
	}
	was, is := refRows(before, a.Key), refRows(now, a.Key)
	if err := t.replace(was, is); err != nil {
		return err
	}
	return zeroCourseOfLearners(t, CourseID(a.Key), now)
}

// row is a key in a table, without a value.
type row struct{ table, key string }

func refRows(c *courseRefs, id string) map[row]bool {
	rows := map[row]bool{}
	if c == nil {
		return rows
	}
	for _, tag := range c.Tags {
		rows[row{tableTagCourses, joinKey(tag, id)}] = true
	}
	for _, who := range c.Instructors {
		rows[row{tableInstructorCourses, joinKey(who, id)}] = true
	}
	if c.Category != "" {
		rows[row{tableCategoryCourses, joinKey(c.Category, id)}] = true
	}
	rows[row{tableStateCourses, joinKey(c.State, id)}] = true
	return rows
}

// labelled is what the tables hold of a tag or a category.
type labelled struct {
	Label    map[Locale]string   `json:"label"`
	Synonyms map[Locale][]string `json:"synonyms"`
	Parent   string              `json:"parent"`
}

// slugs yields the slugs by which an import may name the thing.
func (l *labelled) slugs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, text := range l.Label {
			if s := Slug(text); s != "" && !yield(s) {
				return
			}
		}
		for _, words := range l.Synonyms {
			for _, text := range words {
				if s := Slug(text); s != "" && !yield(s) {
					return
				}
			}
		}
	}
}

// zeroLabels keeps the labels by which imports find tags and categories, and the tree of the latter.
func zeroLabels(t *tables, a coursesync.Applied) error {
	before, now, err := beforeAndNow[labelled](a)
	if err != nil {
		return err
	}
	return t.replace(labelRows(before, a.Kind, a.Key), labelRows(now, a.Kind, a.Key))
}

func labelRows(l *labelled, kind coursesync.Kind, id string) map[row]bool {
	rows := map[row]bool{}
	if l == nil {
		return rows
	}
	for slug := range l.slugs() {
		rows[row{tableLabels, joinKey(string(kind), string(OrgOf(id)), slug, id)}] = true
	}
	if l.Parent != "" {
		rows[row{tableChildren, joinKey(l.Parent, id)}] = true
	}
	return rows
}

// zeroImport keeps the imports by the moment when they were made.
func zeroImport(t *tables, a coursesync.Applied) error {
	key := importOrder(a.Created, a.Key)
	if a.Op == coursesync.OpDelete {
		return t.del(tableImports, key)
	}
	return t.put(tableImports, key, []byte(a.Key))
}

// beforeAndNow decodes a change and what it replaces; nil where nothing is live.
func beforeAndNow[T any](a coursesync.Applied) (before, now *T, err error) {
	if a.Prev != nil {
		if before, err = liveBody[T](*a.Prev); err != nil {
			return nil, nil, err
		}
	}
	now, err = liveBody[T](a.Change)
	return before, now, err
}

func liveBody[T any](ch coursesync.Change) (*T, error) {
	if ch.Op != coursesync.OpUpsert {
		return nil, nil //nolint:nilnil // nothing live is an answer here, not a failure
	}
	body := new(T)
	if err := json.Unmarshal(ch.Body, body); err != nil {
		return nil, fault.Wrap("catalog.zero", fault.Corrupt, err).WithFix("%s %q cannot be read", ch.Kind, ch.Key)
	}
	return body, nil
}

// keyMark stands between the parts of a table's key. It is in no id: ids hold no control characters.
const keyMark = "\x00"

func joinKey(parts ...string) string { return strings.Join(parts, keyMark) }

// tables are follower zero's buckets in one transaction.
type tables struct {
	tx      *bolt.Tx
	buckets map[string]*bolt.Bucket
	write   bool
}

// writableTables makes missing buckets as they are needed.
func writableTables(tx *bolt.Tx) *tables {
	return &tables{tx: tx, buckets: map[string]*bolt.Bucket{}, write: true}
}

// tables gives the tables of a view's moment, read only.
func (v *View) tables() *tables {
	return &tables{tx: v.bv.Tx(), buckets: map[string]*bolt.Bucket{}}
}

// bucket returns a table's bucket; nil when it is missing and this is a reader.
func (t *tables) bucket(table string) (*bolt.Bucket, error) {
	if b, ok := t.buckets[table]; ok {
		return b, nil
	}
	name := []byte(zeroName + "/" + table)
	b := t.tx.Bucket(name)
	if b == nil && t.write {
		var err error
		if b, err = t.tx.CreateBucketIfNotExists(name); err != nil {
			return nil, err
		}
	}
	t.buckets[table] = b
	return b, nil
}

// get returns a value, nil when there is none. It is valid while the transaction is open.
func (t *tables) get(table, key string) []byte {
	b, err := t.bucket(table)
	if err != nil || b == nil {
		return nil // a writer's error comes back with its next put
	}
	return b.Get([]byte(key))
}

func (t *tables) put(table, key string, value []byte) error {
	b, err := t.bucket(table)
	if err != nil {
		return err
	}
	return b.Put([]byte(key), value)
}

func (t *tables) del(table, key string) error {
	b, err := t.bucket(table)
	if err != nil {
		return err
	}
	return b.Delete([]byte(key))
}

// replace removes the rows that are no more and adds those that are new.
func (t *tables) replace(was, is map[row]bool) error {
	for r := range was {
		if !is[r] {
			if err := t.del(r.table, r.key); err != nil {
				return err
			}
		}
	}
	for r := range is {
		if !was[r] {
			if err := t.put(r.table, r.key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan yields the rows whose key starts with prefix and is greater than after, in order. Bytes are valid while the transaction is open; the table must not
// be written meanwhile.
func (t *tables) scan(table, prefix, after string) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		b, err := t.bucket(table)
		if err != nil || b == nil {
			return
		}
		from := max(prefix, after)
		c := b.Cursor()
		k, v := c.Seek([]byte(from))
		if after != "" && string(k) == after {
			k, v = c.Next()
		}
		for ; k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}
