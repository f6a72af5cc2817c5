package delta

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Page is the answer to a pull.
type Page struct {
	Changes      []json.RawMessage `json:"changes"`                 // each a [Row]
	Cursor       string            `json:"cursor"`                  // to go on from; the same as before when nothing is new
	More         bool              `json:"more"`                    // ask again at once
	Revoked      []string          `json:"revoked,omitempty"`       // channels that the caller lost: "org:acme", "course:x"
	LastMutation *uint64           `json:"last_mutation,omitempty"` // of Request.Client
	Public       bool              `json:"-"`                       // the same for all who ask the same
}

// JSON is the page as it is sent. Its rows are JSON already: encoding/json would read all of them again.
func (pg *Page) JSON() []byte {
	size := len(pg.Cursor) + 128
	for _, row := range pg.Changes {
		size += len(row) + 1
	}
	b := append(make([]byte, 0, size), `{"changes":[`...)
	for i, row := range pg.Changes {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, row...)
	}
	rest := *pg
	rest.Changes = nil
	tail, err := json.Marshal(struct {
		Page
		Changes *struct{} `json:"changes,omitempty"`
	}{Page: rest})
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(append(b, "],"...), tail[1:]...)
}

// run is what a page takes from one channel.
type run struct {
	place   *place
	changes []change
	rows    []json.RawMessage // of changes, once they are encoded
	ended   bool              // the channel has nothing after them
	until   coursesync.Seq    // the last change that was looked at, sent or not
	looked  int               // changes that were looked at
	key     *runKey           // under which it is shared; nil when it is not
}

// change is a change of a run with what decides how it is shown.
type change struct {
	coursesync.Change
	shown  shown
	kind   coursesync.Kind    // of the row: the change's own, but for an alias
	id     string             // of the row
	hidden []catalog.CourseID // of a course's prerequisites those that its readers do not see
}

// shown says what a reader gets of a change.
type shown uint8

const (
	asIs    shown = iota // the row, or that it is deleted
	removed              // only that it is deleted
	nothing
)

// Pull returns the next page. Errors: fault.InvalidParameter, fault.InvalidCursor; fault.Unauthorized for private channels without a caller;
// fault.Forbidden for the lessons of a course that the caller may not read, if the cursor does not know them; fault.CursorExpired.
func (s *Service) Pull(ctx context.Context, r Request) (*Page, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	w, err := parseChannels(r.Channels)
	if err != nil {
		return nil, err
	}
	if r.Actor.Anonymous() && (w.org || w.me || w.courses || r.Client != "") {
		return nil, fault.New("delta.Pull", fault.Unauthorized)
	}
	page := &Page{Public: w.public() && r.Client == ""}
	var c *cursor
	var runs []run
	err = s.catalog.View(ctx, func(v *catalog.View) error {
		a, err := newAccess(v, r.Actor)
		if err != nil {
			return err
		}
		if c, err = s.follow(a, &r, &w); err != nil {
			return err
		}
		page.Public = page.Public && !c.private()
		if r.Client != "" {
			if page.LastMutation, err = lastMutation(v, r.Actor.Subject, r.Client); err != nil {
				return err
			}
		}
		runs, err = s.gather(v, c, &r, &w)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.encodeRuns(runs, &r); err != nil {
		return nil, err
	}
	page.fill(c, runs)
	if page.Cursor = s.encode(c); len(page.Cursor) > maxCursor {
		return nil, tooManyCourses()
	}
	return page, nil
}

// follow reads the request's cursor and brings it into agreement with what the caller asks for and may read now.
func (s *Service) follow(a *access, r *Request, w *wish) (*cursor, error) {
	c := &cursor{locale: r.Locale, fields: r.form()}
	if r.Cursor != "" {
		var err error
		if c, err = s.decode(r.Cursor, r); err != nil {
			return nil, err
		}
		if ok, err := c.bind(a); err != nil || !ok {
			return nil, orExpired(err)
		}
	}
	for i := range c.places {
		if err := c.places[i].check(a, w); err != nil {
			return nil, err
		}
	}
	channels, denied, err := a.resolve(w)
	if err != nil {
		return nil, err
	}
	for _, ch := range denied {
		if !c.has(ch) {
			return nil, fault.New("delta.Pull", fault.Forbidden).WithFix("channel %s is not yours", ch)
		}
	}
	for _, ch := range channels {
		if err := c.begin(a, ch); err != nil {
			return nil, err
		}
	}
	if len(c.places) > MaxCourses+MaxNamed {
		return nil, tooManyCourses()
	}
	if c.private() {
		c.subject = r.Actor.Subject
	}
	c.sort()
	return c, nil
}

func tooManyCourses() error {
	return badParameter("channels", fault.TooMany, "follows too many courses: name them in groups, each with a cursor of its own", "max", MaxCourses)
}

func orExpired(err error) error {
	if err != nil {
		return err
	}
	return expired()
}

// check notes that a channel was lost, and refuses a place that cannot be gone on from. Lost is also the course that the caller does not take any
// more, though others may read it: a phone that begins now would not get it.
func (p *place) check(a *access, w *wish) error {
	if p.expiredIn(a.view.Log()) {
		return expired()
	}
	readable, err := a.reads(p.channel)
	if err != nil {
		return err
	}
	if readable && p.created != 0 && w.courses && !w.names(p.channel) {
		if readable, err = a.takes(p.created); err != nil {
			return err
		}
	}
	p.again = readable && p.emptied != 0
	if !readable && p.emptied == 0 {
		// 1 is below every Seq: something is being emptied, even when nothing was given yet.
		p.emptied, p.at, p.base = max(p.at, p.base, 1), 0, 0
	}
	return nil
}

// names reports whether a course's channel is named in the request.
func (w *wish) names(ch coursesync.Channel) bool {
	id, ok := strings.CutPrefix(string(ch), coursePrefix)
	return ok && slices.Contains(w.named, catalog.CourseID(id))
}

func (c *cursor) has(ch coursesync.Channel) bool {
	return slices.ContainsFunc(c.places, func(p place) bool { return p.channel == ch })
}

// begin gives a channel its place, if it has none.
func (c *cursor) begin(a *access, ch coursesync.Channel) error {
	if c.has(ch) {
		return nil
	}
	p := place{channel: ch}
	p.base = max(a.view.Log().Last(ch), a.view.Log().Floor(ch, kindsOf(ch)...))
	if id, ok := strings.CutPrefix(string(ch), coursePrefix); ok {
		p.base = a.view.Head() // as good a base, and the same for all courses that begin together: a thousand fit a cursor
		list, err := a.enrolled()
		if err != nil {
			return err
		}
		for _, e := range list {
			if string(e.Course) == id {
				p.created = e.Created
			}
		}
	}
	c.places = append(c.places, p)
	return nil
}

// wants reports whether a request reads a place on. The others keep it.
func (w *wish) wants(p *place) bool {
	name := string(p.channel)
	switch {
	case p.emptied != 0:
		return true
	case p.channel == catalog.ChannelCatalog:
		return w.catalog
	case strings.HasPrefix(name, coursePrefix):
		return w.courses && p.created != 0 || w.names(p.channel)
	case strings.HasPrefix(name, orgPrefix):
		return w.org
	}
	return w.me
}

// gather copies what a page can hold at most, channel by channel.
func (s *Service) gather(v *catalog.View, c *cursor, r *Request, w *wish) ([]run, error) {
	var runs []run
	rows, looked := 0, 0
	for i := range c.places {
		p := &c.places[i]
		if !w.wants(p) {
			continue
		}
		key := s.shares(v, p, r.Limit-rows, MaxLimit-looked, r)
		one, known := s.runs.get(key)
		if known {
			one.place = p
		} else {
			var err error
			if one, err = gatherFrom(v, p, r, r.Limit-rows, MaxLimit-looked); err != nil {
				return nil, err
			}
			one.key = key
		}
		runs = append(runs, one)
		rows += len(one.changes)
		looked += one.looked
		if !one.ended {
			break
		}
	}
	return runs, nil
}

// gatherFrom copies the next changes of a channel: at most so many rows, looking at most at so many changes.
func gatherFrom(v *catalog.View, p *place, r *Request, rows, looks int) (g run, err error) {
	g.place, g.until, g.ended = p, p.at, true
	size := 0
	for ch := range v.Log().Changes(p.channel, p.at) {
		if len(g.changes) >= rows || g.looked >= looks || size >= MaxPage {
			g.ended = false
			break
		}
		g.looked++
		one := change{Change: ch, kind: ch.Kind}
		if one.shown, err = p.show(v, &ch, r.dialect); err != nil {
			return g, err
		}
		if g.until = ch.Seq; one.shown == nothing {
			continue
		}
		if err := r.dialect.name(v, &one); err != nil {
			return g, err
		}
		if one.Body = nil; one.shown == asIs {
			one.Body = slices.Clone(ch.Body)
			if r.Fields == FieldsFull && ch.Kind == catalog.KindCourse {
				if one.hidden, err = v.HiddenPrerequisites(ch); err != nil {
					return g, err
				}
			}
		}
		size += len(one.Body)
		g.changes = append(g.changes, one)
	}
	return g, nil
}

// show decides what a reader gets of a change of a channel.
func (p *place) show(v *catalog.View, ch *coursesync.Change, d *dialect) (shown, error) {
	if !d.takes(p, ch) {
		return nothing, nil
	}
	now, ever := true, true
	var err error
	switch ch.Kind {
	case catalog.KindCourse:
		now, ever, err = catalog.PublishedIn(*ch)
	case catalog.KindCourseStats:
		now, ever, err = v.Published(catalog.CourseID(ch.Key))
	case catalog.KindAlias:
		_, _, now, err = v.AliasOf(d.who, ch)
		now, ever = false, now // a surplus id is one to forget
	}
	deleted := ch.Op == coursesync.OpDelete || !now
	switch {
	case err != nil || !ever:
		return nothing, err
	case p.emptied != 0:
		if first, err := firstShown(v, ch); err != nil || first > p.emptied {
			return nothing, err // after the phone had anything of this channel
		}
		return removed, nil
	case deleted && d.silent(p, ch):
		return nothing, nil // this pass brought nothing of it
	case deleted:
		return removed, nil
	}
	return asIs, nil
}

// firstShown is when readers could first hear of an entity: when it was made, but of a course and its numbers not before that was published.
func firstShown(v *catalog.View, ch *coursesync.Change) (first coursesync.Seq, err error) {
	switch ch.Kind {
	case catalog.KindCourse:
		first, err = catalog.FirstPublishedIn(*ch)
	case catalog.KindCourseStats:
		first, err = v.FirstPublished(catalog.CourseID(ch.Key))
	}
	return max(first, ch.Created), err
}

// encodeRuns makes rows of what was gathered, and shares what others ask for too.
func (s *Service) encodeRuns(runs []run, r *Request) error {
	pr := s.projector(r.Locale, r.Fields)
	pr.dialect = r.dialect
	for i := range runs {
		one := &runs[i]
		if one.rows != nil {
			continue // it came from others
		}
		one.rows = make([]json.RawMessage, 0, len(one.changes))
		for k := range one.changes {
			row, err := pr.encode(&one.changes[k])
			if err != nil {
				return err
			}
			one.rows = append(one.rows, row)
		}
		s.runs.put(one)
	}
	return nil
}

// fill puts the rows into a page, as far as it takes them, and moves the places.
func (pg *Page) fill(c *cursor, runs []run) {
	pg.Changes = []json.RawMessage{}
	size := 0
	var gone []*place
	for i := range runs {
		one := &runs[i]
		if one.place.emptied != 0 {
			pg.Revoked = append(pg.Revoked, string(one.place.channel))
		}
		last := coursesync.Seq(0)
		for k, row := range one.rows {
			if size += len(row); size > MaxPage && len(pg.Changes) > 0 {
				pg.More = true
				one.place.stop(last)
				c.drop(gone)
				return
			}
			pg.Changes = append(pg.Changes, row)
			last = one.changes[k].Seq
		}
		switch {
		case !one.ended:
			pg.More = true
			one.place.stop(one.until)
		case one.place.emptied != 0:
			gone = append(gone, one.place)
			pg.More = pg.More || one.place.again // it starts over with the next page
		default:
			one.place.end(last)
		}
	}
	c.drop(gone)
}

// stop leaves a place in the middle of its channel, after the last change that was given; 0 is none.
func (p *place) stop(last coursesync.Seq) {
	p.at = max(p.at, last)
	if p.at >= p.base {
		p.base = 0
	}
}

// end leaves a place at the end of its channel. The place moves only by what was given, so that it tells nothing of what is not shown.
func (p *place) end(last coursesync.Seq) {
	p.at, p.base = max(p.at, p.base, last), 0
}

// drop removes places that are done with.
func (c *cursor) drop(gone []*place) {
	channels := make([]coursesync.Channel, 0, len(gone))
	for _, p := range gone {
		channels = append(channels, p.channel)
	}
	c.places = slices.DeleteFunc(c.places, func(p place) bool { return slices.Contains(channels, p.channel) && p.emptied != 0 })
	if !c.private() {
		c.subject = ""
	}
}
