package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/clients"
	"github.com/carrel-lms/carrel/search"
)

// reads says what a route reads, and so what after= waits for.
type reads int

const (
	readsCatalog reads = iota
	readsIndex         // the search index too, which follows the catalog
)

// route is one line of the API: it is mounted by router.go and described in openapi.yaml (a test holds the two together).
type route struct {
	method, path string
	do           handler
	query        []string // parameters, beside locale and, where one reads, after
	search       bool     // parameters are search's: it knows them, and which may repeat
	anyLocale    bool     // locale=* asks for the source text
	reads        reads
	lenient      bool          // parameters that it does not know are ignored
	private      bool          // about one person: kept by no cache
	upload       bool          // takes a file
	wait         time.Duration // for one request, in place of the limit: it moves a file
	stream       bool          // answers for as long as the caller stays
	open         bool          // not under /v2: for operators and readers, unlimited, and parameters are ignored
}

func (rt *route) isRead() bool { return rt.method == http.MethodGet }

// knows reports whether a route has a parameter.
func (rt *route) knows(name string) bool {
	switch name {
	case "locale":
		return true
	case "after":
		return rt.isRead() || slices.Contains(rt.query, name)
	}
	if rt.search {
		return search.KnownParam(name)
	}
	return slices.Contains(rt.query, name)
}

// repeats reports whether a parameter may come more than once; search knows better.
func (rt *route) repeats(name string) bool {
	return rt.search && name != "locale" && name != "after"
}

// paged are the parameters of a list.
func paged(more ...string) []string { return append([]string{"limit", "cursor"}, more...) }

// table lists every route.
func (a *API) table() []route {
	routes := slices.Concat(a.courseRoutes(), a.meRoutes(), a.opsRoutes(), a.curationRoutes(), []route{
		{method: http.MethodGet, path: "/v2/search", do: a.search, search: true, anyLocale: true, reads: readsIndex},
		{method: http.MethodGet, path: "/v2/search/insight", do: a.searchInsight, query: []string{"days", "language", "org", "limit"}, private: true},
		{method: http.MethodPost, path: "/v2/events", do: a.postEvent},
		{method: http.MethodPost, path: "/v2/instantsearch", do: a.instantSearch, query: []string{"after"}, lenient: true, reads: readsIndex},
		{method: http.MethodGet, path: "/v2/suggest", do: a.suggest, query: []string{"q", "limit"}, reads: readsIndex},

		{method: http.MethodPost, path: "/v2/imports", do: a.postImport, query: []string{"format", "map", "org", "dry_run"}, upload: true, wait: uploadWait},
		{method: http.MethodGet, path: "/v2/imports", do: a.listImports, query: paged()},
		{method: http.MethodGet, path: "/v2/imports/{id}", do: a.getImport},
		{method: http.MethodGet, path: "/v2/imports/{id}/errors.csv", do: a.getImportErrors},
		{method: http.MethodGet, path: "/v2/backup", do: a.getBackup, private: true, wait: backupWait},
	})
	routes = append(routes, a.reindexRoutes()...)
	routes = slices.Concat(routes, a.pushRoutes(), a.syncRoutes(), a.watermelonRoutes(), a.rxdbRoutes())
	routes = append(routes, a.instructors().routes("/v2/instructors")...)
	routes = append(routes, a.tags().routes("/v2/tags")...)
	return append(routes, a.categories().routes("/v2/categories")...)
}

func (a *API) courseRoutes() []route {
	const one = "/v2/courses/{id}"
	return []route{
		{method: http.MethodGet, path: "/v2/courses", do: a.listCourses, query: paged("state"), anyLocale: true},
		{method: http.MethodPost, path: "/v2/courses", do: a.postCourse},
		{method: http.MethodGet, path: one, do: a.getCourse, anyLocale: true},
		{method: http.MethodPut, path: one, do: a.putCourse, anyLocale: true},
		{method: http.MethodPatch, path: one, do: a.patchCourse, anyLocale: true},
		{method: http.MethodDelete, path: one, do: a.deleteCourse},
		{method: http.MethodGet, path: one + "/content", do: a.getContent},
		{method: http.MethodPut, path: one + "/content", do: a.putContent},
		{method: http.MethodGet, path: one + "/manifest", do: a.getManifest},
		{method: http.MethodGet, path: one + "/assets/{asset}/file", do: a.getFile, query: []string{"v"}, stream: true},
		{method: http.MethodPut, path: one + "/assets/{asset}/file", do: a.putFile, query: []string{"name", "lesson"}, wait: fileWait},
		{method: http.MethodGet, path: one + "/reviews", do: a.listReviews, query: paged()},
		{method: http.MethodPatch, path: one + "/reviews/{review}", do: a.patchReview},
	}
}

func (a *API) meRoutes() []route {
	me := func(method, path string, do handler, query ...string) route {
		return route{method: method, path: "/v2/me" + path, do: signedIn(do), query: query, private: true}
	}
	return []route{
		me(http.MethodGet, "/reviews", a.myReviews, paged()...),
		me(http.MethodPut, "/reviews/{course}", a.putMyReview),
		me(http.MethodDelete, "/reviews/{course}", a.deleteMyReview),
		me(http.MethodGet, "/enrollments", a.myEnrollments, paged()...),
		me(http.MethodPut, "/enrollments/{course}", a.putMyEnrollment),
		me(http.MethodDelete, "/enrollments/{course}", a.deleteMyEnrollment),
		me(http.MethodGet, "/progress", a.myProgress, paged()...),
		me(http.MethodPut, "/progress/{course}/{lesson}", a.putMyProgress),
		me(http.MethodGet, "/bookmarks", a.myBookmarks, paged()...),
		me(http.MethodPut, "/bookmarks/{course}", a.putMyBookmark),
		me(http.MethodDelete, "/bookmarks/{course}", a.deleteMyBookmark),
		me(http.MethodGet, "/saved-searches", a.mySavedSearches, paged()...),
		me(http.MethodPost, "/saved-searches", a.postMySavedSearch),
		me(http.MethodGet, "/saved-searches/{id}", a.mySavedSearch),
		me(http.MethodPut, "/saved-searches/{id}", a.putMySavedSearch),
		me(http.MethodDelete, "/saved-searches/{id}", a.deleteMySavedSearch),
		me(http.MethodGet, "/notifications", a.myNotifications, paged()...),
		me(http.MethodPatch, "/notifications/{id}", a.patchMyNotification),
		me(http.MethodGet, "/devices", a.myDevices, paged()...),
		me(http.MethodPut, "/devices/{id}", a.putMyDevice),
		me(http.MethodDelete, "/devices/{id}", a.deleteMyDevice),
		me(http.MethodGet, "/preferences", a.myPreferences),
		me(http.MethodPut, "/preferences", a.putMyPreferences),
		me(http.MethodGet, "/export", a.exportMe),
		me(http.MethodDelete, "", a.eraseMe),
	}
}

func (a *API) opsRoutes() []route {
	ops := func(path string, do handler) route {
		return route{method: http.MethodGet, path: path, do: do, open: true}
	}
	return []route{
		ops("/healthz", a.healthz),
		ops("/readyz", a.readyz),
		ops("/metrics", a.serveMetrics()),
		ops("/openapi.yaml", a.openapi),
		ops("/docs", a.docs),
		ops("/docs.css", a.docsCSS),
		ops("/problems/{code}", a.problemPage),
		ops("/clients/instantsearch.js", clientModule(clients.InstantSearch)),
		ops("/clients/offline.js", clientModule(clients.Offline)),
		ops("/clients/watermelon.js", clientModule(clients.Watermelon)),
		ops("/clients/rxdb.js", clientModule(clients.RxDB)),
	}
}

// isAPIPath tells paths whose errors are problems from those of the pages.
func isAPIPath(path string) bool { return path == "/v2" || strings.HasPrefix(path, "/v2/") }

// serve is what happens around every handler.
func (a *API) serve(rt *route, w http.ResponseWriter, r *http.Request) {
	callOf(r.Context()).route = rt.path
	if err := a.run(rt, w, r); err != nil {
		a.answerProblem(w, r, err)
	}
}

func (a *API) run(rt *route, w http.ResponseWriter, r *http.Request) error {
	timeout := a.limits.Timeout
	if rt.wait > 0 {
		timeout = rt.wait
		// The server's own limit for reading is made for small bodies, and ends answers too. Where the writer knows no deadlines there is none to move.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(rt.wait))
	}
	if !rt.stream {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	if !rt.open {
		if err := a.admit(rt, w, r); err != nil {
			return err
		}
	}
	if rt.method == http.MethodPost && r.Header.Get(idempotencyHeader) != "" {
		return a.once(rt, w, r)
	}
	return rt.do(w, r)
}

// varyByCaller is what most answers depend on.
const varyByCaller = "Accept-Language, Authorization, Cookie"

// admit decides whether a request is let in: who asks, how often, and what for. An excess of requests is said before all else, so that
// guessing tokens is slow too.
func (a *API) admit(rt *route, w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	queryErr := a.parseQuery(r, c, rt)
	actor, authErr := a.authenticate(r)
	c.actor = actor
	if err := a.limit(w, r); err != nil {
		return err
	}
	if authErr != nil {
		return authErr
	}
	if queryErr != nil {
		return queryErr
	}
	h := w.Header()
	h.Set("Content-Language", string(c.tag))
	h.Add("Vary", varyByCaller)
	h.Set("Cache-Control", "private, no-cache")
	if rt.private {
		h.Set("Cache-Control", "private, no-store")
	}
	return a.awaitAfter(r, rt)
}
