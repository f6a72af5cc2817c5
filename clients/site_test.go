package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/api"
	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// missing skips, or fails where everything must be run.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CARREL_REQUIRE") == "1" {
		t.Fatal(why)
	}
	t.Skip("not run: " + why)
}

// browser starts a browser. patience bounds the whole test on a busy machine.
func browser(t *testing.T) context.Context {
	t.Helper()
	const patience = 4 * time.Minute
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		missing(t, "there is no Chromium or Chrome on the PATH")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 1000),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"))
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// cost is what the widgets asked and what that took the server.
type cost struct {
	calls, requests, passes  int
	mostRequests, mostPasses int // of one call
}

// traffic counts the cost since it was last taken.
type traffic struct {
	mu sync.Mutex
	cost
}

func (c *traffic) take() cost {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.cost
	c.cost = cost{}
	return t
}

func (c *traffic) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v2/instantsearch" {
			next.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var requests []json.RawMessage
		_ = json.Unmarshal(body, &requests)
		next.ServeHTTP(w, r)
		passes, _ := strconv.Atoi(w.Header().Get("Carrel-Search-Passes"))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls++
		c.requests += len(requests)
		c.passes += passes
		c.mostRequests, c.mostPasses = max(c.mostRequests, len(requests)), max(c.mostPasses, passes)
	})
}

// serve runs a server over the demo catalog that lets pages of an origin in, and returns its address.
func serve(t *testing.T, origin string, c *traffic) string {
	t.Helper()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	var err error
	must := func(what string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	courses, err := catalog.Open(catalog.Config{Path: filepath.Join(dir, "log.db"), Logger: quiet})
	must("catalog")
	t.Cleanup(func() { _ = courses.Close() })
	index, err := search.Open(search.Config{Dir: filepath.Join(dir, "search"), Catalog: courses, Logger: quiet})
	must("search")
	t.Cleanup(func() { _ = index.Close() })
	local, err := bolt.Open(filepath.Join(dir, "local.db"), 0o600, &bolt.Options{NoSync: true})
	must("local.db")
	t.Cleanup(func() { _ = local.Close() })
	keys, err := identity.OpenKeyring(filepath.Join(dir, "secrets"), nil)
	must("keys")
	texts, err := locales.Load("")
	must("texts")
	_, err = ingest.Run(t.Context(), courses, ingest.Demo(), ingest.Options{Actor: catalog.System, Detect: analysis.Detect, Logger: quiet})
	must("demo catalog")
	err = courses.FlushStats(t.Context())
	must("stats")
	err = coursesync.CatchUp(t.Context(), courses.Log(), index)
	must("index")
	front, err := api.New(api.Config{Catalog: courses, Search: index, Keys: keys, Local: local, Texts: texts, Logger: quiet, CORSOrigins: []string{origin}})
	must("api")
	front.SetReady(true)
	server := httptest.NewServer(c.count(front))
	t.Cleanup(server.Close)
	return server.URL
}

// page serves the page of docs/instantsearch.md, with InstantSearch from node_modules, at an address of its own.
func page(t *testing.T, c *traffic) (site, server string) {
	t.Helper()
	script := os.Getenv("CARREL_INSTANTSEARCH")
	if script == "" {
		missing(t, "CARREL_INSTANTSEARCH does not name instantsearch.production.min.js: run this by make test, with Node 20 or newer")
	}
	widgets, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/instantsearch.md")
	if err != nil {
		t.Fatal(err)
	}
	_, html, _ := strings.Cut(string(doc), "```html\n")
	html, _, _ = strings.Cut(html, "```")
	const there, library = "https://courses.example.org", "https://cdn.jsdelivr.net/npm/instantsearch.js@4/dist/instantsearch.production.min.js"
	if !strings.Contains(html, there) || !strings.Contains(html, library) {
		t.Fatal("docs/instantsearch.md holds no page with the two addresses that this test replaces")
	}
	files := http.NewServeMux()
	files.HandleFunc("/widgets.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(widgets)
	})
	files.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, strings.NewReplacer(there, server, library, "/widgets.js").Replace(html))
	})
	pages := httptest.NewServer(files)
	t.Cleanup(pages.Close)
	server = serve(t, pages.URL, c)
	return pages.URL, server
}
