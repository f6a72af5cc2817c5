package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// journal gathers what is logged.
type journal struct {
	mu   stdsync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestMyDevices: registered, taken over and removed; the token goes in and never comes out.
func TestMyDevices(t *testing.T) {
	t.Parallel()
	log := &journal{}
	s := newServer(t, func(cfg *Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	const path, token = "/v2/me/devices", "fcm-secret:1"
	var said strings.Builder
	do := func(status string, q ask) answer {
		t.Helper()
		got := s.want(status, q)
		said.Write(got.body)
		return got
	}
	put := func(status, id string, body m, header map[string]string) answer {
		t.Helper()
		return do(status, ask{method: http.MethodPut, path: path + "/" + id, as: learner, body: body, header: header})
	}
	device := func() m {
		return m{"token": token, "platform": "ios", "locale": "fr-CA", "timezone": "Europe/Paris", "app_version": "2.1"}
	}
	do("401 unauthorized", ask{method: http.MethodPut, path: path + "/p", body: device()})
	made := put("201", "p", device(), map[string]string{"If-None-Match": "*"})
	put("412 lost-update", "p", device(), map[string]string{"If-None-Match": "*"})
	want := m{
		"id": "p", "platform": "ios", "locale": "fr-CA", "timezone": "Europe/Paris", "app_version": "2.1",
		"seen_at": made.json["seen_at"], "version": made.json["version"], "updated_at": made.json["updated_at"],
	}
	again := put("200", "p", device(), map[string]string{"If-Match": made.header.Get("ETag")})
	for _, got := range []m{made.json, again.json, do("200", ask{method: http.MethodGet, path: path, as: learner}).items()[0]} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	put("400 invalid-fields", "p", want, nil) // what is read has no token
	put("400 invalid-fields", "p", m{"token": token + " ", "platform": "ios"}, nil)
	put("400 invalid-fields", "p", m{"token": token, "platform": "fax"}, nil)
	put("400 invalid-fields", "p", m{"token": token, "platform": "web", "model": "x"}, nil)
	put("400 invalid-fields", "a%20b", device(), nil)
	do("200", ask{method: http.MethodGet, path: "/v2/me/export", as: learner})

	do("201", ask{method: http.MethodPut, path: path + "/q", as: editor, body: m{"token": token, "platform": "web"}})
	if left := do("200", ask{method: http.MethodGet, path: path, as: learner}).items(); len(left) != 0 {
		t.Errorf("the first still has %v", left)
	}
	do("404 not-found", ask{method: http.MethodDelete, path: path + "/p", as: learner})
	do("404 not-found", ask{method: http.MethodDelete, path: path + "/q", as: learner})
	do("204", ask{method: http.MethodDelete, path: path + "/q", as: editor})
	if strings.Contains(said.String(), token) {
		t.Errorf("an answer holds the token: %s", said.String())
	}
	if lines := log.String(); !strings.Contains(lines, "/v2/me/devices/{id}") || strings.Contains(lines, token) {
		t.Errorf("logged: %s", lines)
	}
}
