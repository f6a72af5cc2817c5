package catalog

import (
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Guard entities are settings of no meaning but their version. Who begins to name a thing writes the guard of that thing, whatever its version;
// who deletes the thing reads it. So a delete that did not see the newest course that names the thing loses and runs again, on a replicated
// log too, and those who name the same thing do not hinder each other. (The thing's own version cannot serve: every phone would
// download the tag again.) A course's content has one guard too, which all who write the content read and write: its version is the content's.
const (
	guardRefs    = "refs/"    // + kind / id
	guardContent = "content/" // + course
)

// guard is the body: nothing.
type guard struct{}

func guardOf(kind coursesync.Kind, id string) string { return guardRefs + string(kind) + "/" + id }

// refer notes that something begins to name an entity that exists.
func (tx *Tx) refer(kind coursesync.Kind, id string) error {
	if w, ok := tx.overlay.writes[kind][id]; ok && w.change.Seq == 0 {
		return nil // made in here: nobody can be deleting it
	}
	key := guardOf(kind, id)
	if _, done := tx.overlay.writes[KindSetting][key]; done {
		return nil
	}
	_, err := tx.put(KindSetting, key, channelStaff, guard{}, putOpts{blind: true})
	return err
}

// unrefer guards against anyone who begins to name an entity while it is being deleted, and drops the guard.
func (tx *Tx) unrefer(kind coursesync.Kind, id string) error {
	return tx.del(KindSetting, guardOf(kind, id), channelStaff, Cond{})
}

// checkRef checks that something of an organization may name an entity: its own or a public one that exists for the actor. What another organization
// has is answered like what does not exist, and not even looked at; so is a draft that the actor does not see.
func (tx *Tx) checkRef(p *problems, pointer string, org OrgID, kind coursesync.Kind, id string) {
	if of := OrgOf(id); (of == "" || of == org) && validOrgID(id) && tx.exists(kind, id) {
		if kind != KindCourse {
			return
		}
		if s, ok, err := tx.Course(CourseID(id)); ok && err == nil && seesCourse(tx.overlay.actor, s.Value) {
			return
		}
	}
	p.add(pointer, fault.UnknownRef, "names nothing that exists: "+clip(id), "id", clip(id))
}

// clip shortens a text of strangers for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > maxID {
		return string(r[:maxID]) + "…"
	}
	return s
}
