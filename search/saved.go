package search

import (
	"net/url"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
)

// ParseSaved reads the parameters of a search that is kept for later: those of [ParseParams] but cursor and after, which are of one moment. The words are
// read too, so that a search that is kept can be run. Errors are those of ParseParams, and fault.InvalidQuery.
func ParseSaved(v url.Values) (Request, error) {
	for _, name := range []string{"cursor", "after"} {
		if v.Has(name) {
			return Request{}, fault.New("search.ParseSaved", fault.UnknownParameter, "name", name)
		}
	}
	r, err := ParseParams(v)
	if err != nil {
		return Request{}, err
	}
	if _, err := query.Parse(r.Q); err != nil {
		return Request{}, err
	}
	return r, nil
}
