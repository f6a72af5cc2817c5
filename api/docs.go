package api

import (
	"bytes"
	_ "embed" // the templates and their style
	"html/template"
	"net/http"
	"slices"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsStyle []byte

// pages are the templates "docs" and "problem". They hold no script; their style comes from /docs.css.
var pages = template.Must(template.New("pages").Parse(docsHTML))

// pageCSP allows what these pages are made of.
const pageCSP = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is what both templates get.
type page struct {
	p    *locales.Printer
	Lang locales.Tag
	Spec *spec

	Title, Detail string // of a problem
	Code          fault.Code
	Status        int // 0 for the code of a field
}

// Text returns a text of the page's language.
func (p page) Text(id string) string { return p.p.Text(id, nil) }

// pageLanguage is ?locale= when it names a language, else what the browser asks for; pages ignore what they do not know.
func pageLanguage(r *http.Request) locales.Tag {
	if tag, ok := locales.Parse(r.URL.Query().Get("locale")); ok {
		return tag
	}
	return callOf(r.Context()).tag
}

func (a *API) sendPage(w http.ResponseWriter, r *http.Request, name string, p page) error {
	p.Lang = pageLanguage(r)
	p.p = a.cfg.Texts.Printer(p.Lang)
	if name == "problem" {
		id := "problem." + string(p.Code)
		if p.Status == 0 {
			p.Title, p.Detail = string(p.Code), text(p.p, "field."+string(p.Code), nil)
		} else {
			p.Title, p.Detail = text(p.p, id+".title", nil), text(p.p, id+".detail", nil)
		}
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, p); err != nil {
		return fault.Wrap("api.sendPage", fault.Internal, err)
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pageCSP)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(p.Lang))
	h.Add("Vary", "Accept-Language")
	h.Set("Cache-Control", "public, max-age=300")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(b.Bytes())
	return goneAway(err)
}

// docs is the reference, rendered from openapi.yaml.
func (a *API) docs(w http.ResponseWriter, r *http.Request) error {
	return a.sendPage(w, r, "docs", page{Spec: a.spec})
}

func (a *API) docsCSS(w http.ResponseWriter, r *http.Request) error {
	return sendFile(w, r, "text/css; charset=utf-8", a.spec.tag, docsStyle)
}

// problemPage explains a code: a problem's type leads here.
func (a *API) problemPage(w http.ResponseWriter, r *http.Request) error {
	code := fault.Code(r.PathValue("code"))
	switch {
	case slices.Contains(fault.Codes(), code):
		return a.sendPage(w, r, "problem", page{Code: code, Status: statusOf(code)})
	case slices.Contains(fault.FieldCodes, code):
		return a.sendPage(w, r, "problem", page{Code: code})
	default:
		return fault.New("api.problemPage", fault.NotFound)
	}
}
