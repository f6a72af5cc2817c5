package delta_test

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/sync/delta"
)

// docPhone holds collections as RxDB does, and replicates as its replication does: each document with the state that it thinks the server has.
type docPhone struct {
	id          int
	who         catalog.LearnerID
	actor       catalog.Actor
	locale      catalog.Locale
	collections map[string]*collection
	made        int
}

type collection struct {
	docs    map[string]columns // "_deleted" says that one is gone
	assumed map[string]columns
	cursor  string
}

func (p *docPhone) collection(name string) *collection {
	if p.collections[name] == nil {
		p.collections[name] = &collection{docs: map[string]columns{}, assumed: map[string]columns{}}
	}
	return p.collections[name]
}

func sameColumns(a, b columns) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		var x, y any
		_, has := b[name]
		_, _ = json.Unmarshal(a[name], &x), json.Unmarshal(b[name], &y)
		if !has || !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

func (c columns) gone() bool { return string(c["_deleted"]) == "true" }

// ask asks for a page.
func (p *docPhone) ask(ctx context.Context, s *delta.Service, name, cursor string, limit int) (docs []columns, next string, err error) {
	next, err = s.Documents(ctx, delta.DocumentsRequest{Actor: p.actor, Collection: name, Cursor: cursor, Limit: limit, Locale: p.locale}, func(raw json.RawMessage) error {
		var doc columns
		docs = append(docs, doc)
		return json.Unmarshal(raw, &docs[len(docs)-1])
	})
	return docs, next, err
}

// pull asks for a page and stores it. It reports whether there may be more. Where there is no cursor, or it is expired, it does as clients/rxdb.js: it asks for
// everything, and what did not come is deleted.
func (p *docPhone) pull(ctx context.Context, s *delta.Service, name string, limit int, lost bool) (more bool, err error) {
	c := p.collection(name)
	docs, next, err := p.ask(ctx, s, name, c.cursor, limit)
	if c.cursor == "" || fault.Is(err, fault.CursorExpired) {
		if docs, next, err = p.everything(ctx, s, name); err != nil || lost {
			return true, err
		}
		came := map[string]bool{}
		for _, doc := range docs {
			came[doc.text("id")] = true
		}
		for id, doc := range c.docs {
			if !came[id] && !doc.gone() {
				docs = append(docs, columns{"id": column(id), "_deleted": column(true)})
			}
		}
	}
	if err != nil || lost {
		return true, err
	}
	for _, doc := range docs {
		c.store(doc)
	}
	if len(docs) > 0 {
		c.cursor = next // the checkpoint of an empty page is not kept
	}
	return len(docs) >= limit, nil
}

func (p *docPhone) everything(ctx context.Context, s *delta.Service, name string) (all []columns, cursor string, err error) {
	for {
		docs, next, err := p.ask(ctx, s, name, cursor, 7)
		if err != nil {
			return nil, "", err
		}
		all, cursor = append(all, docs...), next
		if len(docs) < 7 {
			return all, cursor, nil
		}
	}
}

// store takes a document that came, unless it was changed here and that is not pushed.
func (c *collection) store(doc columns) {
	id := doc.text("id")
	fork, assumed := c.docs[id], c.assumed[id]
	if fork != nil && (assumed == nil || !sameColumns(assumed, fork)) && !sameColumns(doc, fork) {
		return
	}
	c.docs[id], c.assumed[id] = doc, maps.Clone(doc)
}

func (p *docPhone) edit(name, id string, cols columns) {
	c := p.collection(name)
	doc := c.docs[id]
	if doc == nil || doc.gone() {
		doc = columns{"id": column(id)}
	}
	doc = maps.Clone(doc)
	maps.Copy(doc, cols)
	p.made++
	doc["edited"] = column(p.made) // a column of the app's own, which the server does not know: see docs/offline-clients.md
	doc["_deleted"] = column(false)
	c.docs[id] = doc
}

func (p *docPhone) remove(name, id string) {
	doc := maps.Clone(p.collection(name).docs[id])
	doc["_deleted"] = column(true)
	p.collections[name].docs[id] = doc
}

// rows are the documents that were not pushed.
func (c *collection) rows() []delta.DocumentRow {
	var rows []delta.DocumentRow
	for _, id := range slices.Sorted(maps.Keys(c.docs)) {
		if fork, assumed := c.docs[id], c.assumed[id]; assumed == nil || !sameColumns(fork, assumed) {
			rows = append(rows, delta.DocumentRow{New: maps.Clone(fork), Assumed: assumed})
		}
	}
	return rows
}

// push sends what was not pushed, and returns the conflicts. As the database does if nobody says otherwise, it gives in.
func (p *docPhone) push(ctx context.Context, s *delta.Service, name string, rows []delta.DocumentRow, lost bool) (map[string]bool, error) {
	c := p.collection(name)
	docs, _, err := s.PushDocuments(ctx, delta.DocumentsPush{Actor: p.actor, Collection: name, Locale: p.locale, Rows: rows})
	if err != nil {
		return nil, err
	}
	refused := map[string]bool{}
	for _, raw := range docs {
		var doc columns
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, err
		}
		refused[doc.text("id")] = true
		if !lost {
			c.docs[doc.text("id")], c.assumed[doc.text("id")] = doc, maps.Clone(doc)
		}
	}
	for _, row := range rows {
		if id := columns(row.New).text("id"); !refused[id] && !lost {
			c.assumed[id] = row.New
		}
	}
	return refused, nil
}
