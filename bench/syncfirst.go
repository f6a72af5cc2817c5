package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// pulled is what a pull to the end brought.
type pulled struct {
	pages, changes int
	wire           int64 // bytes both ways
	took           time.Duration
	cursor         string
	rows           [][]byte // the changes, when they are kept
	middle         string   // the same: a cursor in the middle of them
	before         int      // the same: how many came before that
}

// unpacked reads compressed bodies.
var unpacked, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))

// acceptZstd is the header of phones.
const acceptZstd = "Accept-Encoding: zstd"

// syncPath is the address of a pull.
func syncPath(channels string, limit int, cursor string) string {
	path := "/v2/sync?channels=" + channels + "&limit=" + itoa(limit)
	if cursor != "" {
		path += "&cursor=" + cursor
	}
	return path
}

// errPull says that a pull was not answered with a page.
var errPull = errors.New("the pull was refused")

// pageOf reads the end of a page: its cursor, and whether there is more. into is written over.
func pageOf(r reply, into []byte) (body []byte, cursor string, more bool, err error) {
	if r.status != http.StatusOK {
		return nil, "", false, fmt.Errorf("%w: status %d: %.300s", errPull, r.status, r.body)
	}
	body = r.body
	if r.header("Content-Encoding") == "zstd" {
		if body, err = unpacked.DecodeAll(r.body, into[:0]); err != nil {
			return nil, "", false, err
		}
	}
	const name = `"cursor":"`
	at := bytes.LastIndex(body, []byte(name))
	if at < 0 {
		return nil, "", false, errAnswer
	}
	tail := body[at+len(name):]
	text, rest, _ := bytes.Cut(tail, []byte{'"'})
	return body, string(text), bytes.Contains(rest, []byte(`"more":true`)), nil
}

// pullAll pulls the public channel from the start to its end, on one connection, a page after the other. When half is not 0 it keeps what came, and the cursor after that many.
func pullAll(server string, limit, half int) (p pulled, err error) {
	w, err := dial(server)
	if err != nil {
		return p, err
	}
	defer w.close()
	start := time.Now()
	var body []byte
	for more := true; more; p.pages++ {
		if half > 0 && p.middle == "" && len(p.rows) >= half {
			p.middle, p.before = p.cursor, len(p.rows)
		}
		r, err := w.ask(getRequest(syncPath("catalog", limit, p.cursor), acceptZstd))
		if err != nil {
			return p, err
		}
		if body, p.cursor, more, err = pageOf(r, body); err != nil {
			return p, err
		}
		p.changes += bytes.Count(body, []byte(`"version":`))
		if half == 0 {
			continue
		}
		var page struct{ Changes []json.RawMessage }
		if err := json.Unmarshal(body, &page); err != nil {
			return p, err
		}
		for _, row := range page.Changes {
			p.rows = append(p.rows, row)
		}
	}
	p.took, p.wire = time.Since(start), w.sent+w.received
	return p, nil
}

// goalFirst is for 50,000 courses.
const goalFirst = 5 * time.Second

// firstSync measures how long one phone takes from nothing to a whole copy, and returns that copy.
func (b *bench) firstSync(server string) (whole pulled, err error) {
	fmt.Printf("### First sync: %d courses, cards in one locale, zstd, one phone\n\n| | pages | changes | MB on the wire | bytes a course | s |\n|---|---|---|---|---|---|\n", b.courses)
	for _, row := range []struct {
		name  string
		limit int
	}{
		{"no page made before", 1000},
		{"the next phone", 1000},
		{"500 changes a page, none made before", pullPage},
		{"500 changes a page, the next phone", pullPage},
	} {
		p, err := pullAll(server, row.limit, 0)
		if err != nil {
			return p, err
		}
		took := fmt.Sprintf("%.2f", p.took.Seconds())
		if row.limit == 1000 {
			took += ": " + atMost(p.took.Seconds()/goalFirst.Seconds(), 1)
		}
		fmt.Printf("| %s | %d | %d | %.2f | %.0f | %s |\n", row.name, p.pages, p.changes, float64(p.wire)/1e6, float64(p.wire)/float64(b.courses), took)
	}
	return pullAll(server, pullPage, b.courses)
}

// member is a field of a JSON object as it was written.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf takes an object apart, in order.
func membersOf(object []byte) (list []member, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err = d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: fmt.Sprint(name)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// without writes an object without one of its fields.
func without(list []member, name string) []byte {
	b := []byte{'{'}
	for _, m := range list {
		if m.name == name {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%q:%s", m.name, m.value)
	}
	return append(b, '}')
}

// dropped writes a page without one field of one kind: "course.title" is a document's, "course/version" a row's.
func dropped(rows [][]byte, field string) (page []byte, err error) {
	for _, row := range rows {
		list, err := membersOf(row)
		if err != nil {
			return nil, err
		}
		kind := strings.Trim(string(list[0].value), `"`)
		if name, ok := strings.CutPrefix(field, kind+"."); ok {
			for i := range list {
				if list[i].name != "doc" {
					continue
				}
				doc, err := membersOf(list[i].value)
				if err != nil {
					return nil, err
				}
				list[i].value = without(doc, name)
			}
		}
		name, _ := strings.CutPrefix(field, kind+"/")
		page = append(append(page, without(list, name)...), ',')
	}
	return page, nil
}

// fieldsOf lists what can be dropped.
func fieldsOf(rows [][]byte) (fields []string, err error) {
	seen := map[string]bool{}
	note := func(name string) {
		if !seen[name] {
			seen[name] = true
			fields = append(fields, name)
		}
	}
	for _, row := range rows {
		list, err := membersOf(row)
		if err != nil {
			return nil, err
		}
		kind := strings.Trim(string(list[0].value), `"`)
		for _, m := range list {
			if m.name != "doc" {
				note(kind + "/" + m.name)
				continue
			}
			doc, err := membersOf(m.value)
			if err != nil {
				return nil, err
			}
			for _, m := range doc {
				note(kind + "." + m.name)
			}
		}
	}
	return fields, nil
}

// fieldShare is what a field takes of a page.
type fieldShare struct {
	field       string
	raw, packed int // bytes of the page
}

// byField shows what takes the bytes of a page from the middle of the catalog: each field is left out, and the page is compressed again.
func (b *bench) byField(whole pulled) error {
	rows := whole.rows[whole.before:min(whole.before+pullPage, len(whole.rows))]
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	size := func(field string) (raw, packed int, err error) {
		page, err := dropped(rows, field)
		return len(page), len(pack.EncodeAll(page, nil)), err
	}
	raw, packed, err := size("")
	if err != nil {
		return err
	}
	fields, err := fieldsOf(rows)
	if err != nil {
		return err
	}
	var shares []fieldShare
	for _, f := range fields {
		r, p, err := size(f)
		if err != nil {
			return err
		}
		shares = append(shares, fieldShare{f, raw - r, packed - p})
	}
	slices.SortFunc(shares, func(x, y fieldShare) int { return cmp.Compare(y.packed, x.packed) })
	n := float64(len(rows))
	fmt.Printf("\nA change of a page from the middle takes %.0f bytes, compressed %.1f. Without a field it takes less by:\n\n| field | bytes | compressed |\n|---|---|---|\n",
		float64(raw)/n, float64(packed)/n)
	for _, s := range shares {
		fmt.Printf("| %s | %.1f | %.2f |\n", s.field, float64(s.raw)/n, float64(s.packed)/n)
	}
	fmt.Println()
	return nil
}
