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
//
// What no version can guard is an entity that does not exist yet: a course that begins to name a tag while the tag is being deleted. For
// those cases there are guard entities (guard.go).
package catalog

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// How commands compete.
const (
	// freeAttempts is how often a command runs beside all others before it asks for a moment alone: losing is rare and cheap, unless
	// the command is large (an import's thousand rows) or its entity hot.
	freeAttempts = 4
	// aloneAttempts is how often it runs alone. One would do where the log is ours; on a replicated log others can still be faster.
	aloneAttempts = 4
	// maxCommands run at once; more wait in line. It is far above what the disk takes, and bounds what waits for it.
	maxCommands = 256
	// retryPause is the first pause before another attempt, doubled each time, with jitter: so that losers do not meet again.
	retryPause = time.Millisecond
	// retryAfter is what an overloaded caller is told, in seconds.
	retryAfter = 1
)

// Config says where a catalog lives.
type Config struct {
	Path        string           // the changelog's file, made when missing
	Secrets     string           // folder of the salt and the list of erased learners, kept outside backups; "" = beside Path
	Now         func() time.Time // time.Now when nil
	Logger      *slog.Logger     // slog.Default when nil
	StatsEvery  time.Duration    // how often changed sums become stats entities; 0 = StatsInterval
	LockTimeout time.Duration    // how long Open waits for another process; 0 = one second

	// ReadOnly opens a catalog for looking only: nothing is written, neither in Path nor in Secrets, commands fail, and who is erased is not known.
	ReadOnly bool
	// Rebuild builds the catalog's own tables again, whatever state they are in.
	Rebuild bool
}

// Catalog is the open catalog. Its methods are safe for concurrent use.
type Catalog struct {
	cfg     Config
	now     func() time.Time
	log     *coursesync.Bolt
	turns   *semaphore.Weighted // one for each command, maxCommands for one that runs alone
	learner learnerState        // salt and erased learners
	kept    kept                // entities that readers asked for
}

// Open opens or makes a catalog. Errors: fault.Locked when another process holds it, fault.NewerFormat.
func Open(cfg Config) (*Catalog, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	c := &Catalog{cfg: cfg, now: cfg.Now, turns: semaphore.NewWeighted(maxCommands)}
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{
		Path: cfg.Path, Zero: zero{}, Now: cfg.Now, Logger: cfg.Logger, LockTimeout: cfg.LockTimeout,
		ReadOnly: cfg.ReadOnly, RebuildZero: cfg.Rebuild,
	})
	if err != nil {
		return nil, err
	}
	c.log = log
	if cfg.ReadOnly {
		c.learner = learnerState{secrets: &secrets{}}
		return c, nil
	}
	if err := c.openLearner(); err != nil {
		log.Close() // the reason that we give up is the better one to report
		return nil, err
	}
	return c, nil
}

// Close closes the files; it is idempotent.
func (c *Catalog) Close() error { return c.log.Close() }

// Log returns the changelog, for followers.
func (c *Catalog) Log() *coursesync.Bolt { return c.log }

// View gives consistent reads: everything that fn reads is of one moment. It is short: fn must not wait for anything.
func (c *Catalog) View(ctx context.Context, fn func(v *View) error) error {
	return c.log.View(ctx, func(bv *coursesync.BoltView) error {
		return fn(&View{c: c, bv: bv})
	})
}

// Update runs a command: see the package comment. The Seq returned is the write's token (Carrel-As-Of).
// fn may run several times and must not act on anything but tx. Errors of fn are returned as they are; fault.Overloaded when others
// were faster again and again, and those of [coursesync.Log.Append].
func (c *Catalog) Update(ctx context.Context, actor Actor, fn func(tx *Tx) error) (coursesync.Seq, error) {
	done, err := c.Commit(ctx, actor, fn)
	return done.Seq, err
}

// Committed says what a command wrote.
type Committed struct {
	Seq   coursesync.Seq // the write's token
	wrote map[ref]coursesync.Seq
}

// Version returns the version that the command gave to an entity; 0 when it did not write it.
func (c Committed) Version(kind coursesync.Kind, key string) coursesync.Seq {
	return c.wrote[ref{kind, key}]
}

// versions numbers the changes of a batch that the log took: their Seqs follow each other, and the last is known.
func versions(batch []coursesync.Change, last coursesync.Seq) map[ref]coursesync.Seq {
	wrote := map[ref]coursesync.Seq{}
	for _, ch := range slices.Backward(batch) {
		if ch.Op != coursesync.OpAssert {
			wrote[ref{ch.Kind, ch.Key}] = last
			last--
		}
	}
	return wrote
}

// Commit is Update for those who need the versions of what was written.
func (c *Catalog) Commit(ctx context.Context, actor Actor, fn func(tx *Tx) error) (Committed, error) {
	for attempt := range freeAttempts + aloneAttempts {
		done, err := c.attempt(ctx, actor, fn, attempt >= freeAttempts)
		if lost, ok := errors.AsType[lostRaceError](err); ok {
			c.cfg.Logger.DebugContext(ctx, "catalog: a command lost a race", slog.Int("attempt", attempt), slog.Any("error", lost.error))
			if err := pause(ctx, retryPause<<attempt); err != nil {
				return Committed{}, err
			}
			continue
		}
		return done, err
	}
	return Committed{}, fault.New("catalog.Update", fault.Overloaded, "retry_after", retryAfter)
}

// lostRaceError marks a LostUpdate that came from the log: the command runs again. One that fn returned is the caller's own.
type lostRaceError struct{ error }

// attempt runs a command once, beside others or alone.
func (c *Catalog) attempt(ctx context.Context, actor Actor, fn func(tx *Tx) error, alone bool) (Committed, error) {
	turn := int64(1)
	if alone {
		turn = maxCommands
	}
	if err := c.turns.Acquire(ctx, turn); err != nil {
		return Committed{}, err
	}
	defer c.turns.Release(turn)
	batch, head, err := c.run(ctx, actor, fn)
	if err != nil || len(batch) == 0 {
		return Committed{Seq: head}, err
	}
	if len(batch) > coursesync.MaxBatch {
		return Committed{}, fault.New("catalog.Update", fault.TooLarge, "limit", coursesync.MaxBatch).WithFix("write less in one command")
	}
	erased, err := erasuresIn(batch)
	if err != nil {
		return Committed{}, err
	}
	if err := c.learner.note(erased); err != nil {
		return Committed{}, err
	}
	seq, err := c.log.Append(ctx, batch...)
	if fault.Is(err, fault.LostUpdate) {
		return Committed{}, lostRaceError{err}
	}
	if err != nil {
		return Committed{}, err
	}
	c.learner.remember(erased...)
	return Committed{Seq: seq, wrote: versions(batch, seq)}, nil
}

// run runs fn over one view and returns what it wants of the log, with the head of that view.
func (c *Catalog) run(ctx context.Context, actor Actor, fn func(tx *Tx) error) (batch []coursesync.Change, head coursesync.Seq, err error) {
	err = c.log.View(ctx, func(bv *coursesync.BoltView) error {
		tx := &Tx{View{c: c, bv: bv, overlay: newTxState(actor, c.now())}}
		if err := fn(tx); err != nil {
			return err
		}
		batch, head = tx.overlay.batch(), bv.Head()
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return batch, head, nil
}

// DryRun runs fn as Update does and then forgets what it wrote. Tx behaves the same, so what fn counts is what Update would do.
func (c *Catalog) DryRun(ctx context.Context, actor Actor, fn func(tx *Tx) error) error {
	_, _, err := c.run(ctx, actor, fn)
	return err
}

// pause waits for between half of d and d.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d/2+1)) //nolint:gosec // jitter is no secret
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
