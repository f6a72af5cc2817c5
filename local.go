package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// localTimeout is how long local.db may be held by another process: the changelog, opened before it, was free.
const localTimeout = time.Second

// local.db says in bucket belongs, under key log, of which line of states it speaks: the log's id, and the Seq of its last restore.
var (
	bucketBelongs = []byte("belongs")
	keyLog        = []byte("log")
)

// openLocal opens local.db. What it holds speaks of the log: an idempotency key says that something was done. After a restore that may not be so, and all
// of it is forgotten: people sign in again. This is looked at here, when a server starts, and not done by the restore, so that it is done whenever that was killed.
func openLocal(ctx context.Context, data folder, log *coursesync.Bolt) (*bolt.DB, error) {
	db, err := bolt.Open(data.local(), 0o600, &bolt.Options{Timeout: localTimeout})
	if err == nil {
		if err = settle(ctx, db, data, log); err != nil {
			err = errors.Join(err, db.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; it holds sessions only: remove it if it is damaged", data.local(), err)
	}
	return db, nil
}

// settle forgets what belongs to another line of states.
func settle(ctx context.Context, db *bolt.DB, data folder, log *coursesync.Bolt) error {
	renewed, err := log.Renewed(ctx)
	if err != nil {
		return err
	}
	now := fmt.Sprintf("%s/%d", log.ID(), renewed)
	return db.Update(func(tx *bolt.Tx) error {
		was := ""
		if b := tx.Bucket(bucketBelongs); b != nil {
			was = string(b.Get(keyLog))
		}
		if was == now {
			return nil
		}
		if id, _, _ := strings.Cut(was, "/"); was != "" && id != string(log.ID()) {
			if err := forgetInsight(data); err != nil {
				return err
			}
		}
		if was != "" || renewed > 0 {
			slog.InfoContext(ctx, "the changelog was restored: browser sessions and idempotency keys are forgotten")
			if err := forgetAll(tx); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucketIfNotExists(bucketBelongs)
		if err != nil {
			return err
		}
		return b.Put(keyLog, []byte(now))
	})
}

func forgetAll(tx *bolt.Tx) error {
	var names [][]byte
	err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		names = append(names, append([]byte(nil), name...))
		return nil
	})
	for _, name := range names {
		err = errors.Join(err, tx.DeleteBucket(name))
	}
	return err
}

// forgetInsight removes statistics of searches in another catalog. After a restore of the same one they go on: they count what was asked, not what there is.
func forgetInsight(data folder) error {
	if err := os.Remove(data.insight()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
