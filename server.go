// Carrel is a course catalog service: one program, one data folder. This file holds the commands' table and the server: what it is made of,
// and in which order that starts and stops. The other commands are in commands.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/api"
	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/files"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/push/fcm"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/web"
)

// The exit statuses.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3 // done, but some rows were rejected
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := program{args: os.Args[1:], getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}
	status := p.run(ctx)
	stop()
	os.Exit(status)
}

// program is one call of carrel.
type program struct {
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
}

// errRejected says that an import is done, but some rows were rejected.
var errRejected = errors.New("some rows were rejected")

const usage = `usage: carrel COMMAND [flags]

  serve              run the server; --demo fills an empty data folder with the sample catalog
  import FILE…       bring courses in from CSV
  search QUERY       search the catalog
  token              make a bearer token or, with --link, a one-time link to sign in from a browser
  keys               list, rotate or remove the keys that sign tokens
  locales            check, stats or pseudo: for translators
  backup FILE        copy the changelog to FILE, of a running server too
  restore FILE       put a backup in the place of the changelog
  verify [FILE]      check a data folder, or a backup
  push test          send a test message to a device
  reindex            build the search index anew beside the one that serves, compare, and swap
  version            say which one this is

carrel COMMAND --help lists a command's flags.
`

// run runs the command and returns its exit status.
func (p program) run(ctx context.Context) int {
	commands := map[string]func(context.Context, []string) error{
		"serve": p.serve, "import": p.importFiles, "search": p.search, "token": p.token, "keys": p.keys, "locales": p.locales,
		"backup": p.backup, "restore": p.restore, "verify": p.verify, "push": p.push, "reindex": p.reindex, "version": p.version,
	}
	if len(p.args) == 0 || p.args[0] == "help" || p.args[0] == "--help" || p.args[0] == "-h" {
		p.say("%s", usage)
		if len(p.args) == 0 {
			return exitUsage
		}
		return exitDone
	}
	command, ok := commands[p.args[0]]
	if !ok {
		p.say("carrel: there is no command %q\n\n%s", p.args[0], usage)
		return exitUsage
	}
	err := command(ctx, p.args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errRejected):
		return exitRejected
	}
	p.say("carrel %s: %s\n", p.args[0], explain(err))
	return exitFailed
}

// say writes to stderr: stdout carries results only.
func (p program) say(format string, args ...any) { _, _ = fmt.Fprintf(p.stderr, format, args...) }

// explain tells an error to the person at the terminal: what is wrong, and what to do.
func explain(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err.Error()
	}
	message := strings.ReplaceAll(string(f.Code), "-", " ")
	if texts, err := locales.Load(""); err == nil {
		english := texts.Printer(locales.English)
		message = english.Text("problem."+string(f.Code)+".title", nil)
		if args := maps.Clone(f.Args); len(args) > 0 && f.Fix == "" {
			if reason, ok := args["reason"].(fault.Code); ok {
				args["reason"] = english.Text("field."+string(reason), f.Args)
			}
			message += ": " + english.Text("problem."+string(f.Code)+".detail", args)
		}
	}
	for _, field := range f.Fields {
		message += fmt.Sprintf("\n  %s: %s", field.Pointer, field.Detail)
	}
	if f.Fix != "" {
		message += ": " + f.Fix
	}
	if f.Code.Kind() == fault.KindInternal && f.Err != nil {
		message += ": " + f.Err.Error()
	}
	return message
}

// The data folder.
type folder string

func (f folder) log() string     { return filepath.Join(string(f), "carrel.db") }  // the changelog: all that matters
func (f folder) local() string   { return filepath.Join(string(f), "local.db") }   // sessions, idempotency keys
func (f folder) index() string   { return filepath.Join(string(f), "search") }     // a cache
func (f folder) insight() string { return filepath.Join(string(f), "insight.db") } // what was searched for: statistics
func (f folder) push() string    { return filepath.Join(string(f), "push.db") }    // what waits to be sent
func (f folder) imports() string { return filepath.Join(string(f), "imports") }    // uploads and their errors
func (f folder) files() string   { return filepath.Join(string(f), "files") }      // of courses, under their hashes
func (f folder) secrets() string { return filepath.Join(string(f), "secrets") }    // keys, revoked tokens, the erased

const (
	// startGrace is how long the ready line waits for the search index: longer, and search answers 503 meanwhile.
	startGrace = 5 * time.Second
	// drainTime is how long requests under way may take when the server stops.
	drainTime = 10 * time.Second
	// readHeaderTime, readTime and idleTime cut slow and silent clients off; answers are bounded by their handlers.
	readHeaderTime = 10 * time.Second
	readTime       = 5 * time.Minute // an import of 256 MB over a slow line
	idleTime       = 2 * time.Minute
	maxHeader      = 256 << 10 // bytes of request headers; much more than is good, so that a query of 64 kB is told what is wrong with it
)

// standInProject is the project's id where only an endpoint is given: what stands in for Google needs none.
const standInProject = "carrel"

// burst is how many seconds' worth of requests a caller may send at once.
const burst = 5

// options are the flags of serve.
type options struct {
	addr, data, locales, publicURL, cors, proxies string
	demo                                          bool
	logLevel                                      string
	rate                                          float64
	fcmProject, fcmEndpoint                       string
	maxFile                                       int64
}

func (p program) serve(ctx context.Context, args []string) error {
	f := newFlags("serve", "[flags]", p.getenv, p.stderr)
	var o options
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`ADDRESS` to listen on; port 0 picks a free one")
	f.fromEnv("addr")
	f.StringVar(&o.data, "data", "./data", "data `FOLDER`")
	f.fromEnv("data")
	f.BoolVar(&o.demo, "demo", false, "fill an empty data folder with the sample catalog; on a loopback address, offer to sign in as a sample person")
	f.fromEnv("demo")
	f.StringVar(&o.locales, "locales", "", "`FOLDER` with message files that override the built-in texts")
	f.fromEnv("locales")
	f.StringVar(&o.publicURL, "public-url", "", "`URL` under which the outside reaches this server; https makes cookies secure")
	f.fromEnv("public-url")
	f.StringVar(&o.cors, "cors-origins", "", "`ORIGINS`, separated by commas, whose pages may call the API")
	f.fromEnv("cors-origins")
	f.StringVar(&o.proxies, "trusted-proxies", "", "`NETWORKS`, separated by commas, of proxies whose X-Forwarded-For counts, for example 127.0.0.1/32")
	f.fromEnv("trusted-proxies")
	f.Float64Var(&o.rate, "rate-limit", 0, "`REQUESTS` a second that one caller may keep up, bursts of five times as many; 0 is the default of 200, negative no limit")
	f.fromEnv("rate-limit")
	f.StringVar(&o.fcmProject, "fcm-project", "", "`ID` of the Firebase project through which devices get messages; GOOGLE_APPLICATION_CREDENTIALS names its service account")
	f.fromEnv("fcm-project")
	f.StringVar(&o.fcmEndpoint, "fcm-endpoint", "", "base `URL` to send messages to instead of Google's, without credentials")
	f.fromEnv("fcm-endpoint")
	f.Int64Var(&o.maxFile, "max-file-mb", 0, "`MEGABYTES` that a file of a course may have; 0 is the default of 2048, at most 16384")
	f.fromEnv("max-file-mb")
	f.StringVar(&o.logLevel, "log-level", "info", "`LEVEL`: debug, info, warn or error")
	f.fromEnv("log-level")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return f.wrong("unexpected argument %q", rest[0])
	}
	if o.maxFile < 0 || o.maxFile > catalog.MaxAssetSize>>20 {
		return f.wrong("--max-file-mb: from 0 to %d", int64(catalog.MaxAssetSize>>20))
	}
	if err := f.base("fcm-endpoint", o.fcmEndpoint); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return f.wrong("--log-level: %v", err)
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level})))
	s, err := newServer(o)
	if err != nil {
		return err
	}
	return errors.Join(s.run(ctx, p.stdout), s.close())
}

// server is everything that runs, in the order in which it starts.
type server struct {
	opt      options
	catalog  *catalog.Catalog
	local    *bolt.DB
	keys     *identity.Keyring
	sessions *identity.Sessions
	texts    *locales.Bundle
	insight  *insight.Store
	search   *search.Index
	indexing coursesync.Progress
	imports  *ingest.Jobs
	push     *push.Push
	pushing  coursesync.Progress
	saved    savedSearches
	registry *prometheus.Registry
	files    *files.Store
	api      *api.API
}

// newServer opens the data folder and builds the parts. Nothing runs yet.
func newServer(o options) (s *server, err error) {
	s = &server{opt: o, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	data := folder(o.data)
	if s.texts, err = locales.Load(o.locales); err != nil {
		return s, err
	}
	if s.catalog, err = catalog.Open(catalog.Config{Path: data.log(), Secrets: data.secrets()}); err != nil {
		return s, err
	}
	if s.local, err = openLocal(context.Background(), data, s.catalog.Log()); err != nil {
		return s, err
	}
	if s.keys, err = identity.OpenKeyring(data.secrets(), nil); err != nil {
		return s, err
	}
	if s.sessions, err = identity.NewSessions(s.local, s.keys, nil); err != nil {
		return s, err
	}
	if s.insight, err = insight.Open(insight.Config{Path: data.insight()}); err != nil {
		return s, err
	}
	if s.search, err = search.Open(search.Config{Dir: data.index(), Catalog: s.catalog, Past: s.insight}); err != nil {
		return s, err
	}
	if s.imports, err = ingest.NewJobs(ingest.JobsConfig{Catalog: s.catalog, Dir: data.imports(), Detect: analysis.Detect}); err != nil {
		return s, err
	}
	if s.push, err = s.openPush(context.Background()); err != nil {
		return s, err
	}
	if s.files, err = files.Open(files.Config{Dir: data.files(), Named: named(s.catalog)}); err != nil {
		return s, err
	}
	return s, s.front()
}

// openPush opens the outbox. Without a project nothing is sent, and inboxes are filled nevertheless.
func (s *server) openPush(ctx context.Context) (*push.Push, error) {
	var sender push.Sender
	if project := s.opt.fcmProject; project != "" || s.opt.fcmEndpoint != "" {
		if project == "" {
			project = standInProject
		}
		var err error
		if sender, err = fcm.New(ctx, project, s.opt.fcmEndpoint); err != nil {
			return nil, err
		}
	}
	s.saved = newSavedSearches(s.catalog, s.search)
	return push.Open(ctx, push.Config{
		Path: folder(s.opt.data).push(), Catalog: s.catalog, Texts: s.texts, Matcher: s.saved, Sender: sender,
		AsOf: func(seq coursesync.Seq) string { return s.api.AsOf(seq) }, PublicURL: s.opt.publicURL, Registry: s.registry,
	})
}

// front builds what speaks HTTP.
func (s *server) front() error {
	pages, err := web.New(web.Config{
		Catalog: s.catalog, Search: s.search, Sessions: s.sessions, Keys: s.keys, Texts: s.texts, Demo: s.opt.demo, PublicURL: s.opt.publicURL,
		Insight: s.insight, Push: s.push, Address: func(r *http.Request) string { return s.api.Address(r) },
	})
	if err != nil {
		return err
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &gauges{s})
	var proxies []netip.Prefix
	for _, text := range items(s.opt.proxies) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("--trusted-proxies: %w", err)
		}
		proxies = append(proxies, prefix)
	}
	s.api, err = api.New(api.Config{
		Catalog: s.catalog, Search: s.search, Keys: s.keys, Sessions: s.sessions, Local: s.local, Texts: s.texts, Imports: s.imports, Insight: s.insight,
		Push: s.push, Files: s.files, Web: pages, CORSOrigins: items(s.opt.cors), TrustedProxies: proxies, Registry: s.registry,
		Limits: api.Limits{Rate: s.opt.rate, Burst: int(burst * max(s.opt.rate, 0)), File: s.opt.maxFile << 20},
	})
	return err
}

// items splits a list at its commas; an empty one has none.
func items(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
}

// run serves until ctx ends. Start: demo catalog, listener, followers, ready. Stop: readiness off, requests drained, stats flushed, followers parked, and with the files the last
// searches counted.
func (s *server) run(ctx context.Context, stdout io.Writer) error {
	if s.opt.demo {
		if err := s.loadDemo(ctx); err != nil {
			return err
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.opt.addr)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --addr", err)
	}
	web := &http.Server{Handler: s.api, ReadHeaderTimeout: readHeaderTime, ReadTimeout: readTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader}
	web.RegisterOnShutdown(s.api.Drain)
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	g, failed := errgroup.WithContext(work)
	g.Go(func() error { return ended(s.catalog.Run(failed)) })
	g.Go(func() error { return ended(coursesync.Follow(failed, s.catalog.Log(), s.search, &s.indexing)) })
	g.Go(func() error { return ended(s.search.Run(failed)) })
	g.Go(func() error { return ended(coursesync.Follow(failed, s.catalog.Log(), s.push, &s.pushing)) })
	g.Go(func() error { return ended(s.push.Run(failed)) })
	g.Go(func() error { return ended(s.imports.Run(failed)) })
	g.Go(func() error { return ended(s.files.Run(failed)) })
	g.Go(func() error { return ended(s.sessions.Run(failed)) })
	g.Go(func() error { return ended(s.insight.Run(failed)) })
	g.Go(func() error { return ended(s.api.Run(failed)) })
	g.Go(func() error {
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		s.awaitIndex(failed)
		s.api.SetReady(true)
		_, err := fmt.Fprintf(stdout, "carrel is ready at http://%s\n", listener.Addr())
		s.saved.prepare(failed)
		return err
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-failed.Done():
		}
		s.api.SetReady(false)
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		err := web.Shutdown(draining)
		stopWork()
		return err
	})
	return g.Wait()
}

// ended makes the end that was asked for no error.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// awaitIndex waits until search is there, but no longer than startGrace.
func (s *server) awaitIndex(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startGrace)
	defer cancel()
	head, err := s.catalog.Log().Head(ctx)
	if err == nil {
		err = s.search.WaitFor(ctx, head)
	}
	if err != nil {
		slog.InfoContext(ctx, "the search index is still being built; search answers 503 until it is there")
	}
}

// loadDemo fills an empty catalog. The synonyms come first: what is broken off before there is a course begins anew.
func (s *server) loadDemo(ctx context.Context) error {
	for _, err := range s.catalog.Courses(ctx) {
		return err // there is one already
	}
	if _, err := s.catalog.Update(ctx, catalog.System, ingest.PutDemoSynonyms); err != nil {
		return err
	}
	report, err := ingest.Run(ctx, s.catalog, ingest.Demo(), ingest.Options{Actor: catalog.System, Detect: analysis.Detect})
	if err != nil {
		return err
	}
	if n := len(report.Errors); n > 0 {
		return fmt.Errorf("the sample catalog has %d bad rows, the first: %+v", n, report.Errors[0])
	}
	return s.catalog.FlushStats(ctx)
}

// close closes what was opened, the last first. Parts that are missing were never opened.
func (s *server) close() error {
	var errs []error
	if s.push != nil {
		errs = append(errs, s.push.Close())
	}
	if s.search != nil {
		errs = append(errs, s.search.Close())
	}
	if s.insight != nil {
		errs = append(errs, s.insight.Close())
	}
	if s.local != nil {
		errs = append(errs, s.local.Close())
	}
	if s.catalog != nil {
		errs = append(errs, s.catalog.Close())
	}
	return errors.Join(errs...)
}

// gauges tells Prometheus how the parts are.
type gauges struct{ s *server }

var (
	descLag    = prometheus.NewDesc("carrel_follower_lag", "How many Seqs a follower trails the changelog: no less than the changes it has not seen.", []string{"follower"}, nil)
	descResets = prometheus.NewDesc("carrel_follower_resets_total", "How often a follower started over.", []string{"follower"}, nil)
	descLog    = prometheus.NewDesc("carrel_log_bytes", "Size of the changelog's file.", nil, nil)
	descIndex  = prometheus.NewDesc("carrel_index_bytes", "Size of the search index on disk.", nil, nil)
	descAsked  = prometheus.NewDesc("carrel_insight_bytes", "Size of the file of search statistics.", nil, nil)
	descNoted  = prometheus.NewDesc("carrel_insight_records_total", "Searches, clicks and enrollments, by what became of them in the statistics.", []string{"outcome"}, nil)
	descFiles  = prometheus.NewDesc("carrel_files_bytes", "Size of the files of courses when unused ones were last looked for, by whether a course has them.", []string{"state"}, nil)
	descOld    = prometheus.NewDesc("carrel_index_outdated", "1 while an index serves that another version of the program wrote.", nil, nil)
	descQueued = prometheus.NewDesc("carrel_push_queued", "Messages that wait to be sent.", nil, nil)
	descOldest = prometheus.NewDesc("carrel_push_oldest_seconds", "For how long what waits longest should have been told or sent; 0 when nothing is late.", nil, nil)
	descDead   = prometheus.NewDesc("carrel_push_dead_letters", "Messages that will not be sent, of those that are kept.", nil, nil)
	descBuild  = prometheus.NewDesc("carrel_reindex_state", "1 for the state of the last rebuild of the search index.", []string{"state"}, nil)
)

// Describe lists the metrics, for Prometheus.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, ch) }

// Collect measures, for Prometheus.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	state := g.s.indexing.State()
	head, err := g.s.catalog.Log().Head(context.Background())
	if err != nil {
		head = state.Head
	}
	for name, state := range map[string]coursesync.ProgressState{"search": state, "push": g.s.pushing.State()} {
		ch <- prometheus.MustNewConstMetric(descLag, prometheus.GaugeValue, float64(head-min(head, state.Cursor)), name)
		ch <- prometheus.MustNewConstMetric(descResets, prometheus.CounterValue, float64(state.Resets), name)
	}
	g.collectPush(ch)
	ch <- prometheus.MustNewConstMetric(descLog, prometheus.GaugeValue, float64(sizeOf(folder(g.s.opt.data).log())))
	ch <- prometheus.MustNewConstMetric(descIndex, prometheus.GaugeValue, float64(sizeOf(folder(g.s.opt.data).index())))
	asked := g.s.insight.Stats()
	ch <- prometheus.MustNewConstMetric(descAsked, prometheus.GaugeValue, float64(asked.FileBytes))
	for outcome, n := range map[string]uint64{
		"written": asked.Written, "dropped": asked.Dropped, "refused": asked.Refused, "merged": asked.Merged, "unmatched": asked.Unmatched, "without_text": asked.Private,
	} {
		ch <- prometheus.MustNewConstMetric(descNoted, prometheus.CounterValue, float64(n), outcome)
	}
	kept := g.s.files.Usage()
	ch <- prometheus.MustNewConstMetric(descFiles, prometheus.GaugeValue, float64(kept.FilesBytes), "used")
	ch <- prometheus.MustNewConstMetric(descFiles, prometheus.GaugeValue, float64(kept.UnusedBytes), "unused")
	ch <- prometheus.MustNewConstMetric(descOld, prometheus.GaugeValue, flag01(g.s.search.Outdated()))
	at := g.s.search.ReindexStatus().State
	for _, one := range search.ReindexStates() {
		ch <- prometheus.MustNewConstMetric(descBuild, prometheus.GaugeValue, flag01(one == at), string(one))
	}
}

// collectPush measures the outbox.
func (g *gauges) collectPush(ch chan<- prometheus.Metric) {
	status, err := g.s.push.Status(0, 0)
	if err != nil {
		return // it is closed: the process is stopping
	}
	oldest := 0.0
	if !status.Oldest.IsZero() {
		oldest = time.Since(status.Oldest).Seconds()
	}
	ch <- prometheus.MustNewConstMetric(descQueued, prometheus.GaugeValue, float64(status.Queued))
	ch <- prometheus.MustNewConstMetric(descOldest, prometheus.GaugeValue, oldest)
	ch <- prometheus.MustNewConstMetric(descDead, prometheus.GaugeValue, float64(status.DeadCount))
}

func flag01(set bool) float64 {
	if set {
		return 1
	}
	return 0
}

// sizeOf adds up the files of a folder, or gives the size of a file.
func sizeOf(path string) int64 {
	var total int64
	_ = filepath.WalkDir(path, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that a merge has just removed
		}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			total += info.Size()
		}
		return nil
	})
	return total
}
