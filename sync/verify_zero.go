package sync

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

// ZeroVerified is what [Bolt.VerifyZero] found.
type ZeroVerified struct {
	Absent bool // there are no tables of this schema: they will be built when the log is opened for writing
	Rows   int
	Wrong  Findings
}

// VerifyZero builds follower zero's tables anew in a file of its own, which is removed again, and compares them with those that are there, at one moment.
// The file is made in a folder, "" for the system's temporary one, and gets as large as the tables. Like [Bolt.Verify] it is for a log that nobody writes to.
func (b *Bolt) VerifyZero(ctx context.Context, folder string) (out ZeroVerified, err error) {
	const op = "sync.VerifyZero"
	if fresh, err := b.zeroFresh(); err != nil || !fresh || b.cfg.Zero == nil || b.older {
		return ZeroVerified{Absent: true}, fail(op, err)
	}
	scratch, err := os.MkdirTemp(folder, "carrel-verify-*")
	if err != nil {
		return out, fail(op, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	db, err := bolt.Open(filepath.Join(scratch, "tables"), fileMode, &bolt.Options{NoSync: true, NoFreelistSync: true, NoStatistics: true})
	if err != nil {
		return out, fail(op, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = b.view(ctx, op, func(t *tables) error {
		if err := b.buildZero(ctx, t, db); err != nil {
			return err
		}
		return db.View(func(tx *bolt.Tx) error { return compareZero(ctx, t.tx, tx, b.cfg.Zero.Name()+"/", &out) })
	})
	return out, err
}

// scratchChunks of the log share a transaction of the scratch file: fewer commits, each of which writes the pages anew that it touched.
const scratchChunks = 16

// buildZero derives all tables, in another file.
func (b *Bolt) buildZero(ctx context.Context, t *tables, db *bolt.DB) error {
	for after, more := Seq(0), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := db.Update(func(tx *bolt.Tx) error {
			for range scratchChunks {
				applied, last, err := appliedChunk(t, after)
				if err != nil {
					return err
				}
				if after, more = last, len(applied) > 0; !more {
					return nil
				}
				if err := b.applyZero(&tables{tx: tx}, applied); err != nil {
					return fault.Wrap("sync.VerifyZero", fault.Corrupt, err).WithFix("the tables of %s cannot be built from the log: restore a backup", b.cfg.Zero.Name())
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// compareZero walks over the tables of both files side by side.
func compareZero(ctx context.Context, there, built *bolt.Tx, prefix string, out *ZeroVerified) error {
	names := append(keysWith(there.Cursor(), prefix), keysWith(built.Cursor(), prefix)...)
	slices.SortFunc(names, bytes.Compare)
	for _, bucket := range slices.CompactFunc(names, bytes.Equal) {
		table := strings.TrimPrefix(string(bucket), prefix)
		if err := compareTable(ctx, cursorOf(there, bucket), cursorOf(built, bucket), table, out); err != nil {
			return err
		}
	}
	return nil
}

// rows is a table that is walked over; without a cursor it is an empty one.
type rows struct {
	c    *bolt.Cursor
	k, v []byte
}

func cursorOf(tx *bolt.Tx, bucket []byte) *rows {
	r := &rows{}
	if b := tx.Bucket(bucket); b != nil {
		r.c = b.Cursor()
		r.k, r.v = r.c.First()
	}
	return r
}

func (r *rows) next() { r.k, r.v = r.c.Next() }

// order says which of two tables is behind, as bytes.Compare does; one that is at its end is behind none.
func order(a, b *rows) int {
	switch {
	case a.k == nil:
		return 1
	case b.k == nil:
		return -1
	}
	return bytes.Compare(a.k, b.k)
}

func compareTable(ctx context.Context, there, built *rows, table string, out *ZeroVerified) error {
	for there.k != nil || built.k != nil {
		if out.Rows++; out.Rows%verifyBeat == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch order(there, built) {
		case -1:
			out.Wrong.Add("table %s has the row %s, which follows from nothing", table, show(there.k))
			there.next()
		case 1:
			out.Rows--
			out.Wrong.Add("table %s lacks the row %s", table, show(built.k))
			built.next()
		default:
			if !bytes.Equal(there.v, built.v) {
				out.Wrong.Add("table %s: the row %s says %s and should say %s", table, show(there.k), show(there.v), show(built.v))
			}
			there.next()
			built.next()
		}
	}
	return nil
}
