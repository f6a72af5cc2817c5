package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// requestTimeout is far above any deadline of the server's.
const requestTimeout = 60 * time.Second

// client asks a server over connections that are kept open.
type client struct {
	url  string
	http *http.Client
}

func newClient(url string) *client {
	const connections = 2048 // an open loop may have that many requests under way
	return &client{url, &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: time.Minute,
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// answer is what became of a request.
type answer struct {
	status int
	retry  bool // it has a Retry-After
	bytes  int64
}

func (c *client) get(path string) (answer, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.url+path, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept-Encoding", "gzip") // as browsers do; what comes is not unpacked here
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Retry-After") != "", n}, err
}

// ok is get where anything but 200 is an error.
func (c *client) ok(path string) error {
	a, err := c.get(path)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, a.status)
	}
	return err
}

// closedLoop lets so many clients ask one path after another, each when its last answer came. refused of them were not answered: 429 or 503.
func (c *client) closedLoop(clients int, paths []string) (all times, refused int, took time.Duration, err error) {
	l := load{failed: map[string]int{}}
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(paths)); n = next.Add(1) - 1 {
				began := time.Now()
				a, err := c.get(paths[n])
				took := time.Since(began)
				mu.Lock()
				l.add(a, took, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if l.errors() > 0 || len(l.accepted) == 0 {
		return nil, 0, 0, fmt.Errorf("of %d requests %d were answered: %v", len(paths), len(l.accepted), l.failed)
	}
	return l.accepted, l.refused, time.Since(start), nil
}

// load is what came of an open loop.
type load struct {
	accepted times
	late     times // by how much the loop itself sent later than planned
	refused  int   // with 429 or 503
	noRetry  int   // of them, without Retry-After
	failed   map[string]int
}

// openLoop sends at a fixed rate whatever the answers do, as the world does, for some time, and waits for the last answer.
func (c *client) openLoop(rate float64, duration time.Duration, paths []string) load {
	l := load{failed: map[string]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	total := int(rate * duration.Seconds())
	for i := range total {
		at := time.Duration(float64(i) / rate * float64(time.Second))
		if wait := at - time.Since(start); wait > 0 {
			time.Sleep(wait)
		}
		lag := time.Since(start) - at
		wg.Go(func() {
			began := time.Now()
			a, err := c.get(paths[i%len(paths)])
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			l.late = append(l.late, lag)
			l.add(a, took, err)
		})
	}
	wg.Wait()
	return l
}

func (l *load) add(a answer, took time.Duration, err error) {
	switch {
	case err != nil:
		l.failed[err.Error()]++
	case a.status == http.StatusOK:
		l.accepted = append(l.accepted, took)
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable:
		l.refused++
		if !a.retry {
			l.noRetry++
		}
	default:
		l.failed[fmt.Sprint("status ", a.status)]++
	}
}

func (l *load) errors() (n int) {
	for _, k := range l.failed {
		n += k
	}
	return n
}
