package insight

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const aDay = 24 * time.Hour

// world is a store on a temporary file, with its time.
type world struct {
	*Store
	t     *testing.T
	clock *clock
	path  string
	limit bounds
	asks  int
}

func newWorld(t *testing.T, change ...func(*bounds)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{t: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}, path: filepath.Join(t.TempDir(), "insight.db"), limit: defaultBounds}
	for _, fn := range change {
		fn(&w.limit)
	}
	w.open()
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	s, err := open(Config{Path: w.path, Now: w.clock.now, Logger: slog.New(slog.DiscardHandler)}, w.limit)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Store = s
}

// reopen is a restart.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// search makes one search; change says what is special about it. It returns the query id.
func (w *world) search(text, caller string, change ...func(*Search)) string {
	w.asks++
	s := Search{
		QueryID: fmt.Sprintf("query%06d", w.asks), Caller: caller, Locale: catalog.English, Text: text, Key: strings.ToLower(text), First: true,
		Total: 2, Hits: []catalog.CourseID{"A", "B"},
	}
	for _, fn := range change {
		fn(&s)
	}
	w.Searched(s)
	return s.QueryID
}

func nothing(s *Search)  { s.Total, s.Hits = 0, nil }
func filtered(s *Search) { s.Filtered = true }

func in(org catalog.OrgID) func(*Search) { return func(s *Search) { s.Actor.Org = org } }

// five callers ask.
func (w *world) five(text string, change ...func(*Search)) {
	for i := range MinCallers {
		w.search(text, fmt.Sprint("caller", i), change...)
	}
}

func (w *world) report(change ...func(*Scope)) *Report {
	w.t.Helper()
	sc := Scope{Days: KeepDays, Listed: MaxListed}
	for _, fn := range change {
		fn(&sc)
	}
	r, err := w.Report(w.t.Context(), sc)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) completions(prefix string) []string {
	w.Flush()
	return w.Completions("", catalog.English, prefix, 10)
}

// rows counts the queries in the file, and holds the file's own count against it.
func (w *world) rows() int {
	w.t.Helper()
	n := 0
	err := w.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketQueries)
		if err := b.ForEach(func(_, _ []byte) error { n++; return nil }); err != nil {
			return err
		}
		if b.Sequence() != uint64(n) {
			w.t.Errorf("the file counts %d queries and has %d", b.Sequence(), n)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// soak gives the long version of a number when it is asked for.
func soak(short, long int) int {
	if os.Getenv("CARREL_SOAK") == "1" {
		return long
	}
	return short
}
