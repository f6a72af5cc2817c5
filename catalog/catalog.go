// Package catalog holds what a course is and every rule about it: validation, who may do what, states, enrollments,
// reviews and the numbers made from them.
//
// # How it stores
//
// Everything is an entity in the changelog ([coursesync.Bolt]). The catalog reads entities there and keeps, as follower
// zero in the same transaction, small tables of its own (who enrolled, who reviewed, exact sums, which course names which tag). They
// are derived: another zeroSchema number, and they are built again from the log.
//
// # How it writes
//
// Every command runs through [Catalog.Update]: a function reads and writes through a [Tx], which remembers each entity that was read;
// then all writes go to the log in one Append, guarded by the version of all that was read, and the function runs again when
// somebody was faster. So a rule across entities holds without locks, and on a replicated log too.
package catalog

import (
	"context"
	"log/slog"
	"time"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// Config says where a catalog lives.
type Config struct {
	Path        string           // the changelog's file, made when missing
	Secrets     string           // folder of the salt and the list of erased learners, kept outside backups; "" = beside Path
	Now         func() time.Time // time.Now when nil
	Logger      *slog.Logger     // slog.Default when nil
	StatsEvery  time.Duration    // how often changed sums become stats entities; 0 = StatsInterval
	LockTimeout time.Duration    // how long Open waits for another process; 0 = one second
}

// Catalog is the open catalog. Its methods are safe for concurrent use.
type Catalog struct{}

// Open opens or makes a catalog. Errors: fault.Locked when another process holds it, fault.NewerFormat.
func Open(cfg Config) (*Catalog, error) { panic("todo") }

// Close closes the files; it is idempotent.
func (c *Catalog) Close() error { panic("todo") }

// Run writes stats, settles the prior and purges old tombstones until ctx ends; it then flushes stats once more.
func (c *Catalog) Run(ctx context.Context) error { panic("todo") }

// FlushStats writes the stats that trail, now. Tests, the importer's end and shutdown call it.
func (c *Catalog) FlushStats(ctx context.Context) error { panic("todo") }

// Log returns the changelog, for followers.
func (c *Catalog) Log() *coursesync.Bolt { panic("todo") }

// View gives consistent reads: everything that fn reads is of one moment. It is short: fn must not wait for anything.
func (c *Catalog) View(ctx context.Context, fn func(v *View) error) error { panic("todo") }

// Update runs a command: see the package comment. The Seq returned is the write's token (Carrel-As-Of).
// fn may run several times and must not act on anything but tx. Errors of fn are returned as they are.
func (c *Catalog) Update(ctx context.Context, actor Actor, fn func(tx *Tx) error) (coursesync.Seq, error) {
	panic("todo")
}

// DryRun runs fn as Update does and then forgets what it wrote. Tx behaves the same, so what fn counts is what Update would do.
func (c *Catalog) DryRun(ctx context.Context, actor Actor, fn func(tx *Tx) error) error {
	panic("todo")
}
