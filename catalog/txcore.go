package catalog

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// bodySchema is the version of the bodies that this program writes, one number for all kinds.
const bodySchema = 1

// ref names an entity.
type ref struct {
	kind coursesync.Kind
	key  string
}

// write is what a transaction wants of one entity.
type write struct {
	change coursesync.Change // Seq and Created are those before the write; 0 when it is new
}

// txState is what a transaction has read and written so far.
type txState struct {
	actor  Actor
	now    time.Time
	reads  map[ref]coursesync.Change // what was read, valid while the view is open; IfSeq is what guards it: the version, Absent when nothing was there
	writes map[coursesync.Kind]map[string]*write
	count  int
	labels map[labelKey]string    // of tags and categories written, see zeroLabels
	over   map[ref]coursesync.Seq // tombstones that were read: what is made again must be made over them

	undo     []overwritten       // what the Try under way has replaced; nil when none is
	expected func(CourseID) bool // see Tx.Expect
}

func newTxState(actor Actor, now time.Time) *txState {
	return &txState{
		actor: actor, now: now.UTC().Truncate(time.Millisecond),
		reads:  map[ref]coursesync.Change{},
		writes: map[coursesync.Kind]map[string]*write{},
		labels: map[labelKey]string{},
		over:   map[ref]coursesync.Seq{},
	}
}

// get returns a live entity; a transaction sees what it wrote itself and remembers what it read. Body is valid while the view is open.
func (v *View) get(kind coursesync.Kind, key string) (coursesync.Change, bool) {
	if v.overlay != nil {
		if w, ok := v.overlay.writes[kind][key]; ok {
			return w.change, w.change.Op != coursesync.OpDelete
		}
		if ch, ok := v.overlay.reads[ref{kind, key}]; ok { // an import names the same tags a thousand times
			return ch, ch.IfSeq != coursesync.Absent
		}
	}
	ch, ok := v.bv.Get(kind, key)
	ok = ok && ch.Op != coursesync.OpDelete
	if v.overlay != nil {
		v.overlay.remember(kind, key, ch, ok)
	}
	return ch, ok
}

func (s *txState) remember(kind coursesync.Kind, key string, ch coursesync.Change, ok bool) {
	ch.IfSeq = coursesync.Absent
	if ok {
		ch.IfSeq = ch.Seq
	}
	s.reads[ref{kind, key}] = ch
}

// tombstone returns what is left of an entity that was deleted, and guards it for when it is made again.
func (tx *Tx) tombstone(kind coursesync.Kind, key string) (coursesync.Change, bool) {
	ch, ok := tx.bv.Get(kind, key)
	if !ok || ch.Op != coursesync.OpDelete {
		return coursesync.Change{}, false
	}
	tx.overlay.over[ref{kind, key}] = ch.Seq
	return ch, true
}

// exists reports whether an entity is live, and guards that it stays so.
func (v *View) exists(kind coursesync.Kind, key string) bool {
	_, ok := v.get(kind, key)
	return ok
}

// entities yields the live entities of a kind whose key starts with prefix and is greater than after, in order of key. Within a
// transaction its own writes are among them, and every entity yielded is remembered as read (one that appears later is not seen:
// rules that need that keep a guard entity, see guard.go).
func entities(v *View, kind coursesync.Kind, prefix, after string) iter.Seq[coursesync.Change] {
	if v.overlay == nil {
		return v.bv.Entities(kind, prefix, after)
	}
	return func(yield func(coursesync.Change) bool) {
		writes := v.overlay.writes[kind]
		var own []string
		for key := range maps.Keys(writes) {
			if strings.HasPrefix(key, prefix) && key > after {
				own = append(own, key)
			}
		}
		slices.Sort(own)
		for ch := range v.bv.Entities(kind, prefix, after) {
			var more bool
			if own, more = yieldOwn(writes, own, ch.Key, yield); !more {
				return
			}
			if _, overwritten := writes[ch.Key]; overwritten {
				continue
			}
			v.overlay.remember(kind, ch.Key, ch, true)
			if !yield(ch) {
				return
			}
		}
		yieldOwn(writes, own, endOfKeys, yield)
	}
}

// endOfKeys is greater than every key: keys are valid UTF-8, which has no such byte.
const endOfKeys = "\xff"

// yieldOwn yields the writes that come up to a key, and returns the rest.
func yieldOwn(writes map[string]*write, own []string, upTo string, yield func(coursesync.Change) bool) ([]string, bool) {
	for len(own) > 0 && own[0] <= upTo {
		w := writes[own[0]]
		own = own[1:]
		if w.change.Op != coursesync.OpDelete && !yield(w.change) {
			return nil, false
		}
	}
	return own, true
}

// load reads and decodes an entity.
func load[T any](v *View, kind coursesync.Kind, key string) (Stored[T], bool, error) {
	ch, ok := v.get(kind, key)
	if !ok {
		return Stored[T]{}, false, nil
	}
	s, err := decode[T](ch)
	return s, err == nil, err
}

// decode makes an entity of a change. The result holds nothing of the change's body.
func decode[T any](ch coursesync.Change) (Stored[T], error) {
	s := Stored[T]{Version: ch.Seq, Created: ch.Created, At: ch.At}
	if ch.Schema > bodySchema {
		return s, fault.New("catalog.decode", fault.NewerFormat).WithFix("%s %q was written by a newer Carrel; use that one", ch.Kind, ch.Key)
	}
	if err := json.Unmarshal(ch.Body, &s.Value); err != nil {
		return s, fault.Wrap("catalog.decode", fault.Corrupt, err).WithFix("%s %q cannot be read; restore a backup", ch.Kind, ch.Key)
	}
	return s, nil
}

// encode makes a body. Equal values make equal bytes: encoding/json sorts maps.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // bodies are no HTML, and half of a lesson would be escapes
	if err := enc.Encode(value); err != nil {
		return nil, fault.Wrap("catalog.encode", fault.Internal, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// putOpts says how an entity is written.
type putOpts struct {
	cond   Cond
	access bool // this change decides who may see something
	blind  bool // write whatever is there, even the same: no guard, no comparison
}

// put writes an entity, and reports whether that changes anything.
func (tx *Tx) put(kind coursesync.Kind, key string, channel coursesync.Channel, value any, opts putOpts) (bool, error) {
	body, err := encode(value)
	if err != nil {
		return false, err
	}
	ch := coursesync.Change{
		At: tx.overlay.now, Channel: channel, Kind: kind, Key: key, Op: coursesync.OpUpsert,
		Access: opts.access, Schema: bodySchema, Body: body,
	}
	if opts.blind {
		tx.overlay.add(ch)
		return true, nil
	}
	old, exists := tx.get(kind, key)
	if err := opts.cond.check(old.Seq, exists); err != nil {
		return false, err
	}
	if exists && old.Schema == bodySchema && bytes.Equal(old.Body, body) {
		return false, nil
	}
	if exists {
		ch.Seq, ch.Created = old.Seq, old.Created
	}
	tx.overlay.add(ch)
	return true, nil
}

// del deletes an entity; deleting what is not there changes nothing.
func (tx *Tx) del(kind coursesync.Kind, key string, channel coursesync.Channel, cond Cond) error {
	return tx.delLeaving(kind, key, channel, cond, nil)
}

// delLeaving is del with what stays to be known of the entity, nil for nothing.
func (tx *Tx) delLeaving(kind coursesync.Kind, key string, channel coursesync.Channel, cond Cond, left any) error {
	old, exists := tx.get(kind, key)
	if err := cond.check(old.Seq, exists); err != nil || !exists {
		return err
	}
	ch := coursesync.Change{
		Seq: old.Seq, Created: old.Created, At: tx.overlay.now, Channel: channel, Kind: kind, Key: key,
		Op: coursesync.OpDelete, Schema: bodySchema,
	}
	if left != nil {
		var err error
		if ch.Body, err = encode(left); err != nil {
			return err
		}
	}
	tx.overlay.add(ch)
	return nil
}

// erase drops every entity of a channel and keeps value as the entity (kind, key) in another.
func (tx *Tx) erase(kind coursesync.Kind, key string, channel, erases coursesync.Channel, value any) error {
	body, err := encode(value)
	if err != nil {
		return err
	}
	tx.overlay.add(coursesync.Change{
		At: tx.overlay.now, Channel: channel, Kind: kind, Key: key, Op: coursesync.OpErase, Schema: bodySchema, Body: body, Erases: erases,
	})
	return nil
}

// add records a write; a second one of the same entity replaces the first, and keeps its guard and its mark of access.
func (s *txState) add(ch coursesync.Change) {
	s.note(ch.Kind, ch.Key)
	m := s.writes[ch.Kind]
	if m == nil {
		m = map[string]*write{}
		s.writes[ch.Kind] = m
	}
	if w, ok := m[ch.Key]; ok {
		ch.Access = ch.Access || w.change.Access
		if ch.Op != coursesync.OpErase {
			ch.Seq, ch.Created = w.change.Seq, w.change.Created
		}
		w.change = ch
		return
	}
	m[ch.Key] = &write{change: ch}
	s.count++
}

// batch returns what the log is asked to do: the writes, and an assert for all else that was read. The order is that of the kinds'
// rank and of the keys, so that the same command makes the same log.
func (s *txState) batch() []coursesync.Change {
	if s.count == 0 {
		return nil
	}
	batch := make([]coursesync.Change, 0, s.count+len(s.reads))
	for _, kind := range slices.SortedFunc(maps.Keys(s.writes), byRank) {
		for _, key := range slices.Sorted(maps.Keys(s.writes[kind])) {
			w := s.writes[kind][key]
			ch := w.change
			ch.Seq, ch.Created, ch.At = 0, 0, time.Time{}
			if was, read := s.reads[ref{kind, key}]; read {
				ch.IfSeq = was.IfSeq
			}
			if ch.Op == coursesync.OpDelete && ch.IfSeq == coursesync.Absent {
				ch.Op, ch.Body = coursesync.OpAssert, nil // made and deleted in here
			}
			if over, ok := s.over[ref{kind, key}]; ok && ch.IfSeq == coursesync.Absent {
				ch.IfSeq = over
			}
			batch = append(batch, ch)
		}
	}
	for r, was := range s.reads {
		if _, written := s.writes[r.kind][r.key]; !written {
			batch = append(batch, coursesync.Change{Kind: r.kind, Key: r.key, Op: coursesync.OpAssert, IfSeq: was.IfSeq})
		}
	}
	return batch
}

// rank orders the kinds of a batch so that what is named comes before what names it: a reader of the log that stops in the middle
// of a batch, as a page of sync does, finds no course whose tag is still to come.
var rank = map[coursesync.Kind]int{
	KindSetting: 1, KindCategory: 2, KindTag: 3, KindInstructor: 4, KindInstructorStats: 5, KindCourse: 6, KindCourseStats: 7,
	KindModule: 8, KindLesson: 9, KindAsset: 10, KindEnrollment: 11, KindSynonym: 12, KindPin: 13,
	KindClient: 100, // last, see ClientState
}

func byRank(a, b coursesync.Kind) int {
	if d := rank[a] - rank[b]; d != 0 {
		return d
	}
	return strings.Compare(string(a), string(b))
}
