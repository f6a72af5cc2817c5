package sync

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"time"

	bolt "go.etcd.io/bbolt"
)

// BoltConfig says where a log lives and who follows it inline.
type BoltConfig struct {
	Path        string
	Zero        FollowerZero     // may be nil
	Now         func() time.Time // time.Now when nil
	Logger      *slog.Logger
	LockTimeout time.Duration // how long OpenBolt waits for another process; 0 = LockTimeout
}

// FollowerZero derives tables in the log's own transaction, so that they are never behind it.
type FollowerZero interface {
	// Name prefixes the names of its buckets.
	Name() string
	// Schema is the version of its tables; when it differs from the one on disk, the tables are dropped and built again from the log.
	Schema() int
	// ApplyIn derives from changes, in order. An error fails the Append that brought them.
	ApplyIn(tx *bolt.Tx, changes []Applied) error
}

// Applied is a change with the entity's change before it (nil when there was none, not even a tombstone).
// For OpErase, the entities dropped come first, each as an OpDelete with its Prev.
type Applied struct {
	Change
	Prev *Change
}

// Bolt is a Log in one bbolt file.
type Bolt struct{}

// OpenBolt opens or makes a log. Errors: fault.Locked, fault.NewerFormat, fault.Corrupt.
func OpenBolt(cfg BoltConfig) (*Bolt, error) { panic("todo") }

// View runs fn in a read transaction: everything that it reads is of one moment. fn must be short.
func (b *Bolt) View(ctx context.Context, fn func(v *BoltView) error) error { panic("todo") }

// BoltView reads a log at one moment.
type BoltView struct{}

// Tx gives follower zero its own buckets. Read only.
func (v *BoltView) Tx() *bolt.Tx { panic("todo") }

// Head is the Seq of the last change in this view.
func (v *BoltView) Head() Seq { panic("todo") }

// Get returns an entity's last change, perhaps a tombstone. Body is valid until the view ends only.
func (v *BoltView) Get(kind Kind, key string) (Change, bool) { panic("todo") }

// Entities yields the live entities of a kind whose key starts with prefix and is greater than after, in order of key.
// Bodies are valid until the view ends only.
func (v *BoltView) Entities(kind Kind, prefix, after string) iter.Seq[Change] { panic("todo") }

// Purge removes tombstones older than TombstoneAge, and raises floors, in chunks; it returns how many.
func (b *Bolt) Purge(ctx context.Context) (int, error) { panic("todo") }

// Backup writes a consistent copy of the file.
func (b *Bolt) Backup(ctx context.Context, w io.Writer) error { panic("todo") }

// Renew makes a restored log refuse every older cursor: see DESIGN, "No number is issued twice".
func (b *Bolt) Renew(ctx context.Context) error { panic("todo") }

// Close is idempotent.
func (b *Bolt) Close() error { panic("todo") }
