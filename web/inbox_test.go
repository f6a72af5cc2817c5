package web

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

func TestInbox(t *testing.T) {
	s := newSite(t, options{})
	s.visitor("en").get("/me/inbox").wants(t, http.StatusOK, "Open the sign-in link")
	s.visitor("en").post("/me/inbox", nil).wants(t, http.StatusUnauthorized)
	lea := s.signedIn(catalog.Actor{Subject: "lea"})
	lea.get("/me").wants(t, http.StatusOK, `href="/me/inbox"`)
	empty := lea.get("/me/inbox")
	empty.wants(t, http.StatusOK, "Nothing yet")
	empty.lacks(t, "Mark all as read")
	must[coursesync.Seq](t)(s.catalog.Update(t.Context(), catalog.System, func(tx *catalog.Tx) error {
		if _, err := tx.PutSavedSearch("lea", "py", catalog.SavedSearch{Name: "Py", Query: "q=python&level=beginner&locale=fr&limit=5"}, catalog.Cond{}); err != nil {
			return err
		}
		for id, n := range map[catalog.NotificationID]catalog.Notification{
			"n1": {Rule: catalog.RuleCourseChanged, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: "PY1"}, Data: map[string]string{"course": "As it was called"}},
			"n2": {Rule: catalog.RuleCourseChanged, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: "gone"}, Data: map[string]string{"course": "<i>Gone</i>"}},
			"n3": {Rule: catalog.RuleSearchMatch, Subject: catalog.Subject{Kind: catalog.KindSavedSearch, ID: "py"}, Data: map[string]string{"search": "Py", "course": "One"}, Count: 3},
		} {
			if _, err := tx.PutNotification("lea", id, n); err != nil {
				return err
			}
		}
		return nil
	}))
	page := lea.get("/me/inbox")
	page.wants(t, http.StatusOK, `href="/courses/PY1"`, "Python from scratch", "&lt;i&gt;Gone&lt;/i&gt;", `href="/?level=beginner&amp;q=python"`, "3 new courses for “Py”", ">new<", "Mark all as read")
	page.lacks(t, "As it was called", `href="/courses/gone"`)
	lea.post("/me/inbox", url.Values{}).wants(t, http.StatusOK, "All is read.")
	lea.get("/me/inbox").lacks(t, ">new<", "Mark all as read")
	s.signedIn(catalog.Actor{Subject: "max"}).get("/me/inbox").wants(t, http.StatusOK, "Nothing yet")
	later := time.Now().Add(time.Hour)
	must[coursesync.Seq](t)(s.catalog.Update(t.Context(), catalog.System, func(tx *catalog.Tx) error {
		for i := range catalog.MaxNotifications {
			n := catalog.Notification{Rule: catalog.RuleImportFinished, Subject: catalog.Subject{Kind: catalog.KindImport, ID: "i"}, Data: map[string]string{"file": "f"}, At: later.Add(time.Duration(i) * time.Second)}
			if _, err := tx.PutNotification("lea", catalog.NotificationID(fmt.Sprint("i", i)), n); err != nil {
				return err
			}
		}
		return nil
	}))
	unread := func() (n int) {
		for page := (catalog.Page{Limit: catalog.MaxNotifications}); ; {
			list := must[catalog.List[catalog.MyNotification]](t)(s.catalog.MyNotifications(t.Context(), "lea", page))
			for _, m := range list.Items {
				if !m.Value.Read {
					n++
				}
			}
			if page.After = list.Next; list.Next == "" {
				return n
			}
		}
	}
	lea.post("/me/inbox", url.Values{"newest": {later.Add(150*time.Second - time.Millisecond).UTC().Format(time.RFC3339Nano)}}).wants(t, http.StatusOK)
	if got := unread(); got != 50 {
		t.Errorf("%d are unread, want those that came after the page", got)
	}
	lea.post("/me/inbox", nil).wants(t, http.StatusOK)
	if got := unread(); got != 0 {
		t.Errorf("%d are unread, want none", got)
	}
}

func TestPushPage(t *testing.T) {
	s := newSite(t, options{})
	s.visitor("en").get("/admin/push").wants(t, http.StatusOK, "Open the sign-in link")
	s.signedIn(catalog.Actor{Subject: "x"}).get("/admin/push").wants(t, http.StatusForbidden)
	acme := s.signedIn(catalog.Actor{Subject: "boss", Org: "acme", Roles: []catalog.Role{catalog.RoleAdmin}})
	acme.get("/admin/push").wants(t, http.StatusForbidden)
	acme.get("/admin").lacks(t, "/admin/push")
	root := s.signedIn(staffAdmin)
	root.get("/admin").wants(t, http.StatusOK, `href="/admin/push"`)
	root.get("/admin/push").wants(t, http.StatusOK, "No push service is configured", "Dead letters", "12 pieces of news for you", "12 nouvelles pour vous", "您有 12 条新消息", "5,000 new courses for")
}
