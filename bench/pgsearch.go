package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carrel-lms/carrel/search/analysis"
)

// tuneTimes is how often each way to ask is tried before the fastest is measured.
const tuneTimes = 4

// hopeless is how many times as long as the best a way may take before it is given up.
const hopeless = 3

// way is one of several ways to ask PostgreSQL the same.
type way struct {
	name       string
	statements []string
	workers    int // parallel ones, beside the process of the connection
}

// The twenty hits: by rating when there are no words, else by rank, over rows that hold their text vector.
var (
	hitsOfAll  = []string{`SELECT id, title, rating FROM docs ORDER BY rating DESC NULLS LAST, id LIMIT 20`}
	hitsRank   = []string{`SELECT id, title, rating FROM ranked WHERE tsv @@ $1::text::tsquery ORDER BY ts_rank(tsv, $1::text::tsquery) DESC, id LIMIT 20`}
	hitsRankCD = []string{`SELECT id, title, rating FROM ranked WHERE tsv @@ $1::text::tsquery ORDER BY ts_rank_cd(tsv, $1::text::tsquery) DESC, id LIMIT 20`}
)

// The first part of statements that count facets: the courses found.
const (
	foundAll   = `WITH m AS NOT MATERIALIZED (SELECT id, category, level, language, provider, tags, instructors FROM narrow) `
	foundWords = `WITH m AS MATERIALIZED (SELECT id, category, level, language, provider, tags, instructors FROM docs WHERE tsv @@ $1::text::tsquery) `
	foundIDs   = `WITH m AS MATERIALIZED (SELECT id FROM docs WHERE tsv @@ $1::text::tsquery) `
)

// The ways to count: a GROUP BY a facet or grouping sets for those with one value; those with several from the rows' arrays or from side tables; or
// everything from one side table.
const (
	groupBys = `SELECT 1, category, count(*) FROM m GROUP BY 2 UNION ALL SELECT 2, level, count(*) FROM m GROUP BY 2 UNION ALL
		SELECT 3, language, count(*) FROM m GROUP BY 2 UNION ALL SELECT 4, provider, count(*) FROM m GROUP BY 2`
	groupingSets = `SELECT grouping(category, level, language, provider), coalesce(category, level, language, provider), count(*) FROM m
		GROUP BY GROUPING SETS ((category), (level), (language), (provider))`
	fromArrays = ` UNION ALL SELECT 5, t, count(*) FROM m, unnest(tags) t GROUP BY 2 UNION ALL SELECT 6, t, count(*) FROM m, unnest(instructors) t GROUP BY 2`
	fromSides  = ` UNION ALL SELECT 5, tag, count(*) FROM m JOIN tag_of USING (id) GROUP BY 2 UNION ALL
		SELECT 6, instructor, count(*) FROM m JOIN instructor_of USING (id) GROUP BY 2`
	fromWholeSides = ` UNION ALL SELECT 5, tag, count(*) FROM tag_of GROUP BY 2 UNION ALL SELECT 6, instructor, count(*) FROM instructor_of GROUP BY 2`
	counted        = ` UNION ALL SELECT 0, 0, count(*) FROM m`
)

var facetsOfAll = []way{
	{name: "a GROUP BY each, arrays", statements: []string{foundAll + groupBys + fromArrays + counted}},
	{name: "a GROUP BY each, side tables", statements: []string{foundAll + groupBys + fromWholeSides + counted}},
	{name: "grouping sets, arrays", statements: []string{foundAll + groupingSets + fromArrays + counted}},
	{name: "grouping sets, side tables", statements: []string{foundAll + groupingSets + fromWholeSides + counted}},
	{name: "one side table of all values", statements: []string{foundAll + `SELECT 1, v, count(*) FROM value_of GROUP BY 2` + counted}},
	{name: "a statement each, side tables", statements: []string{
		`SELECT 0, 0, count(*) FROM narrow`, `SELECT 1, category, count(*) FROM narrow GROUP BY 2`, `SELECT 2, level, count(*) FROM narrow GROUP BY 2`,
		`SELECT 3, language, count(*) FROM narrow GROUP BY 2`, `SELECT 4, provider, count(*) FROM narrow GROUP BY 2`,
		`SELECT 5, tag, count(*) FROM tag_of GROUP BY 2`, `SELECT 6, instructor, count(*) FROM instructor_of GROUP BY 2`,
	}},
}

var facetsOfWords = []way{
	{name: "a GROUP BY each, arrays", statements: []string{foundWords + groupBys + fromArrays + counted}},
	{name: "a GROUP BY each, side tables", statements: []string{foundWords + groupBys + fromSides + counted}},
	{name: "grouping sets, arrays", statements: []string{foundWords + groupingSets + fromArrays + counted}},
	{name: "grouping sets, side tables", statements: []string{foundWords + groupingSets + fromSides + counted}},
	{name: "one side table of all values", statements: []string{foundIDs + `SELECT 1, v, count(*) FROM m JOIN value_of USING (id) GROUP BY 2` + counted}},
}

// tsquery is a query of words that must all be there, each in the form that one of the three configurations gives it.
func (p *postgres) tsquery(ctx context.Context, words []string) (string, error) {
	var all []string
	for _, w := range words {
		var forms []string
		for _, t := range analysis.Words(w) {
			if t.Kind == analysis.KindHan {
				forms = append(forms, "'"+t.Forms[0].Alternatives[0][0]+"'")
			}
		}
		if len(forms) == 0 {
			for _, configuration := range []string{"english", "french"} {
				var form string
				if err := p.conns[0].QueryRow(ctx, "SELECT to_tsquery($1::text::regconfig, $2::text)::text", configuration, w).Scan(&form); err != nil {
					return "", err
				}
				forms = append(forms, form)
			}
		}
		slices.Sort(forms)
		all = append(all, "("+strings.Join(slices.Compact(forms), " | ")+")")
	}
	return strings.Join(all, " & "), nil
}

// prepared is a search in the fastest way known.
type prepared struct {
	p            *postgres
	hits, facets way
	args         []any
}

// prepare tries all ways for the words and keeps the fastest of each part.
func (p *postgres) prepare(ctx context.Context, words []string) (prepared, error) {
	r := prepared{p: p}
	hits, facets := []way{{name: "index by rating", statements: hitsOfAll}}, facetsOfAll
	if len(words) > 0 {
		q, err := p.tsquery(ctx, words)
		if err != nil {
			return r, err
		}
		r.args = []any{q}
		hits, facets = []way{{name: "ts_rank", statements: hitsRank}, {name: "ts_rank_cd", statements: hitsRankCD}}, facetsOfWords
	}
	var err error
	if r.hits, err = p.fastest(ctx, hits, r.args); err != nil {
		return r, err
	}
	r.facets, err = p.fastest(ctx, facets, r.args)
	return r, err
}

func (p *postgres) fastest(ctx context.Context, ways []way, args []any) (best way, err error) {
	least := time.Duration(0)
	for _, w := range ways {
		for w.workers = range p.conns {
			for range tuneTimes {
				start := time.Now()
				if _, err := p.ask(ctx, w, args); err != nil {
					return best, fmt.Errorf("%s: %w", w.name, err)
				}
				took := time.Since(start)
				if least == 0 || took < least {
					best, least = w, took
				}
				if took > hopeless*least {
					break
				}
			}
		}
	}
	return best, nil
}

// ask runs a way's statements, prepared ones, and reads all rows.
func (p *postgres) ask(ctx context.Context, w way, args []any) (total int, err error) {
	for _, statement := range w.statements {
		rows, err := p.conns[w.workers].Query(ctx, statement, args...)
		if err != nil {
			return 0, err
		}
		for rows.Next() {
			total = asTotal(rows, total)
		}
		if err := rows.Err(); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// asTotal takes the total from the row that has it.
func asTotal(rows pgx.Rows, total int) int {
	var facet, n int64
	if raw := rows.RawValues(); len(raw) == 3 && rows.FieldDescriptions()[2].Name == "count" {
		if err := rows.Scan(&facet, nil, &n); err == nil && facet == 0 {
			return int(n)
		}
	}
	return total
}

// search is the whole answer: twenty hits, six facets, the total.
func (r prepared) search(ctx context.Context) (int, error) {
	if _, err := r.p.ask(ctx, r.hits, r.args); err != nil {
		return 0, err
	}
	return r.p.ask(ctx, r.facets, r.args)
}

// String says which ways were the fastest.
func (r prepared) String() string {
	return fmt.Sprintf("%s, %d workers; %s, %d workers", r.hits.name, r.hits.workers, r.facets.name, r.facets.workers)
}
