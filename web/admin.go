package web

import (
	"net/http"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// Pages for administrators. Those of an organization see and change what is its own, the staff's whatever there is.

// forAdmins lets administrators in. Who is not signed in is led to the page for that, and back.
func forAdmins(next handler) handler {
	return forLearners(func(w http.ResponseWriter, r *http.Request) error {
		if !visitOf(r.Context()).actor.Has(catalog.RoleAdmin) {
			return fault.New("web.admin", fault.Forbidden)
		}
		return next(w, r)
	})
}

// section is a part of the administration.
type section struct{ URL, Icon, Title, About string }

// adminPage leads to the parts of the administration.
func (p *pages) adminPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	sections := []section{{"/admin/search", "search", v.text.Text("page.insight.title", nil), v.text.Text("page.insight.about", nil)}}
	if v.actor.Org == "" {
		sections = append(sections, section{"/admin/push", "globe", v.text.Text("page.push.title", nil), v.text.Text("page.push.about", nil)})
	}
	return p.render(w, r, http.StatusOK, viewAdmin, layout{Title: v.text.Text("page.admin.title", nil), Section: "admin", Unlisted: true, Body: sections})
}
