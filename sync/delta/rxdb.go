package delta

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// RxDB replicates each collection on its own: one kind of entities, in all channels in which the caller may read them. Its checkpoint holds a cursor like any other,
// but one of that collection. A page that has fewer documents than were asked for ends the database's pull, so a page is full unless there is nothing more.

// DefaultDocuments is how many documents a page has when the request names no limit: the database's own default.
const DefaultDocuments = 100

// DocumentsRequest asks for documents of a collection.
type DocumentsRequest struct {
	Actor      catalog.Actor
	Collection string
	Cursor     string // of the checkpoint; "" starts
	Limit      int    // 1 to MaxLimit; 0 is DefaultDocuments
	Locale     catalog.Locale
	Fields     Fields // "" is FieldsFull
}

// Documents calls emit with each document after a cursor, and returns the cursor of the next page. One that came before may come again in a newer state.
// Errors: as of Pull, and those of emit.
func (s *Service) Documents(ctx context.Context, r DocumentsRequest, emit func(json.RawMessage) error) (string, error) {
	kind, err := r.check()
	if err != nil {
		return "", err
	}
	req := Request{Actor: r.Actor, Channels: channelsOf(kind, r.Actor), Cursor: r.Cursor, Locale: r.Locale, Fields: r.Fields, dialect: r.dialect(kind)}
	for left := r.Limit; left > 0; {
		req.Limit = left
		page, err := s.Pull(ctx, req)
		if err != nil {
			return "", err
		}
		for _, doc := range page.Changes {
			if err := emit(doc); err != nil {
				return "", err
			}
		}
		req.Cursor = page.Cursor
		if left -= len(page.Changes); !page.More {
			break
		}
	}
	return req.Cursor, nil
}

// check fills in what is absent and refuses what is wrong in itself.
func (r *DocumentsRequest) check() (coursesync.Kind, error) {
	kind, ok := kindOfTable(r.Collection)
	if !ok {
		return "", fault.New("delta.Documents", fault.NotFound).WithFix("there is no such collection; there are %s", tableNames())
	}
	if r.Limit == 0 {
		r.Limit = DefaultDocuments
	}
	if r.Fields == "" {
		r.Fields = FieldsFull
	}
	form := Request{Limit: r.Limit, Fields: r.Fields}
	return kind, form.check()
}

// dialect is that of one collection.
func (r *DocumentsRequest) dialect(kind coursesync.Kind) *dialect {
	return &dialect{form: "rxdb " + r.Collection, who: r.Actor.Subject, kinds: map[coursesync.Kind]bool{kind: true}, tells: true}
}

// channelsOf returns where the entities of a kind are that a caller may read.
func channelsOf(kind coursesync.Kind, actor catalog.Actor) []string {
	switch {
	case slices.Contains(contentKinds, kind):
		return []string{"courses"}
	case !slices.Contains(catalogKinds, kind):
		return []string{"me"}
	case actor.Anonymous():
		return []string{"catalog"}
	}
	return []string{"catalog", "org"}
}

// ListenDocuments begins to wait for news of a collection. The caller closes the listener. Errors: as of [Hub.Listen].
func (h *Hub) ListenDocuments(ctx context.Context, r DocumentsRequest) (*Listener, error) {
	kind, err := r.check()
	if err != nil {
		return nil, err
	}
	return h.Listen(ctx, Request{Actor: r.Actor, Channels: channelsOf(kind, r.Actor), Locale: r.Locale, Fields: r.Fields, dialect: r.dialect(kind)}, ^coursesync.Seq(0))
}

// DocumentRow is what RxDB sends of a document: its state, and the one that the database thinks that we have; nil when it made the document.
type DocumentRow struct {
	New     map[string]json.RawMessage
	Assumed map[string]json.RawMessage
}

// DocumentsPush brings documents of one collection.
type DocumentsPush struct {
	Actor      catalog.Actor
	Collection string
	Locale     catalog.Locale
	Fields     Fields // "" is FieldsFull
	Rows       []DocumentRow
}

// PushDocuments carries out what it can, in one transaction, and returns what stands in place of what it cannot: the documents of which the database did not
// know the last state, and those that are refused. It returns the Seq that a pull must have seen to know of it.
// Errors: fault.Unauthorized, fault.InvalidFields, fault.NotFound for no collection; those of catalog.Catalog.Update.
func (s *Service) PushDocuments(ctx context.Context, p DocumentsPush) ([]json.RawMessage, coursesync.Seq, error) {
	form := DocumentsRequest{Actor: p.Actor, Collection: p.Collection, Fields: p.Fields}
	kind, err := form.check()
	if err != nil {
		return nil, 0, err
	}
	if p.Actor.Anonymous() {
		return nil, 0, fault.New("delta.PushDocuments", fault.Unauthorized)
	}
	order, err := p.order()
	if err != nil {
		return nil, 0, err
	}
	var not []denied
	seq, err := s.catalog.Update(ctx, p.Actor, func(tx *catalog.Tx) error {
		not = nil
		all := s.newRecordTx(tx, p.Actor)
		for _, i := range order {
			rec := documentRecord(p.Rows[i].New)
			said, err := all.carryOut(kind, &rec, func(now *standing) bool { return now.isAssumed(p.Rows[i].Assumed) })
			if err != nil {
				return err
			}
			if said != taken {
				not = append(not, denied{rec.id, said == conflicts && !rec.deleted})
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	docs, err := s.documentsNow(ctx, &p, kind, not)
	return docs, seq, err
}

// order lists the rows, those that are deleted last.
func (p *DocumentsPush) order() ([]int, error) {
	if len(p.Rows) > MaxRecords {
		return nil, fault.Invalid("delta.PushDocuments", fault.BadField("", fault.TooMany, "too many rows at once", "max", MaxRecords))
	}
	var live, gone []int
	for i := range p.Rows {
		switch rec := documentRecord(p.Rows[i].New); {
		case rec.id == "":
			at := fmt.Sprintf("/%d/newDocumentState/id", i)
			return nil, fault.Invalid("delta.PushDocuments", fault.BadField(at, fault.Required, "is missing"))
		case rec.deleted:
			gone = append(gone, i)
		default:
			live = append(live, i)
		}
	}
	return append(live, gone...), nil
}

// documentRecord reads a document's state.
func documentRecord(doc map[string]json.RawMessage) record {
	rec := record{cols: doc, deleted: string(doc[deletedColumn]) == "true"}
	rec.id = rec.text("id")
	return rec
}

// isAssumed reports whether what stands is what the database thinks.
func (now *standing) isAssumed(doc map[string]json.RawMessage) bool {
	rec := documentRecord(doc)
	if doc == nil || rec.deleted {
		return !now.live
	}
	return now.live && (string(doc["version"]) == string(encoded(now.seq)) || now.equals(&rec))
}

// denied is a document that was not taken.
type denied struct {
	id    string
	named bool // its id was noted: when it is a surplus one, the phone is told again to forget it
}

// documentsNow returns what stands of documents, for the caller's eyes.
func (s *Service) documentsNow(ctx context.Context, p *DocumentsPush, kind coursesync.Kind, list []denied) ([]json.RawMessage, error) {
	docs := []json.RawMessage{}
	if len(list) == 0 {
		return docs, nil
	}
	form := DocumentsRequest{Actor: p.Actor, Collection: p.Collection}
	pr := s.projector(p.Locale, p.Fields)
	pr.dialect = form.dialect(kind)
	err := s.catalog.View(ctx, func(v *catalog.View) error {
		a, err := newAccess(v, p.Actor)
		if err != nil {
			return err
		}
		for _, one := range list {
			ch, err := a.documentNow(pr.dialect, kind, one)
			if err != nil {
				return err
			}
			doc, err := pr.encode(&ch)
			if err != nil {
				return err
			}
			docs = append(docs, doc)
		}
		return nil
	})
	return docs, err
}

// documentNow returns what stands under an id that a phone gave; it is removed when there is nothing that the caller may see. A surplus id shows the record only
// when the phone will be told to forget it.
func (a *access) documentNow(d *dialect, kind coursesync.Kind, one denied) (change, error) {
	none := change{shown: removed, kind: kind, id: one.id}
	key := one.id
	if channelsOf(kind, a.actor)[0] == "me" {
		record, known, err := a.view.RecordKey(a.actor.Subject, kind, one.id)
		if err != nil || !known {
			return none, err
		}
		own, err := a.view.RecordID(a.actor.Subject, kind, record)
		if err != nil || !one.named && own != one.id {
			return none, err
		}
		key = catalog.OfLearner(a.actor.Subject, record)
	}
	if key == "" || len(key) > coursesync.MaxKey {
		return none, nil
	}
	ch, ok := a.view.Log().Get(kind, key)
	if !ok {
		return none, nil
	}
	readable, err := a.reads(ch.Channel)
	if err != nil || !readable {
		return none, err
	}
	now := change{Change: ch, kind: kind, id: one.id}
	now.shown, err = (&place{channel: ch.Channel}).show(a.view, &now.Change, d)
	if err != nil || now.shown != asIs {
		return none, err
	}
	if kind == catalog.KindCourse {
		now.hidden, err = a.view.HiddenPrerequisites(ch)
	}
	return now, err
}
