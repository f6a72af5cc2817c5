package catalog

import (
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What a learner has is an entity with a key of its own (learner/course), whoever makes it and wherever. Databases on phones give the records that are made
// there ids of their own, and hold them by these. The map between the two is in the learner's channel: two kinds of entities, one for each direction,
// which are never deleted and go only with the account.
const (
	// KindAlias is one entity for each id that a phone gave a record (key: learner/kind/id): the record's key.
	KindAlias coursesync.Kind = "alias"
	// KindRecordID is the first id of a record that was made on a phone (key: learner/kind/key of the record). It stays when the record is deleted and made again.
	KindRecordID coursesync.Kind = "record_id"
)

const (
	// maxAliases is how many ids a learner's phones give in a lifetime: every lesson of a hundred large courses, on several devices.
	maxAliases = 20_000
	// maxRecordID bounds an id that a phone gives, in bytes: a UUID has 36, what client databases make is shorter.
	maxRecordID = 128
	// takenMark starts the id of a record whose key is, on a phone, the id of another one.
	takenMark = "~"
)

// alias and recordID are the bodies of KindAlias and KindRecordID.
type (
	alias struct {
		Key string `json:"key"`
	}
	recordID struct {
		ID string `json:"id"`
	}
)

func aliasKey(who LearnerID, kind coursesync.Kind, id string) string {
	return learnerPrefix(who) + string(kind) + "/" + id
}

// RecordID returns the id by which phones hold what a learner has of a kind under a key (without the learner): the first that one gave it, else the key.
func (v *View) RecordID(who LearnerID, kind coursesync.Kind, key string) (string, error) {
	first, ok, err := load[recordID](v, KindRecordID, aliasKey(who, kind, key))
	if ok || err != nil {
		return first.Value.ID, err
	}
	if other, taken, err := load[alias](v, KindAlias, aliasKey(who, kind, key)); err != nil || taken && other.Value.Key != key {
		return takenMark + key, err
	}
	return key, nil
}

// RecordKey returns the key of the record that a phone calls by an id, and whether there ever was one.
func (v *View) RecordKey(who LearnerID, kind coursesync.Kind, id string) (key string, known bool, err error) {
	if a, ok, err := load[alias](v, KindAlias, aliasKey(who, kind, id)); ok || err != nil {
		return a.Value.Key, ok, err
	}
	key = strings.TrimPrefix(id, takenMark)
	if len(key) > coursesync.MaxKey {
		return key, false, nil
	}
	if own, err := v.RecordID(who, kind, key); err != nil || own != id {
		return key, false, err
	}
	_, known = v.bv.Get(kind, OfLearner(who, key)) // deleted ones too
	return key, known || v.exists(kind, OfLearner(who, key)), nil
}

// AliasOf tells, of an entity of KindAlias, which record of which kind has the id, and whether it has another one that came first: then phones are to forget
// the record under this id.
func (v *View) AliasOf(who LearnerID, ch *coursesync.Change) (kind coursesync.Kind, id string, surplus bool, err error) {
	name, id, _ := strings.Cut(WithoutLearner(ch.Key), "/")
	kind = coursesync.Kind(name)
	a, err := decode[alias](*ch)
	if err != nil {
		return kind, id, false, err
	}
	first, err := v.RecordID(who, kind, a.Value.Key)
	return kind, id, first != id, err
}

// NameRecord notes the id that a phone gave to what a learner has of a kind under a key (without the learner), before it is written. When the record has another
// one already, the id becomes a surplus one, of which phones are told anew with every call. The learner or an administrator may. fault.InvalidFields with
// fault.BadID, or with fault.TooMany for more ids than phones give in a lifetime.
func (tx *Tx) NameRecord(who LearnerID, kind coursesync.Kind, key, id string) error {
	const op = "catalog.NameRecord"
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	first, err := tx.RecordID(who, kind, key)
	if err != nil || first == id {
		return err
	}
	name, of := aliasKey(who, kind, id), aliasKey(who, kind, key)
	if id == "" || len(id) > maxRecordID || strings.HasPrefix(id, takenMark) || strings.ContainsFunc(id, isControl) || len(of) > coursesync.MaxKey {
		return fault.Invalid(op, fault.BadField("/id", fault.BadID, "a record's id has 1 to 128 bytes of printable UTF-8, and begins with no ~"))
	}
	known := tx.exists(KindAlias, name)
	if !known {
		if err := tx.countAlias(op, who); err != nil {
			return err
		}
	}
	if !known && first == key && !tx.everMade(kind, OfLearner(who, key)) {
		if _, err := tx.put(KindRecordID, of, learnerChannel(who), recordID{id}, putOpts{}); err != nil {
			return err
		}
	}
	_, err = tx.put(KindAlias, name, learnerChannel(who), alias{key}, putOpts{blind: true})
	return err
}

// everMade reports whether an entity is or was there, as far as the log remembers.
func (tx *Tx) everMade(kind coursesync.Kind, key string) bool {
	if tx.exists(kind, key) {
		return true
	}
	_, was := tx.bv.Get(kind, key)
	return was
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

// countAlias counts one more id.
func (tx *Tx) countAlias(op string, who LearnerID) error {
	key := learnerKey(who)
	s, _, err := load[account](&tx.View, kindAccount, key)
	if err != nil {
		return err
	}
	if s.Value.Aliases++; s.Value.Aliases > maxAliases {
		return fault.Invalid(op, fault.BadField("/id", fault.TooMany, "the learner's devices have made too many records", "max", maxAliases))
	}
	_, err = tx.put(kindAccount, key, learnerChannel(who), s.Value, putOpts{blind: true})
	return err
}
