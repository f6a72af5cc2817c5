package catalog

import (
	"context"
	"maps"
	"slices"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// MaxCurated is how many synonyms, and as many pins, an organization has at most, and the public catalog. Search keeps all of them in memory, at about
// 250 bytes for one of four short terms; and who needs more than a thousand rather wants tags, whose synonyms are not counted.
const MaxCurated = 1_000

// curatedCount is a setting: how many of a kind an organization has. Who makes or deletes one reads and writes it, so that two who make the last
// one allowed do not both succeed.
type curatedCount struct {
	N int `json:"n"`
}

// settingCurated begins its key: + kind / organization.
const settingCurated = "curated/"

// PutSynonym creates or replaces a synonym. The editors of its organization may. fault.TooMany in a field when they have MaxCurated.
func (tx *Tx) PutSynonym(s Synonym, cond Cond) (bool, error) {
	const op = "catalog.PutSynonym"
	s.ID = nfc(s.ID)
	org := OrgOf(string(s.ID))
	if err := tx.mayWrite(op, org, tx.overlay.actor.Edits(org)); err != nil {
		return false, err
	}
	var p problems
	s = p.synonym(s)
	if err := p.err(op); err != nil {
		return false, err
	}
	return tx.putCurated(op, KindSynonym, string(s.ID), s, cond)
}

// PutPin is [Tx.PutSynonym] for pins. The courses that it names exist, for the actor, and are the organization's own or public (else fault.UnknownRef in
// a field); those that it named before are not looked up again: a course may be deleted although it is pinned, and search passes over it.
func (tx *Tx) PutPin(pin Pin, cond Cond) (bool, error) {
	const op = "catalog.PutPin"
	pin.ID = nfc(pin.ID)
	org := OrgOf(string(pin.ID))
	if err := tx.mayWrite(op, org, tx.overlay.actor.Edits(org)); err != nil {
		return false, err
	}
	var p problems
	pin = p.pin(pin)
	if err := p.err(op); err != nil {
		return false, err
	}
	old, exists, err := tx.Pin(pin.ID)
	if err != nil {
		return false, err
	}
	if err := cond.check(old.Version, exists); err != nil {
		return false, err
	}
	tx.checkPinned(&p, pin, old.Value)
	if err := p.err(op); err != nil {
		return false, err
	}
	return tx.putCurated(op, KindPin, string(pin.ID), pin, Cond{})
}

// checkPinned checks the courses that a pin names and did not name before.
func (tx *Tx) checkPinned(p *problems, pin, old Pin) {
	check := func(pointer string, id CourseID) {
		if _, boosted := old.Boosts[id]; !boosted && !slices.Contains(old.Pins, id) {
			tx.checkRef(p, pointer, OrgOf(string(pin.ID)), KindCourse, string(id))
		}
	}
	for i, id := range pin.Pins {
		check(at("/pins", i), id)
	}
	for _, id := range slices.Sorted(maps.Keys(pin.Boosts)) {
		check(boostPointer(id), id)
	}
}

// DeleteSynonym deletes a synonym.
func (tx *Tx) DeleteSynonym(id SynonymID, cond Cond) error {
	return tx.deleteCurated("catalog.DeleteSynonym", KindSynonym, string(nfc(id)), cond)
}

// DeletePin deletes a pin.
func (tx *Tx) DeletePin(id PinID, cond Cond) error {
	return tx.deleteCurated("catalog.DeletePin", KindPin, string(nfc(id)), cond)
}

func (tx *Tx) putCurated(op string, kind coursesync.Kind, id string, value any, cond Cond) (bool, error) {
	old, exists := tx.get(kind, id)
	if err := cond.check(old.Seq, exists); err != nil {
		return false, err
	}
	if !exists {
		if err := tx.countCurated(op, kind, OrgOf(id), 1); err != nil {
			return false, err
		}
	}
	return tx.put(kind, id, channelStaff, value, putOpts{})
}

// deleteCurated answers those who may not write alike, whether the thing exists or not: they may not read it either.
func (tx *Tx) deleteCurated(op string, kind coursesync.Kind, id string, cond Cond) error {
	org := OrgOf(id)
	if err := tx.mayWrite(op, org, tx.overlay.actor.Edits(org)); err != nil {
		return err
	}
	old, exists := tx.get(kind, id)
	if err := cond.check(old.Seq, exists); err != nil {
		return err
	}
	if !exists {
		return fault.New(op, fault.NotFound)
	}
	if err := tx.countCurated(op, kind, org, -1); err != nil {
		return err
	}
	return tx.del(kind, id, channelStaff, Cond{})
}

// countCurated counts one more or one less, and refuses what is beyond the limit.
func (tx *Tx) countCurated(op string, kind coursesync.Kind, org OrgID, by int) error {
	key := settingCurated + string(kind) + "/" + string(org)
	s, _, err := load[curatedCount](&tx.View, KindSetting, key)
	if err != nil {
		return err
	}
	n := s.Value.N + by
	if by > 0 && n > MaxCurated {
		return fault.Invalid(op, fault.BadField("/id", fault.TooMany, "the organization has as many as it may have", "max", MaxCurated)).
			WithFix("delete some that no longer help")
	}
	_, err = tx.put(KindSetting, key, channelStaff, curatedCount{N: max(n, 0)}, putOpts{})
	return err
}

// Synonym returns a synonym, and whether it exists.
func (v *View) Synonym(id SynonymID) (Stored[Synonym], bool, error) {
	return load[Synonym](v, KindSynonym, string(nfc(id)))
}

// Pin returns a pin, and whether it exists.
func (v *View) Pin(id PinID) (Stored[Pin], bool, error) {
	return load[Pin](v, KindPin, string(nfc(id)))
}

// SynonymFor returns a synonym for the editors of its organization and the staff; fault.Forbidden for those who edit nothing, fault.NotFound for
// editors of another organization.
func (v *View) SynonymFor(actor Actor, id SynonymID) (Stored[Synonym], error) {
	return curatedFor[Synonym](v, KindSynonym, string(id), actor)
}

// PinFor is [View.SynonymFor] for pins.
func (v *View) PinFor(actor Actor, id PinID) (Stored[Pin], error) {
	return curatedFor[Pin](v, KindPin, string(id), actor)
}

func curatedFor[T any](v *View, kind coursesync.Kind, id string, actor Actor) (Stored[T], error) {
	const op = "catalog.View"
	if err := mayReadCurated(op, actor); err != nil {
		return Stored[T]{}, err
	}
	id = nfc(id)
	if !actor.SeesDrafts(OrgOf(id)) {
		return Stored[T]{}, fault.New(op, fault.NotFound)
	}
	s, ok, err := load[T](v, kind, id)
	if err == nil && !ok {
		err = fault.New(op, fault.NotFound)
	}
	return s, err
}

// mayReadCurated refuses those who see no synonyms and pins at all.
func mayReadCurated(op string, actor Actor) error {
	if actor.Has(RoleEditor) || actor.Staff() {
		return nil
	}
	return refused(op, actor, "")
}

// ListSynonyms lists by id the synonyms that the actor may see. Errors: fault.Forbidden for those who edit nothing.
func (c *Catalog) ListSynonyms(ctx context.Context, actor Actor, p Page) (List[Stored[Synonym]], error) {
	if err := mayReadCurated("catalog.ListSynonyms", actor); err != nil {
		return List[Stored[Synonym]]{}, err
	}
	return listSeen[Synonym](ctx, c, KindSynonym, actor.SeesDrafts, p)
}

// ListPins is [Catalog.ListSynonyms] for pins.
func (c *Catalog) ListPins(ctx context.Context, actor Actor, p Page) (List[Stored[Pin]], error) {
	if err := mayReadCurated("catalog.ListPins", actor); err != nil {
		return List[Stored[Pin]]{}, err
	}
	return listSeen[Pin](ctx, c, KindPin, actor.SeesDrafts, p)
}
