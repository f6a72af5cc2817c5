package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

const (
	// hostileTimes is how often each query is asked: the slowest counts.
	hostileTimes = 3
	// goalHostile is the server's own deadline for a search.
	goalHostile = 2 * time.Second
	// goalHostileMemory is how much more than before a server may hold after all of them.
	goalHostileMemory = 1.5
)

// hostile asks what nobody means, and shows the slowest.
func (b *bench) hostile() error {
	section(fmt.Sprintf("Hostile queries, %d courses", b.courses))
	s, c, err := b.served(b.courses)
	if err != nil {
		return err
	}
	defer c.close()
	pid := s.cmd.Process.Pid
	log := newQueryLog(warmSeed, optionsOf(b.courses))
	if _, _, _, err := c.closedLoop(clients, list(warmQueries, func() string { return path(log.mixed()) })); err != nil {
		return err
	}
	before := resident(pid)
	memory := watch(pid, residentLine)
	fmt.Println("| query | search: status | slowest ms | suggest: status | slowest ms |\n|---|---|---|---|---|")
	var worst time.Duration
	others := map[int]int{} // statuses that are neither a result nor a 400
	for _, q := range b.hostileQueries() {
		line := "| " + q.name
		for _, prefix := range []string{"/v2/search?facets=*&limit=100&facet_limit=100&explain=true&q=", "/v2/suggest?limit=100&q="} {
			status, slowest, err := hostileAsk(c, prefix+url.QueryEscape(q.text))
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			worst = max(worst, slowest)
			if status != http.StatusOK && status != http.StatusBadRequest && status != http.StatusRequestHeaderFieldsTooLarge {
				others[status]++
			}
			line += fmt.Sprintf(" | %d | %s", status, ms(slowest))
		}
		fmt.Println(line + " |")
	}
	used := memory.stop()
	most := slices.Max(used)
	answered := "met"
	if len(others) > 0 {
		answered = fmt.Sprintf("**not met** (status: how many) %v", others)
	}
	fmt.Printf("\n- every answer is a result or a refusal (400, or 431 for a request line that net/http does not take): %s\n- the slowest: %s ms, of its deadline: %s\n- server memory, MB: %.0f before, at most %.0f, ratio %s\n", answered,
		ms(worst), atMost(float64(worst)/float64(goalHostile), 1), before, most, atMost(most/before, goalHostileMemory))
	return s.stop()
}

func hostileAsk(c *client, path string) (status int, slowest time.Duration, err error) {
	for range hostileTimes {
		start := time.Now()
		a, err := c.get(path)
		if err != nil {
			return 0, 0, err
		}
		status, slowest = a.status, max(slowest, time.Since(start))
	}
	return status, slowest, nil
}

type hostileQuery struct{ name, text string }

func (b *bench) hostileQueries() []hostileQuery {
	words := newQueryLog(hostileSeed, optionsOf(b.courses)).words
	en, fr, zh := words[catalog.English], words[catalog.French], words[catalog.Chinese]
	letters := strings.Fields(strings.Repeat("a b c d e f g h i j k l m n o p q r s t u v w x y z ", 3))[:64]
	return []hostileQuery{
		{"1,000 wildcards", strings.Repeat("*", 1000)},
		{"250 wildcards, apart", strings.Repeat("* ", 250)},
		{"`***`", "***"},
		{"`a* b* ?c [d] {e} (f)`", "a* b* ?c [d] {e} (f)"},
		{"64 kB, one word", strings.Repeat("a", 64<<10)},
		{"64 kB of words", strings.Repeat(en[0]+" ", (64<<10)/(len(en[0])+1))},
		{"64 kB of Han", strings.Repeat(zh[0], 20_000)},
		{"4,000 terms", strings.Repeat("ab ", 4000)},
		{"as many terms as fit", shortened(strings.Repeat("ba ", 400))},
		{"64 different words", shortened(strings.Join(en[:64], " "))},
		{"64 one-letter prefixes", strings.Join(letters, " ")},
		{"one letter", "b"},
		{"64 excluded words", shortened("-" + strings.Join(en[:63], " -"))},
		{"excluded only", "-" + en[0]},
		{"unbalanced quotes", `"` + en[0] + ` "" "` + en[1] + `" "`},
		{"500 quotes", strings.Repeat(`"`, 500)},
		{"20 phrases of common words", shortened(strings.Repeat(`"`+en[0]+` `+en[1]+`" `, 20))},
		{"control characters", "\x01\x02\x1b[31m" + en[0] + "\r\n\t\x7f"},
		{"a zero byte", en[0] + "\x00" + en[1]},
		{"broken UTF-8", en[0] + "\xff\xfe"},
		{"right-to-left marks", "\u202e\u200f" + en[0] + "\u202c\u2066" + fr[0] + "\u2069"},
		{"500 combining accents", "e" + strings.Repeat("\u0301", 500)},
		{"long words two typos away", shortened(strings.Repeat("contionneringg maravellomarq ", 17))},
		{"512 Han characters", shortened(strings.Repeat(zh[0]+zh[1]+zh[2]+zh[3], 200))},
		{"emoji, joined", strings.Repeat("👩‍👩‍👧‍👦", 60)},
		{"fields without end", shortened(strings.Repeat("tag:a level:b rating:>=4 ", 25))},
		{"a broken field", `rating:>=99999999999999999999 tag:"`},
		{"SQL and script", `'; DROP TABLE courses;-- <script>alert(1)</script> ${jndi:ldap://x}`},
	}
}

// hostileSeed only chooses words.
const hostileSeed = 53
