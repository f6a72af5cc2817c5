package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

// notify writes a notification as the program does.
func (s *server) notify(who catalog.LearnerID, id catalog.NotificationID, n catalog.Notification) {
	s.t.Helper()
	_, err := s.catalog.Update(s.t.Context(), catalog.System, func(tx *catalog.Tx) error {
		_, err := tx.PutNotification(who, id, n)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestMyNotifications: newest first, in the reader's language, and read once and for all.
func TestMyNotifications(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const path = "/v2/me/notifications"
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/c", as: editor, body: m{"title": "Learning Go", "translations": m{"fr": m{"title": "Apprendre Go"}}}})
	s.want("201", ask{method: http.MethodPut, path: "/v2/courses/acme~s", as: acme, body: m{"title": "Secret"}})
	now := s.clock.now()
	about := func(id string) catalog.Notification {
		return catalog.Notification{
			Rule: catalog.RuleCourseChanged, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: id}, Data: map[string]string{"course": "As it was"}, At: now,
		}
	}
	s.notify(learner.Subject, "1", about("c"))
	s.notify(learner.Subject, "2", about("acme~s"))
	s.notify(learner.Subject, "3", about("gone"))
	s.notify(learner.Subject, "4", catalog.Notification{
		Rule: catalog.RuleSearchMatch, Subject: catalog.Subject{Kind: catalog.KindSavedSearch, ID: "x"},
		Data: map[string]string{"search": "go", "course": "Learning Go"}, Count: 2, At: now.Add(time.Second),
	})
	s.want("401 unauthorized", ask{method: http.MethodGet, path: path})
	if others := s.want("200", ask{method: http.MethodGet, path: path, as: editor}).items(); len(others) != 0 {
		t.Errorf("somebody else's are %v", others)
	}
	for locale, want := range map[string][]string{
		"en":      {"2 new courses for “go”", "As it was", "As it was", "Learning Go"},
		"fr":      {"2 nouveaux cours pour «\u202fgo\u202f»", "As it was", "As it was", "Apprendre Go"},
		"zh-Hans": {"“go”有 2 门新课程", "As it was", "As it was", "Learning Go"},
	} {
		var titles []string
		for cursor := ""; ; {
			page := s.want("200", ask{method: http.MethodGet, path: path + "?limit=3&locale=" + locale + cursor, as: learner})
			for _, item := range page.items() {
				titles = append(titles, item["title"].(string))
			}
			if page.json["next"] == nil {
				break
			}
			cursor = "&cursor=" + page.text("next")
		}
		if diff := cmp.Diff(want, titles); diff != "" {
			t.Errorf("%s: %s", locale, diff)
		}
	}

	patch := func(status, id string, body any, header map[string]string) answer {
		t.Helper()
		return s.want(status, ask{method: http.MethodPatch, path: path + "/" + id, as: learner, body: body, header: header})
	}
	unread := patch("200", "1", m{}, nil)
	read := patch("200", "1", m{"read": true}, map[string]string{"Content-Type": mergePatch, "If-Match": unread.header.Get("ETag")})
	if unread.json["read"] != false || read.json["read"] != true || read.header.Get("Carrel-As-Of") == "" {
		t.Errorf("%s became %s", unread.body, read.body)
	}
	patch("412 lost-update", "1", m{"read": true}, map[string]string{"If-Match": unread.header.Get("ETag")})
	for _, body := range []m{{"read": true}, {"read": false}, {"read": nil}, read.json} {
		if got := patch("200", "1", body, nil); cmp.Diff(read.json, got.json) != "" {
			t.Errorf("%v made it %s", body, got.body)
		}
	}
	patch("404 not-found", "none", m{"read": true}, nil)
	patch("400 invalid-fields", "1", m{"read": "yes"}, nil)
	patch("400 invalid-fields", "1", m{"seen": true}, nil)
	s.want("404 not-found", ask{method: http.MethodPatch, path: path + "/1", as: editor, body: m{"read": true}})
}
