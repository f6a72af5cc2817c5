package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	streamCount     = 20
	streamRounds    = 15 // publications
	streamCountSoak = 10_000
	streamTimeSoak  = 5 * time.Minute
	// streamSlack is how many goroutines more at the end are no leak: those of requests under way, and of the index that merges.
	streamSlack = 50
	// streamGrowth is how much more memory the last third may take than the first: the collector lets a heap swing.
	streamGrowth = 1.25
)

// listeners are open streams, each read by a goroutine until it is closed.
type listeners struct {
	url   string
	heard atomic.Int64 // events
	wg    sync.WaitGroup
	mu    sync.Mutex
	ends  []context.CancelFunc // the oldest first
}

// open opens a stream and returns when its first news has come.
func (l *listeners) open(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/v2/sync/stream?channels=catalog", nil)
	if err != nil {
		end()
		return err
	}
	answer, err := http.DefaultClient.Do(req) // the goroutine that reads it closes it
	if err != nil {
		end()
		return err
	}
	lines := bufio.NewReader(answer.Body)
	for line := ""; !strings.HasPrefix(line, "event: head"); {
		if line, err = lines.ReadString('\n'); err != nil {
			end()
			return fmt.Errorf("status %d: %w", answer.StatusCode, err)
		}
	}
	l.wg.Go(func() {
		defer answer.Body.Close()
		for err == nil {
			var line string
			if line, err = lines.ReadString('\n'); strings.HasPrefix(line, "event: head") {
				l.heard.Add(1)
			}
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, end)
	return nil
}

// turnOver closes the oldest streams and opens as many.
func (l *listeners) turnOver(ctx context.Context, n int) error {
	l.mu.Lock()
	for _, end := range l.ends[:n] {
		end()
	}
	l.ends = slices.Delete(l.ends, 0, n)
	l.mu.Unlock()
	for range n {
		if err := l.open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// gauge reads numbers from a server's metrics.
func gauge(ctx context.Context, url string, names ...string) (values []float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	for _, name := range names {
		_, rest, _ := strings.Cut(string(text), "\n"+name+" ")
		var v float64
		if _, failed := fmt.Sscan(rest, &v); failed != nil {
			return nil, fmt.Errorf("%s: %w", name, failed)
		}
		values = append(values, v)
	}
	return values, err
}

// TestStreams keeps streams open while courses are published, and closes and opens some all the time. All hear the last news, goroutines and, in the long
// version, memory stay as they were.
func TestStreams(t *testing.T) {
	count, until, soak := streamCount, time.Time{}, os.Getenv("CARREL_SOAK") != ""
	if soak {
		count, until = streamCountSoak, time.Now().Add(streamTimeSoak)
	}
	dir, ctx := t.TempDir(), t.Context()
	token := adminToken(t, dir)
	server := startServer(t, dir, "CARREL_RATE_LIMIT=-1")
	defer server.kill()
	l := &listeners{url: server.url}
	for range count {
		if err := l.open(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var goroutines, memory []float64
	for round := 0; round < streamRounds || time.Now().Before(until); round++ {
		if !put(ctx, server.url, token, fmt.Sprint("S", round%10), round) {
			t.Fatal("a course could not be written")
		}
		if err := l.turnOver(ctx, count/20); err != nil {
			t.Fatal(err)
		}
		v, err := gauge(ctx, server.url, "go_goroutines", "go_memstats_heap_inuse_bytes", "go_memstats_stack_inuse_bytes")
		if err != nil {
			t.Fatal(err)
		}
		goroutines, memory = append(goroutines, v[0]), append(memory, v[1]+v[2])
	}
	third := len(goroutines) / 3
	if first, last := slices.Max(goroutines[:third]), slices.Max(goroutines[2*third:]); last > first+streamSlack {
		t.Errorf("goroutines: at most %v in the first third, %v in the last", first, last)
	}
	first, last := slices.Max(memory[:third]), slices.Max(memory[2*third:])
	if soak && last > first*streamGrowth {
		t.Errorf("memory: at most %.0f bytes in the first third, %.0f in the last", first, last)
	}
	t.Logf("%d streams, %d publications, %d events; MB in the first and the last third: %.0f, %.0f", count, len(goroutines), l.heard.Load(), first/1e6, last/1e6)
	l.hearLast(t, server.url, token, count)
}

// hearLast publishes once more, after a pause in which the streams catch up, and waits until all have heard of it. Then all are closed.
func (l *listeners) hearLast(t *testing.T, url, token string, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only so that a failure ends
	defer cancel()
	for before := int64(-1); before != l.heard.Load(); {
		before = l.heard.Load()
		<-time.After(500 * time.Millisecond)
	}
	before := l.heard.Load()
	if !put(ctx, url, token, "last", 1) {
		t.Fatal("the last course could not be written")
	}
	for l.heard.Load() < before+int64(count) {
		select {
		case <-ctx.Done():
			t.Fatalf("%d of %d streams heard of the last publication", l.heard.Load()-before, count)
		case <-time.After(20 * time.Millisecond):
		}
	}
	for _, end := range l.ends {
		end()
	}
	l.wg.Wait()
}
