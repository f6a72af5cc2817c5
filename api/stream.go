package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

const (
	// heartbeat is how often a stream says something at least: the contract has 25 s, and proxies cut what is silent for a minute.
	heartbeat = 20 * time.Second
	// slowReader is how long a line may take to be taken. Who is slower is cut off, and pulls when it comes back.
	slowReader = 10 * time.Second
)

type newsBody struct {
	AsOf     string   `json:"as_of"`
	Channels []string `json:"channels"`
}

// events writes server-sent events (WHATWG HTML, section 9.2) until the caller or the server leaves.
type events struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// openEvents begins a stream of events.
func openEvents(w http.ResponseWriter) (*events, error) {
	e := &events{w, http.NewResponseController(w)}
	_ = e.rc.SetReadDeadline(time.Time{}) // the request is read; where the writer knows no deadlines there is none
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold it back
	w.WriteHeader(http.StatusOK)
	return e, e.write(": carrel\n\n")
}

func (e *events) write(text string) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(slowReader))
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}

// stream answers GET /v2/sync/stream.
func (a *API) stream(w http.ResponseWriter, r *http.Request) error {
	req, err := a.syncRequest(r)
	if err != nil {
		return err
	}
	since := coursesync.Seq(0)
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if since, err = a.parseAsOf(id); err != nil {
			since = 0 // of a server before it was restored: then all may be new
		}
	}
	l, err := a.hub.Listen(r.Context(), req, since)
	if err != nil {
		return err
	}
	defer l.Close()
	e, err := openEvents(w)
	if err != nil {
		return goneAway(err)
	}
	return goneAway(a.tellNews(r, e, l, a.headEvent))
}

// headEvent is the event of news.
func (a *API) headEvent(news delta.News) (string, error) {
	asOf := a.asOfToken(news.Seq)
	data, err := json.Marshal(newsBody{asOf, news.Channels})
	return fmt.Sprintf("id: %s\nevent: head\ndata: %s\n\n", asOf, data), err
}

// tellNews sends what a listener hears.
func (a *API) tellNews(r *http.Request, e *events, l *delta.Listener, event func(delta.News) (string, error)) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-a.draining.Done():
			return nil
		case <-beat.C:
			if err := e.write(":\n\n"); err != nil {
				return err
			}
		case <-l.Wake():
			news, ok, err := l.Take(r.Context())
			if err != nil || !ok {
				if err != nil {
					return err
				}
				continue
			}
			text, err := event(news)
			if err == nil {
				err = e.write(text)
			}
			if err != nil {
				return err
			}
		}
	}
}
