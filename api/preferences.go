package api

import (
	"net/http"

	"github.com/carrel-lms/carrel/catalog"
)

// preferencesBody is what the caller prefers, as it is written: the whole object. null and "" are no value.
type preferencesBody struct {
	Locale     catalog.Locale `json:"locale"`
	Timezone   string         `json:"timezone"`
	QuietHours string         `json:"quiet_hours"`
	Notify     struct {
		CourseChanged    catalog.Notify `json:"course_changed"`
		SearchMatch      catalog.Notify `json:"search_match"`
		InstructorCourse catalog.Notify `json:"instructor_course"`
		ImportFinished   catalog.Notify `json:"import_finished"`
	} `json:"notify"`
}

func (b *preferencesBody) stored() catalog.Preferences {
	return catalog.Preferences{
		Locale: b.Locale, Timezone: b.Timezone, QuietHours: b.QuietHours,
		CourseChanged: b.Notify.CourseChanged, SearchMatch: b.Notify.SearchMatch, InstructorCourse: b.Notify.InstructorCourse, ImportFinished: b.Notify.ImportFinished,
	}
}

// preferencesView is the same as it is read; null is not set.
type preferencesView struct {
	Locale     *string                                      `json:"locale"`
	Timezone   *string                                      `json:"timezone"`
	QuietHours *string                                      `json:"quiet_hours"`
	Notify     map[catalog.NotificationRule]*catalog.Notify `json:"notify"` // every rule is there
}

func showPreferences(p catalog.Preferences) preferencesView {
	shown := preferencesView{
		Locale: orNil(string(p.Locale)), Timezone: orNil(p.Timezone), QuietHours: orNil(p.QuietHours),
		Notify: map[catalog.NotificationRule]*catalog.Notify{},
	}
	for _, rule := range catalog.NotificationRules {
		shown.Notify[rule] = notifyOrNil(*p.Notify(rule))
	}
	return shown
}

// myPreferences answers with what the caller's devices have agreed upon. The language of our own answers goes by each request, not by this.
func (a *API) myPreferences(w http.ResponseWriter, r *http.Request) error {
	var p catalog.Preferences
	err := a.view(r, func(v *catalog.View) (err error) {
		p, err = v.MyPreferences(me(r))
		return err
	})
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, showPreferences(p))
}

// putMyPreferences answers with what is stored: the language in its canonical form.
func (a *API) putMyPreferences(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[preferencesBody](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	var now catalog.Preferences
	err = a.update(w, r, func(tx *catalog.Tx) error {
		if err := tx.PutPreferences(me(r), body.stored()); err != nil {
			return err
		}
		now, err = tx.MyPreferences(me(r))
		return err
	})
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, showPreferences(now))
}
