package main

import (
	"context"
	"path/filepath"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/lang/fr"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search/query"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// nativeDoc is a course as bleve's own facets want it.
type nativeDoc struct {
	English     string   `json:"en"`
	French      string   `json:"fr"`
	Chinese     string   `json:"zh-Hans"`
	Tags        []string `json:"tags"`
	Category    string   `json:"category"`
	Level       string   `json:"level"`
	Language    string   `json:"language"`
	Provider    string   `json:"provider"`
	Instructors []string `json:"instructors"`
}

// native builds the peer with the best settings known for it: scorch, BM25, a text field for each language, nothing stored, no term vectors, no _all,
// doc values on the facet fields alone. English and French have bleve's analyzers; bleve's for Chinese finds no single characters, so that has Carrel's.
func (b *bench) native(s *site) (bleve.Index, error) {
	m := mapping.NewIndexMapping()
	m.ScoringModel = "bm25"
	m.DefaultMapping.Dynamic = false
	for l, analyzer := range map[catalog.Locale]string{catalog.English: en.AnalyzerName, catalog.French: fr.AnalyzerName, catalog.Chinese: analysis.AnalyzerChinese} {
		text := mapping.NewTextFieldMapping()
		text.Analyzer, text.Store, text.IncludeTermVectors, text.IncludeInAll, text.DocValues = analyzer, false, false, false, false
		m.DefaultMapping.AddFieldMappingsAt(string(l), text)
	}
	for _, name := range facets {
		f := mapping.NewKeywordFieldMapping()
		f.Store, f.IncludeTermVectors, f.IncludeInAll, f.DocValues = false, false, false, true
		m.DefaultMapping.AddFieldMappingsAt(name, f)
	}
	m.DefaultMapping.AddSubDocumentMapping("_all", mapping.NewDocumentDisabledMapping())
	index, err := bleve.NewUsing(filepath.Join(b.dir, "native"), m, scorch.Name, scorch.Name, nil)
	if err != nil {
		return nil, err
	}
	const batchSize = 1000
	batch := index.NewBatch()
	flush := func(least int) error {
		if batch.Size() < least {
			return nil
		}
		defer batch.Reset()
		return index.Batch(batch)
	}
	err = s.courses(context.Background(), func(c peerCourse) error {
		doc := nativeDoc{
			c.texts[catalog.English], c.texts[catalog.French], c.texts[catalog.Chinese], c.tags, c.category, c.level, c.language, c.company, c.people,
		}
		if err := batch.Index(c.id, doc); err != nil {
			return err
		}
		return flush(batchSize)
	})
	if err != nil {
		return nil, err
	}
	return index, flush(1)
}

// nativeQuery asks for all words, each in the languages that have it: to ask in one that does not would only cost time.
func nativeQuery(index bleve.Index, words []string) (query.Query, error) {
	if len(words) == 0 {
		return bleve.NewMatchAllQuery(), nil
	}
	var all []query.Query
	for _, w := range words {
		var fields []query.Query
		for _, l := range languages {
			q := inField(w, l)
			r, err := index.Search(bleve.NewSearchRequestOptions(q, 1, 0, false))
			if err != nil {
				return nil, err
			}
			if r.Total > 0 {
				fields = append(fields, q)
			}
		}
		if len(fields) == 1 {
			all = append(all, fields[0])
		} else {
			all = append(all, bleve.NewDisjunctionQuery(fields...))
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return bleve.NewConjunctionQuery(all...), nil
}

// inField looks for a word in a language; for Han, by its one term that tells most.
func inField(w string, l catalog.Locale) query.Query {
	if l == catalog.Chinese {
		if words := analysis.Words(w); words[0].Kind == analysis.KindHan {
			w = words[0].Forms[0].Alternatives[0][0]
		}
		return termIn(w, l)
	}
	q := bleve.NewMatchQuery(w)
	q.SetField(string(l))
	return q
}

func nativeSearch(index bleve.Index, q query.Query) (int, error) {
	const facetMax = 10
	req := bleve.NewSearchRequest(q)
	req.Size = 20
	for _, name := range facets {
		req.AddFacet(name, bleve.NewFacetRequest(name, facetMax))
	}
	r, err := index.Search(req)
	if err != nil {
		return 0, err
	}
	return int(r.Total), nil //nolint:gosec // courses
}
