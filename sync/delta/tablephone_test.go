package delta_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// columns is a row of a client database.
type columns map[string]json.RawMessage

func (c columns) text(name string) string {
	var s string
	_ = json.Unmarshal(c[name], &s)
	return s
}

func column(v any) json.RawMessage {
	raw, _ := json.Marshal(v)
	return raw
}

// localRow is a row of WatermelonDB with what it keeps of each.
type localRow struct {
	columns
	status  string // "" (synced), "created", "updated", "deleted"
	changed map[string]bool
}

// tablePhone holds tables as WatermelonDB does, and synchronizes as its synchronize() does.
type tablePhone struct {
	id     int
	who    catalog.LearnerID
	actor  catalog.Actor
	locale catalog.Locale
	rows   map[string]map[string]*localRow // by table and id
	number coursesync.Seq
	cursor string // kept by some apps only
	keeps  bool
	made   int
}

func (p *tablePhone) request() delta.TablesRequest {
	return delta.TablesRequest{Actor: p.actor, Since: p.number, Cursor: p.cursor, Locale: p.locale}
}

// answer is an answer as it comes.
type answer struct {
	Changes map[string]struct {
		Created, Updated []columns
		Deleted          []string
	}
	Timestamp            coursesync.Seq
	Cursor               string
	ExperimentalStrategy string
}

// pull asks and applies. lost cuts the connection before the answer comes; crashed ends the app after it was applied, before its number was kept.
func (p *tablePhone) pull(ctx context.Context, s *delta.Service, lost, crashed bool) error {
	t, err := s.Watermelon(ctx, p.request())
	if err != nil {
		return err
	}
	defer t.Close()
	var b bytes.Buffer
	if _, err := t.WriteTo(&b); err != nil || lost {
		return err
	}
	var a answer
	if err := json.Unmarshal(b.Bytes(), &a); err != nil {
		return fmt.Errorf("%w in %s", err, b.Bytes())
	}
	replace := p.number == 0 || a.ExperimentalStrategy == "replacement" // at first as clients/watermelon.js, which knows of apps that ended before they kept the number
	for table, changes := range a.Changes {
		if len(changes.Created) > 0 {
			return fmt.Errorf("%s has created rows", table)
		}
		p.apply(p.table(table), changes.Updated, changes.Deleted, replace)
	}
	if crashed {
		return nil
	}
	if p.number = a.Timestamp; p.keeps {
		p.cursor = a.Cursor
	}
	return nil
}

func (p *tablePhone) table(name string) map[string]*localRow {
	if p.rows[name] == nil {
		p.rows[name] = map[string]*localRow{}
	}
	return p.rows[name]
}

func (p *tablePhone) apply(rows map[string]*localRow, updated []columns, deleted []string, replace bool) {
	keep := map[string]bool{}
	for _, cols := range updated {
		id := cols.text("id")
		keep[id] = true
		switch local := rows[id]; {
		case local == nil:
			rows[id] = &localRow{columns: cols}
		case local.status != "deleted":
			for name := range local.changed {
				cols[name] = local.columns[name]
			}
			if local.columns = cols; local.status == "created" {
				local.status = "updated"
			}
		}
	}
	for _, id := range deleted {
		delete(rows, id)
	}
	for id, local := range rows {
		if replace && !keep[id] && local.status != "created" {
			delete(rows, id)
		}
	}
}

// edit changes a row, or makes one, as an app does.
func (p *tablePhone) edit(table, id string, cols columns) {
	rows := p.table(table)
	local := rows[id]
	if local == nil || local.status == "deleted" {
		rows[id] = &localRow{columns: cols, status: "created"}
		rows[id].columns["id"] = column(id)
		return
	}
	for name, value := range cols {
		local.columns[name] = value
		if local.status != "created" {
			if local.status = "updated"; local.changed == nil {
				local.changed = map[string]bool{}
			}
			local.changed[name] = true
		}
	}
}

func (p *tablePhone) remove(table, id string) {
	if local := p.table(table)[id]; local.status == "created" {
		delete(p.rows[table], id)
	} else {
		local.status = "deleted"
	}
}

// changes is what was not pushed yet.
func (p *tablePhone) changes() map[string]delta.TableChanges {
	all := map[string]delta.TableChanges{}
	for table, rows := range p.rows {
		var c delta.TableChanges
		for _, id := range slices.Sorted(maps.Keys(rows)) {
			switch local := rows[id]; local.status {
			case "created":
				c.Created = append(c.Created, maps.Clone(local.columns))
			case "updated":
				c.Updated = append(c.Updated, maps.Clone(local.columns))
			case "deleted":
				c.Deleted = append(c.Deleted, id)
			}
		}
		if len(c.Created)+len(c.Updated)+len(c.Deleted) > 0 {
			all[table] = c
		}
	}
	return all
}

// push sends what was not pushed, and reports whether the server took it and which rows not. lost cuts the connection before the answer comes.
func (p *tablePhone) push(ctx context.Context, s *delta.Service, changes map[string]delta.TableChanges, lost bool) (rejected map[string][]string, done bool, err error) {
	rejected, _, err = s.PushTables(ctx, delta.TablesPush{Actor: p.actor, Since: p.number, Changes: changes})
	if fault.Is(err, fault.PullFirst) {
		return nil, false, nil
	}
	if err != nil || lost {
		return rejected, err == nil, err
	}
	for table, c := range changes {
		for _, cols := range slices.Concat(c.Created, c.Updated) {
			id := columns(cols).text("id")
			local := p.rows[table][id]
			if !slices.Contains(rejected[table], id) {
				local.status, local.changed = "", nil
			}
		}
		for _, id := range c.Deleted {
			if !slices.Contains(rejected[table], id) {
				delete(p.rows[table], id)
			}
		}
	}
	return rejected, true, nil
}
