package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/mapping"
	bleveq "github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// The text factor of Carrel's ranking is BM25, as long as none of its own rules applies: titles, forms, prefixes, typing errors. The catalog of this
// check is made so that none does: every word has one length, one form and one language, and no title has a word that is asked for.
const (
	rankedCourses = 1000
	rankedQueries = 90
	rankedSeed    = 61
	rankedWords   = 400
	wordLetters   = 7
	titleLetters  = wordLetters + 2 // so that a text is as long in characters, which Carrel counts, as in words, which bleve does; no word begins so
	bm25K1        = 0.9
	bm25B         = 0.4
	// sameScore is how much two scores may differ that are the same but for rounding: Carrel's are sums of 32 bits.
	sameScore = 2e-5
)

// unrepeated is the language in which no text has a word twice: there bleve's square root of a frequency is the frequency.
const unrepeated = catalog.French

// ranking compares the order of hits by their text with BM25 written anew, and with bleve's scorer.
func (b *bench) ranking() error {
	section(fmt.Sprintf("Ranking by text, %d courses in three languages, %d queries", rankedCourses, rankedQueries))
	r, err := newRanked(filepath.Join(b.dir, "ranked"))
	if err != nil {
		return err
	}
	defer r.close()
	rows := []*comparison{
		{name: "Carrel and BM25 by brute force"},
		{name: "Carrel and bleve's scorer, a word at a time, told the true mean length; texts without repeated words"},
		{name: "Carrel and bleve's scorer as it comes"},
		{name: "bleve's scorer, a word at a time, told the true mean length, and BM25 with √tf by brute force"},
	}
	for _, q := range r.queries() {
		ours, err := r.carrel(q)
		if err != nil {
			return err
		}
		byWord, err := r.bleveByWord(q)
		if err != nil {
			return err
		}
		whole, err := r.bleveWhole(q)
		if err != nil {
			return err
		}
		rows[0].add(ours, r.brute(q, func(tf float64) float64 { return tf }))
		if q.locale == unrepeated {
			rows[1].add(ours, byWord)
		}
		rows[2].add(ours, whole)
		rows[3].add(byWord, r.brute(q, math.Sqrt))
	}
	fmt.Println("| | queries | hits | same order, ties aside | largest difference of a score | common to the first ten |\n|---|---|---|---|---|---|")
	for _, c := range rows {
		fmt.Printf("| %s | %d | %d | %d | %.6f | %.0f %% |\n", c.name, c.queries, c.hits, c.same, c.most, 100*c.top/float64(c.queries))
	}
	fmt.Printf("\n- Carrel's order is that of BM25: %s\n- and that of bleve's scorer, where that is BM25: %s\n", verdict(rows[0].share(), 1), verdict(rows[1].share(), 1))
	fmt.Println("- bleve 2.6.3 differs from BM25 in three ways, so that its order as it comes is another one: it takes the square root of a term's frequency, the number of " +
		"different words in the index divided by that of the courses for the mean length of a text, and the square of the idf where a query has several words.")
	return nil
}

// ranked is a catalog with three ways to rank it.
type ranked struct {
	*site
	dir    string
	bleve  bleve.Index
	words  map[catalog.Locale][]string
	texts  map[catalog.Locale]map[string]string // the whole text of a course in a language
	tokens map[catalog.Locale]map[string]map[string]int
	mean   map[catalog.Locale]float64 // runes
	rand   *rand.Rand
}

func newRanked(dir string) (*ranked, error) {
	s, err := open(dir)
	if err != nil {
		return nil, err
	}
	r := &ranked{
		site: s, dir: dir, words: map[catalog.Locale][]string{}, texts: map[catalog.Locale]map[string]string{},
		tokens: map[catalog.Locale]map[string]map[string]int{}, mean: map[catalog.Locale]float64{}, rand: rand.New(rand.NewPCG(rankedSeed, 1)), //nolint:gosec // a fixed seed
	}
	r.makeWords()
	if err := r.write(); err != nil {
		return nil, err
	}
	return r, r.buildBleve()
}

func (r *ranked) close() { _, _ = r.bleve.Close(), r.site.close() }

// makeWords makes words of one length that no analyzer changes, different ones for each language.
func (r *ranked) makeWords() {
	seen := map[string]bool{}
	for _, l := range languages {
		for len(r.words[l]) < rankedWords {
			w := r.letters(wordLetters)
			if l == catalog.Chinese {
				w = string([]rune{0x4e00 + r.rand.Int32N(3000), 0x4e00 + r.rand.Int32N(3000)})
			}
			if !seen[w] && unchanged(w, l) {
				seen[w] = true
				r.words[l] = append(r.words[l], w)
			}
		}
	}
}

// unchanged reports whether a word has one form only.
func unchanged(w string, l catalog.Locale) bool {
	if l == catalog.Chinese {
		return len(analysis.Exact(w)) == 3 && analysis.Fold(w) == w
	}
	for _, lang := range []analysis.Lang{analysis.English, analysis.French, analysis.Other} {
		if t := analysis.Analyze(lang, w); len(t) != 1 || t[0].Text != w {
			return false
		}
	}
	return true
}

func (r *ranked) letters(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteByte([]string{"bdgkmpvz", "aou"}[i%2][r.rand.IntN([]int{8, 3}[i%2])])
	}
	return b.String()
}

// write fills the catalog.
func (r *ranked) write() error {
	zipf := rand.NewZipf(r.rand, 1.1, 4, rankedWords-1)
	for _, l := range languages {
		r.texts[l], r.tokens[l] = map[string]string{}, map[string]map[string]int{}
	}
	lengths := rankedLengths(r.rand)
	_, err := r.catalog.Update(context.Background(), catalog.System, func(tx *catalog.Tx) error {
		for i, n := range lengths {
			c := catalog.Course{ID: catalog.CourseID(fmt.Sprintf("r%05d", i)), State: catalog.Published, Language: catalog.English, Translations: map[catalog.Locale]catalog.Text{}}
			for _, l := range languages {
				text := r.text(l, n, zipf)
				if l == catalog.English {
					c.Text = text
				} else {
					c.Translations[l] = text
				}
				r.learn(l, string(c.ID), text.Title, text.Description)
			}
			if _, err := tx.PutCourse(c, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range languages {
		r.mean[l] /= rankedCourses
	}
	return coursesync.CatchUp(context.Background(), r.catalog.Log(), r.index)
}

// rankedLengths are the numbers of words of the texts. Their mean is a whole number: bleve rounds it up to one.
func rankedLengths(r *rand.Rand) []int {
	total := 0
	lengths := list(rankedCourses, func() int {
		n := 20 + r.IntN(100)
		total += n
		return n
	})
	for i := range rankedCourses - total%rankedCourses {
		lengths[i]++
	}
	return lengths
}

// text has n words beside a title of one.
func (r *ranked) text(l catalog.Locale, n int, zipf *rand.Zipf) catalog.Text {
	seen := map[string]bool{}
	words := list(n, func() string {
		w := r.words[l][zipf.Uint64()]
		for l == unrepeated && seen[w] {
			w = r.words[l][r.rand.IntN(rankedWords)]
		}
		seen[w] = true
		return w
	})
	if l == catalog.Chinese { // a word and what follows are three characters and three terms
		return catalog.Text{Title: "（" + string([]rune{0x9f00 + r.rand.Int32N(60), 0x9f40 + r.rand.Int32N(60)}) + "）", Description: strings.Join(words, "，")}
	}
	return catalog.Text{Title: "w" + r.letters(titleLetters-1), Description: strings.Join(words, " ")}
}

func (r *ranked) learn(l catalog.Locale, id, title, description string) {
	counts := map[string]int{}
	for _, text := range []string{title, description} {
		for _, t := range analysis.Exact(text) {
			counts[t.Text]++
		}
	}
	r.texts[l][id], r.tokens[l][id] = title+"\n"+description, counts
	r.mean[l] += float64(utf8.RuneCountInString(title) + utf8.RuneCountInString(description))
}

// queries are of one to three words of a language.
func (r *ranked) queries() []rankedQuery {
	return list(rankedQueries, countUp(func(i int) rankedQuery {
		l := languages[i%len(languages)]
		words := list(1+i/3%3, func() string { return r.words[l][r.rand.IntN(60)] })
		slices.Sort(words)
		return rankedQuery{l, slices.Compact(words)}
	}))
}

type rankedQuery struct {
	locale catalog.Locale
	words  []string
}

// buildBleve indexes the same terms, a field for each language.
func (r *ranked) buildBleve() (err error) {
	bleveq.BM25_k1, bleveq.BM25_b = bm25K1, bm25B
	m := mapping.NewIndexMapping()
	m.ScoringModel = index.BM25Scoring
	m.DefaultMapping.Dynamic = false
	for _, l := range languages {
		text := mapping.NewTextFieldMapping()
		text.Analyzer, text.Store, text.IncludeTermVectors, text.IncludeInAll, text.DocValues = analysis.AnalyzerExact, false, false, false, false
		m.DefaultMapping.AddFieldMappingsAt(string(l), text)
	}
	if r.bleve, err = bleve.NewUsing(filepath.Join(r.dir, "bleve"), m, "scorch", "scorch", nil); err != nil {
		return err
	}
	batch := r.bleve.NewBatch()
	for _, id := range slices.Sorted(maps.Keys(r.texts[catalog.English])) {
		doc := map[string]string{}
		for _, l := range languages {
			doc[string(l)] = r.texts[l][id]
		}
		if err := batch.Index(id, doc); err != nil {
			return err
		}
	}
	return r.bleve.Batch(batch)
}
