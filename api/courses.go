package api

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// courseBody is a course as writes send it: the source text in Language, its translations, and the fields that a course read has beside them, so
// that what was read can be sent back. null and "" are no value.
type courseBody struct {
	ID     string `json:"id,omitempty"`
	Locale string `json:"locale,omitempty"` // of the texts sent; another one than Language is refused

	Title        string                          `json:"title"`
	Summary      string                          `json:"summary,omitempty"`
	Description  string                          `json:"description,omitempty"`
	Language     catalog.Locale                  `json:"language,omitempty"`
	Translations map[catalog.Locale]catalog.Text `json:"translations,omitempty"`

	Tags            []catalog.TagID    `json:"tags,omitempty"`
	Category        catalog.CategoryID `json:"category,omitempty"`
	Level           catalog.Level      `json:"level,omitempty"`
	Instructors     []idRef            `json:"instructors,omitempty"`
	DurationMinutes int                `json:"duration_minutes,omitempty"`
	Price           *float64           `json:"price,omitempty"`
	Currency        string             `json:"currency,omitempty"`
	Provider        string             `json:"provider,omitempty"`
	URL             string             `json:"url,omitempty"`
	ImageURL        string             `json:"image_url,omitempty"`

	StartsAt           *time.Time         `json:"starts_at,omitempty"`
	EndsAt             *time.Time         `json:"ends_at,omitempty"`
	EnrollmentOpensAt  *time.Time         `json:"enrollment_opens_at,omitempty"`
	EnrollmentClosesAt *time.Time         `json:"enrollment_closes_at,omitempty"`
	Prerequisites      []catalog.CourseID `json:"prerequisites,omitempty"`
	Certificate        bool               `json:"certificate,omitempty"`
	ContentPublic      bool               `json:"content_public,omitempty"`
	State              catalog.State      `json:"state,omitempty"`

	readOnlyCourse
}

// readOnlyCourse are the fields that the catalog decides.
type readOnlyCourse struct {
	Rating           readOnly `json:"rating,omitzero"`
	RatingCount      readOnly `json:"rating_count,omitzero"`
	RatingMean       readOnly `json:"rating_mean,omitzero"`
	InstructorRating readOnly `json:"instructor_rating,omitzero"`
	EnrollmentCount  readOnly `json:"enrollment_count,omitzero"`
	Availability     readOnly `json:"availability,omitzero"`
	Org              readOnly `json:"org,omitzero"`
	UpdatedAt        readOnly `json:"updated_at,omitzero"`
	CreatedAt        readOnly `json:"created_at,omitzero"`
	PublishedAt      readOnly `json:"published_at,omitzero"`
	Version          readOnly `json:"version,omitzero"`
}

// course makes the catalog's course; id is the path's.
func (b courseBody) course(id catalog.CourseID) (catalog.Course, error) {
	if err := sameID(b.ID, string(id)); err != nil {
		return catalog.Course{}, err
	}
	if err := b.checkLocale(); err != nil {
		return catalog.Course{}, err
	}
	c := catalog.Course{
		ID: id, Text: catalog.Text{Title: b.Title, Summary: b.Summary, Description: b.Description},
		Language: b.Language, Translations: b.Translations, Tags: b.Tags, Category: b.Category, Level: b.Level,
		DurationMinutes: b.DurationMinutes, Price: b.Price, Currency: b.Currency, Provider: b.Provider, URL: b.URL, ImageURL: b.ImageURL,
		StartsAt: b.StartsAt, EndsAt: b.EndsAt, EnrollmentOpensAt: b.EnrollmentOpensAt, EnrollmentClosesAt: b.EnrollmentClosesAt,
		Prerequisites: b.Prerequisites, Certificate: b.Certificate, ContentPublic: b.ContentPublic, State: b.State,
	}
	if c.Language == "" {
		c.Language = catalog.English // as an import does that finds no other
	}
	for _, who := range b.Instructors {
		c.Instructors = append(c.Instructors, catalog.InstructorID(who.ID))
	}
	return c, nil
}

// ensure makes the tags, the category and the instructors that an editor names and nobody has made yet, as an import does: tags and
// categories by label or slug, instructors by id or name. Whoever may not write the course is refused by PutCourse.
func (b courseBody) ensure(tx *catalog.Tx, c *catalog.Course) (err error) {
	org := catalog.OrgOf(string(c.ID))
	if !tx.Actor().Edits(org) {
		return nil
	}
	language, _ := catalog.CanonicalLocale(string(c.Language)) // PutCourse refuses what is none
	c.Tags = slices.Clone(c.Tags)
	for i, tag := range c.Tags {
		if c.Tags[i], err = tx.EnsureTag(org, string(tag), language); err != nil {
			return err
		}
	}
	if c.Category != "" {
		if c.Category, err = tx.EnsureCategory(org, string(c.Category), language); err != nil {
			return err
		}
	}
	for i, who := range b.Instructors {
		if _, known, err := tx.Instructor(catalog.InstructorID(who.ID)); err != nil || known {
			continue
		}
		id := catalog.InstructorID(catalog.Slug(who.ID))
		if catalog.OrgOf(who.ID) != "" {
			id = catalog.InstructorID(who.ID)
		}
		if c.Instructors[i], err = tx.EnsureInstructor(org, c.Provider, cmp.Or(who.Name, who.ID), id); err != nil {
			return err
		}
	}
	return nil
}

// checkLocale refuses texts that say of themselves that they are not in the course's language: a translation that was read would be
// written over the source.
func (b courseBody) checkLocale() error {
	if b.Locale == "" {
		return nil
	}
	language := b.Language
	if language == "" {
		language = catalog.English
	}
	in, ok := catalog.CanonicalLocale(b.Locale)
	want, _ := catalog.CanonicalLocale(string(language))
	if !ok || in != want {
		return fault.Invalid("api.course", fault.BadField("/locale", fault.WrongLocale, "the text is not in the course's language", "language", language))
	}
	return nil
}

// sameID refuses a body whose id is not that of the path.
func sameID(body, path string) error {
	if body == "" || norm.NFC.String(body) == path {
		return nil
	}
	return fault.Invalid("api.id", fault.BadField("/id", fault.ReadOnly, "is not the id in the path"))
}

// bodyOf is the writable document of a stored course: what PATCH starts from.
func bodyOf(c catalog.Course) courseBody {
	b := courseBody{
		ID: string(c.ID), Title: c.Title, Summary: c.Summary, Description: c.Description, Language: c.Language, Translations: c.Translations,
		Tags: c.Tags, Category: c.Category, Level: c.Level, DurationMinutes: c.DurationMinutes, Price: c.Price, Currency: c.Currency,
		Provider: c.Provider, URL: c.URL, ImageURL: c.ImageURL, StartsAt: c.StartsAt, EndsAt: c.EndsAt, EnrollmentOpensAt: c.EnrollmentOpensAt,
		EnrollmentClosesAt: c.EnrollmentClosesAt, Prerequisites: c.Prerequisites, Certificate: c.Certificate, ContentPublic: c.ContentPublic, State: c.State,
	}
	for _, who := range c.Instructors {
		b.Instructors = append(b.Instructors, idRef{ID: string(who)})
	}
	return b
}

func courseID(r *http.Request) catalog.CourseID { return catalog.CourseID(r.PathValue("id")) }

func (a *API) getCourse(w http.ResponseWriter, r *http.Request) error {
	doc, err := a.document(r, courseID(r))
	if err != nil {
		return err
	}
	languageOf(w, r, doc)
	// Never 304: the tag is the version's, for If-Match, and ratings and counts move without a new one.
	w.Header().Set("ETag", entityTag(doc.Version, doc.Locale))
	return sendJSON(w, http.StatusOK, doc)
}

// languageOf says which language a document is in that was asked for in whichever it has.
func languageOf(w http.ResponseWriter, r *http.Request, doc catalog.Document) {
	if callOf(r.Context()).locale == catalog.AnyLocale {
		w.Header().Set("Content-Language", string(doc.Locale))
	}
}

// document reads a course as the caller sees it.
func (a *API) document(r *http.Request, id catalog.CourseID) (doc catalog.Document, err error) {
	c := callOf(r.Context())
	err = a.view(r, func(v *catalog.View) error {
		s, err := v.CourseFor(c.actor, id)
		if err == nil {
			doc, err = v.Document(c.actor, s, c.locale)
		}
		return err
	})
	return doc, err
}

// sendCourse answers a write with the document. It is read after the commit: should somebody else have written meanwhile, the caller gets their
// version, whole, with its ETag.
func (a *API) sendCourse(w http.ResponseWriter, r *http.Request, status int, id catalog.CourseID) error {
	doc, err := a.document(r, id)
	if err != nil {
		return err
	}
	languageOf(w, r, doc)
	w.Header().Set("ETag", entityTag(doc.Version, doc.Locale))
	return sendJSON(w, status, doc)
}

func (a *API) putCourse(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[courseBody](w, r, maxDocumentBody)
	if err != nil {
		return err
	}
	id := courseID(r)
	course, err := body.course(id)
	if err != nil {
		return err
	}
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	err = a.update(w, r, func(tx *catalog.Tx) error {
		old, exists, err := tx.Course(id)
		if err != nil {
			return err
		}
		status = createdUnless(exists)
		if err := body.ensure(tx, &course); err != nil {
			return err
		}
		_, err = tx.PutCourse(course, pre.cond(old.Version))
		return err
	})
	if err != nil {
		return err
	}
	return a.sendCourse(w, r, status, id)
}

// createdUnless returns 201 for something new and 200 for what existed.
func createdUnless(existed bool) int {
	if existed {
		return http.StatusOK
	}
	return http.StatusCreated
}

func (a *API) postCourse(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[courseBody](w, r, maxDocumentBody)
	if err != nil {
		return err
	}
	if body.ID == "" {
		body.ID = newCourseID(callOf(r.Context()).actor.Org)
	}
	id := catalog.CourseID(norm.NFC.String(body.ID))
	course, err := body.course(id)
	if err != nil {
		return err
	}
	err = a.update(w, r, func(tx *catalog.Tx) error {
		if err := body.ensure(tx, &course); err != nil {
			return err
		}
		_, err := tx.PutCourse(course, catalog.Cond{MustNotExist: true})
		if fault.Is(err, fault.LostUpdate) {
			return fault.Wrap("api.postCourse", fault.AlreadyExists, err)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v2/courses/"+pathEscape(string(id)))
	return a.sendCourse(w, r, http.StatusCreated, id)
}

// newCourseID makes an id for a course whose editor gave none.
func newCourseID(org catalog.OrgID) string {
	const length = 12 // of 26 random characters: 60 bits
	id := strings.ToLower(rand.Text()[:length])
	if org != "" {
		id = string(org) + "~" + id
	}
	return id
}

func (a *API) patchCourse(w http.ResponseWriter, r *http.Request) error {
	patch, err := readPatch[courseBody](w, r, maxDocumentBody)
	if err != nil {
		return err
	}
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	id := courseID(r)
	err = a.update(w, r, func(tx *catalog.Tx) error {
		old, err := visibleForWrite(tx, id)
		if err != nil {
			return err
		}
		body, err := patched(bodyOf(old.Value), patch)
		if err != nil {
			return err
		}
		course, err := body.course(id)
		if err != nil {
			return err
		}
		if err := body.ensure(tx, &course); err != nil {
			return err
		}
		_, err = tx.PutCourse(course, pre.cond(old.Version))
		return err
	})
	if err != nil {
		return err
	}
	return a.sendCourse(w, r, http.StatusOK, id)
}

// visibleForWrite reads what a patch starts from.
func visibleForWrite(tx *catalog.Tx, id catalog.CourseID) (catalog.Stored[catalog.Course], error) {
	if tx.Actor().Anonymous() {
		return catalog.Stored[catalog.Course]{}, fault.New("api.patchCourse", fault.Unauthorized)
	}
	return tx.CourseFor(tx.Actor(), id)
}

func (a *API) deleteCourse(w http.ResponseWriter, r *http.Request) error {
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	id := courseID(r)
	err = a.update(w, r, func(tx *catalog.Tx) error {
		old, _, err := tx.Course(id)
		if err != nil {
			return err
		}
		return tx.DeleteCourse(id, pre.cond(old.Version))
	})
	return sendNothing(w, err)
}

// sendNothing answers a write that has nothing to say.
func sendNothing(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// courseStates are the values of the parameter state.
var courseStates = []catalog.State{catalog.Draft, catalog.Published, catalog.Archived}

// statesParam reads the parameter state: one of them, several separated by commas, or "*". Other states than published are for editors and
// translators; to anyone else they would be empty, and saying so is kinder.
func statesParam(actor catalog.Actor, text string) ([]catalog.State, error) {
	if text == "" {
		return []catalog.State{catalog.Published}, nil
	}
	var states []catalog.State
	for name := range strings.SplitSeq(text, ",") {
		if name == "*" {
			states = append(states, courseStates...)
		} else {
			states = append(states, catalog.State(name))
		}
	}
	for _, s := range states {
		switch s {
		case catalog.Published:
		case catalog.Draft, catalog.Archived:
			if !actor.AsksForDrafts() {
				return nil, fault.New("api.listCourses", fault.Forbidden)
			}
		default:
			return nil, badParameter("state", fault.BadValue, "is no state", "allowed", "draft, published, archived, *")
		}
	}
	return states, nil
}

func (a *API) listCourses(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	states, err := statesParam(c.actor, c.query.Get("state"))
	if err != nil {
		return err
	}
	page, err := a.pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.cfg.Catalog.ListCourses(r.Context(), c.actor, states, page)
	if err != nil {
		return err
	}
	cards := make([]catalog.Card, len(list.Items))
	err = a.view(r, func(v *catalog.View) error {
		for i, s := range list.Items {
			if cards[i], err = v.Card(s, c.locale); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return sendList(a, w, r, catalog.List[catalog.Card]{Items: cards, Next: list.Next}, func(card catalog.Card) (catalog.Card, error) { return card, nil })
}

// versioned is what every document but a course has beside its own fields.
type versioned struct {
	Version   coursesync.Seq `json:"version"`
	UpdatedAt time.Time      `json:"updated_at"`
}

func versionOf[T any](s catalog.Stored[T]) versioned {
	return versioned{Version: s.Version, UpdatedAt: s.At}
}
