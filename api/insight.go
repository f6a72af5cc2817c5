package api

import (
	"net/http"
	"strconv"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/search"
)

// Search insight: what was searched for, what became of it, and the reports.

// noteSearch lets insight count a search. What editors look up in other states is none of a learner's searches.
func (a *API) noteSearch(r *http.Request, req search.Request, found *search.Response) {
	if len(req.States) > 0 {
		return
	}
	s := insight.Search{
		QueryID: found.QueryID, First: req.Cursor == "", Filtered: req.Filtered(), Total: found.Total, Relaxed: found.Relaxed, Corrected: found.Corrected != "",
	}
	for _, hit := range found.Hits {
		s.Hits = append(s.Hits, hit.ID)
	}
	a.note(r, req.Q, s)
}

// noteInstant lets insight count a search of InstantSearch's widgets: of the requests for the same words, the one that asks for hits.
func (a *API) noteInstant(r *http.Request, group []instantRequest, found *search.BatchResponse) {
	for i, q := range group {
		if q.facet != "" || q.ask.Limit == 0 || q.params["analytics"] == false {
			continue
		}
		answer := &found.Answers[i]
		s := insight.Search{
			QueryID: found.QueryID, First: q.ask.Offset == 0, Filtered: len(q.ask.Filters) > 0, Total: answer.Total, Relaxed: found.Relaxed, Corrected: found.Corrected != "",
		}
		for _, hit := range answer.Hits {
			s.Hits = append(s.Hits, hit.Course.ID)
		}
		a.note(r, q.query, s)
		return
	}
}

// note hands a search over, with who asked for what.
func (a *API) note(r *http.Request, q string, s insight.Search) {
	if a.cfg.Insight == nil || r.Method == http.MethodHead {
		return
	}
	c := callOf(r.Context())
	s.Actor, s.Caller, s.Locale = c.actor, a.callerKey(r), catalog.Locale(c.tag)
	s.Text, s.Key = search.Asked(q)
	a.cfg.Insight.Searched(s)
}

type eventBody struct {
	QueryID  string            `json:"query_id"`
	Type     insight.EventType `json:"type"`
	ID       catalog.CourseID  `json:"id"`
	Position int               `json:"position,omitempty"`
}

// postEvent takes note of an event. Whether it fits a search that is remembered is not told: it changes nothing for the caller.
func (a *API) postEvent(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[eventBody](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	if a.cfg.Insight == nil {
		return fault.New("api.postEvent", fault.NotReady)
	}
	err = a.cfg.Insight.Event(insight.Event{
		QueryID: body.QueryID, Type: body.Type, Course: body.ID, Position: body.Position, Actor: callOf(r.Context()).actor,
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

const (
	defaultInsightDays   = 30
	defaultInsightListed = 50
)

// searchInsight reports to administrators: those of an organization of that one, the staff's of any.
func (a *API) searchInsight(w http.ResponseWriter, r *http.Request) error {
	scope, err := insightScope(r)
	if err != nil {
		return err
	}
	if a.cfg.Insight == nil {
		return fault.New("api.searchInsight", fault.NotReady)
	}
	report, err := a.cfg.Insight.Report(r.Context(), scope)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, report)
}

func insightScope(r *http.Request) (insight.Scope, error) {
	const op = "api.searchInsight"
	c := callOf(r.Context())
	switch {
	case c.actor.Anonymous():
		return insight.Scope{}, fault.New(op, fault.Unauthorized)
	case !c.actor.Has(catalog.RoleAdmin):
		return insight.Scope{}, fault.New(op, fault.Forbidden)
	}
	scope := insight.Scope{Org: c.actor.Org, Days: defaultInsightDays, Listed: defaultInsightListed}
	if org := catalog.OrgID(c.query.Get("org")); org != "" && org != scope.Org {
		if !c.actor.Staff() {
			return scope, fault.New(op, fault.NotFound)
		}
		scope.Org = org
	}
	if language := c.query.Get("language"); language != "" {
		tag, ok := locales.Parse(language)
		if !ok {
			return scope, badParameter("language", fault.BadValue, "is no language of ours", "allowed", "en, fr, zh-Hans")
		}
		scope.Locale = catalog.Locale(tag)
	}
	if err := numberParam(c, "days", insight.KeepDays, &scope.Days); err != nil {
		return scope, err
	}
	return scope, numberParam(c, "limit", insight.MaxListed, &scope.Listed)
}

// numberParam reads a parameter from 1 to most, if it is there.
func numberParam(c *call, name string, most int, into *int) error {
	if !c.query.Has(name) {
		return nil
	}
	n, err := strconv.Atoi(c.query.Get(name))
	if err != nil {
		return badParameter(name, fault.NotANumber, "is no number")
	}
	if n < 1 || n > most {
		return badParameter(name, fault.OutOfRange, "is out of range", "min", 1, "max", most)
	}
	*into = n
	return nil
}
