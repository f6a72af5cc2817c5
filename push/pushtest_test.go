package push

import (
	"testing"

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
		w.pass(24 * after)
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
