package delta_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// phone is a client as docs/sync.md tells app makers to write one: a store of rows, a cursor and a queue of mutations.
type phone struct {
	id       int
	who      catalog.LearnerID
	actor    catalog.Actor // of the token that it holds
	channels []string
	locale   catalog.Locale
	fields   delta.Fields

	rows   map[string]held
	cursor string
	swept  map[string]bool // during a pass that began without a cursor after an expiry: what came again; else nil

	client  string
	clients int
	next    uint64 // number of the next mutation
	queue   []delta.Mutation
}

// held is a row in the store.
type held struct {
	version coursesync.Seq
	doc     string
}

// wire is a change as it comes.
type wire struct {
	Kind    coursesync.Kind `json:"kind"`
	ID      string          `json:"id"`
	Op      string          `json:"op"`
	Version coursesync.Seq  `json:"version"`
	Doc     json.RawMessage `json:"doc"`
}

func (w *wire) name() string { return string(w.Kind) + " " + w.ID }

func (p *phone) request(limit int) delta.Request {
	return delta.Request{Actor: p.actor, Channels: p.channels, Cursor: p.cursor, Limit: limit, Locale: p.locale, Fields: p.fields, Client: p.client}
}

// apply stores a page. A row that is older than what is held is ignored, but in a pass that replaces everything.
func (p *phone) apply(page *delta.Page) error {
	for _, raw := range page.Changes {
		var w wire
		if err := json.Unmarshal(raw, &w); err != nil {
			return err
		}
		name := w.name()
		have, ok := p.rows[name]
		if ok && w.Version < have.version && p.swept == nil {
			continue
		}
		if w.Op == "delete" {
			delete(p.rows, name)
			delete(p.swept, name)
			continue
		}
		p.rows[name] = held{w.Version, string(w.Doc)}
		if p.swept != nil {
			p.swept[name] = true
		}
	}
	p.cursor = page.Cursor
	if !page.More && p.swept != nil {
		for name := range p.rows {
			if !p.swept[name] {
				delete(p.rows, name)
			}
		}
		p.swept = nil
	}
	return nil
}

// pull asks for one page. lost cuts the connection before the answer comes.
func (p *phone) pull(ctx context.Context, s *delta.Service, limit int, lost bool) (more bool, err error) {
	page, err := s.Pull(ctx, p.request(limit))
	if fault.Is(err, fault.CursorExpired) {
		p.cursor, p.swept = "", map[string]bool{}
		return true, nil
	}
	if err != nil || lost {
		return true, err
	}
	return page.More, p.apply(page)
}

// do queues a mutation.
func (p *phone) do(m delta.Mutation) {
	m.N = p.next
	p.next++
	p.queue = append(p.queue, m)
}

// renumber takes a new client id, as after a restore.
func (p *phone) renumber() {
	p.clients++
	p.client = fmt.Sprintf("phone-%d-%d", p.id, p.clients)
	for i := range p.queue {
		p.queue[i].N = uint64(i + 1)
	}
	p.next = uint64(len(p.queue) + 1)
}

// push sends up to n mutations and returns what became of them. lost cuts the connection before the answer comes.
func (p *phone) push(ctx context.Context, s *delta.Service, n int, lost bool) ([]delta.Result, error) {
	batch := p.queue[:min(n, len(p.queue))]
	done, err := s.Push(ctx, delta.Push{Actor: p.actor, Client: p.client, Subject: p.who, Mutations: batch})
	if fault.Is(err, fault.MutationGap) || fault.Is(err, fault.ClientReused) {
		p.renumber()
		return nil, nil
	}
	if err != nil || lost {
		return nil, err
	}
	p.queue = p.queue[len(batch):]
	return done.Results, nil
}
