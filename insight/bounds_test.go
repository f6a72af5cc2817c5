package insight

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
)

// TestFlood asks a multitude of different queries. Memory and file stay in their bounds, and a query that many ask is still seen.
func TestFlood(t *testing.T) {
	n := soak(60_000, 1_000_000)
	w := newWorld(t, func(b *bounds) { b.queue = 1000 })
	const every = 100 // the honest query is one in a hundred
	for i := range n {
		w.search(fmt.Sprintf("flood %d", i), fmt.Sprint("caller", i%1000))
		if i%every == 0 {
			w.search("honest", fmt.Sprint("person", i%7))
		}
		if i%500 == 0 {
			w.Flush()
		}
	}
	r := w.report(func(sc *Scope) { sc.Listed = 1 })
	if r.Totals.Searches != n+n/every || r.Top[0].Query != "honest" || r.Top[0].Count != n/every {
		t.Errorf("%+v, top %+v: want %d searches, %d of them honest", r.Totals, r.Top, n+n/every, n/every)
	}
	if rows, limit := w.rows(), w.limit.rowsDay+w.limit.rowsOver; rows > limit {
		t.Errorf("%d queries are kept, want at most %d", rows, limit)
	}
	if held := len(w.pending.byKey); held > w.limit.pending {
		t.Errorf("callers of %d queries are held, want at most %d", held, w.limit.pending)
	}
	if held := len(w.asked.byID); held > w.limit.recent {
		t.Errorf("%d searches are remembered, want at most %d", held, w.limit.recent)
	}
	const most = 4 << 20 // 2,500 queries of a hundred bytes, in pages that are half full and copied when written
	if size := w.Stats().FileBytes; size > most {
		t.Errorf("the file has %d bytes, want at most %d", size, most)
	}
	if got := w.completions("honest"); len(got) != 1 {
		t.Errorf("completions %v, want the honest query", got)
	}
	t.Logf("%d queries, file %d kB, heap %d MB", w.rows(), w.Stats().FileBytes>>10, heap()>>20)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestFullQueue: who cannot be counted is not kept waiting.
func TestFullQueue(t *testing.T) {
	w := newWorld(t, func(b *bounds) { b.queue = 10 })
	var ids []string
	for i := range 25 { // nobody writes
		ids = append(ids, w.search(fmt.Sprint("query ", i), "ann"))
	}
	w.event(ids[24], Click, "A", 1) // of a search that was dropped
	if got := w.Stats(); got.Dropped != 15 || got.Unmatched != 1 {
		t.Errorf("%+v, want 15 dropped and an event without a search", got)
	}
	if n := w.report().Totals.Searches; n != 10 {
		t.Errorf("%d searches, want the 10 that were queued", n)
	}
}

func TestTooManyOrganizations(t *testing.T) {
	w := newWorld(t, func(b *bounds) { b.orgs = 3 })
	for i := range 8 {
		w.search("plan", "ann", in(catalog.OrgID(fmt.Sprint("org", i))))
		w.Flush()
	}
	if orgs, err := w.Orgs(); err != nil || len(orgs) != 3 {
		t.Errorf("organizations %v, %v, want 3", orgs, err)
	}
	if got := w.Stats(); got.Refused != 5 || got.Written != 3 {
		t.Errorf("%+v, want 5 refused and 3 written", got)
	}
	w.reopen()
	w.search("plan", "ann", in("org9"))
	w.search("plan", "ann", in("org1"))
	w.Flush()
	if got := w.Stats(); got.Refused != 1 || got.Written != 1 {
		t.Errorf("after a restart: %+v, want 1 refused and 1 written", got)
	}
}

// TestManyRows: when there are too many in all, the oldest go, the numbers of their days stay, and today's are refused at last.
func TestManyRows(t *testing.T) {
	w := newWorld(t, func(b *bounds) { b.rows, b.rowsPast, b.rowsDay = 1000, 100, 600 })
	const days, each = 20, 150
	for d := range days {
		for i := range each {
			w.search(fmt.Sprintf("day %d query %d", d, i), fmt.Sprint("caller", i))
		}
		w.Flush()
		w.clock.add(aDay)
		w.write(false)
	}
	if n := w.rows(); n > w.limit.rows*crowded/10 {
		t.Errorf("%d queries, want at most %d", n, w.limit.rows*crowded/10)
	}
	if n := w.report().Totals.Searches; n != days*each {
		t.Errorf("%d searches, want %d", n, days*each)
	}
	for o := range 4 {
		for i := range 500 {
			w.search(fmt.Sprint("today ", i), fmt.Sprint("caller", i), in(catalog.OrgID(fmt.Sprint("org", o))))
		}
		w.Flush()
	}
	if n := w.rows(); n > w.limit.rows {
		t.Errorf("%d queries, want at most %d", n, w.limit.rows)
	}
	if w.Stats().Refused == 0 {
		t.Error("nothing was refused")
	}
}

func TestTooManyToSuggest(t *testing.T) {
	w := newWorld(t, func(b *bounds) { b.sharedIn = 5 })
	for i := range 12 {
		for range i/4 + 1 { // later ones are asked more
			w.five(fmt.Sprintf("query %02d", i))
			w.Flush()
		}
	}
	got := w.completions("query")
	if len(got) != 5 || got[0] < "query 08" {
		t.Errorf("%v: want five, the most asked first", got)
	}
	w.reopen()
	if again := w.completions("query"); fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("after a restart %v, want %v", again, got)
	}
}

func TestFileStopsGrowing(t *testing.T) {
	w := newWorld(t, func(b *bounds) { b.rowsDay, b.rowsOver, b.rowsPast = 200, 50, 20 })
	var after100 int64
	for d := range soak(200, 1000) {
		for i := range 300 {
			w.search(fmt.Sprintf("day %d query %d", d, i), fmt.Sprint("caller", i))
		}
		w.Flush()
		w.clock.add(aDay)
		w.write(false)
		if d == 100 {
			after100 = w.Stats().FileBytes
		}
	}
	if size := w.Stats().FileBytes; size > after100*3/2 {
		t.Errorf("the file grew from %d to %d bytes although days go as days come", after100, size)
	}
	if _, err := os.Stat(w.path); err != nil {
		t.Error(err)
	}
}
