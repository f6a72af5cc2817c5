package catalog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// The tables of the learners' half.
const (
	tableReviews     = "reviews"     // course, place (newest first); value: the learner, as in keys
	tableNumbers     = "numbers"     // course; value: courseNumbers
	tableInstructors = "instructors" // instructor; value: instructorNumbers
	tableOverall     = "overall"     // subjectCourse or subjectInstructor; value: micros, the sum over the public catalog
	tableTrailing    = "trailing"    // subject and id of each whose stats entity is not what the tables say
	tablePriced      = "priced"      // subject, prior in its stats entity (8 bytes), id of each that is rated
	tableTokens      = "tokens"      // hash of a token, device (as in keys) that has it
	tableEnrolled    = "enrolled"    // course, learner (as in keys); value: the state, which is not withdrawn
)

// A subject is what has stats; it starts keys.
const (
	subjectCourse     = "c"
	subjectInstructor = "i"
)

// reviewPlace is the length of a review's place: the moment, then the Seq of its creation, both so that newer ones sort first.
const reviewPlace = 16

// tally is a sum of whole ratings.
type tally struct {
	Sum int `json:"s"`
	N   int `json:"n"`
}

func (t *tally) add(rating, sign int) {
	t.Sum += sign * rating
	t.N += sign
}

// micros is a sum that many additions and subtractions leave exact, in whatever order: it counts millionths. 10^12 ratings fit.
type micros struct {
	Sum int64 `json:"s"`
	N   int   `json:"n"`
}

func microsOf(s Sum) micros { return micros{Sum: int64(math.Round(s.Sum * 1e6)), N: s.N} }

func (m micros) plus(o micros) micros  { return micros{m.Sum + o.Sum, m.N + o.N} }
func (m micros) minus(o micros) micros { return micros{m.Sum - o.Sum, m.N - o.N} }
func (m micros) sum() Sum              { return Sum{Sum: float64(m.Sum) / 1e6, N: m.N} }

// courseNumbers is all that decides a course's stats. It is a function of the live entities, never of their history: so tables built again
// are the same.
type courseNumbers struct {
	Exists      bool                   `json:"exists,omitempty"`
	Published   bool                   `json:"published,omitempty"`
	Instructors []InstructorID         `json:"instructors,omitempty"` // named by the course now
	Stars       [maxStars]int          `json:"stars"`                 // reviews by rating
	Enrolled    int                    `json:"enrolled,omitempty"`    // not withdrawn
	Rated       map[InstructorID]tally `json:"rated,omitempty"`       // by reviews
	Stats       *CourseStats           `json:"stats,omitempty"`       // the entity in the log
}

// instructorNumbers is all that decides an instructor's stats.
type instructorNumbers struct {
	Exists bool             `json:"exists,omitempty"`
	Total  micros           `json:"total"` // over the published courses of the same organization that name the instructor
	Stats  *InstructorStats `json:"stats,omitempty"`
}

// zeroLearner derives from every change of a kind that is not course, tag, category, import.
func zeroLearner(t *tables, a coursesync.Applied) error {
	switch a.Kind {
	case KindReview:
		return zeroReview(t, a)
	case KindEnrollment:
		return zeroEnrollment(t, a)
	case KindDevice:
		return zeroDevice(t, a)
	case KindCourseStats:
		return zeroCourseStats(t, a)
	case KindInstructor:
		return t.changeInstructor(InstructorID(a.Key), func(n *instructorNumbers) { n.Exists = a.Op == coursesync.OpUpsert })
	case KindInstructorStats:
		stats, err := liveBody[InstructorStats](a.Change)
		if err != nil {
			return err
		}
		return t.changeInstructor(InstructorID(a.Key), func(n *instructorNumbers) { n.Stats = stats })
	}
	return nil
}

// zeroCourseOfLearners derives from changes of courses, after zeroCourse; now is nil when the course is gone.
func zeroCourseOfLearners(t *tables, id CourseID, now *courseRefs) error {
	return t.changeCourse(id, func(n *courseNumbers) {
		n.Exists, n.Published, n.Instructors = now != nil, false, nil
		if now == nil {
			return
		}
		n.Published = State(now.State) == Published
		for _, who := range now.Instructors {
			n.Instructors = append(n.Instructors, InstructorID(who))
		}
	})
}

// zeroReview keeps the list of a course's reviews and their exact sums.
func zeroReview(t *tables, a coursesync.Applied) error {
	before, now, err := beforeAndNow[Review](a)
	if err != nil {
		return err
	}
	learner, id := splitLearner(a.Key)
	if before != nil {
		if err := t.del(tableReviews, reviewRow(id, before, a.Prev.Created)); err != nil {
			return err
		}
	}
	if now != nil {
		if err := t.put(tableReviews, reviewRow(id, now, a.Created), []byte(learner)); err != nil {
			return err
		}
	}
	return t.changeCourse(CourseID(id), func(n *courseNumbers) {
		n.count(before, -1)
		n.count(now, 1)
	})
}

func reviewRow(course string, r *Review, made coursesync.Seq) string {
	place := binary.BigEndian.AppendUint64(nil, ^uint64(max(r.At.UnixMilli(), 0)))
	place = binary.BigEndian.AppendUint64(place, ^uint64(made))
	return joinKey(course, string(place))
}

// count adds a review, or takes it away.
func (n *courseNumbers) count(r *Review, sign int) {
	if r == nil {
		return
	}
	if r.Rating >= 1 && r.Rating <= maxStars {
		n.Stars[r.Rating-1] += sign
	}
	for who, rating := range r.Instructors {
		t := n.Rated[who]
		t.add(rating, sign)
		if n.Rated == nil {
			n.Rated = map[InstructorID]tally{}
		}
		if n.Rated[who] = t; t.N == 0 {
			delete(n.Rated, who)
		}
	}
}

// zeroEnrollment lists and counts those who did not withdraw.
func zeroEnrollment(t *tables, a coursesync.Applied) error {
	before, now, err := beforeAndNow[Enrollment](a)
	if err != nil {
		return err
	}
	learner, id := splitLearner(a.Key)
	if err := t.enroll(joinKey(id, learner), now); err != nil {
		return err
	}
	d := enrolled(now) - enrolled(before)
	if d == 0 {
		return nil
	}
	return t.changeCourse(CourseID(id), func(n *courseNumbers) { n.Enrolled += d })
}

// enroll keeps who is enrolled in what.
func (t *tables) enroll(key string, now *Enrollment) error {
	if enrolled(now) == 0 {
		return t.del(tableEnrolled, key)
	}
	return t.put(tableEnrolled, key, []byte(now.State))
}

func enrolled(e *Enrollment) int {
	if e == nil || e.State == Withdrawn {
		return 0
	}
	return 1
}

func zeroCourseStats(t *tables, a coursesync.Applied) error {
	stats, err := liveBody[CourseStats](a.Change)
	if err != nil {
		return err
	}
	return t.changeCourse(CourseID(a.Key), func(n *courseNumbers) { n.Stats = stats })
}

// course reads a course's numbers; the zero value when there are none.
func (t *tables) course(id CourseID) (courseNumbers, error) {
	return readRow[courseNumbers](t, tableNumbers, string(id))
}

func (t *tables) instructor(id InstructorID) (instructorNumbers, error) {
	return readRow[instructorNumbers](t, tableInstructors, string(id))
}

func (t *tables) overall(subject string) (micros, error) {
	return readRow[micros](t, tableOverall, subject)
}

func readRow[T any](t *tables, table, key string) (row T, err error) {
	if b := t.get(table, key); b != nil {
		if err := json.Unmarshal(b, &row); err != nil {
			return row, fault.Wrap("catalog.zero", fault.Corrupt, err).WithFix("the table %s cannot be read", table)
		}
	}
	return row, nil
}

// writeRow writes a row. One that says nothing is not kept: a course that is gone leaves no trace.
func writeRow[T any](t *tables, table, key string, row T) error {
	b, err := encode(row)
	if err != nil {
		return err
	}
	if nothing, err := encode(*new(T)); err != nil || bytes.Equal(b, nothing) {
		return errors.Join(err, t.del(table, key))
	}
	return t.put(table, key, b)
}

// changeCourse changes a course's numbers, and what follows from them: its instructors' totals, the catalog's, and whether its stats trail.
func (t *tables) changeCourse(id CourseID, change func(n *courseNumbers)) error {
	n, err := t.course(id)
	if err != nil {
		return err
	}
	all, persons := n.adds(id)
	trailed, prior := n.trails(), priorUsed(n.Stats)
	change(&n)
	allNow, personsNow := n.adds(id)
	if err := writeRow(t, tableNumbers, string(id), n); err != nil {
		return err
	}
	if err := t.mark(subjectCourse, string(id), trailed, n.trails(), prior, priorUsed(n.Stats)); err != nil {
		return err
	}
	if OrgOf(string(id)) == "" {
		if err := t.addOverall(subjectCourse, allNow.minus(all)); err != nil {
			return err
		}
	}
	for who, m := range persons {
		personsNow[who] = personsNow[who].minus(m)
	}
	for who, d := range personsNow {
		if d == (micros{}) {
			continue
		}
		if err := t.changeInstructor(who, func(n *instructorNumbers) { n.Total = n.Total.plus(d) }); err != nil {
			return err
		}
	}
	return nil
}

// changeInstructor changes an instructor's numbers, and what follows from them.
func (t *tables) changeInstructor(id InstructorID, change func(n *instructorNumbers)) error {
	n, err := t.instructor(id)
	if err != nil {
		return err
	}
	total, trailed, prior := n.Total, n.trails(), priorUsed(n.Stats)
	change(&n)
	if err := writeRow(t, tableInstructors, string(id), n); err != nil {
		return err
	}
	if err := t.mark(subjectInstructor, string(id), trailed, n.trails(), prior, priorUsed(n.Stats)); err != nil {
		return err
	}
	if OrgOf(string(id)) != "" {
		return nil
	}
	return t.addOverall(subjectInstructor, n.Total.minus(total))
}

func (t *tables) addOverall(subject string, d micros) error {
	if d == (micros{}) {
		return nil
	}
	m, err := t.overall(subject)
	if err != nil {
		return err
	}
	return writeRow(t, tableOverall, subject, m.plus(d))
}

// mark keeps the two lists from which the flusher works.
func (t *tables) mark(subject, id string, trailed, trails bool, was, is *float64) error {
	rows := func(trails bool, prior *float64) map[row]bool {
		m := map[row]bool{}
		if trails {
			m[row{tableTrailing, subject + id}] = true
		}
		if prior != nil {
			m[row{tablePriced, pricedKey(subject, *prior) + id}] = true
		}
		return m
	}
	return t.replace(rows(trailed, was), rows(trails, is))
}

// pricedKey starts the keys of all that are rated with a prior.
func pricedKey(subject string, prior float64) string {
	return string(binary.BigEndian.AppendUint64([]byte(subject), math.Float64bits(prior)))
}
