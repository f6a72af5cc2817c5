package web

import (
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// inboxShown is how many notifications a page of the inbox lists.
const inboxShown = 50

// inboxBody is what inbox.html shows.
type inboxBody struct {
	Items  []inboxItem
	Unread bool   // one of all at least
	Newest string // when the newest happened: what comes later is not marked as read with what was seen
	More   string
}

type inboxItem struct {
	Title, Body, URL, Date, Day string
	New                         bool
}

// inboxPage shows what the visitor was told.
func (p *pages) inboxPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	list, err := p.cfg.Catalog.MyNotifications(r.Context(), v.actor.Subject, catalog.Page{Limit: inboxShown, After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	body := inboxBody{}
	err = p.cfg.Catalog.View(r.Context(), func(view *catalog.View) error {
		body.Items = nil
		for _, m := range list.Items {
			item, err := v.inboxItem(view, &m.Value)
			if err != nil {
				return err
			}
			body.Items = append(body.Items, item)
			body.Unread = body.Unread || item.New
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(list.Items) > 0 {
		body.Newest = list.Items[0].Value.At.UTC().Format(time.RFC3339Nano)
	}
	if list.Next != "" {
		body.More = withQuery("/me/inbox", url.Values{"after": {list.Next}})
	}
	return p.render(w, r, http.StatusOK, viewInbox, layout{Title: v.text.Text("page.inbox.title", nil), Section: "me", Unlisted: true, Body: body})
}

// inboxItem writes a notification. A course that the visitor sees is called as it is called now, and leads there.
func (v *visit) inboxItem(view *catalog.View, n *catalog.Notification) (item inboxItem, err error) {
	data := n.Data
	if n.Subject.Kind == catalog.KindCourse {
		id := catalog.CourseID(n.Subject.ID)
		switch course, err := view.SharedCourseFor(v.actor, id); {
		case err == nil:
			text, _ := course.Value.TextIn(v.locale)
			data = maps.Clone(data)
			data["course"] = text.Title
			item.URL = courseURL(id)
		case !fault.Is(err, fault.NotFound):
			return item, err
		}
	}
	if n.Subject.Kind == catalog.KindSavedSearch {
		search, ok, err := view.MySavedSearch(v.actor.Subject, catalog.SavedSearchID(n.Subject.ID))
		if err != nil {
			return item, err
		}
		if ok {
			item.URL = savedURL(search.Value.Query)
		}
	}
	item.Title, item.Body = v.text.Notification(string(n.Rule), n.Count, data)
	item.Date, item.Day, item.New = n.At.UTC().Format(time.RFC3339), v.text.Date(n.At), !n.Read
	return item, nil
}

// readInbox marks all that is in the inbox as read, up to what the page showed.
func (p *pages) readInbox(w http.ResponseWriter, r *http.Request) error {
	who := visitOf(r.Context()).actor
	newest, err := time.Parse(time.RFC3339Nano, r.FormValue("newest"))
	all := err != nil
	for page := (catalog.Page{Limit: catalog.MaxNotifications}); ; {
		list, err := p.cfg.Catalog.MyNotifications(r.Context(), who.Subject, page)
		if err != nil {
			return err
		}
		_, err = p.cfg.Catalog.Update(r.Context(), who, func(tx *catalog.Tx) error {
			for _, m := range list.Items {
				if m.Value.Read || !all && m.Value.At.After(newest) {
					continue
				}
				if _, err := tx.ReadNotification(who.Subject, m.ID, true); err != nil && !fault.Is(err, fault.NotFound) {
					return err // what newer ones took the place of is read, too
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if page.After = list.Next; list.Next == "" {
			break
		}
	}
	return back(w, r, "/me/inbox", "read")
}
