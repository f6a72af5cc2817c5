package delta

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Row is what a phone holds of one entity, or that it is to forget it.
type Row struct {
	Kind    coursesync.Kind `json:"kind"`
	ID      string          `json:"id"` // the key without the learner
	Op      string          `json:"op"` // "upsert" or "delete"
	Version coursesync.Seq  `json:"version"`
	Doc     any             `json:"doc,omitempty"` // one of the types below
}

// The operations of a row.
const (
	opUpsert = "upsert"
	opDelete = "delete"
)

// CourseRow is a course as phones hold it. Numbers are in [StatsRow]; instructors, tags and category are ids of other rows. What FieldsFull adds is in
// CourseMore.
type CourseRow struct {
	ID              catalog.CourseID       `json:"id"`
	Title           string                 `json:"title"`
	Summary         string                 `json:"summary"`
	Locale          catalog.Locale         `json:"locale"` // of the text
	Language        catalog.Locale         `json:"language"`
	Tags            []catalog.TagID        `json:"tags"`
	Category        *catalog.CategoryID    `json:"category"`
	Level           *catalog.Level         `json:"level"`
	Instructors     []catalog.InstructorID `json:"instructors"`
	DurationMinutes *int                   `json:"duration_minutes"`
	Price           *float64               `json:"price"`
	Currency        *string                `json:"currency"`
	Provider        *string                `json:"provider"`
	ImageURL        *string                `json:"image_url"`
	URL             *string                `json:"url"`
	Org             *catalog.OrgID         `json:"org"`
	State           catalog.State          `json:"state"`
	UpdatedAt       time.Time              `json:"updated_at"`
	*CourseMore
}

// CourseMore is what a row of FieldsFull has besides.
type CourseMore struct {
	Description        string             `json:"description"`
	StartsAt           *time.Time         `json:"starts_at"`
	EndsAt             *time.Time         `json:"ends_at"`
	EnrollmentOpensAt  *time.Time         `json:"enrollment_opens_at"`
	EnrollmentClosesAt *time.Time         `json:"enrollment_closes_at"`
	Prerequisites      []catalog.CourseID `json:"prerequisites"`
	Certificate        bool               `json:"certificate"`
	ContentPublic      bool               `json:"content_public"`
	CreatedAt          time.Time          `json:"created_at"`
	PublishedAt        *time.Time         `json:"published_at"`
}

// StatsRow holds a course's or an instructor's numbers.
type StatsRow struct {
	ID              string   `json:"id"`
	Rating          *float64 `json:"rating"`
	RatingCount     int      `json:"rating_count"`
	EnrollmentCount *int     `json:"enrollment_count,omitempty"` // of courses only
}

// InstructorRow is an instructor.
type InstructorRow struct {
	ID       catalog.InstructorID `json:"id"`
	Name     string               `json:"name"`
	Bio      string               `json:"bio,omitempty"`
	ImageURL *string              `json:"image_url"`
	URL      *string              `json:"url"`
}

// TagRow is a tag.
type TagRow struct {
	ID       catalog.TagID `json:"id"`
	Label    string        `json:"label"`
	Synonyms []string      `json:"synonyms"`
}

// CategoryRow is a category.
type CategoryRow struct {
	ID     catalog.CategoryID  `json:"id"`
	Label  string              `json:"label"`
	Parent *catalog.CategoryID `json:"parent"`
}

// ModuleRow is a module of a course.
type ModuleRow struct {
	ID       string `json:"id"` // course/module, as in the row
	Course   string `json:"course"`
	Position int    `json:"position"`
	Title    string `json:"title"`
}

// LessonRow is a lesson of a course.
type LessonRow struct {
	ID              string         `json:"id"`
	Course          string         `json:"course"`
	Module          string         `json:"module"` // id of its row
	Position        int            `json:"position"`
	Title           string         `json:"title"`
	Locale          catalog.Locale `json:"locale"` // of the body
	DurationMinutes *int           `json:"duration_minutes"`
	Body            string         `json:"body"` // sanitized HTML
}

// AssetRow is a file of a course.
type AssetRow struct {
	ID        string  `json:"id"`
	Course    string  `json:"course"`
	Lesson    *string `json:"lesson"` // id of its row
	Name      string  `json:"name"`
	MediaType string  `json:"media_type"`
	URL       string  `json:"url"` // one that begins with a stroke is a path of this server
	Size      int64   `json:"size"`
	SHA256    string  `json:"sha256"`
	Priority  int     `json:"priority"` // the lower, the earlier to fetch; of equals the smaller first
}

// EnrollmentRow is the caller's enrollment in a course.
type EnrollmentRow struct {
	ID          string                  `json:"id"`
	Course      string                  `json:"course"`
	State       catalog.EnrollmentState `json:"state"`
	EnrolledAt  time.Time               `json:"enrolled_at"`
	CompletedAt *time.Time              `json:"completed_at"`
}

// ReviewRow is the caller's review of a course.
type ReviewRow struct {
	ID          string                       `json:"id"`
	Course      string                       `json:"course"`
	Rating      int                          `json:"rating"`
	Instructors map[catalog.InstructorID]int `json:"instructors"`
	Text        string                       `json:"text"`
	By          string                       `json:"by"`
	Hidden      bool                         `json:"hidden"`
	At          time.Time                    `json:"at"`
}

// ProgressRow is how far the caller is in a lesson.
type ProgressRow struct {
	ID           string             `json:"id"`
	Course       string             `json:"course"`
	Lesson       string             `json:"lesson"` // its id within the course
	Position     float64            `json:"position"`
	Completed    bool               `json:"completed"`
	TimeByDevice map[string]float64 `json:"time_by_device"`
}

// BookmarkRow is a course marked for later.
type BookmarkRow struct {
	ID     string    `json:"id"`
	Course string    `json:"course"`
	At     time.Time `json:"at"`
}

// PreferenceRow is one preference.
type PreferenceRow struct {
	ID    string `json:"id"` // its name
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SavedSearchRow is a search that the caller keeps.
type SavedSearchRow struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Query  string         `json:"query"` // the parameters of a search, "q=go&min_rating=4"
	Notify catalog.Notify `json:"notify"`
}

// NotificationRow is something that the caller was told.
type NotificationRow struct {
	ID      string                   `json:"id"`
	Rule    catalog.NotificationRule `json:"rule"`
	Subject catalog.Subject          `json:"subject"`
	Title   string                   `json:"title"`
	Body    string                   `json:"body"`
	At      time.Time                `json:"at"`
	Read    bool                     `json:"read"`
}

// projector shows entities in one locale.
type projector struct {
	locale  catalog.Locale
	full    bool
	dialect *dialect // nil: rows as [Row]
	notice  func(catalog.Locale, catalog.Notification) (title, body string)
}

func (s *Service) projector(l catalog.Locale, f Fields) *projector {
	return &projector{locale: l, full: f == FieldsFull, notice: s.cfg.Notice}
}

// encode makes the JSON of a row.
func (pr *projector) encode(ch *change) (json.RawMessage, error) {
	if pr.dialect != nil {
		return pr.columns(ch)
	}
	row, err := pr.row(ch)
	if err != nil {
		return nil, err
	}
	return encodeRow(row)
}

func encodeRow(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // lessons are HTML: escapes would be half of it
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap("delta.encode", fault.Internal, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// row makes the row of a change.
func (pr *projector) row(ch *change) (Row, error) {
	row := Row{Kind: ch.kind, ID: ch.id, Op: opUpsert, Version: ch.Seq}
	if ch.shown == removed {
		row.Op = opDelete
		return row, nil
	}
	var err error
	row.Doc, err = pr.shownDoc(ch)
	return row, err
}

// shownDoc makes the document of a change, without what its readers do not see.
func (pr *projector) shownDoc(ch *change) (any, error) {
	doc, err := pr.doc(&ch.Change, rowID(&ch.Change))
	if c, ok := doc.(CourseRow); ok && c.CourseMore != nil {
		c.Prerequisites = slices.DeleteFunc(c.Prerequisites, func(id catalog.CourseID) bool { return slices.Contains(ch.hidden, id) })
	}
	return doc, err
}

// rowID is the key of an entity without the learner.
func rowID(ch *coursesync.Change) string {
	if strings.HasPrefix(string(ch.Channel), learnerPrefix) {
		return catalog.WithoutLearner(ch.Key)
	}
	return ch.Key
}

// doc makes the document of a live entity.
func (pr *projector) doc(ch *coursesync.Change, id string) (any, error) {
	switch ch.Kind {
	case catalog.KindCourse:
		return as(ch, pr.course)
	case catalog.KindCourseStats:
		return as(ch, func(s catalog.Stored[catalog.CourseStats]) any {
			return StatsRow{id, s.Value.Rating, s.Value.Total.N, &s.Value.Enrollments}
		})
	case catalog.KindInstructorStats:
		return as(ch, func(s catalog.Stored[catalog.InstructorStats]) any {
			return StatsRow{id, s.Value.Rating, s.Value.Total.N, nil}
		})
	case catalog.KindInstructor:
		return as(ch, pr.instructor)
	case catalog.KindTag:
		return as(ch, pr.tag)
	case catalog.KindCategory:
		return as(ch, func(s catalog.Stored[catalog.Category]) any {
			label, _ := catalog.LabelIn(s.Value.Label, pr.locale, id)
			return CategoryRow{s.Value.ID, label, orNil(s.Value.Parent)}
		})
	case catalog.KindModule, catalog.KindLesson, catalog.KindAsset:
		return pr.content(ch, id)
	}
	return pr.own(ch, id)
}

// as decodes an entity and shows it.
func as[T any](ch *coursesync.Change, show func(catalog.Stored[T]) any) (any, error) {
	s, err := catalog.Decode[T](*ch)
	if err != nil {
		return nil, err
	}
	return show(s), nil
}

func (pr *projector) course(s catalog.Stored[catalog.Course]) any {
	c := s.Value
	text, in := c.TextIn(pr.locale)
	row := CourseRow{
		ID: c.ID, Title: text.Title, Summary: text.Summary, Locale: in, Language: c.Language, Tags: orEmpty(c.Tags), Category: orNil(c.Category),
		Level: orNil(c.Level), Instructors: orEmpty(c.Instructors), DurationMinutes: orNil(c.DurationMinutes), Price: c.Price,
		Currency: orNil(c.Currency), Provider: orNil(c.Provider), ImageURL: orNil(c.ImageURL), URL: orNil(c.URL),
		Org: orNil(catalog.OrgOf(string(c.ID))), State: c.State, UpdatedAt: s.At,
	}
	if pr.full {
		row.CourseMore = &CourseMore{
			Description: text.Description, StartsAt: c.StartsAt, EndsAt: c.EndsAt, EnrollmentOpensAt: c.EnrollmentOpensAt,
			EnrollmentClosesAt: c.EnrollmentClosesAt, Prerequisites: orEmpty(c.Prerequisites), Certificate: c.Certificate,
			ContentPublic: c.ContentPublic, CreatedAt: c.CreatedAt, PublishedAt: c.PublishedAt,
		}
	}
	return row
}

func (pr *projector) instructor(s catalog.Stored[catalog.Instructor]) any {
	row := InstructorRow{ID: s.Value.ID, Name: s.Value.Name, ImageURL: orNil(s.Value.ImageURL), URL: orNil(s.Value.URL)}
	if pr.full {
		row.Bio, _ = catalog.LabelIn(s.Value.Bio, pr.locale, "")
	}
	return row
}

func (pr *projector) tag(s catalog.Stored[catalog.Tag]) any {
	label, _ := catalog.LabelIn(s.Value.Label, pr.locale, string(s.Value.ID))
	synonyms := []string{}
	for _, l := range slices.Sorted(maps.Keys(s.Value.Synonyms)) {
		synonyms = append(synonyms, s.Value.Synonyms[l]...) // whoever searches offline may type any of them
	}
	return TagRow{s.Value.ID, label, synonyms}
}

// content shows a part of a course; ids of other parts are those of their rows.
func (pr *projector) content(ch *coursesync.Change, id string) (any, error) {
	course, _, _ := strings.Cut(id, "/")
	switch ch.Kind {
	case catalog.KindModule:
		return as(ch, func(s catalog.Stored[catalog.Module]) any {
			title, _ := catalog.LabelIn(s.Value.Title, pr.locale, s.Value.ID)
			return ModuleRow{id, course, s.Value.Position, title}
		})
	case catalog.KindLesson:
		return as(ch, func(s catalog.Stored[catalog.Lesson]) any {
			title, _ := catalog.LabelIn(s.Value.Title, pr.locale, s.Value.ID)
			body, in := catalog.LabelIn(s.Value.Body, pr.locale, "")
			return LessonRow{id, course, course + "/" + s.Value.Module, s.Value.Position, title, in, orNil(s.Value.DurationMinutes), body}
		})
	}
	return as(ch, func(s catalog.Stored[catalog.Asset]) any {
		a := s.Value
		row := AssetRow{ID: id, Course: course, Name: a.Name, MediaType: a.MediaType, Size: a.Size, SHA256: a.SHA256, Priority: a.Priority}
		row.URL = catalog.AssetURL(catalog.CourseID(course), a)
		if a.Lesson != "" {
			lesson := course + "/" + a.Lesson
			row.Lesson = &lesson
		}
		return row
	})
}

// own shows what is the caller's own.
func (pr *projector) own(ch *coursesync.Change, id string) (any, error) {
	switch ch.Kind {
	case catalog.KindEnrollment:
		return as(ch, func(s catalog.Stored[catalog.Enrollment]) any {
			return EnrollmentRow{id, id, s.Value.State, s.Value.EnrolledAt, s.Value.CompletedAt}
		})
	case catalog.KindReview:
		return as(ch, func(s catalog.Stored[catalog.Review]) any {
			r := s.Value
			if r.Instructors == nil {
				r.Instructors = map[catalog.InstructorID]int{}
			}
			return ReviewRow{id, id, r.Rating, r.Instructors, r.Text, r.By, r.Hidden, r.At}
		})
	case catalog.KindProgress:
		return as(ch, func(s catalog.Stored[catalog.Progress]) any {
			course, lesson, _ := strings.Cut(id, "/")
			times := s.Value.TimeByDevice
			if times == nil {
				times = map[string]float64{}
			}
			return ProgressRow{id, course, lesson, s.Value.Position, s.Value.Completed, times}
		})
	case catalog.KindBookmark:
		return as(ch, func(s catalog.Stored[catalog.Bookmark]) any { return BookmarkRow{id, id, s.Value.At} })
	case catalog.KindSavedSearch:
		return as(ch, func(s catalog.Stored[catalog.SavedSearch]) any {
			return SavedSearchRow{id, s.Value.Name, s.Value.Query, s.Value.Notify}
		})
	case catalog.KindNotification:
		return as(ch, func(s catalog.Stored[catalog.Notification]) any {
			title, body := pr.notice(pr.locale, s.Value)
			return NotificationRow{id, s.Value.Rule, s.Value.Subject, title, body, s.Value.At, s.Value.Read}
		})
	case catalog.KindPreference:
		return as(ch, func(s catalog.Stored[catalog.Preference]) any { return PreferenceRow{id, id, s.Value.Value} })
	}
	return nil, fault.New("delta.row", fault.Internal).WithFix("no row is made of a %s", ch.Kind)
}

// orNil is nil for what is not known.
func orNil[T comparable](v T) *T {
	var unknown T
	if v == unknown {
		return nil
	}
	return &v
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
