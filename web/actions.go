package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// What learners do. Each action is a form: it is sent by POST from our own pages only, does one thing, and leads back by 303, so that loading
// the page again does nothing again.

// doneTexts are what a page says after an action, by the value of "done" in its address.
var doneTexts = map[string]string{
	"enrolled": "done.enrolled", "withdrawn": "done.withdrawn", "bookmarked": "done.bookmarked", "unbookmarked": "done.unbookmarked",
	"reviewed": "done.reviewed", "unreviewed": "done.unreviewed", "lesson": "done.lesson", "completed": "done.completed", "signed-in": "done.signed_in",
	"signed-out": "done.signed_out", "erased": "done.erased", "synonym": "done.synonym", "pinned": "done.pinned", "read": "done.read",
	"search-saved": "done.search_saved", "search-kept": "done.search_kept", "search-changed": "done.search_changed", "search-deleted": "done.search_deleted",
	"settings": "done.settings", "device-removed": "done.device_removed",
}

// back leads to the page that the form names, with a word about what was done.
func back(w http.ResponseWriter, r *http.Request, otherwise, done string) error {
	u, err := url.Parse(localPath(r.PostForm.Get("return"), otherwise))
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("done", done)
	u.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, u.String(), http.StatusSeeOther) //nolint:gosec // localPath keeps it on this server
	return nil
}

// learner returns who acts, or fault.Unauthorized.
func learner(r *http.Request) (*visit, catalog.CourseID, error) {
	v := visitOf(r.Context())
	if v.actor.Anonymous() {
		return nil, "", fault.New("web.action", fault.Unauthorized)
	}
	return v, catalog.CourseID(r.PathValue("id")), nil
}

func (p *pages) enroll(w http.ResponseWriter, r *http.Request) error {
	v, id, err := learner(r)
	if err != nil {
		return err
	}
	_, err = p.cfg.Catalog.Update(r.Context(), v.actor, func(tx *catalog.Tx) error {
		_, err := tx.PutEnrollment(v.actor.Subject, id, catalog.Active, catalog.Cond{})
		return err
	})
	if err != nil {
		return err
	}
	return back(w, r, courseURL(id), "enrolled")
}

func (p *pages) withdraw(w http.ResponseWriter, r *http.Request) error {
	v, id, err := learner(r)
	if err != nil {
		return err
	}
	_, err = p.cfg.Catalog.Update(r.Context(), v.actor, func(tx *catalog.Tx) error {
		return tx.DeleteEnrollment(v.actor.Subject, id, catalog.Cond{})
	})
	if err != nil {
		return err
	}
	return back(w, r, courseURL(id), "withdrawn")
}

func (p *pages) bookmark(w http.ResponseWriter, r *http.Request) error {
	v, id, err := learner(r)
	if err != nil {
		return err
	}
	on := r.PostForm.Get("on") == "true"
	_, err = p.cfg.Catalog.Update(r.Context(), v.actor, func(tx *catalog.Tx) error {
		if on {
			_, err := tx.PutBookmark(v.actor.Subject, id)
			return err
		}
		err := tx.DeleteBookmark(v.actor.Subject, id)
		if fault.Is(err, fault.NotFound) {
			return nil // it is gone, which is what was asked
		}
		return err
	})
	if err != nil {
		return err
	}
	if on {
		return back(w, r, courseURL(id), "bookmarked")
	}
	return back(w, r, courseURL(id), "unbookmarked")
}

// ratePrefix begins the names of the fields that rate an instructor.
const ratePrefix = "instructor:"

func (p *pages) review(w http.ResponseWriter, r *http.Request) error {
	v, id, err := learner(r)
	if err != nil {
		return err
	}
	if r.PostForm.Get("remove") != "" {
		_, err = p.cfg.Catalog.Update(r.Context(), v.actor, func(tx *catalog.Tx) error {
			return tx.DeleteReview(v.actor.Subject, id, catalog.Cond{})
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		return back(w, r, courseURL(id), "unreviewed")
	}
	given, err := reviewOf(r.PostForm)
	if err != nil {
		return err
	}
	_, err = p.cfg.Catalog.Update(r.Context(), v.actor, func(tx *catalog.Tx) error {
		_, err := tx.PutReview(v.actor.Subject, id, given, catalog.Cond{})
		return err
	})
	if err != nil {
		return err
	}
	return back(w, r, courseURL(id), "reviewed")
}

// reviewOf reads the form. The catalog checks the ranges; here only what is no number at all is refused.
func reviewOf(form url.Values) (catalog.Review, error) {
	const op = "web.review"
	given := catalog.Review{Text: strings.TrimSpace(strings.ReplaceAll(form.Get("text"), "\r\n", "\n"))}
	var err error
	if given.Rating, err = strconv.Atoi(form.Get("rating")); err != nil {
		return given, fault.Invalid(op, fault.BadField("/rating", fault.OutOfRange, "a rating is 1 to 5", "min", 1, "max", mostStars))
	}
	for name, values := range form {
		who, ok := strings.CutPrefix(name, ratePrefix)
		if !ok || values[0] == "" {
			continue
		}
		n, err := strconv.Atoi(values[0])
		if err != nil {
			return given, fault.Invalid(op, fault.BadField("/instructors", fault.OutOfRange, "a rating is 1 to 5", "min", 1, "max", mostStars))
		}
		if given.Instructors == nil {
			given.Instructors = map[catalog.InstructorID]int{}
		}
		given.Instructors[catalog.InstructorID(who)] = n
	}
	return given, nil
}

// lessonDone marks a lesson as done and leads to the next; with the last one the course is completed.
func (p *pages) lessonDone(w http.ResponseWriter, r *http.Request) error {
	v, id, err := learner(r)
	if err != nil {
		return err
	}
	lesson := r.PathValue("lesson")
	finished := false
	_, err = p.cfg.Catalog.Update(r.Context(), v.actor, func(tx *catalog.Tx) error {
		finished = false // this may run again
		if _, err := tx.PutProgress(v.actor.Subject, id, lesson, catalog.Progress{Completed: true}); err != nil {
			return err
		}
		outline, err := tx.Outline(v.actor, id)
		if err != nil {
			return err
		}
		done, err := tx.MyProgressIn(v.actor.Subject, id)
		if err != nil {
			return err
		}
		done[lesson] = catalog.Progress{Completed: true}
		if doneLessons(outline, done) < len(outline.Lessons) {
			return nil
		}
		finished = true
		_, err = tx.PutEnrollment(v.actor.Subject, id, catalog.Completed, catalog.Cond{})
		return err
	})
	if err != nil {
		return err
	}
	if finished {
		r.PostForm.Set("return", courseURL(id))
		return back(w, r, courseURL(id), "completed")
	}
	return back(w, r, lessonURL(id, lesson), "lesson")
}
