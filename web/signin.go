package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// signInBody is what signin.html shows.
type signInBody struct {
	Token  string // of a one-time link: to be confirmed, so that a preview of the link does not use it up
	Return string
	Demo   []demoPerson
}

// demoPerson is someone as whom one can look around.
type demoPerson struct{ Key, Name, Role string }

// demoPeople are the sample people, by the key that the form sends.
var demoPeople = []struct {
	key   string
	actor catalog.Actor
}{
	{"learner", catalog.Actor{Subject: "demo-learner", Name: "Lea Moreau", Roles: []catalog.Role{catalog.RoleLearner}}},
	{"editor", catalog.Actor{Subject: "demo-editor", Name: "Chen Wei", Roles: []catalog.Role{catalog.RoleEditor}}},
	{"admin", catalog.Actor{Subject: "demo-admin", Name: "Ada Quist", Roles: []catalog.Role{catalog.RoleAdmin}}},
}

func (p *pages) signInPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	q := r.URL.Query()
	body := signInBody{Token: q.Get("token"), Return: localPath(q.Get("return"), "/")}
	if p.demo(r) {
		for _, d := range demoPeople {
			body.Demo = append(body.Demo, demoPerson{d.key, d.actor.Name, v.text.Text("page.sign_in.role_"+d.key, nil)})
		}
	}
	w.Header().Set("Referrer-Policy", "no-referrer") // the address may hold a token
	return p.render(w, r, http.StatusOK, viewSignIn, layout{
		Title: v.text.Text("page.sign_in.title", nil), Section: "sign-in", Unlisted: true, Address: p.base(r) + "/sign-in", Body: body,
	})
}

// signIn starts a session: for whoever a one-time link names, or for a sample person.
func (p *pages) signIn(w http.ResponseWriter, r *http.Request) error {
	actor, err := p.whoSignsIn(r)
	if err != nil {
		return err
	}
	if old, err := r.Cookie(sessionCookie); err == nil {
		if err := p.cfg.Sessions.End(old.Value); err != nil { // nobody keeps two at once
			return err
		}
	}
	actor.IssuedAt = p.now().Unix()
	_, err = p.cfg.Catalog.Update(r.Context(), actor, func(tx *catalog.Tx) error { return tx.RecordMembership() })
	if err != nil {
		return err
	}
	session, expires, err := p.cfg.Sessions.Start(actor)
	if err != nil {
		return err
	}
	p.setSession(w, session, expires)
	return back(w, r, "/", "signed-in")
}

func (p *pages) whoSignsIn(r *http.Request) (catalog.Actor, error) {
	const op = "web.signIn"
	if token := r.PostForm.Get("token"); token != "" {
		return p.cfg.Sessions.Redeem(token)
	}
	if p.demo(r) {
		for _, d := range demoPeople {
			if d.key == r.PostForm.Get("as") {
				return d.actor, nil
			}
		}
	}
	return catalog.Actor{}, fault.New(op, fault.Forbidden)
}

func (p *pages) signOut(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(sessionCookie); err == nil {
		if err := p.cfg.Sessions.End(c.Value); err != nil {
			return err
		}
	}
	p.setSession(w, "", p.now())
	w.Header().Set("Clear-Site-Data", `"cache"`) // pages of the account must not come back from it
	r.PostForm = url.Values{}
	return back(w, r, "/", "signed-out")
}

// demo reports whether sample people may be offered: only with --demo, and only to someone at this very machine. The name in the
// address must be a loopback name too (a page of another site could point its own name at us), and no proxy may stand between.
func (p *pages) demo(r *http.Request) bool {
	if !p.cfg.Demo || r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && loopback(local.String()) && loopback(r.RemoteAddr) && loopbackName(r.Host)
}

func loopback(hostPort string) bool {
	a, err := netip.ParseAddrPort(hostPort)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(trimBrackets(host))
	return err == nil && a.IsLoopback()
}

func trimBrackets(s string) string {
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}
