package search

import (
	"errors"
	"maps"
	"net/url"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
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

// maxSaved bounds the text that CheckSaved reads, in bytes: twice what the catalog keeps.
const maxSaved = 16 << 10

// CheckSaved refuses the parameters of a search that an actor may not keep: those that a search would refuse too. One that is not even encoded as parameters
// is left to the catalog, as is its length. speaks reports whether a language is one of the pages'. Errors: fault.InvalidFields with fault.BadQuery for
// "/query", which names the parameter, and fault.Forbidden.
func CheckSaved(actor catalog.Actor, text string, speaks func(locale string) bool) error {
	values, err := url.ParseQuery(text)
	if err != nil || len(text) > maxSaved {
		return nil //nolint:nilerr // see above
	}
	if l := values["locale"]; len(l) > 1 || len(l) > 0 && !speaks(l[0]) {
		return badSaved("locale", fault.BadValue, map[string]any{"allowed": "en, fr, zh-Hans"})
	}
	req, err := ParseSaved(values)
	if err == nil {
		if !actor.AsksForDrafts() && slices.ContainsFunc(req.States, func(s string) bool { return s != string(catalog.Published) }) {
			return fault.New("search.CheckSaved", fault.Forbidden)
		}
		return nil
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	switch f.Code {
	case fault.UnknownParameter:
		return badSaved(f.Args["name"], fault.UnknownField, nil)
	case fault.InvalidParameter:
		return badSaved(f.Args["name"], f.Args["reason"], f.Args)
	case fault.InvalidQuery:
		return badSaved("q", f.Args["reason"], f.Args)
	}
	return err
}

// badSaved refuses the field query for one of its parameters. reason is a code, whose text args fill, or a sentence.
func badSaved(name, reason any, args map[string]any) error {
	field := fault.BadField("/query", fault.BadQuery, "is no search", "name", name)
	maps.Copy(field.Args, args)
	field.Args["name"], field.Args["reason"] = name, reason
	return fault.Invalid("search.CheckSaved", field)
}
