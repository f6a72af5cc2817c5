package api

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// TestIDsInPaths: ids are percent-decoded exactly once.
func TestIDsInPaths(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct{ path, id string }{
		{"a%2Bb", "a+b"},
		{"a+b2", "a+b2"},
		{url.PathEscape("机器学习"), "机器学习"},
		{"acme~CS101", "acme~CS101"},
		{"acme%7ECS102", "acme~CS102"},
		{"e%CC%81te%CC%81", "été"}, // decomposed; ids are NFC
		{"x:y.z@w_-1", "x:y.z@w_-1"},
	} {
		made := s.want("201", ask{method: http.MethodPut, path: "/v2/courses/" + tt.path, as: editor, body: m{"title": "T"}})
		if made.text("id") != tt.id {
			t.Errorf("%s made the course %q, want %q", tt.path, made.text("id"), tt.id)
		}
	}
	for _, path := range []string{"a%252Bb", "%252F", "a%2Fb", "a%20b", "%00", "~", "a~b~c"} {
		s.want("400 invalid-fields", ask{method: http.MethodPut, path: "/v2/courses/" + path, as: editor, body: m{"title": "T"}})
		s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/courses/" + path})
	}
	s.want("400 invalid-parameter", ask{method: http.MethodGet, path: "/v2/courses/%ff"})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/courses/a/b/c"})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/nothing"})
}

func TestMethods(t *testing.T) {
	s := newServer(t)
	got := s.want("405 method-not-allowed", ask{method: http.MethodPost, path: "/v2/courses/x", body: m{}})
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		if !strings.Contains(got.header.Get("Allow"), method) {
			t.Errorf("Allow is %q, without %s", got.header.Get("Allow"), method)
		}
	}
	if got := s.do(ask{method: http.MethodOptions, path: "/v2/courses"}); got.status != http.StatusNoContent || got.header.Get("Allow") == "" {
		t.Errorf("OPTIONS: %d %v", got.status, got.header)
	}
	if got := s.do(ask{method: http.MethodHead, path: "/v2/courses"}); got.status != http.StatusOK || len(got.body) > 0 {
		t.Errorf("HEAD: %d %q", got.status, got.body)
	}
	if got := s.do(ask{method: http.MethodHead, path: "/v2/courses/none"}); got.status != http.StatusNotFound || len(got.body) > 0 {
		t.Errorf("HEAD of nothing: %d %q", got.status, got.body)
	}
}

// TestHostileInput: whatever comes in, the answer is a 4xx that names the cause.
func TestHostileInput(t *testing.T) {
	s := newServer(t)
	big := strings.Repeat("a", 10<<20)
	deep := strings.Repeat("[", 100_000)
	json := map[string]string{"Content-Type": "application/json"}
	for _, tt := range []struct {
		status string
		q      ask
	}{
		{"413 too-large", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: `{"title":"` + big + `"}`, header: json}},
		{"400 invalid-body", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: `{"title":` + deep, header: json}},
		{"400 invalid-body", ask{method: "PATCH", path: "/v2/courses/x", as: editor, body: deep, header: json}},
		{"400 invalid-body", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: "{\"title\":\"\xc3\x28\"}", header: json}},
		{"415 unsupported-media-type", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: "title=T", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?q=" + big[:100_000]}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?q=" + big[:5_000]}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?q=%ff"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?q=%zz"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?q=a;b"}},
		{"400 unknown-parameter", ask{method: "GET", path: "/v2/search?qq=go"}},
		{"400 unknown-parameter", ask{method: "GET", path: "/v2/courses?q=go"}},
		{"400 unknown-parameter", ask{method: "DELETE", path: "/v2/courses/x?after=y", as: editor}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?q=a&q=b"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?limit=0"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?limit=1e3"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?min_rating=NaN"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?facets=nonsense"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/search?locale=de"}},
		{"400 invalid-cursor", ask{method: "GET", path: "/v2/search?cursor=nonsense"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/suggest"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/suggest?q=" + big[:200]}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/courses?limit=101"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/courses?limit=-1"}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/courses?state=gone"}},
		{"400 invalid-cursor", ask{method: "GET", path: "/v2/courses?cursor=%00"}},
		{"400 invalid-cursor", ask{method: "GET", path: "/v2/courses?cursor=" + big[:5_000]}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/courses?after=" + big[:500]}},
		{"400 invalid-parameter", ask{method: "GET", path: "/v2/tags?locale=*"}},
		{"400 invalid-parameter", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: m{"title": "T"}, header: map[string]string{"If-Match": "nonsense"}}},
		{"400 invalid-parameter", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: m{"title": "T"}, header: map[string]string{"If-None-Match": `"1-en"`}}},
		{"400 invalid-parameter", ask{method: "POST", path: "/v2/imports?dry_run=maybe", as: editor, body: "id,title\n"}},
		{"400 invalid-fields", ask{method: "POST", path: "/v2/courses", as: editor, body: m{"id": "a b", "title": "T"}}},
		{"400 invalid-fields", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: m{"id": "y", "title": "T"}}},
		{"400 invalid-fields", ask{method: "PUT", path: "/v2/courses/x", as: editor, body: m{"title": ""}}},
		{"401 invalid-token", ask{method: "GET", path: "/v2/courses", header: map[string]string{"Authorization": "Bearer " + big[:8_000]}}},
	} {
		t.Run(tt.status+" "+tt.q.method+" "+tt.q.path[:min(len(tt.q.path), 60)], func(t *testing.T) {
			s.t = t
			got := s.want(tt.status, tt.q)
			if got.text("detail") == "" || got.text("type") != "/problems/"+got.text("code") || got.text("instance") != got.header.Get(requestIDHeader) {
				t.Errorf("the problem is not whole: %s", got.body)
			}
		})
	}
	s.t = t
	if got := s.do(ask{method: "GET", path: "/v2/courses"}); len(got.items()) != 0 {
		t.Errorf("a refused request did something: %v", got.items())
	}
}

func TestProblemsSpeakTheCallersLanguage(t *testing.T) {
	s := newServer(t)
	for path, want := range map[string]string{
		"/v2/courses?pge=2":              "Unknown parameter",
		"/v2/courses?pge=2&locale=fr":    "inconnu",
		"/v2/courses?pge=2&locale=zh-CN": "参数",
	} {
		got := s.want("400 unknown-parameter", ask{method: http.MethodGet, path: path})
		if all := got.text("title") + got.text("detail"); !strings.Contains(all, want) || !strings.Contains(all, "pge") {
			t.Errorf("%s: %s", path, got.body)
		}
	}
}

// TestPaging walks a list by its cursors and tries each cursor where it does not belong.
func TestPaging(t *testing.T) {
	s := newServer(t)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		s.want("201", ask{method: http.MethodPut, path: "/v2/courses/" + id, as: editor, body: m{"title": "T", "state": map[bool]string{true: "draft", false: "published"}[id == "c"]}})
		s.want("201", ask{method: http.MethodPut, path: "/v2/tags/" + id, as: editor, body: m{"label": m{"en": id}}})
	}
	walk := func(path string, as catalog.Actor) (ids string, cursor string) {
		next := ""
		for range 10 {
			page := s.want("200", ask{method: http.MethodGet, path: path + next, as: as})
			for _, item := range page.items() {
				ids += item["id"].(string)
			}
			if page.json["next"] == nil {
				return ids, cursor
			}
			cursor = page.text("next")
			next = "&cursor=" + cursor
		}
		t.Fatalf("%s has no end", path)
		return "", ""
	}
	ids, cursor := walk("/v2/courses?limit=2", nobody)
	if ids != "abde" {
		t.Errorf("anonymous: %q", ids)
	}
	if all, _ := walk("/v2/courses?limit=2&state=*", editor); all != "abcde" {
		t.Errorf("editor: %q", all)
	}
	if drafts, _ := walk("/v2/courses?limit=2&state=draft", editor); drafts != "c" {
		t.Errorf("drafts: %q", drafts)
	}
	s.want("403 forbidden", ask{method: http.MethodGet, path: "/v2/courses?state=draft", as: learner})
	s.want("200", ask{method: http.MethodGet, path: "/v2/courses?locale=fr&cursor=" + cursor}) // language and size are no filters
	for _, q := range []ask{
		{path: "/v2/tags?cursor=" + cursor},
		{path: "/v2/courses?state=published&cursor=" + cursor},
		{path: "/v2/courses?cursor=" + cursor, as: editor},
		{path: "/v2/courses?cursor=" + cursor[:len(cursor)-1]},
		{path: "/v2/courses?cursor=A" + cursor[1:]},
		{path: "/v2/courses?cursor="},
		{path: "/v2/search?cursor=" + cursor},
	} {
		q.method = http.MethodGet
		s.want("400 invalid-cursor", q)
	}
}

func TestCompression(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct{ accept, want string }{{"gzip", "gzip"}, {"zstd", "zstd"}, {"gzip, zstd", "zstd"}, {"identity", ""}, {"br", ""}} {
		req, err := http.NewRequest(http.MethodGet, s.URL+"/openapi.yaml", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", tt.accept)
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Content-Encoding"); got != tt.want {
			t.Errorf("%q: encoded by %q, want %q", tt.accept, got, tt.want)
		}
		if !strings.Contains(res.Header.Get("Vary"), "Accept-Encoding") {
			t.Errorf("%q: Vary is %q", tt.accept, res.Header.Get("Vary"))
		}
		var body io.Reader = res.Body
		switch tt.want {
		case "gzip":
			body, err = gzip.NewReader(res.Body)
		case "zstd":
			body, err = zstd.NewReader(res.Body)
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil || string(text) != string(openapiYAML) {
			t.Errorf("%q: %d bytes, %v", tt.accept, len(text), err)
		}
		res.Body.Close()
	}
	if got := s.do(ask{method: http.MethodGet, path: "/healthz", header: map[string]string{"Accept-Encoding": "gzip"}}); got.header.Get("Content-Encoding") != "" {
		t.Error("a small answer was compressed")
	}
}

// TestWebIsNotEncodedTwice: what the pages encoded stays as it is.
func TestWebIsNotEncodedTwice(t *testing.T) {
	const body = "already encoded, says its header, and long enough to be worth it"
	s := newServer(t, func(c *Config) {
		c.Web = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, strings.Repeat(body, 50))
		})
	})
	got := s.do(ask{method: http.MethodGet, path: "/some/page", header: map[string]string{"Accept-Encoding": "gzip, zstd"}})
	if got.header.Get("Content-Encoding") != "gzip" || string(got.body) != strings.Repeat(body, 50) {
		t.Errorf("encoded by %q, %d bytes", got.header.Get("Content-Encoding"), len(got.body))
	}
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/some/page"})
}

func TestCORS(t *testing.T) {
	s := newServer(t, func(c *Config) { c.CORSOrigins = []string{"https://learn.example.org"} })
	preflight := func(origin string) http.Header {
		got := s.do(ask{method: http.MethodOptions, path: "/v2/courses/x", header: map[string]string{"Origin": origin, "Access-Control-Request-Method": "PUT"}})
		if got.status != http.StatusNoContent {
			t.Errorf("preflight: %d", got.status)
		}
		return got.header
	}
	if h := preflight("https://learn.example.org"); h.Get("Access-Control-Allow-Origin") != "https://learn.example.org" || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("allowed: %v", h)
	}
	for _, origin := range []string{"https://evil.example", "null", "https://learn.example.org.evil.example"} {
		if h := preflight(origin); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is allowed", origin)
		}
	}
	got := s.do(ask{method: http.MethodGet, path: "/v2/courses", header: map[string]string{"Origin": "https://learn.example.org"}})
	if got.header.Get("Access-Control-Allow-Origin") == "" || got.header.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "Carrel-As-Of") {
		t.Errorf("a read: %v", got.header)
	}
}

func TestRateLimit(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Limits = Limits{Rate: 2, Burst: 3, Callers: 2} })
	get := ask{method: http.MethodGet, path: "/v2/courses"}
	for range 3 {
		s.want("200", get)
	}
	got := s.want("429 rate-limited", get)
	if got.header.Get("Retry-After") != "1" || got.header.Get("RateLimit") != `"default";r=0;t=2` || got.header.Get("RateLimit-Policy") != `"default";q=3;w=2` {
		t.Errorf("headers: %v", got.header)
	}
	get.as = learner
	s.want("200", get)                                                                                                                       // somebody else
	s.want("200", ask{method: http.MethodGet, path: "/healthz"})                                                                             // never limited
	s.want("429 rate-limited", ask{method: http.MethodGet, path: "/v2/courses", header: map[string]string{"Authorization": "Bearer guess"}}) // guessing is an address's
	s.clock.add(500 * time.Millisecond)
	s.want("200", ask{method: http.MethodGet, path: "/v2/courses"})
	get.as = editor
	s.want("200", get) // the third caller: the table holds two
	if n := s.api.callers.order.Len(); n != 2 || len(s.api.callers.byKey) != n {
		t.Errorf("%d callers are remembered, want 2", n)
	}
}

func TestAddress(t *testing.T) {
	a := &API{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:1234", "", "192.0.2.1"},
		{"192.0.2.1:1234", "203.0.113.9", "192.0.2.1"}, // not trusted
		{"10.0.0.1:1234", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:1234", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:1234", "nonsense", "10.0.0.1"},
		{"[2001:db8:1:2:3::4]:1234", "", "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.1]:1234", "", "192.0.2.1"},
		{"@", "", "@"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := a.Address(r); got != tt.want {
			t.Errorf("%s behind %q is %q, want %q", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

// TestAfter: a read that names a write sees it; one that cannot says so.
func TestAfter(t *testing.T) {
	s := newServer(t)
	made := s.want("201", ask{method: http.MethodPut, path: "/v2/courses/x", as: editor, body: m{"title": "Zymurgy"}})
	token := made.header.Get("Carrel-As-Of")
	found := s.want("200", ask{method: http.MethodGet, path: "/v2/search?q=zymurgy&after=" + token})
	if found.json["total"] != 1.0 {
		t.Errorf("the search does not see the write that it waited for: %s", found.body)
	}
	s.want("200", ask{method: http.MethodGet, path: "/v2/courses?after=" + found.text("as_of")})
	for _, bad := range []string{"", "x", "MSBhIDE", token[:len(token)-3], newServer(t).api.asOfToken(5)} {
		s.want("400 invalid-parameter", ask{method: http.MethodGet, path: "/v2/courses?after=" + bad})
	}
	seq, err := s.api.parseAsOf(token)
	if err != nil {
		t.Fatal(err)
	}
	// A write that has not happened: the wait ends with the request's time.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := &call{query: url.Values{"after": {s.api.asOfToken(seq + 1000)}}}
	r := withCall(httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/courses", nil), c)
	if err := s.api.awaitAfter(r, &route{method: http.MethodGet}); err == nil || asFault(err).Code.Kind() != fault.KindUnavailable {
		t.Errorf("a token of the future: %v", err)
	}
}

// TestForgottenKey: a key that was dropped for want of room no longer protects, and the repetition is told what it would do twice.
func TestForgottenKey(t *testing.T) {
	s := newServer(t)
	post := ask{method: http.MethodPost, path: "/v2/courses", as: editor, body: m{"id": "c", "title": "T"}, header: map[string]string{idempotencyHeader: "k"}}
	s.api.replays.max = 1 // nothing fits: every answer is dropped by the next
	s.want("201", post)
	s.want("201", ask{method: http.MethodPost, path: "/v2/courses", as: editor, body: m{"id": "d", "title": "T"}, header: map[string]string{idempotencyHeader: "l"}})
	s.want("409 already-exists", post)
}
