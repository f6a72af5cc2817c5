package api

import (
	"net/http"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

func (a *API) search(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	req, err := search.ParseParams(c.query)
	if err != nil {
		return err
	}
	if len(req.States) > 0 {
		if _, err := statesParam(c.actor, strings.Join(req.States, ",")); err != nil {
			return err
		}
	}
	req.Actor, req.Locale = c.actor, c.locale
	found, err := a.cfg.Search.Search(r.Context(), req)
	if err != nil {
		return err
	}
	a.noteSearch(r, req, found)
	body := *found
	body.AsOf = a.asOfToken(found.Seq)
	return sendJSON(w, http.StatusOK, body)
}

// Bounds of suggestions.
const (
	defaultSuggestions = 8
	maxPrefixRunes     = 100 // nobody types more before reading what is suggested
)

type suggestBody struct {
	Suggestions []search.Suggestion `json:"suggestions"`
}

func (a *API) suggest(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	if !c.query.Has("q") {
		return badParameter("q", fault.Required, "is needed")
	}
	prefix := c.query.Get("q")
	if len([]rune(prefix)) > maxPrefixRunes {
		return badParameter("q", fault.TooLong, "is too long", "max", maxPrefixRunes)
	}
	limit := defaultSuggestions
	if c.query.Has("limit") {
		n, err := limitParam(c.query)
		if err != nil {
			return err
		}
		limit = n
	}
	list, err := a.cfg.Search.Suggest(r.Context(), c.actor, catalog.Locale(c.tag), prefix, limit)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, suggestBody{Suggestions: orEmpty(list)})
}
