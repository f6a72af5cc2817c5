package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
)

func TestSearchPage(t *testing.T) {
	s := newSite(t, options{})
	v := s.visitor("en")
	v.get("/").wants(t, http.StatusOK, `<html lang="en">`, "What would you like to learn?", "25 courses", `id="facet-level"`, `name="level" value="beginner"`)
	found := v.get("/?q=python")
	found.wants(t, http.StatusOK, "2 courses", "<mark>Python</mark> from scratch", `<h3 lang="fr">`, "4.5", "(100 ratings)", "3\u00a0h\u00a020\u00a0min")
	found.lacks(t, "Algebra", "Unfinished", "Inside Acme", "What would you like")
	v.get("/?q=python&level=beginner&unknown=1&facets=nonsense&limit=abc").wants(t, http.StatusOK, "1 course", `name="level" value="beginner" checked`, `href="/?q=python" data-live`)
	v.get("/?q=&level=&min_rating=&duration=&sort=").wants(t, http.StatusOK, "25 courses")
	v.get("/?duration=180-600").wants(t, http.StatusOK, "1 course", `name="duration" value="180-600" checked`, "3\u00a0h to 10\u00a0h")
}

func TestSearchPageRefusesBadValues(t *testing.T) {
	v := newSite(t, options{}).visitor("en")
	for _, path := range []string{"/?min_rating=lots", "/?sort=color", "/?duration=x-y", "/?cursor=!!!", "/?q=%ff", "/?q=" + strings.Repeat("a", 2000)} {
		v.get(path).wants(t, http.StatusBadRequest, `role="search"`, `href="/"`)
	}
}

func TestPaging(t *testing.T) {
	v := newSite(t, options{}).visitor("en")
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	title := regexp.MustCompile(`<a href="/courses/(ALG\d+)">`)
	seen := map[string]bool{}
	path, pages := "/?q=algebra&sort=title", 0
	for ; path != ""; pages++ {
		page := v.get(path)
		page.wants(t, http.StatusOK, "20 courses")
		for _, m := range title.FindAllStringSubmatch(page.body, -1) {
			if seen[m[1]] {
				t.Errorf("%s is listed twice", m[1])
			}
			seen[m[1]] = true
		}
		path = ""
		if m := next.FindStringSubmatch(page.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if len(seen) != extraCourses || pages != 2 {
		t.Errorf("%d courses on %d pages, want %d on 2", len(seen), pages, extraCourses)
	}
}

func TestZeroResultsSayWhatToDrop(t *testing.T) {
	v := newSite(t, options{}).visitor("en")
	page := v.get("/?q=python&level=intermediate&language=en")
	page.wants(t, http.StatusOK, "No course fits all of these", `href="/?language=en&amp;q=python" data-live`, "<b>1 course</b>")
	v.get("/?q=zzzzqqqq").wants(t, http.StatusOK, "No course for “zzzzqqqq”", "Try fewer words")
}

func TestFacetSearch(t *testing.T) {
	v := newSite(t, options{}).visitor("fr")
	v.get("/?in_tags=donn").wants(t, http.StatusOK, `name="tag" value="data"`, `name="in_tags" value="donn"`)
}

func TestLanguage(t *testing.T) {
	s := newSite(t, options{})
	v := s.visitor("fr-CA,fr;q=0.9")
	page := v.get("/?q=python")
	page.wants(t, http.StatusOK, `<html lang="fr">`, "2 cours", "à partir de zéro", `hreflang="zh-Hans"`)
	if got := page.Header.Get("Content-Language"); got != "fr" {
		t.Errorf("Content-Language is %q, want fr", got)
	}
	v.get("/?q=python&locale=zh-CN").wants(t, http.StatusOK, `<html lang="zh-Hans">`, "2 门课程", `<h3 lang="en">`)
	v.get("/courses/PY1").wants(t, http.StatusOK, `<html lang="zh-Hans">`, "课程大纲", `<h1 lang="en">`)
	v.get("/courses/PY1?locale=fr").wants(t, http.StatusOK, `<h1>Python à partir de zéro</h1>`, `lang="en"`)
}

func TestCoursePage(t *testing.T) {
	s := newSite(t, options{})
	v := s.visitor("en")
	page := v.get("/courses/PY1")
	page.wants(t, http.StatusOK, "<h1>Python from scratch</h1>", "<p>First paragraph.</p><p>Second paragraph.</p>", "Beginnings", "Variables", "Ada Quill",
		"Sign in to enroll", `property="og:title" content="Python from scratch"`, `hreflang="fr"`, "translated into French", "Similar courses", "Données et Python")
	page.lacks(t, "/lessons/l1")
	ld := regexp.MustCompile(`(?s)<script type="application/ld\+json">(.*?)</script>`).FindStringSubmatch(page.body)
	if ld == nil {
		t.Fatal("the page has no JSON-LD")
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(ld[1]), &doc); err != nil || doc["@type"] != "Course" || doc["name"] != "Python from scratch" {
		t.Errorf("JSON-LD is %s (%v)", ld[1], err)
	}
	v.get("/courses/LATER").wants(t, http.StatusOK, "Enrollment opens on")
	for _, hidden := range []string{"/courses/DRAFT", "/courses/acme~X1", "/courses/none", "/courses/%ff", "/courses/PY1/lessons/l9", "/covers/DRAFT.svg", "/covers/PY1.png", "/static/none.css", "/none"} {
		got := v.get(hidden)
		if got.StatusCode != http.StatusNotFound && got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 404", hidden, got.StatusCode)
		}
		got.lacks(t, "Unfinished", "Inside Acme")
	}
	v.get("/?tag=acme~secret").lacks(t, "Hidden plans")
}

func TestMarkupIsEscaped(t *testing.T) {
	v := newSite(t, options{}).visitor("en")
	for _, path := range []string{"/courses/NASTY", "/?q=markup", "/?q=" + url.QueryEscape(nasty), "/?tag=" + url.QueryEscape(nasty), "/?provider=" + url.QueryEscape(`"><script>alert(1)</script>`)} {
		page := v.get(path)
		page.lacks(t, "<script>alert", `"><script`)
		if strings.Contains(path, "courses") {
			page.wants(t, http.StatusOK, "Markup &lt;script&gt;")
		}
	}
}

// The policy forbids scripts and styles that stand in a page; none may need them.
func TestPolicy(t *testing.T) {
	s := newSite(t, options{demo: true})
	v := s.visitor("en")
	v.post("/sign-in", url.Values{"as": {"learner"}})
	v.post("/courses/PY1/enroll", nil)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:>| (?:type="module" src="/static/|type="application/ld))`)
	outside := regexp.MustCompile(`(?i)(?:src|href)="(?:https?:)?//[^"]*"`)
	for _, path := range []string{"/", "/?q=python&level=beginner", "/courses/PY1", "/courses/PY1/lessons/l1", "/me", "/me/inbox", "/me/searches", "/me/settings", "/sign-in", "/none"} {
		page := v.get(path)
		if got := page.Header.Get("Content-Security-Policy"); got != policy || !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy is %q", path, got)
		}
		for _, m := range inline.FindAllString(page.body, -1) {
			if !strings.Contains(m, "/static/") && !strings.Contains(m, "ld") {
				t.Errorf("%s: the page holds %q", path, m)
			}
		}
		for _, m := range outside.FindAllString(page.body, -1) {
			if !strings.Contains(m, s.server.URL) {
				t.Errorf("%s: the page refers to %s", path, m)
			}
		}
	}
	icon := v.get("/favicon.ico")
	icon.wants(t, http.StatusOK, "<svg")
}

// maxPage and maxScript are the page's weight before compression that notes on pages promise.
const (
	maxPage   = 60_000
	maxScript = 40_000
)

func TestWeight(t *testing.T) {
	s := newSite(t, options{})
	v := s.visitor("zh-Hans")
	page := v.get("/")
	if len(page.body) > maxPage {
		t.Errorf("the search page has %d bytes, want at most %d", len(page.body), maxPage)
	}
	scripts := regexp.MustCompile(`src="(/static/[^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(scripts) != 2 {
		t.Fatalf("the page has the scripts %v", scripts)
	}
	sum := 0
	for _, m := range scripts {
		sum += weightOf(t, v, m[1])
	}
	if sum > maxScript {
		t.Errorf("the scripts have %d bytes, want at most %d", sum, maxScript)
	}
}

// weightOf is the size of a script with what it imports at its beginning, in bytes.
func weightOf(t *testing.T, v *visitor, address string) int {
	t.Helper()
	file := v.get(address)
	file.wants(t, http.StatusOK)
	if got := file.Header.Get("Cache-Control"); got != immutable {
		t.Errorf("%s: Cache-Control is %q", address, got)
	}
	sum := len(file.body)
	for _, m := range regexp.MustCompile(`(?m)^import [^"\n]*"\./([^"]+)"`).FindAllStringSubmatch(file.body, -1) {
		sum += weightOf(t, v, path.Join(path.Dir(address), m[1]))
	}
	return sum
}

func TestLearning(t *testing.T) {
	s := newSite(t, options{demo: true})
	v := s.visitor("en")
	v.get("/me").wants(t, http.StatusOK, "Look around as a sample person")
	v.get("/courses/PY1/lessons/l1").wants(t, http.StatusUnauthorized, "/sign-in?return=")
	v.post("/sign-in", url.Values{"as": {"learner"}, "return": {"/courses/PY1"}}).wants(t, http.StatusOK, "You are signed in.", "Python from scratch", ">Enroll<")
	v.get("/courses/PY1/lessons/l1").wants(t, http.StatusForbidden, "Enroll first")
	v.post("/courses/PY1/enroll", url.Values{"return": {"/courses/PY1"}}).wants(t, http.StatusOK, "You are enrolled.", "Start the first lesson", "0 of 2 lessons done", "Write a review")
	v.post("/courses/LATER/enroll", nil).wants(t, http.StatusConflict, "Enrollment is closed")
	v.get("/courses/PY1/lessons/l1").wants(t, http.StatusOK, "<em>value</em>", "Lesson 1 of 2", "Done, go on", `rel="next"`)
	v.post("/courses/PY1/lessons/l1/done", url.Values{"return": {"/courses/PY1/lessons/l2"}}).wants(t, http.StatusOK, "Loops", "1 of 2 lessons done")
	v.get("/me").wants(t, http.StatusOK, "Python from scratch", "1 of 2 lessons done", "/courses/PY1/lessons/l2")
	v.post("/courses/PY1/lessons/l2/done", nil).wants(t, http.StatusOK, "you have completed the course", "Read it again")
	v.post("/courses/PY1/review", url.Values{"rating": {"4"}, "instructor:ada": {"5"}, "text": {"Clear & short."}}).wants(t, http.StatusOK, "your review is published", "Clear &amp; short.", "Lea Moreau")
	v.post("/courses/PY1/review", url.Values{"rating": {"9"}}).wants(t, http.StatusBadRequest, "between 1 and 5")
	v.post("/courses/PY1/review", url.Values{"text": {"no stars"}}).wants(t, http.StatusBadRequest, "between 1 and 5")
	v.post("/courses/FR1/review", url.Values{"rating": {"4"}}).wants(t, http.StatusForbidden, "Enroll first")
	v.post("/courses/PY1/review", url.Values{"remove": {"true"}}).wants(t, http.StatusOK, "Your review is deleted.")
	v.post("/courses/FR1/bookmark", url.Values{"on": {"true"}}).wants(t, http.StatusOK, "Saved under")
	v.get("/me").wants(t, http.StatusOK, "Saved for later", "Données et Python", "Completed")
	v.post("/courses/FR1/bookmark", url.Values{"on": {"false"}}).wants(t, http.StatusOK, "No longer saved.")
	v.post("/courses/PY1/withdraw", nil).wants(t, http.StatusOK, "You have left the course.")
	v.post("/sign-out", nil).wants(t, http.StatusOK, "You are signed out.", "Sign in")
	v.post("/courses/PY1/enroll", nil).wants(t, http.StatusUnauthorized, "Sign in first")
}

func TestSessionCookie(t *testing.T) {
	for _, c := range []struct {
		public string
		secure bool
	}{{"", false}, {"https://learn.example.org", true}} {
		s := newSite(t, options{demo: true, public: c.public})
		v := s.visitor("en")
		v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got := v.post("/sign-in", url.Values{"as": {"learner"}})
		got.wants(t, http.StatusSeeOther)
		cookies := got.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d cookies, want 1", len(cookies))
		}
		k := cookies[0]
		if k.Name != sessionCookie || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Secure != c.secure || k.Path != "/" || k.MaxAge <= 0 {
			t.Errorf("cookie is %+v", k)
		}
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	v := newSite(t, options{demo: true}).visitor("fr")
	for name, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		v.header.Set(name, value)
		v.post("/sign-in", url.Values{"as": {"learner"}}).wants(t, http.StatusForbidden, "Envoyé depuis un autre site")
		v.header.Del(name)
	}
}

func TestReturnStaysHere(t *testing.T) {
	for in, want := range map[string]string{
		"/courses/A?x=1": "/courses/A?x=1", "//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/", "javascript:alert(1)": "/", "": "/", "courses": "/",
		"/\nSet-Cookie": "/",
	} {
		if got := localPath(in, "/"); got != want {
			t.Errorf("localPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDemoOnlyHere(t *testing.T) {
	s := newSite(t, options{demo: true})
	v := s.visitor("en")
	v.header.Set("X-Forwarded-For", "203.0.113.9")
	v.get("/sign-in").lacks(t, "Lea Moreau")
	v.post("/sign-in", url.Values{"as": {"admin"}}).wants(t, http.StatusForbidden)
	plain := newSite(t, options{}).visitor("en")
	plain.get("/sign-in").lacks(t, "Lea Moreau")
	plain.post("/sign-in", url.Values{"as": {"admin"}}).wants(t, http.StatusForbidden)
	for host, want := range map[string]bool{"localhost:8080": true, "127.0.0.1": true, "[::1]:80": true, "evil.example:8080": false, "10.0.0.1": false} {
		if got := loopbackName(host); got != want {
			t.Errorf("loopbackName(%q) = %v", host, got)
		}
	}
}

func TestOneTimeLink(t *testing.T) {
	s := newSite(t, options{})
	token := must[string](t)(s.keys.Sign(identity.Grant{Actor: catalog.Actor{Subject: "ada", Name: "Ada L."}, TTL: identity.LinkTTL, Link: true}))
	v := s.visitor("en")
	for range 2 { // a preview of the link does not use it up
		v.get("/sign-in?token="+token).wants(t, http.StatusOK, "Sign in on this device")
	}
	v.post("/sign-in", url.Values{"token": {token}, "return": {"/me"}}).wants(t, http.StatusOK, "Good to see you, Ada L.")
	s.visitor("en").post("/sign-in", url.Values{"token": {token}}).wants(t, http.StatusUnauthorized, "This link no longer works")
	if got := v.get("/sign-in?token=x").Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy is %q: the token would leave with it", got)
	}
}

func TestOrganization(t *testing.T) {
	s := newSite(t, options{})
	token := must[string](t)(s.keys.Sign(identity.Grant{Actor: catalog.Actor{Subject: "mia", Org: "acme"}, TTL: identity.LinkTTL, Link: true}))
	v := s.visitor("en")
	v.post("/sign-in", url.Values{"token": {token}}).wants(t, http.StatusOK)
	v.get("/courses/acme~X1").wants(t, http.StatusOK, "Inside Acme", "Hidden plans", `content="noindex"`)
	v.get("/?q=inside").wants(t, http.StatusOK, "1 course")
}

func TestMachinesRead(t *testing.T) {
	s := newSite(t, options{public: "https://learn.example.org"})
	v := s.visitor("en")
	sitemap := v.get("/sitemap.xml")
	sitemap.wants(t, http.StatusOK, "<loc>https://learn.example.org/courses/PY1</loc>")
	sitemap.lacks(t, "DRAFT", "acme")
	v.get("/robots.txt").wants(t, http.StatusOK, "Sitemap: https://learn.example.org/sitemap.xml")
	cover := v.get("/covers/PY1.svg")
	cover.wants(t, http.StatusOK, "<svg")
	if again := v.get("/covers/PY1.svg"); again.body != cover.body {
		t.Error("a cover changes from one request to the next")
	}
	if got := v.do(http.MethodHead, "/courses/PY1", nil); got.StatusCode != http.StatusOK || got.body != "" {
		t.Errorf("HEAD: %d with %d bytes", got.StatusCode, len(got.body))
	}
	v.do(http.MethodPut, "/courses/PY1/enroll", nil).wants(t, http.StatusMethodNotAllowed)
}
