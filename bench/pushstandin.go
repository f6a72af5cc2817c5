package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// The stand-in for Firebase Cloud Messaging is a process of its own that takes every message and only counts it: it shares the cores with the server, so
// that what it does itself must be little.

// standInCommand makes this program the stand-in.
const standInCommand = "fcm-stand-in"

// takenMessages are what the stand-in took of one kind.
type takenMessages struct {
	Messages int     `json:"messages"`
	Devices  int     `json:"devices"` // different tokens
	At       []int64 `json:"at"`      // when the first message came for each, in unix nanoseconds
	tokens   map[string]bool
}

// spread is how long it took from some moment until the first and the last device had their message.
func (t *takenMessages) spread(since time.Time) (first, last time.Duration) {
	if len(t.At) == 0 {
		return 0, 0
	}
	return time.Unix(0, slices.Min(t.At)).Sub(since), time.Unix(0, slices.Max(t.At)).Sub(since)
}

func (t *takenMessages) take(token []byte) {
	t.Messages++
	if !t.tokens[string(token)] {
		t.tokens[string(token)] = true
		t.Devices++
		t.At = append(t.At, time.Now().UnixNano())
	}
}

// standIn takes messages.
type standIn struct {
	mu     sync.Mutex
	answer time.Duration // after which it answers
	taken  map[bool]*takenMessages
}

func (s *standIn) forget() {
	s.taken = map[bool]*takenMessages{true: {tokens: map[string]bool{}}, false: {tokens: map[string]bool{}}}
}

// ServeHTTP takes messages on any path that has a project, and answers the benchmark on two.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/messages:send"):
		s.send(w, r)
	case r.URL.Path == "/forget":
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forget()
		s.answer, _ = time.ParseDuration(r.URL.Query().Get("answer"))
	case r.URL.Path == "/count":
		s.mu.Lock()
		defer s.mu.Unlock()
		_, _ = fmt.Fprint(w, s.taken[r.URL.Query().Get("nudges") != ""].Devices)
	case r.URL.Path == "/taken":
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(s.taken[r.URL.Query().Get("nudges") != ""])
	default:
		http.NotFound(w, r)
	}
}

func (s *standIn) send(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	_, rest, found := bytes.Cut(body, []byte(`"token":"`))
	token, _, _ := bytes.Cut(rest, []byte(`"`))
	if err != nil || !found {
		http.Error(w, "no token", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	wait := s.answer
	s.mu.Unlock()
	time.Sleep(wait)
	s.mu.Lock()
	s.taken[bytes.Contains(body, []byte(`"type":"nudge"`))].take(token)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = io.WriteString(w, `{"name":"projects/bench/messages/0:1500415314455276%31bd1c9631bd1c96"}`)
}

// serveStandIn answers until it is killed.
func serveStandIn(ctx context.Context) error {
	s := &standIn{}
	s.forget()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("the stand-in is ready at http://%s\n", listener.Addr())
	return (&http.Server{Handler: s}).Serve(listener) //nolint:gosec // it serves this benchmark only
}

// service is a running stand-in.
type service struct {
	cmd *exec.Cmd
	url string
}

func (b *bench) startService() (*service, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, standInCommand)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b.servers = append(b.servers, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	_, url, _ := strings.Cut(strings.TrimSpace(line), "ready at ")
	return &service{cmd, url}, err
}

func (s *service) get(path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// forget begins anew, with answers that come after some time.
func (s *service) forget(answer time.Duration) error {
	_, err := s.get("/forget?answer=" + answer.String())
	return err
}

// ofKind asks for nudges, or else for messages that are shown.
func ofKind(nudges bool) string {
	if nudges {
		return "?nudges=1"
	}
	return ""
}

// wait waits until so many devices have a message.
func (s *service) wait(nudges bool, devices int, most time.Duration) (taken takenMessages, err error) {
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		text, err := s.get("/count" + ofKind(nudges))
		if err != nil {
			return taken, err
		}
		if string(text) == itoa(devices) {
			break
		}
		if time.Since(start) > most {
			return taken, fmt.Errorf("%s of %d devices had a message within %v", text, devices, most)
		}
	}
	return s.all(nudges)
}

// all returns what was taken.
func (s *service) all(nudges bool) (taken takenMessages, err error) {
	text, err := s.get("/taken" + ofKind(nudges))
	return taken, errors.Join(err, json.Unmarshal(text, &taken))
}
