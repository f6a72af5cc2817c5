package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What TestSyncKill looks at when all is quiet.

const (
	// settleTries is how often phones are compared with new ones while the server still writes numbers that trail.
	settleTries = 100
	// settlePages bounds the pages of one copy, and the batches of one queue.
	settlePages = 10_000
)

// settle lets every phone send what it has and catch up, and compares it with a new one and with the server's digests.
func (w *killWorld) settle() {
	for _, d := range w.phones {
		for n := 0; len(d.flight)+len(d.waiting) > 0 && !w.failed.Load(); n++ {
			if n > settlePages {
				w.fail("pushing never ends")
			}
			w.push(w.t.Context(), d, newRand(w.seed, n), 500)
		}
	}
	for _, d := range w.phones {
		for n := 0; !w.settled(d) && !w.failed.Load(); n++ {
			if n > settleTries {
				w.fail("the server never comes to rest")
			}
			<-time.After(200 * time.Millisecond)
		}
	}
}

// settled compares a phone that caught up. It reports false when there is news already.
func (w *killWorld) settled(d *device) bool {
	w.catchUp(d, 7)
	fresh := newDevice(d.base, d.who, d.channels, d.token)
	fresh.locale = d.locale
	w.catchUp(fresh, 1000)
	q := url.Values{"channels": {d.channels}, "locale": {d.locale}, "cursor": {d.cursor}}
	status, answer, err := d.ask(w.t.Context(), transports[0], http.MethodGet, "/v2/sync/digest?"+q.Encode(), nil)
	switch {
	case err != nil || status == http.StatusConflict || tryLater(status):
		return false
	case status != http.StatusOK:
		w.fail("a digest is answered %d: %s", status, answer)
		return false
	}
	if diff := cmp.Diff(fresh.rows, d.rows); diff != "" {
		w.fail("a phone of %q has not what a new one gets (-new +old):\n%s", d.who, diff)
	}
	if diff := cmp.Diff(w.parseDigest(answer), d.sums()); diff != "" {
		w.fail("the digest of %q (-server +phone):\n%s", d.who, diff)
	}
	return true
}

func (w *killWorld) catchUp(d *device, limit int) {
	for n := 0; !w.pull(w.t.Context(), d, transports[0], limit) && !w.failed.Load(); n++ {
		if n > settlePages {
			w.fail("pulling never ends")
		}
	}
}

// parseDigest reads the answer to a digest, without the kinds of which there is nothing.
func (w *killWorld) parseDigest(answer []byte) map[string]map[string]digestSum {
	var raw map[string]map[string]struct {
		Count int
		Sum   string
	}
	if err := json.Unmarshal(answer, &raw); err != nil {
		w.fail("a digest: %v: %s", err, answer)
	}
	all := map[string]map[string]digestSum{}
	for channel, kinds := range raw {
		sums := map[string]digestSum{}
		for kind, s := range kinds {
			sum, err := strconv.ParseUint(s.Sum, 10, 64)
			if err != nil {
				w.fail("a sum: %v", err)
			}
			sums[kind] = digestSum{s.Count, sum}
		}
		maps.DeleteFunc(sums, func(_ string, s digestSum) bool { return s == digestSum{} })
		if len(sums) > 0 {
			all[channel] = sums
		}
	}
	return all
}

// checkOwn compares what learners own with what was acknowledged: the state is the one of the newest mutation, and its version is the entity's, so that
// nothing was done after it, as it would be if one were carried out twice.
func (w *killWorld) checkOwn() {
	c, err := catalog.Open(catalog.Config{Path: folder(w.dir).log(), Secrets: folder(w.dir).secrets()})
	if err != nil {
		w.fail("after the last kill: %v", err)
		return
	}
	defer c.Close()
	want, got := w.acknowledged(), map[string]string{}
	for ch, err := range c.Log().Read(w.t.Context(), 0) {
		if err != nil {
			w.fail("the log is damaged: %v", err)
			return
		}
		switch ch.Kind {
		case catalog.KindEnrollment, catalog.KindReview, catalog.KindBookmark, catalog.KindProgress:
			got[string(ch.Kind)+" "+ch.Key] = fmt.Sprintf("%d %s", ch.Seq, stateOf(ch))
		}
	}
	if len(want) == 0 {
		w.fail("nothing was ever acknowledged: nothing was tested")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.fail("what was acknowledged (-) is not what is there (+):\n%s", diff)
	}
}

// acknowledged is what must be there: by kind and key the version and the state.
func (w *killWorld) acknowledged() map[string]string {
	newest, progress := map[string]event{}, map[string]catalog.Progress{}
	for _, e := range w.events {
		key := e.m.Kind + " " + string(e.who) + "/" + e.m.Key
		if e.Version >= newest[key].Version {
			newest[key] = e
		}
		if e.m.Kind == "progress" {
			text, _ := json.Marshal(e.m.Doc)
			var p catalog.Progress
			_ = json.Unmarshal(text, &p)
			progress[key] = merged(progress[key], p)
		}
	}
	want := map[string]string{}
	for key, e := range newest {
		state := fmt.Sprint(e.m.Doc["state"], e.m.Doc["rating"])
		switch {
		case e.Version == 0:
			continue // it was not there, and was to be deleted
		case e.m.Op == "delete":
			state = "deleted"
		case e.m.Kind == "bookmark":
			state = "there"
		case e.m.Kind == "progress":
			state = progressState(progress[key])
		}
		want[key] = fmt.Sprintf("%d %s", e.Version, state)
	}
	return want
}

func merged(a, b catalog.Progress) catalog.Progress {
	a.Position, a.Completed = max(a.Position, b.Position), a.Completed || b.Completed
	a.TimeByDevice = map[string]float64{"x": max(a.TimeByDevice["x"], b.TimeByDevice["x"])}
	return a
}

func progressState(p catalog.Progress) string {
	return fmt.Sprint(p.Position, p.Completed, p.TimeByDevice["x"])
}

// stateOf is what the log says of something of a learner's, as acknowledged says it.
func stateOf(ch coursesync.Change) string {
	if ch.Op == coursesync.OpDelete {
		return "deleted"
	}
	var doc map[string]any
	_ = json.Unmarshal(ch.Body, &doc)
	switch ch.Kind {
	case catalog.KindBookmark:
		return "there"
	case catalog.KindProgress:
		var p catalog.Progress
		_ = json.Unmarshal(ch.Body, &p)
		return progressState(p)
	}
	return fmt.Sprint(doc["state"], doc["rating"])
}
