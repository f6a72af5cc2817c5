package api

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	stdsync "sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/carrel-lms/carrel/locales"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Pages of the public channel are the same for all who ask the same, and after a publication all phones ask the same. So a page is read and encoded once:
// who comes while it is being made waits for it, and who comes later is answered from memory, in front of all else that a request passes through. A page
// is good until the channel moves.

// sharedBytes bounds the pages that are kept: fifty of the greatest, and some ten thousand that say that nothing is new. Beyond it all are forgotten.
const sharedBytes = 64 << 20

type sharedPages struct {
	mu    stdsync.RWMutex
	tip   coursesync.Seq // of the channel when the pages were made
	pages map[string]*sharedPage
	bytes int
}

// sharedPage is a page in one encoding.
type sharedPage struct {
	made     chan struct{} // closed when what follows is final
	err      error
	body     []byte
	encoding string // "" is none
	tag      string // ETag
	language string
	vary     string // Vary
}

func newSharedPages() *sharedPages { return &sharedPages{pages: map[string]*sharedPage{}} }

// find returns a page that is there and good.
func (s *sharedPages) find(tip coursesync.Seq, key string) *sharedPage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.tip != tip {
		return nil
	}
	return s.pages[key]
}

// get returns a page, and makes it when it is not there. Of those who want the same one makes it; when that fails the next may try.
func (s *sharedPages) get(ctx context.Context, tip coursesync.Seq, key string, fill func(context.Context, *sharedPage) error) (*sharedPage, error) {
	s.mu.Lock()
	if s.tip != tip || s.bytes > sharedBytes {
		s.tip, s.bytes = tip, 0
		clear(s.pages)
	}
	page, there := s.pages[key]
	if !there {
		page = &sharedPage{made: make(chan struct{})}
		s.pages[key] = page
	}
	s.mu.Unlock()
	if there {
		select {
		case <-page.made:
			return page, page.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	page.err = fill(context.WithoutCancel(ctx), page) // it must not end with the request that happens to make it
	close(page.made)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages[key] != page {
		return page, page.err // forgotten meanwhile
	}
	if page.err != nil {
		delete(s.pages, key)
	}
	const entry = 256 // bytes, about
	s.bytes += len(page.body) + len(key) + entry
	return page, page.err
}

// sharedKey names what a page of the public channel depends on: all that is in the address, the language when that does not name one, and the encoding. It is
// "" for requests whose answer may depend on more.
func sharedKey(r *http.Request) (key, encoding string) {
	h := r.Header
	if r.Method != http.MethodGet || h["Authorization"] != nil || h["Cookie"] != nil || h["Origin"] != nil {
		return "", ""
	}
	accepted := h.Get("Accept-Encoding")
	switch {
	case strings.Contains(accepted, ";"):
		return "", "" // it weighs them: rare, and the long way does it right
	case strings.Contains(accepted, "zstd"):
		encoding = "zstd"
	case strings.Contains(accepted, "gzip"):
		encoding = "gzip"
	}
	language := ""
	if !strings.Contains(r.URL.RawQuery, "locale=") {
		language = string(locales.Negotiate(h.Get("Accept-Language")))
	}
	return encoding + " " + language + " " + r.URL.RawQuery, encoding
}

// answerShared answers a request for a page that is in memory, and reports whether it did.
func (a *API) answerShared(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != syncPath {
		return false
	}
	start := time.Now()
	key, _ := sharedKey(r)
	if key == "" {
		return false
	}
	tip, err := a.delta.PublicTip(r.Context())
	if err != nil {
		return false
	}
	page := a.shared.find(tip, key)
	if page == nil {
		return false
	}
	select {
	case <-page.made:
	default:
		return false
	}
	if page.err != nil || a.limit(w, r) != nil {
		return false // the long way says so
	}
	h := w.Header()
	h.Set(requestIDHeader, requestIDOf(r))
	protectHeaders(h)
	h.Set("Content-Security-Policy", apiPolicy)
	h.Set("Content-Language", page.language)
	a.metrics.syncShared.Inc()
	status := page.send(w, r)
	a.metrics.observe(syncPath, http.MethodGet, status, time.Since(start))
	return true
}

// send writes a page and returns the status.
func (p *sharedPage) send(w http.ResponseWriter, r *http.Request) int {
	h := w.Header()
	h.Set("Vary", p.vary)
	h.Set("Cache-Control", sharedControl)
	if notModified(w, r, p.tag) {
		return http.StatusNotModified
	}
	if p.encoding != "" {
		h.Set("Content-Encoding", p.encoding)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(p.body) //nolint:gosec // JSON; who has left needs no answer
	return http.StatusOK
}

// squeezers compress pages. They are made once: zstd's tables are large.
type squeezers struct {
	zstd *zstd.Encoder
}

func newSqueezers() (squeezers, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
	return squeezers{z}, err
}

// squeeze compresses a body by an encoding. It is worth more time than an answer for one caller is.
func (s squeezers) squeeze(body []byte, encoding string) ([]byte, error) {
	switch encoding {
	case "zstd":
		return s.zstd.EncodeAll(body, nil), nil
	case "gzip":
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		err = w.Close()
		return b.Bytes(), err
	}
	return body, nil
}
