package main

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2"
	bleveq "github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/query"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// scores are by course.
type scores map[string]float64

// comparison adds up how two rankings compare.
type comparison struct {
	name                string
	queries, same, hits int
	most, top           float64 // the largest difference; parts of the first ten, summed
}

func (c *comparison) add(a, b scores) {
	c.queries++
	c.hits += len(a)
	if sameOrder(a, b) {
		c.same++
	}
	c.most = max(c.most, difference(a, b))
	c.top += overlap(a, b)
}

func (c *comparison) share() float64 { return float64(c.same) / float64(c.queries) }

// carrel returns what the text gave to the score of each hit.
func (r *ranked) carrel(q rankedQuery) (scores, error) {
	all := scores{}
	req := search.Request{Locale: q.locale, Q: strings.Join(q.words, " "), Limit: search.MaxLimit, Explain: true}
	for {
		resp, err := r.index.Search(context.Background(), req)
		if err != nil {
			return nil, err
		}
		for _, h := range resp.Hits {
			for _, f := range h.Explain.Factors {
				if f.Name == "text" {
					all[string(h.ID)] += f.Value
				}
			}
		}
		if resp.Next == nil {
			return all, nil
		}
		req.Cursor = *resp.Next
	}
}

// brute is BM25 from the texts: of every course that has all words. Only a course's terms are taken from the analyzers.
func (r *ranked) brute(q rankedQuery, weight func(tf float64) float64) scores {
	tokens := r.tokens[q.locale]
	sum, count := scores{}, map[string]int{}
	for _, w := range q.words {
		df := 0.
		for _, counts := range tokens {
			df += float64(min(counts[w], 1))
		}
		idf := math.Log(1 + (rankedCourses-df+0.5)/(df+0.5))
		for id, counts := range tokens {
			if counts[w] == 0 {
				continue
			}
			tf, length := weight(float64(counts[w])), float64(utf8.RuneCountInString(r.texts[q.locale][id])-1)/r.mean[q.locale]
			sum[id] += idf * tf * (bm25K1 + 1) / (tf + bm25K1*(1-bm25B+bm25B*length))
			count[id]++
		}
	}
	maps.DeleteFunc(sum, func(id string, _ float64) bool { return count[id] < len(q.words) })
	return sum
}

// bleveByWord adds up what bleve's scorer gives to each word, when it is told the true mean length.
func (r *ranked) bleveByWord(q rankedQuery) (scores, error) {
	total := 0
	for _, counts := range r.tokens[q.locale] {
		for _, n := range counts {
			total += n
		}
	}
	stats := &bleveq.BM25Stats{DocCount: rankedCourses, FieldCardinality: map[string]int{string(q.locale): total}}
	ctx := context.WithValue(context.Background(), bleveq.BM25StatsKey, stats)
	sum, count := scores{}, map[string]int{}
	for _, w := range q.words {
		found, err := r.bleveSearch(ctx, termIn(w, q.locale))
		if err != nil {
			return nil, err
		}
		for id, s := range found {
			sum[id] += s
			count[id]++
		}
	}
	maps.DeleteFunc(sum, func(id string, _ float64) bool { return count[id] < len(q.words) })
	return sum, nil
}

func (r *ranked) bleveWhole(q rankedQuery) (scores, error) {
	var terms []query.Query
	for _, w := range q.words {
		terms = append(terms, termIn(w, q.locale))
	}
	return r.bleveSearch(context.Background(), bleve.NewConjunctionQuery(terms...))
}

func (r *ranked) bleveSearch(ctx context.Context, q query.Query) (scores, error) {
	req := bleve.NewSearchRequestOptions(q, rankedCourses, 0, false)
	resp, err := r.bleve.SearchInContext(ctx, req)
	if err != nil {
		return nil, err
	}
	all := scores{}
	for _, h := range resp.Hits {
		all[h.ID] = h.Score
	}
	return all, nil
}

func termIn(w string, l catalog.Locale) query.Query {
	t := bleve.NewTermQuery(w)
	t.SetField(string(l))
	return t
}

// scaled makes the best score 1: a constant factor changes no order.
func (s scores) scaled() scores {
	best := 0.
	for _, v := range s {
		best = max(best, v)
	}
	out := scores{}
	for id, v := range s {
		out[id] = v / best
	}
	return out
}

// difference is the largest one between two scores of a course, 1 when one lacks it.
func difference(a, b scores) (most float64) {
	a, b = a.scaled(), b.scaled()
	for id := range a {
		if _, ok := b[id]; !ok {
			return 1
		}
	}
	for id, v := range b {
		w, ok := a[id]
		if !ok {
			return 1
		}
		most = max(most, math.Abs(v-w))
	}
	return most
}

// sameOrder reports whether two rankings are one, where scores that are the same but for rounding may stand in any order.
func sameOrder(a, b scores) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = a.scaled(), b.scaled()
	least := math.Inf(1)
	for _, id := range a.order() {
		if b[id] > least+sameScore {
			return false
		}
		least = min(least, b[id])
	}
	return true
}

// order returns the courses, the best first.
func (s scores) order() []string {
	ids := slices.Sorted(maps.Keys(s))
	slices.SortStableFunc(ids, func(x, y string) int { return cmp.Compare(s[y], s[x]) })
	return ids
}

// overlap is the part of the first ten that two rankings share.
func overlap(a, b scores) float64 {
	const first = 10
	x, y := a.order(), b.order()
	x, y = x[:min(first, len(x))], y[:min(first, len(y))]
	if len(x) == 0 {
		return 1
	}
	n := 0
	for _, id := range x {
		if slices.Contains(y, id) {
			n++
		}
	}
	return float64(n) / float64(len(x))
}
