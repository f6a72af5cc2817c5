package search_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
)

// asker draws random batches.
type asker struct {
	*chooser
	o      *searchtest.BatchOracle
	values map[string][]string
}

func (c *asker) batch() search.Batch {
	b := search.Batch{Actor: actors[c.IntN(len(actors))], Locale: []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}[c.IntN(3)], Q: c.query()}
	shared := c.filters(b)
	for range 1 + c.IntN(4) {
		a := search.Ask{Facets: search.Attributes(), FacetLimit: search.MaxFacetValues, Limit: c.IntN(60), Offset: c.IntN(3) * 40}
		a.Sort = []string{"", "rating", "-rating", "newest", "popular", "title", "-title", "duration"}[c.IntN(8)]
		for _, clause := range shared { // as siblings do: all filters but one or two
			if c.chance(70) {
				a.Filters = append(a.Filters, clause)
			}
		}
		b.Asks = append(b.Asks, a)
	}
	return b
}

func (c *asker) filters(b search.Batch) (list []search.Clause) {
	for range c.IntN(4) {
		var clause search.Clause
		for range 1 + c.IntN(3) {
			clause = append(clause, c.term(b))
		}
		list = append(list, clause)
	}
	return list
}

func (c *asker) term(b search.Batch) search.Term {
	attributes := search.Attributes()
	t := search.Term{Attribute: attributes[c.IntN(len(attributes))], Not: c.chance(20), Op: search.Is}
	if c.chance(30) {
		t.Attribute = []string{"price", "duration_minutes", "rating"}[c.IntN(3)]
	}
	if _, number := search.IsAttribute(t.Attribute); number && c.chance(80) {
		numbers := append(c.o.Numbers(t.Attribute), 3.5) // instructors are not rated here
		t.Low, t.High = numbers[c.IntN(len(numbers))], numbers[c.IntN(len(numbers))]
		t.Op = []search.Op{search.Equal, search.NotEqual, search.Less, search.LessEqual, search.Greater, search.GreaterEqual, search.Within}[c.IntN(7)]
		if t.Op == search.Within {
			t.Low, t.High = min(t.Low, t.High), max(t.Low, t.High)
		}
		return t
	}
	key := fmt.Sprint(t.Attribute, b.Actor.Subject, b.Locale)
	if _, known := c.values[key]; !known {
		c.values[key] = append(c.o.Values(b, t.Attribute), "no such value")
	}
	t.Value = c.values[key][c.IntN(len(c.values[key]))]
	return t
}

// TestBatchEqualsBruteForce: whatever several searches share, each finds and counts what it would alone.
func TestBatchEqualsBruteForce(t *testing.T) {
	c, x := filled(t, searchtest.Options{Courses: 500, Seed: 3, Vocabulary: 700, Words: 20, Tags: 40, Orgs: true, States: true})
	plain, err := searchtest.NewOracle(context.Background(), c, noon)
	if err != nil {
		t.Fatal(err)
	}
	o, err := searchtest.NewBatchOracle(context.Background(), c, plain)
	if err != nil {
		t.Fatal(err)
	}
	random := &asker{newChooser(plain, 11), o, map[string][]string{}}
	wrong, found := 0, 0
	for range soak(60) {
		b := random.batch()
		resp, err := x.SearchBatch(context.Background(), b)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range b.Asks {
			want, err := o.Ask(b, a)
			if err != nil {
				t.Fatal(err)
			}
			found += want.Total
			if diff := differences(want, resp.Answers[i], a); diff != "" {
				t.Errorf("%q as %s in %s, filters %v, sort %q: −want +got\n%s", b.Q, b.Actor.Subject, b.Locale, a.Filters, a.Sort, diff)
				if wrong++; wrong == 3 {
					t.Fatal("and so on")
				}
			}
		}
	}
	if found == 0 {
		t.Error("nothing was ever found: the test compares nothing")
	}
}

func differences(want searchtest.AskResult, got search.Answer, a search.Ask) string {
	diff := cmp.Diff(want.Total, got.Total)
	for _, name := range a.Facets {
		counts := map[string]int{}
		for _, v := range got.Facets[name].Values {
			counts[v.Value] = v.Count
		}
		if d := cmp.Diff(want.Counts[name], counts); d != "" {
			diff += name + ":\n" + d
		}
		var stats search.Stats
		if s := got.Facets[name].Stats; s != nil {
			stats = *s
		}
		exact := want.Stats[name]
		if math.Abs(exact.Sum-stats.Sum) < 1e-6*math.Max(1, math.Abs(exact.Sum)) {
			stats.Sum = exact.Sum // the order of adding differs
		}
		if d := cmp.Diff(exact, stats); d != "" {
			diff += name + ":\n" + d
		}
	}
	var order []catalog.CourseID
	for _, h := range got.Hits {
		order = append(order, h.Course.ID)
	}
	from := min(a.Offset, len(want.IDs))
	page := want.IDs[from:min(from+a.Limit, len(want.IDs))]
	if a.Sort == "" { // by relevance the oracle knows how many, and of which
		if len(page) != len(order) || slices.ContainsFunc(order, func(id catalog.CourseID) bool { return !slices.Contains(want.IDs, id) }) {
			return diff + "the hits are others"
		}
		return diff
	}
	if len(page)+len(order) > 0 {
		diff += cmp.Diff(page, order)
	}
	return diff
}

// TestBatchPagesAsSearchDoes: under relevance too, pages by number are those by cursor.
func TestBatchPagesAsSearchDoes(t *testing.T) {
	c, x := filled(t, searchtest.Options{Courses: 300, Seed: 4, Vocabulary: 200, Words: 10})
	o, err := searchtest.NewOracle(context.Background(), c, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range append(o.Words(10), "") {
		req := search.Request{Q: q, Limit: 7}
		for page := 0; ; page++ {
			resp := find(t, x, req)
			b, err := x.SearchBatch(context.Background(), search.Batch{Q: q, Asks: []search.Ask{{Limit: 7, Offset: 7 * page}}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, h := range b.Answers[0].Hits {
				got = append(got, string(h.Course.ID))
				if h.Score != resp.Hits[i].Score {
					t.Errorf("%q: %s has the score %v in a batch, %v alone", q, h.Course.ID, h.Score, resp.Hits[i].Score)
				}
			}
			if diff := cmp.Diff(ids(resp), got); diff != "" && len(got) > 0 {
				t.Fatalf("%q, page %d: −by cursor +by number\n%s", q, page, diff)
			}
			if resp.Next == nil {
				break
			}
			req.Cursor = *resp.Next
		}
	}
}

func TestFound(t *testing.T) {
	x := handmade(t)
	mark := func(parts []search.Part) string {
		var b strings.Builder
		for _, p := range parts {
			if p.Found {
				b.WriteString("[" + p.Text + "]")
			} else {
				b.WriteString(p.Text)
			}
		}
		return b.String()
	}
	tests := []struct {
		q, text string
		locale  catalog.Locale
		want    string
		words   []string
	}{
		{"machine python", "Machine learning with <Python> & friends", "en", "[Machine] learning with <[Python]> & friends", []string{"machine", "python"}},
		{"machines", "Machine learning", "en", "[Machine] learning", []string{"machines"}},
		{"pyhton", "Learn Python", "en", "Learn [Python]", []string{"pyhton"}},
		{"machine pyhton", "Learn Python", "en", "Learn [Python]", []string{"pyhton"}},
		{"prog", "Systems programming", "en", "Systems [programming]", []string{"prog"}},
		{"数据", "数据科学导论", "zh-Hans", "[数据]科学导论", []string{"数据"}},
		{`"from data"`, "Learning from data", "en", "Learning from [data]", []string{"data"}},
		{"", "Learn Python", "en", "Learn Python", nil},
	}
	for _, tt := range tests {
		resp, err := x.SearchBatch(context.Background(), search.Batch{Q: tt.q, Asks: []search.Ask{{}}})
		if err != nil {
			t.Fatal(err)
		}
		parts, words := resp.Found.In(tt.text, tt.locale, 0)
		if got := mark(parts); got != tt.want || !slices.Equal(words, tt.words) {
			t.Errorf("%q in %q: %s by %q, want %s by %q", tt.q, tt.text, got, words, tt.want, tt.words)
		}
	}
	for _, tt := range []struct{ value, typed, want string }{
		{"Data science", "sci", "Data [sci]ence"},
		{"École d’été", "ete", "École d’[été]"},
		{"C++", "c++", "[C++]"},
		{"数据科学", "科", "数据[科]学"},
		{"Data science", "cience", "Data science"},
		{"Data", "", "Data"},
		{"a<b", "b", "a<[b]"},
	} {
		if got := mark(search.BeginsIn(tt.value, tt.typed)); got != tt.want {
			t.Errorf("%q in %q: %s, want %s", tt.typed, tt.value, got, tt.want)
		}
	}
}

func TestBatchLimits(t *testing.T) {
	x := handmade(t)
	many := make(search.Clause, search.MaxTerms+1)
	for name, b := range map[string]search.Batch{
		"too many":  {Asks: make([]search.Ask, search.MaxAsks+1)},
		"too far":   {Asks: []search.Ask{{Offset: search.MaxReach, Limit: 1}}},
		"too large": {Asks: []search.Ask{{Limit: search.MaxLimit + 1}}},
		"terms":     {Asks: []search.Ask{{Filters: []search.Clause{many}}}},
		"sort":      {Asks: []search.Ask{{Sort: "luck"}}},
		"facets":    {Asks: []search.Ask{{FacetLimit: search.MaxFacetValues + 1}}},
		"long":      {Q: strings.Repeat("x", search.MaxQueryRunes+1)},
	} {
		if _, err := x.SearchBatch(context.Background(), b); code(err) != fault.InvalidParameter {
			t.Errorf("%s: %v", name, err)
		}
	}
}
