package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// site is the pages over a small catalog, served on a loopback address.
type site struct {
	t       *testing.T
	catalog *catalog.Catalog
	index   *search.Index
	keys    *identity.Keyring
	insight *insight.Store
	push    *push.Push
	server  *httptest.Server

	sessions *identity.Sessions
	local    *bolt.DB
	texts    *locales.Bundle
}

// options change what newSite makes.
type options struct {
	demo   bool
	public string
	api    http.Handler // answers /v2/, as the server's front would
	line   *line        // the whole front answers, through this
}

func newSite(t *testing.T, o options) *site {
	t.Helper()
	dir := t.TempDir()
	logger := slog.New(slog.DiscardHandler)
	s := &site{t: t}
	s.catalog = must[*catalog.Catalog](t)(catalog.Open(catalog.Config{Path: filepath.Join(dir, "carrel.db"), Logger: logger}))
	t.Cleanup(func() { _ = s.catalog.Close() })
	must[coursesync.Seq](t)(s.catalog.Update(t.Context(), catalog.System, fill))
	if err := s.catalog.FlushStats(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.index = must[*search.Index](t)(search.Open(search.Config{Dir: filepath.Join(dir, "search"), Catalog: s.catalog, Logger: logger}))
	t.Cleanup(func() { _ = s.index.Close() })
	if err := coursesync.CatchUp(t.Context(), s.catalog.Log(), s.index); err != nil {
		t.Fatal(err)
	}
	s.local = must[*bolt.DB](t)(bolt.Open(filepath.Join(dir, "local.db"), 0o600, &bolt.Options{Timeout: time.Second}))
	t.Cleanup(func() { _ = s.local.Close() })
	s.keys = must[*identity.Keyring](t)(identity.OpenKeyring(filepath.Join(dir, "secrets"), nil))
	s.sessions = must[*identity.Sessions](t)(identity.NewSessions(s.local, s.keys, nil))
	s.texts = must[*locales.Bundle](t)(locales.Load(""))
	s.insight = must[*insight.Store](t)(insight.Open(insight.Config{Path: filepath.Join(dir, "insight.db"), Logger: logger}))
	t.Cleanup(func() { _ = s.insight.Close() })
	s.push = must[*push.Push](t)(push.Open(t.Context(), push.Config{Path: filepath.Join(dir, "push.db"), Catalog: s.catalog, Texts: s.texts, Logger: logger}))
	t.Cleanup(func() { _ = s.push.Close() })
	pages := must[http.Handler](t)(New(Config{
		Catalog: s.catalog, Search: s.index, Sessions: s.sessions, Keys: s.keys, Texts: s.texts, Demo: o.demo, PublicURL: o.public, Logger: logger,
		Insight: s.insight, Push: s.push,
	}))
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	if o.api != nil {
		mux.Handle("/v2/", o.api)
	}
	var front http.Handler = mux
	if o.line != nil {
		o.line.to = frontOf(s, pages)
		front = o.line
	}
	s.server = httptest.NewServer(front)
	t.Cleanup(s.server.Close)
	return s
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// extraCourses fill more than one page of results.
const extraCourses = 20

// nasty is what a title may hold that a page must not take for markup.
const nasty = `Markup <script>alert(1)</script> & "quotes" </title>`

// fill writes the small catalog.
func fill(tx *catalog.Tx) error {
	day := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	later, price := time.Now().AddDate(1, 0, 0), 49.0
	var errs []error
	put := func(_ bool, err error) { errs = append(errs, err) }
	put(tx.PutTag(catalog.Tag{ID: "python", Label: map[catalog.Locale]string{"en": "Python", "fr": "Python", "zh-Hans": "Python"}}, catalog.Cond{}))
	put(tx.PutTag(catalog.Tag{ID: "data", Label: map[catalog.Locale]string{"en": "Data", "fr": "Données"}}, catalog.Cond{}))
	put(tx.PutTag(catalog.Tag{ID: "acme~secret", Label: map[catalog.Locale]string{"en": "Hidden plans"}}, catalog.Cond{}))
	put(tx.PutCategory(catalog.Category{ID: "computing", Label: map[catalog.Locale]string{"en": "Computing", "fr": "Informatique", "zh-Hans": "计算机"}}, catalog.Cond{}))
	put(tx.PutInstructor(catalog.Instructor{ID: "ada", Name: "Ada Quill", Bio: map[catalog.Locale]string{"en": "Teaches since 1999."}}, catalog.Cond{}))
	courses := []catalog.Course{
		{
			ID: "PY1", Text: catalog.Text{Title: "Python from scratch", Summary: "Small programs, step by step.", Description: "First paragraph.\n\nSecond paragraph."},
			Language: "en", Translations: map[catalog.Locale]catalog.Text{"fr": {Title: "Python à partir de zéro", Summary: "De petits programmes, pas à pas."}},
			Tags: []catalog.TagID{"python", "data"}, Category: "computing", Level: catalog.LevelBeginner, Instructors: []catalog.InstructorID{"ada"},
			DurationMinutes: 200, Price: &price, Currency: "EUR", Provider: "Northlight", Certificate: true, PublishedAt: &day,
		},
		{ID: "FR1", Text: catalog.Text{Title: "Données et Python", Summary: "Des tableaux aux figures."}, Language: "fr", Tags: []catalog.TagID{"python", "data"}, Level: catalog.LevelAdvanced, PublishedAt: &day},
		{ID: "ZH1", Text: catalog.Text{Title: "机器学习入门", Summary: "从数据到模型。"}, Language: "zh-Hans", Tags: []catalog.TagID{"data"}, ContentPublic: true, PublishedAt: &day},
		{ID: "LATER", Text: catalog.Text{Title: "Rust next year", Summary: "Not open yet."}, Language: "en", EnrollmentOpensAt: &later, PublishedAt: &day},
		{ID: "NASTY", Text: catalog.Text{Title: nasty, Summary: "Summary with <b>markup</b>"}, Language: "en", PublishedAt: &day},
		{ID: "DRAFT", Text: catalog.Text{Title: "Unfinished thoughts"}, Language: "en", State: catalog.Draft},
		{ID: "acme~X1", Text: catalog.Text{Title: "Inside Acme"}, Language: "en", Tags: []catalog.TagID{"acme~secret"}, PublishedAt: &day},
	}
	for i := range extraCourses {
		courses = append(courses, catalog.Course{
			ID: catalog.CourseID(fmt.Sprintf("ALG%03d", i)), Text: catalog.Text{Title: fmt.Sprintf("Algebra, part %d", i+1), Summary: "Rings and fields."}, Language: "en", PublishedAt: &day,
		})
	}
	for _, c := range courses {
		if c.State == "" {
			c.State = catalog.Published
		}
		put(tx.PutCourse(c, catalog.Cond{}))
	}
	for _, id := range []catalog.CourseID{"PY1", "ZH1"} {
		put(tx.PutContent(id, catalog.Content{
			Modules: []catalog.Module{{ID: "m1", Position: 1, Title: map[catalog.Locale]string{"en": "Beginnings", "fr": "Débuts"}}},
			Lessons: []catalog.Lesson{
				{ID: "l1", Module: "m1", Position: 1, Title: map[catalog.Locale]string{"en": "Variables"}, DurationMinutes: 20, Body: map[catalog.Locale]string{"en": "<p>A name for a <em>value</em>.</p><pre>wide = \"" + strings.Repeat("x", 300) + "\"</pre>"}},
				{ID: "l2", Module: "m1", Position: 2, Title: map[catalog.Locale]string{"en": "Loops"}, DurationMinutes: 25, Body: map[catalog.Locale]string{"en": "<p>Again and again.</p>"}},
			},
		}, catalog.Cond{}))
	}
	put(tx.PutStatsBase("PY1", catalog.StatsBase{Rating: &catalog.Sum{Sum: 450, N: 100}}))
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// visitor is a browser without JavaScript: it has cookies and follows redirects.
type visitor struct {
	s      *site
	client *http.Client
	header http.Header
}

func (s *site) visitor(acceptLanguage string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &visitor{s: s, client: &http.Client{Jar: jar}, header: http.Header{"Accept-Language": {acceptLanguage}}}
}

// answer is a page with its response.
type answer struct {
	*http.Response
	body string
}

func (v *visitor) do(method, path string, form url.Values) answer {
	v.s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(context.Background(), method, v.s.server.URL+path, body)
	if err != nil {
		v.s.t.Fatal(err)
	}
	maps.Copy(r.Header, v.header)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := v.client.Do(r)
	if err != nil {
		v.s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.s.t.Fatal(err)
	}
	return answer{res, string(text)}
}

func (v *visitor) get(path string) answer { v.s.t.Helper(); return v.do(http.MethodGet, path, nil) }

func (v *visitor) post(path string, form url.Values) answer {
	v.s.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return v.do(http.MethodPost, path, form)
}

// wants checks the status and what stands in a page.
func (a answer) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s: status %d, want %d", a.Request.URL, a.StatusCode, status)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("%s: the page does not hold %q", a.Request.URL, text)
		}
	}
}

func (a answer) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("%s: the page holds %q", a.Request.URL, text)
		}
	}
}
