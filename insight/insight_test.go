package insight

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

func TestMain(m *testing.M) {
	child() // a process that is to be killed; see crash_test.go
	goleak.VerifyTestMain(m)
}

func TestReport(t *testing.T) {
	w := newWorld(t)
	w.clock.add(-aDay)
	w.search("Python", "ann")
	w.search("nonsuch", "ann", nothing)
	w.clock.add(aDay)
	id := w.search("python", "bob", func(s *Search) { s.Corrected = true })
	w.search("python", "ann", nothing, filtered)
	w.search("go", "cy", func(s *Search) { s.Relaxed = true })
	w.search("", "cy")           // the page as one enters it
	w.search("", "cy", filtered) // filters alone
	for range 2 {                // the second time is none
		w.event(id, Click, "B", 2)
		w.event(id, Enroll, "B", 0)
	}
	got := w.report(func(sc *Scope) { sc.Days = 2 })
	want := &Report{
		Days: []Day{{"2026-03-09", 2, 1, 0, 0}, {"2026-03-10", 4, 1, 1, 1}},
		Top: []Query{
			{Query: "Python", Count: 3, Clicks: 1, Enrolls: 1, CTR: .3333, Position: new(2.0)},
			{Query: "go", Count: 1},
			{Query: "nonsuch", Count: 1, NoResults: 1},
		},
		NoResults: []Miss{{"nonsuch", 1, "2026-03-09"}},
		Totals:    Totals{Searches: 6, NoResults: 2, Relaxed: 1, Corrected: 1, Clicks: 1, Enrolls: 1, CTR: new(.1667), Position: new(2.0), Reciprocal: new(.5)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-) and got (+) differ:\n%s", diff)
	}
	if n := w.report(func(sc *Scope) { sc.Locale = catalog.French }).Totals.Searches; n != 0 {
		t.Errorf("%d searches in French, want none", n)
	}
}

func (w *world) event(id string, kind EventType, course catalog.CourseID, position int) {
	w.t.Helper()
	if err := w.Event(Event{QueryID: id, Type: kind, Course: course, Position: position}); err != nil {
		w.t.Error(err)
	}
}

func TestMissEndsWhenItFinds(t *testing.T) {
	w := newWorld(t)
	w.search("k8s", "ann", nothing)
	if got := w.report().NoResults; len(got) != 1 {
		t.Fatalf("without results: %v, want k8s", got)
	}
	w.clock.add(aDay)
	w.search("k8s", "ann", nothing, filtered) // a filter may be why: it says nothing
	if got := w.report().NoResults; len(got) != 1 || got[0].Last != "2026-03-10" {
		t.Errorf("without results: %v, want k8s on the first day", got)
	}
	w.search("k8s", "bob") // it was given a synonym
	if got := w.report().NoResults; len(got) != 0 {
		t.Errorf("without results: %v, want none", got)
	}
}

func TestEventsThatDoNotCount(t *testing.T) {
	w := newWorld(t)
	id := w.search("go", "ann")
	second := w.search("go", "ann", func(s *Search) { s.First = false })
	w.event("unknownid", Click, "A", 1)
	w.event(id, Click, "Z", 1)
	w.event(second, Click, "B", 1) // B was the second even of this later page
	if err := w.Event(Event{QueryID: id, Type: Click, Course: "A", Position: 1, Actor: catalog.Actor{Subject: "x", Org: "acme"}}); err != nil {
		t.Error(err)
	}
	w.clock.add(recentTTL + time.Second)
	w.event(id, Click, "A", 1)
	if got := w.Stats().Unmatched; got != 5 {
		t.Errorf("%d unmatched, want 5", got)
	}
	if got := w.report().Totals; got.Clicks != 0 || got.Searches != 1 {
		t.Errorf("totals %+v, want one search and no click", got)
	}
}

func TestClicksOnLaterPages(t *testing.T) {
	w := newWorld(t)
	w.search("go", "ann")
	w.event(w.search("go", "ann", func(s *Search) { s.First = false }), Click, "B", 22)
	if got := w.report(); got.Totals.Searches != 1 || *got.Top[0].Position != 22 {
		t.Errorf("got %+v, want one search with a click at 22", got)
	}
}

func TestMalformedEvents(t *testing.T) {
	w := newWorld(t)
	good := Event{QueryID: "query000001", Type: Click, Course: "A", Position: 1}
	for _, c := range []struct {
		pointer string
		change  func(*Event)
	}{
		{"/query_id", func(e *Event) { e.QueryID = "" }},
		{"/query_id", func(e *Event) { e.QueryID = "../../etc" }},
		{"/type", func(e *Event) { e.Type = "buy" }},
		{"/id", func(e *Event) { e.Course = "" }},
		{"/position", func(e *Event) { e.Position = 0 }},
		{"/position", func(e *Event) { e.Position = maxPosition + 1 }},
		{"/position", func(e *Event) { e.Type, e.Position = Enroll, -1 }},
	} {
		e := good
		c.change(&e)
		known, ok := errors.AsType[*fault.Error](w.Event(e))
		if !ok || known.Code != fault.InvalidFields || len(known.Fields) != 1 || known.Fields[0].Pointer != c.pointer {
			t.Errorf("%+v: %v, want a fault at %s", e, known, c.pointer)
		}
	}
}

// TestTypingIsOneSearch counts what is typed letter by letter once, and what is asked in one's own time each time.
func TestTypingIsOneSearch(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"p", "py", "pyt", "pyth", "pytho", "python"} {
		w.search(text, "ann")
		w.search(text+" x", "bob") // two at once do not disturb each other
		w.write(false)
		w.clock.add(settleFor / 4)
	}
	w.clock.add(settleFor)
	w.write(false)
	w.search("python 3", "ann") // later, and so another search
	w.search("python 3", "ann") // the same again is one of its own
	got := map[string]int{}
	for _, q := range w.report().Top {
		got[q.Query] = q.Count
	}
	want := map[string]int{"python": 1, "python 3": 2, "p x": 1, "py x": 1, "pyt x": 1, "pyth x": 1, "pytho x": 1, "python x": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-) and got (+) differ:\n%s", diff)
	}
	if n := w.Stats().Merged; n != 5 {
		t.Errorf("%d merged, want 5", n)
	}
}

func TestRestartKeepsCounts(t *testing.T) {
	w := newWorld(t)
	w.five("machine learning")
	w.search("nonsuch", "ann", nothing)
	w.search("données", "ann", in("acme"), func(s *Search) { s.Key = "donnees" })
	before := w.report()
	w.reopen()
	if diff := cmp.Diff(before, w.report()); diff != "" {
		t.Errorf("before (-) and after (+) the restart differ:\n%s", diff)
	}
	if got := w.completions("learn"); len(got) != 1 || got[0] != "machine learning" {
		t.Errorf("completions after the restart: %v", got)
	}
	orgs, err := w.Orgs()
	if diff := cmp.Diff([]catalog.OrgID{"", "acme"}, orgs); err != nil || diff != "" {
		t.Errorf("organizations: %v\n%s", err, diff)
	}
}

// TestOrganizationsApart: what one asks, no other sees, and the public neither.
func TestOrganizationsApart(t *testing.T) {
	w := newWorld(t)
	w.five("merger plan", in("acme"))
	w.five("open secret")
	w.search("merger plan", "x", in("acmee"), nothing)
	for org, want := range map[catalog.OrgID]string{"acme": "merger plan", "": "open secret", "acm": "", "acmee": "merger plan"} {
		r := w.report(func(sc *Scope) { sc.Org = org })
		got := ""
		for _, q := range r.Top {
			got += q.Query
		}
		if got != want {
			t.Errorf("%q: top queries %q, want %q", org, got, want)
		}
	}
	if got := w.Completions("acmee", catalog.English, "merger", 5); len(got) != 0 {
		t.Errorf("another organization is told %v", got)
	}
	if got := w.completions("merger"); len(got) != 0 {
		t.Errorf("the public is told %v", got)
	}
	if got := w.Completions("acme", catalog.English, "plan", 5); len(got) != 1 {
		t.Errorf("acme is told %v, want its own query", got)
	}
}

func TestClockThatJumps(t *testing.T) {
	w := newWorld(t)
	w.search("today", "ann")
	w.Flush()
	w.clock.add(-40 * aDay)
	w.search("before", "ann")
	w.write(false)
	w.clock.add(40 * aDay)
	w.search("again", "bob")
	w.write(false)
	var got []string
	for _, q := range w.report().Top {
		got = append(got, q.Query)
	}
	if diff := cmp.Diff([]string{"again", "before"}, got); diff != "" { // a day 40 days ahead was no day
		t.Errorf("want (-) and got (+) differ:\n%s", diff)
	}
}

func TestOldDaysGo(t *testing.T) {
	w := newWorld(t)
	w.search("old", "ann")
	w.five("old too", in("acme"))
	w.Flush()
	w.clock.add((KeepDays - 1) * aDay)
	w.write(false)
	if n := w.report().Totals.Searches; n != 1 {
		t.Errorf("%d searches on the last day that is kept, want 1", n)
	}
	w.clock.add(aDay)
	w.write(false)
	if n := w.rows(); n != 0 {
		t.Errorf("%d queries are kept after %d days", n, KeepDays)
	}
	if got := w.Completions("acme", catalog.English, "old", 5); len(got) != 0 {
		t.Errorf("old queries are suggested: %v", got)
	}
	if orgs, err := w.Orgs(); err != nil || len(orgs) != 0 {
		t.Errorf("organizations %v, %v, want none", orgs, err)
	}
}

func TestReportBounds(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		for range i%3 + 1 {
			w.search(fmt.Sprintf("query %02d", i), "ann")
		}
	}
	got := w.report(func(sc *Scope) { sc.Listed, sc.Days = 4, 1000 })
	if len(got.Top) != 4 || got.Top[0].Query != "query 02" || got.Top[3].Query != "query 11" || len(got.Days) != KeepDays {
		t.Errorf("%d days, top %+v", len(got.Days), got.Top)
	}
}
