package delta

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Records of client databases become mutations. The databases send whole rows, not what was done, and know no answer but that a row is refused. So when
// what stands in the end is not what a phone sent and thinks that we hold, the record gets a new version, by which the next pull corrects the phone.

// record is a row that a phone sends.
type record struct {
	id      string
	cols    row
	deleted bool
}

// verdict is what became of a record.
type verdict int

const (
	taken     verdict = iota
	conflicts         // somebody else changed it
	refused           // it cannot be
)

// writable are the columns that learners write, by kind; what else a phone sends is for reading.
var writable = map[coursesync.Kind][]string{
	catalog.KindEnrollment:   {"state"},
	catalog.KindReview:       {"rating", "instructors", "text"},
	catalog.KindProgress:     {"position", "completed", "time_by_device"},
	catalog.KindBookmark:     {},
	catalog.KindPreference:   {"value"},
	catalog.KindSavedSearch:  {"name", "query", "notify"},
	catalog.KindNotification: {"read"},
}

// merges tells the kinds whose records never conflict.
func merges(kind coursesync.Kind) bool {
	switch kind {
	case catalog.KindProgress, catalog.KindPreference, catalog.KindBookmark, catalog.KindNotification:
		return true
	}
	return false
}

// stays tells the kinds whose records learners do not delete: one that is deleted on a phone comes back.
func stays(kind coursesync.Kind) bool {
	return kind == catalog.KindProgress || kind == catalog.KindNotification
}

// standing is what the server has of a record.
type standing struct {
	seq  coursesync.Seq // of the last change before the push, perhaps a tombstone; 0: there was none
	live bool
	cols row
}

// recordTx carries out records in one transaction: those that are deleted come after those that are not.
type recordTx struct {
	*catalog.Tx
	s    *Service
	push Push
	set  map[string]bool // records that were written, by kind and key
}

func (s *Service) newRecordTx(tx *catalog.Tx, actor catalog.Actor) *recordTx {
	return &recordTx{Tx: tx, s: s, push: Push{Actor: actor}, set: map[string]bool{}}
}

func (tx *recordTx) who() catalog.LearnerID { return tx.push.Actor.Subject }

// carryOut carries out one record, or says why not. agrees tells whether the phone knew what stands. The error is one that ends the push.
func (tx *recordTx) carryOut(kind coursesync.Kind, rec *record, agrees func(*standing) bool) (verdict, error) {
	if !slices.Contains(learnerKinds, kind) {
		return refused, nil
	}
	said := taken
	err := tx.Try(func() (err error) {
		said, err = tx.one(kind, rec, agrees)
		return err
	})
	switch {
	case err == nil:
		return said, nil
	case fault.Is(err, fault.LostUpdate):
		return conflicts, nil
	case refusal(err):
		return refused, nil
	}
	return refused, err
}

func (tx *recordTx) one(kind coursesync.Kind, rec *record, agrees func(*standing) bool) (verdict, error) {
	key, err := tx.key(kind, rec)
	if err != nil {
		return refused, err
	}
	now, err := tx.standing(kind, key)
	if err != nil {
		return refused, err
	}
	agreed := agrees(&now)
	said := taken
	if !agreed && !merges(kind) && !now.satisfies(kind, rec) {
		said = conflicts
	}
	if !rec.deleted && (now.live || said == taken) {
		if err := tx.NameRecord(tx.who(), kind, key, rec.id); err != nil {
			return refused, err
		}
	}
	full := catalog.OfLearner(tx.who(), key)
	if rec.deleted && tx.set[string(kind)+" "+key] {
		return taken, nil // a record was thrown away, and another one made of the same thing
	}
	if rec.deleted && now.live && (stays(kind) || !agreed && kind == catalog.KindBookmark) {
		return taken, tx.Touch(tx.who(), kind, full)
	}
	if said == conflicts || rec.deleted && !now.live {
		return said, nil
	}
	if _, err := tx.s.apply(tx.Tx, &tx.push, rec.mutation(kind, key)); err != nil {
		return refused, err
	}
	tx.set[string(kind)+" "+key] = !rec.deleted
	if tx.Wrote(kind, full) || !rec.deleted && now.is(rec) {
		return taken, nil
	}
	return taken, tx.Touch(tx.who(), kind, full)
}

// key returns the key of the record that a row is about: the one that the phone's id names, else what the columns say, else the id itself.
func (tx *recordTx) key(kind coursesync.Kind, rec *record) (string, error) {
	key, known, err := tx.RecordKey(tx.who(), kind, rec.id)
	if err != nil || known {
		return key, err
	}
	switch kind {
	case catalog.KindEnrollment, catalog.KindReview, catalog.KindBookmark:
		key = rec.text("course")
	case catalog.KindProgress:
		course, lesson := rec.text("course"), rec.text("lesson")
		if key = course + "/" + strings.TrimPrefix(lesson, course+"/"); course == "" || lesson == "" {
			key = ""
		}
	case catalog.KindPreference:
		key = rec.text("name")
	default:
		key = ""
	}
	if key == "" {
		key = rec.id
	}
	return catalog.WithoutLearner(catalog.OfLearner(tx.who(), key)), nil // in the form of keys
}

// text returns a column's text, "" when it has none.
func (r *record) text(column string) string {
	var s string
	if json.Unmarshal(r.cols[column], &s) != nil {
		return ""
	}
	return s
}

// standing reads what the server has of a record.
func (tx *recordTx) standing(kind coursesync.Kind, key string) (standing, error) {
	full := catalog.OfLearner(tx.who(), key)
	ch, live := tx.Current(kind, full)
	now := standing{seq: ch.Seq, live: live}
	if !live {
		now.seq = tx.VersionOf(kind, full)
		return now, nil
	}
	ch.Channel = catalog.LearnerChannel(tx.who())
	var err error
	now.cols, err = tx.s.projector("", FieldsFull).docColumns(&change{Change: ch})
	return now, err
}

// satisfies reports whether what stands is what a record wants, whoever made it so.
func (now *standing) satisfies(kind coursesync.Kind, rec *record) bool {
	if rec.deleted {
		return !now.live || kind == catalog.KindEnrollment && string(now.cols["state"]) == `"withdrawn"`
	}
	if !now.live {
		return false
	}
	for _, name := range writable[kind] {
		if !sameValue(rec.value(name), now.cols[name]) {
			return false
		}
	}
	return true
}

// differs reports whether a record says of any column something else than what stands. What it says nothing of does not count.
func (now *standing) differs(rec *record) bool {
	for name, have := range now.cols {
		sent := rec.value(name)
		if name != "id" && name != "version" && !blank(sent) && !sameValue(sent, have) {
			return true
		}
	}
	return false
}

// equals reports whether a document is what stands, but for its id and version. What it says nothing of does not count.
func (now *standing) equals(rec *record) bool { return now.live && !now.differs(rec) }

// is reports whether a record is, in every column, what a phone gets that pulls: it has the version, too.
func (now *standing) is(rec *record) bool {
	return string(rec.cols["version"]) == string(encoded(now.seq)) && !now.differs(rec)
}

// value returns a column's value. Lists and objects may have come as JSON in a text.
func (r *record) value(column string) json.RawMessage {
	raw := r.cols[column]
	if column != "instructors" && column != "time_by_device" {
		return raw
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return json.RawMessage(strings.TrimSpace(text))
	}
	return raw
}

// blank reports whether a value says nothing: databases fill in columns that an app leaves out.
func blank(v json.RawMessage) bool {
	v = bytes.TrimSpace(v)
	return len(v) == 0 || string(v) == "null" || string(v) == `""`
}

// sameValue compares two values; what is missing is as nothing, 0 or empty.
func sameValue(a, b json.RawMessage) bool { return reflect.DeepEqual(plain(a), plain(b)) }

func plain(v json.RawMessage) any {
	var x any
	_ = json.Unmarshal(v, &x) // what is no JSON is as nothing
	switch t := x.(type) {
	case string:
		if t == "" {
			return nil
		}
	case float64:
		if t == 0 {
			return nil
		}
	case bool:
		if !t {
			return nil
		}
	case map[string]any:
		if len(t) == 0 {
			return nil
		}
	case []any:
		if len(t) == 0 {
			return nil
		}
	}
	return x
}

// mutation is what a record asks for.
func (r *record) mutation(kind coursesync.Kind, key string) *Mutation {
	m := &Mutation{Kind: kind, Key: key, Op: opUpsert, agreed: true}
	if r.deleted {
		m.Op = opDelete
		return m
	}
	doc := row{}
	for _, name := range writable[kind] {
		if v := r.value(name); !blank(v) && json.Valid(v) {
			doc[name] = v
		}
	}
	m.Doc, _ = encodeRow(doc) // values are valid
	return m
}
