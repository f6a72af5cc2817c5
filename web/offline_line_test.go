package web

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/carrel-lms/carrel/api"
	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// line is the way from the browser to the server. It can be cut, wholly or for sync alone, and lose answers.
type line struct {
	to       http.Handler
	cut      atomic.Bool
	syncFail atomic.Bool
	lose     atomic.Bool // the answer to the next push
	pushes   atomic.Int32
	expired  atomic.Int32 // answers of 410
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pull := r.URL.Path == "/v2/sync"
	push := pull && r.Method == http.MethodPost
	switch {
	case l.cut.Load():
		panic(http.ErrAbortHandler)
	case pull && l.syncFail.Load():
		http.Error(w, "no", http.StatusInternalServerError)
	case push && l.lose.CompareAndSwap(true, false):
		l.to.ServeHTTP(httptest.NewRecorder(), r)
		l.pushes.Add(1)
		panic(http.ErrAbortHandler)
	case pull:
		if push {
			l.pushes.Add(1)
		}
		seen := &statusOf{ResponseWriter: w}
		l.to.ServeHTTP(seen, r)
		if seen.status == http.StatusGone {
			l.expired.Add(1)
		}
	default:
		l.to.ServeHTTP(w, r)
	}
}

// statusOf remembers the status of an answer.
type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// traveler is a person whose network comes and goes.
type traveler struct {
	walk
	line *line
}

// offline takes the network away, or brings it back: the line is cut, and the browser knows.
func (w traveler) offline(is bool) {
	w.t.Helper()
	w.line.cut.Store(is)
	p := network.OverrideNetworkStateParams{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}
	if _, err := chromedp.Call(w.ctx, network.OverrideNetworkState, p); err != nil {
		w.t.Fatal(err)
	}
	if !is {
		w.online()
	}
}

// online tells the page that there is a network, as browsers do: DevTools forgets to when the page was loaded without one.
func (w traveler) online() { w.t.Helper(); ask[bool](w.walk, `dispatchEvent(new Event("online"))`) }

// standing waits for what the line in the header says.
func (w traveler) standing(phase, waiting string) {
	w.t.Helper()
	w.until("document.querySelector(`#offline-state:not([hidden])[data-phase=\"" + phase + "\"][data-waiting=\"" + waiting + "\"]`)")
}

// await evaluates an expression that is a promise.
func await[T any](w walk, js string) T {
	w.t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// learner signs in as the sample learner and lets the device keep the catalog.
func (w traveler) learner() {
	w.t.Helper()
	w.open("/sign-in")
	w.click(`form[action="/sign-in"] button`)
	w.shows("You are signed in.")
	w.open("/me")
	w.click(`#keep input[role="switch"]`)
	w.standing("idle", "0")
	w.shows("25 courses are on this device.")
	w.until(`navigator.serviceWorker.controller`)
}

// watch notes what goes wrong in pages: nothing fails, and nothing that the policy forbids is tried.
func (w traveler) watch() {
	w.t.Helper()
	note := `window.__wrong = []; addEventListener("error", e => __wrong.push(e.message)); addEventListener("unhandledrejection", e => __wrong.push(String(e.reason)));
		addEventListener("securitypolicyviolation", e => __wrong.push(e.violatedDirective + " " + e.blockedURI));`
	if _, err := chromedp.Call(w.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: note}); err != nil {
		w.t.Fatal(err)
	}
}

// frontOf is the API as the server runs it.
func frontOf(s *site, pages http.Handler) http.Handler {
	a := must[*api.API](s.t)(api.New(api.Config{
		Catalog: s.catalog, Search: s.index, Keys: s.keys, Sessions: s.sessions, Local: s.local, Texts: s.texts, Insight: s.insight, Web: pages,
	}))
	a.SetReady(true)
	return a
}

const lea = catalog.LearnerID("demo-learner")

// mineOnServer reads what the server has of the learner.
func (w traveler) mineOnServer(course catalog.CourseID) (m mine, version coursesync.Seq) {
	w.t.Helper()
	err := w.site.catalog.View(w.t.Context(), func(v *catalog.View) (err error) {
		if m, err = readMine(v, lea, course); err != nil {
			return err
		}
		e, _, err := v.MyEnrollment(lea, course)
		version = e.Version
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return m, version
}

// gone waits until nothing is kept.
func (w traveler) gone() {
	w.t.Helper()
	js := `Promise.all([indexedDB.databases(), caches.keys(), navigator.serviceWorker.getRegistrations()]).then(a => JSON.stringify(a))`
	w.untilTrue("nothing to be kept", func() bool { return await[string](w.walk, js) == "[[],[],[]]" })
}

// inStore evaluates what a step does with the stores of the learner's database.
func inStore(w walk, step string) {
	w.t.Helper()
	await[bool](w, `new Promise((yes, no) => {
		const open = indexedDB.open("carrel:demo-learner");
		open.onsuccess = () => {
			const tx = open.result.transaction(["rows", "queue", "meta"], "readwrite"), rows = tx.objectStore("rows"), meta = tx.objectStore("meta");
			`+step+`
			tx.oncomplete = () => { open.result.close(); yes(true); };
			tx.onabort = () => no(tx.error);
		};
	})`)
}

// stateOf is an expression for a number of the record that the learner's database keeps.
func stateOf(name string) string {
	return `new Promise((yes) => {
		const open = indexedDB.open("carrel:demo-learner");
		open.onsuccess = () => {
			open.result.transaction("meta").objectStore("meta").get("state").onsuccess = (e) => { open.result.close(); yes(e.target.result.` + name + ` || 0); };
		};
	})`
}
