package catalog

import (
	"slices"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Presentation: what the API and the pages show. The JSON names are CONTRACT's.

// Card is a course in a list. Lists are never nil, so that they are [] in JSON.
type Card struct {
	ID               CourseID         `json:"id"`
	Title            string           `json:"title"`
	Summary          string           `json:"summary"`
	Locale           Locale           `json:"locale"` // of the text shown
	Language         Locale           `json:"language"`
	Tags             []TagID          `json:"tags"`
	Category         *CategoryID      `json:"category"`
	Level            *Level           `json:"level"`
	Instructors      []CardInstructor `json:"instructors"`
	Rating           *float64         `json:"rating"`
	RatingCount      int              `json:"rating_count"`
	InstructorRating *float64         `json:"instructor_rating"`
	DurationMinutes  *int             `json:"duration_minutes"`
	Price            *float64         `json:"price"`
	Currency         *string          `json:"currency"`
	Provider         *string          `json:"provider"`
	ImageURL         *string          `json:"image_url"`
	URL              *string          `json:"url"`
	EnrollmentCount  int              `json:"enrollment_count"`
	Availability     Availability     `json:"availability"`
	Org              *OrgID           `json:"org"`
	State            State            `json:"state"`
	UpdatedAt        time.Time        `json:"updated_at"`
	Version          coursesync.Seq   `json:"version"`
}

// CardInstructor is an instructor in a card.
type CardInstructor struct {
	ID     InstructorID `json:"id"`
	Name   string       `json:"name"`
	Rating *float64     `json:"rating"`
}

// Document is a course in full.
type Document struct {
	Card
	Description        string          `json:"description"`
	Translations       map[Locale]Text `json:"translations"`
	RatingMean         *float64        `json:"rating_mean"`
	StartsAt           *time.Time      `json:"starts_at"`
	EndsAt             *time.Time      `json:"ends_at"`
	EnrollmentOpensAt  *time.Time      `json:"enrollment_opens_at"`
	EnrollmentClosesAt *time.Time      `json:"enrollment_closes_at"`
	Prerequisites      []CourseID      `json:"prerequisites"`
	Certificate        bool            `json:"certificate"`
	ContentPublic      bool            `json:"content_public"`
	CreatedAt          time.Time       `json:"created_at"`
	PublishedAt        *time.Time      `json:"published_at"`
}

// AnyLocale asks for the source text.
const AnyLocale Locale = "*"

// TextIn returns the text of a course in a locale, and the locale it is in: the translation when it has a title, each field that it leaves out taken from
// the source, else the source ([AnyLocale]: always). Of a language's regions any will do, the one asked for first.
func (c Course) TextIn(l Locale) (Text, Locale) {
	if l == AnyLocale || l == c.Language {
		return c.Text, c.Language
	}
	titled := func(k Locale, ok bool) bool { return ok && c.Translations[k].Title != "" }
	_, exact := c.Translations[l]
	k, ok := l, exact
	if !titled(k, ok) {
		if l.base() == c.Language.base() {
			return c.Text, c.Language
		}
		if k, ok = pick(c.Translations, l); !titled(k, ok) {
			return c.Text, c.Language
		}
	}
	t := c.Translations[k]
	if t.Summary == "" {
		t.Summary = c.Summary
	}
	if t.Description == "" {
		t.Description = c.Description
	}
	return t, k
}

// Card presents a course in a locale: translated when it has been, else in its language ([AnyLocale]: the source text). One field that a
// translation leaves out shows the source's.
func (v *View) Card(c Stored[Course], l Locale) (Card, error) {
	card, _, _, err := v.present(c, l)
	return card, err
}

// present makes a card, and returns what a document needs besides.
func (v *View) present(c Stored[Course], l Locale) (Card, Text, CourseStats, error) {
	text, in := c.Value.TextIn(l)
	known, _, err := shared[CourseStats](v, KindCourseStats, string(c.Value.ID))
	stats := known.Value
	if err != nil {
		return Card{}, text, stats, err
	}
	card := Card{
		ID: c.Value.ID, Title: text.Title, Summary: text.Summary, Locale: in, Language: c.Value.Language,
		Tags: orEmpty(slices.Clone(c.Value.Tags)), Category: orNil(c.Value.Category), Level: orNil(c.Value.Level),
		Rating: copied(stats.Rating), RatingCount: stats.Total.N, EnrollmentCount: stats.Enrollments,
		DurationMinutes: orNil(c.Value.DurationMinutes), Price: copied(c.Value.Price), Currency: orNil(c.Value.Currency),
		Provider: orNil(c.Value.Provider), ImageURL: orNil(c.Value.ImageURL), URL: orNil(c.Value.URL),
		Availability: AvailabilityAt(c.Value, v.c.now()), Org: orNil(OrgOf(string(c.Value.ID))), State: c.Value.State,
		UpdatedAt: c.At, Version: c.Version,
	}
	card.Instructors, card.InstructorRating, err = v.cardInstructors(c.Value.Instructors)
	return card, text, stats, err
}

// cardInstructors returns the instructors that exist, and the mean rating of those who are rated (two decimals).
func (v *View) cardInstructors(ids []InstructorID) ([]CardInstructor, *float64, error) {
	list := make([]CardInstructor, 0, len(ids))
	sum := Sum{}
	for _, id := range ids {
		id = nfc(id)
		who, ok, err := shared[Instructor](v, KindInstructor, string(id))
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		stats, _, err := shared[InstructorStats](v, KindInstructorStats, string(id))
		if err != nil {
			return nil, nil, err
		}
		list = append(list, CardInstructor{ID: id, Name: who.Value.Name, Rating: copied(stats.Value.Rating)})
		if stats.Value.Rating != nil {
			sum.Sum += *stats.Value.Rating
			sum.N++
		}
	}
	return list, meanOf(sum), nil
}

// CardRatings are the ratings that a card shows, which searches ask for: 0 for none.
type CardRatings struct {
	Course      float64 `json:"course,omitempty"`
	Instructors float64 `json:"instructors,omitempty"` // the mean of those who are rated
}

// CardRatings returns the ratings of a course. One that is not there has none.
func (v *View) CardRatings(id CourseID) (r CardRatings, err error) {
	c, ok, err := shared[Course](v, KindCourse, string(nfc(id)))
	if err != nil || !ok {
		return r, err
	}
	stats, _, err := shared[CourseStats](v, KindCourseStats, string(c.Value.ID))
	if err != nil {
		return r, err
	}
	if stats.Value.Rating != nil {
		r.Course = *stats.Value.Rating
	}
	_, instructors, err := v.cardInstructors(c.Value.Instructors)
	if instructors != nil {
		r.Instructors = *instructors
	}
	return r, err
}

// meanOf is a sum's mean with two decimals, nil when nothing was summed.
func meanOf(s Sum) *float64 {
	if s.N == 0 {
		return nil
	}
	m := twoDecimals(s.Sum / float64(s.N))
	return &m
}

// Document presents a course in full to an actor who sees it, its text as in [View.Card]. Prerequisites that the actor does not see (drafts, another
// organization's, deleted ones) are left out, except for those who write the course: they send back what they read.
func (v *View) Document(actor Actor, c Stored[Course], l Locale) (Document, error) {
	card, text, stats, err := v.present(c, l)
	if err != nil {
		return Document{}, err
	}
	needed, err := v.prerequisitesFor(actor, c.Value)
	if err != nil {
		return Document{}, err
	}
	translations := c.Value.Translations
	if translations == nil {
		translations = map[Locale]Text{}
	}
	return Document{
		Card: card, Description: text.Description, Translations: translations, RatingMean: meanOf(stats.Total),
		StartsAt: c.Value.StartsAt, EndsAt: c.Value.EndsAt,
		EnrollmentOpensAt: c.Value.EnrollmentOpensAt, EnrollmentClosesAt: c.Value.EnrollmentClosesAt,
		Prerequisites: needed, Certificate: c.Value.Certificate, ContentPublic: c.Value.ContentPublic,
		CreatedAt: c.Value.CreatedAt, PublishedAt: c.Value.PublishedAt,
	}, nil
}

// prerequisitesFor returns the prerequisites of a course that an actor may know of; never nil.
func (v *View) prerequisitesFor(actor Actor, c Course) ([]CourseID, error) {
	if actor.Translates(OrgOf(string(c.ID))) { // editors do too
		return orEmpty(c.Prerequisites), nil
	}
	seen := make([]CourseID, 0, len(c.Prerequisites))
	for _, id := range c.Prerequisites {
		_, err := v.CourseFor(actor, id)
		switch {
		case err == nil:
			seen = append(seen, id)
		case !fault.Is(err, fault.NotFound):
			return nil, err
		}
	}
	return seen, nil
}

// orNil is nil for what is not known.
func orNil[T comparable](v T) *T {
	var unknown T
	if v == unknown {
		return nil
	}
	return &v
}

// copied is the same value elsewhere: a card is the caller's, what it is made from is shared.
func copied[T any](v *T) *T {
	if v == nil {
		return nil
	}
	c := *v
	return &c
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
