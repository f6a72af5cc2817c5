package insight

import (
	"hash/maphash"
	"regexp"
	"slices"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// Search is a page of results that somebody was shown.
type Search struct {
	QueryID   string
	Actor     catalog.Actor
	Caller    string         // who asks, in whatever words tell callers apart; it is hashed at once
	Locale    catalog.Locale // of the page
	Text      string         // the query's words in a form to show; "" when there are only filters
	Key       string         // the form that all spellings of the text share
	First     bool           // the first page; later ones are remembered for clicks, and not counted
	Filtered  bool           // filters, too, had to fit
	Total     int            // courses found
	Relaxed   bool           // nothing had all of the words
	Corrected bool           // typos were corrected
	Hits      []catalog.CourseID
}

// EventType says what somebody did with a course that was found.
type EventType string

// The types of events.
const (
	Click  EventType = "click"
	Enroll EventType = "enroll"
)

// Event is something that somebody did with a course that was found.
type Event struct {
	QueryID  string
	Type     EventType
	Course   catalog.CourseID
	Position int // in the list, from 1; an enrollment may leave it out (0)
	Actor    catalog.Actor
}

// group is what numbers are kept apart by, beside the day.
type group struct {
	org    catalog.OrgID // "" is the public
	locale catalog.Locale
}

// languages are those of the pages; nothing else can be a group's.
var languages = []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}

// day is a day of UTC, counted from 1970.
type day int32

const secondsADay = 24 * 60 * 60

func dayOf(t time.Time) day { return day(t.Unix() / secondsADay) } //nolint:gosec // until the year 5 million

func (d day) time() time.Time { return time.Unix(int64(d)*secondsADay, 0).UTC() }

// String writes a day as 2026-03-10.
func (d day) String() string { return d.time().Format(time.DateOnly) }

// record is a search or an event on its way to the file.
type record struct {
	kind     EventType // "" is a search
	at       time.Time
	in       group
	key      string // "" keeps no text
	text     string
	caller   uint64
	found    bool
	filtered bool
	relaxed  bool
	fixed    bool // typos were corrected
	first    bool // of a click: the first one of its search
	position int
}

// Searched takes note of a search. It never blocks and never fails.
func (s *Store) Searched(q Search) {
	if s == nil || q.Text == "" && !q.Filtered || !slices.Contains(languages, q.Locale) || len(q.Actor.Org) > maxName {
		return
	}
	r := record{
		at: s.cfg.Now(), in: group{q.Actor.Org, q.Locale}, key: q.Key, text: q.Text, caller: maphash.String(s.seed, q.Caller),
		found: q.Total > 0, filtered: q.Filtered, relaxed: q.Relaxed, fixed: q.Corrected,
	}
	if r.key != "" && !keepable(r.text) {
		r.key, r.text = "", ""
		if q.First {
			s.counts.private.Add(1)
		}
	}
	if q.First && !s.send(r) {
		return
	}
	if !validQueryID.MatchString(q.QueryID) {
		return
	}
	hits := make([]uint32, 0, min(len(q.Hits), maxHits))
	for _, id := range q.Hits[:min(len(q.Hits), maxHits)] {
		hits = append(hits, s.hit(id))
	}
	s.asked.add(asking{id: q.QueryID, at: r.at, in: r.in, key: r.key, text: r.text, first: q.First, hits: hits})
}

// hit is a course as a hit is remembered: four bytes, which no two of a page share but by a rare accident.
func (s *Store) hit(id catalog.CourseID) uint32 { return uint32(maphash.String(s.seed, string(id))) } //nolint:gosec // the low half

// send puts a record into the queue, or drops it.
func (s *Store) send(r record) bool {
	select {
	case s.queue <- r:
	default:
		s.counts.dropped.Add(1)
		return false
	}
	if len(s.queue) > cap(s.queue)/2 {
		select {
		case s.wake <- struct{}{}:
		default: // it is awake
		}
	}
	return true
}

// validQueryID is what a query id looks like, whoever makes it.
var validQueryID = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// maxCourseID bounds a course's id, in bytes: an organization and 128 characters.
const maxCourseID = 1024

// Event takes note of an event. One of a query that is not remembered, of a course that was not among its hits, or by somebody of another
// organization is counted as unmatched; a second one of the same kind for one course and query is none. It never blocks.
// Errors: fault.InvalidFields when it is no event at all.
func (s *Store) Event(e Event) error {
	if err := e.validate(); err != nil {
		return err
	}
	a, first, what := s.asked.event(e, s.hit(e.Course))
	switch what {
	case unmatched:
		s.counts.unmatched.Add(1)
	case counted:
		s.send(record{kind: e.Type, at: s.cfg.Now(), in: a.in, key: a.key, text: a.text, first: first, position: a.position})
	}
	return nil
}

func (e Event) validate() error {
	var bad []fault.Field
	add := func(pointer string, code fault.Code, detail string, pairs ...any) {
		bad = append(bad, fault.BadField(pointer, code, detail, pairs...))
	}
	switch {
	case e.QueryID == "":
		add("/query_id", fault.Required, "the query_id of a search is needed")
	case !validQueryID.MatchString(e.QueryID):
		add("/query_id", fault.BadID, "no search has such an id")
	}
	if e.Type != Click && e.Type != Enroll {
		add("/type", fault.BadValue, "is click or enroll", "allowed", "click, enroll")
	}
	switch {
	case e.Course == "":
		add("/id", fault.Required, "the id of a course is needed")
	case len(e.Course) > maxCourseID:
		add("/id", fault.BadID, "no course has such an id")
	}
	if e.Position > maxPosition || e.Position < 1 && (e.Type == Click || e.Position < 0) {
		add("/position", fault.OutOfRange, "positions begin at 1", "min", 1, "max", maxPosition)
	}
	if len(bad) > 0 {
		return fault.Invalid("insight.Event", bad...)
	}
	return nil
}
