package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// newsStream reads events until the test ends.
type newsStream struct {
	t      *testing.T
	events chan newsBody
	close  func()
}

func (s *server) listen(as catalog.Actor, channels, lastID string) *newsStream {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v2/sync/stream?channels="+channels, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if !as.Anonymous() {
		req.Header.Set("Authorization", "Bearer "+s.token(as))
	}
	req.Header.Set("Accept-Encoding", "gzip, zstd") // which must not hold events back
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("the stream is answered %s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	n := &newsStream{t: s.t, events: make(chan newsBody, 100), close: cancel}
	s.t.Cleanup(func() { cancel(); res.Body.Close() })
	go func() {
		defer close(n.events)
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var b newsBody
				if json.Unmarshal([]byte(data), &b) == nil {
					n.events <- b
				}
			}
		}
	}()
	return n
}

// next waits for an event that names a channel, and returns it.
func (n *newsStream) next(channel string) newsBody {
	n.t.Helper()
	for {
		select {
		case e, ok := <-n.events:
			if !ok {
				n.t.Fatal("the stream ended")
			}
			if slices.Contains(e.Channels, channel) {
				return e
			}
		case <-time.After(20 * time.Second): // far beyond what it takes: a test that hangs is worse
			n.t.Fatalf("no news of %s", channel)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	n := s.listen(learner, "catalog,org,me,courses", "")
	first := n.next("catalog")
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/bookmarks/C1", as: learner})
	mark := n.next("me")
	if got := s.pull("200", learner, "channels", "me", "after", mark.AsOf).changes(); !slices.Equal(got, []string{"bookmark C1 upsert"}) {
		t.Errorf("after the news of it a pull gives %v", got)
	}
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/enrollments/C1", as: learner, body: m{"state": "active"}})
	n.next("course:C1")
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Learning Go", "state": "draft"}})
	n.next("course:C1") // lost
	n.close()

	again := s.listen(learner, "catalog", first.AsOf)
	if e := again.next("catalog"); e.AsOf == first.AsOf {
		t.Error("what was missed is not told")
	}
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/draft", as: editor, body: m{"title": "Nobody knows", "state": "draft"}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/me/bookmarks/acme~X", as: acmeLearner})
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/C2", as: editor, body: m{"title": "Public"}})
	if e := again.next("catalog"); !slices.Equal(e.Channels, []string{"catalog"}) {
		t.Errorf("news of %v", e.Channels)
	}
	if got := s.pull("200", nobody, "channels", "catalog").changes(); !slices.Contains(got, "course C2 upsert") {
		t.Errorf("%v", got)
	}
	if len(again.events) > 0 {
		t.Errorf("a draft and another's bookmark are news: %v", <-again.events)
	}
}

func TestStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	n := s.listen(nobody, "catalog", "")
	n.next("catalog")
	s.api.Drain()
	for range n.events { // until it is closed
	}
	s.want("401 unauthorized", ask{method: http.MethodGet, path: "/v2/sync/stream?channels=me"})
	s.want("403 forbidden", ask{method: http.MethodGet, path: "/v2/sync/stream?channels=course:C1", as: learner})
}
