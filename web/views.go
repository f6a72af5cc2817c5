package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
)

//go:embed templates
var templateFiles embed.FS

// The pages, each a file in templates/ that fills in layout.html.
const (
	viewSearch   = "search"
	viewCourse   = "course"
	viewLesson   = "lesson"
	viewMe       = "me"
	viewInbox    = "inbox"
	viewSearches = "searches"
	viewSettings = "settings"
	viewPush     = "push"
	viewErase    = "erase"
	viewAdmin    = "admin"
	viewInsight  = "insight"
	viewFix      = "fix"
	viewSignIn   = "signin"
	viewOffline  = "offline"
	viewError    = "error"
)

var viewNames = []string{viewSearch, viewCourse, viewLesson, viewMe, viewInbox, viewSearches, viewSettings, viewPush, viewErase, viewAdmin, viewInsight, viewFix, viewSignIn, viewOffline, viewError}

// views holds every page, parsed once for each language: a template's words are bound to its printer.
type views struct {
	byTag map[locales.Tag]map[string]*template.Template
}

func loadViews(texts *locales.Bundle, files *assets) (*views, error) {
	v := &views{byTag: map[locales.Tag]map[string]*template.Template{}}
	for _, tag := range locales.Tags {
		v.byTag[tag] = map[string]*template.Template{}
		for _, name := range viewNames {
			t, err := template.New("layout.html").Funcs(funcs(texts.Printer(tag), files)).
				ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
			if err != nil {
				return nil, fmt.Errorf("web: %w", err)
			}
			v.byTag[tag][name] = t
		}
	}
	return v, nil
}

// funcs are the words that templates use: t for a text, n for one with a count.
func funcs(p *locales.Printer, files *assets) template.FuncMap {
	return template.FuncMap{
		"t":     func(id string, pairs ...any) string { return p.Text(id, args(pairs)) },
		"n":     func(id string, count int, pairs ...any) string { return p.Plural(id, count, args(pairs)) },
		"num":   func(n int) string { return p.Number(float64(n), 0) },
		"score": func(f float64) string { return p.Number(f, 1) },
		"asset": files.url,
		"lines": paragraphs,
		"dict":  func(pairs ...any) map[string]any { return args(pairs) },
		"words": func(shell bool) map[string]any { return scriptWords(p, shell) },
	}
}

func args(pairs []any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// paragraphs splits a plain text at its blank lines.
func paragraphs(text string) []string {
	var list []string
	for p := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			list = append(list, p)
		}
	}
	return list
}

// layout is what every page hands to layout.html.
type layout struct {
	Lang       string
	Title      string
	About      string // for previews and search engines
	Path       string // of this page, with its query: where forms lead back to
	Address    string // the page's one address, absolute
	Alternates []langLink
	Languages  []langLink
	Actor      *catalog.Actor // nil when nobody is signed in
	Admin      bool           // who administers
	Done       string         // what the last action did, already in words
	Left       bool           // somebody has just signed out or deleted the account
	Section    string         // which entry of the navigation is this page
	Kind       string         // of Open Graph
	LD         any            // JSON-LD
	Unlisted   bool
	WholeBox   bool // the page has a search box of its own
	Shell      bool // the page is drawn by the browser, from what the device keeps
	Body       any
}

// langLink is an entry of the language switch.
type langLink struct {
	Tag     string
	Name    string
	URL     string
	Current bool
}

// render sends a page. Nothing is sent when the template fails: the caller's error is then answered as a page of its own.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, l layout) error {
	v := visitOf(r.Context())
	p.complete(r, v, &l)
	var page bytes.Buffer
	if err := p.views.byTag[v.tag][name].Execute(&page, l); err != nil {
		return fmt.Errorf("web: page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(v.tag))
	h.Set("Cache-Control", "private, no-cache") // and not no-store, which would make Back load the page anew
	h.Add("Vary", "Cookie, Accept-Language")
	w.WriteHeader(status)
	_, err := w.Write(page.Bytes())
	return ignoreGone(err)
}

// complete fills in what all pages have.
func (p *pages) complete(r *http.Request, v *visit, l *layout) {
	l.Lang = string(v.tag)
	q := r.URL.Query()
	if done := q.Get("done"); doneTexts[done] != "" && l.Done == "" {
		l.Done = v.text.Text(doneTexts[done], nil)
	}
	l.Left = q.Get("done") == "signed-out" || q.Get("done") == "erased"
	q.Del("done")
	q.Del("locale")
	path := r.URL.EscapedPath()
	l.Path = withQuery(path, q)
	if l.Address == "" {
		l.Address = p.base(r) + l.Path
	}
	if !v.actor.Anonymous() {
		l.Actor, l.Admin = &v.actor, v.actor.Has(catalog.RoleAdmin)
	}
	if l.Kind == "" {
		l.Kind = "website"
	}
	for _, tag := range locales.Tags {
		q.Set("locale", string(tag))
		u := withQuery(path, q)
		l.Languages = append(l.Languages, langLink{Tag: string(tag), Name: languageNames[tag], URL: u, Current: tag == v.tag})
		l.Alternates = append(l.Alternates, langLink{Tag: string(tag), URL: p.base(r) + u})
	}
}

// languageNames are the languages' own names for themselves: whoever looks for a language may not read the page's.
var languageNames = map[locales.Tag]string{locales.English: "English", locales.French: "Français", locales.Chinese: "简体中文"}
