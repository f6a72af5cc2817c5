// Package sync holds Carrel's changelog: one totally ordered, durable and compacted log of everything that changed, the
// followers that derive what readers need from it, and the cursors by which they say how far they are.
//
// Importers outside this folder write the name coursesync. The package exports nothing that the standard library's sync
// has a name for; a file in here that needs the standard one aliases that.
//
// # Entities
//
// An entity is named by its [Kind] and key. It lives in one [Channel] for ever, which is a function of its key. The log
// holds the last change of each live entity and, for [TombstoneAge], the tombstone of each deleted one; so reading from
// the start is the snapshot, and there is no second format.
//
// # On disk
//
// [Bolt] is one bbolt file with these buckets; integers in keys are 8 bytes, big endian, so that bbolt's order is theirs.
//
//	log      seq             → the change, see record.go. The bucket's own sequence number is the head
//	entity   kind \0 key     → seq, op
//	channel  channel \0 seq  → nothing
//	tomb     seq             → when it was deleted, unix milliseconds
//	floor    channel \0 kind → seq
//	meta     format, id, start, floor (of everything: the last restore), purged (the highest tombstone purged), zero/NAME (schema)
//	NAME/…   the tables of follower zero, named NAME
//
// Everything but log, tomb, floor and meta can be derived again. The file belongs to one process at a time.
package sync

import (
	"context"
	"iter"
	"time"
)

// Seq is a change's place in the log. The first one of a log is its creation time in unix seconds × 2^20; they grow,
// have gaps, and stay below 2^53 so that JavaScript can hold them.
type Seq uint64

// Absent is for [Change.IfSeq]: it demands that the entity does not exist (a tombstone counts as not existing).
// No log issues it: every Seq is at least 2^20.
const Absent Seq = 1

// LogID is random, made with the log: a cursor of another log is refused by it.
type LogID string

// Channel says who may see an entity: "catalog", "staff", or "org:", "course:", "learner:" with an id.
type Channel string

// Kind says what an entity is: "course", "enrollment" …; catalog declares them.
type Kind string

// Op is what a change does to its entity.
type Op uint8

// The operations. The numbers are on disk.
const (
	// OpUpsert makes the entity or replaces its body.
	OpUpsert Op = 1
	// OpDelete leaves a tombstone. Deleting what does not exist changes nothing and gets no Seq.
	OpDelete Op = 2
	// OpAssert only checks IfSeq; it gets no Seq and is not kept.
	OpAssert Op = 3
	// OpErase drops every entity of Channel, tombstones included, and is itself kept as the entity (Kind, Key), so that
	// followers drop what they hold.
	OpErase Op = 4
)

// Change is one entry of the log, or, given to [Log.Append], one wish.
type Change struct {
	Seq     Seq       // assigned by Append
	IfSeq   Seq       // Append only: 0 unconditional, Absent, or the Seq that the entity's last change must have
	Created Seq       // assigned: when the entity was made; kept when it is made again over its tombstone
	Since   Seq       // assigned: the last change with Access set, else Created
	At      time.Time // assigned: UTC, milliseconds
	Channel Channel   // the same for the life of the entity
	Kind    Kind
	Key     string
	Op      Op
	Access  bool    // Append only: this change decides who may see something; moves Since to its Seq
	Schema  int     // version of Body's format
	Body    []byte  // JSON; of a tombstone what must be known of what is gone, mostly nil
	Erases  Channel // OpErase only: the channel that is dropped
}

// Log is the changelog. Two implementations pass the suite in logtest: [Bolt] and [Memory].
type Log interface {
	// ID returns the log's identity.
	ID() LogID
	// Append commits all of batch or nothing, and is durable on return. Every IfSeq is checked against the state before
	// the batch. It returns the Seq of the last change made, or of the head if batch only asserted or changed nothing.
	// An upsert that is the same in every byte is a change nevertheless.
	// Errors: fault.LostUpdate when an IfSeq does not hold; fault.DiskFull; fault.Overloaded when too many wait;
	// fault.InvalidFields for a malformed change (empty kind, key or channel, over a limit, two changes of one entity in
	// a batch) and for one that moves an entity to another channel or replaces an erasure by something else.
	// When ctx ends while the batch waits its turn, nothing was done; once its commit has begun, Append stays for the outcome.
	Append(ctx context.Context, batch ...Change) (Seq, error)
	// Read yields the changes after from, in order, of the channels named (all when none is), up to the head at the
	// moment when it is called. Tombstones are included. No transaction is open while the caller works.
	Read(ctx context.Context, from Seq, channels ...Channel) iter.Seq2[Change, error]
	// Get returns an entity's last change (perhaps a tombstone), and whether there is one.
	Get(ctx context.Context, kind Kind, key string) (Change, bool, error)
	// Head returns the Seq of the last change; before the first one, the number just below the one that it will get.
	Head(ctx context.Context) (Seq, error)
	// Wait returns when the head is past the given Seq, or with ctx's error.
	Wait(ctx context.Context, past Seq) error
	// Floor returns the highest Seq among the tombstones purged from a channel, or from all when it is "" (0: none). With kinds, only of those.
	Floor(ctx context.Context, channel Channel, kinds ...Kind) (Seq, error)
}

// Cursor is a follower's place in a log.
type Cursor struct {
	Log LogID `json:"log"`
	Seq Seq   `json:"seq"`
}

// Follower derives something from the log and keeps its own cursor, committed together with what it derived.
type Follower interface {
	// Name is stable; it labels metrics and log lines.
	Name() string
	// Cursor returns the place up to which the follower has derived; the zero Cursor when it has nothing.
	Cursor(ctx context.Context) (Cursor, error)
	// Apply derives from batch and stores next: both or neither. It is repeatable: the same batch twice is as once.
	Apply(ctx context.Context, batch []Change, next Cursor) error
	// Reset forgets everything, cursor included (or, for those that act on the world, moves to the head).
	Reset(ctx context.Context) error
}

// Limits of a change. They keep a transaction, a page and a reader's memory small.
const (
	MaxKey       = 1024                // bytes in a key: bbolt allows 32 kB, an index key holds two of them
	MaxKind      = 64                  // bytes in a kind: they are words
	MaxChannel   = MaxKey + 64         // bytes in a channel: a word and an id that also fits a key
	MaxBody      = 4 << 20             // bytes in a body: the largest lesson text is 1 MiB, three translations fit
	MaxBatch     = 20_000              // changes in one Append: about 100 MB at most in practice, one fsync
	ReadChunk    = 1_000               // changes copied by one read transaction before it closes
	TombstoneAge = 90 * 24 * time.Hour // a phone that was off for longer starts over
)

// Limits that keep a log small and honest.
const (
	readChunkBytes = 8 << 20        // bytes of bodies copied by one read transaction: 1,000 lessons would be 4 GB
	maxQueue       = 4_096          // appends that wait for the disk; behind so many, a caller does better to come back later
	maxGroup       = MaxBatch       // changes of several appends that share a commit: as many as one append may bring
	maxGroupBytes  = 64 << 20       // bytes of bodies that share a commit, so that the transaction fits in memory
	maxSeq         = Seq(1)<<53 - 1 // the largest integer that JavaScript holds exactly
	seqsPerSecond  = 1 << 20        // how far apart the starts of logs are that were made a second apart: more than a log can append
)

// firstSeq is where a log that is made, or restored, at a time starts.
func firstSeq(now time.Time) Seq { return Seq(max(now.Unix(), 1)) * seqsPerSecond }
