package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

const (
	warmUp       = 20
	measured     = 200
	peerWarmUp   = 3
	peerMeasured = 40

	goalCommon    = 6 * time.Millisecond
	goalCommonest = 9 * time.Millisecond
	goalHTTP      = 2 * time.Millisecond
)

// facets are the six that all sides count.
var facets = []string{"tags", "category", "level", "language", "provider", "instructors"}

// asked is a query that all sides answer.
type asked struct {
	name            string
	locale          catalog.Locale
	words           []string
	bleve, postgres float64       // goals: times as fast
	goal            time.Duration // of the p50
	ours            times
	total           int
}

func (a *asked) q() string { return strings.Join(a.words, " ") }

// search compares faceted searches in process and over HTTP with bleve's native facets and with PostgreSQL over the same courses.
func (b *bench) search() error {
	dir, err := b.folder(b.courses)
	if err != nil {
		return err
	}
	s, err := openReady(dir)
	if err != nil {
		return err
	}
	words := newQueryLog(0, optionsOf(b.courses)).words
	en := words[catalog.English]
	queries := []*asked{
		{name: "everything", locale: catalog.English, bleve: 15, postgres: 60},
		{name: "three common words", locale: catalog.English, words: en[3:6], bleve: 5, postgres: 30},
		{name: "the three commonest words", locale: catalog.English, words: en[0:3]},
		{name: "one common word", locale: catalog.English, words: en[3:4]},
		{name: "two rarer words", locale: catalog.English, words: []string{en[200], en[300]}},
		{name: "one rare word", locale: catalog.English, words: en[5000:5001]},
	}
	if err := errors.Join(b.peers(s, queries), inLanguages(s, words), s.close()); err != nil {
		return err
	}
	return b.overHTTP(queries)
}

// request is a search that no cache of results has seen: the number of hits and of listed values differs from one to the next, around 20 and 10.
func (a *asked) request(i int) search.Request {
	const hits, values = 20, 11
	return search.Request{Q: a.q(), Locale: a.locale, Facets: facets, Limit: 11 + i%hits, FacetLimit: 5 + i/hits%values}
}

func (a *asked) measure(s *site) (err error) {
	a.ours, a.total, err = measure(warmUp, measured, func(i int) (int, error) {
		r, err := s.index.Search(context.Background(), a.request(i))
		if err != nil {
			return 0, err
		}
		return r.Total, nil
	})
	return err
}

func (b *bench) peers(s *site, queries []*asked) error {
	section(fmt.Sprintf("Search over %d courses in three languages with 6 facets, in process", b.courses))
	ctx := context.Background()
	native, err := b.native(s)
	if err != nil {
		return err
	}
	defer native.Close()
	note("bleve's own index is built")
	p, err := startPostgres(ctx, filepath.Join(b.dir, "postgres"))
	if errors.Is(err, errNoPostgres) {
		fmt.Printf("%v: left out.\n\n", err)
	} else if err != nil {
		return err
	}
	if p != nil {
		defer func() { _ = p.stop(ctx) }()
		if err := p.load(ctx, s); err != nil {
			return err
		}
		note("PostgreSQL is loaded")
	}
	fmt.Println("| query | hits: Carrel, bleve, PostgreSQL | Carrel p50 / p95 ms | bleve p50 / p95 ms | times Carrel's p50 | PostgreSQL p50 / p95 ms | times Carrel's p50 |\n|---|---|---|---|---|---|---|")
	var ways []string
	for _, a := range queries {
		way, err := a.compare(ctx, s, native, p)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		ways = append(ways, way)
	}
	if p != nil {
		fmt.Printf("\nPostgreSQL %s, its tables warm, everything in memory, JIT off, and for each query the fastest of all ways tried:\n\n", p.version)
		for i, a := range queries {
			fmt.Printf("- %s: %s\n", a.name, ways[i])
		}
	}
	fmt.Println("\nFor Carrel the last word of a query is also the beginning of longer words, and it looks in labels and names too: its hits are more. No two of its requests are the " +
		"same (their limits are around 20 hits and 10 values), so that no kept result answers; lists of documents that it keeps in memory are warm, as are the peers' pages.")
	return nil
}

func (a *asked) compare(ctx context.Context, s *site, native bleve.Index, p *postgres) (way string, err error) {
	if err := a.measure(s); err != nil {
		return "", err
	}
	q, err := nativeQuery(native, a.words)
	if err != nil {
		return "", err
	}
	theirs, found, err := measure(peerWarmUp, peerMeasured, func(int) (int, error) { return nativeSearch(native, q) })
	if err != nil {
		return "", err
	}
	hits := fmt.Sprintf("%d, %d", a.total, found)
	line := fmt.Sprintf("%s / %s | %s / %s | %s", ms(a.ours.at(50)), ms(a.ours.at(95)), ms(theirs.at(50)), ms(theirs.at(95)), ratio(theirs, a.ours, a.bleve))
	if p == nil {
		fmt.Printf("| %s | %s, – | %s | – | – |\n", a.name, hits, line)
		return "", nil
	}
	prepared, err := p.prepare(ctx, a.words)
	if err != nil {
		return "", err
	}
	his, total, err := measure(peerWarmUp, peerMeasured, func(int) (int, error) { return prepared.search(ctx) })
	if err != nil {
		return "", err
	}
	fmt.Printf("| %s | %s, %d | %s | %s / %s | %s |\n", a.name, hits, total, line, ms(his.at(50)), ms(his.at(95)), ratio(his, a.ours, a.postgres))
	return prepared.String(), nil
}

// ratio writes how many times as long a peer takes.
func ratio(peer, ours times, goal float64) string {
	r := float64(peer.at(50)) / float64(ours.at(50))
	if goal == 0 {
		return fmt.Sprintf("%.1f", r)
	}
	return verdict(r, goal)
}

// inLanguages measures the common words of each language.
func inLanguages(s *site, words map[catalog.Locale][]string) error {
	fmt.Println("\n| in process, 6 facets | hits | p50 / p95 ms |\n|---|---|---|")
	for _, l := range languages {
		for _, a := range []asked{
			{name: "three common words", words: words[l][3:6], goal: goalCommon}, {name: "the three commonest words", words: words[l][:3], goal: goalCommonest},
		} {
			a.locale = l
			if err := a.measure(s); err != nil {
				return err
			}
			fmt.Printf("| %s, %s | %d | %s / %s |\n", a.name, l, a.total, within(a.ours.at(50), a.goal, true), ms(a.ours.at(95)))
		}
	}
	return nil
}

func measure(warmUp, measured int, fn func(i int) (int, error)) (times, int, error) {
	var all times
	total := 0
	for i := range warmUp + measured {
		start := time.Now()
		n, err := fn(i)
		if err != nil {
			return nil, 0, err
		}
		if i >= warmUp {
			all = append(all, time.Since(start))
		}
		total = n
	}
	return all, total, nil
}

// overHTTP asks a server in a process of its own the same, over one kept connection.
func (b *bench) overHTTP(queries []*asked) error {
	s, c, err := b.served(b.courses)
	if err != nil {
		return err
	}
	defer c.close()
	fmt.Printf("\n| the same over HTTP, one client | p50 / p95 ms | p50 more than in process, ms (goal ≤ %s) |\n|---|---|---|\n", ms(goalHTTP))
	for _, a := range queries {
		t, _, err := measure(warmUp, measured, func(i int) (int, error) { return 0, c.ok(path(a.request(i))) })
		if err != nil {
			return err
		}
		more := t.at(50) - a.ours.at(50)
		met := "met"
		if more > goalHTTP {
			met = "**not met**"
		}
		fmt.Printf("| %s | %s / %s | %s: %s |\n", a.name, ms(t.at(50)), ms(t.at(95)), ms(more), met)
	}
	return s.stop()
}
