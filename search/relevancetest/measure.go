package relevancetest

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// Result is how a judged query was answered.
type Result struct {
	Query
	Score
	Top []search.Hit // at most topHits
}

// topHits of each query are shown in the golden file.
const topHits = 5

// Ask sends queries through the search that everybody uses, as somebody without an account.
func Ask(ctx context.Context, x *search.Index, queries []Query) ([]Result, error) {
	results := make([]Result, 0, len(queries))
	for _, q := range queries {
		resp, err := x.Search(ctx, search.Request{Q: q.Text, Locale: q.Locale, Limit: recallDepth})
		if err != nil {
			return nil, fmt.Errorf("%q: %w", q.Text, err)
		}
		found := make([]catalog.CourseID, 0, len(resp.Hits))
		for _, h := range resp.Hits {
			found = append(found, h.ID)
		}
		results = append(results, Result{Query: q, Score: q.Judge(found), Top: resp.Hits[:min(len(resp.Hits), topHits)]})
	}
	return results, nil
}

// Total is the mean over the queries of one locale in one catalog; "all" stands for every locale.
type Total struct {
	Catalog, Locale string
	Queries         int
	Score
}

// allLocales names the total of all locales.
const allLocales = "all"

// Totals sums results up by locale.
func Totals(name string, results []Result) []Total {
	var totals []Total
	for _, locale := range []string{string(catalog.English), string(catalog.French), string(catalog.Chinese), allLocales} {
		var scores []Score
		for _, r := range results {
			if locale == allLocales || locale == string(r.Locale) {
				scores = append(scores, r.Score)
			}
		}
		totals = append(totals, Total{Catalog: name, Locale: locale, Queries: len(scores), Score: Mean(scores)})
	}
	return totals
}

// ByCategory sums results up by category, in the order of Categories; Locale holds the category.
func ByCategory(name string, results []Result) []Total {
	var totals []Total
	for _, category := range Categories {
		var scores []Score
		for _, r := range results {
			if r.Category == category {
				scores = append(scores, r.Score)
			}
		}
		if len(scores) > 0 {
			totals = append(totals, Total{Catalog: name, Locale: category, Queries: len(scores), Score: Mean(scores)})
		}
	}
	return totals
}

// Variant is a way to search that is compared with others: with a rule switched off, with another weight.
type Variant struct {
	Name   string
	Change func(*search.Config) // nil changes nothing
}

// Measured is what a variant scored.
type Measured struct {
	Variant string
	Totals  []Total
}

// Table lays out the totals of variants, one a line. They must have the same catalogs and locales.
func Table(list []Measured) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, m := range list {
		if i == 0 {
			fmt.Fprint(w, "nDCG@10 MRR recall@20")
			for _, t := range m.Totals {
				fmt.Fprintf(w, "\t%s %s", t.Catalog, t.Locale)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprint(w, m.Variant)
		for _, t := range m.Totals {
			fmt.Fprintf(w, "\t%.4f %.4f %.4f", t.NDCG, t.MRR, t.Recall)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // into memory
	return b.String()
}
