package catalog

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// js is a synonym that is as it should be.
func js(id SynonymID) Synonym {
	return Synonym{ID: id, From: []string{"js"}, To: []string{"javascript"}}
}

func putSynonym(t *testing.T, c *Catalog, actor Actor, s Synonym) error {
	t.Helper()
	return do(t, c, actor, func(tx *Tx) error { return second(tx.PutSynonym(s, Cond{})) })
}

func putPin(t *testing.T, c *Catalog, actor Actor, p Pin) error {
	t.Helper()
	return do(t, c, actor, func(tx *Tx) error { return second(tx.PutPin(p, Cond{})) })
}

func TestSynonymsAreChecked(t *testing.T) {
	c := testCatalog(t)
	for name, test := range map[string]struct {
		change  func(s *Synonym)
		pointer string
		code    fault.Code
	}{
		"id":                 {func(s *Synonym) { s.ID = "a b" }, "/id", fault.BadID},
		"language":           {func(s *Synonym) { s.Language = "klingon-at-large" }, "/language", fault.BadLocale},
		"no from":            {func(s *Synonym) { s.From = nil }, "/from", fault.Required},
		"no to":              {func(s *Synonym) { s.To = []string{} }, "/to", fault.Required},
		"an empty term":      {func(s *Synonym) { s.To = []string{"a", "  "} }, "/to/1", fault.Required},
		"no letter":          {func(s *Synonym) { s.From = []string{"++"} }, "/from/0", fault.NoWord},
		"a control":          {func(s *Synonym) { s.From = []string{"a\tb"} }, "/from/0", fault.BadEncoding},
		"no UTF-8":           {func(s *Synonym) { s.From = []string{"a\xff"} }, "/from/0", fault.BadEncoding},
		"a long term":        {func(s *Synonym) { s.To = []string{strings.Repeat("机", maxTerm+1)} }, "/to/0", fault.TooLong},
		"many words":         {func(s *Synonym) { s.To = []string{"a b c d e f g h/i"} }, "/to/0", fault.TooManyWords},
		"many terms":         {func(s *Synonym) { s.From = numbered(maxTerms + 1) }, "/from", fault.TooMany},
		"twice on a side":    {func(s *Synonym) { s.To = []string{"Java", "java"} }, "/to/1", fault.Duplicate},
		"on both sides":      {func(s *Synonym) { s.To = []string{"x", "JS"} }, "/to/1", fault.Duplicate},
		"in full width":      {func(s *Synonym) { s.To = []string{"ｊｓ"} }, "/to/0", fault.Duplicate},
		"both, both ways":    {func(s *Synonym) { s.To, s.TwoWay = []string{"js"}, true }, "/to/0", fault.Duplicate},
		"the longest term":   {func(s *Synonym) { s.To = []string{strings.Repeat("机", maxTerm)} }, "", ""},
		"the most words":     {func(s *Synonym) { s.To = []string{"a b c d e f g h"} }, "", ""},
		"the most terms":     {func(s *Synonym) { s.From = numbered(maxTerms) }, "", ""},
		"marks part nothing": {func(s *Synonym) { s.To = []string{strings.Repeat("e\u0331", 9)} }, "", ""},
		"any id":             {func(s *Synonym) { s.ID = "acme~机器.Learning:1" }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := js("js")
			test.change(&s)
			err := putSynonym(t, c, System, s)
			if test.code == "" {
				wantCode(t, err, "")
				return
			}
			wantField(t, err, test.pointer, test.code)
		})
	}
}

// numbered makes n terms.
func numbered(n int) []string {
	terms := make([]string, n)
	for i := range terms {
		terms[i] = fmt.Sprint("term ", i)
	}
	return terms
}

// What is stored is in one form, so that the same again appends nothing.
func TestSynonymsAreStoredInOneForm(t *testing.T) {
	c := testCatalog(t)
	given := Synonym{ID: "ml", Language: "zh-CN", From: []string{"  machine   learning "}, To: []string{"机器学习", "Cafe\u0301"}, TwoWay: true}
	wantCode(t, putSynonym(t, c, System, given), "")
	got := look(t, c, func(v *View) (Stored[Synonym], error) { return v.SynonymFor(System, "ml") })
	want := Synonym{ID: "ml", Language: Chinese, From: []string{"machine learning"}, To: []string{"机器学习", "Caf\u00e9"}, TwoWay: true}
	if diff := cmp.Diff(want, got.Value); diff != "" {
		t.Error(diff)
	}
	before := head(t, c)
	for _, s := range []Synonym{given, want} {
		must(t, c, System, func(tx *Tx) error {
			changed, err := tx.PutSynonym(s, Cond{})
			if changed {
				t.Errorf("%+v changed something", s)
			}
			return err
		})
	}
	if now := head(t, c); now != before {
		t.Errorf("the same again moved the log from %d to %d", before, now)
	}
}

func TestPinsAreChecked(t *testing.T) {
	c := world(t)
	for name, test := range map[string]struct {
		change  func(p *Pin)
		pointer string
		code    fault.Code
	}{
		"id":                 {func(p *Pin) { p.ID = "acme~" }, "/id", fault.BadID},
		"language":           {func(p *Pin) { p.Language = "x" }, "/language", fault.BadLocale},
		"no query":           {func(p *Pin) { p.Query = " " }, "/query", fault.Required},
		"no words":           {func(p *Pin) { p.Query = "?!" }, "/query", fault.NoWord},
		"a long query":       {func(p *Pin) { p.Query = strings.Repeat("q", maxPinQuery+1) }, "/query", fault.TooLong},
		"nothing to do":      {func(p *Pin) { p.Pins = nil }, "/pins", fault.Required},
		"many pins":          {func(p *Pin) { p.Pins = make([]CourseID, maxPins+1) }, "/pins", fault.TooMany},
		"many boosts":        {func(p *Pin) { p.Boosts = manyBoosts(maxBoosts + 1) }, "/boosts", fault.TooMany},
		"pinned twice":       {func(p *Pin) { p.Pins = []CourseID{"pub", "arch", "pub"} }, "/pins/2", fault.Duplicate},
		"pinned, boosted":    {func(p *Pin) { p.Boosts = map[CourseID]float64{"pub": 1} }, "/boosts/pub", fault.Duplicate},
		"no boost":           {func(p *Pin) { p.Boosts = map[CourseID]float64{"arch": 0.004} }, "/boosts/arch", fault.BadValue},
		"a large boost":      {func(p *Pin) { p.Boosts = map[CourseID]float64{"arch": 10.01} }, "/boosts/arch", fault.BadValue},
		"a low boost":        {func(p *Pin) { p.Boosts = map[CourseID]float64{"arch": -11} }, "/boosts/arch", fault.BadValue},
		"not a number":       {func(p *Pin) { p.Boosts = map[CourseID]float64{"arch": math.NaN()} }, "/boosts/arch", fault.BadValue},
		"no such course":     {func(p *Pin) { p.Pins = []CourseID{"pub", "none"} }, "/pins/1", fault.UnknownRef},
		"no course to boost": {func(p *Pin) { p.Boosts = map[CourseID]float64{"acme~none": 1} }, "/boosts/acme~0none", fault.UnknownRef},
		"somebody else's":    {func(p *Pin) { p.Pins = []CourseID{"bolz~pub"} }, "/pins/0", fault.UnknownRef},
		"public of one":      {func(p *Pin) { p.ID, p.Pins = "p", []CourseID{"acme~pub"} }, "/pins/0", fault.UnknownRef},
		"all that is well": {func(p *Pin) {
			p.Query, p.Pins = strings.Repeat("机", maxPinQuery), []CourseID{"acme~draft", "arch"}
			p.Boosts = map[CourseID]float64{"pub": -10, "acme~pub": 10, "acme~arch": 0.005}
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := Pin{ID: "acme~p", Query: "python", Pins: []CourseID{"pub"}}
			test.change(&p)
			err := putPin(t, c, System, p)
			if test.code == "" {
				wantCode(t, err, "")
				return
			}
			wantField(t, err, test.pointer, test.code)
		})
	}
	// A draft of the public catalog is nothing that an organization's editor knows of.
	wantField(t, putPin(t, c, acmeEditor, Pin{ID: "acme~d", Query: "q", Pins: []CourseID{"draft"}}), "/pins/0", fault.UnknownRef)
	wantCode(t, putPin(t, c, acmeEditor, Pin{ID: "acme~d", Query: "q", Pins: []CourseID{"acme~draft"}}), "")
}

func manyBoosts(n int) map[CourseID]float64 {
	m := map[CourseID]float64{}
	for i := range n {
		m[CourseID(fmt.Sprint("c", i))] = 1
	}
	return m
}

// A pinned course can be deleted; the pin can still be written, and names nothing new that is gone.
func TestPinnedCoursesCanGo(t *testing.T) {
	c := testCatalog(t)
	puts(t, c, System, course("a", Published), course("b", Published), course("c", Published))
	pin := Pin{ID: "p", Query: "python", Pins: []CourseID{"a"}, Boosts: map[CourseID]float64{"b": 2}}
	wantCode(t, putPin(t, c, System, pin), "")
	for _, id := range []CourseID{"a", "b", "c"} {
		must(t, c, System, func(tx *Tx) error { return tx.DeleteCourse(id, Cond{}) })
	}
	before := head(t, c)
	wantCode(t, putPin(t, c, System, pin), "")
	if now := head(t, c); now != before {
		t.Errorf("the same again moved the log from %d to %d", before, now)
	}
	pin.Pins, pin.Boosts = []CourseID{"b", "a"}, nil
	wantCode(t, putPin(t, c, System, pin), "")
	pin.Pins = []CourseID{"b", "c"}
	wantField(t, putPin(t, c, System, pin), "/pins/1", fault.UnknownRef)
}

// A course that is deleted while it is being pinned: one of the two comes first, and the pin never names what was gone before it.
func TestPinningWatchesTheCourse(t *testing.T) {
	c := testCatalog(t)
	puts(t, c, System, course("a", Published))
	tries := 0
	err := do(t, c, System, func(tx *Tx) error {
		tries++
		_, err := tx.PutPin(Pin{ID: "p", Query: "q", Pins: []CourseID{"a"}}, Cond{})
		if tries == 1 {
			must(t, c, System, func(tx *Tx) error { return tx.DeleteCourse("a", Cond{}) })
		}
		return err
	})
	wantField(t, err, "/pins/0", fault.UnknownRef)
}

func TestCuratedLimit(t *testing.T) {
	c := testCatalog(t)
	fill := func(org OrgID) {
		must(t, c, System, func(tx *Tx) error {
			for i := range MaxCurated {
				if _, err := tx.PutSynonym(js(SynonymID(inOrg(org, fmt.Sprint("s", i)))), Cond{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	del := func(id SynonymID) error {
		return do(t, c, System, func(tx *Tx) error { return tx.DeleteSynonym(id, Cond{}) })
	}
	fill("acme")
	wantField(t, putSynonym(t, c, System, js("acme~more")), "/id", fault.TooMany)
	changed := js("acme~s0")
	changed.TwoWay = true
	wantCode(t, putSynonym(t, c, System, changed), "")         // no more than before
	wantCode(t, putSynonym(t, c, System, js("bolz~more")), "") // others have their own count
	wantCode(t, putSynonym(t, c, System, js("more")), "")
	puts(t, c, System, course("a", Published))
	wantCode(t, putPin(t, c, System, Pin{ID: "acme~p", Query: "q", Pins: []CourseID{"a"}}), "") // and pins theirs
	wantCode(t, del("acme~none"), fault.NotFound)
	wantField(t, putSynonym(t, c, System, js("acme~more")), "/id", fault.TooMany)
	wantCode(t, del("acme~s7"), "")
	wantCode(t, putSynonym(t, c, System, js("acme~more")), "")
	wantField(t, putSynonym(t, c, System, js("acme~s7")), "/id", fault.TooMany)
	must(t, c, System, func(tx *Tx) error { // made and taken back in one command
		if err := tx.DeleteSynonym("acme~s1", Cond{}); err != nil {
			return err
		}
		if _, err := tx.PutSynonym(js("acme~s1"), Cond{}); err != nil {
			return err
		}
		_, err := tx.PutSynonym(js("acme~s7"), Cond{})
		wantField(t, err, "/id", fault.TooMany)
		return nil
	})
}

// Two who make the last one that is allowed: the one who comes second counts again.
func TestCuratedLimitInARace(t *testing.T) {
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		for i := range MaxCurated - 1 {
			if _, err := tx.PutSynonym(js(SynonymID(fmt.Sprint("s", i))), Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	tries := 0
	err := do(t, c, System, func(tx *Tx) error {
		tries++
		_, err := tx.PutSynonym(js("mine"), Cond{})
		if tries == 1 {
			wantCode(t, putSynonym(t, c, System, js("theirs")), "")
		}
		return err
	})
	wantField(t, err, "/id", fault.TooMany)
}

func TestCuratedConditions(t *testing.T) {
	c := testCatalog(t)
	put := func(s Synonym, cond Cond) error {
		return do(t, c, System, func(tx *Tx) error { return second(tx.PutSynonym(s, cond)) })
	}
	wantCode(t, put(js("js"), Cond{MustExist: true}), fault.LostUpdate)
	wantCode(t, put(js("js"), Cond{MustNotExist: true}), "")
	wantCode(t, put(js("js"), Cond{MustNotExist: true}), fault.LostUpdate)
	version := look(t, c, func(v *View) (Stored[Synonym], error) { return v.SynonymFor(System, "js") }).Version
	changed := js("js")
	changed.TwoWay = true
	wantCode(t, put(changed, Cond{Version: version + 1}), fault.LostUpdate)
	wantCode(t, put(changed, Cond{Version: version}), "")
	wantCode(t, do(t, c, System, func(tx *Tx) error { return tx.DeleteSynonym("js", Cond{Version: version}) }), fault.LostUpdate)
	wantCode(t, do(t, c, System, func(tx *Tx) error { return tx.DeleteSynonym("js", Cond{MustExist: true}) }), "")
	wantCode(t, do(t, c, System, func(tx *Tx) error { return tx.DeleteSynonym("js", Cond{MustExist: true}) }), fault.LostUpdate)

	puts(t, c, System, course("a", Published))
	pin := Pin{ID: "p", Query: "q", Pins: []CourseID{"a"}}
	wantCode(t, do(t, c, System, func(tx *Tx) error { return second(tx.PutPin(pin, Cond{MustExist: true})) }), fault.LostUpdate)
	wantCode(t, do(t, c, System, func(tx *Tx) error { return second(tx.PutPin(pin, Cond{MustNotExist: true})) }), "")
	wantCode(t, do(t, c, System, func(tx *Tx) error { return tx.DeletePin("p", Cond{Version: 7}) }), fault.LostUpdate)
	wantCode(t, do(t, c, System, func(tx *Tx) error { return tx.DeletePin("p", Cond{}) }), "")
	wantCode(t, do(t, c, System, func(tx *Tx) error { return tx.DeletePin("p", Cond{}) }), fault.NotFound)
}

// curated has a synonym and a pin of the public catalog and of each organization.
func curated(t *testing.T) *Catalog {
	t.Helper()
	c := world(t)
	for _, org := range []OrgID{"", "acme", "bolz"} {
		wantCode(t, putSynonym(t, c, System, js(SynonymID(inOrg(org, "js")))), "")
		wantCode(t, putPin(t, c, System, Pin{ID: PinID(inOrg(org, "py")), Query: "py", Pins: []CourseID{"pub"}}), "")
	}
	return c
}

func TestWhoMayCurate(t *testing.T) {
	c := curated(t)
	for name, test := range map[string]func(tx *Tx, org OrgID) error{
		"create a synonym": func(tx *Tx, org OrgID) error {
			return second(tx.PutSynonym(js(SynonymID(inOrg(org, "new"))), Cond{}))
		},
		"replace a synonym": func(tx *Tx, org OrgID) error {
			return second(tx.PutSynonym(Synonym{ID: SynonymID(inOrg(org, "js")), From: []string{"a"}, To: []string{"b"}}, Cond{}))
		},
		"delete a synonym": func(tx *Tx, org OrgID) error { return tx.DeleteSynonym(SynonymID(inOrg(org, "js")), Cond{}) },
		"a synonym's condition": func(tx *Tx, org OrgID) error {
			return second(tx.PutSynonym(js(SynonymID(inOrg(org, "js"))), Cond{MustExist: true}))
		},
		"create a pin": func(tx *Tx, org OrgID) error {
			return second(tx.PutPin(Pin{ID: PinID(inOrg(org, "new")), Query: "q", Pins: []CourseID{"pub"}}, Cond{}))
		},
		"delete a pin": func(tx *Tx, org OrgID) error { return tx.DeletePin(PinID(inOrg(org, "py")), Cond{}) },
	} {
		t.Run(name, func(t *testing.T) {
			for who, actor := range cast {
				for i, org := range []OrgID{"", "acme", "bolz"} {
					err := c.DryRun(t.Context(), actor, func(tx *Tx) error { return test(tx, org) })
					if got := fault.CodeOf(err); got != editors[who][i] {
						t.Errorf("%s, organization %q: got %v, want %q", who, org, err, editors[who][i])
					}
				}
			}
		})
	}
	for who, actor := range cast { // the answer to who may not delete does not tell what is there
		for _, org := range []OrgID{"", "acme", "bolz"} {
			there := c.DryRun(t.Context(), actor, func(tx *Tx) error { return tx.DeletePin(PinID(inOrg(org, "py")), Cond{}) })
			none := c.DryRun(t.Context(), actor, func(tx *Tx) error { return tx.DeletePin(PinID(inOrg(org, "none")), Cond{}) })
			if there != nil && fault.CodeOf(there) != fault.CodeOf(none) {
				t.Errorf("%s, organization %q: %v, but %v of what is not there", who, org, there, none)
			}
		}
	}
}

func TestWhoSeesCuration(t *testing.T) {
	c := curated(t)
	readers := map[string][]string{
		"acmeEditor": {"acme~"}, "acmeAdmin": {"acme~"}, "bolzEditor": {"bolz~"},
		"staffEditor": {"acme~", "bolz~", ""}, "translator": {"acme~", "bolz~", ""}, "admin": {"acme~", "bolz~", ""},
	}
	for who, actor := range cast {
		sees, reads := readers[who]
		refusal := fault.Forbidden
		if actor.Anonymous() {
			refusal = fault.Unauthorized
		}
		if !reads {
			_, err := c.ListSynonyms(t.Context(), actor, Page{Limit: 1})
			wantCode(t, err, refusal)
			_, err = c.ListPins(t.Context(), actor, Page{Limit: 1})
			wantCode(t, err, refusal)
		} else {
			gotSynonyms := pages(t, 1, func(p Page) (List[Stored[Synonym]], error) { return c.ListSynonyms(t.Context(), actor, p) },
				func(s Stored[Synonym]) string { return strings.TrimSuffix(string(s.Value.ID), "js") })
			gotPins := pages(t, 2, func(p Page) (List[Stored[Pin]], error) { return c.ListPins(t.Context(), actor, p) },
				func(s Stored[Pin]) string { return strings.TrimSuffix(string(s.Value.ID), "py") })
			if diff := cmp.Diff(sees, gotSynonyms) + cmp.Diff(sees, gotPins); diff != "" {
				t.Errorf("%s lists: %s", who, diff)
			}
		}
		for _, prefix := range []string{"", "acme~", "bolz~"} {
			want := refusal
			if slices.Contains(sees, prefix) {
				want = ""
			} else if reads {
				want = fault.NotFound
			}
			err := c.View(t.Context(), func(v *View) error {
				_, errPin := v.PinFor(actor, PinID(prefix+"py"))
				_, errSynonym := v.SynonymFor(actor, SynonymID(prefix+"js"))
				wantCode(t, errPin, fault.CodeOf(errSynonym))
				return errSynonym
			})
			if got := fault.CodeOf(err); got != want {
				t.Errorf("%s, %q: got %v, want %q", who, prefix, err, want)
			}
		}
	}
	look(t, c, func(v *View) (int, error) {
		_, err := v.SynonymFor(System, "none")
		wantCode(t, err, fault.NotFound)
		return 0, nil
	})
}

// All of it stays in the channel of the staff: phones pull other channels.
func TestCurationStaysWithTheStaff(t *testing.T) {
	c := curated(t)
	found := 0
	for ch, err := range c.Log().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]coursesync.Kind{KindSynonym, KindPin}, ch.Kind) || strings.HasPrefix(ch.Key, settingCurated) {
			found++
			if ch.Channel != channelStaff {
				t.Errorf("%s %q is in channel %q", ch.Kind, ch.Key, ch.Channel)
			}
		}
	}
	if found != 12 { // three synonyms, three pins, six counts
		t.Errorf("%d entities, want 12", found)
	}
}
