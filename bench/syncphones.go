package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
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

// pulls is what catching up took.
type pulls struct{ pages, changes, refused int }

// pull catches up on a connection. A server that is busy says when to come again, and the phone does.
func (p *phone) pull(w *wire) (n pulls, err error) {
	for more := true; more && err == nil; {
		wait := time.Duration(0)
		err = w.asks(p.request(), func(r reply) (err error) {
			if seconds, late := strconv.Atoi(r.header("Retry-After")); r.status == http.StatusServiceUnavailable && late == nil {
				n.refused++
				wait = time.Duration(seconds) * time.Second
				return nil
			}
			lent := wireBuffers.Get().(*[]byte)
			defer wireBuffers.Put(lent)
			body, cursor, again, err := pageOf(r, *lent)
			if err == nil {
				p.cursor, more = cursor, again
				n.pages++
				n.changes += bytes.Count(body, []byte(`"version":`))
			}
			return err
		})
		time.Sleep(wait)
	}
	return n, err
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
		_, err = p.pull(w)
		return err
	})
}

// caughtUp is what a push led to.
type caughtUp struct {
	took                    time.Duration
	pages, changes, refused int
	wire                    int64
	own                     float64 // MB that the server held at most, apart from files that it maps
	done                    times   // of each phone, with its connection
}

// catchUp lets all phones connect and pull at once. Their connections stay open until the last one is done.
func catchUp(url string, list []phone) (c caughtUp, err error) {
	errs := make([]error, len(list))
	c.done = make(times, len(list))
	each := make([]pulls, len(list))
	wires := make([]*wire, len(list))
	dialing := make(chan struct{}, phoneDials)
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
			each[i], errs[i] = list[i].pull(wires[i])
			c.done[i] = time.Since(start)
		})
	}
	wg.Wait()
	c.took = time.Since(start)
	for i, w := range wires {
		c.pages, c.changes, c.refused = c.pages+each[i].pages, c.changes+each[i].changes, c.refused+each[i].refused
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
	fmt.Printf("%d phones, one publication behind, all at once\n\n| channels | published | pages | changes a phone | bytes a phone | told to wait | half of them, s | all of them, s | most memory of the server, MB | of it its own, without files |\n|---|---|---|---|---|---|---|---|---|---|\n", phoneCount)
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
		fmt.Printf("| %s | %d | %d | %.1f | %d | %d | %.2f | %s | %s | %.0f |\n", row.channels, row.changes, c.pages, float64(c.changes)/phoneCount, c.wire/phoneCount,
			c.refused, c.done.at(50).Seconds(), took, peak, c.own)
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
	memory := watch(s.cmd.Process.Pid, "RssAnon")
	c, err = catchUp(s.url, list)
	c.own = slices.Max(memory.stop())
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

// peakMB is the most memory that a server ever held, files that it maps included.
func peakMB(s *server) float64 { return memory(s.cmd.Process.Pid, "VmHWM") }

// enrolled is in how many courses a phone's learner is.
const enrolled = 20

// ownCourses makes courses with a lesson each, and enrolls a learner in them.
func (a admin) ownCourses(learner string) error {
	if err := a.create("own-", enrolled); err != nil {
		return err
	}
	return parallel(syncConnections, enrolled, func(i int) error {
		id := fmt.Sprintf("own-course-%06d", i)
		content := `{"modules":[{"id":"m1","title":{"en":"Module"}}],"lessons":[{"id":"l1","module":"m1","title":{"en":"Lesson"},"body":{"en":"<p>What one learns</p>"}}],"assets":[]}`
		if err := a.do(http.MethodPut, "/v2/courses/"+id+"/content", content); err != nil {
			return err
		}
		return admin{a.url, learner}.do(http.MethodPut, "/v2/me/enrollments/"+id, `{"state":"active"}`)
	})
}

// onePublication shows what the update of one course costs a phone on the socket.
func (b *bench) onePublication(url string, keys *identity.Keyring, cursor string) error {
	a, err := newAdmin(url, keys)
	if err != nil {
		return err
	}
	header, err := bearer(keys, catalog.Actor{Subject: "phone-1", Org: syncOrg})
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(header, ": ")
	if err := a.ownCourses(token); err != nil {
		return err
	}
	fmt.Printf("### What the update of one course costs a phone, bytes on the socket with all headers\n\n| channels | request | of it token and cursor | answer | of it the body | both |\n|---|---|---|---|---|---|\n")
	for _, p := range []phone{{channels: "catalog", cursor: cursor}, {channels: "catalog,org,me,courses", bearer: header, cursor: cursor}} {
		w, r, err := a.costs(&p)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %d | %d + %d | %d | %d | %d: %s |\n", p.channels, w.sent, len(p.bearer), len(p.cursor), w.received, len(r.body), w.sent+w.received,
			atMost(float64(w.sent+w.received)/goalOneChange, 1))
	}
	fmt.Println()
	return nil
}

// costs brings a phone up to date, publishes one course, and pulls once more, with the headers that phones send: the connection has counted that alone.
func (a admin) costs(p *phone) (w *wire, r reply, err error) {
	if w, err = dial(a.url); err != nil {
		return nil, r, err
	}
	defer w.close()
	if _, err := p.pull(w); err != nil {
		return nil, r, err
	}
	if err := a.publish("", 1); err != nil {
		return nil, r, err
	}
	w.sent, w.received = 0, 0
	fields := []string{acceptZstd, "Accept-Language: en", "User-Agent: CarrelPhone/1.0 (Android 15)"}
	if p.bearer != "" {
		fields = append(fields, p.bearer)
	}
	if r, err = w.ask(getRequest(syncPath(p.channels, pullPage, p.cursor), fields...)); err != nil {
		return nil, r, err
	}
	body, _, more, err := pageOf(r, nil)
	if n := bytes.Count(body, []byte(`"version":`)); err == nil && (n != 1 || more) {
		err = fmt.Errorf("%d changes came of one: %.300s", n, body)
	}
	return w, r, err
}
