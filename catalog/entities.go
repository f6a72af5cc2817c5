package catalog

import (
	"time"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// The kinds of entities in the log, with their keys. The names are part of the sync contract.
const (
	KindCourse          coursesync.Kind = "course"           // course id
	KindCourseStats     coursesync.Kind = "course_stats"     // course id
	KindInstructor      coursesync.Kind = "instructor"       // instructor id
	KindInstructorStats coursesync.Kind = "instructor_stats" // instructor id
	KindTag             coursesync.Kind = "tag"              // slug
	KindCategory        coursesync.Kind = "category"         // slug
	KindModule          coursesync.Kind = "module"           // course/module
	KindLesson          coursesync.Kind = "lesson"           // course/lesson
	KindAsset           coursesync.Kind = "asset"            // course/asset
	KindReview          coursesync.Kind = "review"           // learner/course
	KindEnrollment      coursesync.Kind = "enrollment"       // learner/course
	KindProgress        coursesync.Kind = "progress"         // learner/course/lesson
	KindBookmark        coursesync.Kind = "bookmark"         // learner/course
	KindMembership      coursesync.Kind = "membership"       // learner/org
	KindPreference      coursesync.Kind = "preference"       // learner/name
	KindSavedSearch     coursesync.Kind = "saved_search"     // learner/id
	KindDevice          coursesync.Kind = "device"           // learner/id; never sent by sync: it holds a token
	KindNotification    coursesync.Kind = "notification"     // learner/id
	KindImport          coursesync.Kind = "import"           // import id
	KindSetting         coursesync.Kind = "setting"          // name
	KindErasure         coursesync.Kind = "erasure"          // salted hash of the learner
	KindSynonym         coursesync.Kind = "synonym"          // id
	KindPin             coursesync.Kind = "pin"              // id
)

// CourseID is a course's external id, [\p{L}\p{N}._:+@-]{1,128} in NFC; an organization's is "org~id".
type CourseID string

// InstructorID is a slug or what an import says; an organization's is "org~id".
type InstructorID string

// TagID is a slug; an organization's is "org~slug".
type TagID string

// CategoryID is a slug; an organization's is "org~slug".
type CategoryID string

// OrgID names an organization; "" is the public catalog.
type OrgID string

// LearnerID is a token's subject for the local issuer, "issuer|subject" for any other.
type LearnerID string

// Locale is a language tag in canonical form. Texts may be in any; the pages speak en, fr and zh-Hans.
type Locale string

// The locales of the pages and messages.
const (
	English Locale = "en"
	French  Locale = "fr"
	Chinese Locale = "zh-Hans"
)

// Level is how much a course asks of its learners; "" is unknown.
type Level string

// The levels.
const (
	LevelAll          Level = "all"
	LevelBeginner     Level = "beginner"
	LevelIntermediate Level = "intermediate"
	LevelAdvanced     Level = "advanced"
)

// State is where a course stands between its editors and its readers.
type State string

// The states. A draft is there for its editors only; an archived course left search and lists, and stays readable by id.
const (
	Draft     State = "draft"
	Published State = "published"
	Archived  State = "archived"
)

// Availability says whether one can enroll now, from the enrollment dates.
type Availability string

// The availabilities.
const (
	EnrollOpen     Availability = "open"
	EnrollUpcoming Availability = "upcoming"
	EnrollClosed   Availability = "closed"
)

// Text is what a translation of a course holds. A field that is "" falls back to the source text.
type Text struct {
	Title       string `json:"title,omitempty"`
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
}

// Course is a course as the log holds it: the source text in Language, and its translations.
// Ratings and counts are not here but in [CourseStats].
type Course struct {
	ID                 CourseID        `json:"id"`
	Text                               // the source text
	Language           Locale          `json:"language"`
	Translations       map[Locale]Text `json:"translations,omitempty"`
	Tags               []TagID         `json:"tags,omitempty"`
	Category           CategoryID      `json:"category,omitempty"`
	Level              Level           `json:"level,omitempty"`
	Instructors        []InstructorID  `json:"instructors,omitempty"`
	DurationMinutes    int             `json:"duration_minutes,omitempty"` // 0 unknown, at most MaxDuration
	Price              *float64        `json:"price,omitempty"`            // two decimals; nil unknown, 0 free
	Currency           string          `json:"currency,omitempty"`         // ISO 4217
	Provider           string          `json:"provider,omitempty"`
	URL                string          `json:"url,omitempty"`
	ImageURL           string          `json:"image_url,omitempty"`
	StartsAt           *time.Time      `json:"starts_at,omitempty"`
	EndsAt             *time.Time      `json:"ends_at,omitempty"`
	EnrollmentOpensAt  *time.Time      `json:"enrollment_opens_at,omitempty"`
	EnrollmentClosesAt *time.Time      `json:"enrollment_closes_at,omitempty"`
	Prerequisites      []CourseID      `json:"prerequisites,omitempty"`
	Certificate        bool            `json:"certificate,omitempty"`
	ContentPublic      bool            `json:"content_public,omitempty"`
	State              State           `json:"state"`
	CreatedAt          time.Time       `json:"created_at"`
	PublishedAt        *time.Time      `json:"published_at,omitempty"`    // first publication, or what an import says
	EverPublished      bool            `json:"ever_published,omitempty"`  // a draft that was never published yields nothing through sync
	FirstPublished     coursesync.Seq  `json:"first_published,omitempty"` // the version that was published first; 0 in that one itself, and before
}

// Sum is a number of ratings and what they add up to. Imported aggregates enter as mean × count.
type Sum struct {
	Sum float64 `json:"sum"`
	N   int     `json:"n"`
}

// CourseStats holds a course's hot numbers. Base is what an import said, Absorbed what erased learners had added; the rest
// comes from reviews and enrollments. Follower zero keeps the exact sums, this entity trails them by up to 5 s.
type CourseStats struct {
	Base            Sum                  `json:"base"`
	BaseEnrollments int                  `json:"base_enrollments,omitempty"`
	BaseInstructors map[InstructorID]Sum `json:"base_instructors,omitempty"`
	Absorbed        Absorbed             `json:"absorbed,omitzero"`
	Total           Sum                  `json:"total"`            // base, absorbed and reviews
	Enrollments     int                  `json:"enrollments"`      // base, absorbed and enrollments that were not withdrawn
	Prior           float64              `json:"prior"`            // the prior used for Rating
	Rating          *float64             `json:"rating,omitempty"` // (15·prior + sum)/(15 + n), two decimals; nil when n = 0
}

// Absorbed is what erased learners had added to a course's numbers. It is apart from what an import said, so that the same import again is
// unchanged and takes nothing away.
type Absorbed struct {
	Rating      Sum                  `json:"rating,omitzero"`
	Enrollments int                  `json:"enrollments,omitempty"`
	Instructors map[InstructorID]Sum `json:"instructors,omitempty"`
}

// InstructorStats holds an instructor's rating over all published courses.
type InstructorStats struct {
	Total  Sum      `json:"total"`
	Prior  float64  `json:"prior"`
	Rating *float64 `json:"rating,omitempty"`
}

// Instructor is a person who teaches.
type Instructor struct {
	ID       InstructorID      `json:"id"`
	Name     string            `json:"name"`
	Bio      map[Locale]string `json:"bio,omitempty"`
	ImageURL string            `json:"image_url,omitempty"`
	URL      string            `json:"url,omitempty"`
}

// Tag is a content tag.
type Tag struct {
	ID       TagID               `json:"id"`
	Label    map[Locale]string   `json:"label"`
	Synonyms map[Locale][]string `json:"synonyms,omitempty"`
}

// Category is a subject; categories form a tree of at most MaxCategoryDepth levels.
type Category struct {
	ID     CategoryID        `json:"id"`
	Label  map[Locale]string `json:"label"`
	Parent CategoryID        `json:"parent,omitempty"`
}

// Module is a chapter of a course.
type Module struct {
	ID       string            `json:"id"` // unique in the course
	Position int               `json:"position"`
	Title    map[Locale]string `json:"title"` // source language first among those present
}

// Lesson is a page of a module.
type Lesson struct {
	ID              string            `json:"id"` // unique in the course
	Module          string            `json:"module"`
	Position        int               `json:"position"`
	Title           map[Locale]string `json:"title"`
	DurationMinutes int               `json:"duration_minutes,omitempty"`
	Body            map[Locale]string `json:"body"` // sanitized HTML
}

// Asset is a file that belongs to a course. Its bytes are elsewhere, checked by size and SHA-256: at URL, or with Carrel (package files) when it is Held. The URL of
// one that is held follows from the rest, see [AssetURL]; the log has none.
type Asset struct {
	ID        string `json:"id"`
	Lesson    string `json:"lesson,omitempty"`
	Name      string `json:"name"`
	MediaType string `json:"media_type"`
	URL       string `json:"url"`
	Size      int64  `json:"size"`           // bytes
	SHA256    string `json:"sha256"`         // 64 hexadecimal digits
	Priority  int    `json:"priority"`       // the lower, the earlier one wants it; made by the catalog, see [Manifest]
	Held      bool   `json:"held,omitempty"` // set by [Tx.PutAssetFile] only
}

// Review is a learner's opinion of a course.
type Review struct {
	Rating      int                  `json:"rating"` // 1–5
	Instructors map[InstructorID]int `json:"instructors,omitempty"`
	Text        string               `json:"text,omitempty"`
	By          string               `json:"by,omitempty"`     // the display name shown
	Hidden      bool                 `json:"hidden,omitempty"` // by an editor; its rating still counts
	At          time.Time            `json:"at"`
}

// EnrollmentState is where a learner stands in a course.
type EnrollmentState string

// The states of an enrollment.
const (
	Active    EnrollmentState = "active"
	Completed EnrollmentState = "completed"
	Withdrawn EnrollmentState = "withdrawn"
)

// Enrollment says that a learner takes a course. It grants the channel course:ID unless it is withdrawn.
type Enrollment struct {
	State       EnrollmentState `json:"state"`
	EnrolledAt  time.Time       `json:"enrolled_at"`
	CompletedAt *time.Time      `json:"completed_at,omitempty"`
}

// Progress is how far a learner is in a lesson. Two of them merge without conflict, see [Progress.Merge].
type Progress struct {
	Position     float64            `json:"position"` // in the unit of the app that reports: a fraction, a percentage, seconds, pages; greater is further
	Completed    bool               `json:"completed"`
	TimeByDevice map[string]float64 `json:"time_by_device,omitempty"` // absolute seconds
}

// Bookmark marks a course for later.
type Bookmark struct {
	At time.Time `json:"at"`
	By string    `json:"by,omitempty"` // the client that set it, if one did
}

// Membership records that a learner belongs to an organization, from the newest token seen.
type Membership struct {
	Active bool  `json:"active"`
	Issued int64 `json:"issued"` // iat of the token that said so, unix seconds
}

// Erasure is the body of an OpErase change: which learner is gone, known only by a salted hash.
type Erasure struct {
	At time.Time `json:"at"`
}
