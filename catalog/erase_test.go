package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carrel-lms/carrel/fault"
)

func contextOf(tb testing.TB) (context.Context, context.CancelFunc) {
	tb.Helper()
	return context.WithCancel(tb.Context())
}

func erase(tb testing.TB, c *Catalog, who Actor) {
	tb.Helper()
	must(tb, c, who, func(tx *Tx) error { return tx.Erase(who.Subject) })
}

// held is how many entities the log holds in a learner's channel, tombstones included.
func held(tb testing.TB, c *Catalog, who LearnerID) (n int) {
	tb.Helper()
	for _, err := range c.log.Read(tb.Context(), 0, learnerChannel(who)) {
		if err != nil {
			tb.Fatal(err)
		}
		n++
	}
	return n
}

func TestErasureLeavesTheNumbers(t *testing.T) {
	c, _ := taught(t)
	base := StatsBase{Rating: &Sum{45, 10}, Instructors: map[InstructorID]Sum{"ann": {8, 2}}}
	putBase(t, c, "x", base)
	lea := Actor{Subject: "lea", IssuedAt: noon.Unix() - 60, Org: "acme"}
	enroll(t, c, lea, "x", Completed)
	review(t, c, lea, "x", Review{Rating: 2, Instructors: map[InstructorID]int{"ann": 1, "bob": 5}, Text: "so-so"})
	must(t, c, lea, (*Tx).RecordMembership)
	must(t, c, lea, func(tx *Tx) error { return tx.PutPreferences("lea", Preferences{Locale: French}) })
	enroll(t, c, learner, "x", Active)
	flushed(t, c)
	before, ann := courseStats(t, c, "x"), instructorStats(t, c, "ann")
	was := version(t, c, KindInstructorStats, "ann")
	erase(t, c, lea)
	got := courseStats(t, c, "x") // with the erasure, not after the next flush
	if d := cmp.Diff(before, got, cmpopts.IgnoreFields(CourseStats{}, "Absorbed")); d != "" {
		t.Error(d)
	}
	want := Absorbed{Rating: Sum{2, 1}, Enrollments: 1, Instructors: map[InstructorID]Sum{"ann": {1, 1}, "bob": {5, 1}}}
	if d := cmp.Diff(want, got.Absorbed); d != "" {
		t.Error(d)
	}
	last := version(t, c, KindCourseStats, "x")
	flushed(t, c)
	if version(t, c, KindCourseStats, "x") != last || version(t, c, KindInstructorStats, "ann") != was {
		t.Error("the numbers had to be mended")
	}
	if d := cmp.Diff(ann, instructorStats(t, c, "ann")); d != "" {
		t.Error(d)
	}
	if export, err := c.Export(t.Context(), "lea"); err != nil || len(export) != 0 || held(t, c, "lea") != 0 {
		t.Errorf("the log still holds %v, %v", export, err)
	}
	if list, err := c.Reviews(t.Context(), anon, "x", Page{}); err != nil || len(list.Items) != 0 {
		t.Errorf("readers still see %+v, %v", list, err)
	}
	if putBase(t, c, "x", base) {
		t.Error("the same import again is a change")
	}
}

func TestErasedTokens(t *testing.T) {
	c, clock := taught(t)
	token := func(age int64) Actor { return Actor{Subject: "lea", IssuedAt: clock.now().Unix() - age} }
	old := token(0)
	enroll(t, c, old, "x", Active)
	if c.Erased("lea", old.IssuedAt) {
		t.Error("nobody is erased yet")
	}
	erase(t, c, old)
	moment := clock.now().Unix()
	for iat, want := range map[int64]bool{moment - 9: true, moment: true, moment + 1: false} {
		if got := c.Erased("lea", iat); got != want {
			t.Errorf("iat %+d: erased %v", iat-moment, got)
		}
	}
	if c.Erased("leo", 0) {
		t.Error("another learner is refused")
	}
	for name, write := range map[string]func(tx *Tx) error{
		"enroll":   func(tx *Tx) error { return second(tx.PutEnrollment("lea", "x", Active, Cond{})) },
		"bookmark": func(tx *Tx) error { return second(tx.PutBookmark("lea", "x")) },
		"join":     (*Tx).RecordMembership,
		"erase":    func(tx *Tx) error { return tx.Erase("lea") },
	} {
		if err := do(t, c, old, write); !fault.Is(err, fault.AccountErased) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	clock.add(time.Minute)
	again := token(0)
	enroll(t, c, again, "x", Active)
	erase(t, c, again)
	if !c.Erased("lea", clock.now().Unix()) || held(t, c, "lea") != 0 {
		t.Error("the second erasure had no effect")
	}
	wantCode(t, do(t, c, learner, func(tx *Tx) error { return tx.Erase("leo") }), fault.Forbidden)
	wantCode(t, do(t, c, anon, func(tx *Tx) error { return tx.Erase("leo") }), fault.Unauthorized)
	must(t, c, admin, func(tx *Tx) error { return tx.Erase("leo") }) // of whom nothing is held
	if !c.Erased("leo", 0) {
		t.Error("leo's tokens still work")
	}
}

func TestErasureIsACommandOfItsOwn(t *testing.T) {
	c, _ := taught(t)
	err := do(t, c, learner, func(tx *Tx) error {
		if _, err := tx.PutBookmark("lea", "x"); err != nil {
			return err
		}
		return tx.Erase("lea")
	})
	wantCode(t, err, fault.Conflict)
	if err := c.DryRun(t.Context(), learner, func(tx *Tx) error { return tx.Erase("lea") }); err != nil {
		t.Fatal(err)
	}
	if len(c.learner.list) != 0 || c.Erased("lea", 0) {
		t.Error("a dry run erased")
	}
}

func TestErasureSeesTheNewestReview(t *testing.T) {
	c, _ := taught(t)
	enroll(t, c, learner, "x", Active)
	tries := 0
	must(t, c, Actor{Subject: "lea", IssuedAt: 1}, func(tx *Tx) error {
		if err := tx.Erase("lea"); err != nil {
			return err
		}
		if tries++; tries == 1 { // a review is faster
			review(t, c, learner, "x", Review{Rating: 3})
		}
		return nil
	})
	flushed(t, c)
	if got := courseStats(t, c, "x"); tries != 2 || got.Total != (Sum{3, 1}) || got.Enrollments != 1 {
		t.Errorf("after %d tries: %+v", tries, got)
	}
}

func TestNoWriteFollowsAnErasure(t *testing.T) {
	c, _ := taught(t)
	old := Actor{Subject: "lea", IssuedAt: 1}
	tries := 0
	err := do(t, c, old, func(tx *Tx) error {
		tries++
		if _, err := tx.PutBookmark("lea", "x"); err != nil {
			return err
		}
		if tries == 1 {
			erase(t, c, old)
		}
		return nil
	})
	wantCode(t, err, fault.AccountErased)
	if held(t, c, "lea") != 0 {
		t.Error("the bookmark is there")
	}
}

func TestErasureSurvivesARestore(t *testing.T) {
	dir := t.TempDir()
	path, secrets, backup := filepath.Join(dir, "log.db"), filepath.Join(dir, "secrets"), filepath.Join(dir, "backup.db")
	clock := &testClock{}
	c := openAt(t, path, secrets, clock)
	puts(t, c, System, course("x", Published))
	who := Actor{Subject: "https://idp/|lea", IssuedAt: noon.Unix()}
	enroll(t, c, who, "x", Active)
	review(t, c, who, "x", Review{Rating: 4})
	enroll(t, c, learner, "x", Active)
	f, err := os.Create(backup)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.log.Backup(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	clock.add(time.Hour)
	erase(t, c, who)
	must(t, c, admin, func(tx *Tx) error { return tx.Erase("nobody") })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	clock.add(time.Hour)

	c = openAt(t, backup, secrets, clock)
	if held(t, c, who.Subject) != 0 || held(t, c, "lea") == 0 {
		t.Error("the restored log holds the wrong learners")
	}
	flushed(t, c)
	if got := courseStats(t, c, "x"); got.Total != (Sum{4, 1}) || got.Enrollments != 2 {
		t.Errorf("got %+v", got)
	}
	at := noon.Add(time.Hour).Unix() // when it was asked for, not when it was applied
	if !c.Erased(who.Subject, at) || c.Erased(who.Subject, at+1) || !c.Erased("nobody", at) {
		t.Error("the wrong tokens are refused")
	}
	was := head(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openAt(t, backup, secrets, clock)
	if head(t, c) != was {
		t.Error("the second start applied something again")
	}
}

// The list may know of a second erasure that the log lost, of one who came back or did not.
func TestTheSecondErasureSurvivesARestoreToo(t *testing.T) {
	for name, back := range map[string]bool{"came back": true, "stayed away": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, secrets := filepath.Join(dir, "log.db"), filepath.Join(dir, "secrets")
			clock := &testClock{}
			c := openAt(t, path, secrets, clock)
			puts(t, c, System, course("x", Published))
			erase(t, c, Actor{Subject: "lea", IssuedAt: noon.Unix()})
			clock.add(time.Hour)
			if back {
				enroll(t, c, Actor{Subject: "lea", IssuedAt: clock.now().Unix()}, "x", Active)
			}
			hash := c.learner.hash("lea")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			later := clock.now().Add(time.Hour)
			appendTo(t, filepath.Join(secrets, erasedFile), fmt.Sprintf("{\"hash\":%q,\"at\":%d}\n", hash, later.Unix()))
			c = openAt(t, path, secrets, clock)
			if held(t, c, "lea") != 0 || !c.Erased("lea", later.Unix()) {
				t.Error("she is still there")
			}
		})
	}
}

func appendTo(tb testing.TB, path, text string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}

func TestSecretsFiles(t *testing.T) {
	open := func(t *testing.T, salt, list string) (*secrets, error) {
		t.Helper()
		dir := t.TempDir()
		if salt != "" {
			appendTo(t, filepath.Join(dir, saltFile), salt)
		}
		if list != "" {
			appendTo(t, filepath.Join(dir, erasedFile), list)
		}
		return openSecrets(Config{Secrets: dir})
	}
	salt := strings.Repeat("ab", saltSize)
	for _, tc := range []struct {
		name, salt, list string
		want             map[string]int64
		code             fault.Code
	}{
		{"new", "", "", map[string]int64{}, ""},
		{"two lines of one learner", salt, "{\"hash\":\"h\",\"at\":5}\n{\"hash\":\"h\",\"at\":3}\n", map[string]int64{"h": 5}, ""},
		{"a torn line", salt, "{\"hash\":\"h\",\"at\":5}\n{\"hash\":\"g\",\"a", map[string]int64{"h": 5}, ""},
		{"a damaged line", salt, "{\"hash\":\"h\"\n{\"hash\":\"g\",\"at\":3}\n", nil, fault.Corrupt},
		{"a damaged salt", salt[1:], "", nil, fault.Corrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := open(t, tc.salt, tc.list)
			wantCode(t, err, tc.code)
			if err != nil {
				return
			}
			if d := cmp.Diff(tc.want, s.list); d != "" {
				t.Error(d)
			}
			if err := s.note([]erasedLine{{"new", 9}}); err != nil {
				t.Fatal(err)
			}
			again, err := openSecrets(Config{Secrets: filepath.Dir(s.path)})
			if err != nil {
				t.Fatal(err)
			}
			tc.want["new"] = 9
			if d := cmp.Diff(tc.want, again.list); d != "" {
				t.Error(d)
			}
			if again.hash("lea") != s.hash("lea") {
				t.Error("the salt is another one")
			}
			if info, err := os.Stat(filepath.Join(filepath.Dir(s.path), erasedFile)); err != nil || info.Mode().Perm()&0o077 != 0 && tc.list == "" {
				t.Errorf("others may read the list: %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestAnErasureThatCannotBeNotedIsNotMade(t *testing.T) {
	c, _ := taught(t)
	enroll(t, c, learner, "x", Active)
	c.learner.path = filepath.Join(t.TempDir(), "no", "such", "folder")
	err := do(t, c, Actor{Subject: "lea", IssuedAt: 1}, func(tx *Tx) error { return tx.Erase("lea") })
	wantCode(t, err, fault.Internal)
	if held(t, c, "lea") == 0 || c.Erased("lea", 1) {
		t.Error("it was made")
	}
}
