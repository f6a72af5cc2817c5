package catalog

import (
	"fmt"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

// changed is a notification of a moment after noon.
func changed(after time.Duration) Notification {
	return Notification{
		Rule: RuleCourseChanged, Subject: Subject{KindCourse, "x"}, Data: map[string]string{"course": "Title of x"}, At: noon.Add(after),
	}
}

// notify notifies lea.
func notify(id NotificationID, n Notification) func(tx *Tx) error {
	return func(tx *Tx) error { return second(tx.PutNotification("lea", id, n)) }
}

// inbox is the ids of a learner's notifications, newest first, page by page.
func inbox(tb testing.TB, c *Catalog, who LearnerID) (ids []NotificationID) {
	tb.Helper()
	for p := (Page{Limit: 2}); ; {
		list, err := c.MyNotifications(tb.Context(), who, p)
		if err != nil {
			tb.Fatal(err)
		}
		for _, m := range list.Items {
			ids = append(ids, m.ID)
		}
		if p.After = list.Next; p.After == "" {
			return ids
		}
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	must(t, c, System, notify("b", changed(time.Minute)))
	must(t, c, System, notify("a", changed(time.Minute)))
	must(t, c, System, notify("z", changed(0)))
	must(t, c, System, notify("c", changed(time.Hour)))
	must(t, c, System, notify("now", Notification{Rule: RuleImportFinished, Subject: Subject{KindImport, "i"}, Data: map[string]string{"file": "f.csv"}, Count: 3}))
	if d := cmp.Diff([]NotificationID{"c", "b", "a", "z", "now"}, inbox(t, c, "lea")); d != "" {
		t.Error(d)
	}
	if others := inbox(t, c, "le"); len(others) != 0 {
		t.Errorf("another learner has %v", others)
	}

	read := func(who Actor, id NotificationID, read bool) error {
		return do(t, c, who, func(tx *Tx) error { return second(tx.ReadNotification("lea", id, read)) })
	}
	isRead := func(id NotificationID) bool {
		return look(t, c, func(v *View) (bool, error) {
			s, _, err := v.MyNotification("lea", id)
			return s.Value.Read, err
		})
	}
	for _, step := range []struct {
		says, want, changes bool
	}{{false, false, false}, {true, true, true}, {true, true, false}, {false, true, false}} {
		was := head(t, c)
		if err := read(learner, "a", step.says); err != nil {
			t.Fatal(err)
		}
		if got := isRead("a"); got != step.want || (head(t, c) != was) != step.changes {
			t.Errorf("%+v: read is %v", step, got)
		}
	}
	again := changed(time.Minute)
	again.Data = map[string]string{"course": "Another title"}
	was := head(t, c)
	must(t, c, System, notify("a", again)) // a follower tells its news again
	if head(t, c) != was || !isRead("a") {
		t.Error("the same news were told twice")
	}
	wantCode(t, read(learner, "none", true), fault.NotFound)
	wantCode(t, read(acmeLearner, "a", true), fault.Forbidden)
	wantCode(t, read(anon, "a", true), fault.Unauthorized)
}

func TestNotificationsRefused(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	with := func(change func(n *Notification)) Notification {
		n := changed(0)
		change(&n)
		return n
	}
	for _, tc := range []struct {
		name    string
		id      NotificationID
		n       Notification
		pointer string
		code    fault.Code
	}{
		{"a bad id", "a b", changed(0), "/id", fault.BadID},
		{"no rule", "a", with(func(n *Notification) { n.Rule = "lunch" }), "/rule", fault.BadValue},
		{"another subject", "a", with(func(n *Notification) { n.Subject.Kind = KindTag }), "/subject/kind", fault.BadValue},
		{"no subject", "a", with(func(n *Notification) { n.Subject.ID = "" }), "/subject/id", fault.BadID},
		{"a count that the rule has not", "a", with(func(n *Notification) { n.Count = 1 }), "/count", fault.OutOfRange},
		{"no name", "a", with(func(n *Notification) { n.Data = nil }), "/data/course", fault.Required},
		{"a name of another rule", "a", with(func(n *Notification) { n.Data["file"] = "f" }), "/data/file", fault.UnknownField},
		{"a long name", "a", with(func(n *Notification) { n.Data["course"] = strings.Repeat("n", maxTitle+1) }), "/data/course", fault.TooLong},
	} {
		t.Run(tc.name, func(t *testing.T) { wantField(t, do(t, c, System, notify(tc.id, tc.n)), tc.pointer, tc.code) })
	}
	for actor, want := range map[string]fault.Code{
		"anon": fault.Unauthorized, "learner": fault.Forbidden, "staffEditor": fault.Forbidden, "acmeAdmin": fault.Forbidden, "admin": "",
	} {
		wantCode(t, do(t, c, cast[actor], notify("a", changed(0))), want)
	}
}

// The newest stay, however they come, and however many come at once.
func TestNotificationsAreBounded(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		for i := range MaxNotifications - 1 {
			if err := notify(NotificationID(fmt.Sprintf("n%03d", i)), changed(time.Duration(i)*time.Minute))(tx); err != nil {
				return err
			}
		}
		return nil
	})
	errs := make([]error, 3)
	var wg stdsync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = c.Update(t.Context(), System, notify(NotificationID(fmt.Sprint("new", i)), changed(24*time.Hour)))
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	was := head(t, c)
	must(t, c, System, notify("old", changed(-time.Hour)))
	ids := inbox(t, c, "lea")
	if len(ids) != MaxNotifications || ids[0] != "new2" || ids[2] != "new0" || ids[len(ids)-1] != "n002" || head(t, c) != was {
		t.Errorf("%d are left, from %s to %s", len(ids), ids[0], ids[len(ids)-1])
	}
}

// A follower that is behind does not bring an erased account to life.
func TestNobodyNotifiesTheErased(t *testing.T) {
	t.Parallel()
	c, clock := taught(t)
	enroll(t, c, Actor{Subject: "lea", IssuedAt: clock.now().Unix()}, "x", Active)
	must(t, c, System, notify("a", changed(0)))
	erase(t, c, Actor{Subject: "lea", IssuedAt: clock.now().Unix()})
	wantCode(t, do(t, c, System, notify("a", changed(0))), fault.AccountErased)
	if held(t, c, "lea") != 0 {
		t.Error("the account is there")
	}
	clock.add(time.Minute)
	enroll(t, c, Actor{Subject: "lea", IssuedAt: clock.now().Unix()}, "x", Active)
	must(t, c, System, notify("a", changed(0)))
	if ids := inbox(t, c, "lea"); len(ids) != 1 {
		t.Errorf("who came back has %v", ids)
	}
}
