package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

// instantCatalog fills a server with courses that differ in all that widgets refine by.
func instantCatalog(t *testing.T, s *server) {
	t.Helper()
	_, err := s.catalog.Update(t.Context(), catalog.System, func(tx *catalog.Tx) error {
		for _, c := range []catalog.Category{
			{ID: "cs", Label: map[catalog.Locale]string{"en": "Computer science", "fr": "Informatique"}},
			{ID: "ai", Parent: "cs", Label: map[catalog.Locale]string{"en": "AI", "fr": "IA"}},
			{ID: "web", Parent: "cs", Label: map[catalog.Locale]string{"en": "Web"}},
			{ID: "art", Label: map[catalog.Locale]string{"en": "Art"}},
		} {
			if _, err := tx.PutCategory(c, catalog.Cond{}); err != nil {
				return err
			}
		}
		for _, tag := range []catalog.Tag{
			{ID: "python", Label: map[catalog.Locale]string{"en": "Python"}},
			{ID: "learning", Label: map[catalog.Locale]string{"en": "Learning machines", "fr": "Apprentissage"}},
			{ID: "minus", Label: map[catalog.Locale]string{"en": "-minus"}},
			{ID: "acme~secret", Label: map[catalog.Locale]string{"en": "Secret"}},
		} {
			if _, err := tx.PutTag(tag, catalog.Cond{}); err != nil {
				return err
			}
		}
		if _, err := tx.PutInstructor(catalog.Instructor{ID: "ada", Name: "Ada <Obi>"}, catalog.Cond{}); err != nil {
			return err
		}
		price := func(f float64) *float64 { return &f }
		for i, c := range []catalog.Course{
			{ID: "C1", Text: catalog.Text{Title: "Python basics: a<b & more", Summary: "One", Description: "A long text about Python that goes on."}, Tags: []catalog.TagID{"python"}, Category: "ai", Level: "beginner", DurationMinutes: 30, Price: price(0), Instructors: []catalog.InstructorID{"ada"}},
			{ID: "C2", Text: catalog.Text{Title: "Python machine learning"}, Tags: []catalog.TagID{"python", "learning"}, Category: "ai", Level: "advanced", DurationMinutes: 60, Price: price(20)},
			{ID: "C3", Text: catalog.Text{Title: "Web pages"}, Tags: []catalog.TagID{"minus"}, Category: "web", Level: "beginner", DurationMinutes: 90, Price: price(30), Language: "fr"},
			{ID: "C4", Text: catalog.Text{Title: "Drawing"}, Category: "art", Level: "all", Provider: "A, B: “C”"},
			{ID: "acme~S1", Text: catalog.Text{Title: "Python secrets"}, Tags: []catalog.TagID{"acme~secret", "python"}, Category: "ai", Level: "intermediate", Provider: "Acme", DurationMinutes: 999, Price: price(777)},
			{ID: "D1", Text: catalog.Text{Title: "Python draft"}, State: catalog.Draft, Level: "intermediate"},
		} {
			if c.Language == "" {
				c.Language = "en"
			}
			if _, err := tx.PutCourse(c, catalog.Cond{}); err != nil {
				return err
			}
			if n := 10 * (i + 1); i != 3 {
				base := catalog.StatsBase{Rating: &catalog.Sum{Sum: float64(n) * (3 + 0.3*float64(i)), N: n}, Enrollments: &n}
				if _, err := tx.PutStatsBase(c.ID, base); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = s.catalog.FlushStats(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.settle()
}

// settle waits until the index has read everything.
func (s *server) settle() {
	s.t.Helper()
	head, err := s.catalog.Log().Head(s.t.Context())
	if err == nil {
		err = s.index.WaitFor(s.t.Context(), head)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// instant is a result as tests read it.
type instant struct {
	Index                                   string
	Hits                                    []map[string]json.RawMessage
	NbHits, Page, NbPages, HitsPerPage      int
	Facets                                  map[string]map[string]int
	FacetsStats                             map[string]map[string]float64 `json:"facets_stats"`
	ExhaustiveFacetsCount, ExhaustiveNbHits bool
	Query, Params, QueryID                  string
	FacetHits                               []facetHit
	RenderingContent                        struct {
		FacetOrdering struct{ Facets struct{ Order []string } }
	}
}

func (r instant) ids() string {
	var ids []string
	for _, h := range r.Hits {
		ids = append(ids, strings.Trim(string(h["objectID"]), `"`))
	}
	return strings.Join(ids, " ")
}

// instant asks for several searches at once.
func (s *server) instant(as catalog.Actor, path string, params ...m) ([]instant, answer) {
	s.t.Helper()
	requests := []m{}
	for _, p := range params {
		requests = append(requests, m{"indexName": "courses", "params": p})
	}
	got := s.want("200", ask{method: http.MethodPost, path: "/v2/instantsearch" + path, as: as, body: requests})
	var body struct{ Results []instant }
	if err := json.Unmarshal(got.body, &body); err != nil || len(body.Results) != len(params) {
		s.t.Fatalf("%d results for %d requests: %v", len(body.Results), len(params), err)
	}
	return body.Results, got
}

func TestInstantFilters(t *testing.T) {
	s := newServer(t)
	instantCatalog(t, s)
	for _, tt := range []struct {
		params m
		want   string // ids, by title
	}{
		{m{}, "C4 C1 C2 C3"},
		{m{"query": "python"}, "C1 C2"},
		{m{"query": "python tag:learning"}, "C2"},
		{m{"facetFilters": []any{[]string{"level:beginner", "level:all"}}}, "C4 C1 C3"},
		{m{"facetFilters": []string{"level:beginner", "tags:python"}}, "C1"},
		{m{"facetFilters": []string{"tags:python", "tags:learning"}}, "C2"},
		{m{"facetFilters": "tags:python"}, "C1 C2"},
		{m{"facetFilters": []string{"tags:-python"}}, "C4 C3"},
		{m{"facetFilters": []any{[]string{"tags:-python", "level:advanced"}}}, "C4 C2 C3"},
		{m{"facetFilters": []string{`tag_labels:\-minus`}}, "C3"},
		{m{"facetFilters": []string{"tag_labels:-minus"}}, "C4 C1 C2 C3"}, // none is called "minus"
		{m{"facetFilters": []string{"tag_labels:Learning machines"}}, "C2"},
		{m{"facetFilters": []string{"provider:A, B: “C”"}}, "C4"},
		{m{"facetFilters": []string{"category.lvl0:Computer science"}}, "C1 C2 C3"},
		{m{"facetFilters": []any{[]string{"category.lvl1:Computer science > AI"}}}, "C1 C2"},
		{m{"facetFilters": []string{"category.lvl2:Computer science > AI"}}, ""},
		{m{"facetFilters": []string{"category:cs"}}, "C1 C2 C3"},
		{m{"facetFilters": []string{"instructors:ada"}}, "C1"},
		{m{"facetFilters": []string{"instructors.name:Ada <Obi>"}}, "C1"},
		{m{"facetFilters": []string{"free:true"}}, "C1"},
		{m{"facetFilters": []string{"duration:60-180"}}, "C2 C3"},
		{m{"facetFilters": []string{"language:fr"}}, "C3"},
		{m{"facetFilters": []string{"level:no-such-level"}}, ""},
		{m{"facetFilters": []any{}}, "C4 C1 C2 C3"},
		{m{"facetFilters": nil, "numericFilters": nil, "filters": nil, "facets": nil, "page": nil}, "C4 C1 C2 C3"},
		{m{"tagFilters": "python,learning"}, "C2"},
		{m{"tagFilters": []any{[]string{"python", "minus"}}}, "C1 C2 C3"},
		{m{"numericFilters": []string{"price>=20"}}, "C2 C3"},
		{m{"numericFilters": []string{"price > 20"}}, "C3"},
		{m{"numericFilters": "price>=20,price<30"}, "C2"},
		{m{"numericFilters": []any{[]string{"price=0", "price=30"}}}, "C1 C3"},
		{m{"numericFilters": []string{"price!=0"}}, "C4 C2 C3"},
		{m{"numericFilters": []string{"duration_minutes:60 TO 90"}}, "C2 C3"},
		{m{"numericFilters": []string{"duration_minutes<=60"}}, "C1 C2"},
		{m{"numericFilters": []string{"enrollment_count>10", "rating_count<=20"}}, "C2"},
		{m{"numericFilters": []string{"rating>=0"}}, "C1 C2 C3"}, // the unrated one has no rating
		{m{"numericFilters": []string{"published_at>0"}}, "C4 C1 C2 C3"},
		{m{"filters": "level:beginner AND tags:python"}, "C1"},
		{m{"filters": "level:beginner OR tags:python"}, "C1 C2 C3"},
		{m{"filters": "(level:all OR level:beginner) AND NOT language:fr"}, "C4 C1"},
		{m{"filters": `category.lvl1:"Computer science > AI" AND price > 0`}, "C2"},
		{m{"filters": `tag_labels:'Learning machines' OR "free":true`}, "C1 C2"},
		{m{"filters": "price:20 TO 30"}, "C2 C3"},
		{m{"filters": "NOT price:20 TO 30"}, "C4 C1"},
		{m{"filters": "tags:python AND (price<5 OR price>=20)"}, "C1 C2"},
		{m{"filters": "((level:all))"}, "C4"},
		{m{"filters": "tags:python", "facetFilters": []string{"level:advanced"}, "numericFilters": []string{"price=20"}}, "C2"},
	} {
		tt.params["hitsPerPage"] = 50
		requests := []m{{"indexName": "courses:title", "params": tt.params}}
		got := s.want("200", ask{method: http.MethodPost, path: "/v2/instantsearch", body: m{"requests": requests}})
		var body struct{ Results []instant }
		if err := json.Unmarshal(got.body, &body); err != nil {
			t.Fatal(err)
		}
		if ids := body.Results[0].ids(); ids != tt.want || body.Results[0].NbHits != len(body.Results[0].Hits) {
			t.Errorf("%v: %s, want %s", tt.params, ids, tt.want)
		}
	}
}

func TestInstantFacets(t *testing.T) {
	s := newServer(t)
	instantCatalog(t, s)
	facets := []string{"tags", "level", "disjunctive(language)", "category.lvl0", "category.lvl1", "rating", "price", "nonsense"}
	got, sent := s.instant(nobody, "",
		m{"facets": facets, "facetFilters": []any{"tags:python", []string{"level:beginner"}}},
		m{"facets": "level", "facetFilters": []any{"tags:python"}, "hitsPerPage": 0, "page": 0, "analytics": false},
		m{"facets": []string{"*"}, "numericFilters": []string{"price>=1000"}},
	)
	want := map[string]map[string]int{
		"tags": {"python": 1}, "level": {"beginner": 1}, "language": {"en": 1}, "category.lvl0": {"Computer science": 1},
		"category.lvl1": {"Computer science > AI": 1}, "rating": got[0].Facets["rating"], "price": {"0": 1},
	}
	if diff := cmp.Diff(want, got[0].Facets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]map[string]int{"level": {"beginner": 1, "advanced": 1}}, got[1].Facets); diff != "" || got[1].NbHits != 2 || len(got[1].Hits) > 0 {
		t.Error(diff, got[1].NbHits, got[1].Hits)
	}
	if diff := cmp.Diff(map[string]float64{"min": 0, "max": 0, "avg": 0, "sum": 0}, got[0].FacetsStats["price"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"category.lvl0", "tags", "level", "language", "rating", "price"}, got[0].RenderingContent.FacetOrdering.Facets.Order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"price"}, got[2].RenderingContent.FacetOrdering.Facets.Order); diff != "" {
		t.Error("a refined facet without values: ", diff)
	}
	if got := sent.header.Get(passesHeader); got != "1" {
		t.Errorf("%s passes for one query", got)
	}
	all, _ := s.instant(nobody, "?locale=fr", m{"facets": "*", "maxValuesPerFacet": 1})
	if diff := cmp.Diff(map[string]int{"Informatique": 3}, all[0].Facets["category.lvl0"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]float64{"min": 0, "max": 30, "avg": 50.0 / 3, "sum": 50}, all[0].FacetsStats["price"]); diff != "" {
		t.Error(diff)
	}
	// Stars add up, whatever the limit: a menu counts those of its value and above.
	four := 0
	for value, n := range all[0].Facets["rating"] {
		if value >= "3.5" {
			four += n
		}
	}
	filtered, _ := s.instant(nobody, "", m{"numericFilters": []string{"rating>=3.5", "rating<=5"}})
	if n := len(all[0].Facets["rating"]); n < 2 || four != filtered[0].NbHits || four == 0 {
		t.Errorf("%d by adding up %v, %d by filter", four, all[0].Facets["rating"], filtered[0].NbHits)
	}
}

func TestInstantHits(t *testing.T) {
	s := newServer(t)
	instantCatalog(t, s)
	type leaves struct {
		Highlight, Snippet map[string]json.RawMessage
	}
	read := func(query, filter string, params m) (map[string]json.RawMessage, leaves) {
		t.Helper()
		params["query"], params["facetFilters"] = query, filter
		got, _ := s.instant(nobody, "", params)
		if len(got[0].Hits) != 1 {
			t.Fatalf("%d hits for %v", len(got[0].Hits), params)
		}
		var l leaves
		for name, at := range map[string]*map[string]json.RawMessage{"_highlightResult": &l.Highlight, "_snippetResult": &l.Snippet} {
			if err := json.Unmarshal(got[0].Hits[0][name], at); err != nil {
				t.Fatal(err)
			}
		}
		return got[0].Hits[0], l
	}
	one := func(raw json.RawMessage) string {
		var l leaf
		if err := json.Unmarshal(raw, &l); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		return fmt.Sprint(l.Value, " ", l.MatchLevel, " ", l.MatchedWords)
	}
	hit, l := read("python learning", "tags:learning", m{"highlightPreTag": "__ais-highlight__", "highlightPostTag": "__/ais-highlight__"})
	if got := one(l.Highlight["title"]); got != "__ais-highlight__Python__/ais-highlight__ machine __ais-highlight__learning__/ais-highlight__ full [python learning]" {
		t.Error(got)
	}
	if got := string(l.Highlight["tag_labels"]); !strings.Contains(got, `[{"value":"__ais-highlight__Python__/ais-highlight__","matchLevel":"partial","matchedWords":["python"]},{"value":"__ais-highlight__Learning__/ais-highlight__ machines"`) {
		t.Error(got)
	}
	for name := range hit { // every value has a leaf
		if strings.HasPrefix(name, "_") || name == "objectID" {
			continue
		}
		if l.Highlight[name] == nil || l.Snippet[name] == nil {
			t.Errorf("%s has no leaf", name)
		}
	}
	// Plain tags leave texts alone, markup makes HTML of them.
	_, l = read("basics", "free:true", m{"highlightPreTag": "[", "highlightPostTag": "]"})
	if got := one(l.Highlight["title"]); got != "Python [basics]: a<b & more full [basics]" {
		t.Error(got)
	}
	if got := string(l.Highlight["instructors"]); !strings.Contains(got, `{"value":"Ada <Obi>","matchLevel":"none","matchedWords":[]}`) {
		t.Error(got)
	}
	_, l = read("basics goes", "free:true", m{"attributesToSnippet": []string{"description:3"}})
	if got := one(l.Highlight["title"]); got != "Python <em>basics</em>: a&lt;b &amp; more partial [basics]" {
		t.Error(got)
	}
	if got := string(l.Highlight["instructors"]); !strings.Contains(got, "Ada &lt;Obi&gt;") {
		t.Error(got)
	}
	if got := one(l.Snippet["description"]); !strings.Contains(got, "<em>goes</em>") || !strings.HasPrefix(got, "…") {
		t.Error(got)
	}
	if _, has := l.Highlight["description"]; has {
		t.Error("descriptions are sent to those who did not ask")
	}
}

func TestInstantPagesAndSorts(t *testing.T) {
	s := newServer(t)
	instantCatalog(t, s)
	ask := func(index string, params m) instant {
		t.Helper()
		got := s.want("200", ask{method: http.MethodPost, path: "/v2/instantsearch", body: []m{{"indexName": index, "params": params}}})
		var body struct{ Results []instant }
		if err := json.Unmarshal(got.body, &body); err != nil {
			t.Fatal(err)
		}
		return body.Results[0]
	}
	for index, want := range map[string]string{
		"courses:title:asc": "C4 C1 C2 C3", "courses:title": "C4 C1 C2 C3", "courses:title:desc": "C3 C2 C1 C4", "courses:duration": "C1 C2 C3 C4",
		"courses:popular": "C3 C2 C1 C4", "courses:popular:asc": "C4 C1 C2 C3",
	} {
		if got := ask(index, m{}); got.ids() != want || got.Index != index {
			t.Errorf("%s: %s as %s, want %s", index, got.ids(), got.Index, want)
		}
	}
	for page, want := range []string{"C4 C1 C2", "C3", "", ""} {
		got := ask("courses:title", m{"hitsPerPage": 3, "page": page})
		if got.ids() != want || got.NbHits != 4 || got.NbPages != 2 || got.Page != page || got.HitsPerPage != 3 {
			t.Errorf("page %d: %s, %+v", page, got.ids(), got)
		}
	}
	// The score's order is that of GET /v2/search.
	var found struct{ Hits []struct{ ID string } }
	if err := json.Unmarshal(s.want("200", ask1("/v2/search?q=python")).body, &found); err != nil || len(found.Hits) != 2 {
		t.Fatal(found, err)
	}
	if got := ask("courses", m{"query": "python"}); got.ids() != found.Hits[0].ID+" "+found.Hits[1].ID || got.Query != "python" || got.QueryID == "" || got.Params != "query=python" {
		t.Errorf("%+v, want %+v", got, found.Hits)
	}
}

func ask1(path string) ask { return ask{method: http.MethodGet, path: path} }
