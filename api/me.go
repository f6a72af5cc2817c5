package api

import (
	"net/http"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// What is the caller's own. Every route here passed signedIn.

func me(r *http.Request) catalog.LearnerID { return callOf(r.Context()).actor.Subject }

func myCourse(r *http.Request) catalog.CourseID { return catalog.CourseID(r.PathValue("course")) }

// listMine answers with one of the caller's lists.
func listMine[S, T any](
	a *API, w http.ResponseWriter, r *http.Request,
	list func(catalog.Page) (catalog.List[S], error), show func(S) T,
) error {
	page, err := a.pageOf(r)
	if err != nil {
		return err
	}
	items, err := list(page)
	if err != nil {
		return err
	}
	return sendList(a, w, r, items, func(s S) (T, error) { return show(s), nil })
}

type reviewBody struct {
	Rating      int                          `json:"rating"`
	Instructors map[catalog.InstructorID]int `json:"instructors,omitempty"`
	Text        string                       `json:"text,omitempty"`
	Course      readOnly                     `json:"course"`
	By          readOnly                     `json:"by"`
	At          readOnly                     `json:"at"`
	Hidden      readOnly                     `json:"hidden"`
	Version     readOnly                     `json:"version"`
	UpdatedAt   readOnly                     `json:"updated_at"`
}

type myReviewView struct {
	Course      catalog.CourseID             `json:"course"`
	Rating      int                          `json:"rating"`
	Instructors map[catalog.InstructorID]int `json:"instructors"`
	Text        string                       `json:"text"`
	By          string                       `json:"by"`
	At          time.Time                    `json:"at"`
	Hidden      bool                         `json:"hidden"`
	versioned
}

// byName is who wrote a review, as readers see it: those who gave no name are called learners, in the caller's language.
func (a *API) byName(r *http.Request, by string) string {
	if by == "" {
		return a.cfg.Texts.Printer(callOf(r.Context()).tag).Text("person.anonymous", nil)
	}
	return by
}

func (a *API) showMyReview(r *http.Request, id catalog.CourseID, s catalog.Stored[catalog.Review]) myReviewView {
	v := s.Value
	return myReviewView{
		Course: id, Rating: v.Rating, Instructors: orEmptyMap(v.Instructors), Text: v.Text, By: a.byName(r, v.By), At: v.At, Hidden: v.Hidden, versioned: versionOf(s),
	}
}

func (a *API) myReviews(w http.ResponseWriter, r *http.Request) error {
	return listMine(a, w, r, func(p catalog.Page) (catalog.List[catalog.MyReview], error) {
		return a.cfg.Catalog.MyReviews(r.Context(), me(r), p)
	}, func(m catalog.MyReview) myReviewView { return a.showMyReview(r, m.Course, m.Stored) })
}

func (a *API) putMyReview(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[reviewBody](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	review := catalog.Review{Rating: body.Rating, Instructors: body.Instructors, Text: body.Text}
	return putMine(a, w, r, myEntity[catalog.Review]{
		read: own(r, myCourse(r), (*catalog.View).MyReview),
		put: func(tx *catalog.Tx, cond catalog.Cond) error {
			_, err := tx.PutReview(me(r), myCourse(r), review, cond)
			return err
		},
		show: func(s catalog.Stored[catalog.Review]) any { return a.showMyReview(r, myCourse(r), s) },
	})
}

// reader reads something of the caller's, and says whether it is there.
type reader[T any] func(*catalog.View) (catalog.Stored[T], bool, error)

// own is the reader of something of the caller's that has an id, which may be a course's.
func own[T any, ID ~string](r *http.Request, id ID, read func(*catalog.View, catalog.LearnerID, ID) (catalog.Stored[T], bool, error)) reader[T] {
	return func(v *catalog.View) (catalog.Stored[T], bool, error) { return read(v, me(r), id) }
}

// myEntity is something of the caller's.
type myEntity[T any] struct {
	read reader[T]
	put  func(*catalog.Tx, catalog.Cond) error
	show func(catalog.Stored[T]) any
}

// putMine writes something of the caller's and answers with it.
func putMine[T any](a *API, w http.ResponseWriter, r *http.Request, e myEntity[T]) error {
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	err = a.update(w, r, func(tx *catalog.Tx) error {
		old, exists, err := e.read(&tx.View)
		if err != nil {
			return err
		}
		status = createdUnless(exists)
		if err := pre.check(old.Version, exists); err != nil {
			return err
		}
		return e.put(tx, pre.cond(old.Version))
	})
	if err != nil {
		return err
	}
	now, err := readMine(a, r, e.read)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", entityTag(now.Version, catalog.AnyLocale))
	return sendJSON(w, status, e.show(now))
}

// readMine reads something of the caller's. After a write it may be gone: deleted meanwhile, from elsewhere.
func readMine[T any](a *API, r *http.Request, read reader[T]) (now catalog.Stored[T], err error) {
	err = a.view(r, func(v *catalog.View) error {
		var ok bool
		if now, ok, err = read(v); err == nil && !ok {
			err = notFound("api.readMine")
		}
		return err
	})
	return now, err
}

// deleteMine deletes something of the caller's.
func deleteMine[T any](a *API, w http.ResponseWriter, r *http.Request, read reader[T], del func(*catalog.Tx, catalog.Cond) error) error {
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	err = a.update(w, r, func(tx *catalog.Tx) error {
		old, exists, err := read(&tx.View)
		if err != nil {
			return err
		}
		if err := pre.check(old.Version, exists); err != nil {
			return err
		}
		return del(tx, pre.cond(old.Version))
	})
	return sendNothing(w, err)
}

func (a *API) deleteMyReview(w http.ResponseWriter, r *http.Request) error {
	return deleteMine(a, w, r, own(r, myCourse(r), (*catalog.View).MyReview), func(tx *catalog.Tx, cond catalog.Cond) error {
		return tx.DeleteReview(me(r), myCourse(r), cond)
	})
}

type enrollmentBody struct {
	State       catalog.EnrollmentState `json:"state"`
	Course      readOnly                `json:"course"`
	EnrolledAt  readOnly                `json:"enrolled_at"`
	CompletedAt readOnly                `json:"completed_at"`
	Version     readOnly                `json:"version"`
	UpdatedAt   readOnly                `json:"updated_at"`
}

type enrollmentView struct {
	Course      catalog.CourseID        `json:"course"`
	State       catalog.EnrollmentState `json:"state"`
	EnrolledAt  time.Time               `json:"enrolled_at"`
	CompletedAt *time.Time              `json:"completed_at"`
	versioned
}

func showEnrollment(id catalog.CourseID, s catalog.Stored[catalog.Enrollment]) enrollmentView {
	return enrollmentView{Course: id, State: s.Value.State, EnrolledAt: s.Value.EnrolledAt, CompletedAt: s.Value.CompletedAt, versioned: versionOf(s)}
}

func (a *API) myEnrollments(w http.ResponseWriter, r *http.Request) error {
	return listMine(a, w, r, func(p catalog.Page) (catalog.List[catalog.MyEnrollment], error) {
		return a.cfg.Catalog.MyEnrollments(r.Context(), me(r), p)
	}, func(m catalog.MyEnrollment) enrollmentView { return showEnrollment(m.Course, m.Stored) })
}

// putMyEnrollment enrolls when the body is absent, as a button does.
func (a *API) putMyEnrollment(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeOptional[enrollmentBody](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	if body.State == "" {
		body.State = catalog.Active
	}
	return putMine(a, w, r, myEntity[catalog.Enrollment]{
		read: own(r, myCourse(r), (*catalog.View).MyEnrollment),
		put: func(tx *catalog.Tx, cond catalog.Cond) error {
			_, err := tx.PutEnrollment(me(r), myCourse(r), body.State, cond)
			return err
		},
		show: func(s catalog.Stored[catalog.Enrollment]) any { return showEnrollment(myCourse(r), s) },
	})
}

func (a *API) deleteMyEnrollment(w http.ResponseWriter, r *http.Request) error {
	return deleteMine(a, w, r, own(r, myCourse(r), (*catalog.View).MyEnrollment), func(tx *catalog.Tx, cond catalog.Cond) error {
		return tx.DeleteEnrollment(me(r), myCourse(r), cond)
	})
}

type bookmarkBody struct {
	Course    readOnly `json:"course"`
	At        readOnly `json:"at"`
	Version   readOnly `json:"version"`
	UpdatedAt readOnly `json:"updated_at"`
}

type bookmarkView struct {
	Course catalog.CourseID `json:"course"`
	At     time.Time        `json:"at"`
	versioned
}

func showBookmark(id catalog.CourseID, s catalog.Stored[catalog.Bookmark]) bookmarkView {
	return bookmarkView{Course: id, At: s.Value.At, versioned: versionOf(s)}
}

func (a *API) myBookmarks(w http.ResponseWriter, r *http.Request) error {
	return listMine(a, w, r, func(p catalog.Page) (catalog.List[catalog.MyBookmark], error) {
		return a.cfg.Catalog.MyBookmarks(r.Context(), me(r), p)
	}, func(m catalog.MyBookmark) bookmarkView { return showBookmark(m.Course, m.Stored) })
}

func (a *API) putMyBookmark(w http.ResponseWriter, r *http.Request) error {
	if _, err := decodeOptional[bookmarkBody](w, r, maxSmallBody); err != nil {
		return err
	}
	return putMine(a, w, r, myEntity[catalog.Bookmark]{
		read: own(r, myCourse(r), (*catalog.View).MyBookmark),
		put: func(tx *catalog.Tx, _ catalog.Cond) error {
			_, err := tx.PutBookmark(me(r), myCourse(r))
			return err
		},
		show: func(s catalog.Stored[catalog.Bookmark]) any { return showBookmark(myCourse(r), s) },
	})
}

func (a *API) deleteMyBookmark(w http.ResponseWriter, r *http.Request) error {
	return deleteMine(a, w, r, own(r, myCourse(r), (*catalog.View).MyBookmark), func(tx *catalog.Tx, _ catalog.Cond) error {
		return tx.DeleteBookmark(me(r), myCourse(r))
	})
}
