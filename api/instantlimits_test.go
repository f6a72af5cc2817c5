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
		{"facets": "*", "hitsPerPage": 100},
		{"facets": "*", "query": "python"},
		{"facets": "*", "query": "secrets"},
		{"facets": "*", "facetFilters": []string{"provider:Acme"}},
		{"facets": "*", "facetFilters": []string{"tags:acme~secret"}},
		{"facets": "*", "filters": "tag_labels:Secret"},
		{"facets": "*", "numericFilters": []string{"price>=500"}},
		{"facetName": "tags", "facetQuery": "acme"},
		{"facetName": "tag_labels", "facetQuery": "Secret"},
		{"facetName": "provider", "facetQuery": "A"},
		{"facetName": "level", "facetQuery": "inter"},
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
