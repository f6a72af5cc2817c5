package delta

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// WatermelonDB pulls everything at once, and remembers nothing but a number: the Seq up to which it has read all channels. What it had then is found in the
// log: see window.go. All is read in short views, until one of them finds nothing more in any channel and access as it was: that one's head is the number.

const (
	// maxBuilds is how many answers of more than one view are made and sent at a time. Each is in memory until it is sent: a catalog of 10,000 courses is 20 MB.
	maxBuilds = 8
	// buildRetry is when a phone that came too many comes back, in seconds: a build takes less than one, sending it to a phone some.
	buildRetry = 5
	// maxRestarts is how often a build starts over because access changed meanwhile, which is a matter of milliseconds.
	maxRestarts = 8
)

// TablesRequest asks for all that changed since a number.
type TablesRequest struct {
	Actor     catalog.Actor
	Since     coursesync.Seq // last_pulled_at; 0 starts
	Cursor    string         // of the answer that gave the number; "" when the app did not keep it
	Tables    []string       // all when empty
	Locale    catalog.Locale
	Fields    Fields // "" is FieldsFull: offline there is nowhere to look up the rest
	Migration Migration
}

// Migration names what the app's schema has that it had not before: of these tables the phone needs every row. Tables that are the app's own are ignored.
type Migration struct {
	Tables  []string
	Columns []TableColumns
}

// TableColumns names columns of a table.
type TableColumns struct {
	Table   string
	Columns []string
}

// Tables is the answer. It is to be closed when it was sent, or was not.
type Tables struct {
	Seq      coursesync.Seq // the number to come back with
	Cursor   string
	Replaces bool // the phone is to forget what is not in here
	names    []string
	rows     map[coursesync.Kind]*tableRows
	release  func()
}

// tableRows is what changed in a table, each row once, in its last state.
type tableRows struct {
	ids  []string // in the order of their first change
	rows map[string]json.RawMessage
}

// Watermelon returns all that changed since a number, or everything when that is not possible. Errors: fault.InvalidParameter; fault.Overloaded.
func (s *Service) Watermelon(ctx context.Context, r TablesRequest) (*Tables, error) {
	b, err := s.newBuild(&r)
	if err != nil {
		return nil, err
	}
	out := &Tables{names: r.Tables, Cursor: b.cursor, release: func() {}}
	for {
		done, err := b.round(ctx)
		if err == nil && !done && !b.large {
			b.large = true
			out.release, err = s.slot()
		}
		switch {
		case err != nil:
			out.Close()
			return nil, err
		case done:
			out.Seq, out.Replaces, out.rows = b.number(), b.whole && r.Since != 0, b.rows
			return out, nil
		}
	}
}

// slot takes one of the places for large answers.
func (s *Service) slot() (release func(), err error) {
	select {
	case s.builds <- struct{}{}:
		return func() { <-s.builds }, nil
	default:
		return func() {}, fault.New("delta.Watermelon", fault.Overloaded, "retry_after", buildRetry)
	}
}

// Close gives back what the answer holds.
func (t *Tables) Close() {
	t.release()
	t.release = func() {}
}

// build is an answer in the making.
type build struct {
	s        *Service
	r        *TablesRequest
	d        dialect
	cursor   string
	large    bool // it takes more than one view
	restarts int

	head   coursesync.Seq // of the last view
	start  coursesync.Seq // head of the view in which it began
	window                // as of that view
	places []place        // how far it is in each channel
	rows   map[coursesync.Kind]*tableRows
}

func (s *Service) newBuild(r *TablesRequest) (*build, error) {
	if r.Fields == "" {
		r.Fields = FieldsFull
	}
	named := len(r.Tables) > 0
	if !named {
		for _, t := range tables {
			r.Tables = append(r.Tables, t.name)
		}
	}
	d := dialect{who: r.Actor.Subject, text: true, kinds: map[coursesync.Kind]bool{}, whole: map[coursesync.Kind]bool{}}
	r.Tables = slices.Compact(slices.Sorted(slices.Values(r.Tables)))
	for _, name := range r.Tables {
		kind, ok := kindOfTable(name)
		if !ok {
			return nil, badParameter("tables", fault.BadValue, "is no table", "allowed", tableNames())
		}
		if named && r.Actor.Anonymous() && slices.Contains(learnerKinds, kind) {
			return nil, fault.New("delta.Watermelon", fault.Unauthorized) // an empty answer would empty the phone
		}
		d.kinds[kind] = true
	}
	for _, name := range r.Migration.Tables {
		r.Migration.Columns = append(r.Migration.Columns, TableColumns{Table: name})
	}
	for _, t := range r.Migration.Columns {
		if kind, ok := kindOfTable(t.Table); ok {
			d.whole[kind] = true
		}
	}
	d.form = "watermelon " + strings.Join(sorted(d.kinds), " ")
	form := Request{Fields: r.Fields, dialect: &d}
	if err := form.check(); err != nil {
		return nil, err
	}
	if r.Actor.Anonymous() && s.ownedCursor(r.Cursor) {
		return nil, fault.New("delta.Watermelon", fault.Unauthorized) // the same: who is not signed in yet must not lose what the learner has
	}
	cursor := s.encode(&cursor{subject: r.Actor.Subject, locale: r.Locale, fields: form.form()})
	return &build{s: s, r: r, d: d, cursor: cursor}, nil
}

// round reads one view's worth, and reports whether nothing is left.
func (b *build) round(ctx context.Context) (done bool, err error) {
	var runs []run
	form := Request{Fields: b.r.Fields, dialect: &b.d}
	err = b.s.catalog.View(ctx, func(v *catalog.View) error {
		if v.Log().Head() != b.head {
			if err := b.begin(v); err != nil {
				return err
			}
		}
		done = true
		looked := 0
		for i := range b.places {
			p := &b.places[i]
			g, err := gatherFrom(v, p, &form, MaxLimit-looked, MaxLimit-looked)
			if err != nil {
				return err
			}
			p.at = g.until
			looked += g.looked
			runs = append(runs, g)
			if !g.ended {
				done = false
				break
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return done, b.take(runs)
}

// begin finds out what is to be read, and starts over when that is something else than before.
func (b *build) begin(v *catalog.View) error {
	a, err := newAccess(v, b.r.Actor)
	if err != nil {
		return err
	}
	head := v.Log().Head()
	start := b.start
	if b.places == nil {
		start = head
	}
	now, err := b.look(a, start)
	if err != nil {
		return err
	}
	b.head = head
	if b.places != nil && now.equal(&b.window) {
		return nil
	}
	if b.places != nil {
		if b.restarts++; b.restarts > maxRestarts {
			return fault.New("delta.Watermelon", fault.Overloaded, "retry_after", buildRetry)
		}
		if now, err = b.look(a, head); err != nil {
			return err
		}
	}
	b.start, b.window, b.places, b.rows = head, now, append([]place{}, now.places...), map[coursesync.Kind]*tableRows{}
	return nil
}

// take keeps what was gathered, each row in its last state.
func (b *build) take(runs []run) error {
	pr := b.s.projector(b.r.Locale, b.r.Fields)
	pr.dialect = &b.d
	for i := range runs {
		for k := range runs[i].changes {
			ch := &runs[i].changes[k]
			var row json.RawMessage // nil: gone
			if ch.shown == asIs {
				var err error
				if row, err = pr.encode(ch); err != nil {
					return err
				}
			}
			t := b.rows[ch.kind]
			if t == nil {
				t = &tableRows{rows: map[string]json.RawMessage{}}
				b.rows[ch.kind] = t
			}
			if _, known := t.rows[ch.id]; !known {
				t.ids = append(t.ids, ch.id)
			}
			t.rows[ch.id] = row
		}
	}
	return nil
}

// number is what the phone comes back with.
func (b *build) number() coursesync.Seq {
	if b.hold != 0 {
		return min(b.head, b.hold)
	}
	return b.head
}

// WriteTo writes the answer as JSON. Rows are all in "updated": apps say sendCreatedAsUpdated.
func (t *Tables) WriteTo(w io.Writer) (int64, error) {
	out := &counter{Writer: bufio.NewWriter(w)}
	out.text(`{"changes":{`)
	for i, name := range t.names {
		if i > 0 {
			out.text(",")
		}
		kind, _ := kindOfTable(name)
		rows := t.rows[kind]
		if rows == nil {
			rows = &tableRows{}
		}
		out.value(name)
		out.text(`:{"created":[],"updated":[`)
		rows.write(out, false)
		out.text(`],"deleted":[`)
		rows.write(out, true)
		out.text(`]}`)
	}
	out.text(`},"timestamp":`)
	out.value(t.Seq)
	out.text(`,"cursor":`)
	out.value(t.Cursor)
	if t.Replaces {
		out.text(`,"experimentalStrategy":"replacement"`)
	}
	out.text("}")
	if out.err == nil {
		out.err = out.Flush()
	}
	return out.n, out.err
}

// write writes the rows that are there, or the ids of those that are gone.
func (t *tableRows) write(out *counter, gone bool) {
	comma := ""
	for _, id := range t.ids {
		row := t.rows[id]
		if (row == nil) != gone {
			continue
		}
		out.text(comma)
		comma = ","
		if gone {
			out.value(id)
			continue
		}
		out.text(string(row))
	}
}

// counter writes until something fails.
type counter struct {
	*bufio.Writer
	n   int64
	err error
}

func (c *counter) text(s string) {
	if c.err != nil {
		return
	}
	n, err := c.WriteString(s)
	c.n, c.err = c.n+int64(n), err
}

func (c *counter) value(v any) { c.text(string(encoded(v))) }

// fits reports whether an app's cursor is that of such a request.
func (b *build) fits() bool { return b.r.Cursor == "" || b.r.Cursor == b.cursor }

// equal reports whether two windows are the same.
func (w *window) equal(o *window) bool {
	return w.whole == o.whole && w.hold == o.hold && slices.Equal(w.places, o.places)
}
