package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// child is a server in a process of its own.
type child struct {
	cmd *exec.Cmd
	url string
}

// startServer starts carrel serve on a folder, with more in its environment, and waits for its ready line.
func startServer(t *testing.T, dir string, env ...string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "carrel", "serve", "--addr", "127.0.0.1:0", "--data", dir, "--log-level", "error")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("the server did not start: %v\n%s", err, log.String())
	}
	_, url, _ := strings.Cut(strings.TrimSpace(line), "ready at ")
	return &child{cmd, url}
}

// kill ends the process as a power cut would.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func adminToken(t *testing.T, dir string) string {
	t.Helper()
	return tokenOf(t, dir, catalog.Actor{Subject: "root", Roles: []catalog.Role{catalog.RoleAdmin}})
}

func tokenOf(t *testing.T, dir string, actor catalog.Actor) string {
	t.Helper()
	keys, err := identity.OpenKeyring(folder(dir).secrets(), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := keys.Sign(identity.Grant{Actor: actor, TTL: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// writers put courses, one writer an id, and remember the last title that the server acknowledged and the one that was under way.
type writers struct {
	mu           sync.Mutex
	acknowledged map[string]int
	tried        map[string]int
}

func (w *writers) run(ctx context.Context, url, token string, n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprintf("W%d", i)
			for ctx.Err() == nil {
				w.mu.Lock()
				w.tried[id]++
				version := w.tried[id]
				w.mu.Unlock()
				if !put(ctx, url, token, id, version) {
					return
				}
				w.mu.Lock()
				w.acknowledged[id] = version
				w.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func put(ctx context.Context, url, token, id string, version int) bool {
	body := fmt.Sprintf(`{"title":"course %s version %d","language":"en","tags":[],"summary":"written while the power fails"}`, id, version)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url+"/v2/courses/"+id, strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusCreated
}

// upload sends an import of many rows; how far it gets is the kill's business.
func upload(ctx context.Context, url, token string, round int) {
	var csv strings.Builder
	csv.WriteString("id,title,tags,level\n")
	for i := range 3_000 {
		fmt.Fprintf(&csv, "I%d,imported in round %d,crash|round-%d,beginner\n", i, round, round)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v2/imports?format=csv", strings.NewReader(csv.String()))
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "text/csv")
	if answer, err := http.DefaultClient.Do(req); err == nil {
		_ = answer.Body.Close()
	}
}

const (
	crashRounds     = 5
	crashRoundsSoak = 50
)

// TestCrash kills the server at random moments during an import and concurrent writes. After each kill the log is whole and every acknowledged write
// is there; at the end the search index answers as one built from scratch does.
func TestCrash(t *testing.T) {
	rounds := crashRounds
	if os.Getenv("CARREL_SOAK") != "" {
		rounds = crashRoundsSoak
	}
	dir := t.TempDir()
	token := adminToken(t, dir)
	w := &writers{acknowledged: map[string]int{}, tried: map[string]int{}}
	for round := range rounds {
		server := startServer(t, dir)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { upload(ctx, server.url, token, round) })
		wg.Go(func() { w.run(ctx, server.url, token, 4) })
		<-time.After(100*time.Millisecond + rand.N(900*time.Millisecond))
		server.kill()
		stop()
		wg.Wait()
		w.check(t, dir)
	}
	if len(w.acknowledged) == 0 {
		t.Fatal("no write was ever acknowledged: nothing was tested")
	}
	compareWithRebuilt(t, dir)
}

// check opens the folder that the kill left and looks for the acknowledged writes.
func (w *writers) check(t *testing.T, dir string) {
	t.Helper()
	c, err := catalog.Open(catalog.Config{Path: folder(dir).log(), Secrets: folder(dir).secrets()})
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	defer c.Close()
	for _, err := range c.Log().Read(t.Context(), 0) {
		if err != nil {
			t.Fatalf("the log is damaged: %v", err)
		}
	}
	err = c.View(t.Context(), func(v *catalog.View) error {
		for id, version := range w.acknowledged {
			s, ok, err := v.Course(catalog.CourseID(id))
			if err != nil {
				return err
			}
			var got int
			if ok {
				_, _ = fmt.Sscanf(s.Value.Title, "course "+id+" version %d", &got)
			}
			if got < version || got > w.tried[id] {
				t.Errorf("%s: version %d is there, %d was acknowledged, %d tried", id, got, version, w.tried[id])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compareWithRebuilt asks the index that lived through it all and a fresh one the same questions.
func compareWithRebuilt(t *testing.T, dir string) {
	t.Helper()
	c, err := catalog.Open(catalog.Config{Path: folder(dir).log(), Secrets: folder(dir).secrets()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lived := answers(t, c, folder(dir).index())
	rebuilt := answers(t, c, filepath.Join(t.TempDir(), "search"))
	if diff := cmp.Diff(rebuilt, lived); diff != "" {
		t.Errorf("the index differs from one built from scratch: %s", diff)
	}
}

func answers(t *testing.T, c *catalog.Catalog, dir string) []string {
	t.Helper()
	index, err := search.Open(search.Config{Dir: dir, Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if err := coursesync.CatchUp(t.Context(), c.Log(), index); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, q := range []string{"", "course", "imported", "version", "power fails", "round-1", "crash beginner"} {
		r, err := index.Search(t.Context(), search.Request{Q: q, Locale: catalog.English, Sort: "title", Facets: []string{"*"}, FacetLimit: 100, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(struct {
			Total  int
			Facets any
		}{r.Total, r.Facets})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, q+": "+string(text))
		for _, h := range r.Hits {
			out = append(out, fmt.Sprintf("%s %s", h.ID, h.Course.Title))
		}
	}
	return out
}

// TestSecondProcessIsRefused starts a second server on the same folder.
func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, dir)
	defer server.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0", "--data", dir}, {"search", "x", "--data", dir}} {
		out, err := exec.CommandContext(ctx, "carrel", args...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "--server") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// TestStopsCleanly ends a server by SIGTERM: status 0, and what was written is there.
func TestStopsCleanly(t *testing.T) {
	dir := t.TempDir()
	token := adminToken(t, dir)
	server := startServer(t, dir)
	if !put(t.Context(), server.url, token, "A1", 1) {
		t.Fatal("the write was refused")
	}
	if err := server.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.cmd.Wait(); err != nil {
		t.Fatalf("the server ended badly: %v", err)
	}
	w := &writers{acknowledged: map[string]int{"A1": 1}, tried: map[string]int{"A1": 1}}
	w.check(t, dir)
}
