package api

import (
	"net/http"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// contentBody is a course's content as it is written; what is read has a version too.
type contentBody struct {
	Modules []catalog.Module `json:"modules"`
	Lessons []catalog.Lesson `json:"lessons"`
	Assets  []catalog.Asset  `json:"assets"`
	Version readOnly         `json:"version,omitzero"`
}

// contentView is a course's content as it is read.
type contentView struct {
	catalog.Content
	Version coursesync.Seq `json:"version"` // 0 when nothing was ever written
}

func (a *API) getContent(w http.ResponseWriter, r *http.Request) error {
	content, err := a.content(r)
	if err != nil {
		return err
	}
	if notModified(w, r, entityTag(content.Version, catalog.AnyLocale)) {
		return nil
	}
	return sendJSON(w, http.StatusOK, content)
}

// content reads a course's content. It is in all languages at once, hence the locale of its entity tag.
func (a *API) content(r *http.Request) (view contentView, err error) {
	actor := callOf(r.Context()).actor
	err = a.view(r, func(v *catalog.View) error {
		view.Content, err = v.Content(actor, courseID(r))
		return err
	})
	view.Modules, view.Lessons, view.Assets = orEmpty(view.Modules), orEmpty(view.Lessons), orEmpty(view.Assets)
	view.Version = view.Content.Version
	return view, err
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (a *API) putContent(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[contentBody](w, r, maxContentBody)
	if err != nil {
		return err
	}
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	err = a.update(w, r, func(tx *catalog.Tx) error {
		var current coursesync.Seq
		if len(pre.versions) > 0 || pre.mustExist || pre.mustNotExist {
			old, err := tx.Content(tx.Actor(), courseID(r))
			if err != nil {
				return err
			}
			current = old.Version
		}
		_, err := tx.PutContent(courseID(r), catalog.Content{Modules: body.Modules, Lessons: body.Lessons, Assets: body.Assets}, pre.cond(current))
		return err
	})
	if err != nil {
		return err
	}
	content, err := a.content(r)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", entityTag(content.Version, catalog.AnyLocale))
	return sendJSON(w, status, content)
}

// reviewItem is a review as its readers see it.
type reviewItem struct {
	ID     string    `json:"id"`
	Rating int       `json:"rating"`
	Text   string    `json:"text"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Hidden bool      `json:"hidden,omitempty"`
}

func (a *API) listReviews(w http.ResponseWriter, r *http.Request) error {
	page, err := a.pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.cfg.Catalog.Reviews(r.Context(), callOf(r.Context()).actor, courseID(r), page)
	if err != nil {
		return err
	}
	return sendList(a, w, r, list, func(v catalog.ReviewView) (reviewItem, error) {
		return reviewItem{ID: v.ID, Rating: v.Rating, Text: v.Text, By: a.byName(r, v.By), At: v.At, Hidden: v.Hidden}, nil
	})
}

// reviewPatch is what an editor may change of a learner's review.
type reviewPatch struct {
	Hidden *bool `json:"hidden"`
}

func (a *API) patchReview(w http.ResponseWriter, r *http.Request) error {
	tree, err := readPatch[reviewPatch](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	patch, err := patched(reviewPatch{}, tree)
	if err != nil {
		return err
	}
	err = a.update(w, r, func(tx *catalog.Tx) error {
		if patch.Hidden == nil {
			_, err := tx.CourseFor(tx.Actor(), courseID(r))
			return err
		}
		_, err := tx.HideReview(courseID(r), r.PathValue("review"), *patch.Hidden)
		return err
	})
	return sendNothing(w, err)
}
