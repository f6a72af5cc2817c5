package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
)

const (
	// phoneCount is how many are woken by one push.
	phoneCount = 10_000
	// phoneDials is how many connect at the same moment: more than the kernel's queue holds would be told to come again in a second.
	phoneDials = 1000

	goalPhones    = 10 * time.Second
	goalPhonesMB  = 400
	goalOneChange = 1500 // bytes

	syncOrg     = "acme"
	publication = 500 // changes of the greater one
)

// admin writes courses.
type admin struct{ url, bearer string }

func newAdmin(url string, keys *identity.Keyring) (admin, error) {
	header, err := bearer(keys, catalog.Actor{Subject: "admin", Roles: []catalog.Role{catalog.RoleAdmin}})
	_, token, _ := strings.Cut(header, ": ")
	return admin{url, token}, err
}

func (a admin) do(method, path, body string) error {
	req, err := http.NewRequestWithContext(context.Background(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", a.bearer)
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if resp.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: status %d: %.300s", method, path, resp.StatusCode, text)
	}
	return err
}

// create makes n courses.
func (a admin) create(prefix string, n int) error {
	return parallel(syncConnections, n, func(i int) error {
		return a.do(http.MethodPut, fmt.Sprintf("/v2/courses/%scourse-%06d", prefix, i), fmt.Sprintf(`{"title":"Course %d of one's own","language":"en","summary":"What one learns"}`, i))
	})
}

// publish changes the titles of n courses. Each call makes other titles.
func (a admin) publish(prefix string, n int) error {
	stamp := time.Now().UnixNano()
	return parallel(syncConnections, n, func(i int) error {
		return a.do(http.MethodPatch, fmt.Sprintf("/v2/courses/%scourse-%06d", prefix, i), fmt.Sprintf(`{"title":"A course that was renamed, %d"}`, stamp))
	})
}

// parallel calls fn for 0 to n-1, some at once.
func parallel(workers, n int, fn func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for k := range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && errs[k] == nil; i = next.Add(1) - 1 {
				errs[k] = fn(int(i))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// phone is one learner's copy: a cursor, and what it asks for.
type phone struct {
	channels, bearer, cursor string
}

func (p *phone) request() []byte {
	fields := []string{acceptZstd}
	if p.bearer != "" {
		fields = append(fields, p.bearer)
	}
	return getRequest(syncPath(p.channels, pullPage, p.cursor), fields...)
}

// pull catches up on a connection. It returns how many pages and changes that took.
func (p *phone) pull(w *wire) (pages, changes int, err error) {
	for more := true; more && err == nil; pages++ {
		err = w.asks(p.request(), func(r reply) (err error) {
			lent := wireBuffers.Get().(*[]byte)
			defer wireBuffers.Put(lent)
			body, cursor, again, err := pageOf(r, *lent)
			if err == nil {
				p.cursor, more = cursor, again
				changes += bytes.Count(body, []byte(`"version":`))
			}
			return err
		})
	}
	return pages, changes, err
}

// newPhones makes phones of different learners that hold everything up to a cursor of the public channel, and what else they follow.
func newPhones(url string, keys *identity.Keyring, channels string, org catalog.OrgID, cursor string) ([]phone, error) {
	list := make([]phone, phoneCount)
	wires := make(chan *wire, syncConnections)
	for range syncConnections {
		w, err := dial(url)
		if err != nil {
			return nil, err
		}
		defer w.close()
		wires <- w
	}
	return list, parallel(syncConnections, phoneCount, func(i int) (err error) {
		p := &list[i]
		if p.channels, p.cursor = channels, cursor; channels == "catalog" {
			return nil
		}
		if p.bearer, err = bearer(keys, catalog.Actor{Subject: catalog.LearnerID(fmt.Sprintf("learner-%d", i)), Org: org}); err != nil {
			return err
		}
		w := <-wires
		defer func() { wires <- w }()
		_, _, err = p.pull(w)
		return err
	})
}

// caughtUp is what a push led to.
type caughtUp struct {
	took           time.Duration
	pages, changes int64
	wire           int64
	pulls          times // of each phone, with its connection
}

// catchUp lets all phones connect and pull at once. Their connections stay open until the last one is done.
func catchUp(url string, list []phone) (c caughtUp, err error) {
	errs := make([]error, len(list))
	c.pulls = make(times, len(list))
	wires := make([]*wire, len(list))
	dialing := make(chan struct{}, phoneDials)
	var pages, changes atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for i := range list {
		wg.Go(func() {
			dialing <- struct{}{}
			wires[i], errs[i] = dial(url)
			<-dialing
			if errs[i] != nil {
				return
			}
			n, k, err := list[i].pull(wires[i])
			pages.Add(int64(n))
			changes.Add(int64(k))
			c.pulls[i], errs[i] = time.Since(start), err
		})
	}
	wg.Wait()
	c.took, c.pages, c.changes = time.Since(start), pages.Load(), changes.Load()
	for _, w := range wires {
		if w != nil {
			c.wire += w.sent + w.received
			w.close()
		}
	}
	return c, errors.Join(errs...)
}

// phones wakes 10,000 phones after publications.
func (b *bench) phones() error {
	data, err := b.syncFolder()
	if err != nil {
		return err
	}
	section("Delta sync after a push")
	fmt.Printf("%d phones, one publication behind, all at once\n\n| channels | published | pages | changes a phone | bytes a phone | half of them, s | all of them, s | peak of the server, MB (without files) |\n|---|---|---|---|---|---|---|---|\n", phoneCount)
	for _, row := range []struct {
		channels string
		org      catalog.OrgID
		changes  int
		goals    bool
	}{
		{"catalog", "", 1, true},
		{"catalog", "", publication, true},
		{"catalog,me", "", 1, false},
		{"catalog,me", "", publication, false},
		{"catalog,org", syncOrg, 1, false},
		{"catalog,org", syncOrg, publication, false},
	} {
		s, c, err := b.wake(data, row.channels, row.org, row.changes)
		if err != nil {
			return fmt.Errorf("%s: %w", row.channels, err)
		}
		took, peak := fmt.Sprintf("%.2f", c.took.Seconds()), fmt.Sprintf("%.0f", peakMB(s))
		if row.goals {
			took, peak = took+": "+atMost(c.took.Seconds()/goalPhones.Seconds(), 1), peak+": "+atMost(peakMB(s)/goalPhonesMB, 1)
		}
		fmt.Printf("| %s | %d | %d | %.1f | %d | %.2f | %s | %s (%.0f) |\n", row.channels, row.changes, c.pages, float64(c.changes)/phoneCount, c.wire/phoneCount,
			c.pulls.at(50).Seconds(), took, peak, status(s, "RssAnon"))
		if err := s.stop(); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

// wake publishes, and lets all phones catch up, on a server that was started after they were brought up to date: what that took is not its memory.
func (b *bench) wake(data, channels string, org catalog.OrgID, changes int) (s *server, c caughtUp, err error) {
	list, prefix, err := b.upToDate(data, channels, org)
	if err != nil {
		return nil, c, err
	}
	s, keys, err := b.syncServer(data)
	if err != nil {
		return nil, c, err
	}
	a, err := newAdmin(s.url, keys)
	if err != nil {
		return nil, c, err
	}
	if err := a.publish(prefix, changes); err != nil {
		return nil, c, err
	}
	c, err = catchUp(s.url, list)
	return s, c, err
}

// upToDate makes phones that hold everything, and says how the ids of the courses begin that they are to hear of.
func (b *bench) upToDate(data, channels string, org catalog.OrgID) (list []phone, prefix string, err error) {
	s, keys, err := b.syncServer(data)
	if err != nil {
		return nil, "", err
	}
	a, err := newAdmin(s.url, keys)
	if err != nil {
		return nil, "", err
	}
	if org != "" {
		prefix = string(org) + "~"
		if err := a.create(prefix, publication); err != nil {
			return nil, "", err
		}
	}
	whole, err := pullAll(s.url, 1000, 0)
	if err != nil {
		return nil, "", err
	}
	if list, err = newPhones(s.url, keys, channels, org, whole.cursor); err != nil {
		return nil, "", err
	}
	return list, prefix, s.stop()
}

// peakMB is the most memory that a server ever held.
func peakMB(s *server) float64 { return status(s, "VmHWM") }

// status is a line of /proc/pid/status that counts kB, in MB; 0 where that is not told.
func status(s *server, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			var kb float64
			_, _ = fmt.Sscan(rest, &kb)
			return kb / 1024
		}
	}
	return 0
}

// onePublication shows what the update of one course costs a phone on the socket.
func (b *bench) onePublication(url string, keys *identity.Keyring, cursor string) error {
	a, err := newAdmin(url, keys)
	if err != nil {
		return err
	}
	const enrolled = 20
	header, err := bearer(keys, catalog.Actor{Subject: "phone-1", Org: syncOrg})
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(header, ": ")
	if err := a.create("own-", enrolled); err != nil {
		return err
	}
	for i := range enrolled {
		if err := (admin{url, token}).do(http.MethodPut, fmt.Sprintf("/v2/me/enrollments/own-course-%06d", i), `{"state":"active"}`); err != nil {
			return err
		}
	}
	fmt.Printf("### What the update of one course costs a phone, bytes on the socket with all headers\n\n| channels | request | answer | of it the body | both |\n|---|---|---|---|---|\n")
	agent := "User-Agent: CarrelPhone/1.0 (Android 15)"
	for _, p := range []phone{{channels: "catalog", cursor: cursor}, {channels: "catalog,org,me,courses", bearer: header, cursor: cursor}} {
		w, err := dial(url)
		if err != nil {
			return err
		}
		defer w.close()
		if _, _, err := p.pull(w); err != nil {
			return err
		}
		if err := a.publish("", 1); err != nil {
			return err
		}
		w.sent, w.received = 0, 0
		fields := []string{acceptZstd, "Accept-Language: en", agent}
		if p.bearer != "" {
			fields = append(fields, p.bearer)
		}
		r, err := w.ask(getRequest(syncPath(p.channels, pullPage, p.cursor), fields...))
		if err != nil {
			return err
		}
		body, _, more, err := pageOf(r, nil)
		if n := bytes.Count(body, []byte(`"version":`)); err == nil && (n != 1 || more) {
			err = fmt.Errorf("%d changes came of one: %.300s", n, body)
		}
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %d | %d | %d | %s |\n", p.channels, w.sent, w.received, len(r.body), fmt.Sprintf("%d: %s", w.sent+w.received, atMost(float64(w.sent+w.received)/goalOneChange, 1)))
	}
	fmt.Println()
	return nil
}
