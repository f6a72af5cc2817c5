package api

import (
	"net/http"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

// reindexBody says how far a rebuild of the search index is.
type reindexBody struct {
	State     search.ReindexState `json:"state"`
	Documents int                 `json:"documents"`
	Of        int                 `json:"of"`
	StartedAt *time.Time          `json:"started_at,omitempty"`
	EndedAt   *time.Time          `json:"ended_at,omitempty"`
	Code      fault.Code          `json:"code,omitempty"`
	Detail    string              `json:"detail,omitempty"`
	Outdated  bool                `json:"outdated"`
}

func (a *API) reindexRoutes() []route {
	const path = "/v2/search/reindex"
	return []route{
		{method: http.MethodPost, path: path, do: a.postReindex, query: []string{"force"}},
		{method: http.MethodGet, path: path, do: a.getReindex},
	}
}

// operating refuses all but administrators of the whole server.
func operating(r *http.Request) error {
	actor := callOf(r.Context()).actor
	switch {
	case actor.Anonymous():
		return fault.New("api.operate", fault.Unauthorized)
	case !actor.Has(catalog.RoleAdmin) || actor.Org != "":
		return fault.New("api.operate", fault.Forbidden)
	}
	return nil
}

// postReindex begins to rebuild the search index.
func (a *API) postReindex(w http.ResponseWriter, r *http.Request) error {
	if err := operating(r); err != nil {
		return err
	}
	forced, err := boolParam(callOf(r.Context()).query, "force")
	if err != nil {
		return err
	}
	s, err := a.cfg.Search.StartReindex(forced)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v2/search/reindex")
	return sendJSON(w, http.StatusAccepted, a.showReindex(r, s))
}

// getReindex says how far the last rebuild is.
func (a *API) getReindex(w http.ResponseWriter, r *http.Request) error {
	if err := operating(r); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return sendJSON(w, http.StatusOK, a.showReindex(r, a.cfg.Search.ReindexStatus()))
}

func (a *API) showReindex(r *http.Request, s search.ReindexStatus) reindexBody {
	body := reindexBody{State: s.State, Documents: s.Documents, Of: s.Of, Outdated: a.cfg.Search.Outdated()}
	if !s.StartedAt.IsZero() {
		body.StartedAt = &s.StartedAt
	}
	if !s.EndedAt.IsZero() {
		body.EndedAt = &s.EndedAt
	}
	if s.Err != nil {
		c, f := callOf(r.Context()), asFault(s.Err)
		body.Code, body.Detail = f.Code, a.problem(c, f, statusOf(f.Code)).Detail
	}
	return body
}
