package api

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/search"
)

type savedSearchBody struct {
	Name      string         `json:"name"`
	Query     string         `json:"query"`
	Notify    catalog.Notify `json:"notify,omitempty"`
	ID        readOnly       `json:"id"`
	Version   readOnly       `json:"version"`
	UpdatedAt readOnly       `json:"updated_at"`
}

type savedSearchView struct {
	ID     catalog.SavedSearchID `json:"id"`
	Name   string                `json:"name"`
	Query  string                `json:"query"`
	Notify catalog.Notify        `json:"notify"`
	versioned
}

func showSavedSearch(id catalog.SavedSearchID, s catalog.Stored[catalog.SavedSearch]) savedSearchView {
	return savedSearchView{ID: id, Name: s.Value.Name, Query: s.Value.Query, Notify: s.Value.Notify, versioned: versionOf(s)}
}

func mySearchID(r *http.Request) catalog.SavedSearchID {
	return catalog.SavedSearchID(r.PathValue("id"))
}

func (a *API) mySavedSearches(w http.ResponseWriter, r *http.Request) error {
	return listMine(a, w, r, func(p catalog.Page) (catalog.List[catalog.MySavedSearch], error) {
		return a.cfg.Catalog.MySavedSearches(r.Context(), me(r), p)
	}, func(m catalog.MySavedSearch) savedSearchView { return showSavedSearch(m.ID, m.Stored) })
}

func (a *API) mySavedSearch(w http.ResponseWriter, r *http.Request) error {
	id := mySearchID(r)
	s, err := readMine(a, r, own(r, id, (*catalog.View).MySavedSearch))
	if err != nil {
		return err
	}
	if notModified(w, r, entityTag(s.Version, catalog.AnyLocale)) {
		return nil
	}
	return sendJSON(w, http.StatusOK, showSavedSearch(id, s))
}

func (a *API) putMySavedSearch(w http.ResponseWriter, r *http.Request) error {
	saved, err := readSavedSearch(w, r)
	if err != nil {
		return err
	}
	id := mySearchID(r)
	return putMine(a, w, r, myEntity[catalog.SavedSearch]{
		read: own(r, id, (*catalog.View).MySavedSearch),
		put: func(tx *catalog.Tx, cond catalog.Cond) error {
			_, err := tx.PutSavedSearch(me(r), id, saved, cond)
			return err
		},
		show: func(s catalog.Stored[catalog.SavedSearch]) any { return showSavedSearch(id, s) },
	})
}

// postMySavedSearch makes the id: phones, which must know it before they reach us, PUT one of their own.
func (a *API) postMySavedSearch(w http.ResponseWriter, r *http.Request) error {
	saved, err := readSavedSearch(w, r)
	if err != nil {
		return err
	}
	id := catalog.SavedSearchID(strings.ToLower(rand.Text()))
	err = a.update(w, r, func(tx *catalog.Tx) error {
		_, err := tx.PutSavedSearch(me(r), id, saved, catalog.Cond{MustNotExist: true})
		return err
	})
	if err != nil {
		return err
	}
	now, err := readMine(a, r, own(r, id, (*catalog.View).MySavedSearch))
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v2/me/saved-searches/"+pathEscape(string(id)))
	w.Header().Set("ETag", entityTag(now.Version, catalog.AnyLocale))
	return sendJSON(w, http.StatusCreated, showSavedSearch(id, now))
}

func (a *API) deleteMySavedSearch(w http.ResponseWriter, r *http.Request) error {
	id := mySearchID(r)
	return deleteMine(a, w, r, own(r, id, (*catalog.View).MySavedSearch), func(tx *catalog.Tx, cond catalog.Cond) error {
		return tx.DeleteSavedSearch(me(r), id, cond)
	})
}

// readSavedSearch reads a body, and holds the search in it against the rules of /v2/search.
func readSavedSearch(w http.ResponseWriter, r *http.Request) (catalog.SavedSearch, error) {
	body, err := decodeBody[savedSearchBody](w, r, maxSmallBody)
	if err != nil {
		return catalog.SavedSearch{}, err
	}
	saved := catalog.SavedSearch{Name: body.Name, Query: body.Query, Notify: body.Notify}
	return saved, checkSaved(callOf(r.Context()).actor, body.Query)
}

// checkSaved refuses a search that /v2/search would refuse.
func checkSaved(actor catalog.Actor, text string) error {
	return search.CheckSaved(actor, text, func(tag string) bool { _, ok := locales.Parse(tag); return ok })
}
