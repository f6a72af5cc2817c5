package push

import (
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// TestSearchMatchDefaults: of a saved search a learner hears as they prefer, else as their organization does, else everyone; and what the search itself
// says can only make that later, or silence it.
func TestSearchMatchDefaults(t *testing.T) {
	t.Parallel()
	const instant, daily, off = catalog.NotifyInstant, catalog.NotifyDaily, catalog.NotifyOff
	for _, tc := range []struct{ search, learner, org, all, want catalog.Notify }{
		{instant, "", "", "", instant},
		{instant, "", "", daily, daily},
		{instant, "", daily, off, daily},
		{instant, "", instant, daily, instant},
		{instant, instant, off, off, instant},
		{instant, off, instant, instant, off},
		{daily, "", instant, "", daily},
		{daily, instant, off, off, daily},
		{daily, "", off, "", off},
		{off, instant, instant, instant, off},
	} {
		w := newWorld(t)
		lea := catalog.Actor{Subject: "lea", Org: "acme", IssuedAt: 5}
		w.as(lea, func(tx *catalog.Tx) error { return tx.RecordMembership() })
		w.as(lea, func(tx *catalog.Tx) error {
			return tx.PutPreferences("lea", catalog.Preferences{SearchMatch: tc.learner})
		})
		w.device("lea")
		w.search("lea", "go", tc.search)
		w.do(func(tx *catalog.Tx) error {
			if err := tx.PutPushDefaults("acme", catalog.PushDefaults{SearchMatch: tc.org}); err != nil {
				return err
			}
			return tx.PutPushDefaults("", catalog.PushDefaults{SearchMatch: tc.all})
		})
		w.turn()
		w.course("go", "Go")
		w.pass(after)
		soon := len(w.phone.shown())
		w.pass(24 * time.Hour)
		got := off
		if later := len(w.phone.shown()); soon == 1 && later == 0 {
			got = instant
		} else if soon == 0 && later == 1 {
			got = daily
		} else if soon+later > 0 {
			t.Errorf("%+v: %d messages at once and %d later", tc, soon, later)
		}
		if got != tc.want {
			t.Errorf("%+v: heard of it %q", tc, got)
		}
	}
}

// TestTestLanguage: a test message is in the language of its device, else in the one that the learner prefers.
func TestTestLanguage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		device, prefers catalog.Locale
		want            string
	}{
		{"", "", "This is a test"},
		{"", catalog.French, "Ceci est un essai"},
		{"zh-CN", catalog.French, "这是一条测试消息"},
	} {
		w := newWorld(t)
		w.device("lea", func(d *catalog.Device) { d.Locale = tc.device })
		w.do(func(tx *catalog.Tx) error { return tx.PutPreferences("lea", catalog.Preferences{Locale: tc.prefers}) })
		if o, err := w.Test(t.Context(), "lea", "phone"); err != nil || o.Reason != Sent {
			t.Errorf("%+v: %+v, %v", tc, o, err)
		}
		if got := w.phone.shown(); len(got) != 1 || got[0].Title != tc.want {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

// TestTestOfGone: a device that the service does not know is removed when it says so of a test, with what waits for it; other failures remove nothing.
func TestTestOfGone(t *testing.T) {
	t.Parallel()
	for _, why := range []Reason{ReasonUnregistered, ReasonMismatch, ReasonInvalid, ReasonUnavailable} {
		gone := why == ReasonUnregistered || why == ReasonMismatch
		w := waiting(t, 2)
		w.phone.outcome = failing(why)
		if o, err := w.Test(t.Context(), "l0", "phone"); err != nil || o.Reason != why {
			t.Errorf("%+v, %v, want %s", o, err, why)
		}
		_ = w.catalog.View(t.Context(), func(v *catalog.View) error {
			for who, want := range map[catalog.LearnerID]bool{"l0": !gone, "l1": true} {
				if _, got, err := v.MyDevice(who, "phone"); err != nil || got != want {
					t.Errorf("%s: the device of %s is there: %v, %v", why, who, got, err)
				}
			}
			return nil
		})
		w.phone.outcome = nil
		w.pass(after)
		sent := map[string]int{}
		for _, m := range w.phone.shown() {
			sent[m.Token]++
		}
		if got := sent["token-l0"] == 0; got != gone || sent["token-l1"] != 1 {
			t.Errorf("%s: what waited was sent %v", why, sent)
		}
		w.sound()
	}
}
