package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	bodyBytes   = 1200
	logSeconds  = 3 * time.Second
	logRounds   = 3 // measured in turns, so that a slow moment of the disk hits both
	manyWriters = 64
)

// changelog compares appends with what bare bbolt does for the same bytes, each in its best setting.
func (b *bench) changelog() error {
	section("Changelog")
	body := make([]byte, bodyBytes)
	for i := range body {
		body[i] = byte('a' + i%26)
	}
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: filepath.Join(b.dir, "log.db")})
	if err != nil {
		return err
	}
	defer log.Close()
	db, err := bolt.Open(filepath.Join(b.dir, "bare.db"), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 30})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err }); err != nil {
		return err
	}
	var n atomic.Uint64
	appendOne := func() error {
		key := fmt.Sprint("course-", n.Add(1))
		_, err := log.Append(context.Background(), coursesync.Change{Channel: "catalog", Kind: "course", Key: key, Op: coursesync.OpUpsert, Body: body})
		return err
	}
	put := func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("b")).Put(binary.BigEndian.AppendUint64(nil, n.Add(1)), body)
	}
	fmt.Println("| 1.2 kB changes, fsync | Carrel, changes/s | bare bbolt, changes/s | ratio |\n|---|---|---|---|")
	for _, c := range []struct {
		name    string
		writers int
		goal    float64
		bare    func() error
	}{
		{"one writer; bare: one Put in each Update", 1, .8, func() error { return db.Update(put) }},
		{"64 writers; bare: db.Batch", manyWriters, .9, func() error { return db.Batch(put) }},
	} {
		var ours, bare float64
		for range logRounds {
			ours += rate(c.writers, appendOne)
			bare += rate(c.writers, c.bare)
		}
		fmt.Printf("| %s | %.0f | %.0f | %s |\n", c.name, ours/logRounds, bare/logRounds, verdict(ours/bare, c.goal))
	}
	return nil
}

// rate runs fn in parallel for a while and returns how often a second.
func rate(writers int, fn func() error) float64 {
	var done atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range writers {
		wg.Go(func() {
			for time.Since(start) < logSeconds {
				if err := fn(); err != nil {
					panic(err)
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}
