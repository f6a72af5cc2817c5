package catalog

import (
	"context"
	"iter"
	"time"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// View reads the catalog at one moment. Methods that take an [Actor] show only what that actor may see and answer
// fault.NotFound for anything else; the others do no authorization and serve followers and rules.
type View struct{}

// Stored is an entity with what the log knows of it.
type Stored[T any] struct {
	Value   T
	Version coursesync.Seq // the entity's last change: ETag, If-Match
	Created coursesync.Seq
	At      time.Time // of the last change: updated_at
}

// Priors are the means by which ratings are tempered.
type Priors struct {
	Course     float64 `json:"course"`
	Instructor float64 `json:"instructor"`
}

// Unauthorized reads.

func (v *View) Course(id CourseID) (Stored[Course], bool, error)               { panic("todo") }
func (v *View) CourseStats(id CourseID) (CourseStats, bool, error)             { panic("todo") } // the logged entity, not the exact sums
func (v *View) Instructor(id InstructorID) (Stored[Instructor], bool, error)   { panic("todo") }
func (v *View) InstructorStats(id InstructorID) (InstructorStats, bool, error) { panic("todo") }
func (v *View) Tag(id TagID) (Stored[Tag], bool, error)                        { panic("todo") }
func (v *View) Category(id CategoryID) (Stored[Category], bool, error)         { panic("todo") }
func (v *View) Priors() (Priors, error)                                        { panic("todo") }

// CoursesWithTag returns the ids of the courses, in any state, that name a tag; likewise the next two. Search re-indexes them when a label changes.
func (v *View) CoursesWithTag(id TagID) ([]CourseID, error)               { panic("todo") }
func (v *View) CoursesWithCategory(id CategoryID) ([]CourseID, error)     { panic("todo") }
func (v *View) CoursesWithInstructor(id InstructorID) ([]CourseID, error) { panic("todo") }

// Courses yields every course in order of id, in short reads of its own (so not of one moment). For rebuilds and exports.
func (c *Catalog) Courses(ctx context.Context) iter.Seq2[Stored[Course], error] { panic("todo") }

// Authorized reads.

// CourseFor returns a course that the actor may see, else fault.NotFound. Archived ones are returned.
func (v *View) CourseFor(actor Actor, id CourseID) (Stored[Course], error) { panic("todo") }

// Content returns modules and lessons in order. fault.NotFound when the course is invisible, fault.NotEnrolled when the
// actor is neither enrolled nor its editor and the content is not public.
func (v *View) Content(actor Actor, id CourseID) (Content, error) { panic("todo") }

// Outline is Content without lesson bodies and assets; everyone who sees the course may see it.
func (v *View) Outline(actor Actor, id CourseID) (Content, error) { panic("todo") }

// Content is what a course is made of, in order of position, then id.
type Content struct {
	Modules []Module `json:"modules"`
	Lessons []Lesson `json:"lessons"`
	Assets  []Asset  `json:"assets"`
}

// Page asks for a part of a list: at most Limit items (1–100) after the key After.
type Page struct {
	Limit int
	After string // the key of the last item of the page before; "" starts
}

// List is a page of a list; Next is "" at the end, else the key for Page.After.
type List[T any] struct {
	Items []T
	Next  string
}

// ListCourses lists by id what the actor may see and that is in one of states (published when none is given).
func (c *Catalog) ListCourses(ctx context.Context, actor Actor, states []State, p Page) (List[Stored[Course]], error) {
	panic("todo")
}
func (c *Catalog) ListInstructors(ctx context.Context, actor Actor, p Page) (List[Stored[Instructor]], error) {
	panic("todo")
}
func (c *Catalog) ListTags(ctx context.Context, actor Actor, p Page) (List[Stored[Tag]], error) {
	panic("todo")
}
func (c *Catalog) ListCategories(ctx context.Context, actor Actor, p Page) (List[Stored[Category]], error) {
	panic("todo")
}

// InstructorFor, TagFor and CategoryFor return what the actor may see, else fault.NotFound.
func (v *View) InstructorFor(actor Actor, id InstructorID) (Stored[Instructor], error) { panic("todo") }
func (v *View) TagFor(actor Actor, id TagID) (Stored[Tag], error)                      { panic("todo") }
func (v *View) CategoryFor(actor Actor, id CategoryID) (Stored[Category], error)       { panic("todo") }

// Presentation: what the API and the pages show. The JSON names are CONTRACT's.

// Card is a course in a list.
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

// Card presents a course in a locale: translated when it has been, else in its language ([AnyLocale]: the source text). One field that a
// translation leaves out shows the source's.
func (v *View) Card(c Stored[Course], l Locale) (Card, error)         { panic("todo") }
func (v *View) Document(c Stored[Course], l Locale) (Document, error) { panic("todo") }

// LabelIn picks a label: the locale's, else English, else the first by locale, else fallback.
func LabelIn(m map[Locale]string, l Locale, fallback string) (text string, in Locale) { panic("todo") }

// AvailabilityAt computes a course's availability from its enrollment dates.
func AvailabilityAt(c Course, now time.Time) Availability { panic("todo") }

// ReviewView is a published review as readers see it.
type ReviewView struct {
	Learner LearnerID `json:"-"`  // for the editor who hides it
	ID      string    `json:"id"` // opaque; the editor's PATCH names it; says nothing of the learner
	Rating  int       `json:"rating"`
	Text    string    `json:"text"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Hidden  bool      `json:"hidden,omitempty"` // seen by editors only
}

// Reviews lists a course's reviews, newest first; hidden ones for its editors only.
func (c *Catalog) Reviews(ctx context.Context, actor Actor, id CourseID, p Page) (List[ReviewView], error) {
	panic("todo")
}

// RatingHistogram counts a course's reviews by rating; index 0 is one star.
func (v *View) RatingHistogram(id CourseID) ([5]int, error) { panic("todo") }

// Learner reads: what is the learner's own. The key of an item is the course (progress: course/lesson).

type (
	// MyReview and its like pair an entity of a learner with what it is about.
	MyReview struct {
		Course CourseID
		Stored[Review]
	}
	MyEnrollment struct {
		Course CourseID
		Stored[Enrollment]
	}
	MyProgress struct {
		Course CourseID
		Lesson string
		Stored[Progress]
	}
	MyBookmark struct {
		Course CourseID
		Stored[Bookmark]
	}
)

func (c *Catalog) MyReviews(ctx context.Context, who LearnerID, p Page) (List[MyReview], error) {
	panic("todo")
}
func (c *Catalog) MyEnrollments(ctx context.Context, who LearnerID, p Page) (List[MyEnrollment], error) {
	panic("todo")
}
func (c *Catalog) MyProgress(ctx context.Context, who LearnerID, p Page) (List[MyProgress], error) {
	panic("todo")
}
func (c *Catalog) MyBookmarks(ctx context.Context, who LearnerID, p Page) (List[MyBookmark], error) {
	panic("todo")
}
func (v *View) MyReview(who LearnerID, id CourseID) (Stored[Review], bool, error) { panic("todo") }
func (v *View) MyEnrollment(who LearnerID, id CourseID) (Stored[Enrollment], bool, error) {
	panic("todo")
}
func (v *View) MyProgressIn(who LearnerID, id CourseID) (map[string]Progress, error)  { panic("todo") } // by lesson
func (v *View) MyBookmark(who LearnerID, id CourseID) (Stored[Bookmark], bool, error) { panic("todo") }

// Export returns everything held about a learner, by kind, as the log holds it.
func (c *Catalog) Export(ctx context.Context, who LearnerID) (map[coursesync.Kind][]ExportItem, error) {
	panic("todo")
}

// ExportItem is one entity of an export.
type ExportItem struct {
	Key     string         `json:"key"`
	Version coursesync.Seq `json:"version"`
	At      time.Time      `json:"at"`
	Body    any            `json:"body"`
}

// Erased reports whether a token of that learner issued at iat (unix seconds) is older than the learner's erasure.
func (c *Catalog) Erased(who LearnerID, iat int64) bool { panic("todo") }

// Import records.

// ImportRecord is the entity of one import: who, what, counts, state.
type ImportRecord struct {
	ID         string        `json:"id"`
	By         LearnerID     `json:"by"`
	Org        OrgID         `json:"org,omitempty"`
	File       string        `json:"file,omitempty"`
	Format     string        `json:"format"`
	Map        string        `json:"map,omitempty"`
	DryRun     bool          `json:"dry_run,omitempty"`
	State      string        `json:"state"` // queued, running, done, failed, rolled_back
	Rows       ImportRows    `json:"rows"`
	Errors     []ImportError `json:"errors,omitempty"` // the first MaxImportErrors
	MoreErrors int           `json:"more_errors,omitempty"`
	StartedAt  time.Time     `json:"started_at"`
	EndedAt    *time.Time    `json:"ended_at,omitempty"`
	Problem    string        `json:"problem,omitempty"` // fault code when failed
}

// ImportRows counts rows; Read is the sum of the other five.
type ImportRows struct {
	Read      int `json:"read"`
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Merged    int `json:"merged"`
	Rejected  int `json:"rejected"`
}

// ImportError is one rejected row.
type ImportError struct {
	Line   int    `json:"line"`   // of the file, from 1
	Column string `json:"column"` // header of the cell at fault, "" for the row
	Code   string `json:"code"`   // a fault code
	Detail string `json:"detail"`
}

func (v *View) Import(actor Actor, id string) (Stored[ImportRecord], error) { panic("todo") }
func (c *Catalog) ListImports(ctx context.Context, actor Actor, p Page) (List[Stored[ImportRecord]], error) {
	panic("todo")
} // newest first
