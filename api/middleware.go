package api

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

// requestIDHeader carries the request id, both ways.
const requestIDHeader = "X-Request-Id"

// requestID is what we accept of a proxy's id: it is written to logs.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// requestIDOf returns the id that a request came with, or a new one.
func requestIDOf(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); id != "" && requestID.MatchString(id) {
		return id
	}
	return strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // no secret
}

// observe gives the request its id and language, and logs and measures how it went.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: requestIDOf(r), started: a.now(), route: "-"}
		c.tag = locales.Negotiate(r.Header.Get("Accept-Language"))
		c.locale = catalog.Locale(c.tag)
		w.Header().Set(requestIDHeader, c.id)
		sw := &statusWriter{ResponseWriter: w}
		start := time.Now() // monotonic, whatever clock the tests give
		a.metrics.inflight.Inc()
		defer func() {
			a.metrics.inflight.Dec()
			a.observed(r, c, sw, time.Since(start))
		}()
		next.ServeHTTP(sw, withCall(r, c))
	})
}

func (a *API) observed(r *http.Request, c *call, w *statusWriter, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	a.metrics.observe(c.route, methodLabel(r.Method), status, took)
	a.log.DebugContext(r.Context(), "api: answered",
		slog.String("request", c.id), slog.String("method", methodLabel(r.Method)), slog.String("route", c.route), slog.Int("status", status),
		slog.Int64("bytes", w.bytes), slog.Duration("took", took), slog.String("subject", string(c.actor.Subject)))
}

// protect sets the headers that keep browsers from doing more than we mean, and answers questions of other origins.
func (a *API) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protectHeaders(w.Header(), r.URL.Path)
		if isAPIPath(r.URL.Path) && a.cors(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// apiPolicy is the Content-Security-Policy of what is no page.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// protectHeaders keeps browsers from doing more than we mean. Phones ask so often that each byte counts: what they sync goes with the one header that matters
// for JSON, which is no document once nobody sniffs.
func protectHeaders(h http.Header, path string) {
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.HasPrefix(path, syncPath) {
		return
	}
	if isAPIPath(path) {
		h.Set("Content-Security-Policy", apiPolicy)
	}
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// What other origins may send and read.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Accept-Language, If-Match, If-None-Match, If-Range, Range, Idempotency-Key, X-Request-Id, Content-Digest, Repr-Digest"
	corsExposed = "Accept-Ranges, Content-Range, ETag, Location, Content-Language, Carrel-As-Of, Carrel-Search-Passes, Repr-Digest, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"
	corsMaxAge  = "7200" // seconds: what Chromium keeps at most
)

// cors answers a preflight, and reports whether it did. Credentials are never allowed: other origins send tokens, not our cookie.
func (a *API) cors(w http.ResponseWriter, r *http.Request) bool {
	if len(a.cfg.CORSOrigins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	allowed := a.allowedOrigin(origin)
	if allowed != "" {
		h.Set("Access-Control-Allow-Origin", allowed)
		h.Set("Access-Control-Expose-Headers", corsExposed)
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if allowed != "" {
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", corsMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

func (a *API) allowedOrigin(origin string) string {
	if origin == "" {
		return ""
	}
	for _, allowed := range a.cfg.CORSOrigins {
		switch {
		case allowed == "*":
			return "*"
		case strings.EqualFold(allowed, origin):
			return origin
		}
	}
	return ""
}

// compressAbove is the size, in bytes, from which an answer is worth compressing: below it fits a packet anyway.
const compressAbove = 1024

// newCompressor returns the middleware that compresses by Accept-Encoding. It passes on what is encoded already. The ETag stays as it is:
// it names a version, and conditions on writes must be able to send it back.
func newCompressor() (func(http.Handler) http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(compressAbove), gzhttp.EnableZstd(true), gzhttp.PreferZstd(true),
		gzhttp.ContentTypeFilter(compressible), gzhttp.SetContentType(false))
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler { return wrap(next) }, nil
}

// compressible reports whether a media type is text. Streams of events are not held back to be compressed.
func compressible(media string) bool {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	switch media = strings.TrimSpace(media); {
	case media == "text/event-stream":
		return false
	case strings.HasPrefix(media, "text/"), strings.HasSuffix(media, "+json"), strings.HasSuffix(media, "+xml"):
		return true
	}
	return media == "application/json" || media == "application/javascript" || media == "application/xml" || media == "application/yaml"
}

// recover turns a panic into a 500 and a line in the log.
func (a *API) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bw := &beginWriter{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				a.panicked(bw, r, p)
			}
		}()
		next.ServeHTTP(bw, r)
	})
}

func (a *API) panicked(w http.ResponseWriter, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	}
	a.log.ErrorContext(r.Context(), "api: a handler panicked", slog.Any("panic", p),
		slog.String("request", callOf(r.Context()).id), slog.String("stack", string(bytes.TrimSpace(debug.Stack()))))
	a.answerProblem(w, r, fault.New("api.recover", fault.Internal))
}

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap serves [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements [http.Flusher], which the compressor looks for.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// beginWriter knows whether an answer has begun, and so can no longer become another.
type beginWriter struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *beginWriter) WriteHeader(status int) {
	w.begun = w.begun || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *beginWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// Unwrap serves [http.ResponseController].
func (w *beginWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begun reports whether an answer has begun.
func begun(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case *beginWriter:
			return v.begun
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}
