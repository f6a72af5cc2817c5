package main

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// cutter is the road between phones and the server: a TCP proxy that closes many connections after some bytes, in either direction. Its address stays while
// the server behind it comes and goes.
type cutter struct {
	listener net.Listener
	mu       sync.Mutex
	rng      *rand.Rand
	target   string // of the server; "" while there is none
	share    int    // of a hundred connections, how many are cut
	cuts     int
}

// maxCutBits makes cuts from the first byte to some 60 kB: within headers, within bodies, and in the answers after that.
const maxCutBits = 16

func newCutter(t *testing.T, seed uint64) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: listener, rng: newRand(seed, 1)}
	var wg sync.WaitGroup
	wg.Go(func() { c.serve(&wg) })
	t.Cleanup(func() {
		_ = listener.Close()
		c.lead("", 0)
		wg.Wait()
	})
	return c
}

func (c *cutter) url() string { return "http://" + c.listener.Addr().String() }

// lead sets where connections go from now on, and how many of a hundred are cut.
func (c *cutter) lead(target string, share int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target, c.share = target, share
}

// draw decides about a connection: after how many bytes each direction ends, -1 for never.
func (c *cutter) draw() (target string, up, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	up, down = -1, -1
	if c.rng.IntN(100) < c.share {
		c.cuts++
		if bytes := c.rng.Int64N(1 << (1 + c.rng.IntN(maxCutBits))); c.rng.IntN(2) == 0 {
			up = bytes
		} else {
			down = bytes
		}
	}
	return c.target, up, down
}

func (c *cutter) serve(wg *sync.WaitGroup) {
	for {
		phone, err := c.listener.Accept()
		if err != nil {
			return
		}
		target, up, down := c.draw()
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = phone.Close()
			continue
		}
		wg.Go(func() { pipe(phone, server, up, down) })
	}
}

// pipe carries bytes both ways until one side ends, or a direction has had its bytes; then both sides are closed.
func pipe(phone, server net.Conn, up, down int64) {
	var wg sync.WaitGroup
	carry := func(to, from net.Conn, limit int64) {
		if limit < 0 {
			_, _ = io.Copy(to, from)
		} else {
			_, _ = io.CopyN(to, from, limit)
		}
		_, _ = phone.Close(), server.Close()
	}
	wg.Go(func() { carry(server, phone, up) })
	wg.Go(func() { carry(phone, server, down) })
	wg.Wait()
}
