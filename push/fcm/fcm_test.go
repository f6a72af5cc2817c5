//go:build !nofirebase

package fcm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/push/fcmtest"
)

func newSender(t *testing.T) (push.Sender, *fcmtest.Server) {
	t.Helper()
	service := fcmtest.New(t)
	s, err := New(t.Context(), fcmtest.Project, service.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s, service
}

func message(token string) push.Message {
	return push.Message{
		Token: token, Platform: catalog.PlatformAndroid, Title: "Title", Body: "Body", Channel: "course_changed", Collapse: "key", TTL: time.Hour,
		Data: map[string]string{"type": "notification"}, Link: "https://learn.example.org/courses/x",
	}
}

// TestErrors: what every documented error, and every failure to answer, is to the outbox. Each is one request: the SDK repeats none.
func TestErrors(t *testing.T) {
	t.Parallel()
	retry := func(f fcmtest.Fault) fcmtest.Fault {
		f.RetryAfter = 120
		return f
	}
	for name, tc := range map[string]struct {
		fault fcmtest.Fault
		want  push.Reason
		after time.Duration
	}{
		"taken":           {fcmtest.Fault{}, push.Sent, 0},
		"unregistered":    {fcmtest.Unregistered, push.ReasonUnregistered, 0},
		"mismatch":        {fcmtest.Mismatch, push.ReasonMismatch, 0},
		"invalid":         {fcmtest.Invalid, push.ReasonInvalid, 0},
		"quota":           {retry(fcmtest.Quota), push.ReasonQuota, 2 * time.Minute},
		"unavailable":     {retry(fcmtest.Unavailable), push.ReasonUnavailable, 2 * time.Minute},
		"unavailable now": {fcmtest.Unavailable, push.ReasonUnavailable, 0},
		"internal":        {fcmtest.Internal, push.ReasonInternal, 0},
		"third party":     {fcmtest.ThirdParty, push.ReasonThirdParty, 0},
		"unauthenticated": {fcmtest.Unauthenticated, push.ReasonAuth, 0},
		"forbidden":       {fcmtest.Forbidden, push.ReasonAuth, 0},
		"no project":      {fcmtest.Fault{Status: http.StatusNotFound, Name: "NOT_FOUND"}, push.ReasonAuth, 0},
		"bad gateway":     {fcmtest.Fault{Status: http.StatusBadGateway}, push.ReasonInternal, 0},
		"garbage":         {fcmtest.Fault{How: fcmtest.Garbage}, push.ReasonInternal, 0},
		"dropped":         {fcmtest.Fault{How: fcmtest.Drop}, push.ReasonNetwork, 0},
		"half":            {fcmtest.Fault{How: fcmtest.Half}, push.ReasonNetwork, 0},
		"hangs":           {fcmtest.Fault{How: fcmtest.Hang}, push.ReasonNetwork, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, service := newSender(t)
			service.Fail(func(*fcmtest.Message) fcmtest.Fault { return tc.fault })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			got := s.Send(ctx, []push.Message{message("token-secret")})
			if len(got) != 1 || got[0].Reason != tc.want || got[0].RetryAfter != tc.after {
				t.Errorf("%+v, want %s after %s", got, tc.want, tc.after)
			}
			if strings.Contains(got[0].Detail, "token-secret") {
				t.Error("the detail names the token")
			}
			if n := service.Tried("token-secret"); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestMixedBatch: each message of a batch has its own outcome, in order.
func TestMixedBatch(t *testing.T) {
	t.Parallel()
	s, service := newSender(t)
	service.Fail(func(m *fcmtest.Message) fcmtest.Fault {
		if strings.HasSuffix(m.Token, "7") {
			return fcmtest.Unregistered
		}
		return fcmtest.Fault{}
	})
	var list []push.Message
	for i := range push.MaxBatch {
		list = append(list, message(fmt.Sprint("token-", i)))
	}
	list[5].Data = map[string]string{"from": strings.Repeat("x", 5_000)} // too big for FCM
	list[6].Collapse, list[6].Token = "key", ""                          // refused by the SDK, for the whole batch
	for i, o := range s.Send(t.Context(), list) {
		want := push.Sent
		switch {
		case i == 5, i == 6:
			want = push.ReasonInvalid
		case i%10 == 7:
			want = push.ReasonUnregistered
		}
		if o.Reason != want {
			t.Errorf("message %d: %+v, want %s", i, o, want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), fcmtest.Project, "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Send(t.Context(), []push.Message{message("token-secret")}); got[0].Reason != push.ReasonUnavailable { // nothing was sent: it can be bundled
		t.Errorf("%+v", got)
	}
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", t.TempDir()+"/none.json")
	if _, err := New(t.Context(), fcmtest.Project, ""); err == nil || !strings.Contains(err.Error(), "GOOGLE_APPLICATION_CREDENTIALS") {
		t.Errorf("%v, want an error that says what to set", err)
	}
}

// TestPlatforms: what each platform asks for is in the message.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	s, service := newSender(t)
	for _, platform := range []catalog.Platform{catalog.PlatformAndroid, catalog.PlatformIOS, catalog.PlatformWeb} {
		shown, nudge := message("token"), message("token")
		nudge.Title, nudge.Body, nudge.Link = "", "", ""
		for _, m := range []push.Message{shown, nudge} {
			m.Platform = platform
			if got := s.Send(t.Context(), []push.Message{m}); got[0].Reason != push.Sent {
				t.Fatalf("%+v", got)
			}
		}
	}
	var got []string
	for _, m := range service.Taken() {
		switch {
		case m.Android != nil:
			line := fmt.Sprint("android ", m.Android.Priority, " ", m.Android.CollapseKey, " ", m.Android.TTL)
			if m.Android.Notification != nil {
				line += " channel " + m.Android.Notification.ChannelID + " tag " + m.Android.Notification.Tag
			}
			got = append(got, line)
		case m.APNS != nil:
			h := m.APNS.Headers
			aps, _ := m.APNS.Payload["aps"].(map[string]any)
			got = append(got, fmt.Sprint("ios ", h["apns-push-type"], " ", h["apns-priority"], " ", h["apns-collapse-id"], " content-available ", aps["content-available"]))
		case m.Webpush != nil:
			line := fmt.Sprint("web ", m.Webpush.Headers["Urgency"], " ", m.Webpush.Headers["TTL"], " ", m.Webpush.Headers["Topic"])
			if m.Webpush.FCMOptions != nil {
				line += " " + m.Webpush.FCMOptions.Link
			}
			got = append(got, line)
		}
	}
	want := []string{
		"android high key 3600s channel course_changed tag key", "android normal key 3600s",
		"ios alert 10 key content-available <nil>", "ios background 5 key content-available 1",
		"web normal 3600 key https://learn.example.org/courses/x", "web low 3600 key",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "-5": 0, "soon": 0, "Sun, 01 Mar 2026 12:01:00 GMT": time.Minute, "Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(in, now); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
