package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/locales"
)

// The cookies.
const (
	sessionCookie = "carrel_session"
	localeCookie  = "carrel_locale"
	// localeAge is how long a chosen language is remembered.
	localeAge = 365 * 24 * time.Hour
)

// maxForm bounds the body of a form, in bytes: the largest is a review, at most 5,000 characters of up to 12 bytes each when encoded.
const maxForm = 128 << 10

// visit is what a request brings along: who asks, and in which language.
type visit struct {
	tag    locales.Tag
	locale catalog.Locale
	text   *locales.Printer
	actor  catalog.Actor
}

type visitKey struct{}

// visitOf returns the visit of a request that came through [pages.serve].
func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

// serve is the way of every request: language, who asks, protection of forms, the handler, and one place for errors.
func (p *pages) serve(w http.ResponseWriter, r *http.Request, names []string, value func(string) string, h handler) {
	tag := p.language(w, r)
	v := &visit{tag: tag, locale: catalog.Locale(tag), text: p.cfg.Texts.Printer(tag)}
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	err := p.enter(w, r, v)
	if err == nil {
		err = setPath(r, names, value)
	}
	if err == nil {
		err = h(w, r)
	}
	if err != nil {
		p.answerError(w, r, err)
	}
}

// enter finds out who asks, and refuses forms that another site sent or that are too large.
func (p *pages) enter(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := p.origins.Check(r); err != nil {
		return fault.Wrap("web.enter", fault.CrossOrigin, err)
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return fault.Wrap("web.enter", fault.InvalidBody, err)
		}
	}
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || cookie.Value == "" {
		return nil //nolint:nilerr // no cookie: anonymous
	}
	actor, ok, err := p.cfg.Sessions.Actor(cookie.Value)
	if err != nil {
		return err
	}
	if ok {
		ok, err = p.current(r.Context(), actor)
	}
	if err != nil {
		return err
	}
	if !ok {
		p.setSession(w, "", time.Time{})
		return nil
	}
	v.actor = actor
	return nil
}

// current reports whether a session still speaks for its actor: the account was not erased since, nor the organization left. Whoever left one is
// signed out and not merely taken out of it: an editor without an organization would be an editor of everything.
func (p *pages) current(ctx context.Context, actor catalog.Actor) (bool, error) {
	if p.cfg.Catalog.Erased(actor.Subject, actor.IssuedAt) {
		return false, nil
	}
	if actor.Org == "" {
		return true, nil
	}
	member := false
	err := p.cfg.Catalog.View(ctx, func(view *catalog.View) error {
		org, err := view.OrgOnRecord(actor)
		member = org == actor.Org
		return err
	})
	return member, err
}

// language picks the language: asked for in the address (and then remembered), remembered, or what the browser prefers.
func (p *pages) language(w http.ResponseWriter, r *http.Request) locales.Tag {
	cookie, err := r.Cookie(localeCookie)
	remembered := locales.Tag("")
	if err == nil {
		if tag, ok := locales.Parse(cookie.Value); ok {
			remembered = tag
		}
	}
	if tag, ok := locales.Parse(r.URL.Query().Get("locale")); ok {
		if tag != remembered {
			http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where browsers reach us by https
				Name: localeCookie, Value: string(tag), Path: "/", MaxAge: int(localeAge / time.Second),
				HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.secure(),
			})
		}
		return tag
	}
	if remembered != "" {
		return remembered
	}
	return locales.Negotiate(r.Header.Get("Accept-Language"))
}

// secure reports whether browsers reach us by https, so that cookies must not travel otherwise.
func (p *pages) secure() bool { return p.public != nil && p.public.Scheme == "https" }

// setSession gives the browser a session, or takes it away when value is "".
func (p *pages) setSession(w http.ResponseWriter, value string, expires time.Time) {
	c := &http.Cookie{Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.secure(), Expires: expires} //nolint:gosec // Secure where browsers reach us by https
	if value == "" {
		c.MaxAge, c.Expires = -1, time.Time{}
	} else {
		c.MaxAge = int(identity.SessionTTL / time.Second)
	}
	http.SetCookie(w, c)
}

// base returns the address of this server as browsers see it, without a slash at the end.
func (p *pages) base(r *http.Request) string {
	if p.public != nil {
		return p.public.String()
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: r.Host}).String()
}

// localPath accepts an address to return to only when it stays on this server: anything else would let a link lead people astray.
func localPath(s, otherwise string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") ||
		strings.ContainsAny(s, "\\\r\n\t") {
		return otherwise
	}
	return s
}
