package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

const (
	// cheapRate is that of a few people who search.
	cheapRate = 40
	cheapTime = 10 * time.Second
	// floodClients ask expensive things without a pause.
	floodClients = 16
)

// fairness measures cheap queries alone and beside a flood of expensive ones.
func (b *bench) fairness() error {
	section(fmt.Sprintf("Cheap queries beside expensive ones, %d courses", b.courses))
	s, c, err := b.served(b.courses)
	if err != nil {
		return err
	}
	defer c.close()
	cheap, expensive := b.cheapQueries(), b.expensiveQueries()
	c.openLoop(cheapRate, 2*time.Second, cheap)
	alone := c.openLoop(cheapRate, cheapTime, cheap)
	ctx, cancel := context.WithCancel(context.Background())
	var flood load
	flood.failed = map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range floodClients {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n += floodClients {
				start := time.Now()
				a, err := c.get(expensive[n%len(expensive)])
				mu.Lock()
				flood.add(a, time.Since(start), err)
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Second)
	beside := c.openLoop(cheapRate, cheapTime, cheap)
	cancel()
	wg.Wait()
	fmt.Println("| | accepted | p50 / p95 / p99 ms | refused | other errors |\n|---|---|---|---|---|")
	for _, r := range []struct {
		name string
		load load
	}{
		{fmt.Sprintf("cheap ones alone, %d/s", cheapRate), alone},
		{"cheap ones beside the flood", beside},
		{fmt.Sprintf("the flood: %d clients with single letters, 64 words, phrases, typos", floodClients), flood},
	} {
		t := r.load.accepted
		fmt.Printf("| %s | %d | %s / %s / %s | %d | %d |\n", r.name, len(t), ms(t.at(50)), ms(t.at(95)), ms(t.at(99)), r.load.refused, r.load.errors())
	}
	fmt.Printf("\n- p95 of cheap queries beside the flood, times that alone: %.1f\n", float64(beside.accepted.at(95))/float64(alone.accepted.at(95)))
	return s.stop()
}

// cheapQueries are of one rare word, without facets.
func (b *bench) cheapQueries() []string {
	words := newQueryLog(overloadSeed, optionsOf(b.courses)).words[catalog.English]
	return list(500, countUp(func(i int) string {
		return path(search.Request{Locale: catalog.English, Q: words[2000+7*i], Limit: 10})
	}))
}

// expensiveQueries are many different ones of the most expensive kinds.
func (b *bench) expensiveQueries() []string {
	l := newQueryLog(overloadSeed, optionsOf(b.courses))
	return list(2000, countUp(func(i int) string {
		locale := languages[i/4%len(languages)]
		var q string
		switch i % 4 {
		case 0:
			q = lettersOf(l.rand, 3)
		case 1:
			q = strings.Join(l.pick(locale, 64), " ")
		case 2:
			q = `"` + strings.Join(l.pick(locale, 2), " ") + `"`
		case 3:
			words := l.pick(locale, 4)
			for n := range words {
				words[n] = l.mistyped(words[n] + "xq")
			}
			q = strings.Join(words, " ")
		}
		return path(search.Request{Locale: locale, Q: shortened(q), Facets: []string{"*"}, Limit: 100, FacetLimit: 100})
	}))
}

// lettersOf are single letters, each the beginning of a twentieth of all words.
func lettersOf(r *rand.Rand, n int) string {
	letters := list(n, func() string { return string('a' + r.Int32N(26)) })
	return strings.Join(letters, " ")
}

// shortened cuts a query to what the server takes.
func shortened(q string) string {
	runes := []rune(q)
	return string(runes[:min(len(runes), search.MaxQueryRunes)])
}

// countUp passes on how often it was called before.
func countUp[T any](fn func(i int) T) func() T {
	i := -1
	return func() T {
		i++
		return fn(i)
	}
}
