// Command screenshots takes pictures of the learners' pages, for eyes: overlaps, cut words and poor contrast that no test names.
//
//	go run . serve --demo --data DIR
//	go run ./tests/screenshots --url http://127.0.0.1:8080 --out DIR
//
// It signs in as the sample learner and enrolls in a sample course, and as the sample administrator after a few searches, so the server must run with --demo on a loopback address. A file is
// named by page, language, width and scheme: course-fr-390-dark.png.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	// course and lesson are of the demo catalog: an English course with French and Chinese titles, so that languages mix on its pages.
	course = "PROG101"
	lesson = "l2"
	// tall cuts pictures of long pages, in CSS pixels: further down a page repeats itself.
	tall = 2200
	// patience bounds a whole run; one picture takes about a second.
	patience = 10 * time.Minute
)

// view is a page to look at.
type view struct {
	name, path string
	as         string // a sample person's key; "" is signed out
}

var views = []view{
	{"search", "/", ""},
	{"results", "/?q=python&level=beginner", ""},
	{"results-in", "/?q=python&level=beginner&language=en", "learner"},
	{"results-saved", "/?level=beginner&q=python", "learner"},
	{"nothing", "/?q=python&level=beginner&price_max=0&language=de", ""},
	{"course", "/courses/" + course, "learner"},
	{"course-out", "/courses/" + course, ""},
	{"lesson", "/courses/" + course + "/lessons/" + lesson, "learner"},
	{"me", "/me", "learner"},
	{"inbox", "/me/inbox", "learner"},
	{"searches", "/me/searches", "learner"},
	{"settings", "/me/settings", "learner"},
	{"settings-admin", "/me/settings", "admin"},
	{"admin", "/admin", "admin"},
	{"insight", "/admin/search", "admin"},
	{"push", "/admin/push", "admin"},
	{"fix", "/admin/search/fix?q=kubernetes", "admin"},
	{"sign-in", "/sign-in", ""},
	{"missing", "/nowhere", ""},
}

// screen is how large a display is, in CSS pixels, and its kind: a phone's scroll bars take no room.
type screen struct {
	width, height int64
	kind          chromedp.EmulateViewportOption
}

var (
	languages = []string{"en", "fr", "zh-Hans"}
	schemes   = []string{"light", "dark"}
	screens   = []screen{{390, 844, chromedp.EmulateMobile}, {1280, 800, chromedp.EmulateLandscape}}
)

func main() {
	server := flag.String("url", "http://127.0.0.1:8080", "a server that runs with --demo")
	out := flag.String("out", "screenshots", "folder for the pictures")
	only := flag.String("only", "", "name of the one page to picture")
	flag.Parse()
	if err := run(*server, *out, *only); err != nil {
		slog.Error("no pictures", slog.Any("error", err))
		os.Exit(1)
	}
}

func run(server, out, only string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := os.MkdirAll(out, 0o750); err != nil {
		return err
	}
	sessions := map[string]string{}
	for as, forms := range people {
		session, err := signIn(ctx, server, as, forms)
		if err != nil {
			return err
		}
		sessions[as] = session
	}
	if err := look(ctx, server); err != nil {
		return err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	defer stop()
	ctx, closeBrowser := chromedp.NewContext(ctx)
	defer closeBrowser()
	if err := chromedp.Do(ctx); err != nil { // starts it
		return err
	}
	for _, v := range views {
		if only != "" && v.name != only {
			continue
		}
		for _, lang := range languages {
			if err := pictures(ctx, server, out, v, lang, sessions[v.as]); err != nil {
				return fmt.Errorf("%s in %s: %w", v.name, lang, err)
			}
		}
	}
	return nil
}

// pictures takes one page in one language, on every screen in every scheme. Each has a tab of its own: one whose screen changes may keep styles.
func pictures(ctx context.Context, server, out string, v view, lang, session string) error {
	for _, screen := range screens {
		for _, scheme := range schemes {
			name := fmt.Sprintf("%s-%s-%d-%s.png", v.name, lang, screen.width, scheme)
			tab, closeTab := chromedp.NewContext(ctx)
			err := chromedp.Do(tab, chromedp.EmulateViewport(screen.width, screen.height, screen.kind), setUp(server, session, scheme),
				chromedp.Navigate(server+withLocale(v.path, lang)), settled)
			var picture []byte
			if err == nil {
				picture, err = chromedp.Run(tab, capture(screen.width))
			}
			closeTab()
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(out, name), picture, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// setUp makes the browser prefer a scheme, and signs it in or out.
func setUp(server, session, scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		if err != nil {
			return err
		}
		if _, err = cdp.Call(ctx, t, network.ClearBrowserCookies, cdp.Empty{}); err != nil || session == "" {
			return err
		}
		_, err = cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{Name: "carrel_session", Value: session, URL: server})
		return err
	})
}

// settled waits until the page is laid out for its screen: the first frame may still be of the screen before.
var settled = chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
	const frames = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`
	_, err := chromedp.Evaluate[bool](frames, chromedp.EvalAwaitPromise)(ctx, t)
	return err
})

// capture takes the page from its top, at most tall pixels of it.
func capture(width int64) chromedp.Action[[]byte] {
	return func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		height, err := chromedp.Evaluate[float64]("document.documentElement.scrollHeight")(ctx, t)
		if err != nil {
			return nil, err
		}
		beyond := true
		shot, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: float64(width), Height: min(height, tall), Scale: 1},
		})
		return shot.Data, err
	}
}

func withLocale(path, lang string) string {
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	q := u.Query()
	q.Set("locale", lang)
	u.RawQuery = q.Encode()
	return u.String()
}

// form is what a person sends before the pictures are taken.
type form struct {
	path   string
	values url.Values
}

// people are the sample people who sign in. The learner enrolls, finishes a lesson, keeps a course for later and saves searches: the pages below "My courses" then have something to show.
var people = map[string][]form{
	"admin": nil,
	"learner": {
		{"/courses/" + course + "/enroll", nil},
		{"/courses/" + course + "/lessons/l1/done", nil},
		{"/courses/WEB120/enroll", nil},
		{"/courses/ML110/bookmark", url.Values{"on": {"true"}}},
		{"/me/searches", url.Values{"query": {"q=python&level=beginner"}}},
		{"/me/searches", url.Values{"query": {"category=computer-science&language=fr&free=true&min_rating=4"}}},
	},
}

// signIn signs a sample person in.
func signIn(ctx context.Context, server, as string, forms []form) (session string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Jar: jar}
	for _, form := range append([]form{{"/sign-in", url.Values{"as": {as}}}}, forms...) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+form.path, strings.NewReader(form.values.Encode()))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := send(client, req); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	for _, c := range jar.Cookies(u) {
		if c.Name == "carrel_session" {
			return c.Value, nil
		}
	}
	return "", errors.New("the server set no session: does it run with --demo?")
}

// look makes searches, so that there is something to report.
func look(ctx context.Context, server string) error {
	for _, q := range []string{"python", "machine learning", "python", "kubernetes", "données", "机器学习", "kubernetes"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/?"+url.Values{"q": {q}}.Encode(), http.NoBody)
		if err != nil {
			return err
		}
		if err := send(http.DefaultClient, req); err != nil {
			return err
		}
	}
	return nil
}

func send(client *http.Client, req *http.Request) error {
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: does the server run with --demo?", req.URL.Path, res.Status)
	}
	return nil
}
