package api

import (
	_ "embed" // openapi.yaml
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

type statusBody struct {
	Status  string              `json:"status"`
	Search  string              `json:"search,omitempty"`
	Reindex search.ReindexState `json:"reindex,omitempty"`
}

// healthz says that the process answers; it looks at nothing else, so that nobody restarts a server for a slow disk.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	return sendJSON(w, http.StatusOK, statusBody{Status: "ok"})
}

// readyz says whether traffic should come here. An index that is being built does not keep it away: all but search works, and search
// says itself when to come again. An index of another version serves until its successor takes over, or goes on when that was refused.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if !a.ready.Load() {
		return fault.New("api.readyz", fault.NotReady, "retry_after", defaultRetry)
	}
	body := statusBody{Status: "ready", Search: "ready", Reindex: a.cfg.Search.ReindexStatus().State}
	if a.cfg.Search.Outdated() {
		body.Search = "outdated"
	}
	if err := a.cfg.Search.Ready(); err != nil {
		body.Search = "building"
	}
	return sendJSON(w, http.StatusOK, body)
}

// serveMetrics is Prometheus's own handler; compression is ours.
func (a *API) serveMetrics() handler {
	h := promhttp.HandlerFor(a.cfg.Registry, promhttp.HandlerOpts{DisableCompression: true})
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

//go:embed openapi.yaml
var openapiYAML []byte

func (a *API) openapi(w http.ResponseWriter, r *http.Request) error {
	return sendFile(w, r, "application/yaml", a.spec.tag, openapiYAML)
}

// sendFile answers with bytes that are the same for all until the next release.
func sendFile(w http.ResponseWriter, r *http.Request, media, tag string, body []byte) error {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "public, max-age=300")
	if notModified(w, r, tag) {
		return nil
	}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return goneAway(err)
}
