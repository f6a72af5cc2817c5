package api

import (
	"maps"
	"net/http"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// notificationPatch is what the caller may say of a notification; all else of it is known and ignored.
type notificationPatch struct {
	Read      bool     `json:"read"`
	ID        readOnly `json:"id"`
	Rule      readOnly `json:"rule"`
	Subject   readOnly `json:"subject"`
	Title     readOnly `json:"title"`
	Body      readOnly `json:"body"`
	At        readOnly `json:"at"`
	Version   readOnly `json:"version"`
	UpdatedAt readOnly `json:"updated_at"`
}

// notificationView is a notification in the caller's language.
type notificationView struct {
	ID      catalog.NotificationID   `json:"id"`
	Rule    catalog.NotificationRule `json:"rule"`
	Subject catalog.Subject          `json:"subject"`
	Title   string                   `json:"title"`
	Body    string                   `json:"body"`
	At      time.Time                `json:"at"`
	Read    bool                     `json:"read"`
	versioned
}

// showNotification writes a notification's texts. A course that the caller sees is called as it is called now, in the caller's language.
func (a *API) showNotification(v *catalog.View, c *call, m catalog.MyNotification) (notificationView, error) {
	n := m.Value
	data := n.Data
	if n.Subject.Kind == catalog.KindCourse {
		course, err := v.CourseFor(c.actor, catalog.CourseID(n.Subject.ID))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return notificationView{}, err
		}
		if err == nil {
			text, _ := course.Value.TextIn(c.locale)
			data = maps.Clone(data)
			data["course"] = text.Title
		}
	}
	title, body := a.cfg.Texts.Printer(c.tag).Notification(string(n.Rule), n.Count, data)
	return notificationView{
		ID: m.ID, Rule: n.Rule, Subject: n.Subject, Title: title, Body: body, At: n.At, Read: n.Read, versioned: versionOf(m.Stored),
	}, nil
}

func (a *API) myNotifications(w http.ResponseWriter, r *http.Request) error {
	page, err := a.pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.cfg.Catalog.MyNotifications(r.Context(), me(r), page)
	if err != nil {
		return err
	}
	c := callOf(r.Context())
	shown := catalog.List[notificationView]{Next: list.Next, Items: make([]notificationView, len(list.Items))}
	err = a.view(r, func(v *catalog.View) error {
		for i, m := range list.Items {
			if shown.Items[i], err = a.showNotification(v, c, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return sendList(a, w, r, shown, func(n notificationView) (notificationView, error) { return n, nil })
}

// patchMyNotification marks a notification as read. It merges: read does not become false again, so that two devices need not agree.
func (a *API) patchMyNotification(w http.ResponseWriter, r *http.Request) error {
	patch, err := readPatch[notificationPatch](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	said, err := patched(notificationPatch{}, patch)
	if err != nil {
		return err
	}
	id := catalog.NotificationID(r.PathValue("id"))
	read := own(r, id, (*catalog.View).MyNotification)
	err = a.update(w, r, func(tx *catalog.Tx) error {
		old, exists, err := read(&tx.View)
		if err == nil {
			err = pre.check(old.Version, exists)
		}
		if err == nil {
			_, err = tx.ReadNotification(me(r), id, said.Read)
		}
		return err
	})
	if err != nil {
		return err
	}
	c := callOf(r.Context())
	var doc notificationView
	err = a.view(r, func(v *catalog.View) error {
		now, exists, err := read(v)
		if err == nil && !exists {
			err = notFound("api.patchMyNotification") // newer ones took its place meanwhile
		}
		if err == nil {
			doc, err = a.showNotification(v, c, catalog.MyNotification{ID: id, Stored: now})
		}
		return err
	})
	if err != nil {
		return err
	}
	w.Header().Set("ETag", entityTag(doc.Version, c.locale))
	return sendJSON(w, http.StatusOK, doc)
}
