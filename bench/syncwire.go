package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The client of the sync section shares its two cores with the server that it measures. So it is as lean as can be: requests are written beforehand, an answer is
// read into one buffer, and of its headers nothing is looked at but the status and the length. Carrel, echo and the databases are asked by the same one.

const (
	// wireBuffer holds a page of 500 changes, compressed, with its headers. Longer answers make it grow.
	wireBuffer = 128 << 10
	// wireTimeout is far above any deadline of the server's.
	wireTimeout = 60 * time.Second
)

// wire is a connection to a server that is kept open.
type wire struct {
	conn           net.Conn
	buf            []byte // lent for the time of an answer when it is nil
	sent, received int64  // bytes on the socket, headers and all
}

// wireBuffers are lent to connections that are many and seldom used.
var wireBuffers = sync.Pool{New: func() any { b := make([]byte, wireBuffer); return &b }}

func dial(url string) (*wire, error) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), wireTimeout)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

// reply is an answer. It is good until the next one.
type reply struct {
	status     int
	head, body []byte
}

// header returns the value of a header, "" when it is not there.
func (r reply) header(name string) string {
	_, after, found := bytes.Cut(r.head, []byte("\r\n"+name+": "))
	if !found {
		return ""
	}
	value, _, _ := bytes.Cut(after, []byte("\r\n"))
	return string(value)
}

// getRequest writes a request beforehand; fields are whole header lines.
func getRequest(path string, fields ...string) []byte {
	lines := append([]string{"GET " + path + " HTTP/1.1", "Host: carrel.example.org"}, fields...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// ask sends a request and reads its answer.
func (w *wire) ask(request []byte) (reply, error) {
	n, err := w.conn.Write(request)
	if w.sent += int64(n); err != nil {
		return reply{}, err
	}
	return w.read()
}

// asks is ask for callers that are many: use sees the answer, in a buffer that is lent.
func (w *wire) asks(request []byte, use func(reply) error) error {
	lent := wireBuffers.Get().(*[]byte)
	defer wireBuffers.Put(lent)
	w.buf = *lent
	r, err := w.ask(request)
	if err == nil {
		err = use(r)
	}
	*lent, w.buf = w.buf, nil
	return err
}

// errAnswer says that what came is no answer that this client understands.
var errAnswer = errors.New("the answer is not understood")

func (w *wire) read() (reply, error) {
	if w.buf == nil {
		w.buf = make([]byte, wireBuffer)
	}
	end, have := -1, 0
	for end < 0 {
		if have == len(w.buf) {
			return reply{}, errAnswer
		}
		n, err := w.conn.Read(w.buf[have:])
		w.received += int64(n)
		if err != nil {
			return reply{}, err
		}
		have += n
		end = bytes.Index(w.buf[:have], []byte("\r\n\r\n"))
	}
	r := reply{head: w.buf[:end+2]}
	end += len("\r\n\r\n")
	var err error
	if r.status, err = strconv.Atoi(string(r.head[len("HTTP/1.1 "):len("HTTP/1.1 200")])); err != nil {
		return r, err
	}
	if r.status == http.StatusNotModified || r.status == http.StatusNoContent {
		return r, nil
	}
	length, err := strconv.Atoi(r.header("Content-Length"))
	if err != nil {
		if r.header("Transfer-Encoding") != "chunked" {
			return r, errAnswer
		}
		r.body, err = w.chunks(bytes.Clone(w.buf[end:have]))
		return r, err
	}
	if missing := end + length - len(w.buf); missing > 0 {
		head := len(r.head)
		w.buf = append(w.buf, make([]byte, missing)...)
		r.head = w.buf[:head]
	}
	n, err := io.ReadFull(w.conn, w.buf[have:end+length])
	w.received += int64(n)
	r.body = w.buf[end : end+length]
	return r, err
}

// chunks puts a body in chunks together; have is what has come of it.
func (w *wire) chunks(have []byte) (body []byte, err error) {
	for {
		line, rest, found := bytes.Cut(have, []byte("\r\n"))
		if found {
			size, err := strconv.ParseUint(string(line), 16, 31)
			if err != nil {
				return nil, err
			}
			if n := int(size) + len("\r\n"); len(rest) >= n {
				body, have = append(body, rest[:size]...), rest[n:]
				if size == 0 {
					return body, nil
				}
				continue
			}
		}
		more := make([]byte, 4096)
		n, err := w.conn.Read(more)
		w.received += int64(n)
		if err != nil {
			return nil, err
		}
		have = append(have, more[:n]...)
	}
}

// hammer asks the same thing over and over on so many connections, and returns how many answers came a second. Every answer must be a 200 of one length.
func hammer(url string, request []byte, connections int, duration time.Duration) (float64, error) {
	var done, length atomic.Int64
	var over atomic.Bool
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	one := func() error {
		w, err := dial(url)
		if err != nil {
			return err
		}
		defer w.close()
		n := int64(0)
		defer func() { done.Add(n) }()
		for ; !over.Load(); n++ {
			r, err := w.ask(request)
			if err != nil {
				return err
			}
			if length.CompareAndSwap(0, int64(len(r.body))); r.status != http.StatusOK || int64(len(r.body)) != length.Load() {
				return fmt.Errorf("%.80s: status %d, %d bytes", request, r.status, len(r.body))
			}
		}
		return nil
	}
	start := time.Now()
	for range connections {
		wg.Go(func() {
			if err := one(); err != nil {
				failed.Store(&err)
			}
		})
	}
	time.Sleep(duration)
	over.Store(true)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}
