package clients_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/api"
	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/search"
)

// TestDatabases runs the client databases themselves, by the scripts in tests/offline, each against a server of its own.
func TestDatabases(t *testing.T) {
	node, err := exec.LookPath("node")
	if _, missed := os.Stat("../tests/node_modules/rxdb"); err != nil || missed != nil {
		missing(t, "WatermelonDB and RxDB are not installed in tests/node_modules: run this by make test, with Node 20 or newer")
	}
	const patience = 4 * time.Minute // on a busy machine
	for _, script := range []string{"watermelon", "rxdb"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			run := exec.CommandContext(ctx, node, "../tests/offline/"+script+".mjs")
			run.Env = append(os.Environ(), "CARREL_SERVER="+syncServer(t), "NODE_ENV=test")
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// syncServer runs a server with an empty catalog, and what only tests may do beside it; it returns its address.
func syncServer(t *testing.T) string {
	t.Helper()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	var passed atomic.Int64 // seconds
	now := func() time.Time { return time.Now().Add(time.Duration(passed.Load()) * time.Second) }
	var err error
	must := func(what string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	courses, err := catalog.Open(catalog.Config{Path: filepath.Join(dir, "log.db"), Secrets: filepath.Join(dir, "secrets"), Logger: quiet, Now: now})
	must("catalog")
	t.Cleanup(func() { _ = courses.Close() })
	index, err := search.Open(search.Config{Dir: filepath.Join(dir, "search"), Catalog: courses, Logger: quiet})
	must("search")
	t.Cleanup(func() { _ = index.Close() })
	local, err := bolt.Open(filepath.Join(dir, "local.db"), 0o600, &bolt.Options{NoSync: true})
	must("local.db")
	t.Cleanup(func() { _ = local.Close() })
	keys, err := identity.OpenKeyring(filepath.Join(dir, "secrets"), now)
	must("keys")
	texts, err := locales.Load("")
	must("texts")
	front, err := api.New(api.Config{Catalog: courses, Search: index, Keys: keys, Local: local, Texts: texts, Logger: quiet, Now: now, Limits: api.Limits{Rate: -1}})
	must("api")
	front.SetReady(true)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = front.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	mux := http.NewServeMux()
	mux.Handle("/", front)
	mux.HandleFunc("POST /test/later", func(http.ResponseWriter, *http.Request) { passed.Add(10) })
	mux.HandleFunc("POST /test/renew", func(w http.ResponseWriter, r *http.Request) {
		passed.Add(10)
		if err := courses.Log().Renew(r.Context(), 0); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /test/token", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		actor := catalog.Actor{Subject: catalog.LearnerID(q.Get("subject")), Org: catalog.OrgID(q.Get("org"))}
		if role := q.Get("role"); role != "" {
			actor.Roles = []catalog.Role{catalog.Role(role)}
		}
		token, err := keys.Sign(identity.Grant{Actor: actor, TTL: time.Hour})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.Copy(w, strings.NewReader(token))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
