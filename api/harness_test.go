package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/files"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// contract is openapi.yaml as kin-openapi reads it.
var contract struct {
	doc    *openapi3.T
	router routers.Router
}

func TestMain(m *testing.M) {
	if err := loadContract(); err != nil {
		slog.Error("openapi.yaml cannot be used", errAttr(err))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/blevesearch/bleve_index_api.AnalysisWorker")) // bleve keeps its workers
}

func loadContract() error {
	doc, err := openapi3.NewLoader().LoadFromData(openapiYAML)
	if err != nil {
		return err
	}
	if err := doc.Validate(context.Background()); err != nil {
		return err
	}
	doc.Servers = nil // whatever host the tests' server has
	contract.doc = doc
	for _, media := range []string{"text/html", "text/css", "text/javascript", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(media, func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			text, err := io.ReadAll(body)
			return string(text), err
		})
	}
	for media := range fileTypes {
		if openapi3filter.RegisteredBodyDecoder(media) == nil {
			openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
		}
	}
	openapi3filter.RegisterBodyDecoder("application/xhtml+xml", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("multipart/byteranges", openapi3filter.FileBodyDecoder)
	contract.router, err = legacy.NewRouter(doc)
	return err
}

// server is an API on a temporary data folder, whose every answer is held against openapi.yaml.
type server struct {
	*httptest.Server
	t       *testing.T
	api     *API
	catalog *catalog.Catalog
	index   *search.Index
	keys    *identity.Keyring
	insight *insight.Store
	files   *files.Store
	clock   *testClock
}

// testClock is a time that tests move.
type testClock struct {
	mu stdsync.Mutex
	t  time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var quiet = slog.New(slog.DiscardHandler)

// newServer starts a server; change may adjust its configuration.
func newServer(t *testing.T, change ...func(*Config)) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{t: t, clock: &testClock{t: time.Now().UTC().Truncate(time.Second)}}
	var err error
	must := func(what string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	s.catalog, err = catalog.Open(catalog.Config{Path: filepath.Join(dir, "log.db"), Logger: quiet, Now: s.clock.now})
	must("catalog")
	t.Cleanup(func() { _ = s.catalog.Close() })
	s.insight, err = insight.Open(insight.Config{Path: filepath.Join(dir, "insight.db"), Logger: quiet, Now: s.clock.now})
	must("insight")
	t.Cleanup(func() { _ = s.insight.Close() })
	s.index, err = search.Open(search.Config{Dir: filepath.Join(dir, "search"), Catalog: s.catalog, Past: s.insight, Logger: quiet, Now: s.clock.now})
	must("search")
	t.Cleanup(func() { _ = s.index.Close() })
	local, err := bolt.Open(filepath.Join(dir, "local.db"), 0o600, &bolt.Options{NoSync: true})
	must("local.db")
	t.Cleanup(func() { _ = local.Close() })
	s.keys, err = identity.OpenKeyring(filepath.Join(dir, "secrets"), s.clock.now)
	must("keys")
	sessions, err := identity.NewSessions(local, s.keys, s.clock.now)
	must("sessions")
	texts, err := locales.Load("")
	must("texts")
	jobs, err := ingest.NewJobs(ingest.JobsConfig{Catalog: s.catalog, Dir: filepath.Join(dir, "imports"), Logger: quiet})
	must("imports")
	pusher, err := push.Open(t.Context(), push.Config{Path: filepath.Join(dir, "push.db"), Catalog: s.catalog, Texts: texts, Sender: taker{}, Logger: quiet, Now: s.clock.now})
	must("push")
	t.Cleanup(func() { _ = pusher.Close() })
	held, err := files.Open(files.Config{Dir: filepath.Join(dir, "files"), Named: s.named, Logger: quiet, Now: s.clock.now})
	must("files")
	s.files = held
	cfg := Config{
		Push: pusher, Files: held, Catalog: s.catalog, Search: s.index, Keys: s.keys, Sessions: sessions, Local: local, Texts: texts, Imports: jobs, Insight: s.insight, Logger: quiet, Now: s.clock.now,
		Limits: Limits{Rate: -1},
	}
	for _, fn := range change {
		fn(&cfg)
	}
	s.api, err = New(cfg)
	must("api")
	s.api.SetReady(true)
	s.Server = httptest.NewServer(s.api)
	t.Cleanup(s.Close)
	s.run(func(ctx context.Context) error { return coursesync.Follow(ctx, s.catalog.Log(), s.index, nil) })
	s.run(jobs.Run)
	s.run(s.api.Run)
	return s
}

// taker is a push service that takes everything.
type taker struct{}

func (taker) Send(_ context.Context, messages []push.Message) []push.Outcome {
	outcomes := make([]push.Outcome, len(messages))
	for i := range outcomes {
		outcomes[i].Reason = push.Sent
	}
	return outcomes
}

// named tells which files courses name.
func (s *server) named(ctx context.Context) (map[files.Sum]bool, error) {
	sums := map[files.Sum]bool{}
	for a, err := range s.catalog.HeldAssets(ctx) {
		if err != nil {
			return nil, err
		}
		sum, _ := files.ParseSum(a.SHA256)
		sums[sum] = true
	}
	return sums, nil
}

// run runs something until the test ends.
func (s *server) run(fn func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = fn(ctx)
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

// token signs a bearer token.
func (s *server) token(a catalog.Actor) string {
	s.t.Helper()
	token, err := s.keys.Sign(identity.Grant{Actor: a, TTL: 24 * time.Hour})
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

var (
	editor     = catalog.Actor{Subject: "ed", Name: "Ed", Roles: []catalog.Role{catalog.RoleEditor}}
	admin      = catalog.Actor{Subject: "adm", Roles: []catalog.Role{catalog.RoleAdmin}}
	acmeAdmin  = catalog.Actor{Subject: "acadm", Roles: []catalog.Role{catalog.RoleAdmin}, Org: "acme"}
	translator = catalog.Actor{Subject: "tr", Roles: []catalog.Role{catalog.RoleTranslator}}
	acme       = catalog.Actor{Subject: "ac", Roles: []catalog.Role{catalog.RoleEditor}, Org: "acme"}
	learner    = catalog.Actor{Subject: "lea", Name: "Léa"}
	nobody     = catalog.Actor{}
)

// ask is one request.
type ask struct {
	method, path string
	body         any // string and []byte go as they are, anything else as JSON
	as           catalog.Actor
	header       map[string]string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any // of a JSON object
	list   []any          // of a JSON array
}

// do sends a request and holds the exchange against openapi.yaml.
func (s *server) do(q ask) answer {
	s.t.Helper()
	body := encoded(s.t, q.body)
	req, err := http.NewRequest(q.method, s.URL+q.path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if !q.as.Anonymous() {
		req.Header.Set("Authorization", "Bearer "+s.token(q.as))
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	got := answer{status: res.StatusCode, header: res.Header}
	if got.body, err = io.ReadAll(res.Body); err != nil {
		s.t.Fatal(err)
	}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && q.method != http.MethodHead {
		var err error
		if bytes.HasPrefix(got.body, []byte("[")) {
			err = json.Unmarshal(got.body, &got.list)
		} else {
			err = json.Unmarshal(got.body, &got.json)
		}
		if err != nil {
			s.t.Errorf("%s %s: the answer is no JSON object or array: %v", q.method, q.path, err)
		}
	}
	checkExchange(s.t, req, body, got)
	return got
}

func encoded(t *testing.T, body any) []byte {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return []byte(b)
	case []byte:
		return b
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkExchange validates an answer, and the request too when the server took it.
func checkExchange(t *testing.T, req *http.Request, body []byte, got answer) {
	t.Helper()
	if req.Method == http.MethodHead || req.Method == http.MethodOptions {
		return
	}
	req = req.Clone(context.Background())
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.URL.Host, req.URL.Scheme, req.Host = "", "", ""
	rt, params, err := contract.router.FindRoute(req)
	if err != nil {
		if got.status < http.StatusBadRequest && isAPIPath(req.URL.Path) {
			t.Errorf("%s %s: answered %d, but openapi.yaml has no such operation", req.Method, req.URL.Path, got.status)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: rt,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if got.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			t.Errorf("%s %s: the request is not as openapi.yaml says: %v", req.Method, req.URL.Path, err)
		}
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body)),
	})
	if err != nil {
		t.Errorf("%s %s: the answer (%d) is not as openapi.yaml says: %v\n%.2000s", req.Method, req.URL.Path, got.status, err, got.body)
	}
}

// want sends a request and wants a status; of a problem it wants its code too ("404 not-found").
func (s *server) want(status string, q ask) answer {
	s.t.Helper()
	got := s.do(q)
	have := fmt.Sprint(got.status)
	if code, ok := got.json["code"].(string); ok && got.status >= http.StatusBadRequest {
		have += " " + code
	}
	if have != status {
		s.t.Errorf("%s %s: %s, want %s\n%.1000s", q.method, q.path, have, status, got.body)
	}
	return got
}

// items are the items of a list.
func (a answer) items() []map[string]any {
	var out []map[string]any
	list, _ := a.json["items"].([]any)
	for _, item := range list {
		object, _ := item.(map[string]any)
		out = append(out, object)
	}
	return out
}

func (a answer) text(name string) string {
	s, _ := a.json[name].(string)
	return s
}

// m is a JSON object.
type m = map[string]any
