package sync_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// benchBody is as long as the JSON of an average course.
var benchBody = append(append([]byte(`{"text":"`), make([]byte, 1_200-11)...), `"}`...)

// bareBolt is what the log is compared with: one bucket, the same bodies, bbolt's own settings but for the freelist, which is the log's.
func bareBolt(b *testing.B) *bolt.DB {
	b.Helper()
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if err := db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("b"))
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return db
}

func putBare(tx *bolt.Tx, n uint64) error {
	return tx.Bucket([]byte("b")).Put(binary.BigEndian.AppendUint64(nil, n), benchBody)
}

func benchChange(n uint64) coursesync.Change {
	return coursesync.Change{
		Channel: "catalog", Kind: "course", Key: fmt.Sprintf("course-%09d", n), Op: coursesync.OpUpsert, Schema: 1, Body: benchBody,
	}
}

// against does the same work by bbolt alone and by the log, in turns, so that both meet the same disk and the same neighbors, and reports
// how fast the log is in comparison.
func against(b *testing.B, rounds int, bare, log func(n uint64) error) {
	b.Helper()
	var times [2]time.Duration
	n := uint64(0)
	for b.Loop() {
		for side, work := range []func(n uint64) error{bare, log} {
			start := time.Now()
			if err := work(n); err != nil {
				b.Fatal(err)
			}
			times[side] += time.Since(start)
		}
		n++
	}
	b.ReportMetric(float64(b.N*rounds)/times[0].Seconds(), "bare/s")
	b.ReportMetric(float64(b.N*rounds)/times[1].Seconds(), "log/s")
	b.ReportMetric(100*times[0].Seconds()/times[1].Seconds(), "%of-bare")
}

// BenchmarkAppendOne is one writer that waits for the disk each time. Goal: 80 % of bare.
func BenchmarkAppendOne(b *testing.B) {
	db, log := bareBolt(b), open(b, coursesync.BoltConfig{})
	against(b, 1, func(n uint64) error {
		return db.Update(func(tx *bolt.Tx) error { return putBare(tx, n) })
	}, func(n uint64) error {
		_, err := log.Append(b.Context(), benchChange(n))
		return err
	})
}

// BenchmarkAppend64 is 64 writers at once, each with twenty appends one after the other. Goal: 90 % of bbolt's own way to share a commit.
func BenchmarkAppend64(b *testing.B) {
	const writers, each = 64, 20
	db, log := bareBolt(b), open(b, coursesync.BoltConfig{})
	many := func(work func(n uint64) error) func(n uint64) error {
		return func(n uint64) error {
			var all errgroup.Group
			for w := range uint64(writers) {
				all.Go(func() error {
					for i := range uint64(each) {
						if err := work((n*writers+w)*each + i); err != nil {
							return err
						}
					}
					return nil
				})
			}
			return all.Wait()
		}
	}
	against(b, writers*each, many(func(n uint64) error {
		return db.Batch(func(tx *bolt.Tx) error { return putBare(tx, n) })
	}), many(func(n uint64) error {
		_, err := log.Append(b.Context(), benchChange(n))
		return err
	}))
}

// BenchmarkAppendBatch is an import: a thousand changes at a time.
func BenchmarkAppendBatch(b *testing.B) {
	log := open(b, coursesync.BoltConfig{})
	batch := make([]coursesync.Change, 1_000)
	for n := uint64(0); b.Loop(); n++ {
		for i := range batch {
			batch[i] = benchChange(n*1_000 + uint64(i))
		}
		if _, err := log.Append(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "changes/s")
}

// BenchmarkRead scans a log of 50,000 changes.
func BenchmarkRead(b *testing.B) {
	log := open(b, coursesync.BoltConfig{})
	const size = 50_000
	for n := uint64(0); n < size; n += 1_000 {
		var batch []coursesync.Change
		for i := range uint64(1_000) {
			batch = append(batch, benchChange(n+i))
		}
		if _, err := log.Append(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	for _, channels := range [][]coursesync.Channel{nil, {"catalog"}} {
		b.Run(fmt.Sprintf("channels=%d", len(channels)), func(b *testing.B) {
			for b.Loop() {
				count := 0
				for _, err := range log.Read(b.Context(), 0, channels...) {
					if err != nil {
						b.Fatal(err)
					}
					count++
				}
				if count != size {
					b.Fatalf("read %d of %d", count, size)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}
