package web

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// offlineViews are ways to look at a page without a network: every language, both widths, both schemes.
var offlineViews = []struct {
	lang   string
	width  int64
	scheme string
}{{"en", 390, "light"}, {"fr", 1280, "dark"}, {"zh-Hans", 390, "dark"}}

// TestOfflineAccessible holds the pages that are drawn from the device against axe-core.
func TestOfflineAccessible(t *testing.T) {
	path := os.Getenv("CARREL_AXE")
	if path == "" {
		if os.Getenv("CARREL_REQUIRE") == "1" {
			t.Fatal("CARREL_AXE does not name axe.min.js")
		}
		t.Skip("CARREL_AXE does not name axe.min.js: run this by make test, with Node 20 or newer")
	}
	script := string(must[[]byte](t)(os.ReadFile(path)))
	ctx := browser(t)
	l := &line{}
	s := newSite(t, options{demo: true, line: l})
	w := traveler{walk{t: t, ctx: ctx, base: s.server.URL, site: s}, l}
	w.do()
	w.learner()
	w.open("/courses/PY1")
	w.click(`form[action$="/enroll"] button`)
	w.shows("Start the first lesson")
	w.open("/me")
	w.shows("2 lessons can be read.")
	w.offline(true)
	w.open("/courses/FR1")
	w.click(`form[action$="/enroll"] button`)
	w.standing("offline", "1")
	for _, view := range offlineViews {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}}}
		if _, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, media); err != nil {
			t.Fatal(err)
		}
		w.do(chromedp.EmulateViewport(view.width, 844))
		for _, path := range []string{"/", "/?q=zzzz", "/?tag=data#filters", "/courses/PY1", "/courses/FR1", "/courses/PY1/lessons/l1", "/me", "/admin"} {
			at, hash, _ := strings.Cut(path, "#")
			sep := "?"
			if strings.Contains(at, "?") {
				sep = "&"
			}
			w.open(at + sep + "locale=" + view.lang + "#" + hash)
			w.until(`document.querySelector("#offline-state:not([hidden])") && document.querySelector("main h1, main h2") && !document.querySelector("main noscript")`)
			ask[bool](w.walk, script+"\n;document.querySelectorAll('main details').forEach((d) => { d.open = true; });true")
			w.holds(path+" in "+view.lang, view.width)
		}
	}
}

// holds runs axe on the page as it stands.
func (w traveler) holds(what string, width int64) {
	w.t.Helper()
	var got struct {
		Rules      int
		Width      int64
		Violations []struct {
			ID, Impact, Help string
			Nodes            []string
		}
	}
	text := await[string](w.walk, `axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then((r) => JSON.stringify({
		rules: r.passes.length, width: document.documentElement.scrollWidth,
		violations: r.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary)}))}))`)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		w.t.Fatal(err)
	}
	const leastRules = 15 // a blank page passes fewer
	if got.Rules < leastRules {
		w.t.Errorf("%s: axe passed only %d rules: it did not see the page", what, got.Rules)
	}
	if got.Width > width {
		w.t.Errorf("%s: what it holds is %d px wide on a screen of %d", what, got.Width, width)
	}
	for _, v := range got.Violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			w.t.Errorf("%s: %s (%s): %s\n\t%s", what, v.ID, v.Impact, v.Help, v.Nodes[0])
		}
	}
}
