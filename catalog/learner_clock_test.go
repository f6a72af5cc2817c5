package catalog

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// testClock is a clock that only the test moves.
type testClock struct{ passed atomic.Int64 }

func (c *testClock) now() time.Time      { return noon.Add(time.Duration(c.passed.Load())) }
func (c *testClock) add(d time.Duration) { c.passed.Add(int64(d)) }

// clockCatalog is an empty catalog with such a clock.
func clockCatalog(tb testing.TB) (*Catalog, *testClock) {
	tb.Helper()
	clock := &testClock{}
	dir := tb.TempDir()
	return openAt(tb, filepath.Join(dir, "log.db"), filepath.Join(dir, "secrets"), clock), clock
}

// openAt opens a catalog that is closed at the latest when the test ends.
func openAt(tb testing.TB, path, secrets string, clock *testClock) *Catalog {
	tb.Helper()
	c, err := Open(Config{Path: path, Secrets: secrets, Now: clock.now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}
