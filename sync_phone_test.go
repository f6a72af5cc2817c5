package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// device is a phone that speaks HTTP, written by docs/sync.md alone: rows that are the server's, a cursor, edits that were not sent yet, and the batch that
// was sent and not answered yet.
type device struct {
	base     string
	who      catalog.LearnerID
	token    func() string
	channels string
	locale   string

	rows   map[string]deviceRow // by kind and id
	cursor string
	pass   map[string]bool // in a pass that replaces everything, what came; else nil

	client  string
	next    uint64            // number of the next mutation
	flight  []mutation        // numbered, and never changed again
	waiting []mutation        // without numbers: at most one for each entity
	acked   map[string]uint64 // versions that results named and no pull has brought yet
}

type deviceRow struct {
	Version uint64
	Doc     string
}

// mutation is one in the body of a push.
type mutation struct {
	N    uint64         `json:"n"`
	Kind string         `json:"kind"`
	Key  string         `json:"key"`
	Op   string         `json:"op"`
	Base uint64         `json:"base,omitempty"`
	Doc  map[string]any `json:"doc,omitempty"`
}

func (m *mutation) name() string { return m.Kind + " " + m.Key }

// batch is the body of a push.
type batch struct {
	Client    string     `json:"client"`
	Subject   string     `json:"subject"`
	Mutations []mutation `json:"mutations"`
}

// outcome is what a push says of one mutation.
type outcome struct {
	N       uint64
	Status  string
	Outcome string
	Version uint64
}

// became is the status of a mutation, also when the answer says that it was carried out before.
func (o outcome) became() string {
	if o.Status == "duplicate" {
		return o.Outcome
	}
	return o.Status
}

type pushAnswer struct {
	Results []outcome
	Last    uint64 `json:"last_mutation"`
	Code    string // of a problem
}

func newDevice(base string, who catalog.LearnerID, channels string, token func() string) *device {
	d := &device{base: base, who: who, token: token, channels: channels, locale: "en", rows: map[string]deviceRow{}, acked: map[string]uint64{}}
	d.renew()
	d.startOver()
	return d
}

// clone is a backup of the phone.
func (d *device) clone() *device {
	c := *d
	c.rows, c.pass, c.acked = maps.Clone(d.rows), maps.Clone(d.pass), maps.Clone(d.acked)
	c.flight, c.waiting = slices.Clone(d.flight), slices.Clone(d.waiting)
	return &c
}

// renew takes a new name and numbers what is held from 1.
func (d *device) renew() {
	d.client, d.next = rand.Text(), 1
	for i := range d.flight {
		d.flight[i].N = d.next
		d.next++
	}
}

// edit notes what the learner did. An edit of the same entity that was not sent yet is replaced, and its base stays: it names what the learner saw first.
func (d *device) edit(m mutation) {
	m.Base = max(d.rows[m.name()].Version, d.acked[m.name()])
	for i := range d.waiting {
		if d.waiting[i].name() == m.name() {
			m.Base = d.waiting[i].Base
			d.waiting = slices.Delete(d.waiting, i, i+1)
			break
		}
	}
	d.waiting = append(d.waiting, m)
}

// load puts up to n waiting edits into a batch, unless one is under way.
func (d *device) load(n int) {
	if len(d.flight) > 0 {
		return
	}
	n = min(n, len(d.waiting))
	d.flight, d.waiting = slices.Clone(d.waiting[:n]), slices.Clone(d.waiting[n:])
	for i := range d.flight {
		d.flight[i].N = d.next
		d.next++
	}
}

func (d *device) body() batch {
	return batch{d.client, string(d.who), slices.Clone(d.flight)}
}

// answered notes what became of the batch. It reports false when the server has forgotten, because the batch is one of long ago: the phone was restored.
func (d *device) answered(results []outcome) bool {
	if slices.ContainsFunc(results, func(o outcome) bool { return o.became() == "" }) {
		return false
	}
	for i, r := range results {
		name := d.flight[i].name()
		if s := r.became(); r.Version != 0 && (s == "applied" || s == "merged") {
			d.acked[name] = r.Version
			for k := range d.waiting {
				if d.waiting[k].name() == name {
					d.waiting[k].Base = r.Version
				}
			}
		}
	}
	d.flight = nil
	return true
}

// page is the answer to a pull.
type page struct {
	Changes []struct {
		Kind, ID, Op string
		Version      uint64
		Doc          json.RawMessage
	}
	Cursor string
	More   bool
	Last   *uint64 `json:"last_mutation"`
}

func (d *device) pullPath(limit int) string {
	q := url.Values{"channels": {d.channels}, "locale": {d.locale}, "limit": {fmt.Sprint(limit)}}
	if d.cursor != "" {
		q.Set("cursor", d.cursor)
	}
	if d.who != "" {
		q.Set("client", d.client)
	}
	return "/v2/sync?" + q.Encode()
}

// startOver begins a pass that replaces what is held.
func (d *device) startOver() { d.cursor, d.pass = "", map[string]bool{} }

// apply stores a page.
func (d *device) apply(p *page) {
	for _, ch := range p.Changes {
		name := ch.Kind + " " + ch.ID
		if have, ok := d.rows[name]; ok && ch.Version < have.Version && d.pass == nil {
			continue
		}
		if ch.Op == "delete" {
			delete(d.rows, name)
			delete(d.pass, name)
			continue
		}
		d.rows[name] = deviceRow{ch.Version, string(ch.Doc)}
		if d.pass != nil {
			d.pass[name] = true
		}
	}
	d.cursor = p.Cursor
	if p.More {
		return
	}
	clear(d.acked)
	if d.pass != nil {
		maps.DeleteFunc(d.rows, func(name string, _ deviceRow) bool { return !d.pass[name] })
		d.pass = nil
	}
	if p.Last != nil && *p.Last >= d.next && len(d.flight) == 0 { // it sent what this phone knows nothing of: the phone was restored
		d.renew()
	}
}

// sums are the digests of what is held, by channel and kind.
func (d *device) sums() map[string]map[string]digestSum {
	all := map[string]map[string]digestSum{}
	for name, row := range d.rows {
		kind, id, _ := strings.Cut(name, " ")
		channel := channelOf(kind, id)
		if all[channel] == nil {
			all[channel] = map[string]digestSum{}
		}
		h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", kind, id, row.Version))
		s := all[channel][kind]
		s.Count++
		s.Sum += binary.BigEndian.Uint64(h[:])
		all[channel][kind] = s
	}
	return all
}

type digestSum struct {
	Count int
	Sum   uint64
}

// channelOf tells a row's channel, which a digest is asked by.
func channelOf(kind, id string) string {
	switch kind {
	case "course", "course_stats", "instructor", "instructor_stats", "tag", "category":
		if org, _, owned := strings.Cut(id, "~"); owned {
			return "org:" + org
		}
		return "catalog"
	case "module", "lesson", "asset":
		course, _, _ := strings.Cut(id, "/")
		return "course:" + course
	}
	return "me"
}

// transports are the connections of phones: one that keeps them, and one that opens one for each request.
var transports = [2]*http.Client{
	{Timeout: 20 * time.Second, Transport: &http.Transport{}},
	{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
}

// ask sends a request. The error is one of the network, also for an answer that did not come in full.
func (d *device) ask(ctx context.Context, client *http.Client, method, path string, body any) (status int, answer []byte, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := d.token(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}
