//go:build !nofirebase

package main

import (
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/push/fcmtest"
)

// send sends a request, and returns the body of an answer that is none of a problem.
func send(t *testing.T, method, address, token, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %d %s, %v", method, address, answer.StatusCode, text, err)
	}
	return string(text)
}

// awaitMessage waits for a message of a kind that the service took.
func awaitMessage(t *testing.T, service *fcmtest.Server, kind string, with func(m *fcmtest.Message) bool) fcmtest.Message {
	t.Helper()
	for {
		for _, m := range service.Taken() {
			if m.Data["type"] == kind && with(&m) {
				return m
			}
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("no %s came: %+v", kind, service.Taken())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestPushEndToEnd: a learner saves a search in French, an editor publishes a course that it finds, and the learner's phone gets a French message. The
// nudge that came for the course leads to a pull that has it.
func TestPushEndToEnd(t *testing.T) {
	service := fcmtest.New(t)
	dir := t.TempDir()
	learner, root := tokenOf(t, dir, catalog.Actor{Subject: "lea"}), adminToken(t, dir)
	server := startServer(t, dir, "CARREL_FCM_PROJECT="+fcmtest.Project, "CARREL_FCM_ENDPOINT="+service.URL, "CARREL_PUBLIC_URL=https://learn.example.org")
	defer server.kill()
	send(t, http.MethodPut, server.url+"/v2/me/devices/phone", learner, `{"token":"token-lea","platform":"android","locale":"fr-FR","timezone":"Europe/Paris"}`)
	send(t, http.MethodPut, server.url+"/v2/me/saved-searches/ml", learner, `{"name":"Apprentissage","query":"q=apprentissage+automatique&language=fr","notify":"instant"}`)
	send(t, http.MethodPut, server.url+"/v2/courses/other", root, `{"title":"Cuisine","language":"fr"}`)
	send(t, http.MethodPut, server.url+"/v2/courses/ml", root, `{"title":"L’apprentissage automatique en dix leçons","language":"fr"}`)

	published := time.Now()
	m := awaitMessage(t, service, "notification", func(*fcmtest.Message) bool { return true })
	t.Logf("the message came %s after the course was published, with %d bytes", m.At.Sub(published).Round(time.Millisecond), m.Size)
	if m.Token != "token-lea" || !strings.HasPrefix(m.Notification.Title, "1 nouveau cours pour") || !strings.Contains(m.Notification.Body, "apprentissage automatique en dix leçons") {
		t.Errorf("%+v %+v", m, m.Notification)
	}
	if inbox := send(t, http.MethodGet, server.url+"/v2/me/notifications?locale=fr&after="+url.QueryEscape(m.Data["as_of"]), learner, ""); !strings.Contains(inbox, m.Data["notification_id"]) {
		t.Errorf("the inbox: %s", inbox)
	}
	if want := "https://learn.example.org/courses/ml"; m.Data["course"] != "ml" || m.Data["link"] != want {
		t.Errorf("%+v, want a link to %s", m.Data, want)
	}
	nudge := awaitMessage(t, service, "nudge", func(m *fcmtest.Message) bool { return strings.Contains(m.Data["channels"], "catalog") })
	pull := send(t, http.MethodGet, server.url+"/v2/sync?channels=catalog,me&after="+url.QueryEscape(nudge.Data["as_of"]), learner, "")
	if nudge.Notification != nil || !strings.Contains(pull, `"kind":"course","id":"other"`) {
		t.Errorf("%+v, and a pull as of it: %s", nudge, pull)
	}
	pull = send(t, http.MethodGet, server.url+"/v2/sync?channels=catalog&after="+url.QueryEscape(m.Data["as_of"]), learner, "")
	if !strings.Contains(pull, `"kind":"course","id":"ml"`) {
		t.Errorf("a pull as of the message: %s", pull)
	}

	out, err := exec.CommandContext(t.Context(), "carrel", "push", "test", "--learner", "lea", "--device", "phone", "--server", server.url, "--token", root).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if test := awaitMessage(t, service, "test", func(*fcmtest.Message) bool { return true }); test.Notification.Title != "Ceci est un essai" {
		t.Errorf("%+v", test.Notification)
	}
	metrics := send(t, http.MethodGet, server.url+"/metrics", root, "")
	for _, want := range []string{`carrel_push_sent_total{type="message"} 1`, "carrel_push_queued ", "carrel_push_oldest_seconds ", `carrel_follower_lag{follower="push"} 0`, "carrel_push_halted 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
