package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/search"
)

// badParameter refuses the value of a parameter, header or path part. Pairs fill the text of the field code.
func badParameter(name string, code fault.Code, detail string, pairs ...any) error {
	field := fault.BadField(name, code, detail, pairs...)
	f := fault.New("api.parameters", fault.InvalidParameter, "name", name)
	f.Fields = []fault.Field{field}
	return f
}

// longest returns the name of the parameter that takes most of a query.
func longest(query string) string {
	most := ""
	for pair := range strings.SplitSeq(query, "&") {
		if len(pair) > len(most) {
			most = pair
		}
	}
	name, _, _ := strings.Cut(most, "=")
	return cut(name)
}

// parseQuery parses and checks the query: its size, its encoding, names that the route knows, and the locale.
func (a *API) parseQuery(r *http.Request, c *call, rt *route) error {
	if len(r.URL.RawQuery) > maxQueryBytes {
		name, most := longest(r.URL.RawQuery), maxQueryBytes
		if name == "q" && rt.search {
			most = search.MaxQueryRunes // which it is beyond, too
		}
		return badParameter(name, fault.TooLong, "the query is too long", "max", most)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badParameter("query", fault.BadEncoding, "the query is not properly encoded")
	}
	if err := c.chooseLocale(rt, query["locale"]); err != nil {
		return err
	}
	for _, name := range sortedKeys(query) {
		if !utf8.ValidString(name) {
			return badParameter("query", fault.BadEncoding, "a name is not UTF-8")
		}
		if !rt.knows(name) && rt.lenient {
			continue
		}
		if !rt.knows(name) {
			f := fault.New("api.parseQuery", fault.UnknownParameter, "name", name)
			f.Fields = []fault.Field{fault.BadField(cut(name), fault.UnknownField, "there is no such parameter")}
			return f
		}
		if err := checkValues(name, query[name], rt.repeats(name)); err != nil {
			return err
		}
	}
	c.query = query
	return nil
}

func checkValues(name string, values []string, repeats bool) error {
	if len(values) > 1 && !repeats {
		return badParameter(name, fault.Duplicate, "given more than once")
	}
	for _, v := range values {
		if !utf8.ValidString(v) {
			return badParameter(name, fault.BadEncoding, "the value is not UTF-8")
		}
	}
	return nil
}

// chooseLocale takes the locale parameter before Accept-Language, which observe has looked at. It comes before all other checks, so that
// they speak the language asked for.
func (c *call) chooseLocale(rt *route, wanted []string) error {
	if len(wanted) == 0 {
		return nil
	}
	if wanted[0] == string(catalog.AnyLocale) && rt.anyLocale {
		c.locale = catalog.AnyLocale
		return nil
	}
	tag, ok := locales.Parse(wanted[0])
	if !ok {
		return badParameter("locale", fault.BadValue, "is no language of ours", "allowed", "en, fr, zh-Hans")
	}
	c.tag, c.locale = tag, catalog.Locale(tag)
	return nil
}

// Bounds of a page of a list.
const (
	defaultLimit = 20
	maxLimit     = 100 // the catalog's own bound
)

// limitParam returns the parameter limit.
func limitParam(query url.Values) (int, error) {
	if !query.Has("limit") {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		return 0, badParameter("limit", fault.NotANumber, "is no number")
	}
	if n < 1 || n > maxLimit {
		return 0, badParameter("limit", fault.OutOfRange, "is from 1 to 100", "min", 1, "max", maxLimit)
	}
	return n, nil
}

// boolParam returns a parameter that is true or false, false when absent.
func boolParam(query url.Values, name string) (bool, error) {
	switch query.Get(name) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "":
		if !query.Has(name) {
			return false, nil
		}
	}
	return false, badParameter(name, fault.NotABoolean, "is true or false")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
