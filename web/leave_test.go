package web

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

func TestDeleteMyAccount(t *testing.T) {
	s := newSite(t, options{demo: true})
	v, elsewhere := s.visitor("en"), s.visitor("fr")
	v.get("/me/delete").wants(t, http.StatusOK, "Look around as a sample person") // the page to sign in
	v.post("/me/delete", nil).wants(t, http.StatusUnauthorized, "Sign in first")
	for _, one := range []*visitor{v, elsewhere} {
		one.post("/sign-in", url.Values{"as": {"learner"}}).wants(t, http.StatusOK)
	}
	v.post("/courses/PY1/enroll", nil).wants(t, http.StatusOK, "You are enrolled.")
	v.post("/courses/PY1/review", url.Values{"rating": {"4"}, "text": {"Clear and short."}}).wants(t, http.StatusOK, "Clear and short.")
	v.post("/courses/FR1/bookmark", url.Values{"on": {"true"}}).wants(t, http.StatusOK)

	v.get("/me").wants(t, http.StatusOK, `href="/me/delete"`)
	v.get("/me/delete").wants(t, http.StatusOK, "This cannot be undone.", `method="post" action="/me/delete"`)
	elsewhere.get("/me/delete").wants(t, http.StatusOK, "Supprimer définitivement mon compte", "Sont supprimés\u202f:")
	v.header.Set("Origin", "https://evil.example")
	v.post("/me/delete", nil).wants(t, http.StatusForbidden)
	v.header.Del("Origin")
	if export := must[exported](t)(s.catalog.Export(t.Context(), "demo-learner")); len(export) < 3 {
		t.Fatalf("looking and asking from elsewhere deleted: %v", export)
	}

	gone := v.post("/me/delete", url.Values{"return": {"/me"}})
	gone.wants(t, http.StatusOK, "Your account is deleted.", "Sign in")
	if gone.Request.URL.Path != "/" {
		t.Errorf("landed on %s", gone.Request.URL)
	}
	if export := must[exported](t)(s.catalog.Export(t.Context(), "demo-learner")); len(export) != 0 {
		t.Errorf("still held: %v", export)
	}
	v.get("/courses/PY1").lacks(t, "Clear and short.")
	elsewhere.post("/me/delete", nil).wants(t, http.StatusUnauthorized) // signed out there too
}

type exported = map[coursesync.Kind][]catalog.ExportItem
