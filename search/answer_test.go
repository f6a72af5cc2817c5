package search_test

import (
	"context"
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
)

// handmade is a catalog of a few courses that a person can read.
func handmade(t *testing.T) *search.Index {
	t.Helper()
	c := newCatalog(t)
	update(t, c, func(tx *catalog.Tx) error {
		for _, tag := range []catalog.Tag{
			{ID: "python", Label: map[catalog.Locale]string{"en": "Python"}},
			{ID: "cplusplus", Label: map[catalog.Locale]string{"en": "C++"}},
			{
				ID: "data-science", Label: map[catalog.Locale]string{"en": "Data science", "fr": "Science des données", "zh-Hans": "数据科学"},
				Synonyms: map[catalog.Locale][]string{"en": {"analytics"}},
			},
			{ID: "acme~secret-sauce", Label: map[catalog.Locale]string{"en": "Secret sauce"}},
		} {
			if _, err := tx.PutTag(tag, catalog.Cond{}); err != nil {
				return err
			}
		}
		for _, category := range []catalog.Category{
			{ID: "science", Label: map[catalog.Locale]string{"en": "Science"}},
			{ID: "computing", Label: map[catalog.Locale]string{"en": "Computing"}, Parent: "science"},
			{ID: "ai", Label: map[catalog.Locale]string{"en": "Artificial intelligence"}, Parent: "computing"},
		} {
			if _, err := tx.PutCategory(category, catalog.Cond{}); err != nil {
				return err
			}
		}
		for _, who := range []catalog.Instructor{{ID: "ada", Name: "Ada Lovelace"}, {ID: "acme~spy", Name: "James Spy"}} {
			if _, err := tx.PutInstructor(who, catalog.Cond{}); err != nil {
				return err
			}
		}
		for _, course := range []catalog.Course{
			{
				ID: "ml", Language: "en", Text: catalog.Text{Title: "Machine learning with <Python>", Summary: "Teach machines", Description: "Learning from data, the practical way."},
				Tags: []catalog.TagID{"python", "data-science"}, Category: "ai", Instructors: []catalog.InstructorID{"ada"}, Level: catalog.LevelBeginner, Provider: "Open University",
				Translations: map[catalog.Locale]catalog.Text{"fr": {Title: "L’apprentissage automatique avec Python"}, "zh-Hans": {Title: "机器学习入门"}},
			},
			{ID: "cpp", Language: "en", Text: catalog.Text{Title: "Modern C++", Description: "Systems programming without fear."}, Tags: []catalog.TagID{"cplusplus"}, Category: "computing", DurationMinutes: 60},
			{ID: "cafe", Language: "fr", Text: catalog.Text{Title: "Le café et la cuisine", Summary: "Recettes d’été"}, DurationMinutes: 30},
			{ID: "zh", Language: "zh-Hans", Text: catalog.Text{Title: "数据科学导论", Description: "学习如何分析数据。"}, Tags: []catalog.TagID{"data-science"}, Category: "science"},
			{ID: "acme~inner", Language: "en", Text: catalog.Text{Title: "Xylophone secrets"}, Tags: []catalog.TagID{"acme~secret-sauce"}, Instructors: []catalog.InstructorID{"acme~spy"}},
			{ID: "hidden", Language: "en", Text: catalog.Text{Title: "Unfinished xylophones"}, State: catalog.Draft},
			{ID: "old", Language: "en", Text: catalog.Text{Title: "Archived xylophone lessons"}, State: catalog.Archived},
		} {
			if _, err := tx.PutCourse(course, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	return x
}

func TestFinds(t *testing.T) {
	x := handmade(t)
	staff, acme := actors[5], actors[2]
	tests := []struct {
		name string
		req  search.Request
		want string // ids
	}{
		{"words in any order", search.Request{Q: "python machine"}, "ml"},
		{"stem", search.Request{Q: "machines"}, "ml"},
		{"French without accents", search.Request{Q: "CAFES"}, "cafe"},
		{"elision", search.Request{Q: "l'apprentissage"}, "ml"},
		{"Chinese word", search.Request{Q: "数据"}, "zh ml"},
		{"traditional Chinese", search.Request{Q: "數據科學"}, "zh ml"},
		{"one character", search.Request{Q: "导"}, "zh"},
		{"words in two languages", search.Request{Q: "apprentissage learning"}, "ml"},
		{"subject token", search.Request{Q: "c++"}, "cpp"},
		{"prefix", search.Request{Q: "prog"}, "cpp"},
		{"prefix only last", search.Request{Q: "prog fear"}, "cpp"},
		{"typo", search.Request{Q: "pyhton"}, "ml"},
		{"typos in two words", search.Request{Q: "machne laerning"}, "ml"},
		{"synonym of a tag", search.Request{Q: "analytics"}, "ml zh"},
		{"label above", search.Request{Q: "science computing"}, "ml cpp"},
		{"instructor", search.Request{Q: "lovelace"}, "ml"},
		{"provider", search.Request{Q: "university"}, "ml"},
		{"phrase", search.Request{Q: `"from data"`}, "ml"},
		{"phrase in another order", search.Request{Q: `"data from"`}, ""},
		{"Chinese phrase", search.Request{Q: `"科学导论"`}, "zh"},
		{"without", search.Request{Q: "data -python"}, "zh"},
		{"without alone", search.Request{Q: "-python -c++"}, "cafe zh"},
		{"without a phrase", search.Request{Q: `data -"from data"`}, "zh"},
		{"stop words alone", search.Request{Q: "the"}, "ml"},
		{"stop words besides", search.Request{Q: "the modern"}, "cpp"},
		{"relaxed", search.Request{Q: "modern jazz"}, "cpp"},
		{"any of five", search.Request{Q: "modern jazz dance for cats music"}, "cpp"},
		{"nothing", search.Request{Q: "qqqqqqqqqq"}, ""},
		{"field", search.Request{Q: "tag:C++"}, "cpp"},
		{"field and word", search.Request{Q: `instructor:"Ada Lovelace" machine`}, "ml"},
		{"not a field", search.Request{Q: "-language:en"}, "cafe zh"},
		{"tag by label", search.Request{Tags: []string{"C++"}}, "cpp"},
		{"two tags", search.Request{Tags: []string{"C++", "Python"}}, "cpp ml"},
		{"all tags", search.Request{AllTags: []string{"python", "data science"}}, "ml"},
		{"category with those below", search.Request{Categories: []string{"computing"}}, "cpp ml"},
		{"language by another name", search.Request{Languages: []string{"zh-CN"}}, "zh"},
		{"instructor by name", search.Request{Instructors: []string{"Ada Lovelace"}}, "ml"},
		{"instructor by id", search.Request{Instructors: []string{"ada"}}, "ml"},
		{"provider by slug", search.Request{Providers: []string{"open-university"}}, "ml"},
		{"level", search.Request{Levels: []string{"Beginner"}}, "ml"},
		{"duration", search.Request{MinDuration: new(60)}, "cpp"},
		{"unknown duration matches no bound", search.Request{MaxDuration: new(100000)}, "cafe cpp"},
		{"anonymous sees no organization", search.Request{Q: "xylophone"}, ""},
		{"nor its tags", search.Request{Tags: []string{"acme~secret-sauce"}}, ""},
		{"nor drafts", search.Request{Q: "xylophone", States: []string{"*"}}, ""},
		{"a member sees the organization's", search.Request{Q: "xylophone", Actor: acme}, "acme~inner"},
		{"staff see published ones", search.Request{Q: "xylophone", Actor: staff}, "acme~inner"},
		{"and all states when asked", search.Request{Q: "xylophone", Actor: staff, States: []string{"*"}}, "acme~inner hidden old"},
		{"or one", search.Request{Actor: staff, States: []string{"draft"}}, "hidden"},
		{"by title", search.Request{Sort: "title"}, "cafe ml cpp zh"},
		{"by title in Chinese", search.Request{Sort: "-title", Locale: catalog.Chinese, Languages: []string{"en", "zh"}}, "zh ml cpp"},
		{"shortest first, unknown last", search.Request{Sort: "duration"}, "cafe cpp ml zh"},
		{"longest first, unknown last", search.Request{Sort: "-duration"}, "cpp cafe ml zh"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(ids(find(t, x, tt.req)), " ")
			if tt.req.Sort == "" && !sameWords(got, tt.want) || tt.req.Sort != "" && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestExclusionIsOfOneSearch: searches share what their callers see, not what they exclude.
func TestExclusionIsOfOneSearch(t *testing.T) {
	t.Parallel()
	x := handmade(t)
	all := find(t, x, search.Request{Q: "-qqqqqqqqqq"}).Total
	for _, q := range []string{"-python", "-c++ -python", `data -"from data"`} {
		if n := find(t, x, search.Request{Q: q}).Total; n >= all {
			t.Errorf("%s finds %d of %d", q, n, all)
		}
		if n := find(t, x, search.Request{Q: "-qqqqqqqqqq", FacetLimit: len(q)}).Total; n != all {
			t.Errorf("after %s only %d of %d are there", q, n, all)
		}
	}
}

func sameWords(a, b string) bool {
	count := map[string]int{}
	for w := range strings.FieldsSeq(a) {
		count[w]++
	}
	for w := range strings.FieldsSeq(b) {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestCorrectedAndRelaxed(t *testing.T) {
	x := handmade(t)
	for _, tt := range []struct {
		q, corrected string
		relaxed      bool
	}{
		{"pyhton", "python", false},
		{"machne tag:python lerning", "machine tag:python learning", false},
		{"python", "", false},
		{"xylophne", "", false}, // what would be meant is not there for this caller
		{"python jazz", "", true},
		{"pyhton jazzzzz", "python jazzzzz", true},
		{"pyhton tag:cplusplus", "", false}, // corrected, it finds nothing
		{"数据科字", "", true},
	} {
		resp := find(t, x, search.Request{Q: tt.q})
		if resp.Corrected != tt.corrected || resp.Relaxed != tt.relaxed {
			t.Errorf("%q: corrected %q, relaxed %v, want %q, %v", tt.q, resp.Corrected, resp.Relaxed, tt.corrected, tt.relaxed)
		}
	}
}

func TestHighlights(t *testing.T) {
	x := handmade(t)
	for _, tt := range []struct {
		q    string
		l    catalog.Locale
		want map[string]string
	}{
		{"python", "en", map[string]string{"title": "Machine learning with &lt;<mark>Python</mark>&gt;"}},
		{"learn python", "en", map[string]string{
			"title": "Machine <mark>learning</mark> with &lt;<mark>Python</mark>&gt;", "description": "<mark>Learning</mark> from data, the practical way.",
		}},
		{"pyth", "fr", map[string]string{"title": "L’apprentissage automatique avec <mark>Python</mark>"}},
		{"机器学习", "zh-Hans", map[string]string{"title": "<mark>机器学习</mark>入门"}},
		{"lovelace", "en", map[string]string{}},
		{"tag:python", "en", map[string]string{}},
	} {
		resp := find(t, x, search.Request{Q: tt.q, Locale: tt.l, Tags: []string{"python"}})
		if len(resp.Hits) != 1 {
			t.Fatalf("%q: %d hits", tt.q, len(resp.Hits))
		}
		if diff := cmp.Diff(tt.want, resp.Hits[0].Highlights); diff != "" {
			t.Errorf("%q: %s", tt.q, diff)
		}
	}
}

// Selected values are always listed, a label is shown only to who may know it, and facet_q searches within a facet.
func TestFacetValues(t *testing.T) {
	x := handmade(t)
	for _, tt := range []struct {
		name  string
		req   search.Request
		facet string
		want  []search.FacetValue
	}{
		{"disjunctive", search.Request{Tags: []string{"python"}, Levels: []string{"beginner"}}, "tags", []search.FacetValue{
			{"data-science", "Data science", 1, false}, {"python", "Python", 1, true},
		}},
		{"labels in the caller's language", search.Request{Locale: "fr", Languages: []string{"zh"}}, "tags", []search.FacetValue{{"data-science", "Science des données", 1, false}}},
		{"selected beyond the limit", search.Request{FacetLimit: 1, Tags: []string{"python"}}, "tags", []search.FacetValue{
			{"data-science", "Data science", 2, false}, {"python", "Python", 1, true},
		}},
		{"selected without a course", search.Request{Q: "cuisine", Tags: []string{"python", "Basket weaving"}}, "tags", []search.FacetValue{
			{"Basket weaving", "", 0, true}, {"python", "Python", 0, true},
		}},
		{"what one may not know has no label", search.Request{Q: "cuisine", Tags: []string{"acme~secret-sauce"}}, "tags", []search.FacetValue{{"acme~secret-sauce", "", 0, true}}},
		{"nor an id", search.Request{Q: "cuisine", Instructors: []string{"James Spy"}}, "instructors", []search.FacetValue{{"James Spy", "", 0, true}}},
		{"categories count those below", search.Request{}, "category", []search.FacetValue{
			{"science", "Science", 3, false}, {"computing", "Computing", 2, false}, {"ai", "Artificial intelligence", 1, false},
		}},
		{"facet_q", search.Request{FacetQ: "tags:sci"}, "tags", []search.FacetValue{{"data-science", "Data science", 2, false}}},
		{"facet_q by value", search.Request{FacetQ: "tags:cplus", Facets: []string{"level"}}, "tags", []search.FacetValue{{"cplusplus", "C++", 1, false}}},
		{"facet_q in Chinese", search.Request{FacetQ: "tags:科学", Locale: "zh-Hans"}, "tags", []search.FacetValue{{"data-science", "数据科学", 2, false}}},
		{"duration", search.Request{MinDuration: new(60), MaxDuration: new(180)}, "duration", []search.FacetValue{{"0-60", "", 2, false}, {"60-180", "", 1, true}}},
		{"language", search.Request{}, "language", []search.FacetValue{{"en", "", 2, false}, {"fr", "", 1, false}, {"zh-Hans", "", 1, false}}},
		{"rating", search.Request{MinRating: new(4.5)}, "rating", []search.FacetValue{{"4.5", "", 0, true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.req.Facets == nil {
				tt.req.Facets = []string{"*"}
			}
			if diff := cmp.Diff(tt.want, find(t, x, tt.req).Facets[tt.facet]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The factors of an explanation add up to the score, and nothing in it depends on courses that the caller does not see.
func TestExplain(t *testing.T) {
	c, x := filled(t, small)
	o, err := searchtest.NewOracle(context.Background(), c, noon)
	if err != nil {
		t.Fatal(err)
	}
	random := newChooser(o, 3)
	explained := 0
	for range 60 {
		req := random.request()
		req.Explain, req.Sort = true, ""
		for _, h := range find(t, x, req).Hits {
			sum := 0.0
			for _, f := range h.Explain.Factors {
				sum += f.Value
			}
			if math.Abs(sum-h.Score) > 1e-6 || math.Abs(h.Explain.Score-h.Score) > 1e-6 {
				t.Fatalf("%q: the factors of %s add up to %v, the score is %v", req.Q, h.ID, sum, h.Score)
			}
			explained++
		}
	}
	if explained == 0 {
		t.Error("nothing was explained")
	}
	public := find(t, x, search.Request{Q: "erer", Explain: true})
	update(t, c, func(tx *catalog.Tx) error {
		for _, id := range []catalog.CourseID{"acme~more", "acme~yet-more"} {
			if _, err := tx.PutCourse(catalog.Course{ID: id, Language: "de", Text: catalog.Text{Title: public.Hits[0].Course.Title}}, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	catchUp(t, c, x)
	again := find(t, x, search.Request{Q: "erer", Explain: true})
	for i := range public.Hits {
		if diff := cmp.Diff(public.Hits[i].Explain, again.Hits[i].Explain); diff != "" {
			t.Errorf("hidden courses changed the score: %s", diff)
		}
	}
}

func TestSuggest(t *testing.T) {
	x := handmade(t)
	for _, tt := range []struct {
		prefix string
		actor  catalog.Actor
		l      catalog.Locale
		want   []search.Suggestion
	}{
		{"py", catalog.Actor{}, "en", []search.Suggestion{{"Python", "tag", "python"}, {"Machine learning with <Python>", "course", "ml"}}},
		{"PY", catalog.Actor{}, "fr", []search.Suggestion{{"Python", "tag", "python"}, {"L’apprentissage automatique avec Python", "course", "ml"}}},
		{"machine le", catalog.Actor{}, "en", []search.Suggestion{{"Machine learning with <Python>", "course", "ml"}}},
		{"ada", catalog.Actor{}, "en", []search.Suggestion{{"Ada Lovelace", "instructor", "ada"}}},
		{"cafe", catalog.Actor{}, "en", []search.Suggestion{{"Le café et la cuisine", "course", "cafe"}}},
		{"科学", catalog.Actor{}, "zh-Hans", []search.Suggestion{{"数据科学", "tag", "data-science"}, {"数据科学导论", "course", "zh"}}},
		{"secret", catalog.Actor{}, "en", []search.Suggestion{}},
		{"secret", actors[2], "en", []search.Suggestion{{"Secret sauce", "tag", "acme~secret-sauce"}, {"Xylophone secrets", "course", "acme~inner"}}},
		{"unfinished", actors[5], "en", []search.Suggestion{}},
		{" ", catalog.Actor{}, "en", []search.Suggestion{}},
	} {
		got, err := x.Suggest(context.Background(), tt.actor, tt.l, tt.prefix, 0)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%q as %q: %v %s", tt.prefix, tt.actor.Subject, err, diff)
		}
	}
}

func TestBadCursors(t *testing.T) {
	x := handmade(t)
	first := find(t, x, search.Request{Limit: 1})
	for _, req := range []search.Request{
		{Cursor: "x"},
		{Cursor: "eyJ2IjoxfQ"},
		{Cursor: "!!"},
		{Cursor: strings.Repeat("A", search.MaxCursorBytes+1)},
		{Cursor: *first.Next, Q: "python"},
		{Cursor: *first.Next, Sort: "title"},
		{Cursor: *first.Next, Tags: []string{"python"}},
	} {
		if _, err := x.Search(context.Background(), req); code(err) != fault.InvalidCursor {
			t.Errorf("%+v gave %v", req.Values(), err)
		}
	}
	second := find(t, x, search.Request{Limit: 2, Cursor: *first.Next, Facets: []string{"tags"}, Explain: true, Sort: "rating"})
	if len(second.Hits) != 2 || second.Total != first.Total {
		t.Errorf("the same search with another limit: %d hits, total %d", len(second.Hits), second.Total)
	}
}

// Whatever is typed, it is answered with hits or refused as invalid.
func TestHostileQueries(t *testing.T) {
	x := handmade(t)
	for _, q := range []string{
		strings.Repeat("a,", 256), strings.Repeat("python ", 60), strings.Repeat("*", 500), strings.Repeat("\"", 300), strings.Repeat("数", 512),
		strings.Repeat("-a ", 64), "\u202e\u0000\x01\x1f", "a\"b\"c\"d", strings.Repeat("word ", 20000), "tag: level: rating:>=", "rating:>=9", "\xff\xfe",
		strings.Repeat("\"le café\" ", 40), "(((((a OR b) AND c", "𝕡𝕪𝕥𝕙𝕠𝕟", strings.Repeat("é", 400),
	} {
		_, err := x.Search(context.Background(), search.Request{Q: q, Facets: []string{"*"}, Explain: true})
		if err != nil && fault.KindOf(err) != fault.KindInvalid {
			t.Errorf("%.40q gave %v", q, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("eyJ2IjoxfQ", "title")
	f.Add("eyJ2IjoxLCJoIjoiIiwibiI6OTIyMTEyMDIzNzA0MTA5MDU2MSwiaSI6IngifQ", "rating")
	c := newCatalog(f)
	x := openIndex(f, c, f.TempDir())
	catchUp(f, c, x)
	f.Fuzz(func(t *testing.T, cursor, sort string) {
		_, err := x.Search(context.Background(), search.Request{Cursor: cursor, Sort: sort})
		if k := fault.KindOf(err); err != nil && k != fault.KindInvalid {
			t.Errorf("%q gave %v", cursor, err)
		}
	})
}

func TestParseParams(t *testing.T) {
	for _, tt := range []struct {
		query, code, name string
	}{
		{"q=a+b&tag=x&tag=y&locale=fr&after=1", "", ""},
		{"facets=*&facet_limit=100&limit=1&explain=true&free=false", "", ""},
		{"min_rating=4.5&min_instructor_rating=0&min_duration=0&max_duration=10&sort=-title&state=*", "", ""},
		{"tags=x", "unknown-parameter", "tags"},
		{"limit=0", "invalid-parameter", "limit"},
		{"limit=101", "invalid-parameter", "limit"},
		{"limit=ten", "invalid-parameter", "limit"},
		{"facet_limit=101", "invalid-parameter", "facet_limit"},
		{"min_rating=NaN", "invalid-parameter", "min_rating"},
		{"min_rating=6", "invalid-parameter", "min_rating"},
		{"min_duration=-1", "invalid-parameter", "min_duration"},
		{"min_duration=5&max_duration=4", "invalid-parameter", "max_duration"},
		{"sort=best", "invalid-parameter", "sort"},
		{"facets=tags,colour", "invalid-parameter", "facets"},
		{"facet_q=tags", "invalid-parameter", "facet_q"},
		{"facet_q=colour:x", "invalid-parameter", "facet_q"},
		{"state=gone", "invalid-parameter", "state"},
		{"availability=soon", "invalid-parameter", "availability"},
		{"free=1", "invalid-parameter", "free"},
		{"q=a&q=b", "invalid-parameter", "q"},
		{"q=%ff", "invalid-parameter", "q"},
		{"tag=a%00b", "invalid-parameter", "tag"},
		{"tag=" + strings.Repeat("x", search.MaxValueBytes+1), "invalid-parameter", "tag"},
		{"tag=x" + strings.Repeat("&tag=x", 60), "", ""}, // one value
	} {
		v, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := search.ParseParams(v)
		if string(code(err)) != tt.code {
			t.Errorf("%s gave %v", tt.query, err)
			continue
		}
		if err != nil {
			continue
		}
		again, err := search.ParseParams(r.Values())
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("%s: parsed again: %v %s", tt.query, err, diff)
		}
	}
}

// Searches go on while changes are applied, each seeing one state: of a pair of courses that is always renamed together, both or neither.
func TestSearchWhileApplying(t *testing.T) {
	c, x := filled(t, searchtest.Options{Courses: 300, Seed: 9, Vocabulary: 200, Words: 10})
	background := context.Background() // a search under way is not cut short
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			for ctx.Err() == nil {
				resp, err := x.Search(background, search.Request{Q: "xenon", Facets: []string{"*"}})
				if err != nil {
					return err
				}
				if resp.Total%2 != 0 || len(resp.Hits) > resp.Total {
					t.Errorf("a search saw half of a change: %d", resp.Total)
				}
				if _, err := x.Suggest(background, catalog.Actor{}, catalog.English, "xe", 5); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for n := range 30 {
		update(t, c, func(tx *catalog.Tx) error {
			for _, id := range []catalog.CourseID{"pair-a", "pair-b"} {
				title := "Xenon"
				if n%3 == 2 {
					title = "Argon"
				}
				if _, err := tx.PutCourse(catalog.Course{ID: id, Language: "en", Text: catalog.Text{Title: title}}, catalog.Cond{}); err != nil {
					return err
				}
			}
			return nil
		})
		catchUp(t, c, x)
	}
	cancel()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// A stem that is a word of its own, with another stem, is not found by those that have the first.
func TestStemsOfStems(t *testing.T) {
	c := newCatalog(t)
	update(t, c, func(tx *catalog.Tx) error {
		for id, title := range map[catalog.CourseID]string{"far": "orne quavel", "near": "ornee quavel"} {
			if _, err := tx.PutCourse(catalog.Course{ID: id, Text: catalog.Text{Title: title}, Language: catalog.English}, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	if got := ids(find(t, x, search.Request{Q: "ornee ", Locale: catalog.English})); len(got) != 1 || got[0] != "near" {
		t.Errorf("found %v, want near alone", got)
	}
}
