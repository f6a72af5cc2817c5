package catalog

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// priorWeight is how many ratings the prior is worth: CONTRACT's formula. A course with one rating of 5 must not lead the catalog.
	priorWeight = 15
	// DefaultPrior is the prior before there is any rating: about what learners give where much is rated.
	DefaultPrior = 4.0
	// priorDrift is how far the mean moves before the prior is written again, and with it all that is rated.
	priorDrift = 0.05
	// settingPriors is the key of the setting that holds the priors.
	settingPriors = "priors"
	// maxCount bounds what an import says of numbers of ratings and enrollments: more people than a course can have, and few enough that
	// the sums of a whole catalog fit.
	maxCount = 1_000_000_000
)

// Priors are the means by which ratings are tempered.
type Priors struct {
	Course     float64 `json:"course"`
	Instructor float64 `json:"instructor"`
}

// rating tempers a mean by the prior: (15·prior + sum)/(15 + n), two decimals; nil when nobody rated.
func rating(prior float64, total Sum) *float64 {
	if total.N <= 0 {
		return nil
	}
	r := twoDecimals((priorWeight*prior + total.Sum) / (priorWeight + float64(total.N)))
	return &r
}

// Priors returns the priors that are in use: the logged ones, else [DefaultPrior].
func (v *View) Priors() (Priors, error) {
	s, ok, err := load[Priors](v, KindSetting, settingPriors)
	if !ok {
		s.Value = Priors{Course: DefaultPrior, Instructor: DefaultPrior}
	}
	return s.Value, err
}

// priorsNow is Priors without guarding them: stats that were made with a prior that just changed are found by it and made again, so no
// import has to run twice for it.
func (v *View) priorsNow() (Priors, error) { return (&View{c: v.c, bv: v.bv}).Priors() }

// CourseStats returns a course's numbers as the log has them, which is what every follower shows; the exact sums are up to 5 s ahead.
func (v *View) CourseStats(id CourseID) (CourseStats, bool, error) {
	s, ok, err := load[CourseStats](v, KindCourseStats, string(nfc(id)))
	return s.Value, ok, err
}

// InstructorStats returns an instructor's numbers as the log has them.
func (v *View) InstructorStats(id InstructorID) (InstructorStats, bool, error) {
	s, ok, err := load[InstructorStats](v, KindInstructorStats, string(nfc(id)))
	return s.Value, ok, err
}

func (s Sum) plus(o Sum) Sum { return Sum{Sum: s.Sum + o.Sum, N: s.N + o.N} }

func (t tally) asSum() Sum { return Sum{Sum: float64(t.Sum), N: t.N} }

// reviews adds up a course's reviews.
func (n *courseNumbers) reviews() Sum {
	var t tally
	for i, count := range n.Stars {
		t.Sum += (i + 1) * count
		t.N += count
	}
	return t.asSum()
}

// exact makes the stats that the numbers stand for; the base comes from the stats entity.
func (n *courseNumbers) exact(prior float64) CourseStats {
	var s CourseStats
	if n.Stats != nil {
		s = *n.Stats
	}
	s.Total = s.Base.plus(s.Absorbed.Rating).plus(n.reviews())
	s.Enrollments = s.BaseEnrollments + s.Absorbed.Enrollments + n.Enrolled
	s.Prior = prior
	s.Rating = rating(prior, s.Total)
	return s
}

// instructor adds up the ratings that one of the course's instructors has in it.
func (n *courseNumbers) instructor(id InstructorID) Sum {
	s := n.Rated[id].asSum()
	if n.Stats != nil {
		s = n.Stats.BaseInstructors[id].plus(n.Stats.Absorbed.Instructors[id]).plus(s)
	}
	return s
}

// adds returns what a course adds to the sums over the catalog and to those of its instructors: nothing unless it is published. Ratings
// in an organization's course say nothing of a public instructor: others would see them.
func (n *courseNumbers) adds(id CourseID) (course micros, instructors map[InstructorID]micros) {
	instructors = map[InstructorID]micros{}
	if !n.Exists || !n.Published {
		return course, instructors
	}
	for _, who := range n.Instructors {
		if OrgOf(string(who)) == OrgOf(string(id)) {
			instructors[who] = microsOf(n.instructor(who))
		}
	}
	return microsOf(n.exact(0).Total), instructors
}

// trails reports whether the stats entity lacks something. A course without numbers needs none.
func (n *courseNumbers) trails() bool {
	if !n.Exists {
		return false
	}
	exact := n.exact(0)
	if n.Stats == nil {
		return exact.Total.N != 0 || exact.Enrollments != 0
	}
	return exact.Total != n.Stats.Total || exact.Enrollments != n.Stats.Enrollments
}

func (n *instructorNumbers) trails() bool {
	if !n.Exists {
		return false
	}
	if n.Stats == nil {
		return n.Total.N != 0
	}
	return n.Stats.Total != n.Total.sum()
}

// priorUsed returns the prior that a rating was made with; nil when there is no rating.
func priorUsed[S CourseStats | InstructorStats](stats *S) *float64 {
	switch s := any(stats).(type) {
	case *CourseStats:
		if s != nil && s.Total.N > 0 {
			return &s.Prior
		}
	case *InstructorStats:
		if s != nil && s.Total.N > 0 {
			return &s.Prior
		}
	}
	return nil
}

// StatsBase is where the counting of a course's ratings and enrollments starts. What is nil stays as it is; an empty map clears.
type StatsBase struct {
	Rating      *Sum
	Enrollments *int
	Instructors map[InstructorID]Sum // replaces all of them
}

// PutStatsBase sets what an import says of a course's ratings and enrollments. Those who edit its organization may. What erased learners
// had added is not touched. It reports whether the base changed; the same again appends nothing.
func (tx *Tx) PutStatsBase(id CourseID, base StatsBase) (changed bool, err error) {
	const op = "catalog.PutStatsBase"
	id = nfc(id)
	org := OrgOf(string(id))
	if err := tx.mayWrite(op, org, tx.overlay.actor.Edits(org)); err != nil {
		return false, err
	}
	course, exists, err := tx.Course(id)
	if err != nil {
		return false, err
	}
	if !exists {
		return false, fault.New(op, fault.NotFound)
	}
	if base, err = base.checked(op, course.Value); err != nil {
		return false, err
	}
	n, _, err := tx.numbers(id)
	if err != nil {
		return false, err
	}
	old := n.exact(0)
	if base.Rating != nil {
		n.Stats.Base = *base.Rating
	}
	if base.Enrollments != nil {
		n.Stats.BaseEnrollments = *base.Enrollments
	}
	if base.Instructors != nil {
		n.Stats.BaseInstructors = base.Instructors
	}
	if equalBodies(old, n.exact(0)) {
		return false, nil
	}
	return tx.putStats(id, n, putOpts{})
}

// checked checks a base and brings it into the form that is stored.
func (b StatsBase) checked(op string, c Course) (StatsBase, error) {
	var p problems
	if b.Rating != nil {
		sum := p.sum("/rating", *b.Rating)
		b.Rating = &sum
	}
	if b.Enrollments != nil {
		p.between("/enrollments", *b.Enrollments, 0, maxCount)
	}
	if b.Instructors == nil {
		return b, p.err(op)
	}
	sums := map[InstructorID]Sum{}
	for _, who := range slices.Sorted(maps.Keys(b.Instructors)) {
		at := "/instructors/" + pointerPart(clip(string(who)))
		if !slices.Contains(c.Instructors, who) {
			p.add(at, fault.UnknownRef, "does not teach the course", "id", clip(string(who)))
		}
		if sum := p.sum(at, b.Instructors[who]); sum.N > 0 {
			sums[who] = sum
		}
	}
	b.Instructors = sums
	return b, p.err(op)
}

// sum checks a sum of ratings and rounds it to millionths, so that sums of sums are exact.
func (p *problems) sum(pointer string, s Sum) Sum {
	p.between(pointer, s.N, 0, maxCount)
	if !(s.Sum >= 0 && s.Sum <= maxStars*float64(s.N)) { // NaN too
		p.add(pointer, fault.OutOfRange, fmt.Sprintf("is no sum of %d ratings", s.N), "min", 0, "max", maxStars)
		return Sum{}
	}
	return Sum{Sum: math.Round(s.Sum*1e6) / 1e6, N: s.N}
}

// numbers returns a course's numbers with the stats entity as this transaction sees it (never nil), and whether there is one. What the transaction
// itself wrote of reviews and enrollments is not counted yet: the flusher does that.
func (tx *Tx) numbers(id CourseID) (courseNumbers, bool, error) {
	n, err := tx.tables().course(id)
	if err != nil {
		return n, false, err
	}
	s, ok, err := load[CourseStats](&tx.View, KindCourseStats, string(id))
	n.Stats = &s.Value
	return n, ok, err
}

// putStats writes a course's stats as its numbers say.
func (tx *Tx) putStats(id CourseID, n courseNumbers, opts putOpts) (bool, error) {
	priors, err := tx.priorsNow()
	if err != nil {
		return false, err
	}
	return tx.put(KindCourseStats, string(id), catalogChannel(string(id)), n.exact(priors.Course), opts)
}

// touchStats appends a course's stats in this batch even when they are unchanged: its state changed, and what readers hold of the
// numbers comes and goes with it. A course without numbers has no stats.
func (tx *Tx) touchStats(id CourseID) error {
	n, exists, err := tx.numbers(id)
	if err != nil {
		return err
	}
	if !exists && equalBodies(n.exact(0), CourseStats{}) {
		return nil
	}
	_, err = tx.putStats(id, n, putOpts{blind: true}) // guarded all the same: numbers read the entity
	return err
}
