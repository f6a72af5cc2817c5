package web

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/carrel-lms/carrel/fault"
)

// This is the only file of the package that knows echo: leaving it means to rewrite this file.

// handler answers a request, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is a page or an action. A GET answers HEAD too.
type route struct {
	method, path string // the path with "{name}" for its parts
	handle       handler
}

// newRouter mounts the routes. Whatever they return is answered by [pages.answerError].
func newRouter(p *pages) http.Handler {
	e := echo.New()
	for _, rt := range p.routes() {
		h := func(c echo.Context) error {
			p.serve(c.Response().Writer, c.Request(), c.ParamNames(), c.Param, rt.handle)
			return nil
		}
		path := strings.NewReplacer("{", ":", "}", "").Replace(rt.path)
		e.Add(rt.method, path, h)
		if rt.method == http.MethodGet {
			e.Add(http.MethodHead, path, h)
		}
	}
	e.HTTPErrorHandler = func(_ error, c echo.Context) {
		code := fault.NotFound
		if allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string); allow != "" {
			c.Response().Header().Set("Allow", allow)
			code = fault.NotAllowed
		}
		p.serve(c.Response().Writer, c.Request(), nil, nil, func(http.ResponseWriter, *http.Request) error {
			return fault.New("web.route", code)
		})
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

// setPath decodes the parts of a path, once.
func setPath(r *http.Request, names []string, value func(string) string) error {
	for _, name := range names {
		part, err := url.PathUnescape(value(name))
		if err != nil || !utf8.ValidString(part) {
			return fault.New("web.route", fault.NotFound)
		}
		r.SetPathValue(name, part)
	}
	return nil
}
