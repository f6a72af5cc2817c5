package catalog

import (
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Tx is a View that also writes: it sees its own writes. Methods that write check the actor's right, validate, and
// report whether anything changed: writing what is there already changes nothing and appends nothing. An entity written but not yet
// committed has the version that it had before, 0 when it is new.
//
// Errors: fault.Unauthorized (anonymous), fault.NotFound (missing or invisible), fault.Forbidden, fault.InvalidFields, fault.LostUpdate (cond), and those named.
type Tx struct{ View }

// Cond is a caller's condition on the entity that it writes: If-Match and If-None-Match. The zero Cond is none.
type Cond struct {
	Version      coursesync.Seq // the entity must exist in this version; 0: any
	MustExist    bool
	MustNotExist bool
}

// check compares a condition with the entity that it is about.
func (c Cond) check(version coursesync.Seq, exists bool) error {
	switch {
	case c.MustNotExist && exists,
		c.MustExist && !exists,
		c.Version != 0 && (!exists || c.Version != version):
		return fault.New("catalog.Cond", fault.LostUpdate)
	}
	return nil
}

// Actor returns on whose behalf the command runs.
func (tx *Tx) Actor() Actor { return tx.overlay.actor }

// mayWrite refuses an actor without the right to write something of an organization. Where the actor sees nothing, nothing exists; elsewhere the answer
// is the same whether the thing exists or not, so that it tells nothing of drafts.
func (tx *Tx) mayWrite(op string, org OrgID, right bool) error {
	if right {
		return nil
	}
	return refused(op, tx.overlay.actor, org)
}

func refused(op string, actor Actor, org OrgID) error {
	switch {
	case actor.Anonymous():
		return fault.New(op, fault.Unauthorized)
	case !actor.Sees(org):
		return fault.New(op, fault.NotFound)
	}
	return fault.New(op, fault.Forbidden)
}

// mayDelete refuses an actor without the right to delete an entity: fault.NotFound when there is none. cond is checked first, so that a
// condition on what is gone is a lost update.
func (tx *Tx) mayDelete(op string, kind coursesync.Kind, id string, cond Cond) error {
	org := OrgOf(id)
	actor := tx.overlay.actor
	if err := tx.mayWrite(op, org, actor.Edits(org)); err != nil {
		if fault.Is(err, fault.Forbidden) && !tx.exists(kind, id) {
			return fault.New(op, fault.NotFound)
		}
		return err
	}
	ch, ok := tx.get(kind, id)
	if err := cond.check(ch.Seq, ok); err != nil {
		return err
	}
	if !ok {
		return fault.New(op, fault.NotFound)
	}
	return nil
}

// deleteReferred deletes an entity that others may name, and refuses while some do.
func (tx *Tx) deleteReferred(op string, kind coursesync.Kind, id string, cond Cond, dependents func() (bool, error)) error {
	if err := tx.mayDelete(op, kind, id, cond); err != nil {
		return err
	}
	if err := tx.unrefer(kind, id); err != nil {
		return err
	}
	if named, err := dependents(); err != nil {
		return err
	} else if named {
		return fault.New(op, fault.HasDependents, "id", id)
	}
	return tx.del(kind, id, catalogChannel(id), Cond{})
}
