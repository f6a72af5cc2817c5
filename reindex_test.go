package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// filledFolder is a data folder with a catalog and its index.
func filledFolder(t *testing.T, courses int) string {
	t.Helper()
	dir := t.TempDir()
	c, err := catalog.Open(catalog.Config{Path: folder(dir).log(), Secrets: folder(dir).secrets()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := searchtest.Fill(t.Context(), c, searchtest.Options{Courses: courses, Seed: 4, Words: 30}); err != nil {
		t.Fatal(err)
	}
	index, err := search.Open(search.Config{Dir: folder(dir).index(), Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if err := coursesync.CatchUp(t.Context(), c.Log(), index); err != nil {
		t.Fatal(err)
	}
	return dir
}

// askReindex asks a server to rebuild its index.
func askReindex(ctx context.Context, server, token string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/v2/search/reindex", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// liveName is the index that a folder serves.
func liveName(dir string) string {
	name, _ := os.ReadFile(filepath.Join(folder(dir).index(), "live"))
	return strings.TrimSpace(string(name))
}

// indexes are those that a folder holds, whatever they are.
func indexes(dir string) []string {
	names, _ := filepath.Glob(filepath.Join(folder(dir).index(), "index-*"))
	return names
}

// moments are when a server is killed: at any time, soon after a build began, and as soon as the new index is named.
var moments = []func(dir, live string){
	func(string, string) { <-time.After(rand.N(2 * time.Second)) },
	func(dir, _ string) {
		until(func() bool { return len(indexes(dir)) > 1 })
		<-time.After(rand.N(50 * time.Millisecond))
	},
	func(dir, live string) { until(func() bool { return liveName(dir) != live }) },
}

// until looks again and again, for at most a minute.
func until(happened func() bool) {
	for end := time.Now().Add(time.Minute); !happened() && time.Now().Before(end); {
		<-time.After(100 * time.Microsecond)
	}
}

// Show 6: a server that is killed while it rebuilds its index, also in the middle of the swap, finds an index that works at its next start: at once,
// without building one, with every write that it acknowledged, and with nothing left of what was under way.
func TestKillDuringReindex(t *testing.T) {
	rounds := 12
	if os.Getenv("CARREL_SOAK") != "" {
		rounds = 60
	}
	dir := filledFolder(t, 200)
	token := adminToken(t, dir)
	w := &writers{acknowledged: map[string]int{}, tried: map[string]int{}}
	swapped, unfinished := 0, 0
	for round := range rounds {
		live := liveName(dir)
		server := startServer(t, dir)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.run(ctx, server.url, token, 1) })
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := askReindex(ctx, server.url, token); err != nil {
					return
				}
				<-time.After(5 * time.Millisecond)
			}
		})
		moments[round%len(moments)](dir, live)
		server.kill()
		stop()
		wg.Wait()
		if liveName(dir) != live {
			swapped++
		}
		if len(indexes(dir)) > 1 {
			unfinished++
		}
		checkIndex(t, dir, w)
	}
	t.Logf("%d kills: after %d a new index was there, %d left one that was not removed yet", rounds, swapped, unfinished)
	if swapped == 0 || unfinished == 0 {
		t.Error("no kill came when it mattered")
	}
	compareWithRebuilt(t, dir)
}

// checkIndex opens what a kill left.
func checkIndex(t *testing.T, dir string, w *writers) {
	t.Helper()
	w.check(t, dir)
	c, err := catalog.Open(catalog.Config{Path: folder(dir).log(), Secrets: folder(dir).secrets()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	index, err := search.Open(search.Config{Dir: folder(dir).index(), Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if err := index.Ready(); err != nil {
		t.Fatalf("the index that the kill left does not work: %v", err)
	}
	if left := indexes(dir); len(left) != 1 || filepath.Base(left[0]) != liveName(dir) {
		t.Errorf("the start left %q, %q is served", left, liveName(dir))
	}
	if err := coursesync.CatchUp(t.Context(), c.Log(), index); err != nil {
		t.Fatal(err)
	}
	for id, version := range w.acknowledged {
		r, err := index.Search(t.Context(), search.Request{Q: fmt.Sprintf(`"course %s version"`, id), Limit: 100})
		if err != nil || r.Total != 1 || string(r.Hits[0].ID) != id {
			t.Errorf("%s, of which version %d was acknowledged, is not found: %+v, %v", id, version, r, err)
		}
	}
}

// load is what several clients ask a server, and how it went.
type load struct {
	client   *http.Client
	url      string
	requests []string

	mu     sync.Mutex
	took   []time.Duration
	failed map[string]int
}

// searches are requests as pages and widgets send them.
func searches(o searchtest.Options) []string {
	words := searchtest.CommonWords(catalog.English, o)
	var list []string
	for i := range 200 {
		q := url.Values{"q": {words[i%len(words)]}, "facets": {"tags,category,level,language,provider,rating"}}
		switch i % 5 {
		case 1:
			q.Set("q", words[i%len(words)]+" "+words[(i*7)%len(words)])
		case 2:
			q.Set("q", words[i%len(words)][:2])
		case 3:
			q.Set("min_rating", "4")
		case 4:
			list = append(list, "/v2/suggest?q="+url.QueryEscape(words[i%len(words)][:3]))
			continue
		}
		list = append(list, "/v2/search?"+q.Encode())
	}
	return list
}

// run asks until it is told that there was enough.
func (l *load) run(ctx context.Context, clients int, enough func(asked int) bool) {
	l.took, l.failed = nil, map[string]int{}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for i := n; !l.done(enough); i += clients {
				begun := time.Now()
				outcome := l.ask(ctx, l.requests[i*13%len(l.requests)])
				l.mu.Lock()
				l.took = append(l.took, time.Since(begun))
				if outcome != "" {
					l.failed[outcome]++
				}
				l.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func (l *load) done(enough func(asked int) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return enough(len(l.took))
}

// ask sends one request and returns what went wrong.
func (l *load) ask(ctx context.Context, path string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+path, nil)
	if err != nil {
		return err.Error()
	}
	answer, err := l.client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err.Error()
	case answer.StatusCode != http.StatusOK:
		return answer.Status
	case !json.Valid(text):
		return "no JSON"
	}
	return ""
}

func (l *load) percentiles() string {
	slices.Sort(l.took)
	at := func(part float64) time.Duration {
		return l.took[int(part*float64(len(l.took)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p95 %v, p99 %v, slowest %v of %d", at(.5), at(.95), at(.99), at(1), len(l.took))
}

// Show 6: while the index is rebuilt again and again, and courses are written, no search fails. How much slower they are is printed. There are as many
// clients as processors: all of those are busy, and nobody has to be turned away, as happens where more is asked than can be answered.
func TestReindexUnderLoad(t *testing.T) {
	courses, requests := 300, 1_000
	if os.Getenv("CARREL_SOAK") != "" {
		courses, requests = 20_000, 20_000
	}
	clients := runtime.GOMAXPROCS(0)
	t.Setenv("CARREL_RATE_LIMIT", "-1")
	dir := filledFolder(t, courses)
	token := adminToken(t, dir)
	server := startServer(t, dir)
	defer server.kill()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &writers{acknowledged: map[string]int{}, tried: map[string]int{}}
	l := &load{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}, url: server.url, requests: searches(searchtest.Options{Courses: courses, Seed: 4, Words: 30})}
	var writing sync.WaitGroup
	writing.Go(func() { w.run(ctx, server.url, token, 1) })
	l.run(ctx, clients, func(asked int) bool { return asked >= requests/2 })
	l.report(t, "before")
	begun := map[int]int{}
	rebuilding := make(chan struct{})
	go func() {
		defer close(rebuilding)
		for ctx.Err() == nil {
			status, err := askReindex(ctx, server.url, token)
			if err != nil {
				return
			}
			begun[status]++
			<-time.After(10 * time.Millisecond)
		}
	}()
	live := liveName(dir)
	l.run(ctx, clients, func(asked int) bool { return asked >= requests && liveName(dir) != live })
	l.report(t, "during")
	stop()
	<-rebuilding
	writing.Wait()
	t.Logf("%d rebuilds were begun", begun[http.StatusAccepted])
	if extra := slices.DeleteFunc(slices.Sorted(maps.Keys(begun)), func(s int) bool { return s == http.StatusAccepted || s == http.StatusConflict }); len(extra) > 0 {
		t.Errorf("rebuilds were refused: %v", begun)
	}
}

func (l *load) report(t *testing.T, when string) {
	t.Helper()
	t.Logf("%s: %s", when, l.percentiles())
	if diff := cmp.Diff(map[string]int{}, l.failed); diff != "" {
		t.Errorf("%s, requests failed: %s", when, diff)
	}
}

// A server that finds the index of another version serves from it at once, and replaces it by itself; the command asks it for one more.
func TestUpgradeServes(t *testing.T) {
	dir := filledFolder(t, 100)
	live := liveName(dir)
	version := filepath.Join(folder(dir).index(), live, "version")
	text, err := os.ReadFile(version)
	if err != nil {
		t.Fatal(err)
	}
	format, _, _ := strings.Cut(string(text), ",")
	if err := os.WriteFile(version, []byte(format+", mapping 0, analysis 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CARREL_RATE_LIMIT", "-1")
	token := adminToken(t, dir)
	server := startServer(t, dir)
	defer server.kill()
	l := &load{client: http.DefaultClient, url: server.url, requests: []string{"/v2/search?q=a&limit=1"}}
	replaced := false
	l.run(t.Context(), 1, func(asked int) bool {
		if !replaced && asked%10 == 0 {
			replaced = strings.Contains(get(t, server.url+"/readyz"), `"search":"ready","reindex":"done"`)
		}
		return replaced && asked >= 10 || asked >= 100_000
	})
	l.report(t, "during the upgrade")
	if liveName(dir) == live {
		t.Error("it was not replaced")
	}
	out, err := exec.CommandContext(t.Context(), "carrel", "reindex", "--server", server.url, "--token", token).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "rebuilt: 100 documents") {
		t.Errorf("carrel reindex --server: %v\n%s", err, out)
	}
	if outcome := l.ask(t.Context(), "/v2/search?q=a"); outcome != "" {
		t.Error(outcome)
	}
}

// get reads what a server says.
func get(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
