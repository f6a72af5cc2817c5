package delta

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// MaxRecords is how many rows a push brings: all in one transaction, to whose batch each adds about eight entries that are written or guarded.
const MaxRecords = 2_000

// TableChanges is what an app changed in a table: rows with their columns, and ids.
type TableChanges struct {
	Created []map[string]json.RawMessage
	Updated []map[string]json.RawMessage
	Deleted []string
}

// TablesPush brings what an app changed since it pulled.
type TablesPush struct {
	Actor   catalog.Actor
	Since   coursesync.Seq // last_pulled_at: what the rows are based on
	Changes map[string]TableChanges
}

// tableRecord is a row with its table.
type tableRecord struct {
	record
	table string
	kind  coursesync.Kind
}

// PushTables carries out all of it in one transaction, but for the rows that it returns: they are refused, each for itself. It returns the Seq that a pull
// must have seen to know of it. Pushing the same again changes nothing that matters.
// Errors: fault.Unauthorized, fault.InvalidFields; fault.PullFirst when a row that does not merge was changed after Since: then nothing is done; those of catalog.Catalog.Update.
func (s *Service) PushTables(ctx context.Context, p TablesPush) (map[string][]string, coursesync.Seq, error) {
	const op = "delta.PushTables"
	if p.Actor.Anonymous() {
		return nil, 0, fault.New(op, fault.Unauthorized)
	}
	list, err := p.records()
	if err != nil {
		return nil, 0, err
	}
	var rejected map[string][]string
	agrees := func(now *standing) bool { return now.seq <= p.Since }
	seq, err := s.catalog.Update(ctx, p.Actor, func(tx *catalog.Tx) error {
		rejected = map[string][]string{}
		if p.Since > tx.Log().Head() {
			return fault.New(op, fault.PullFirst)
		}
		all := s.newRecordTx(tx, p.Actor)
		for i := range list {
			said, err := all.carryOut(list[i].kind, &list[i].record, agrees)
			switch {
			case err != nil:
				return err
			case said == conflicts:
				return fault.New(op, fault.PullFirst)
			case said == refused:
				rejected[list[i].table] = append(rejected[list[i].table], list[i].id)
			}
		}
		return nil
	})
	return rejected, seq, err
}

// records lists the rows in an order in which they can be carried out: whoever takes a course, reviews it and leaves it again without a network
// has done all three.
func (p *TablesPush) records() ([]tableRecord, error) {
	list, leaving := []tableRecord{}, []tableRecord{}
	add := func(table string, kind coursesync.Kind, at string, rec record) error {
		if rec.id == "" {
			return fault.Invalid("delta.PushTables", fault.BadField(at+"/id", fault.Required, "is missing"))
		}
		if kind == catalog.KindEnrollment && (rec.deleted || rec.text("state") == string(catalog.Withdrawn)) {
			leaving = append(leaving, tableRecord{rec, table, kind})
		} else {
			list = append(list, tableRecord{rec, table, kind})
		}
		if len(list)+len(leaving) > MaxRecords {
			return fault.Invalid("delta.PushTables", fault.BadField("/"+table, fault.TooMany, "too many rows at once", "max", MaxRecords))
		}
		return nil
	}
	for _, t := range p.order() {
		changes := p.Changes[t.name]
		for i, cols := range append(append([]map[string]json.RawMessage{}, changes.Created...), changes.Updated...) {
			rec := record{cols: cols}
			rec.id = rec.text("id")
			if err := add(t.name, t.kind, fmt.Sprintf("/%s/%d", t.name, i), rec); err != nil {
				return nil, err
			}
		}
		for i, id := range changes.Deleted {
			if err := add(t.name, t.kind, fmt.Sprintf("/%s/deleted/%d", t.name, i), record{id: id, deleted: true}); err != nil {
				return nil, err
			}
		}
	}
	return append(list, leaving...), nil
}

// order lists the tables that there are changes of; those that nobody knows are the last, and refused.
func (p *TablesPush) order() []table {
	var list []table
	for _, t := range tables {
		if _, ok := p.Changes[t.name]; ok {
			list = append(list, t)
		}
	}
	for _, name := range sorted(p.Changes) {
		if _, known := kindOfTable(name); !known {
			list = append(list, table{name: name})
		}
	}
	return list
}
