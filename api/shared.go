package api

import (
	"bytes"
	"context"
	"maps"
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
	pages map[sharedKey]*sharedPage
	bytes int
}

// sharedKey names what a page of the public channel depends on.
type sharedKey struct {
	query    string // all that is in the address
	language string // when that does not name one
	encoding string // "" is none
}

// sharedPage is a page in one encoding, with its headers. Many answers have these slices at once: they are never changed.
type sharedPage struct {
	made   chan struct{} // closed when what follows is final
	err    error
	tag    string      // ETag
	header http.Header // of every answer with it, also when the caller holds the page already
	entity http.Header // of an answer with the body
	body   []byte
}

func newSharedPages() *sharedPages { return &sharedPages{pages: map[sharedKey]*sharedPage{}} }

// find returns a page that is there and good.
func (s *sharedPages) find(tip coursesync.Seq, key sharedKey) *sharedPage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.tip != tip {
		return nil
	}
	return s.pages[key]
}

// get returns a page, and makes it when it is not there. Of those who want the same one makes it; when that fails the next may try.
func (s *sharedPages) get(ctx context.Context, tip coursesync.Seq, key sharedKey, fill func(context.Context, *sharedPage) error) (*sharedPage, error) {
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
	const entry = 1500 // bytes, about: headers are more than a small page itself
	s.bytes += len(page.body) + len(key.query) + entry
	return page, page.err
}

// sharedKeyOf returns the key of a request, and false for one whose answer may depend on more.
func sharedKeyOf(r *http.Request) (key sharedKey, ok bool) {
	h := r.Header
	if r.Method != http.MethodGet || h["Authorization"] != nil || h["Cookie"] != nil || h["Origin"] != nil {
		return key, false
	}
	if key.encoding, ok = encodingOf(r); !ok {
		return key, false
	}
	if key.query = r.URL.RawQuery; !strings.Contains(key.query, "locale=") {
		key.language = string(locales.Negotiate(h.Get("Accept-Language")))
	}
	return key, true
}

// encodingOf chooses an encoding that a caller accepts. It is false for those who weigh them: they are rare, and the compressor does it right.
func encodingOf(r *http.Request) (encoding string, ok bool) {
	switch accepted := r.Header.Get("Accept-Encoding"); {
	case strings.Contains(accepted, ";"):
		return "", false
	case strings.Contains(accepted, encodingZstd):
		return encodingZstd, true
	case strings.Contains(accepted, encodingGzip):
		return encodingGzip, true
	}
	return "", true
}

// answerShared answers a request for a page that is in memory, and reports whether it did.
func (a *API) answerShared(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != syncPath {
		return false
	}
	start := time.Now()
	key, ok := sharedKeyOf(r)
	if !ok {
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
	w.Header()[requestIDHeader] = []string{requestIDOf(r)}
	a.metrics.syncShared.Inc()
	latency := a.metrics.syncSent
	if page.send(w, r) == http.StatusNotModified {
		latency = a.metrics.syncHeld
	}
	latency.Observe(time.Since(start).Seconds())
	return true
}

// seal gives a page its headers, once for all who get it: the server spends more on them than on the page.
func (p *sharedPage) seal(language, vary, encoding string) {
	h := http.Header{}
	protectHeaders(h, syncPath)
	h.Set("Content-Language", language)
	h.Set("Vary", vary)
	h.Set("Cache-Control", sharedControl)
	h.Set("ETag", p.tag)
	p.header = h
	p.entity = http.Header{"Content-Type": {"application/json"}}
	if encoding != "" {
		p.entity.Set("Content-Encoding", encoding)
	}
	if len(p.body) > netHTTPCounts {
		p.entity.Set("Content-Length", strconv.Itoa(len(p.body)))
	}
}

// netHTTPCounts is up to how many bytes net/http counts a body itself, which spares a header here.
const netHTTPCounts = 1 << 10

// send writes a page and returns the status.
func (p *sharedPage) send(w http.ResponseWriter, r *http.Request) int {
	h := w.Header()
	maps.Copy(h, p.header)
	if r.Header["If-None-Match"] != nil && notModified(w, r, p.tag) {
		return http.StatusNotModified
	}
	maps.Copy(h, p.entity)
	_, _ = w.Write(p.body) //nolint:gosec // JSON; who has left needs no answer
	return http.StatusOK
}

// The encodings of pages.
const (
	encodingZstd = "zstd"
	encodingGzip = "gzip"
)

// squeezers compress pages. They are made once: zstd's tables are large.
type squeezers struct {
	best  *zstd.Encoder // for pages that many get
	quick *zstd.Encoder // for a page that one gets
	tiny  *zstd.Encoder // for answers that fit a packet
}

func newSqueezers() (s squeezers, err error) {
	for _, one := range []struct {
		into    **zstd.Encoder
		options []zstd.EOption
	}{
		{&s.best, []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1)}},
		{&s.quick, []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedFastest)}},
		{&s.tiny, []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(zstd.MinWindowSize)}},
	} {
		// A checksum would be four bytes of each answer: TCP has one.
		if *one.into, err = zstd.NewWriter(nil, append(one.options, zstd.WithEncoderCRC(false))...); err != nil {
			return s, err
		}
	}
	return s, nil
}

// squeezeShared compresses a page that many get by an encoding. It is worth more time than an answer for one caller is.
func (s squeezers) squeezeShared(body []byte, encoding string) (packed []byte, used string, err error) {
	switch {
	case encoding == encodingZstd && len(body) >= compressAbove:
		packed = s.best.EncodeAll(body, nil)
	case encoding == encodingGzip:
		packed, err = gzipped(body)
	default:
		return s.squeezeOwn(body, encoding)
	}
	return lesser(body, packed, encoding, err)
}

// squeezeOwn compresses a page that one caller gets. It leaves a large one to the compressor when that is not to be zstd.
func (s squeezers) squeezeOwn(body []byte, encoding string) (packed []byte, used string, err error) {
	switch {
	case encoding == encodingZstd && len(body) >= compressAbove:
		packed = s.quick.EncodeAll(body, nil)
	case encoding == encodingZstd:
		packed = s.tiny.EncodeAll(body, nil)
	case encoding == encodingGzip && len(body) < compressAbove:
		packed, err = gzipped(body)
	default:
		return body, "", nil
	}
	return lesser(body, packed, encoding, err)
}

// lesser chooses what is compressed when that spares more than the header that says so. It is copied: the encoder made room for as much as went in.
func lesser(body, packed []byte, encoding string, err error) ([]byte, string, error) {
	if len(packed)+len("Content-Encoding: zstd\r\n") >= len(body) {
		return body, "", err
	}
	return bytes.Clone(packed), encoding, err
}

func gzipped(body []byte) ([]byte, error) {
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
