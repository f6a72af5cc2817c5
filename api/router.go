package api

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/unicode/norm"

	"github.com/carrel-lms/carrel/fault"
)

// This is the only file of the package that knows echo: leaving it means to rewrite this file.

// newRouter mounts the routes. What is no route goes to the pages, or is a problem under /v2.
func newRouter(a *API) http.Handler {
	e := echo.New()
	for i := range a.routes {
		rt := &a.routes[i]
		h := func(c echo.Context) error {
			mount(a, rt, c)
			return nil
		}
		e.Add(rt.method, echoPath(rt.path), h)
		if rt.method == http.MethodGet {
			e.Add(http.MethodHead, echoPath(rt.path), h)
		}
	}
	e.HTTPErrorHandler = func(_ error, c echo.Context) {
		elsewhere(a, c)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The router matches the path as it came, so that an encoded slash stays inside its part.
		u := *r.URL
		u.RawPath = r.URL.EscapedPath()
		r2 := *r
		r2.URL = &u
		e.ServeHTTP(w, &r2)
	})
}

// echoPath writes "{id}" as echo wants it.
func echoPath(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "{", ":"), "}", "")
}

// mount hands a request to its route, with the parts of its path decoded, once.
func mount(a *API, rt *route, c echo.Context) {
	w, r := c.Response().Writer, c.Request()
	for _, name := range c.ParamNames() {
		value, err := pathValue(c.Param(name))
		if err != nil {
			callOf(r.Context()).route = rt.path
			a.answerProblem(w, r, badParameter(name, fault.BadEncoding, "the path is not properly encoded UTF-8"))
			return
		}
		r.SetPathValue(name, value)
	}
	a.serve(rt, w, r)
}

// pathValue decodes a part of a path, once, into NFC, the form in which ids are kept.
func pathValue(raw string) (string, error) {
	value, err := url.PathUnescape(raw)
	if err == nil && !utf8.ValidString(value) {
		err = url.EscapeError(raw)
	}
	return norm.NFC.String(value), err
}

// elsewhere answers what no route did.
func elsewhere(a *API, c echo.Context) {
	w, r := c.Response().Writer, c.Request()
	allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string)
	switch {
	case allow != "":
		w.Header().Set("Allow", allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		a.answerProblem(w, r, fault.New("api.route", fault.NotAllowed))
	case isAPIPath(r.URL.Path) || a.cfg.Web == nil:
		a.answerProblem(w, r, fault.New("api.route", fault.NotFound))
	default:
		callOf(r.Context()).route = "web"
		a.cfg.Web.ServeHTTP(w, r)
	}
}
