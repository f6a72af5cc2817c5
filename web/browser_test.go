package web

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// patience bounds the whole walk through the pages, and each wait in it.
const (
	patience     = 5 * time.Minute
	waitForEach  = 20 * time.Second
	lookInterval = 50 * time.Millisecond
)

// browser starts a browser, or skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if os.Getenv("CARREL_REQUIRE_BROWSER") == "1" {
			t.Fatal("no chromium, chromium-browser or google-chrome is installed, and CARREL_REQUIRE_BROWSER=1 asks for one")
		}
		t.Skip("not run: no chromium, chromium-browser or google-chrome is installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// walk is a person at the browser.
type walk struct {
	t    *testing.T
	ctx  context.Context
	base string
	site *site
}

func (w walk) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

func (w walk) open(path string) { w.t.Helper(); w.do(chromedp.Navigate(w.base + path)) }

// ask evaluates an expression.
func ask[T any](w walk, js string) T {
	w.t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		w.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for an expression to become true.
func (w walk) until(js string) {
	w.t.Helper()
	deadline := time.NewTimer(waitForEach)
	defer deadline.Stop()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		v, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if err == nil && v {
			return
		}
		select {
		case <-deadline.C:
			w.t.Fatalf("waited in vain for %s (%v); the page is %s", js, err, ask[string](w, "JSON.stringify([document.activeElement.id, document.activeElement.value, document.querySelector(`#suggestions`)?.outerHTML])+location.href+' '+document.title+' '+document.body.innerText.slice(0,600)"))
		case <-look.C:
		}
	}
}

func (w walk) shows(text string) {
	w.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("document.body.innerText.includes(" + string(quoted) + ")")
}

func (w walk) click(selector string) {
	w.t.Helper()
	w.until("document.querySelector(`" + selector + "`)")
	ask[bool](w, "(el => (el.focus(), el.click(), true))(document.querySelector(`"+selector+"`))")
}

// back goes back as the button does. chromedp's own step waits for a page to load, which one that was kept does not.
func (w walk) back() { w.t.Helper(); ask[bool](w, "(setTimeout(() => history.back()), true)") }

// keys types; see package kb for those without a letter.
func (w walk) keys(s string) { w.t.Helper(); w.do(chromedp.KeyEvent(s)) }

// slash presses the key in one event, as browsers do: what refuses the press also refuses the letter.
func (w walk) slash() {
	w.t.Helper()
	press := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "/", Code: "Slash", Text: "/"}
	if _, err := chromedp.Call(w.ctx, input.DispatchKeyEvent, press); err != nil {
		w.t.Fatal(err)
	}
}

// suggestions answers /v2/suggest as the API does.
func suggestions(s *site) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := s.index.Suggest(r.Context(), catalog.Actor{}, catalog.Locale(r.URL.Query().Get("locale")), r.URL.Query().Get("q"), search.DefaultFacetLimit)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"suggestions": list})
	})
}

// answers is what of the API the pages use.
func answers(s **site) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/events", func(w http.ResponseWriter, r *http.Request) { events(*s)(w, r) })
	mux.HandleFunc("/v2/suggest", func(w http.ResponseWriter, r *http.Request) { suggestions(*s).ServeHTTP(w, r) })
	return mux
}

// TestBrowser walks through the pages as people do, in one browser, each walk in a context of its own.
func TestBrowser(t *testing.T) {
	ctx := browser(t)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	for name, walkThrough := range map[string]func(walk){
		"search": walkSearch, "place": walkPlace, "learning": walkLearning, "keyboard": walkKeyboard, "quiet": walkQuiet, "told": walkTold, "saved": walkSaved,
	} {
		t.Run(name, func(t *testing.T) {
			var s *site
			s = newSite(t, options{demo: true, api: answers(&s)})
			tab, cancel := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
			defer cancel()
			w := walk{t: t, ctx: tab, base: s.server.URL, site: s}
			w.do()
			walkThrough(w)
		})
	}
}

func walkSearch(w walk) {
	w.open("/")
	w.shows("25 courses")
	w.slash() // to the box
	w.until(`document.activeElement.id === "q"`)
	w.keys("pyth")
	w.until(`document.querySelector("#q").getAttribute("aria-expanded") === "true"`)
	w.keys(kb.ArrowDown)
	w.until(`document.getElementById(document.querySelector("#q").getAttribute("aria-activedescendant"))?.getAttribute("aria-selected") === "true"`)
	w.keys(kb.Escape)
	w.until(`document.querySelector("#suggestions").hidden && document.querySelector("#q").value === "pyth"`)
	w.keys("on" + kb.Enter)
	w.until(`document.querySelector("#count").textContent === "2 courses" && location.search === "?q=python"`)

	w.click(`input[name="tag"][value="data"]`)
	w.until(`location.search.includes("tag=data") && document.querySelectorAll(".chips li").length === 2`)
	w.until(`document.activeElement.name === "tag"`) // the focus survives
	w.click(`input[name="level"][value="beginner"]`)
	w.until(`document.querySelector("#count").textContent === "1 course" && location.search.includes("level=beginner")`)
	w.until(`document.querySelector("#status").textContent.includes("1 course")`) // and is told

	w.click(`.menu a[hreflang="fr"]`)
	w.until(`document.documentElement.lang === "fr" && document.querySelector("h3 a")?.textContent === "Python à partir de zéro"`)
	w.until(`document.querySelector('input[name="level"][value="beginner"]').checked`)
	w.click(`.card h3 a`)
	w.until(`location.pathname === "/courses/PY1" && document.querySelector("h1").textContent === "Python à partir de zéro"`)
	w.back()
	w.until(`location.pathname === "/" && document.querySelectorAll(".cards > li").length === 1 && document.querySelector('input[name="level"][value="beginner"]').checked`)
	w.click(`.chips .clear`)
	w.until(`document.querySelector("#count").textContent === "2 cours" && !document.querySelector(".chips")`)
	w.back()
	w.until(`document.querySelector("#count").textContent === "1 cours" && document.querySelector('input[name="level"][value="beginner"]').checked`)
}

func walkPlace(w walk) {
	w.open("/?q=algebra&sort=title")
	w.until(`document.querySelectorAll(".cards > li").length === 15`)
	w.click(`[data-more]`)
	w.until(`document.querySelectorAll(".cards > li").length === 20 && !document.querySelector("[data-more]")`)
	ask[bool](w, `(document.querySelector(".cards > li:last-child").scrollIntoView(), true)`)
	place := ask[float64](w, "scrollY")
	w.click(`.cards > li:last-child h3 a`)
	w.until(`location.pathname.startsWith("/courses/")`)
	w.back()
	w.until(`document.querySelectorAll(".cards > li").length === 20`)
	w.until(`Math.abs(scrollY - ` + jsonNumber(place) + `) < 40`)
}

func jsonNumber(f float64) string {
	text, _ := json.Marshal(f) // a finite number
	return string(text)
}

func walkLearning(w walk) {
	w.open("/courses/PY1")
	w.click(`.course-do a.button`)
	w.click(`button:has(b)`) // the first sample person
	w.shows("You are signed in.")
	w.until(`!location.search.includes("done")`)
	w.click(`form[action$="/enroll"] button`)
	w.shows("Start the first lesson")
	w.shows("You are enrolled.")
	w.click(`.course-do a.button`)
	w.shows("A name for a value.")
	w.click(`.lesson-end .button`)
	w.until(`location.pathname.endsWith("/l2")`)
	w.click(`.lesson-end .button`)
	w.shows("you have completed the course")
	w.click(`input[name="rating"][value="4"]`)
	w.click(`.review-form form .button`)
	w.shows("your review is published")
	w.until(`document.querySelector('input[name="rating"][value="4"]').checked`)
}

// walkKeyboard uses the keyboard alone: search, filter, open, sign in, enroll.
func walkKeyboard(w walk) {
	w.open("/")
	w.slash()
	w.until(`document.activeElement.id === "q"`)
	w.keys("python" + kb.Enter)
	w.until(`document.querySelector("#count").textContent === "2 courses"`)
	w.tabTo(`document.activeElement.name === "level" && document.activeElement.value === "beginner"`)
	w.keys(" ")
	w.until(`document.querySelector("#count").textContent === "1 course"`)
	w.tabTo(`document.activeElement.matches(".card h3 a")`)
	w.keys(kb.Enter)
	w.until(`location.pathname === "/courses/PY1"`)
	w.tabTo(`document.activeElement.matches(".course-do a.button")`)
	w.keys(kb.Enter)
	w.until(`location.pathname === "/sign-in"`)
	w.tabTo(`document.activeElement.matches("main form button")`)
	w.keys(kb.Enter)
	w.until(`location.pathname === "/courses/PY1"`)
	w.tabTo(`document.activeElement.matches('form[action$="/enroll"] button')`)
	w.keys(kb.Enter)
	w.shows("Start the first lesson")
}

// mostTabs is more than any page has stops.
const mostTabs = 120

// tabTo presses Tab until the focus is where it should be, and always visible.
func (w walk) tabTo(js string) {
	w.t.Helper()
	for range mostTabs {
		w.keys(kb.Tab)
		if ask[bool](w, "Boolean("+js+")") {
			return
		}
	}
	w.t.Fatalf("%d times Tab did not lead to %s", mostTabs, js)
}

// walkSaved uses the keyboard alone: search, sign in, save what was searched for, change and delete it; and takes the device's time zone.
func walkSaved(w walk) {
	w.open("/")
	w.slash()
	w.keys("python" + kb.Enter)
	w.until(`document.querySelector("#count").textContent === "2 courses" && document.querySelector(".found a")`)
	w.tabTo(`document.activeElement.matches(".found a")`)
	w.keys(kb.Enter)
	w.until(`location.pathname === "/sign-in"`)
	w.tabTo(`document.activeElement.matches("main form button")`)
	w.keys(kb.Enter)
	w.until(`location.search === "?q=python"`)
	w.tabTo(`document.activeElement.matches(".found button")`)
	w.keys(kb.Enter)
	w.shows("The search is saved")
	w.click(`input[name="level"][value="beginner"]`) // the control is that of what is shown
	w.until(`document.querySelector('.found input[name="query"]')?.value === "level=beginner&q=python"`)
	w.click(`input[name="level"][value="beginner"]`)
	w.until(`location.search === "?q=python" && document.querySelector(".found a")`)
	w.tabTo(`document.activeElement.matches(".found a")`)
	w.keys(kb.Enter)
	w.until(`location.pathname === "/me/searches"`)
	w.tabTo(`document.activeElement.matches(".saved summary")`)
	w.keys(kb.Enter)
	w.tabTo(`document.activeElement.name === "notify"`)
	w.keys("o" + kb.Tab + kb.Enter)
	w.shows("The saved search is changed.")
	w.until(`document.querySelector(".saved summary").innerText.startsWith("Once a day")`)
	w.click(`.saved summary`)
	w.tabTo(`document.activeElement.name === "remove"`)
	w.keys(kb.Enter)
	w.shows("You have not saved a search yet.")

	w.open("/me/settings")
	w.until(`document.querySelector(".times").checkVisibility() === false`)
	w.click(`input[name="quiet"][value="span"]`)
	w.until(`document.querySelector(".times").checkVisibility()`)
	w.until(`document.querySelectorAll("#zones option").length > 300`)
	w.click(`#zone-here`)
	w.until(`document.querySelector("#timezone").value === Intl.DateTimeFormat().resolvedOptions().timeZone`)
	w.click(`.settings > p .button`)
	w.shows("Your settings are saved.")
	w.until(`document.querySelector("#zone-here").hidden && document.querySelector('input[name="was.quiet_hours"]').value === "22:00-07:00"`)
}

// walkTold chooses courses from the first page and from what was added to it, and enrolls: the server is told which, and where they stood.
func walkTold(w walk) {
	w.open("/sign-in")
	w.click(`button[name], form[action="/sign-in"] button`)
	w.shows("You are signed in.")
	w.open("/?q=algebra&sort=title")
	w.click("[data-more]")
	w.until(`document.querySelectorAll("#cards > li").length === 20`)
	w.click("#cards > li:nth-child(17) h3 a")
	w.until(`location.pathname.startsWith("/courses/ALG")`)
	w.click(`form[action$="/enroll"] button`)
	w.shows("You are enrolled.")
	w.open("/?q=algebra&sort=title")
	w.click("#cards > li:nth-child(3) h3 a")
	w.until(`location.pathname.startsWith("/courses/ALG")`)
	w.untilTrue("two clicks, at 3 and 17, and an enrollment", func() bool {
		r := w.site.report("").Totals
		return r.Clicks == 2 && *r.Position == 10 && r.Enrolls == 1
	})
}

// untilTrue waits for what the server knows.
func (w walk) untilTrue(what string, is func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(waitForEach)
	defer deadline.Stop()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for !is() {
		select {
		case <-deadline.C:
			w.t.Fatalf("waited in vain for %s: %+v, %+v", what, w.site.report("").Totals, w.site.insight.Stats())
		case <-look.C:
		}
	}
}

// walkQuiet looks for trouble: nothing that the policy forbids is tried, nothing fails, nothing overflows, on a phone and on a desk.
func walkQuiet(w walk) {
	var problems []string
	note := `window.__wrong = []; addEventListener("error", e => __wrong.push(e.message)); addEventListener("securitypolicyviolation", e => __wrong.push(e.violatedDirective + " " + e.blockedURI));`
	if _, err := chromedp.Call(w.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: note}); err != nil {
		w.t.Fatal(err)
	}
	for width, tags := range map[int64][]string{390: {"fr", "zh-Hans"}, 1280: {"en"}} { // French is the widest
		w.do(chromedp.EmulateViewport(width, 844))
		for _, path := range []string{"/", "/?q=python&level=beginner", "/?q=python&level=intermediate", "/courses/PY1", "/courses/ZH1/lessons/l1", "/sign-in", "/none"} {
			for _, tag := range tags {
				sep := "?"
				if strings.Contains(path, "?") {
					sep = "&"
				}
				w.open(path + sep + "locale=" + tag)
				problems = append(problems, ask[[]string](w, `__wrong.map(m => location.pathname + ": " + m)`)...)
				if wide := ask[float64](w, "document.documentElement.scrollWidth"); wide > float64(width) {
					w.t.Errorf("%s in %s: %v wide on a screen of %d", path, tag, wide, width)
				}
			}
		}
	}
	for _, p := range problems {
		w.t.Error(p)
	}
}
