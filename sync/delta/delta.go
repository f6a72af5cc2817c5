// Package delta is the protocol by which phones follow the changelog: pull what changed, push what was done offline, prove that the copy is right.
//
// A phone holds rows, one for each entity that its learner may see, and a cursor. The cursor has a place for each channel that the phone follows: the
// Seq of the last change that it was given. A pull goes on from there. Nothing about a phone is kept on the server, but the number of the last
// mutation of each client, which is an entity in the learner's channel (catalog.ClientState), committed together with what the mutation did.
//
// Why a copy is right when "more" is false: a channel is read in order of Seq; the log keeps the last change of every entity and tombstones until the floor
// of their channel and kind rises; and a place below the floor is expired. What the caller may read is decided anew for each page, in the same view
// as the page. See DESIGN.md.
//
// The package knows neither HTTP nor the client databases' dialects, which are in package api; and the client databases' tables in dialect.go and the files that use it.
package delta

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Limits of a pull.
const (
	// DefaultLimit is how many changes a page has when the request names no limit.
	DefaultLimit = 500
	// MaxLimit bounds the changes of a page; it is what one read transaction copies at most.
	MaxLimit = coursesync.ReadChunk
	// MaxPage bounds a page in bytes before compression, unless its first row alone is larger: a phone keeps a page in memory.
	MaxPage = 1 << 20
	// MaxNamed is how many courses a request names one by one.
	MaxNamed = 50
	// MaxCourses is how many courses one cursor follows. With 9 bytes for each, a cursor of that many still fits a request line.
	MaxCourses = 1_000
)

// Fields chooses how much of a course a row holds.
type Fields string

// The field sets.
const (
	FieldsCard Fields = "card" // what lists and filters need
	FieldsFull Fields = "full" // also the description, dates and prerequisites
)

// Config says what a Service stands on.
type Config struct {
	Catalog *catalog.Catalog
	Now     func() time.Time // time.Now when nil
	// Notice writes a notification in a locale; nil leaves its texts empty.
	Notice func(l catalog.Locale, n catalog.Notification) (title, body string)
	// CheckSearch refuses what is no search, when a phone saves one; nil takes all.
	CheckSearch func(actor catalog.Actor, query string) error
}

// Service serves the protocol. Its methods are safe for concurrent use.
type Service struct {
	catalog *catalog.Catalog
	log     coursesync.LogID
	key     []byte // signs cursors
	cfg     Config
	tip     atomic.Pointer[tip]
	runs    sharedRuns
	builds  chan struct{} // holds one token for each large answer to WatermelonDB
}

// tip is how far the public channel is.
type tip struct{ head, last coursesync.Seq }

// PublicTip returns the Seq of the last change in the public channel. While the log stands still it reads memory only.
func (s *Service) PublicTip(ctx context.Context) (coursesync.Seq, error) {
	head, err := s.catalog.Log().Head(ctx)
	if err != nil {
		return 0, err
	}
	if t := s.tip.Load(); t != nil && t.head == head {
		return t.last, nil
	}
	var t tip
	err = s.catalog.View(ctx, func(v *catalog.View) error {
		t = tip{v.Head(), v.Log().Last(catalog.ChannelCatalog)}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.tip.Store(&t)
	return t.last, nil
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Notice == nil {
		cfg.Notice = func(catalog.Locale, catalog.Notification) (title, body string) { return "", "" }
	}
	if cfg.CheckSearch == nil {
		cfg.CheckSearch = func(catalog.Actor, string) error { return nil }
	}
	return &Service{
		catalog: cfg.Catalog, log: cfg.Catalog.Log().ID(), key: cfg.Catalog.Secret("cursor"), cfg: cfg, runs: sharedRuns{byKey: map[runKey]run{}},
		builds: make(chan struct{}, maxBuilds),
	}
}

// Request asks for a page.
type Request struct {
	Actor    catalog.Actor
	Channels []string // "catalog", "org", "me", "courses", "course:ID"
	Cursor   string   // "" starts
	Limit    int      // 1 to MaxLimit; 0 is DefaultLimit
	Locale   catalog.Locale
	Fields   Fields // "" is FieldsCard
	Client   string // whose last mutation to tell; "" for none

	dialect *dialect // nil: the protocol's own rows
}

// check fills in what is absent and refuses what is wrong in itself.
func (r *Request) check() error {
	if r.Limit == 0 {
		r.Limit = DefaultLimit
	}
	if r.Limit < 1 || r.Limit > MaxLimit {
		return badParameter("limit", fault.OutOfRange, "is from 1 to 1000", "min", 1, "max", MaxLimit)
	}
	if r.Fields == "" {
		r.Fields = FieldsCard
	}
	if r.Fields != FieldsCard && r.Fields != FieldsFull {
		return badParameter("fields", fault.BadValue, "is card or full", "allowed", "card, full")
	}
	if r.Client != "" && !validClient(r.Client) {
		return badParameter("client", fault.BadValue, "is a client's id of 1 to 64 letters, digits and -", "allowed", clientForm)
	}
	return nil
}

func badParameter(name string, code fault.Code, detail string, pairs ...any) error {
	f := fault.New("delta.Request", fault.InvalidParameter, "name", name)
	f.Fields = []fault.Field{fault.BadField(name, code, detail, pairs...)}
	return f
}

// clientForm tells what a client's id is made of.
const clientForm = "1–64 × A–Z, a–z, 0–9, -"

// maxClient bounds a client's id; a UUID has 36 characters.
const maxClient = 64

func validClient(id string) bool {
	if id == "" || len(id) > maxClient {
		return false
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// expired is the answer to a cursor that cannot be gone on from.
func expired() error { return fault.New("delta.Pull", fault.CursorExpired) }
