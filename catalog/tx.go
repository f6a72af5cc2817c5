package catalog

import coursesync "github.com/carrel-lms/carrel/sync"

// Tx is a View that also writes: it sees its own writes. Methods that write check the actor's right, validate, and
// report whether anything changed: writing what is there already changes nothing and appends nothing.
//
// Errors: fault.NotFound (missing or invisible), fault.Forbidden, fault.InvalidFields, fault.LostUpdate (cond), and those named.
type Tx struct{ View }

// Cond is a caller's condition on the entity that it writes: If-Match and If-None-Match. The zero Cond is none.
type Cond struct {
	Version      coursesync.Seq // the entity must exist in this version; 0: any
	MustExist    bool
	MustNotExist bool
}

// Actor returns on whose behalf the command runs.
func (tx *Tx) Actor() Actor { panic("todo") }

// PutCourse creates or replaces a course. Set from the stored one, whatever c says: CreatedAt, and PublishedAt when it is nil and the course has one.
// An unknown tag, category, instructor or prerequisite is fault.UnknownRef in a field. A translator may change Translations only.
// A change of state appends the course's stats in the same batch.
func (tx *Tx) PutCourse(c Course, cond Cond) (changed bool, err error) { panic("todo") }

// DeleteCourse deletes a course, its content and its stats. Enrollments and reviews stay with their learners.
func (tx *Tx) DeleteCourse(id CourseID, cond Cond) error { panic("todo") }

// PutStatsBase sets what an import says of a course's ratings and enrollments; nil leaves a part as it is.
func (tx *Tx) PutStatsBase(id CourseID, base StatsBase) (changed bool, err error) { panic("todo") }

// StatsBase is where the counting of a course's ratings and enrollments starts.
type StatsBase struct {
	Rating      *Sum
	Enrollments *int
	Instructors map[InstructorID]Sum
}

func (tx *Tx) PutInstructor(i Instructor, cond Cond) (bool, error) { panic("todo") }
func (tx *Tx) DeleteInstructor(id InstructorID, cond Cond) error   { panic("todo") } // fault.HasDependents when a course names it
func (tx *Tx) PutTag(t Tag, cond Cond) (bool, error)               { panic("todo") }
func (tx *Tx) DeleteTag(id TagID, cond Cond) error                 { panic("todo") } // fault.HasDependents
func (tx *Tx) PutCategory(c Category, cond Cond) (bool, error)     { panic("todo") } // fault.Cycle
func (tx *Tx) DeleteCategory(id CategoryID, cond Cond) error       { panic("todo") } // fault.HasDependents

// EnsureInstructor, EnsureTag and EnsureCategory return the id of a thing named in an import, making it when it is missing. A label is
// compared as a slug within the organization, then in the public catalog. l is the language of the label.
func (tx *Tx) EnsureInstructor(org OrgID, provider, name string, id InstructorID) (InstructorID, error) {
	panic("todo")
}
func (tx *Tx) EnsureTag(org OrgID, label string, l Locale) (TagID, error)           { panic("todo") }
func (tx *Tx) EnsureCategory(org OrgID, label string, l Locale) (CategoryID, error) { panic("todo") }

// PutContent replaces a course's content; what is not in it is deleted. PutModule and PutLesson write one part.
func (tx *Tx) PutContent(id CourseID, c Content, cond Cond) (bool, error) { panic("todo") }
func (tx *Tx) PutModule(id CourseID, m Module) (bool, error)              { panic("todo") }
func (tx *Tx) PutLesson(id CourseID, l Lesson) (bool, error)              { panic("todo") }

// PutEnrollment enrolls a learner or changes the state. fault.EnrollClosed outside the enrollment dates (for a new enrollment),
// fault.Conflict for a draft or archived course. completed → active is allowed; withdrawn → active is an enrollment anew.
func (tx *Tx) PutEnrollment(who LearnerID, id CourseID, s EnrollmentState, cond Cond) (bool, error) {
	panic("todo")
}

// DeleteEnrollment withdraws (state withdrawn, the entity stays).
func (tx *Tx) DeleteEnrollment(who LearnerID, id CourseID, cond Cond) error { panic("todo") }

// PutReview writes a learner's review. fault.NotEnrolled unless active or completed. Hidden is kept as it is.
func (tx *Tx) PutReview(who LearnerID, id CourseID, r Review, cond Cond) (bool, error) { panic("todo") }
func (tx *Tx) DeleteReview(who LearnerID, id CourseID, cond Cond) error                { panic("todo") }

// HideReview hides or shows a review, by its editor. reviewID is ReviewView.ID.
func (tx *Tx) HideReview(id CourseID, reviewID string, hidden bool) (bool, error) { panic("todo") }

// PutProgress merges progress into what is there. fault.NotEnrolled unless active or completed, fault.NotFound for an unknown lesson.
func (tx *Tx) PutProgress(who LearnerID, id CourseID, lesson string, p Progress) (bool, error) {
	panic("todo")
}
func (tx *Tx) PutBookmark(who LearnerID, id CourseID) (bool, error) { panic("todo") }
func (tx *Tx) DeleteBookmark(who LearnerID, id CourseID) error      { panic("todo") }

// RecordMembership records the organization in the actor's token when it is newer than what is on record.
func (tx *Tx) RecordMembership() error { panic("todo") }

// Erase deletes a learner: see DESIGN, Erasure. What the learner added to sums goes into their base.
func (tx *Tx) Erase(who LearnerID) error { panic("todo") }

// PutImport writes an import's record.
func (tx *Tx) PutImport(r ImportRecord) error { panic("todo") }
