package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

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

func TestInstantFacetSearch(t *testing.T) {
	s := newServer(t)
	instantCatalog(t, s)
	got, sent := s.instant(nobody, "",
		m{"facetName": "tag_labels", "facetQuery": "mach", "query": "python", "highlightPreTag": "[", "highlightPostTag": "]", "maxFacetHits": 5},
		m{"facetName": "tags", "facetQuery": "", "query": "python"},
		m{"facetName": "tags", "facetQuery": "sec"},
		m{"facetName": "instructors.name", "facetQuery": "ob"},
	)
	for i, want := range [][]facetHit{
		{{"Learning machines", "Learning [mach]ines", 1}},
		{{"python", "python", 2}, {"learning", "learning", 1}},
		{},
		{{"Ada <Obi>", "Ada &lt;<em>Ob</em>i&gt;", 1}},
	} {
		if diff := cmp.Diff(want, got[i].FacetHits); diff != "" {
			t.Errorf("%d: %s", i, diff)
		}
	}
	if passes := sent.header.Get(passesHeader); passes != "2" {
		t.Errorf("%s passes for two queries", passes)
	}
	// As newer clients ask.
	five := s.want("200", ask{method: http.MethodPost, path: "/v2/instantsearch?unknown=1", body: m{"requests": []m{
		{"type": "facet", "facet": "tags", "indexName": "courses", "params": m{"facetQuery": "pyt", "query": "python"}},
		{"indexName": "courses", "query": "python", "hitsPerPage": 1},
	}}})
	var body struct{ Results []instant }
	if err := json.Unmarshal(five.body, &body); err != nil || len(body.Results[0].FacetHits) != 1 || len(body.Results[1].Hits) != 1 {
		t.Errorf("%s %v", five.body, err)
	}
	s.instant(nobody, "") // nothing asked, nothing answered
}

// TestInstantVisibility: whatever the widgets ask, another organization's courses and drafts leave no trace.
func TestInstantVisibility(t *testing.T) {
	s := newServer(t)
	instantCatalog(t, s)
	requests := []m{
		{"facets": "*", "hitsPerPage": 100}, {"facets": "*", "query": "python"}, {"facets": "*", "query": "secrets"},
		{"facets": "*", "facetFilters": []string{"provider:Acme"}}, {"facets": "*", "facetFilters": []string{"tags:acme~secret"}}, {"facets": "*", "filters": "tag_labels:Secret"},
		{"facets": "*", "numericFilters": []string{"price>=500"}},
		{"facetName": "tags", "facetQuery": "acme"}, {"facetName": "tag_labels", "facetQuery": "Secret"}, {"facetName": "provider", "facetQuery": "A"}, {"facetName": "level", "facetQuery": "inter"},
	}
	for _, who := range []catalog.Actor{nobody, learner, {Subject: "ann", Org: "umbrella"}} {
		got, _ := s.instant(who, "", requests...)
		for i, r := range got {
			for _, hit := range r.Hits {
				if id := string(hit["objectID"]); strings.Contains(id, "acme") || strings.Contains(id, "D1") {
					t.Errorf("%s sees %s by %v", who.Subject, id, requests[i])
				}
			}
			for name, values := range r.Facets {
				for _, hidden := range []string{"acme~secret", "Secret", "Acme", "intermediate", "777", "999"} {
					if values[hidden] > 0 {
						t.Errorf("%s counts %s of %s by %v", who.Subject, hidden, name, requests[i])
					}
				}
			}
			for name, stats := range r.FacetsStats {
				if name == "price" && stats["max"] > 500 || name == "duration_minutes" && stats["max"] > 500 {
					t.Errorf("%s is told that %s reaches %v", who.Subject, name, stats["max"])
				}
			}
			for _, f := range r.FacetHits {
				if f.Value != "A, B: “C”" {
					t.Errorf("%s finds %q by %v", who.Subject, f.Value, requests[i])
				}
			}
			if i > 2 && r.NbHits > 0 {
				t.Errorf("%s finds %d courses by %v", who.Subject, r.NbHits, requests[i])
			}
		}
		if got[0].NbHits != 4 || got[1].NbHits != 2 {
			t.Errorf("%s: %d and %d hits, want 4 and 2", who.Subject, got[0].NbHits, got[1].NbHits)
		}
	}
	member, _ := s.instant(catalog.Actor{Subject: "bob", Org: "acme"}, "", requests...)
	if member[0].NbHits != 5 || member[3].NbHits != 1 || member[5].NbHits != 1 || member[0].FacetsStats["price"]["max"] != 777 {
		t.Error("a member of the organization does not see its courses")
	}
}

func TestInstantErrors(t *testing.T) {
	s := newServer(t)
	instantCatalog(t, s)
	for _, tt := range []struct {
		body    any
		pointer string
	}{
		{`{}`, "/requests"},
		{`{"requests":{}}`, "/requests"},
		{`[1]`, "/0"},
		{`[{"params":[]}]`, "/0/params"},
		{`[{"indexName":7}]`, "/0/indexName"},
		{`[{"indexName":"products"}]`, "/0/indexName"},
		{`[{"indexName":"courses:luck"}]`, "/0/indexName"},
		{`[{"indexName":"courses:title:up"}]`, "/0/indexName"},
		{`[{"params":{"query":["x"]}}]`, "/0/params/query"},
		{[]m{{"params": m{"query": strings.Repeat("x", 513)}}}, "/0/params/query"},
		{`[{"params":{"hitsPerPage":101}}]`, "/0/params/hitsPerPage"},
		{`[{"params":{"hitsPerPage":-1}}]`, "/0/params/hitsPerPage"},
		{`[{"params":{"hitsPerPage":"many"}}]`, "/0/params/hitsPerPage"},
		{`[{"params":{"page":1.5}}]`, "/0/params/page"},
		{`[{},{"params":{"page":500}}]`, "/1/params/page"},
		{`[{"params":{"page":1e300}}]`, "/0/params/page"},
		{`[{"params":{"maxValuesPerFacet":1001}}]`, "/0/params/maxValuesPerFacet"},
		{`[{"params":{"facets":[1]}}]`, "/0/params/facets"},
		{`[{"params":{"facetFilters":[["level:all",["x:y"]]]}}]`, "/0/params/facetFilters/0/1"},
		{`[{"params":{"facetFilters":["level"]}}]`, "/0/params/facetFilters/0"},
		{`{"requests":[{"params":{"facetFilters":[["level:all","shoe:9"]]}}]}`, "/requests/0/params/facetFilters/0/1"},
		{`[{"params":{"facetFilters":7}}]`, "/0/params/facetFilters"},
		{`[{"params":{"numericFilters":["level>3"]}}]`, "/0/params/numericFilters/0"},
		{`[{"params":{"numericFilters":["price>cheap"]}}]`, "/0/params/numericFilters/0"},
		{`[{"params":{"numericFilters":["price>1e999"]}}]`, "/0/params/numericFilters/0"},
		{`[{"params":{"tagFilters":[""]}}]`, "/0/params/tagFilters/0"},
		{`[{"params":{"filters":"level:all AND"}}]`, "/0/params/filters"},
		{`[{"params":{"filters":"level:all AND tags:a OR tags:b"}}]`, "/0/params/filters"},
		{`[{"params":{"filters":"(level:all AND tags:a) OR tags:b"}}]`, "/0/params/filters"},
		{`[{"params":{"filters":"NOT (level:all)"}}]`, "/0/params/filters"},
		{`[{"params":{"filters":"(level:all"}}]`, "/0/params/filters"},
		{`[{"params":{"filters":"level:\"all"}}]`, "/0/params/filters"},
		{`[{"params":{"filters":"level all"}}]`, "/0/params/filters"},
		{`[{"params":{"filters":"level:all) OR (tags:b"}}]`, "/0/params/filters"},
		{[]m{{"params": m{"filters": strings.Repeat("(", 100) + "level:all"}}}, "/0/params/filters"},
		{[]m{{"params": m{"facetFilters": []string{"tags:" + strings.Repeat("x", 300)}}}}, "/0/params/facetFilters/0"},
		{[]m{{"params": m{"tagFilters": strings.TrimSuffix(strings.Repeat("x,", 1001), ",")}}}, "/0/params"},
		{`[{"params":{"facetName":"shoe"}}]`, "/0/params/facetName"},
		{`[{"params":{"facetName":"tags","maxFacetHits":101}}]`, "/0/params/maxFacetHits"},
		{`[{"type":"facet"}]`, "/0/facet"},
		{make([]m, 51), ""},
	} {
		got := s.want("400 invalid-parameter", ask{method: http.MethodPost, path: "/v2/instantsearch", body: tt.body})
		list, _ := got.json["errors"].([]any)
		if len(list) != 1 || list[0].(m)["pointer"] != tt.pointer || strings.Contains(string(got.body), "…”") {
			t.Errorf("%v: %s, want the pointer %q", tt.body, got.body, tt.pointer)
		}
	}
	eleven := []m{}
	for i := range maxInstantQueries + 1 {
		eleven = append(eleven, m{"params": m{"query": fmt.Sprint("q", i)}})
	}
	s.want("400 invalid-parameter", ask{method: http.MethodPost, path: "/v2/instantsearch", body: eleven})
	s.want("400 invalid-query", ask{method: http.MethodPost, path: "/v2/instantsearch", body: `[{"params":{"query":"rating:>=9"}}]`})
	s.want("400 invalid-body", ask{method: http.MethodPost, path: "/v2/instantsearch", body: `[`})
	s.want("413 too-large", ask{method: http.MethodPost, path: "/v2/instantsearch", body: `["` + strings.Repeat("x", maxSmallBody) + `"]`})
	s.want("405 method-not-allowed", ask{method: http.MethodGet, path: "/v2/instantsearch"})
	french := s.want("400 invalid-parameter", ask{method: http.MethodPost, path: "/v2/instantsearch?locale=fr", body: `[{"params":{"filters":"level"}}]`})
	if !strings.Contains(french.text("detail"), "filters") || !strings.Contains(french.text("detail"), "Illisible") {
		t.Error(french.text("detail"))
	}
}

func TestInstantMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newServer(t, func(c *Config) { c.Registry = registry })
	instantCatalog(t, s)
	s.instant(nobody, "", m{"query": "a"}, m{"query": " a "}, m{"query": "b"})
	metrics := string(s.want("200", ask1("/metrics")).body)
	for _, line := range []string{"carrel_instantsearch_requests_total 3", "carrel_instantsearch_passes_total 2"} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %q among the metrics", line)
		}
	}
}

// FuzzFilters: whatever stands in filters is read or refused.
func FuzzFilters(f *testing.F) {
	for _, text := range []string{"a:b AND (c:d OR e<1)", `NOT tags:"x\"y"`, "price:1 TO 2", "((", "level:all OR"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clauses, err := parseFilters(text, "/filters")
		for _, c := range clauses {
			if len(c) == 0 && err == nil {
				t.Errorf("%q has an empty clause", text)
			}
		}
	})
}
