package logtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

func testWait(t *testing.T, s *suite) {
	t.Helper()
	before := s.head()
	var waiters sync.WaitGroup
	for i := range coursesync.Seq(3) {
		waiters.Go(func() {
			if err := s.log.Wait(s.ctx, before+i); err != nil {
				t.Errorf("Wait: %v", err)
			}
			if head := s.head(); head <= before+i {
				t.Errorf("woken at %d, waited for what is past %d", head, before+i)
			}
		})
	}
	for i := range 3 {
		s.append(upsert(catalog, course, fmt.Sprint(i), `1`))
	}
	waiters.Wait()
	if err := s.log.Wait(s.ctx, 0); err != nil {
		t.Errorf("Wait for what is there: %v", err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, time.Millisecond)
	defer cancel()
	if err := s.log.Wait(ctx, s.head()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait for what does not come: %v", err)
	}
}

func testContexts(t *testing.T, s *suite) {
	t.Helper()
	s.append(upsert(catalog, course, "a", `1`))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.log.Append(ctx, upsert(catalog, course, "b", `1`)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v", err)
	}
	if _, _, err := s.log.Get(ctx, course, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.log.Floor(ctx, catalog); !errors.Is(err, context.Canceled) {
		t.Errorf("Floor: %v", err)
	}
	if err := s.log.Wait(ctx, s.head()); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
	count := 0
	for _, err := range s.log.Read(ctx, 0) {
		count++
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v", err)
		}
	}
	if count != 1 {
		t.Errorf("Read yielded %d times", count)
	}
	s.wantKeys(s.read(0), "a")
}

// testWriters lets many count up one entity, each guarded by IfSeq, beside writes of their own. A count that was lost, and a Seq that
// was given twice, both show.
func testWriters(t *testing.T, s *suite) {
	t.Helper()
	const writers, rounds = 8, 10
	s.append(upsert(catalog, course, "count", `0`))
	var mu sync.Mutex
	seqs := map[coursesync.Seq]string{}
	note := func(seq coursesync.Seq, who string) {
		mu.Lock()
		defer mu.Unlock()
		if other, twice := seqs[seq]; twice {
			t.Errorf("%s and %s both got %d", who, other, seq)
		}
		seqs[seq] = who
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for r := range rounds {
				who := fmt.Sprintf("%d/%d", w, r)
				note(s.append(upsert(acme, course, who, `1`)), who)
				note(s.countUp(), who+" count")
			}
		})
	}
	all.Wait()
	if got := string(s.must(course, "count").Body); got != strconv.Itoa(writers*rounds) {
		t.Errorf("counted to %s, want %d", got, writers*rounds)
	}
	if got := len(s.read(0)); got != writers*rounds+1 {
		t.Errorf("%d entities, want %d", got, writers*rounds+1)
	}
}

// countUp adds one, as often as others are faster.
func (s *suite) countUp() coursesync.Seq {
	for {
		was, _, err := s.log.Get(s.ctx, course, "count")
		if err != nil {
			s.t.Errorf("Get: %v", err)
			return 0
		}
		n, _ := strconv.Atoi(string(was.Body))
		next := upsert(catalog, course, "count", strconv.Itoa(n+1))
		next.IfSeq = was.Seq
		seq, err := s.log.Append(s.ctx, next)
		if err == nil {
			return seq
		}
		if !fault.Is(err, fault.LostUpdate) {
			s.t.Errorf("Append: %v", err)
			return 0
		}
	}
}
