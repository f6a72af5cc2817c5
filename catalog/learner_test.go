package catalog

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// enroll enrolls a learner, as the learner.
func enroll(tb testing.TB, c *Catalog, who Actor, id CourseID, s EnrollmentState) {
	tb.Helper()
	must(tb, c, who, func(tx *Tx) error {
		_, err := tx.PutEnrollment(who.Subject, id, s, Cond{})
		return err
	})
}

// review writes a review, as the learner.
func review(tb testing.TB, c *Catalog, who Actor, id CourseID, r Review) {
	tb.Helper()
	must(tb, c, who, func(tx *Tx) error {
		_, err := tx.PutReview(who.Subject, id, r, Cond{})
		return err
	})
}

func TestLearnerKeysCanBeTakenApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		who := LearnerID(rapid.String().Draw(t, "learner"))
		key := learnerKey(who)
		if back := learnerOf(key); back != who {
			t.Fatalf("%q → %q → %q", who, key, back)
		}
		if strings.ContainsAny(key, "/\x00\n\x7f") {
			t.Fatalf("%q still holds what separates", key)
		}
	})
	for who, want := range map[LearnerID]string{"lea": "lea", "https://id|x/y": "https:%2F%2Fid|x%2Fy", "50%": "50%25", "李\n": "李%0A"} {
		if got := learnerKey(who); got != want {
			t.Errorf("%q: got %q, want %q", who, got, want)
		}
	}
}

func TestLearnersDoNotSeeEachOther(t *testing.T) {
	c := world(t)
	short, long := Actor{Subject: "a"}, Actor{Subject: "a/pub"}
	enroll(t, c, short, "pub", Active)
	enroll(t, c, long, "pub", Completed)
	for who, want := range map[LearnerID]EnrollmentState{"a": Active, "a/pub": Completed} {
		list, err := c.MyEnrollments(t.Context(), who, Page{Limit: 10})
		if err != nil || len(list.Items) != 1 || list.Items[0].Course != "pub" || list.Items[0].Value.State != want {
			t.Errorf("%s has %+v, %v", who, list, err)
		}
	}
}

func TestEnrollmentStates(t *testing.T) {
	const none = EnrollmentState("")
	cases := []struct {
		from, to      EnrollmentState
		code          fault.Code
		access, fresh bool // Since moves; EnrolledAt is now
	}{
		{none, Active, "", true, true},
		{none, Completed, "", true, true},
		{none, Withdrawn, fault.Conflict, false, false},
		{none, "paused", fault.InvalidFields, false, false},
		{Active, Completed, "", false, false},
		{Active, Withdrawn, "", true, false},
		{Completed, Active, "", false, false},
		{Completed, Withdrawn, "", true, false},
		{Withdrawn, Active, "", true, true},
		{Withdrawn, Completed, "", true, true},
	}
	for _, tc := range cases {
		t.Run(string(tc.from+"→"+tc.to), func(t *testing.T) {
			c, clock := clockCatalog(t)
			puts(t, c, System, course("x", Published))
			if tc.from != none {
				enroll(t, c, learner, "x", Active)
				if tc.from != Active {
					enroll(t, c, learner, "x", tc.from)
				}
			}
			before, _, _ := c.log.Get(t.Context(), KindEnrollment, "lea/x")
			clock.add(time.Hour)
			err := do(t, c, learner, func(tx *Tx) error {
				_, err := tx.PutEnrollment("lea", "x", tc.to, Cond{})
				return err
			})
			wantCode(t, err, tc.code)
			if err != nil {
				return
			}
			ch, _, _ := c.log.Get(t.Context(), KindEnrollment, "lea/x")
			e, err := decode[Enrollment](ch)
			if err != nil {
				t.Fatal(err)
			}
			if (ch.Since == ch.Seq) != tc.access || ch.Channel != "learner:lea" {
				t.Errorf("since %d, version %d, before %d", ch.Since, ch.Seq, before.Seq)
			}
			if e.Value.State != tc.to || e.Value.EnrolledAt.Equal(clock.now()) != tc.fresh {
				t.Errorf("got %+v", e.Value)
			}
			if done := e.Value.CompletedAt; (tc.to == Completed) != (done != nil && done.Equal(clock.now())) {
				t.Errorf("completed at %v", done)
			}
			was := head(t, c)
			enroll(t, c, learner, "x", tc.to)
			if head(t, c) != was {
				t.Error("the same again made a change")
			}
		})
	}
}

func TestWhoMayEnroll(t *testing.T) {
	c := world(t)
	late, early := course("late", Published), course("early", Published)
	yesterday, tomorrow := noon.Add(-24*time.Hour), noon.Add(24*time.Hour)
	late.EnrollmentClosesAt, early.EnrollmentOpensAt = &yesterday, &tomorrow
	puts(t, c, System, late, early)
	for _, tc := range []struct {
		actor Actor
		who   LearnerID
		id    CourseID
		want  fault.Code
	}{
		{learner, "lea", "pub", ""},
		{anon, "lea", "pub", fault.Unauthorized},
		{learner, "leo", "pub", fault.Forbidden},
		{acmeAdmin, "lea", "pub", fault.Forbidden},
		{staffEditor, "lea", "pub", fault.Forbidden},
		{admin, "leo", "pub", ""},
		{learner, "lea", "nowhere", fault.NotFound},
		{learner, "lea", "draft", fault.NotFound},
		{learner, "lea", "acme~pub", fault.NotFound},
		{acmeLearner, "leo", "acme~pub", ""},
		{acmeLearner, "leo", "bolz~pub", fault.NotFound},
		{learner, "lea", "arch", fault.Conflict},
		{staffEditor, "eda", "draft", fault.Conflict},
		{learner, "lea", "late", fault.EnrollClosed},
		{learner, "lea", "early", fault.EnrollClosed},
		{admin, "a\x00b", "pub", fault.InvalidFields},
		{admin, LearnerID(strings.Repeat("x", 256)), "pub", fault.InvalidFields},
	} {
		err := do(t, c, tc.actor, func(tx *Tx) error {
			_, err := tx.PutEnrollment(tc.who, tc.id, Active, Cond{})
			return err
		})
		if fault.CodeOf(err) != tc.want {
			t.Errorf("%s for %s in %s: got %v, want %q", tc.actor.Subject, tc.who, tc.id, err, tc.want)
		}
	}
}

func TestOneWhoLostTheCourseCanWithdraw(t *testing.T) {
	c := world(t)
	enroll(t, c, acmeLearner, "acme~pub", Active)
	puts(t, c, System, course("acme~pub", Draft))
	left := Actor{Subject: "leo"}
	wantCode(t, do(t, c, left, func(tx *Tx) error {
		_, err := tx.PutEnrollment("leo", "acme~pub", Completed, Cond{})
		return err
	}), fault.NotFound)
	for range 2 { // twice is as once
		must(t, c, left, func(tx *Tx) error { return tx.DeleteEnrollment("leo", "acme~pub", Cond{}) })
	}
	wantCode(t, do(t, c, left, func(tx *Tx) error { return tx.DeleteEnrollment("leo", "pub", Cond{}) }), fault.NotFound)
}

func TestEnrollmentConditions(t *testing.T) {
	c := world(t)
	put := func(cond Cond) error {
		return do(t, c, learner, func(tx *Tx) error {
			_, err := tx.PutEnrollment("lea", "pub", Active, cond)
			return err
		})
	}
	wantCode(t, put(Cond{MustExist: true}), fault.LostUpdate)
	wantCode(t, put(Cond{MustNotExist: true}), "")
	wantCode(t, put(Cond{MustNotExist: true}), fault.LostUpdate)
	wantCode(t, put(Cond{Version: 7}), fault.LostUpdate)
	wantCode(t, do(t, c, learner, func(tx *Tx) error { return tx.DeleteEnrollment("lea", "pub", Cond{Version: 7}) }), fault.LostUpdate)
}

func TestEnrollmentsAreBounded(t *testing.T) {
	c := world(t)
	must(t, c, admin, func(tx *Tx) error {
		_, err := tx.put(kindAccount, "lea", learnerChannel("lea"), account{Enrollments: maxEnrollments}, putOpts{})
		return err
	})
	err := do(t, c, learner, func(tx *Tx) error {
		_, err := tx.PutEnrollment("lea", "pub", Active, Cond{})
		return err
	})
	wantField(t, err, "/state", fault.TooMany)
}

func progressOf(t *rapid.T, name string) Progress {
	devices := rapid.SampledFrom(slices.Collect(func(yield func(string) bool) {
		for i := range 2 * MaxDevices {
			if !yield(string(rune('A'+i/26)) + string(rune('a'+i%26))) {
				return
			}
		}
	}))
	p := Progress{Position: rapid.Float64Range(0, maxProgress).Draw(t, name+" position"), Completed: rapid.Bool().Draw(t, name+" completed")}
	times := rapid.MapOfN(devices, rapid.Float64Range(0, 5), 0, MaxDevices).Draw(t, name+" times")
	if len(times) > 0 {
		p.TimeByDevice = times
	}
	return p
}

func TestProgressMerges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := progressOf(t, "a"), progressOf(t, "b"), progressOf(t, "c")
		if d := cmp.Diff(a.Merge(b), b.Merge(a)); d != "" {
			t.Fatal("not commutative", d)
		}
		if d := cmp.Diff(a.Merge(b).Merge(c), a.Merge(b.Merge(c))); d != "" {
			t.Fatal("not associative", d)
		}
		if d := cmp.Diff(a.Merge(a), a); d != "" {
			t.Fatal("not idempotent", d)
		}
		ab := a.Merge(b)
		if ab.Position < max(a.Position, b.Position) || ab.Completed != (a.Completed || b.Completed) || len(ab.TimeByDevice) > MaxDevices {
			t.Fatalf("got %+v", ab)
		}
		if len(a.TimeByDevice)+len(b.TimeByDevice) > MaxDevices {
			return // some may be forgotten
		}
		for device, seconds := range a.TimeByDevice {
			if ab.TimeByDevice[device] != max(seconds, b.TimeByDevice[device]) {
				t.Fatalf("%s: got %v", device, ab.TimeByDevice[device])
			}
		}
	})
}

func TestTheLeastTimeIsForgotten(t *testing.T) {
	full := Progress{TimeByDevice: map[string]float64{}}
	for i := range MaxDevices {
		full.TimeByDevice[fmt.Sprintf("device %02d", i)] = float64(MaxDevices - i)
	}
	got := full.Merge(Progress{TimeByDevice: map[string]float64{"a new phone": 1.5}}).TimeByDevice
	want := maps.Clone(full.TimeByDevice)
	delete(want, "device 31") // one second
	want["a new phone"] = 1.5
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPutProgress(t *testing.T) {
	c := world(t)
	lesson := smallContent().Lessons[0].ID
	put := func(actor Actor, id CourseID, lesson string, p Progress) (changed bool, err error) {
		err = do(t, c, actor, func(tx *Tx) (err error) {
			changed, err = tx.PutProgress(actor.Subject, id, lesson, p)
			return err
		})
		return changed, err
	}
	enroll(t, c, learner, "pub", Active)
	many := map[string]float64{}
	for i := range MaxDevices + 1 {
		many[strings.Repeat("d", i+1)] = 1
	}
	for _, tc := range []struct {
		name    string
		p       Progress
		pointer string
		code    fault.Code
	}{
		{"before the start", Progress{Position: -.1}, "/position", fault.OutOfRange},
		{"beyond the end", Progress{Position: maxProgress + 1}, "/position", fault.OutOfRange},
		{"no number", Progress{Position: math.NaN()}, "/position", fault.OutOfRange},
		{"without end", Progress{Position: math.Inf(1)}, "/position", fault.OutOfRange},
		{"too many devices", Progress{TimeByDevice: many}, "/time_by_device", fault.TooMany},
		{"a nameless device", Progress{TimeByDevice: map[string]float64{"": 1}}, "/time_by_device/", fault.BadID},
		{"time runs backwards", Progress{TimeByDevice: map[string]float64{"a/b": -1}}, "/time_by_device/a~1b", fault.OutOfRange},
		{"for ever", Progress{TimeByDevice: map[string]float64{"a": math.Inf(1)}}, "/time_by_device/a", fault.OutOfRange},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := put(learner, "pub", lesson, tc.p)
			wantField(t, err, tc.pointer, tc.code)
		})
	}
	for _, tc := range []struct {
		actor Actor
		id    CourseID
		les   string
		want  fault.Code
	}{
		{learner, "pub", "no-such", fault.NotFound},
		{learner, "pub", "../x", fault.NotFound},
		{learner, "acme~pub", lesson, fault.NotFound},
		{acmeLearner, "pub", lesson, fault.NotEnrolled},
		{learner, "arch", lesson, fault.NotEnrolled},
	} {
		_, err := put(tc.actor, tc.id, tc.les, Progress{})
		if fault.CodeOf(err) != tc.want {
			t.Errorf("%s in %s/%s: got %v, want %q", tc.actor.Subject, tc.id, tc.les, err, tc.want)
		}
	}
	for _, step := range []struct {
		p    Progress
		want bool
	}{
		{Progress{Position: .5, TimeByDevice: map[string]float64{"phone": 60}}, true},
		{Progress{Position: .4, TimeByDevice: map[string]float64{"phone": 50}}, false},
		{Progress{Completed: true, TimeByDevice: map[string]float64{"tablet": 5}}, true},
		{Progress{Position: maxProgress}, true}, // the unit is the app's own
	} {
		if changed, err := put(learner, "pub", lesson, step.p); err != nil || changed != step.want {
			t.Errorf("%+v: changed %v, %v", step.p, changed, err)
		}
	}
	want := map[string]Progress{lesson: {Position: maxProgress, Completed: true, TimeByDevice: map[string]float64{"phone": 60, "tablet": 5}}}
	got := look(t, c, func(v *View) (map[string]Progress, error) { return v.MyProgressIn("lea", "pub") })
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	list, err := c.MyProgress(t.Context(), "lea", Page{Limit: 1})
	if err != nil || len(list.Items) != 1 || list.Items[0].Lesson != lesson || list.Items[0].Course != "pub" {
		t.Errorf("got %+v, %v", list, err)
	}
	enroll(t, c, learner, "pub", Withdrawn)
	_, err = put(learner, "pub", lesson, Progress{})
	wantCode(t, err, fault.NotEnrolled)
}

func TestBookmarks(t *testing.T) {
	c := world(t)
	put := func(actor Actor, id CourseID) error {
		return do(t, c, actor, func(tx *Tx) error {
			_, err := tx.PutBookmark(actor.Subject, id)
			return err
		})
	}
	wantCode(t, put(learner, "acme~pub"), fault.NotFound)
	wantCode(t, put(learner, "draft"), fault.NotFound)
	wantCode(t, put(learner, "arch"), "")
	wantCode(t, put(learner, "pub"), "")
	was := head(t, c)
	wantCode(t, put(learner, "pub"), "")
	if head(t, c) == was {
		t.Error("a bookmark added again made no version")
	}
	if got := pages(t, 1, func(p Page) (List[MyBookmark], error) { return c.MyBookmarks(t.Context(), "lea", p) },
		func(b MyBookmark) string { return string(b.Course) }); !slices.Equal(got, []string{"arch", "pub"}) {
		t.Errorf("got %v", got)
	}
	del := func() error { return do(t, c, learner, func(tx *Tx) error { return tx.DeleteBookmark("lea", "pub") }) }
	wantCode(t, del(), "")
	wantCode(t, del(), fault.NotFound)
	if look(t, c, func(v *View) (bool, error) { _, ok, err := v.MyBookmark("lea", "pub"); return ok, err }) {
		t.Error("the bookmark is still there")
	}
}

func TestMembership(t *testing.T) {
	c := world(t)
	type record = map[OrgID]Membership
	token := func(org OrgID, iat int64) Actor { return Actor{Subject: "leo", Org: org, IssuedAt: iat} }
	for _, step := range []struct {
		org   OrgID
		iat   int64
		want  record
		reads OrgID // what the token may read afterwards
	}{
		{"", 100, record{}, ""},
		{"acme", 110, record{"acme": {true, 110}}, "acme"},
		{"acme", 120, record{"acme": {true, 110}}, "acme"}, // says the same: nothing to write
		{"", 105, record{"acme": {true, 110}}, ""},         // older, and claims nothing
		{"bolz", 109, record{"acme": {true, 110}}, ""},     // older: what both allow
		{"bolz", 130, record{"acme": {false, 130}, "bolz": {true, 130}}, "bolz"},
		{"acme", 125, record{"acme": {false, 130}, "bolz": {true, 130}}, ""},
		{"", 140, record{"acme": {false, 130}, "bolz": {false, 140}}, ""},
		{"bolz", 135, record{"acme": {false, 130}, "bolz": {false, 140}}, ""},
		{"acme", 150, record{"acme": {true, 150}, "bolz": {false, 140}}, "acme"},
	} {
		actor := token(step.org, step.iat)
		must(t, c, actor, (*Tx).RecordMembership)
		got := look(t, c, func(v *View) (record, error) { m, _, err := v.memberships("leo"); return m, err })
		if d := cmp.Diff(step.want, got); d != "" {
			t.Fatalf("after %s at %d: %s", step.org, step.iat, d)
		}
		if reads := look(t, c, func(v *View) (OrgID, error) { return v.OrgOnRecord(actor) }); reads != step.reads {
			t.Errorf("after %s at %d the token reads %q, want %q", step.org, step.iat, reads, step.reads)
		}
	}
	ch, _, err := c.log.Get(t.Context(), KindMembership, "leo/acme")
	if err != nil || ch.Since != ch.Seq {
		t.Errorf("a regained membership is no change of access: %+v, %v", ch, err)
	}
}

func TestMembershipsOfTwoTokensAtOnce(t *testing.T) {
	c := world(t)
	inner := true
	must(t, c, Actor{Subject: "leo", Org: "acme", IssuedAt: 10}, func(tx *Tx) error {
		if err := tx.RecordMembership(); err != nil || !inner {
			return err
		}
		inner = false // another token is faster
		must(t, c, Actor{Subject: "leo", Org: "bolz", IssuedAt: 11}, (*Tx).RecordMembership)
		return nil
	})
	got := look(t, c, func(v *View) (map[OrgID]Membership, error) { m, _, err := v.memberships("leo"); return m, err })
	if d := cmp.Diff(map[OrgID]Membership{"bolz": {true, 11}}, got); d != "" {
		t.Error(d)
	}
}

func TestExportHoldsAllKinds(t *testing.T) {
	c := world(t)
	lea := Actor{Subject: "lea", Name: "Léa", Org: "acme", IssuedAt: 5}
	enroll(t, c, lea, "pub", Active)
	review(t, c, lea, "pub", Review{Rating: 4, Text: "fine"})
	enroll(t, c, Actor{Subject: "other"}, "pub", Active)
	must(t, c, lea, func(tx *Tx) error {
		if err := tx.RecordMembership(); err != nil {
			return err
		}
		if _, err := tx.PutBookmark("lea", "pub"); err != nil {
			return err
		}
		if _, err := tx.PutBookmark("lea", "arch"); err != nil {
			return err
		}
		if err := tx.PutPreferences("lea", Preferences{Locale: French, Timezone: "Europe/Paris"}); err != nil {
			return err
		}
		_, err := tx.PutProgress("lea", "pub", smallContent().Lessons[0].ID, Progress{Position: 1})
		return err
	})
	must(t, c, lea, func(tx *Tx) error { return tx.DeleteBookmark("lea", "arch") })
	export, err := c.Export(t.Context(), "lea")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[coursesync.Kind][]string{}
	for kind, items := range export {
		for _, item := range items {
			keys[kind] = append(keys[kind], item.Key)
		}
	}
	want := map[coursesync.Kind][]string{
		KindEnrollment: {"pub"}, KindReview: {"pub"}, KindMembership: {"acme"}, KindBookmark: {"pub"}, kindAccount: {""},
		KindProgress: {"pub/" + smallContent().Lessons[0].ID}, KindPreference: {preferLocale, preferTimezone},
	}
	if d := cmp.Diff(want, keys); d != "" {
		t.Error(d)
	}
	body, _ := export[KindReview][0].Body.(map[string]any)
	if body["text"] != "fine" || body["by"] != "Léa" {
		t.Errorf("got %v", body)
	}
}
