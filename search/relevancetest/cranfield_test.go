package relevancetest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/index/scorch"
	blevesearch "github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/relevancetest"
)

// abstract is a document of the Cranfield collection.
type abstract struct{ id, title, text string }

// cranfieldRecords reads a file of ".I .T .A .B .W" records.
func cranfieldRecords(tb testing.TB, path string) []abstract {
	tb.Helper()
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var list []abstract
	part := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, ".I "):
			list = append(list, abstract{id: strings.TrimSpace(line[3:])})
		case len(line) >= 2 && line[0] == '.' && strings.TrimSpace(line[2:]) == "" && strings.ContainsRune("TABW", rune(line[1])):
			part = line[1:2]
		case part == "T":
			list[len(list)-1].title += line + " "
		case part == "W":
			list[len(list)-1].text += line + " "
		}
	}
	return list
}

// cranfieldQueries reads the questions and who answers them. The best judgment is 1 and the least 4; -1 is none. Questions are numbered by
// position. A hyphen before a word is punctuation there and would exclude the word here.
func cranfieldQueries(tb testing.TB, dir string) []relevancetest.Query {
	tb.Helper()
	var list []relevancetest.Query
	for _, q := range cranfieldRecords(tb, filepath.Join(dir, "cran.qry")) {
		words := strings.Fields(q.text)
		for i := range words {
			words[i] = strings.TrimLeft(words[i], "-")
		}
		list = append(list, relevancetest.Query{
			Locale: catalog.English, Text: strings.Join(words, " "), Grades: map[catalog.CourseID]relevancetest.Grade{},
		})
	}
	text, err := os.ReadFile(filepath.Join(dir, "cranqrel"))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n, id, code int
		if _, err := fmt.Sscan(line, &n, &id, &code); err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		if best := 5; code > 0 {
			list[n-1].Grades[catalog.CourseID(strconv.Itoa(id))] = relevancetest.Grade(best - code)
		}
	}
	return list
}

// cranfieldShelf is the collection as a catalog of published courses.
func cranfieldShelf(tb testing.TB, docs []abstract) *shelf {
	tb.Helper()
	s := newShelf(tb, tb.TempDir())
	tb.Cleanup(func() {
		if err := s.catalog.Close(); err != nil {
			tb.Error(err)
		}
	})
	const batch = 350
	for from := 0; from < len(docs); from += batch {
		s.update(tb, func(tx *catalog.Tx) error {
			for _, d := range docs[from:min(from+batch, len(docs))] {
				c := catalog.Course{ID: catalog.CourseID(d.id), State: catalog.Published, Language: catalog.English}
				if c.Title, c.Description = d.title, d.text; strings.TrimSpace(d.title) == "" {
					c.Title = d.id
				}
				if _, err := tx.PutCourse(c, catalog.Cond{}); err != nil {
					return fmt.Errorf("%s: %w", d.id, err)
				}
			}
			return nil
		})
	}
	return s
}

// Show 1: the standard collection, through our own door and through plain bleve with its best analyzer, fields and constants, by the same metric.
func TestCranfieldIsNoWorseThanBleve(t *testing.T) {
	dir := testData(t, "relevance", "cranfield")
	docs := cranfieldRecords(t, filepath.Join(dir, "cran.all.1400"))
	queries := cranfieldQueries(t, dir)
	if len(docs) != 1400 || len(queries) != 225 {
		t.Fatalf("%d documents, %d queries", len(docs), len(queries))
	}
	var scores []relevancetest.Score
	cranfieldShelf(t, docs).with(t, nil, func(x *search.Index) {
		results, err := relevancetest.Ask(context.Background(), x, queries)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			scores = append(scores, r.Score)
		}
	})
	ours := relevancetest.Mean(scores).NDCG
	best := 0.0
	for _, withTitle := range []bool{false, true} {
		x := bleveIndex(t, docs, withTitle)
		for _, c := range []struct{ k1, b float64 }{{1.2, 0.75}, {0.9, 0.4}} {
			ndcg := bleveNDCG(t, x, c.k1, c.b, queries)
			t.Logf("bleve, title twice %-5t k1 %.1f b %.2f: nDCG@10 %.4f", withTitle, c.k1, c.b, ndcg)
			best = max(best, ndcg)
		}
	}
	t.Logf("carrel: nDCG@10 %.4f", ours)
	if ours < best {
		t.Errorf("nDCG@10 is %.4f, plain bleve reaches %.4f", ours, best)
	}
}

// bleveIndex is bleve used plainly: one field with the English analyzer, scored by BM25. Every text begins with its title; withTitle puts it there
// once more, which is how a title weighs more in a single field.
func bleveIndex(tb testing.TB, docs []abstract, withTitle bool) bleve.Index {
	tb.Helper()
	field := bleve.NewTextFieldMapping()
	field.Store, field.IncludeInAll, field.IncludeTermVectors, field.DocValues = false, false, false, false
	m := bleve.NewIndexMapping()
	m.DefaultAnalyzer, m.ScoringModel = en.AnalyzerName, index.BM25Scoring
	m.DefaultMapping.AddFieldMappingsAt("text", field)
	x, err := bleve.NewUsing("", m, scorch.Name, scorch.Name, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := x.Close(); err != nil {
			tb.Error(err)
		}
	})
	batch := x.NewBatch()
	for _, d := range docs {
		text := d.text
		if withTitle {
			text = d.title + text
		}
		if err := batch.Index(d.id, map[string]string{"text": text}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := x.Batch(batch); err != nil {
		tb.Fatal(err)
	}
	return x
}

func bleveNDCG(tb testing.TB, x bleve.Index, k1, b float64, queries []relevancetest.Query) float64 {
	tb.Helper()
	oldK1, oldB := blevesearch.BM25_k1, blevesearch.BM25_b // of the process; our own search has its own
	defer func() { blevesearch.BM25_k1, blevesearch.BM25_b = oldK1, oldB }()
	blevesearch.BM25_k1, blevesearch.BM25_b = k1, b
	var scores []relevancetest.Score
	for _, q := range queries {
		match := bleve.NewMatchQuery(q.Text)
		match.SetField("text")
		result, err := x.Search(bleve.NewSearchRequest(match))
		if err != nil {
			tb.Fatal(err)
		}
		var found []catalog.CourseID
		for _, h := range result.Hits {
			found = append(found, catalog.CourseID(h.ID))
		}
		scores = append(scores, q.Judge(found))
	}
	return relevancetest.Mean(scores).NDCG
}
