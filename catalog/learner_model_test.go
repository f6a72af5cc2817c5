package catalog

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// numbersModel is what a catalog's numbers should be, kept by adding up again and again.
type numbersModel struct {
	c       *Catalog
	clock   *testClock
	ctx     context.Context //nolint:containedctx // of one history
	courses map[CourseID]*modelCourse
	reviews map[CourseID]map[LearnerID]Review
	states  map[CourseID]map[LearnerID]EnrollmentState
}

type modelCourse struct {
	state       State
	instructors []InstructorID
	base, gone  modelSums // gone: what erased learners had added
}

type modelSums struct {
	rating      Sum
	enrollments int
	persons     map[InstructorID]Sum
}

func (s *modelSums) add(r Review) {
	s.rating = s.rating.plus(Sum{float64(r.Rating), 1})
	for who, stars := range r.Instructors {
		if s.persons == nil {
			s.persons = map[InstructorID]Sum{}
		}
		s.persons[who] = s.persons[who].plus(Sum{float64(stars), 1})
	}
}

var (
	modelCourses  = []CourseID{"x", "y", "acme~z"}
	modelLearners = []LearnerID{"lea", "idp|leo/1", "lin"}
	modelPersons  = map[OrgID][]InstructorID{"": {"ann", "bob"}, "acme": {"ann", "acme~cat"}}
)

// total adds up a course's numbers from the model.
func (m *numbersModel) total(id CourseID) (s modelSums) {
	course := m.courses[id]
	s.persons = map[InstructorID]Sum{}
	for _, part := range []modelSums{course.base, course.gone} {
		s.rating = s.rating.plus(part.rating)
		s.enrollments += part.enrollments
		for who, sum := range part.persons {
			s.persons[who] = s.persons[who].plus(sum)
		}
	}
	for _, r := range m.reviews[id] {
		s.add(r)
	}
	for _, state := range m.states[id] {
		if state != Withdrawn {
			s.enrollments++
		}
	}
	return s
}

// run runs a command as a learner whose token is new, and reports whether it succeeded. A refusal must be one of those that the rules give.
func (m *numbersModel) run(t *rapid.T, who LearnerID, fn func(tx *Tx) error) bool {
	m.clock.add(time.Second)
	actor := Actor{Subject: who, Org: "acme", IssuedAt: m.clock.now().Unix()}
	if who == System.Subject {
		actor = System
	}
	_, err := m.c.Update(m.ctx, actor, fn)
	switch fault.CodeOf(err) {
	case "":
		return true
	case fault.NotFound, fault.NotEnrolled, fault.Conflict:
		return false
	}
	t.Fatalf("%s: %v", who, err)
	return false
}

func (m *numbersModel) actions() map[string]func(*rapid.T) {
	id := rapid.SampledFrom(modelCourses)
	who := rapid.SampledFrom(modelLearners)
	stars := rapid.IntRange(1, maxStars)
	return map[string]func(*rapid.T){
		"course": func(t *rapid.T) { m.putCourse(t, id.Draw(t, "course")) },
		"enroll": func(t *rapid.T) {
			id, who := id.Draw(t, "course"), who.Draw(t, "learner")
			state := rapid.SampledFrom([]EnrollmentState{Active, Active, Completed, Withdrawn}).Draw(t, "state")
			if m.run(t, who, func(tx *Tx) error { return second(tx.PutEnrollment(who, id, state, Cond{})) }) {
				m.states[id][who] = state
			}
		},
		"review": func(t *rapid.T) {
			id, who := id.Draw(t, "course"), who.Draw(t, "learner")
			r := Review{Rating: stars.Draw(t, "stars"), Instructors: map[InstructorID]int{}}
			if course := m.courses[id]; course != nil {
				for _, person := range course.instructors {
					if rapid.Bool().Draw(t, "rates") {
						r.Instructors[person] = stars.Draw(t, "person")
					}
				}
			}
			if m.run(t, who, func(tx *Tx) error { return second(tx.PutReview(who, id, r, Cond{})) }) {
				m.reviews[id][who] = r
			}
		},
		"delete review": func(t *rapid.T) {
			id, who := id.Draw(t, "course"), who.Draw(t, "learner")
			if m.run(t, who, func(tx *Tx) error { return tx.DeleteReview(who, id, Cond{}) }) {
				delete(m.reviews[id], who)
			}
		},
		"erase": func(t *rapid.T) { m.erase(t, who.Draw(t, "learner")) },
		"base":  func(t *rapid.T) { m.putBase(t, id.Draw(t, "course")) },
		"delete course": func(t *rapid.T) {
			id := id.Draw(t, "course")
			if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
				t.Skip("not now")
			}
			if m.run(t, System.Subject, func(tx *Tx) error { return tx.DeleteCourse(id, Cond{}) }) {
				delete(m.courses, id)
			}
		},
		"tick": func(t *rapid.T) {
			m.clock.add(time.Duration(rapid.IntRange(0, 9).Draw(t, "seconds")) * time.Second)
			if err := m.c.flush(m.ctx, false); err != nil {
				t.Fatal(err)
			}
		},
		"flush": m.check,
	}
}

func (m *numbersModel) putCourse(t *rapid.T, id CourseID) {
	made := course(id, rapid.SampledFrom([]State{Draft, Published, Published, Published, Archived}).Draw(t, "state"))
	made.Instructors = slices.DeleteFunc(slices.Clone(modelPersons[OrgOf(string(id))]), func(InstructorID) bool { return rapid.Bool().Draw(t, "leaves") })
	if m.run(t, System.Subject, func(tx *Tx) error { return second(tx.PutCourse(made, Cond{})) }) {
		if m.courses[id] == nil {
			m.courses[id] = &modelCourse{}
		}
		m.courses[id].state, m.courses[id].instructors = made.State, made.Instructors
	}
}

func (m *numbersModel) putBase(t *rapid.T, id CourseID) {
	sum := func(name string) Sum {
		n := rapid.IntRange(0, 40).Draw(t, name)
		return Sum{Sum: math.Round(rapid.Float64Range(1, 5).Draw(t, name+" mean")*float64(n)*1e6) / 1e6, N: n}
	}
	all, n := sum("rating"), rapid.IntRange(0, 9).Draw(t, "enrollments")
	base := StatsBase{Rating: &all, Enrollments: &n, Instructors: map[InstructorID]Sum{}}
	if course := m.courses[id]; course != nil {
		for _, person := range course.instructors {
			base.Instructors[person] = sum(string(person))
		}
	}
	if m.run(t, System.Subject, func(tx *Tx) error { return second(tx.PutStatsBase(id, base)) }) {
		m.courses[id].base = modelSums{all, n, base.Instructors}
	}
}

// erase moves what a learner added, and nothing else.
func (m *numbersModel) erase(t *rapid.T, who LearnerID) {
	if !m.run(t, who, func(tx *Tx) error { return tx.Erase(who) }) {
		t.Fatal("an erasure was refused")
	}
	for _, id := range modelCourses {
		if course := m.courses[id]; course != nil {
			if r, ok := m.reviews[id][who]; ok {
				course.gone.add(r)
			}
			if state := m.states[id][who]; state != "" && state != Withdrawn {
				course.gone.enrollments++
			}
		}
		delete(m.reviews[id], who)
		delete(m.states[id], who)
	}
	if export, err := m.c.Export(m.ctx, who); err != nil || len(export) != 0 {
		t.Fatalf("the log still holds %v, %v", export, err)
	}
}

// check flushes and compares all numbers.
func (m *numbersModel) check(t *rapid.T) {
	if err := m.c.FlushStats(m.ctx); err != nil {
		t.Fatal(err)
	}
	err := m.c.View(m.ctx, func(v *View) error {
		persons, all := map[InstructorID]Sum{}, Sum{}
		priors, err := v.Priors()
		if err != nil {
			return err
		}
		for _, id := range modelCourses {
			course := m.courses[id]
			if course == nil {
				continue
			}
			want := m.total(id)
			got, exists, err := v.CourseStats(id)
			if err != nil {
				return err
			}
			if !near(got.Total, want.rating) || got.Enrollments != want.enrollments || !cmp.Equal(got.Rating, rating(priors.Course, got.Total)) && exists {
				return fmt.Errorf("%s: got %+v, want %+v with prior %v", id, got, want, priors.Course)
			}
			if course.state != Published {
				continue
			}
			if OrgOf(string(id)) == "" {
				all = all.plus(want.rating)
			}
			for _, person := range course.instructors {
				if OrgOf(string(person)) == OrgOf(string(id)) {
					persons[person] = persons[person].plus(want.persons[person])
				}
			}
		}
		if mean := all.Sum / float64(all.N); all.N > 0 && math.Abs(mean-priors.Course) > priorDrift+1e-4 {
			return fmt.Errorf("the prior is %v, the mean %v", priors.Course, mean)
		}
		for _, person := range []InstructorID{"ann", "bob", "acme~cat"} {
			got, _, err := v.InstructorStats(person)
			if err != nil {
				return err
			}
			if !near(got.Total, persons[person]) {
				return fmt.Errorf("%s: got %+v, want %+v", person, got, persons[person])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func near(a, b Sum) bool { return a.N == b.N && math.Abs(a.Sum-b.Sum) < 1e-4 }

// allRows returns follower zero's tables.
func allRows(tx *bolt.Tx) map[string]string {
	rows := map[string]string{}
	_ = tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if !strings.HasPrefix(string(name), zeroName+"/") {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			rows[string(name)+" "+string(k)] = string(v)
			return nil
		})
	})
	return rows
}

// rebuiltRows returns the tables as they are when they are built from the log.
func rebuiltRows(ctx context.Context, c *Catalog, path string) (rows map[string]string, err error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var applied []coursesync.Applied
	for ch, err := range c.log.Read(ctx, 0) {
		if err != nil {
			return nil, err
		}
		applied = append(applied, coursesync.Applied{Change: ch})
	}
	err = db.Update(func(tx *bolt.Tx) error {
		err := (zero{}).ApplyIn(tx, applied)
		rows = allRows(tx)
		return err
	})
	return rows, err
}

// fewer makes rapid check less often: each history of this test waits for a disk some fifty times.
func fewer(t *testing.T, checks string) {
	t.Helper()
	if os.Getenv("CARREL_SOAK") != "" {
		checks = "2000"
	}
	was := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", checks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("rapid.checks", was) })
}

func TestNumbersEqualBruteForce(t *testing.T) {
	fewer(t, "25")
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		at, err := os.MkdirTemp(dir, "") //nolint:usetesting // a folder for each of the histories, not for the test
		if err != nil {
			rt.Fatal(err)
		}
		clock := &testClock{}
		c, err := Open(Config{Path: filepath.Join(at, "log.db"), Now: clock.now, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			c.Close()
			os.RemoveAll(at)
		}()
		m := &numbersModel{
			c: c, clock: clock, ctx: t.Context(), courses: map[CourseID]*modelCourse{},
			reviews: map[CourseID]map[LearnerID]Review{}, states: map[CourseID]map[LearnerID]EnrollmentState{},
		}
		for _, id := range modelCourses {
			m.reviews[id], m.states[id] = map[LearnerID]Review{}, map[LearnerID]EnrollmentState{}
		}
		m.run(rt, System.Subject, func(tx *Tx) error {
			for _, person := range []InstructorID{"ann", "bob", "acme~cat"} {
				if _, err := tx.PutInstructor(Instructor{ID: person, Name: "N"}, Cond{}); err != nil {
					return err
				}
			}
			return nil
		})
		for _, id := range modelCourses {
			m.putCourse(rt, id)
		}
		rt.Repeat(m.actions())
		m.check(rt)
		want, err := rebuiltRows(m.ctx, c, filepath.Join(at, "again.db"))
		if err != nil {
			rt.Fatal(err)
		}
		var got map[string]string
		if err := c.View(m.ctx, func(v *View) error { got = allRows(v.bv.Tx()); return nil }); err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			rt.Fatalf("tables built again differ (-again +live): %s", d)
		}
	})
}

func TestConcurrentLearners(t *testing.T) {
	c, _ := taught(t)
	const learners, rounds = 8, 6
	ctx, stop := contextOf(t)
	var flusher, wg stdsync.WaitGroup
	flusher.Go(func() {
		for ctx.Err() == nil {
			if err := c.flush(ctx, true); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	last := make([]int, learners)
	for i := range learners {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			who := Actor{Subject: LearnerID(fmt.Sprint("l", i))}
			_, err := c.Update(ctx, who, func(tx *Tx) error { return second(tx.PutEnrollment(who.Subject, "x", Active, Cond{})) })
			if err != nil {
				t.Error(err)
			}
			for range rounds {
				last[i] = 1 + rng.IntN(maxStars)
				r := Review{Rating: last[i], Instructors: map[InstructorID]int{"ann": 6 - last[i]}}
				if _, err := c.Update(ctx, who, func(tx *Tx) error { return second(tx.PutReview(who.Subject, "x", r, Cond{})) }); err != nil {
					t.Error(err)
				}
			}
			if i%2 == 0 {
				if _, err := c.Update(ctx, who, func(tx *Tx) error { return tx.Erase(who.Subject) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	flusher.Wait()
	flushed(t, c)
	want := Sum{N: learners}
	for _, stars := range last {
		want.Sum += float64(stars)
	}
	got := courseStats(t, c, "x")
	if got.Total != want || got.Enrollments != learners || got.Absorbed.Rating.N != learners/2 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if ann := instructorStats(t, c, "ann").Total; ann != (Sum{6*learners - want.Sum, learners}) {
		t.Errorf("ann has %+v", ann)
	}
	if n := len(slices.Collect(maps.Keys(c.learner.gone))); n != learners/2 {
		t.Errorf("%d are erased", n)
	}
}
