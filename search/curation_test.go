package search_test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// shelf makes an index of courses with these titles; their ids are a, b, c …
func shelf(t *testing.T, l catalog.Locale, titles ...string) (*catalog.Catalog, *search.Index) {
	t.Helper()
	c := newCatalog(t)
	update(t, c, func(tx *catalog.Tx) error {
		for i, title := range titles {
			course := catalog.Course{ID: catalog.CourseID('a' + rune(i)), Language: l, Text: catalog.Text{Title: title}}
			if _, err := tx.PutCourse(course, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	return c, x
}

func TestSynonyms(t *testing.T) {
	c, x := shelf(t, catalog.English, "JavaScript basics", "Machine learning", "机器学习导论", "JS for designers", "Learning to sew by machine tools", "Secret JavaScript")
	put := func(s catalog.Synonym) {
		t.Helper()
		update(t, c, func(tx *catalog.Tx) error {
			_, err := tx.PutSynonym(s, catalog.Cond{})
			return err
		})
		catchUp(t, c, x)
	}
	check := func(q string, actor catalog.Actor, l catalog.Locale, want string) {
		t.Helper()
		if got := strings.Join(ids(find(t, x, search.Request{Q: q, Actor: actor, Locale: l})), " "); !sameWords(got, want) {
			t.Errorf("%q finds %q, want %q", q, got, want)
		}
	}
	check("js", catalog.Actor{}, "", "d")
	put(catalog.Synonym{ID: "js", From: []string{"js"}, To: []string{"javascript"}})
	check("js", catalog.Actor{}, "", "d a f")
	check("js designers", catalog.Actor{}, "", "d")
	check("javascript", catalog.Actor{}, "", "a f")
	put(catalog.Synonym{ID: "ml", From: []string{"机器学习"}, To: []string{"machine learning"}, TwoWay: true})
	check("machine learning", catalog.Actor{}, "", "b e c")
	check("机器学习", catalog.Actor{}, "", "c b e")
	check("機器學習", catalog.Actor{}, catalog.Chinese, "c b e")
	check("机器学习导论", catalog.Actor{}, "", "c")
	check("machines learning", catalog.Actor{}, "", "b e c")
	put(catalog.Synonym{ID: "acme~tools", From: []string{"kit"}, To: []string{"tools"}})
	check("kit", actors[2], "", "e")
	check("kit", catalog.Actor{}, "", "")
	put(catalog.Synonym{ID: "couture", Language: catalog.French, From: []string{"couture"}, To: []string{"sew"}})
	check("couture", catalog.Actor{}, catalog.French, "e")
	check("couture", catalog.Actor{}, catalog.English, "")
	update(t, c, func(tx *catalog.Tx) error { return tx.DeleteSynonym("js", catalog.Cond{}) })
	catchUp(t, c, x)
	check("js", catalog.Actor{}, "", "d")
}

func TestPins(t *testing.T) {
	c, x := shelf(t, catalog.English, "Python", "Python for data", "Knitting", "Snakes", "Python again", "Python last")
	put := func(p catalog.Pin) {
		t.Helper()
		update(t, c, func(tx *catalog.Tx) error {
			_, err := tx.PutPin(p, catalog.Cond{})
			return err
		})
		catchUp(t, c, x)
	}
	put(catalog.Pin{ID: "python", Query: "Python!", Pins: []catalog.CourseID{"d", "e"}, Boosts: map[catalog.CourseID]float64{"f": 5, "a": -5}})
	for _, tt := range []struct {
		name string
		req  search.Request
		want string
	}{
		{"pins first and in order, though one does not match, then boosts", search.Request{Q: "python"}, "d e f b a"},
		{"in any case", search.Request{Q: "PYTHON"}, "d e f b a"},
		{"another query", search.Request{Q: "python data"}, "b"},
		{"another order", search.Request{Q: "python", Sort: "title"}, "a e b f"},
		{"a filter holds for pins", search.Request{Q: "python", Languages: []string{"fr"}}, ""},
		{"page by page", search.Request{Q: "python", Limit: 2}, "d e"},
	} {
		resp := find(t, x, tt.req)
		if got := strings.Join(ids(resp), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	first := find(t, x, search.Request{Q: "python", Limit: 2, Facets: []string{"language"}})
	if first.Total != 5 || first.Facets["language"][0].Count != 5 {
		t.Errorf("total %d, facet %v: a pinned course counts", first.Total, first.Facets["language"])
	}
	next := find(t, x, search.Request{Q: "python", Limit: 2, Cursor: *first.Next})
	if got := strings.Join(ids(next), " "); got != "f b" {
		t.Errorf("the second page has %q", got)
	}
	update(t, c, func(tx *catalog.Tx) error { return tx.DeleteCourse("d", catalog.Cond{}) })
	catchUp(t, c, x)
	if got := strings.Join(ids(find(t, x, search.Request{Q: "python"})), " "); got != "e f b a" {
		t.Errorf("after the pinned course is gone: %q", got)
	}
}

// A pinned course of another organization, a draft or an archived course stays invisible.
func TestPinsTellNothing(t *testing.T) {
	c, x := shelf(t, catalog.English, "Python")
	update(t, c, func(tx *catalog.Tx) error {
		for _, course := range []catalog.Course{
			{ID: "draft", Language: "en", Text: catalog.Text{Title: "Draft"}, State: catalog.Draft},
			{ID: "gone", Language: "en", Text: catalog.Text{Title: "Gone"}, State: catalog.Archived},
		} {
			if _, err := tx.PutCourse(course, catalog.Cond{}); err != nil {
				return err
			}
		}
		_, err := tx.PutPin(catalog.Pin{ID: "p", Query: "python", Pins: []catalog.CourseID{"draft", "gone"}}, catalog.Cond{})
		return err
	})
	catchUp(t, c, x)
	if resp := find(t, x, search.Request{Q: "python"}); resp.Total != 1 {
		t.Errorf("%d courses found: %v", resp.Total, ids(resp))
	}
}

func TestAccentsFirst(t *testing.T) {
	_, x := shelf(t, catalog.French, "Le péché", "La pêche", "La pêche à la ligne et le péché", "PECHE EN MER", "Côte d’Azur", "Côté cour", "Cote de popularité", "Le coté")
	for _, tt := range []struct{ q, first, all string }{
		{"pêche", "b c", "a b c d"}, {"péché", "a c", "a b c d"}, {"peche", "", "a b c d"}, {"côté", "f", "e f g h"}, {"CÔTE", "e", "e f g h"},
	} {
		got := ids(find(t, x, search.Request{Q: tt.q, Locale: catalog.French}))
		first := strings.Fields(tt.first)
		if !sameWords(strings.Join(got, " "), tt.all) || !sameWords(strings.Join(got[:len(first)], " "), tt.first) {
			t.Errorf("%q: %v, want first %q", tt.q, got, tt.first)
		}
	}
}

func TestPinyin(t *testing.T) {
	_, x := shelf(t, catalog.Chinese, "数据分析", "数学", "shuju 工具", "树剧", "音乐欣赏", "女性健康", "我们的宇宙")
	for _, tt := range []struct{ q, want string }{
		{"shuju", "c a d"},
		{"shujufenxi", "a"},
		{"shujufen", "a"},
		{"sjfx", "a"},
		{"SJFX", "a"},
		{"yinyue", "e"},
		{"yinle", "e"},
		{"nvxing", "f"},
		{"nuxing", "f"},
		{"shu", ""},
		{"shuxue", "b"},
		{"women", "g"},
		{"jfxs", ""},
	} {
		got := ids(find(t, x, search.Request{Q: tt.q, Locale: catalog.Chinese}))
		if tt.q == "shu" { // one syllable is no word; it begins another one
			if !slices.Equal(got, []string{"c"}) {
				t.Errorf("shu finds %v", got)
			}
			continue
		}
		if !sameWords(strings.Join(got, " "), tt.want) || len(got) > 0 && got[0] != tt.want[:1] {
			t.Errorf("%q finds %v, want %q", tt.q, got, tt.want)
		}
	}
	h := find(t, x, search.Request{Q: "shujufenxi", Locale: catalog.Chinese}).Hits[0]
	if want := "<mark>数据分析</mark>"; h.Highlights["title"] != want {
		t.Errorf("highlighted as %q, want %q", h.Highlights["title"], want)
	}
}

// A course that matches better stands above one that matches worse, whatever else speaks for that one.
func TestTiersDecide(t *testing.T) {
	c, x := shelf(t, catalog.English, "Java in the description of nothing", "JavaScript JavaScript JavaScript", "Javanese Java Jaba")
	update(t, c, func(tx *catalog.Tx) error {
		enrollments := 1_000_000
		_, err := tx.PutStatsBase("b", catalog.StatsBase{Enrollments: &enrollments, Rating: &catalog.Sum{Sum: 5000, N: 1000}})
		return err
	})
	if err := c.FlushStats(context.Background()); err != nil {
		t.Fatal(err)
	}
	catchUp(t, c, x)
	resp := find(t, x, search.Request{Q: "java", Explain: true})
	if got := ids(resp); got[2] != "b" {
		t.Errorf("%v: what only begins so must come last", got)
	}
	if math.Abs(resp.Hits[0].Explain.Score-resp.Hits[0].Score) > 1e-6 {
		t.Error("the explanation is of another score")
	}
}

// The response names a better query when that finds clearly more for this caller, and only then.
func TestCorrectedFindsMore(t *testing.T) {
	titles := []string{"Pyhton by an author in a hurry"}
	for range 22 {
		titles = append(titles, "Python")
	}
	_, x := shelf(t, catalog.English, titles...)
	for _, tt := range []struct {
		req  search.Request
		want string
	}{
		{search.Request{Q: "pyhton"}, "python"},
		{search.Request{Q: "pyhton author"}, ""},
		{search.Request{Q: "python"}, ""},
		{search.Request{Q: "pyhton", Languages: []string{"fr"}}, ""},
		{search.Request{Q: "pythom"}, "python"},
		{search.Request{Q: "pythom", Languages: []string{"fr"}}, ""},
	} {
		if got := find(t, x, tt.req).Corrected; got != tt.want {
			t.Errorf("%+v: corrected %q, want %q", tt.req.Values(), got, tt.want)
		}
	}
}

// pastQueries are completions for a test.
type pastQueries []string

func (p pastQueries) Completions(_ catalog.OrgID, _ catalog.Locale, prefix string, n int) []string {
	var list []string
	for _, q := range p {
		if strings.HasPrefix(q, prefix) && len(list) < n {
			list = append(list, q)
		}
	}
	return list
}

// Suggestions hold past queries that find something for this caller, forgive typos, and read pinyin.
func TestSuggestMore(t *testing.T) {
	c, _ := shelf(t, catalog.English, "Python for data", "Knitting", "数据分析")
	update(t, c, func(tx *catalog.Tx) error {
		if _, err := tx.PutTag(catalog.Tag{ID: "robots", Label: map[catalog.Locale]string{"zh-Hans": "机器人"}}, catalog.Cond{}); err != nil {
			return err
		}
		if _, err := tx.PutInstructor(catalog.Instructor{ID: "shen", Name: "沈若溪"}, catalog.Cond{}); err != nil {
			return err
		}
		_, err := tx.PutCourse(catalog.Course{
			ID: "r", Language: "fr", Text: catalog.Text{Title: "Automates"}, Tags: []catalog.TagID{"robots"}, Instructors: []catalog.InstructorID{"shen"},
		}, catalog.Cond{})
		return err
	})
	x, err := search.Open(search.Config{Dir: filepath.Join(t.TempDir(), "i"), Catalog: c, Now: clock, Past: pastQueries{"python secrets", "python data"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	catchUp(t, c, x)
	for _, tt := range []struct {
		prefix string
		want   []search.Suggestion
	}{
		{"pyth", []search.Suggestion{{Text: "python data", Kind: search.SuggestQuery}, {Text: "Python for data", Kind: search.SuggestCourse, ID: "a"}}},
		{"pyhton", []search.Suggestion{{Text: "Python for data", Kind: search.SuggestCourse, ID: "a"}}},
		{"knittn", []search.Suggestion{{Text: "Knitting", Kind: search.SuggestCourse, ID: "b"}}},
		{"shuju", []search.Suggestion{{Text: "数据分析", Kind: search.SuggestCourse, ID: "c"}}},
		{"jiqi", []search.Suggestion{{Text: "机器人", Kind: search.SuggestTag, ID: "robots"}}},
		{"shen ruo", []search.Suggestion{{Text: "沈若溪", Kind: search.SuggestInstructor, ID: "shen"}}},
		{"qqqqqq", []search.Suggestion{}},
	} {
		got, err := x.Suggest(context.Background(), catalog.Actor{}, catalog.English, tt.prefix, 0)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v %v, want %v", tt.prefix, got, err, tt.want)
		}
	}
}
