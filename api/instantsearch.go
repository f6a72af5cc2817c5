package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

// InstantSearch's widgets send one request for the hits and, for each facet that is filtered by, one more without that filter, all for the
// same words. Requests for the same words are one batch of package search, which answers them in one pass.

// Bounds of a call.
const (
	// maxInstantQueries is how many different queries a call may hold: each is a search of its own. A page with several lists of hits has three.
	maxInstantQueries = 10
	// passesHeader tells how many searches answered a call.
	passesHeader = "Carrel-Search-Passes"
)

// clientModule serves a module for programs that call the API, from package clients. Pages of any origin may load it.
func clientModule(body []byte) handler {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:cursorSum]) + `"`
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		return sendFile(w, r, "text/javascript; charset=utf-8", tag, body)
	}
}

type instantBody struct {
	Results []any `json:"results"` // instantResult or facetHits
}

func (a *API) instantSearch(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, maxSmallBody, "")
	if err != nil {
		return err
	}
	tree, err := parseJSON(body)
	if err != nil {
		return err
	}
	requests, err := readInstant(tree)
	if err != nil {
		return err
	}
	groups, err := byQuery(requests)
	if err != nil {
		return err
	}
	out := instantBody{Results: make([]any, len(requests))}
	for _, group := range groups {
		if err := a.answerGroup(r, group, out.Results); err != nil {
			return err
		}
	}
	a.metrics.instantRequests.Add(float64(len(requests)))
	a.metrics.instantPasses.Add(float64(len(groups)))
	w.Header().Set(passesHeader, strconv.Itoa(len(groups)))
	return sendJSON(w, http.StatusOK, out)
}

// byQuery groups requests by what they search for, in the order in which they came.
func byQuery(requests []instantRequest) ([][]instantRequest, error) {
	places := map[string]int{}
	var groups [][]instantRequest
	for _, q := range requests {
		at, known := places[q.query]
		if !known {
			if len(groups) == maxInstantQueries {
				return nil, badInstant(q.at+"/params/query", "query", fault.TooMany, "max", maxInstantQueries)
			}
			at = len(groups)
			places[q.query] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], q)
	}
	return groups, nil
}

// answerGroup searches once and answers all requests of a group.
func (a *API) answerGroup(r *http.Request, group []instantRequest, results []any) error {
	c := callOf(r.Context())
	batch := search.Batch{Actor: c.actor, Locale: c.locale, Q: group[0].query}
	for _, q := range group {
		batch.Asks = append(batch.Asks, q.ask)
	}
	found, err := a.cfg.Search.SearchBatch(r.Context(), batch)
	if err != nil {
		return err
	}
	a.noteInstant(r, group, found)
	for i := range group {
		q, took := &group[i], 0
		if i == 0 { // widgets add up the times of all results
			took = int(found.Took.Milliseconds())
		}
		if q.facet != "" {
			results[q.place] = q.facetHits(&found.Answers[i], took)
		} else {
			results[q.place] = q.result(c, found, &found.Answers[i], took)
		}
	}
	return nil
}

// facetHits answers a search among the values of a facet.
type facetHits struct {
	FacetHits             []facetHit `json:"facetHits"`
	ExhaustiveFacetsCount bool       `json:"exhaustiveFacetsCount"`
	ProcessingTimeMS      int        `json:"processingTimeMS"`
}

type facetHit struct {
	Value       string `json:"value"`
	Highlighted string `json:"highlighted"`
	Count       int    `json:"count"`
}

func (q *instantRequest) facetHits(answer *search.Answer, took int) facetHits {
	out := facetHits{FacetHits: []facetHit{}, ExhaustiveFacetsCount: true, ProcessingTimeMS: took}
	for _, v := range answer.Facets[q.facet].Values {
		parts := search.BeginsIn(v.Value, q.ask.FacetPrefix)
		out.FacetHits = append(out.FacetHits, facetHit{v.Value, q.tags.render(parts), v.Count})
	}
	return out
}

// instantResult answers a request for hits or counts.
type instantResult struct {
	Index                 string                    `json:"index"`
	Hits                  []instantHit              `json:"hits"`
	NbHits                int                       `json:"nbHits"`
	Page                  int                       `json:"page"`
	NbPages               int                       `json:"nbPages"`
	HitsPerPage           int                       `json:"hitsPerPage"`
	Facets                map[string]map[string]int `json:"facets,omitempty"`
	FacetsStats           map[string]facetStats     `json:"facets_stats,omitempty"`
	ExhaustiveNbHits      bool                      `json:"exhaustiveNbHits"`
	ExhaustiveFacetsCount bool                      `json:"exhaustiveFacetsCount"`
	ProcessingTimeMS      int                       `json:"processingTimeMS"`
	Query                 string                    `json:"query"`
	Params                string                    `json:"params"`
	QueryID               string                    `json:"queryID"`
	RenderingContent      *renderingContent         `json:"renderingContent,omitempty"`
}

type facetStats struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
	Avg float64 `json:"avg"`
	Sum float64 `json:"sum"`
}

// renderingContent tells dynamic widgets which facets to show.
type renderingContent struct {
	FacetOrdering struct {
		Facets struct {
			Order []string `json:"order"`
		} `json:"facets"`
	} `json:"facetOrdering"`
}

func (q *instantRequest) result(c *call, found *search.BatchResponse, answer *search.Answer, took int) instantResult {
	out := instantResult{
		Index: q.index, Hits: make([]instantHit, 0, len(answer.Hits)), NbHits: answer.Total, Page: q.page, HitsPerPage: q.ask.Limit,
		ExhaustiveNbHits: true, ExhaustiveFacetsCount: true, ProcessingTimeMS: took,
		Query: q.query, Params: encodeParams(q.params), QueryID: found.QueryID,
	}
	if n := q.ask.Limit; n > 0 {
		out.NbPages = min((answer.Total+n-1)/n, search.MaxReach/n)
	}
	for i := range answer.Hits {
		out.Hits = append(out.Hits, q.hit(c, found.Found, &answer.Hits[i]))
	}
	if len(answer.Facets) == 0 {
		return out
	}
	out.Facets, out.FacetsStats = map[string]map[string]int{}, map[string]facetStats{}
	for name, f := range answer.Facets {
		out.Facets[name] = map[string]int{}
		for _, v := range f.Values {
			out.Facets[name][v.Value] = v.Count
		}
		if s := f.Stats; s != nil {
			out.FacetsStats[name] = facetStats{s.Min, s.Max, s.Sum / float64(s.N), s.Sum}
		}
	}
	out.RenderingContent = q.rendering(answer)
	return out
}

// rendering lists the facets that have something to choose, and those that were chosen from: a widget that vanishes takes its filter with it. Of the
// levels of categories only the first makes a menu.
func (q *instantRequest) rendering(answer *search.Answer) *renderingContent {
	r := &renderingContent{}
	order := []string{}
	for _, name := range search.Attributes() {
		f, asked := answer.Facets[name]
		if asked && (len(f.Values) > 0 || f.Stats != nil || q.refined[name]) && !isLowerLevel(name) {
			order = append(order, name)
		}
	}
	r.FacetOrdering.Facets.Order = order
	return r
}

// encodeParams writes parameters as the query of an address, which is how results name what they answer.
func encodeParams(params map[string]any) string {
	v := url.Values{}
	for name, value := range params {
		if s, ok := value.(string); ok {
			v.Set(name, s)
			continue
		}
		if text, err := json.Marshal(value); err == nil {
			v.Set(name, string(text))
		}
	}
	return v.Encode()
}
