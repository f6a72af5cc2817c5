package delta

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What the dialects of the client databases share: tables in place of kinds, flat columns in place of documents, and the ids that phones give to records.

// table is a table of WatermelonDB, a collection of RxDB.
type table struct {
	name string
	kind coursesync.Kind
}

// tables lists all, in the order of an answer: what is named comes before what names it.
var tables = []table{
	{"categories", catalog.KindCategory},
	{"tags", catalog.KindTag},
	{"instructors", catalog.KindInstructor},
	{"instructor_stats", catalog.KindInstructorStats},
	{"courses", catalog.KindCourse},
	{"course_stats", catalog.KindCourseStats},
	{"modules", catalog.KindModule},
	{"lessons", catalog.KindLesson},
	{"assets", catalog.KindAsset},
	{"enrollments", catalog.KindEnrollment},
	{"progress", catalog.KindProgress},
	{"bookmarks", catalog.KindBookmark},
	{"reviews", catalog.KindReview},
	{"saved_searches", catalog.KindSavedSearch},
	{"preferences", catalog.KindPreference},
	{"notifications", catalog.KindNotification},
}

// kindOfTable returns the kind whose entities a table holds.
func kindOfTable(name string) (coursesync.Kind, bool) {
	at := slices.IndexFunc(tables, func(t table) bool { return t.name == name })
	if at < 0 {
		return "", false
	}
	return tables[at].kind, true
}

// tableNames lists the names for a message.
func tableNames() string {
	names := make([]string, 0, len(tables))
	for _, t := range tables {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

// dialect is how rows are chosen and shown for a client database. Nil is the protocol's own.
type dialect struct {
	form  string                   // of the rows, in cursors: those of another form do not fit
	who   catalog.LearnerID        // whose phone it is
	kinds map[coursesync.Kind]bool // that it holds
	whole map[coursesync.Kind]bool // of these it wants everything, whatever it has
	text  bool                     // lists and objects are JSON in a text
	tells bool                     // a first pass tells of the learner's own that is gone: the phone may have made and pushed it before it pulled anything
}

// form is what a cursor must agree with, beside the locale.
func (r *Request) form() Fields {
	if r.dialect == nil {
		return r.Fields
	}
	return Fields(r.dialect.form + " " + string(r.Fields))
}

// takes reports whether a reader has to do with a change.
func (d *dialect) takes(p *place, ch *coursesync.Change) bool {
	if d == nil {
		return slices.Contains(kindsOf(p.channel), ch.Kind)
	}
	kind := ch.Kind
	switch {
	case kind == catalog.KindAlias:
		name, _, _ := strings.Cut(catalog.WithoutLearner(ch.Key), "/")
		kind = coursesync.Kind(name)
	case !slices.Contains(kindsOf(p.channel), kind):
		return false
	}
	return d.kinds[kind] && (ch.Seq > p.from || d.whole[kind])
}

// silent reports whether a deletion is nothing to a reader, since its first pass began after it.
func (d *dialect) silent(p *place, ch *coursesync.Change) bool {
	return ch.Seq <= p.base && (d == nil || !d.tells || !strings.HasPrefix(string(p.channel), learnerPrefix))
}

// has reports whether it holds any of some kinds.
func (d *dialect) has(kinds []coursesync.Kind) bool {
	return slices.ContainsFunc(kinds, func(k coursesync.Kind) bool { return d.kinds[k] })
}

// name gives a change the id and the kind of its row.
func (d *dialect) name(v *catalog.View, one *change) (err error) {
	one.id = rowID(&one.Change)
	switch {
	case d == nil || !strings.HasPrefix(string(one.Channel), learnerPrefix):
	case one.Kind == catalog.KindAlias:
		one.kind, one.id, _, err = v.AliasOf(d.who, &one.Change)
	default:
		one.id, err = v.RecordID(d.who, one.Kind, one.id)
	}
	return err
}

// row is a record of a client database: its columns by name.
type row map[string]json.RawMessage

// columns makes the row of a change. One that is gone has no columns but those that say so.
func (pr *projector) columns(ch *change) (json.RawMessage, error) {
	cols := row{}
	if ch.shown != removed {
		var err error
		if cols, err = pr.docColumns(ch); err != nil {
			return nil, err
		}
	}
	cols["id"] = encoded(ch.id)
	if ch.Seq != 0 {
		cols["version"] = encoded(ch.Seq)
	}
	if !pr.dialect.text {
		cols[deletedColumn] = encoded(ch.shown == removed)
		return encodeRow(cols)
	}
	for name, value := range cols {
		if value[0] == '[' || value[0] == '{' {
			cols[name] = encoded(string(value))
		}
	}
	return encodeRow(cols)
}

// deletedColumn is how RxDB says that a document is gone.
const deletedColumn = "_deleted"

// docColumns takes the document of a live entity apart.
func (pr *projector) docColumns(ch *change) (row, error) {
	doc, err := pr.shownDoc(ch)
	if err != nil {
		return nil, err
	}
	text, err := encodeRow(doc)
	if err != nil {
		return nil, err
	}
	cols := row{}
	if err := json.Unmarshal(text, &cols); err != nil {
		return nil, fault.Wrap("delta.columns", fault.Internal, err)
	}
	return cols, nil
}

// encoded is the JSON of a string, a number or a truth value, which cannot fail.
func encoded(v any) json.RawMessage {
	text, _ := encodeRow(v)
	return text
}

// sorted returns the names of a set in order.
func sorted[K ~string, V any](set map[K]V) []string {
	names := []string{}
	for _, k := range slices.Sorted(maps.Keys(set)) {
		names = append(names, string(k))
	}
	return names
}
