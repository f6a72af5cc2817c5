package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/web"
)

// axePage is a page to check, and how it is looked at.
type axePage struct {
	name, path string
	rich       bool   // has parts that no other page has
	as         string // the sample person who looks; "" is nobody
	status     int64
	prepare    string // JavaScript that brings the page into a state before the check; "" leaves it as it came
}

// openAll unfolds everything that folds, so that what is hidden at first is checked too.
const openAll = `document.querySelectorAll("details:not(.menu)").forEach((d) => { d.open = true; })`

var axePages = []axePage{
	{"search", "/", true, "", http.StatusOK, ""},
	{"search unfolded", "/", false, "", http.StatusOK, openAll},
	{"search with filters", "/?q=python&level=beginner", true, "", http.StatusOK, ""},
	{"search without results", "/?q=python&level=beginner&category=" + url.QueryEscape("cybersecurity"), false, "", http.StatusOK, ""},
	{"filters opened", "/?level=beginner", false, "", http.StatusOK, `document.querySelector(".open-filters").click()`},
	{"menus opened", "/courses/WEB120", false, "learner", http.StatusOK, `document.querySelectorAll(".menu").forEach((d) => { d.open = true; })`},
	{"course, signed out", "/courses/PROG101", false, "", http.StatusOK, ""},
	{"course, enrolled", "/courses/PROG101", true, "learner", http.StatusOK, openAll},
	{"lesson", "/courses/PROG101/lessons/l2", true, "learner", http.StatusOK, openAll},
	{"my courses", "/me", true, "learner", http.StatusOK, ""},
	{"my courses, signed out", "/me", false, "", http.StatusOK, ""}, // the page to sign in
	{"results to save", "/?q=python&level=beginner", true, "learner", http.StatusOK, ""},
	{"results that are saved", "/?q=python", false, "learner", http.StatusOK, ""},
	{"inbox", "/me/inbox", true, "learner", http.StatusOK, ""},
	{"inbox, nothing yet", "/me/inbox", false, "admin", http.StatusOK, ""},
	{"saved searches", "/me/searches", true, "learner", http.StatusOK, openAll},
	{"saved searches, none yet", "/me/searches", false, "admin", http.StatusOK, ""},
	{"settings", "/me/settings", true, "learner", http.StatusOK, `document.querySelector('[name="quiet"][value="span"]').click()`},
	{"settings, nothing chosen", "/me/settings", false, "admin", http.StatusOK, ""},
	{"delete my account", "/me/delete", true, "learner", http.StatusOK, ""},
	{"administration", "/admin", false, "admin", http.StatusOK, openAll},
	{"search insight", "/admin/search", true, "admin", http.StatusOK, openAll},
	{"search insight without a search", "/admin/search?days=7&org=acme", false, "admin", http.StatusOK, ""},
	{"help a query", "/admin/search/fix?q=cobol", false, "admin", http.StatusOK, ""},
	{"messages to devices", "/admin/push", true, "admin", http.StatusOK, openAll},
	{"administration, as a learner", "/admin", false, "learner", http.StatusForbidden, ""},
	{"sign in", "/sign-in", false, "", http.StatusOK, ""},
	{"not found", "/nowhere", false, "", http.StatusNotFound, ""},
	{"bad request", "/?min_rating=nine", false, "", http.StatusBadRequest, ""},
}

// axeView is one way of looking.
type axeView struct {
	lang   string
	width  int64
	scheme string
}

// axeViews has every pair of language, width and scheme, but not every triple. A view and the one three places on differ in most.
var axeViews = []axeView{
	{"en", 390, "light"},
	{"zh-Hans", 390, "light"},
	{"fr", 390, "dark"},
	{"zh-Hans", 1280, "dark"},
	{"en", 1280, "dark"},
	{"fr", 1280, "light"},
}

func (v axeView) String() string { return fmt.Sprintf("%s at %d px, %s", v.lang, v.width, v.scheme) }

// screen makes the browser a phone, whose scroll bars take no room, or a desktop.
func (v axeView) screen() chromedp.Action[chromedp.Void] {
	if v.width < 600 {
		return chromedp.EmulateViewport(v.width, 844, chromedp.EmulateMobile)
	}
	return chromedp.EmulateViewport(v.width, 800)
}

// views returns how to look at the i-th page: in all ways at the rich ones, in two at the others, which share their parts.
func (p axePage) views(i int) []axeView {
	if p.rich {
		return axeViews
	}
	return []axeView{axeViews[i%3], axeViews[i%3+3]}
}

// axeRun checks the page as it stands. Target sizes are off by default, and asked for here.
const axeRun = `axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then((r) => JSON.stringify({
	rules: r.passes.length, width: document.documentElement.scrollWidth,
	violations: r.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help,
		nodes: v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary.replace(/\s+/g, " "))})),
}))`

// axeResult is what axeRun says of a page.
type axeResult struct {
	Rules      int            `json:"rules"` // that the page passed
	Width      int64          `json:"width"` // of what the page holds, in CSS pixels
	Violations []axeViolation `json:"violations"`
}

type axeViolation struct {
	ID, Impact, Help string
	Nodes            []string // where, and what to do
}

const (
	// axeNodes bounds how many places of one violation are printed: one mistake in a list repeats itself.
	axeNodes = 3
	// axeRules is what every real page passes; a blank one passes fewer.
	axeRules = 15
	// axePatience bounds the whole test on a busy machine; it takes half a minute on two idle cores.
	axePatience = 5 * time.Minute
)

// TestAccessible holds every page against axe-core, with the demo catalog, in every language, narrow and wide, light and dark.
func TestAccessible(t *testing.T) {
	script := axeScript(t)
	browser := axeBrowser(t)
	site := axeSite(t)
	sessions := map[string]string{"learner": axeSignIn(t, site), "admin": axePost(t, site, "", "/sign-in", "as=admin")}
	for i, page := range axePages {
		t.Run(page.name, func(t *testing.T) {
			for _, view := range page.views(i) {
				got, err := axeCheck(browser, site, sessions[page.as], script, page, view)
				if err != nil {
					t.Fatalf("%s, %s: %v", page.path, view, err)
				}
				got.report(t, page, view)
			}
		})
	}
	t.Run("a planted mistake is found", func(t *testing.T) {
		page := axePage{"planted", "/", false, "", http.StatusOK, `document.querySelector("main").insertAdjacentHTML("beforeend", "<button></button>")`}
		got, err := axeCheck(browser, site, "", script, page, axeViews[0])
		if err != nil || !slices.ContainsFunc(got.Violations, func(v axeViolation) bool { return v.ID == "button-name" }) {
			t.Errorf("axe missed a button without a name: %+v, %v", got, err)
		}
	})
}

// report fails the test on what axe found serious, and on a page that must be scrolled sideways.
func (r axeResult) report(t *testing.T, page axePage, view axeView) {
	t.Helper()
	if r.Rules < axeRules {
		t.Errorf("%s, %s: axe passed only %d rules: it did not see the page", page.path, view, r.Rules)
	}
	if r.Width > view.width {
		t.Errorf("%s, %s: what it holds is %d px wide", page.path, view, r.Width)
	}
	for _, v := range r.Violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.Errorf("%s, %s: %s (%s): %s\n\t%s", page.path, view, v.ID, v.Impact, v.Help, strings.Join(v.Nodes[:min(len(v.Nodes), axeNodes)], "\n\t"))
		}
	}
}

// axeCheck opens a page and runs axe in it, in a tab of its own: one whose width changes may keep styles of the other.
func axeCheck(browser context.Context, site, session, script string, p axePage, view axeView) (axeResult, error) {
	var got axeResult
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	if err := chromedp.Do(tab, view.screen(), axeSetUp(site, session, view)); err != nil {
		return got, err
	}
	res, err := chromedp.RunResponse(tab, chromedp.Navigate(site+p.path))
	if err != nil {
		return got, err
	}
	if res.Status != p.status {
		return got, fmt.Errorf("status %d, want %d", res.Status, p.status)
	}
	lang, err := chromedp.Run(tab, chromedp.Evaluate[string]("document.documentElement.lang"))
	if err != nil {
		return got, err
	}
	if lang != view.lang {
		return got, fmt.Errorf("the page's language is %q", lang)
	}
	// DevTools may evaluate what the page's Content-Security-Policy forbids to it.
	if _, err := chromedp.Run(tab, chromedp.Evaluate[string](script+"\n;"+p.prepare+"\n;''")); err != nil {
		return got, err
	}
	text, err := chromedp.Run(tab, chromedp.Evaluate[string](axeRun, chromedp.EvalAwaitPromise))
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal([]byte(text), &got)
}

// axeSetUp makes the browser prefer a scheme, and gives it the cookies of a visitor.
func axeSetUp(site, session string, view axeView) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: view.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		if err != nil {
			return err
		}
		if _, err = cdp.Call(ctx, tab, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
			return err
		}
		cookies := map[string]string{"carrel_locale": view.lang}
		if session != "" {
			cookies["carrel_session"] = session
		}
		for name, value := range cookies {
			if _, err := cdp.Call(ctx, tab, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: site}); err != nil {
				return err
			}
		}
		return nil
	})
}

// axeScript returns axe-core, or skips.
func axeScript(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CARREL_AXE")
	if path == "" {
		axeMissing(t, "CARREL_REQUIRE", "CARREL_AXE does not name axe.min.js: run this by make test, with Node 20 or newer")
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// axeMissing skips, or fails where everything must be run.
func axeMissing(t *testing.T, required, why string) {
	t.Helper()
	if os.Getenv(required) == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// axeBrowser starts a browser with a profile of its own.
func axeBrowser(t *testing.T) context.Context {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	at := slices.IndexFunc(names, func(name string) bool { _, err := exec.LookPath(name); return err == nil })
	if at < 0 {
		axeMissing(t, "CARREL_REQUIRE_BROWSER", "there is no Chromium or Chrome on the PATH")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(names[at]), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, axePatience)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	return ctx
}

// axeSite serves the pages over the demo catalog, and returns the address.
func axeSite(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	quiet := slog.New(slog.DiscardHandler)
	var err error
	must := func(what string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	c, err := catalog.Open(catalog.Config{Path: filepath.Join(dir, "log.db"), Logger: quiet})
	must("catalog")
	t.Cleanup(func() { _ = c.Close() })
	index, err := search.Open(search.Config{Dir: filepath.Join(dir, "search"), Catalog: c, Logger: quiet})
	must("search")
	t.Cleanup(func() { _ = index.Close() })
	local, err := bolt.Open(filepath.Join(dir, "local.db"), 0o600, &bolt.Options{NoSync: true})
	must("local.db")
	t.Cleanup(func() { _ = local.Close() })
	keys, err := identity.OpenKeyring(filepath.Join(dir, "secrets"), nil)
	must("keys")
	sessions, err := identity.NewSessions(local, keys, nil)
	must("sessions")
	texts, err := locales.Load("")
	must("texts")
	_, err = ingest.Run(t.Context(), c, ingest.Demo(), ingest.Options{Actor: catalog.System, Detect: analysis.Detect, Logger: quiet})
	must("demo catalog")
	err = c.FlushStats(t.Context())
	must("stats")
	head, err := c.Log().Head(t.Context())
	must("log")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = coursesync.Follow(ctx, c.Log(), index, nil) }()
	t.Cleanup(func() { cancel(); <-done })
	err = index.WaitFor(t.Context(), head)
	must("index")
	asked, err := insight.Open(insight.Config{Path: filepath.Join(dir, "insight.db"), Logger: quiet})
	must("insight")
	t.Cleanup(func() { _ = asked.Close() })
	for q, found := range map[string]int{"python": 3, "données": 1, "cobol": 0} {
		asked.Searched(insight.Search{Caller: q, Locale: catalog.English, Text: q, Key: q, First: true, Total: found})
	}
	outbox, err := push.Open(t.Context(), push.Config{Path: filepath.Join(dir, "push.db"), Catalog: c, Texts: texts, Logger: quiet})
	must("push")
	t.Cleanup(func() { _ = outbox.Close() })
	handler, err := web.New(web.Config{Push: outbox, Catalog: c, Search: index, Sessions: sessions, Keys: keys, Texts: texts, Insight: asked, Demo: true, Logger: quiet})
	must("pages")
	_, err = c.Update(t.Context(), catalog.System, axeLearner)
	must("learner")
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// axeLearner gives the sample learner what only apps and the server bring: devices and notifications.
func axeLearner(tx *catalog.Tx) error {
	const who = "demo-learner"
	for id, d := range map[catalog.DeviceID]catalog.Device{
		"phone": {Token: "t1", Platform: catalog.PlatformAndroid, Locale: "fr-CA", Timezone: "America/Montreal", AppVersion: "2.1"}, "web": {Token: "t2", Platform: catalog.PlatformWeb},
	} {
		if _, err := tx.PutDevice(who, id, d, catalog.Cond{}); err != nil {
			return err
		}
	}
	for id, n := range map[catalog.NotificationID]catalog.Notification{
		"n1": {Rule: catalog.RuleCourseChanged, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: "PROG101"}, Data: map[string]string{"course": "Python"}},
		"n2": {Rule: catalog.RuleSearchMatch, Subject: catalog.Subject{Kind: catalog.KindSavedSearch, ID: "gone"}, Data: map[string]string{"search": "Py", "course": "One"}, Count: 3},
	} {
		if _, err := tx.PutNotification(who, id, n); err != nil {
			return err
		}
	}
	return nil
}

// axeSignIn signs in as the sample learner and lets the account have something of everything. It returns the session.
func axeSignIn(t *testing.T, site string) string {
	t.Helper()
	session := axePost(t, site, "", "/sign-in", "as=learner")
	for _, step := range []struct{ path, form string }{
		{"/courses/PROG101/enroll", ""},
		{"/courses/PROG101/lessons/l1/done", ""},
		{"/courses/PROG101/review", "rating=4&text=Clear+and+short."},
		{"/courses/WEB120/enroll", ""},
		{"/courses/ML110/bookmark", "on=true"},
		{"/me/searches", "query=q%3Dpython"},
		{"/me/searches", "query=category%3Dcybersecurity%26min_rating%3D4"},
		{"/me/settings", "quiet=off&timezone=Europe%2FParis&notify.search_match=daily"},
	} {
		axePost(t, site, session, step.path, step.form)
	}
	return session
}

// axePost sends a form, and returns the session that the answer sets, if it sets one.
func axePost(t *testing.T, site, session, path, form string) string {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(&http.Cookie{Name: "carrel_session", Value: session})
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s: %s", path, res.Status)
	}
	for _, c := range res.Cookies() {
		if c.Name == "carrel_session" {
			return c.Value
		}
	}
	return ""
}
