package search

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
)

// A step between two tiers is more than all other factors of a course together, boosts and pins aside; see ranking.go.
func TestTiersAreLargest(t *testing.T) {
	r := newRanking(nil)
	others := textWeight + r.phrase + r.small
	for worse := range tierCount {
		for better := range tierCount {
			step := matchWeight * float64(tierQualities[better]-tierQualities[worse])
			if step > 0 && step <= others {
				t.Errorf("from %s to %s it is %v, all other factors give up to %v", tierNames[worse], tierNames[better], step, others)
			}
		}
	}
	if pinWeight <= maxWords*matchWeight+others {
		t.Error("words can lift a course above a pin")
	}
}

func TestCacheIsBounded(t *testing.T) {
	const limit = 100_000
	c := newCache(limit, func(v []byte) int64 { return int64(len(v)) })
	for i := range 10_000 {
		c.put([]byte(fmt.Sprint(i)), make([]byte, i%2000))
		if _, ok := c.get([]byte("0")); !ok {
			t.Fatalf("what is used all the time was dropped after %d", i)
		}
		if c.used > limit {
			t.Fatalf("%d bytes are kept", c.used)
		}
	}
	if len(c.byKey) != c.order.Len() || len(c.byKey) < 40 {
		t.Errorf("%d keys, %d values", len(c.byKey), c.order.Len())
	}
	c.put([]byte("huge"), make([]byte, limit/4))
	if _, ok := c.get([]byte("huge")); ok {
		t.Error("one value took a quarter of the room")
	}
}

// What was derived from titles is kept when anything else of a course changes.
func TestRatingsKeepBeginnings(t *testing.T) {
	course := catalog.Course{ID: "a", Language: catalog.English, Text: catalog.Text{Title: "Knots"}}
	e := newEdit(newColumns(), newDicts())
	e.putCourse(&course)
	cols := e.seal()
	const locale = 1
	made := cols.pages[0].beginnings(locale)
	for _, tt := range []struct {
		name   string
		change func(e *edit)
		kept   bool
	}{
		{"rated", func(e *edit) { e.putStats(course.ID, catalog.CourseStats{Enrollments: 3}) }, true},
		{"published", func(e *edit) { course.State = catalog.Published; e.putCourse(&course) }, true},
		{"renamed", func(e *edit) { course.Title = "Bends"; e.putCourse(&course) }, false},
	} {
		next := newEdit(cols, e.dicts)
		tt.change(next)
		if kept := next.seal().pages[0].starts[locale].Load() == made; kept != tt.kept {
			t.Errorf("%s: kept %v", tt.name, kept)
		}
	}
}

// Many at once wait for their turn; who comes to a full queue is refused at once, and when there has been a queue for a while, soon.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission()
		cpus := runtime.GOMAXPROCS(0)
		var held []*turn
		for range searchesPerCPU * cpus {
			turn, err := a.admit(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, turn)
		}
		refused := func() time.Duration {
			before := time.Now()
			if _, err := a.admit(t.Context(), false); !fault.Is(err, fault.Overloaded) {
				t.Fatalf("admitted beyond the places: %v", err)
			}
			return time.Since(before)
		}
		if waited := refused(); waited != maxWait {
			t.Errorf("waited %v in a burst, want %v", waited, maxWait)
		}
		a.free.Store(int64(time.Since(start) - 2*crowdedAfter))
		if waited := refused(); waited != maxWait {
			t.Errorf("waited %v behind a few, want %v", waited, maxWait)
		}
		crowd := int32(crowdPerCPU * cpus)
		a.queue.Add(crowd)
		defer a.queue.Add(-crowd)
		a.free.Store(int64(time.Since(start) - 2*crowdedAfter))
		if waited := refused(); waited != crowdedWait {
			t.Errorf("waited %v in a crowd, want %v", waited, crowdedWait)
		}
		time.Sleep(calmAfter / 2)
		a.free.Store(int64(time.Since(start)))
		if waited := refused(); waited != crowdedWait {
			t.Errorf("waited %v when a place had been free for a moment, want %v", waited, crowdedWait)
		}
		time.Sleep(calmAfter + time.Millisecond)
		a.free.Store(int64(time.Since(start)))
		if waited := refused(); waited != maxWait {
			t.Errorf("waited %v when the crowd had gone, want %v", waited, maxWait)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.admit(ctx, false); err == nil || fault.Is(err, fault.Overloaded) {
			t.Errorf("who has left gets %v", err)
		}
		held[0].end()
		turn, err := a.admit(t.Context(), false)
		if err != nil {
			t.Fatalf("a free place is refused: %v", err)
		}
		turn.end()
		for _, h := range held[1:] {
			h.end()
		}
		if n := a.queue.Load(); n != crowd {
			t.Errorf("%d searches are still counted", n-crowd)
		}
	})
}

// A search that has done much work goes to the slow lane, and leaves its place to others; the lane and its queue are bounded.
func TestSlowLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission()
		lane := max(1, runtime.GOMAXPROCS(0)/2)
		var slow []*turn
		for range lane {
			turn, err := a.admit(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			turn.over(t.Context(), 0)
			if err := turn.work(slowWork + 1); err != nil || !turn.slow {
				t.Fatalf("after much work: slow %v, %v", turn.slow, err)
			}
			slow = append(slow, turn)
		}
		for range searchesPerCPU * runtime.GOMAXPROCS(0) { // all places are free again
			turn, err := a.admit(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			defer turn.end()
		}
		if _, err := a.admit(t.Context(), true); !fault.Is(err, fault.Overloaded) {
			t.Errorf("the slow lane is full, and an expensive search gets %v", err)
		}
		for _, s := range slow {
			s.end()
		}
		turn, err := a.admit(t.Context(), true)
		if err != nil || !turn.slow {
			t.Fatalf("the slow lane is free, and an expensive search gets %v", err)
		}
		turn.over(t.Context(), 0)
		if err := turn.work(maxWork + 1); !fault.Is(err, fault.QueryTooBroad) {
			t.Errorf("beyond the work limit: %v", err)
		}
		turn.end()
		if a.queue.Load() != int32(searchesPerCPU*runtime.GOMAXPROCS(0)) || a.slowQueue.Load() != 0 {
			t.Errorf("%d in the queue, %d in the slow one", a.queue.Load(), a.slowQueue.Load())
		}
	})
}

func TestHeavyQueries(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "machine learning": false, `"a b" "c d"`: false, `"a b" "c d" "e f"`: true, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17": true,
	} {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := isHeavy(q); got != want {
			t.Errorf("%q: heavy = %v", text, got)
		}
	}
}
