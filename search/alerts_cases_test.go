package search_test

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/searchtest"
)

// What a search finds depends on other courses when a word is nowhere as it stands, and when no course has all words. Each step changes one of those facts.
func TestAlertsDependOnOthers(t *testing.T) {
	t.Parallel()
	c, x := shelf(t, catalog.English, "Python basics", "Machine learning", "Sewing by hand", "Kernels of operating systems")
	s := newSavers(t, c, x)
	for id, q := range map[string]string{
		"typo": "pyhton", "stem": "keznel systems", "both": "machine sewing", "two": "machine pyhton", "start": "mahcine lear", "initials": "sjfx", "han": "深度机器人", "never": "flowrs", "begun": "opreat",
		"any": "pyhton knitting weaving cooking singing", "phrase": "\"by hand\" sewign", "without": "basisc -sewing",
	} {
		s.save("lea", id, url.Values{"q": {q}}.Encode())
	}
	s.save("lea", "synonym", "q=js")
	s.save("ann", "member", "q=pyhton")
	s.save("ann", "members-synonym", "q=kit")
	put := func(id, title string) func() {
		return func() {
			update(t, c, func(tx *catalog.Tx) error {
				_, err := tx.PutCourse(catalog.Course{ID: catalog.CourseID(id), Language: catalog.English, Text: catalog.Text{Title: title}}, catalog.Cond{})
				return err
			})
		}
	}
	remove := func(id string) func() {
		return func() {
			update(t, c, func(tx *catalog.Tx) error { return tx.DeleteCourse(catalog.CourseID(id), catalog.Cond{}) })
		}
	}
	curate := func(fn func(tx *catalog.Tx) (bool, error)) func() {
		return func() {
			update(t, c, func(tx *catalog.Tx) error {
				_, err := fn(tx)
				return err
			})
		}
	}
	synonym := func(id, from, to string) func() {
		return curate(func(tx *catalog.Tx) (bool, error) {
			return tx.PutSynonym(catalog.Synonym{ID: catalog.SynonymID(id), From: []string{from}, To: []string{to}}, catalog.Cond{})
		})
	}
	for _, step := range []struct {
		name string
		do   func()
		want string // of some of the searches, which courses
	}{
		{"at first", func() {}, "begun: d; typo: a; both: b c; stem: d; two: a b; start: b; initials: ; never: ; any: a; phrase: c; without: a; member: a"},
		{"one has the word as it stands", put("e", "Pyhton"), "typo: e; any: e; two: b e; member: e"},
		{"and changes it", put("e", "Python again"), "typo: a e; any: a e; two: a b e"},
		{"a member's has it", put("acme~f", "Pyhton"), "typo: a e; member: acme~f"},
		{"and is gone", remove("acme~f"), "typo: a e; member: a e"},
		{"one has both", put("g", "A sewing machine"), "both: g; two: a b e g"},
		{"and no more", put("g", "A machine"), "both: b c g"},
		{"one has all with a typo", put("h", "Machine for Python"), "two: h"},
		{"the typo is a word", put("q", "Pyhton"), "two: b g h q"},
		{"and is none again", remove("q"), "two: h"},
		{"it goes", remove("h"), "two: a b e g"},
		{"a new word that was meant", put("i", "Flowers"), "never: i"},
		{"its stem only", put("i", "Flower"), "never: i"},
		{"another word that may be meant", put("n", "Pyton"), "typo: a e n; member: a e n"},
		{"one that is no better", put("o", "Pythons and pytonn"), "typo: a e n o"},
		{"a word that begins so nearly", put("p", "Operations"), "begun: d p"},
		{"initials", put("j", "数据分析"), "initials: j"},
		{"a code that is the word", put("k", "SJFX"), "initials: k"},
		{"and goes", remove("k"), "initials: j"},
		{"a part of the run", put("l", "机器人学"), "han: l"},
		{"all of the run", put("m", "深度机器人"), "han: m"},
		{"and goes again", remove("m"), "han: l"},
		{"the stem is gone", put("d", "Something else"), "stem: ; begun: p"},
		{"a synonym", synonym("js", "js", "python"), "synonym: a e o"},
		{"one for members", synonym("acme~kit", "kit", "sewing"), "members-synonym: c; synonym: a e o"},
		{"another one instead", synonym("js", "js", "sewing"), "synonym: c"},
		{"a pin", curate(func(tx *catalog.Tx) (bool, error) {
			return tx.PutPin(catalog.Pin{ID: "p", Query: "JS", Pins: []catalog.CourseID{"d", "a"}}, catalog.Cond{})
		}), "synonym: a c d"},
		{"a pinned course goes", remove("a"), "synonym: c d"},
		{"the pin goes", curate(func(tx *catalog.Tx) (bool, error) { return true, tx.DeletePin("p", catalog.Cond{}) }), "synonym: c"},
		{"the member leaves", func() { s.join(catalog.Actor{Subject: "ann", Roles: keepers[2].Roles, IssuedAt: 2}) }, "members-synonym: "},
		{"another state", curate(func(tx *catalog.Tx) (bool, error) {
			return tx.PutCourse(catalog.Course{ID: "c", Language: catalog.English, State: catalog.Draft, Text: catalog.Text{Title: "Sewing by hand"}}, catalog.Cond{})
		}), "synonym: ; phrase: "},
	} {
		step.do()
		s.check(step.name)
		named := s.match(s.courses())
		for part := range strings.SplitSeq(step.want, "; ") {
			id, courses, _ := strings.Cut(part, ": ")
			who := "lea/"
			if strings.HasPrefix(id, "member") {
				who = "ann/"
			}
			if got := strings.Join(named[who+id], " "); got != strings.TrimSpace(courses) {
				t.Errorf("%s: %s is named for %q, want %q", step.name, id, got, courses)
			}
		}
	}
}

// TestAlertsSpeak: a saved search is run in its own language, else the one that the learner prefers, else that of the device seen last. What says the same again
// lets nothing be filed anew.
func TestAlertsSpeak(t *testing.T) {
	t.Parallel()
	c, tick := tickingCatalog(t)
	x := openIndex(t, c, t.TempDir())
	update(t, c, func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: "cheval", Language: catalog.French, Text: catalog.Text{Title: "Le cheval au galop"}}, catalog.Cond{})
		if err == nil {
			_, err = tx.PutSynonym(catalog.Synonym{ID: "z", Language: catalog.French, From: []string{"zorglub"}, To: []string{"cheval"}}, catalog.Cond{})
		}
		return err
	})
	s := newSavers(t, c, x)
	s.save("lea", "plain", "q=zorglub")
	s.save("lea", "french", "q=zorglub&locale=fr")
	s.save("lea", "chinese", "q=zorglub&locale=zh-Hans")
	for _, step := range []struct {
		name   string
		do     func()
		french bool
		anew   bool // the searches are filed anew
	}{
		{"at first", func() {}, false, true},
		{"a device in French", func() { s.register("lea", "phone", "fr-FR") }, true, true},
		{"it comes again", func() { s.register("lea", "phone", "fr-FR") }, true, false},
		{"in that of another country", func() { s.register("lea", "phone", "fr-CA") }, true, false},
		{"a newer one in German, which we do not speak", func() { s.register("lea", "tablet", "de") }, false, true},
		{"the older one comes again", func() { s.register("lea", "phone", "fr-CA") }, true, true},
		{"one that says nothing", func() { s.register("lea", "browser", "") }, true, false},
		{"another one's", func() { s.register("moe", "phone", "en") }, true, false},
		{"a preference", func() { s.prefer("lea", catalog.English) }, false, true},
		{"a device beside it", func() { s.register("lea", "phone", "fr-FR") }, false, false},
		{"the preference goes", func() { s.prefer("lea", "") }, true, true},
		{"the device goes", func() { s.unregister("lea", "phone") }, false, true},
		{"one whose people are answered in French", func() { s.register("lea", "tablet", "mg") }, true, true},
	} {
		tick()
		step.do()
		s.follow()
		anew, err := s.a.Asked(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 3}[step.anew]; anew != want {
			t.Errorf("%s: %d searches are filed anew, want %d", step.name, anew, want)
		}
		named := s.match(s.courses())
		if got := len(named["lea/plain"]) == 1; got != step.french || len(named["lea/french"]) != 1 || len(named["lea/chinese"]) != 0 {
			t.Errorf("%s: %v, want the plain one in French: %v", step.name, named, step.french)
		}
	}
}

// TestAlertsRisen: of a course whose ratings rose, those saved searches are named that find it and ask for more than the ratings were.
func TestAlertsRisen(t *testing.T) {
	t.Parallel()
	c, x := filled(t, searchtest.Options{Courses: 60, Seed: 8, Vocabulary: 100, Words: 12, Tags: 20})
	s := newSavers(t, c, x)
	for i, least := range []string{"0", "2.5", "3", "3.5", "3.75", "4", "4.5", "5"} {
		s.save("lea", fmt.Sprint("course", i), "min_rating="+least)
		s.save("lea", fmt.Sprint("both", i), "min_instructor_rating=3&min_rating="+least)
		s.save("moe", fmt.Sprint("instructor", i), "min_instructor_rating="+least)
		s.save("moe", fmt.Sprint("words", i), url.Values{"q": {"rating:>=" + least}}.Encode())
		s.save("moe", fmt.Sprint("not", i), url.Values{"q": {"-rating:>=" + least}}.Encode())
	}
	s.save("lea", "all", "sort=newest")
	s.follow()
	asks := func(key string) (least catalog.CardRatings) {
		values, _ := url.ParseQuery(s.queries[key])
		least.Course, _ = strconv.ParseFloat(values.Get("min_rating"), 64)
		least.Instructors, _ = strconv.ParseFloat(values.Get("min_instructor_rating"), 64)
		if text, ok := strings.CutPrefix(values.Get("q"), "rating:>="); ok {
			least.Course, _ = strconv.ParseFloat(text, 64)
		}
		return least
	}
	named := 0
	for i, id := range s.courses() {
		was := catalog.CardRatings{Course: float64(i%11) / 2, Instructors: float64(i%7) / 1.5}
		var want []string
		for key, list := range s.match([]catalog.CourseID{id}) {
			if least := asks(key); len(list) > 0 && (least.Course > was.Course || least.Instructors > was.Instructors) {
				want = append(want, key)
			}
		}
		var got []string
		for m, err := range s.a.MatchRisen(t.Context(), id, was) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(m.Learner)+"/"+string(m.Search))
		}
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s, which had %+v (-want +got):\n%s", id, was, d)
		}
		named += len(got)
	}
	if named == 0 {
		t.Error("nothing was found")
	}
	t.Logf("%d searches named", named)
}

// TestAlertsMatchesAreHandedOn: what is found for many courses is not gathered, and whoever takes it may call back. So searches that are deleted at the first
// match are named of the first course only.
func TestAlertsMatchesAreHandedOn(t *testing.T) {
	t.Parallel()
	const courses, searches = 50, 20
	c, x := filled(t, searchtest.Options{Courses: courses, Seed: 4, Vocabulary: 50, Words: 3})
	s := newSavers(t, c, x)
	for i := range searches {
		s.save("lea", fmt.Sprint("s", i), fmt.Sprint("limit=", i+1))
	}
	s.follow()
	count := func(first func()) (n int) {
		for _, err := range s.a.Match(t.Context(), s.courses()...) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 1 {
				first()
			}
		}
		return n
	}
	for _, err := range s.a.Match(t.Context(), s.courses()...) {
		if err != nil {
			t.Fatal(err)
		}
		break // and nothing is left locked
	}
	if n := count(func() {}); n != courses*searches {
		t.Errorf("%d pairs of %d courses and %d searches", n, courses, searches)
	}
	n := count(func() {
		update(t, c, func(tx *catalog.Tx) (err error) {
			for i := 0; err == nil && i < searches; i++ {
				err = tx.DeleteSavedSearch("lea", catalog.SavedSearchID(fmt.Sprint("s", i)), catalog.Cond{})
			}
			return err
		})
		s.follow()
	})
	if n > searches {
		t.Errorf("%d pairs were gathered, want those of one course: %d", n, searches)
	}
}
