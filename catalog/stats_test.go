package catalog

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

func flushed(t testing.TB, c *Catalog) {
	t.Helper()
	if err := c.FlushStats(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func courseStats(t testing.TB, c *Catalog, id CourseID) CourseStats {
	t.Helper()
	return look(t, c, func(v *View) (CourseStats, error) { s, _, err := v.CourseStats(id); return s, err })
}

func instructorStats(t testing.TB, c *Catalog, id InstructorID) InstructorStats {
	t.Helper()
	return look(t, c, func(v *View) (InstructorStats, error) { s, _, err := v.InstructorStats(id); return s, err })
}

// version is the version of an entity, 0 when there is none.
func version(t testing.TB, c *Catalog, kind coursesync.Kind, key string) coursesync.Seq {
	t.Helper()
	ch, _, err := c.log.Get(t.Context(), kind, key)
	if err != nil {
		t.Fatal(err)
	}
	return ch.Seq
}

func putBase(t testing.TB, c *Catalog, id CourseID, base StatsBase) (changed bool) {
	t.Helper()
	must(t, c, staffEditor, func(tx *Tx) (err error) {
		changed, err = tx.PutStatsBase(id, base)
		return err
	})
	return changed
}

func TestRating(t *testing.T) {
	for _, tc := range []struct {
		prior, sum float64
		n          int
		want       float64
	}{
		{4, 5, 1, 4.06},
		{4, 10, 2, 4.12}, // 70/17 = 4.1176…
		{4.2, 4.7 * 16400, 16400, 4.7},
		{4, 0, 3, 3.33},
		{3, 15, 15, 2}, // 60/30
	} {
		if got := rating(tc.prior, Sum{tc.sum, tc.n}); got == nil || *got != tc.want {
			t.Errorf("%+v: got %v", tc, got)
		}
	}
	if got := rating(4, Sum{}); got != nil {
		t.Errorf("nobody rated, and the rating is %v", *got)
	}
}

func TestStatsOfReviewsAndEnrollments(t *testing.T) {
	c, _ := taught(t)
	lea, leo := Actor{Subject: "lea"}, Actor{Subject: "leo"}
	enroll(t, c, lea, "x", Active)
	enroll(t, c, leo, "x", Completed)
	review(t, c, lea, "x", Review{Rating: 5, Instructors: map[InstructorID]int{"ann": 4}})
	review(t, c, leo, "x", Review{Rating: 2, Instructors: map[InstructorID]int{"ann": 1, "bob": 3}})
	flushed(t, c)
	// The mean of the catalog is now 3.5 (and of its instructors 8/3), which is the prior.
	r := 3.5
	want := CourseStats{Total: Sum{7, 2}, Enrollments: 2, Prior: 3.5, Rating: &r}
	if d := cmp.Diff(want, courseStats(t, c, "x")); d != "" {
		t.Error(d)
	}
	if got := instructorStats(t, c, "ann"); got.Total != (Sum{5, 2}) || got.Prior != 2.6667 || *got.Rating != 2.65 {
		t.Errorf("got %+v, rated %v", got, *got.Rating)
	}
	enroll(t, c, leo, "x", Withdrawn)
	must(t, c, leo, func(tx *Tx) error { return tx.DeleteReview("leo", "x", Cond{}) })
	flushed(t, c)
	if got := courseStats(t, c, "x"); got.Total != (Sum{5, 1}) || got.Enrollments != 1 {
		t.Errorf("got %+v", got)
	}
	must(t, c, lea, func(tx *Tx) error { return tx.DeleteReview("lea", "x", Cond{}) })
	flushed(t, c)
	if got := courseStats(t, c, "x"); got.Total != (Sum{}) || got.Rating != nil {
		t.Errorf("got %+v", got)
	}
	if got := instructorStats(t, c, "bob"); got.Total != (Sum{}) || got.Rating != nil {
		t.Errorf("got %+v", got)
	}
}

func TestAnEnrollmentTouchesNoCourse(t *testing.T) {
	c, _ := taught(t)
	before := version(t, c, KindCourse, "x")
	enroll(t, c, learner, "x", Active)
	review(t, c, learner, "x", Review{Rating: 1})
	flushed(t, c)
	if version(t, c, KindCourse, "x") != before {
		t.Error("the course has another version")
	}
	if version(t, c, KindCourseStats, "x") == 0 {
		t.Error("there are no stats")
	}
}

func TestStatsAreCoalesced(t *testing.T) {
	c, clock := taught(t)
	tick := func() {
		t.Helper()
		if err := c.flush(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	rate := func(i int) {
		who := Actor{Subject: LearnerID(fmt.Sprint("l", i))}
		enroll(t, c, who, "x", Active)
		review(t, c, who, "x", Review{Rating: 4})
	}
	for i := range 5 {
		rate(i)
	}
	tick()
	first := version(t, c, KindCourseStats, "x")
	if got := courseStats(t, c, "x"); got.Total != (Sum{20, 5}) {
		t.Errorf("the first flush of a quiet course waits: %+v", got)
	}
	rate(5)
	for range 4 {
		clock.add(StatsInterval / statsTicks)
		tick()
	}
	if version(t, c, KindCourseStats, "x") != first {
		t.Error("the stats changed twice in an interval")
	}
	clock.add(StatsInterval / statsTicks)
	tick()
	if got := courseStats(t, c, "x"); got.Total != (Sum{24, 6}) {
		t.Errorf("got %+v", got)
	}
	was := head(t, c)
	clock.add(time.Hour)
	tick()
	flushed(t, c)
	if head(t, c) != was {
		t.Error("nothing trails, and something was written")
	}
}

func TestStatsBase(t *testing.T) {
	c, _ := taught(t)
	seven := 7
	base := StatsBase{Rating: &Sum{Sum: 4.7 * 120, N: 120}, Enrollments: &seven, Instructors: map[InstructorID]Sum{"ann": {4.5, 1}, "bob": {}}}
	if !putBase(t, c, "x", base) {
		t.Error("the first base changed nothing")
	}
	got := courseStats(t, c, "x")
	if got.Total != (Sum{564, 120}) || got.Enrollments != 7 || *got.Rating != 4.62 || len(got.BaseInstructors) != 1 {
		t.Errorf("got %+v", got)
	}
	enroll(t, c, learner, "x", Active)
	review(t, c, learner, "x", Review{Rating: 1, Instructors: map[InstructorID]int{"ann": 2}})
	was := head(t, c)
	if putBase(t, c, "x", base) || putBase(t, c, "x", StatsBase{}) || head(t, c) != was {
		t.Error("the same base again made a change")
	}
	flushed(t, c)
	if got := courseStats(t, c, "x"); got.Total != (Sum{565, 121}) || got.Enrollments != 8 {
		t.Errorf("got %+v", got)
	}
	if got := instructorStats(t, c, "ann"); got.Total != (Sum{6.5, 2}) {
		t.Errorf("got %+v", got)
	}
	if !putBase(t, c, "x", StatsBase{Rating: &Sum{}, Instructors: map[InstructorID]Sum{}}) {
		t.Error("clearing changed nothing")
	}
	flushed(t, c)
	if got := courseStats(t, c, "x"); got.Total != (Sum{1, 1}) || got.Enrollments != 8 || got.BaseInstructors != nil {
		t.Errorf("got %+v", got)
	}
}

func TestStatsBaseRules(t *testing.T) {
	c, _ := taught(t)
	put := func(actor Actor, id CourseID, base StatsBase) error {
		return do(t, c, actor, func(tx *Tx) error { return second(tx.PutStatsBase(id, base)) })
	}
	wantCode(t, put(anon, "x", StatsBase{}), fault.Unauthorized)
	wantCode(t, put(learner, "x", StatsBase{}), fault.Forbidden)
	wantCode(t, put(acmeEditor, "x", StatsBase{}), fault.Forbidden)
	wantCode(t, put(learner, "acme~x", StatsBase{}), fault.NotFound)
	wantCode(t, put(staffEditor, "y", StatsBase{}), fault.NotFound)
	minus := -1
	wantField(t, put(staffEditor, "x", StatsBase{Enrollments: &minus}), "/enrollments", fault.OutOfRange)
	wantField(t, put(staffEditor, "x", StatsBase{Rating: &Sum{11, 2}}), "/rating", fault.OutOfRange)
	wantField(t, put(staffEditor, "x", StatsBase{Rating: &Sum{math.NaN(), 2}}), "/rating", fault.OutOfRange)
	wantField(t, put(staffEditor, "x", StatsBase{Instructors: map[InstructorID]Sum{"zoe": {4, 1}}}), "/instructors/zoe", fault.UnknownRef)
}

func TestStatsComeAndGoWithTheCourse(t *testing.T) {
	c, _ := taught(t)
	putBase(t, c, "x", StatsBase{Rating: &Sum{40, 10}, Instructors: map[InstructorID]Sum{"ann": {9, 2}}})
	flushed(t, c)
	for _, state := range []State{Draft, Published, Archived, Published} {
		was := version(t, c, KindCourseStats, "x")
		x := stored(t, c, "x").Value
		x.State = state
		puts(t, c, System, x)
		if now := version(t, c, KindCourseStats, "x"); now <= was || now <= version(t, c, KindCourse, "x") {
			t.Errorf("%s: the stats have version %d after %d", state, now, was)
		}
		flushed(t, c)
		want := Sum{}
		if state == Published {
			want = Sum{9, 2}
		}
		if got := instructorStats(t, c, "ann").Total; got != want {
			t.Errorf("%s: ann has %+v", state, got)
		}
	}
	x := stored(t, c, "x").Value
	x.Title = "Another"
	was := version(t, c, KindCourseStats, "x")
	puts(t, c, System, x)
	if version(t, c, KindCourseStats, "x") != was {
		t.Error("another title made other stats")
	}
	puts(t, c, System, course("y", Draft))
	puts(t, c, System, course("y", Published))
	if version(t, c, KindCourseStats, "y") != 0 {
		t.Error("a course without numbers has stats")
	}
}

func TestStatsOfADeletedCourseStayAway(t *testing.T) {
	c, _ := taught(t)
	enroll(t, c, learner, "x", Active)
	review(t, c, learner, "x", Review{Rating: 5, Instructors: map[InstructorID]int{"bob": 5}})
	flushed(t, c)
	must(t, c, System, func(tx *Tx) error { return tx.DeleteCourse("x", Cond{}) })
	must(t, c, learner, func(tx *Tx) error { return tx.DeleteEnrollment("lea", "x", Cond{}) })
	flushed(t, c)
	if ch, _, _ := c.log.Get(t.Context(), KindCourseStats, "x"); ch.Op != coursesync.OpDelete {
		t.Errorf("got %+v", ch)
	}
	if got := instructorStats(t, c, "bob"); got.Total != (Sum{}) {
		t.Errorf("got %+v", got)
	}
	again := course("x", Published)
	again.Instructors = []InstructorID{"bob"}
	puts(t, c, System, again)
	flushed(t, c)
	if got := courseStats(t, c, "x"); got.Total != (Sum{5, 1}) || got.Enrollments != 0 {
		t.Errorf("the reviews that stayed are not counted: %+v", got)
	}
}

func TestTheFlusherBringsNoStatsBack(t *testing.T) {
	for _, tc := range []struct {
		kind          coursesync.Kind
		id            string
		flush, delete func(tx *Tx) error
	}{
		{
			KindCourseStats, "x",
			func(tx *Tx) error { return tx.flushCourse("x") },
			func(tx *Tx) error { return tx.DeleteCourse("x", Cond{}) },
		},
		{
			KindInstructorStats, "zoe",
			func(tx *Tx) error { return tx.flushInstructor("zoe") },
			func(tx *Tx) error { return tx.DeleteInstructor("zoe", Cond{}) },
		},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			c, _ := taught(t) // there are no stats yet, which a deletion would meet
			tries := 0
			must(t, c, System, func(tx *Tx) error {
				if err := tc.flush(tx); err != nil {
					return err
				}
				if tries++; tries == 1 {
					must(t, c, System, tc.delete)
				}
				return nil
			})
			if ch, ok, err := c.log.Get(t.Context(), tc.kind, tc.id); err != nil || ok && ch.Op != coursesync.OpDelete || tries != 2 {
				t.Errorf("after %d tries: %+v, %v", tries, ch, err)
			}
		})
	}
}

func TestOrganizationsKeepTheirRatings(t *testing.T) {
	c, _ := taught(t)
	must(t, c, System, func(tx *Tx) error {
		if _, err := tx.PutInstructor(Instructor{ID: "acme~cat", Name: "Cat"}, Cond{}); err != nil {
			return err
		}
		inside := course("acme~y", Published)
		inside.Instructors = []InstructorID{"ann", "acme~cat"}
		_, err := tx.PutCourse(inside, Cond{})
		return err
	})
	enroll(t, c, acmeLearner, "acme~y", Active)
	review(t, c, acmeLearner, "acme~y", Review{Rating: 1, Instructors: map[InstructorID]int{"ann": 1, "acme~cat": 2}})
	flushed(t, c)
	if version(t, c, KindInstructorStats, "ann") != 0 {
		t.Error("a rating within an organization changed a public instructor")
	}
	if got := instructorStats(t, c, "acme~cat"); got.Total != (Sum{2, 1}) {
		t.Errorf("got %+v", got)
	}
	want := Priors{Course: DefaultPrior, Instructor: DefaultPrior}
	if got := look(t, c, (*View).Priors); got != want {
		t.Errorf("and the public prior, to %+v", got)
	}
	if ch, _, _ := c.log.Get(t.Context(), KindCourseStats, "acme~y"); ch.Channel != "org:acme" {
		t.Errorf("the stats are in %q", ch.Channel)
	}
}

func TestPriorDrift(t *testing.T) {
	c, _ := clockCatalog(t)
	const courses = 3 * statsBatch / 2 // more than a batch
	must(t, c, System, func(tx *Tx) error {
		for i := range courses {
			id := CourseID(fmt.Sprintf("c%04d", i))
			if _, err := tx.PutCourse(course(id, Published), Cond{}); err != nil {
				return err
			}
			if _, err := tx.PutStatsBase(id, StatsBase{Rating: &Sum{30, 10}}); err != nil {
				return err
			}
		}
		return nil
	})
	if got := courseStats(t, c, "c0001"); got.Prior != DefaultPrior || *got.Rating != 3.6 {
		t.Errorf("got %+v", got)
	}
	flushed(t, c)
	if got := look(t, c, (*View).Priors); got != (Priors{3, DefaultPrior}) {
		t.Errorf("got %+v", got)
	}
	for i := range courses {
		if got := courseStats(t, c, CourseID(fmt.Sprintf("c%04d", i))); got.Prior != 3 || *got.Rating != 3 {
			t.Fatalf("c%04d: got %+v", i, got)
		}
	}
	before, unrated := version(t, c, KindSetting, settingPriors), version(t, c, KindCourseStats, "c0002")
	putBase(t, c, "c0001", StatsBase{Rating: &Sum{500, 100}}) // drifts by .03
	flushed(t, c)
	if version(t, c, KindSetting, settingPriors) != before || version(t, c, KindCourseStats, "c0002") != unrated {
		t.Errorf("a small drift moved the prior to %+v", look(t, c, (*View).Priors))
	}
	putBase(t, c, "c0001", StatsBase{Rating: &Sum{5_000, 1_000}})
	if err := c.flush(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	priors := look(t, c, (*View).Priors)
	if want := math.Round((5_000+30*(courses-1))/float64(1_000+10*(courses-1))*1e4) / 1e4; priors.Course != want {
		t.Errorf("got %v, want %v", priors.Course, want)
	}
	if got := courseStats(t, c, "c0700"); got.Prior != priors.Course {
		t.Errorf("got %+v", got)
	}
}

func TestRunWritesAndStops(t *testing.T) {
	c, _ := taught(t)
	c.cfg.StatsEvery = statsTicks * time.Millisecond
	ctx, cancel := contextOf(t)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	enroll(t, c, learner, "x", Active)
	for past := head(t, c); version(t, c, KindCourseStats, "x") == 0; past = head(t, c) {
		if err := c.log.Wait(t.Context(), past); err != nil {
			t.Fatal(err)
		}
	}
	review(t, c, learner, "x", Review{Rating: 2})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := courseStats(t, c, "x"); got.Total != (Sum{2, 1}) {
		t.Errorf("the last flush left %+v", got)
	}
}
