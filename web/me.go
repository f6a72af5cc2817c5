package web

import (
	"net/http"
	"net/url"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// mineShown is how many enrollments and bookmarks "My courses" lists at once.
const mineShown = 50

// meBody is what me.html shows.
type meBody struct {
	Name      string
	Current   []card
	Finished  []card
	Bookmarks []card
	More      string
}

// forLearners lets in who is signed in. Others are led to the page for that, and back; a form of theirs is refused.
func forLearners(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		switch anonymous := visitOf(r.Context()).actor.Anonymous(); {
		case anonymous && r.Method != http.MethodPost:
			http.Redirect(w, r, signInURL(r.URL.RequestURI()), http.StatusSeeOther)
			return nil
		case anonymous:
			return fault.New("web.me", fault.Unauthorized)
		}
		return next(w, r)
	}
}

// mePage lists what the learner takes, took and saved for later.
func (p *pages) mePage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	after := r.URL.Query().Get("after")
	enrollments, err := p.cfg.Catalog.MyEnrollments(r.Context(), v.actor.Subject, catalog.Page{Limit: mineShown, After: after})
	if err != nil {
		return err
	}
	var bookmarks catalog.List[catalog.MyBookmark]
	if after == "" {
		if bookmarks, err = p.cfg.Catalog.MyBookmarks(r.Context(), v.actor.Subject, catalog.Page{Limit: mineShown}); err != nil {
			return err
		}
	}
	body := meBody{Name: v.actor.Name}
	err = p.cfg.Catalog.View(r.Context(), func(view *catalog.View) error {
		for _, e := range enrollments.Items {
			if err := v.addEnrollment(view, e, &body); err != nil {
				return err
			}
		}
		for _, b := range bookmarks.Items {
			c, ok, err := v.cardOf(view, b.Course)
			if err != nil {
				return err
			}
			if ok {
				body.Bookmarks = append(body.Bookmarks, c)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if enrollments.Next != "" {
		body.More = withQuery("/me", url.Values{"after": {enrollments.Next}})
	}
	return p.render(w, r, http.StatusOK, viewMe, layout{Title: v.text.Text("page.me.title", nil), Section: "me", Unlisted: true, Body: body})
}

// cardOf returns the card of a course; false when the visitor does not see it (any more).
func (v *visit) cardOf(view *catalog.View, id catalog.CourseID) (card, bool, error) {
	s, err := view.CourseFor(v.actor, id)
	if fault.Is(err, fault.NotFound) {
		return card{}, false, nil
	}
	if err != nil {
		return card{}, false, err
	}
	c, err := view.Card(s, v.locale)
	if err != nil {
		return card{}, false, err
	}
	out, err := v.card(view, c, nil)
	return out, true, err
}

func (v *visit) addEnrollment(view *catalog.View, e catalog.MyEnrollment, body *meBody) error {
	if e.Value.State == catalog.Withdrawn {
		return nil
	}
	c, ok, err := v.cardOf(view, e.Course)
	if err != nil || !ok {
		return err
	}
	outline, err := view.Outline(v.actor, e.Course)
	if err != nil {
		return err
	}
	done, err := view.MyProgressIn(v.actor.Subject, e.Course)
	if err != nil {
		return err
	}
	finished := doneLessons(outline, done)
	c.Progress, c.Started = v.progress(finished, len(outline.Lessons)), finished > 0
	c.Continue = c.URL
	if len(outline.Lessons) > 0 {
		c.Continue = lessonURL(e.Course, nextLesson(outline, done))
	}
	if e.Value.State == catalog.Completed {
		c.Completed = true
		body.Finished = append(body.Finished, c)
		return nil
	}
	body.Current = append(body.Current, c)
	return nil
}
