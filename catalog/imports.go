package catalog

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// MaxImportErrors is how many rejected rows a record keeps: enough to see what is wrong, and 500 × about 200 bytes fit a body. The
// errors file has them all.
const MaxImportErrors = 500

// ImportRecord is the entity of one import: who, what, counts, state.
type ImportRecord struct {
	ID         string        `json:"id"`
	By         LearnerID     `json:"by"`
	Org        OrgID         `json:"org,omitempty"`
	File       string        `json:"file,omitempty"`
	Format     string        `json:"format"`
	Map        string        `json:"map,omitempty"`
	DryRun     bool          `json:"dry_run,omitempty"`
	State      string        `json:"state"` // queued, running, done, failed, rolled_back
	Rows       ImportRows    `json:"rows"`
	Errors     []ImportError `json:"errors,omitempty"` // the first MaxImportErrors
	MoreErrors int           `json:"more_errors,omitempty"`
	StartedAt  time.Time     `json:"started_at"`
	EndedAt    *time.Time    `json:"ended_at,omitempty"`
	Problem    string        `json:"problem,omitempty"` // fault code when failed
}

// ImportRows counts rows; Read is the sum of the other five.
type ImportRows struct {
	Read      int `json:"read"`
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Merged    int `json:"merged"`
	Rejected  int `json:"rejected"`
}

// ImportError is one rejected row.
type ImportError struct {
	Line   int    `json:"line"`   // of the file, from 1
	Column string `json:"column"` // header of the cell at fault, "" for the row
	Code   string `json:"code"`   // a fault code
	Detail string `json:"detail"`
}

// The states of an import.
const (
	ImportQueued     = "queued"
	ImportRunning    = "running"
	ImportDone       = "done"
	ImportFailed     = "failed"
	ImportRolledBack = "rolled_back"
)

var importStates = map[string]bool{ImportQueued: true, ImportRunning: true, ImportDone: true, ImportFailed: true, ImportRolledBack: true}

// maxMapText bounds the text of a mapping, in runes: presets have about 1,000.
const maxMapText = 64 << 10

// PutImport writes an import's record. Those who edit its organization may. By is the actor when it is empty; errors beyond
// MaxImportErrors are cut and counted in MoreErrors.
func (tx *Tx) PutImport(r ImportRecord) error {
	const op = "catalog.PutImport"
	actor := tx.overlay.actor
	if err := tx.mayWrite(op, r.Org, actor.Edits(r.Org)); err != nil {
		return err
	}
	var p problems
	p.id("/id", r.ID)
	if r.Org != "" {
		p.org("/org", r.Org)
	}
	if !importStates[r.State] {
		p.add("/state", fault.BadValue, "is no state of an import", "allowed", "queued, running, done, failed, rolled_back")
	}
	if r.By == "" {
		r.By = actor.Subject
	}
	r.File = p.line("/file", r.File, maxLine)
	r.Map = p.clean("/map", p.encoded("/map", r.Map, maxMapText), maxMapText, "\n\r\t")
	if err := p.err(op); err != nil {
		return err
	}
	if old, ok, err := load[ImportRecord](&tx.View, KindImport, r.ID); err != nil {
		return err
	} else if ok && old.Value.Org != r.Org {
		return fault.New(op, fault.NotFound) // another organization's: who may write this one need not know of it
	}
	if over := len(r.Errors) - MaxImportErrors; over > 0 {
		r.Errors, r.MoreErrors = r.Errors[:MaxImportErrors], r.MoreErrors+over
	}
	r.StartedAt, r.EndedAt = moment(r.StartedAt), momentOf(r.EndedAt)
	_, err := tx.put(KindImport, r.ID, channelStaff, r, putOpts{})
	return err
}

// Import returns an import's record for those who edit its organization, else fault.NotFound.
func (v *View) Import(actor Actor, id string) (Stored[ImportRecord], error) {
	s, ok, err := load[ImportRecord](v, KindImport, id)
	if err != nil {
		return s, err
	}
	if !ok || !seesImport(actor, s.Value) {
		return Stored[ImportRecord]{}, fault.New("catalog.Import", fault.NotFound)
	}
	return s, nil
}

func seesImport(actor Actor, r ImportRecord) bool { return actor.Edits(r.Org) }

// ListImports lists the imports that the actor may see, newest first. Errors: fault.Forbidden for those who edit nothing.
func (c *Catalog) ListImports(ctx context.Context, actor Actor, p Page) (List[Stored[ImportRecord]], error) {
	const op = "catalog.ListImports"
	if !actor.Has(RoleEditor) {
		return List[Stored[ImportRecord]]{}, refused(op, actor, "")
	}
	after := ""
	if p.After != "" {
		found := false
		err := c.View(ctx, func(v *View) error {
			ch, ok := v.bv.Get(KindImport, p.After) // a tombstone knows its place too
			after, found = importOrder(ch.Created, p.After), ok
			return nil
		})
		if err != nil || !found {
			return List[Stored[ImportRecord]]{}, err
		}
	}
	var list List[Stored[ImportRecord]]
	err := c.View(ctx, func(v *View) error {
		l := lister[Stored[ImportRecord]]{limit: p.limit()}
		for _, id := range v.tables().scan(tableImports, "", after) {
			s, ok, err := load[ImportRecord](v, KindImport, string(id))
			if err != nil {
				return err
			}
			if ok && seesImport(actor, s.Value) && !l.add(string(id), s) {
				break
			}
		}
		list = l.list
		return nil
	})
	return list, err
}

// importOrder is a key that puts newer imports first.
func importOrder(made coursesync.Seq, id string) string {
	return string(binary.BigEndian.AppendUint64(nil, ^uint64(made))) + id
}
