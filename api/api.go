// Package api is Carrel's HTTP front: REST v2 as the contract has it, the API's own description, and what operators ask
// (health, readiness, metrics).
//
// Handlers have the shape func(w, r) error. They return errors; problem.go alone answers them, as RFC 9457 problems in
// the caller's language. router.go alone knows echo. Every request passes, from the outside in: request id, log and
// metrics, security headers and CORS, compression, recovery; and those of the API also: who is asking, rate limit,
// deadline, known parameters, and after=.
//
// In local.db the package owns the buckets "idempotency" and "idempotency_ends" (idempotency.go). It holds nothing that a
// restart would lose, except who asked how often.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/semaphore"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/files"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/sync/delta"
)

// SessionCookie is the name of the cookie by which a browser that signed in is known.
const SessionCookie = "carrel_session"

// Config says what the front stands before. Catalog, Search, Keys, Local and Texts are needed, the rest may be absent.
type Config struct {
	Catalog  *catalog.Catalog
	Search   *search.Index
	Keys     *identity.Keyring
	Sessions *identity.Sessions // nil: bearer tokens only
	Local    *bolt.DB           // local.db, for idempotency keys
	Texts    *locales.Bundle
	Imports  *ingest.Jobs
	Files    *files.Store   // nil: no files are held
	Insight  *insight.Store // nil: nothing is counted
	Push     *push.Push     // nil: no device can be tested
	Web      http.Handler   // gets what is not the API's; nil answers 404

	CORSOrigins    []string       // "https://learn.example.org"; "*" lets all read
	TrustedProxies []netip.Prefix // X-Forwarded-For counts when it comes from one of these
	Logger         *slog.Logger   // slog.Default when nil
	Now            func() time.Time
	Registry       *prometheus.Registry // nil: a registry of its own
	Limits         Limits
}

// API answers every request of the server. It is an http.Handler, safe for concurrent use.
type API struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	limits  Limits
	handler http.Handler
	routes  []route
	metrics *metrics
	callers *callers
	replays *replays
	members *members
	origins *http.CrossOriginProtection
	delta   *delta.Service
	hub     *delta.Hub
	shared  *sharedPages
	making  *semaphore.Weighted // of pages for one caller
	squeezers
	spec   *spec
	ready  atomic.Bool
	backup sync.Mutex // held by the one that is taken

	uploads, downloads chan struct{} // one in it for each file that comes or goes

	draining context.Context // ends with what would outlast the server's patience
	drain    context.CancelFunc
}

// New builds the front. It starts nothing and is not ready before [API.SetReady].
func New(cfg Config) (*API, error) {
	if cfg.Catalog == nil || cfg.Search == nil || cfg.Keys == nil || cfg.Local == nil || cfg.Texts == nil {
		return nil, errors.New("api: Catalog, Search, Keys, Local and Texts are needed")
	}
	a := &API{cfg: cfg, log: cfg.Logger, now: cfg.Now, limits: cfg.Limits.withDefaults()}
	if a.log == nil {
		a.log = slog.Default()
	}
	if a.now == nil {
		a.now = time.Now
	}
	if cfg.Registry == nil {
		a.cfg.Registry = prometheus.NewRegistry()
	}
	var err error
	if a.replays, err = newReplays(cfg.Local, a.now); err != nil {
		return nil, err
	}
	if a.spec, err = loadSpec(); err != nil {
		return nil, err
	}
	a.metrics = newMetrics(a.cfg.Registry, cfg.Catalog)
	a.callers = newCallers(a.limits, a.now)
	a.members = newMembers()
	a.delta = delta.New(delta.Config{Catalog: cfg.Catalog, Now: a.now, Notice: a.notice, CheckSearch: checkSaved})
	a.hub = a.delta.NewHub()
	a.uploads, a.downloads = make(chan struct{}, maxUploads), make(chan struct{}, maxDownloads)
	a.shared = newSharedPages()
	a.making = semaphore.NewWeighted(int64(ownPagesAtOnce * runtime.GOMAXPROCS(0)))
	if a.squeezers, err = newSqueezers(); err != nil {
		return nil, err
	}
	a.origins = http.NewCrossOriginProtection()
	a.draining, a.drain = context.WithCancel(context.Background())
	a.routes = a.table()
	compress, err := newCompressor()
	if err != nil {
		return nil, err
	}
	a.handler = a.observe(a.protect(compress(a.recover(newRouter(a)))))
	return a, nil
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.answerShared(w, r) {
		a.handler.ServeHTTP(w, r)
	}
}

// SetReady says whether /readyz answers 200: true once the server serves, false as it stops.
func (a *API) SetReady(ready bool) { a.ready.Store(ready) }

// Drain breaks off answers that may take longer than a server that stops waits: streams of news and backups. A backup that has begun is cut, so that nobody
// takes it for whole. It comes before the HTTP server is shut down.
func (a *API) Drain() { a.drain() }
