package web

import (
	"net/http"
	"net/url"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// erasePage says what deleting the account takes away, and asks.
func (p *pages) erasePage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	return p.render(w, r, http.StatusOK, viewErase, layout{Title: v.text.Text("page.erase.title", nil), Section: "me", Unlisted: true, Body: true})
}

// erase deletes the account. Sessions end after the commit: a crash in between leaves cookies that the erasure itself refuses.
func (p *pages) erase(w http.ResponseWriter, r *http.Request) error {
	who := visitOf(r.Context()).actor
	if who.Anonymous() {
		return fault.New("web.erase", fault.Unauthorized)
	}
	_, err := p.cfg.Catalog.Update(r.Context(), who, func(tx *catalog.Tx) error { return tx.Erase(who.Subject) })
	if err != nil {
		return err
	}
	if err := p.cfg.Sessions.EndAll(who.Subject); err != nil {
		return err
	}
	p.setSession(w, "", p.now())
	w.Header().Set("Clear-Site-Data", `"cache"`) // pages of the account must not come back from it
	r.PostForm = url.Values{}
	return back(w, r, "/", "erased")
}
