package sync_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	stdsync "sync"
	"sync/atomic"
	"testing"

	bolt "go.etcd.io/bbolt"

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

// manyWriters splits the work among 64 goroutines, as many as wait for a disk at a busy moment.
func manyWriters(b *testing.B, work func(n uint64) error) {
	b.Helper()
	const writers = 64
	var next atomic.Uint64
	var all stdsync.WaitGroup
	for range writers {
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > uint64(b.N) {
					return
				}
				if err := work(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func benchChange(n uint64) coursesync.Change {
	return coursesync.Change{
		Channel: "catalog", Kind: "course", Key: fmt.Sprintf("course-%09d", n), Op: coursesync.OpUpsert, Schema: 1, Body: benchBody,
	}
}

// BenchmarkAppendOne is one writer that waits for the disk each time. Goal: 80 % of bare.
func BenchmarkAppendOne(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		db := bareBolt(b)
		for n := uint64(0); b.Loop(); n++ {
			if err := db.Update(func(tx *bolt.Tx) error { return putBare(tx, n) }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("log", func(b *testing.B) {
		log := open(b, coursesync.BoltConfig{})
		for n := uint64(0); b.Loop(); n++ {
			if _, err := log.Append(b.Context(), benchChange(n)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAppend64 is 64 writers at once. Goal: 90 % of bbolt's own way to share a commit.
func BenchmarkAppend64(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		db := bareBolt(b)
		manyWriters(b, func(n uint64) error { return db.Batch(func(tx *bolt.Tx) error { return putBare(tx, n) }) })
	})
	b.Run("log", func(b *testing.B) {
		log := open(b, coursesync.BoltConfig{})
		manyWriters(b, func(n uint64) error {
			_, err := log.Append(b.Context(), benchChange(n))
			return err
		})
	})
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
