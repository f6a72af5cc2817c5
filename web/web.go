// Package web serves the learners' pages: search, courses, lessons, "My courses" and signing in.
//
// Pages are made on the server from templates/ and work without JavaScript; static/app.js makes them quicker. All state of a search is in
// its address. Every text comes from package locales, every link and picture from this server: the Content-Security-Policy allows nothing
// else, and no script or style stands in a page.
//
// The package keeps nothing on disk. Who is signed in is known by the cookie carrel_session, the language chosen by carrel_locale.
// router.go alone knows echo.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/search"
)

// Config says what the pages show. Catalog, Search, Sessions and Texts are needed.
type Config struct {
	Catalog  *catalog.Catalog
	Search   *search.Index
	Sessions *identity.Sessions
	Keys     *identity.Keyring // not needed yet: Sessions verifies one-time links
	Texts    *locales.Bundle
	Insight  *insight.Store // counts searches and reports to administrators; nil: neither
	Push     *push.Push     // the outbox, shown to administrators; nil: it is not

	Address   func(*http.Request) string // of a visitor, behind whatever proxies; nil: of the connection
	Demo      bool                       // offer to sign in as a sample person, on a loopback address only
	PublicURL string                     // under which browsers reach this server; "" takes it from each request
	Logger    *slog.Logger               // slog.Default when nil
	Now       func() time.Time           // time.Now when nil
}

// pages is the handler and what it is made of. Nothing in it changes after New, except the sitemap's cache.
type pages struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	public  *url.URL // nil when unknown
	files   *assets
	views   *views
	offline []byte // the service worker
	origins *http.CrossOriginProtection
	sitemap sitemapCache
	turns   *semaphore.Weighted // one for each search
	router  http.Handler
}

// New builds the pages. It starts nothing.
func New(cfg Config) (http.Handler, error) {
	if cfg.Catalog == nil || cfg.Search == nil || cfg.Sessions == nil || cfg.Texts == nil {
		return nil, errors.New("web: Catalog, Search, Sessions and Texts are needed")
	}
	p := &pages{cfg: cfg, log: cfg.Logger, now: cfg.Now, origins: http.NewCrossOriginProtection(), turns: semaphore.NewWeighted(maxSearches)}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.now == nil {
		p.now = time.Now
	}
	var err error
	if p.public, err = publicURL(cfg.PublicURL); err != nil {
		return nil, err
	}
	if p.public != nil {
		if err := p.origins.AddTrustedOrigin(p.public.Scheme + "://" + p.public.Host); err != nil {
			return nil, fmt.Errorf("web: the public address: %w", err)
		}
	}
	if p.files, err = loadAssets(); err != nil {
		return nil, err
	}
	if p.views, err = loadViews(cfg.Texts, p.files); err != nil {
		return nil, err
	}
	if p.offline, err = makeWorker(p.views, p.files); err != nil {
		return nil, err
	}
	p.router = newRouter(p)
	return p, nil
}

func publicURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // nil means unknown
	}
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("web: the public address %q is no http or https address", s)
	}
	return u, nil
}

// policy is the Content-Security-Policy of every page: all that it needs comes from here, and nobody frames it.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements [http.Handler].
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	p.router.ServeHTTP(w, r)
}
