package main

import (
	"fmt"
	"time"
)

const (
	clients = 4
	// logSeed and warmSeed make different logs: what warms the server up is not asked again.
	logSeed   = 41
	freshSeed = 42
	warmSeed  = 43

	warmQueries  = 400
	mixedQueries = 6000
	largeQueries = 2000 // of the large catalog, where each takes longer
	typedShare   = 3    // for so many mixed queries there is one key typed

	goalMixed95 = 20 * time.Millisecond
	goalMixed99 = 50 * time.Millisecond
	goalTyped95 = 10 * time.Millisecond
	goalGrowth  = 12
)

// mixed asks a log of mixed queries over HTTP, of a small catalog and of a large one.
func (b *bench) mixed() error {
	section(fmt.Sprintf("Mixed queries over HTTP, %d clients, three languages", clients))
	small, err := b.mixedOn(b.courses, mixedQueries)
	if err != nil {
		return err
	}
	fmt.Println(small)
	if b.large == 0 {
		return nil
	}
	large, err := b.mixedOn(b.large, largeQueries)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", large)
	growth := float64(large.mixed95) / float64(small.mixed95)
	fmt.Printf("\n- p95 of the mixed queries at %d courses, times that at %d: %s\n", b.large, b.courses, atMost(growth, goalGrowth))
	return nil
}

// logResult is what a log showed.
type logResult struct {
	text    string
	mixed95 time.Duration
}

// String is the result's table.
func (r logResult) String() string { return r.text }

func (b *bench) mixedOn(courses, queries int) (logResult, error) {
	s, c, err := b.served(courses)
	if err != nil {
		return logResult{}, err
	}
	defer c.close()
	log, fresh, warm := newQueryLog(logSeed, optionsOf(courses)), newQueryLog(freshSeed, optionsOf(courses)), newQueryLog(warmSeed, optionsOf(courses))
	if _, _, _, err := c.closedLoop(clients, list(warmQueries, func() string { return path(warm.mixed()) })); err != nil {
		return logResult{}, err
	}
	paths := list(queries, func() string { return path(log.mixed()) })
	once := fresh.different(queries/2, paths)
	var typed, typedSearch []string
	for _, req := range log.typing(queries / typedShare) {
		typed = append(typed, suggestPath(req))
		req.Limit = 8
		typedSearch = append(typedSearch, path(req))
	}
	goals := courses == b.courses
	r := logResult{text: fmt.Sprintf("| %d courses | requests | repeated | refused | requests/s | p50 / p95 / p99 ms |\n|---|---|---|---|---|---|", courses)}
	for _, run := range []struct {
		name       string
		clients    int
		paths      []string
		p95, p99   time.Duration
		isMixedLog bool
	}{
		{"mixed queries, 6 facets", clients, paths, goalMixed95, goalMixed99, true},
		{"mixed queries, each asked once, so that no kept result answers", clients, once, 0, 0, false},
		{"suggestions while typing", clients, typed, goalTyped95, 0, false},
		{"search while typing, 8 hits", clients, typedSearch, goalTyped95, 0, false},
		{"search while typing, 8 hits, one client", 1, typedSearch, 0, 0, false},
	} {
		all, refused, took, err := c.closedLoop(run.clients, run.paths)
		if err != nil {
			return r, err
		}
		p95, p99 := within(all.at(95), run.p95, goals), within(all.at(99), run.p99, goals)
		r.text += fmt.Sprintf("\n| %s | %d | %d | %d | %.0f | %s / %s / %s |", run.name, len(run.paths), repeats(run.paths), refused,
			float64(len(all))/took.Seconds(), ms(all.at(50)), p95, p99)
		if run.isMixedLog {
			r.mixed95 = all.at(95)
		}
	}
	return r, s.stop()
}

// within writes a time, with its goal where there is one.
func within(t, goal time.Duration, goals bool) string {
	switch {
	case !goals || goal == 0:
		return ms(t)
	case t <= goal:
		return fmt.Sprintf("%s (goal %s: met)", ms(t), ms(goal))
	}
	return fmt.Sprintf("%s (goal %s: **not met**)", ms(t), ms(goal))
}

// served starts a server on a catalog of so many courses and waits until it searches.
func (b *bench) served(courses int) (*server, *client, error) {
	dir, err := b.folder(courses)
	if err != nil {
		return nil, nil, err
	}
	s, err := b.serve(dir)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.ready()
	return s, c, err
}

// ready waits until a server searches.
func (s *server) ready() (*client, error) {
	c := newClient(s.url)
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := c.ok("/v2/search?q=&limit=1")
		if err == nil {
			return c, nil
		}
		if time.Since(start) > 10*time.Minute {
			return nil, fmt.Errorf("the server does not get ready: %w", err)
		}
	}
}
