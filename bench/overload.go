package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	overloadSeed = 47
	// unloadedShare of the capacity is little enough that requests do not meet.
	unloadedShare = .1
	// overloadTimes is how much more than the sustainable rate is asked for, overloadTime for how long.
	overloadTimes = 3
	overloadTime  = 30 * time.Second
	probeTime     = 8 * time.Second
	// sustained is how many times the unloaded p95 a rate may take that is called sustainable.
	sustained = 5

	goalOverload95 = 2.
	// goalMemory is how much more memory the end of the overload may take than its first third.
	goalMemory = 1.1
)

// overload finds the rate that a server sustains and asks for three times that.
func (b *bench) overload() error {
	section(fmt.Sprintf("Overload, %d courses, mixed queries at fixed rates", b.courses))
	s, c, err := b.served(b.courses)
	if err != nil {
		return err
	}
	defer c.close()
	log := newQueryLog(overloadSeed, optionsOf(b.courses))
	if _, _, _, err := c.closedLoop(clients, list(warmQueries, func() string { return path(log.mixed()) })); err != nil {
		return err
	}
	paths := list(50_000, func() string { return path(log.mixed()) }) // more than any one phase sends, so that no cache answers
	_, _, took, err := c.closedLoop(clients, paths[:mixedQueries])
	if err != nil {
		return err
	}
	capacity := mixedQueries / took.Seconds()
	fmt.Println("| rate | asked/s | accepted | p50 / p95 ms | refused | without Retry-After | other errors | sent late, p95 ms |\n|---|---|---|---|---|---|---|---|")
	quiet := c.openLoop(capacity*unloadedShare, 2*probeTime, paths[mixedQueries:])
	row("unloaded", capacity*unloadedShare, quiet)
	base := quiet.accepted.at(95)
	rate := c.sustainable(capacity, base, paths)
	memory := watch(s.cmd.Process.Pid, residentLine)
	l := c.openLoop(overloadTimes*rate, overloadTime, paths)
	used := memory.stop()
	row(fmt.Sprintf("%d times that", overloadTimes), overloadTimes*rate, l)
	fmt.Printf("\n- accepted requests' p95, times that unloaded: %s\n", atMost(float64(l.accepted.at(95))/float64(base), goalOverload95))
	refused := "met"
	if l.noRetry > 0 || l.errors() > 0 {
		refused = fmt.Sprintf("**not met**: %v", l.failed)
	}
	fmt.Printf("- all others refused with 429 or 503 and Retry-After: %s\n", refused)
	third := len(used) / 3
	early, late := slices.Max(used[:third+1]), slices.Max(used[len(used)-third-1:])
	fmt.Printf("- server memory, MB: %.0f before, at most %.0f in the first third and %.0f in the last, ratio %s\n", used[0], early, late, atMost(late/early, goalMemory))
	return s.stop()
}

// sustainable is the highest rate tried at which nothing is refused and requests do not pile up. Rates that are too high are shown too.
func (c *client) sustainable(capacity float64, unloaded time.Duration, paths []string) (rate float64) {
	for percent := 100; percent > 20; percent -= 10 {
		rate = capacity * float64(percent) / 100
		l := c.openLoop(rate, probeTime, paths[percent*100:])
		if l.refused == 0 && l.errors() == 0 && l.accepted.at(95) <= sustained*unloaded {
			row(fmt.Sprintf("sustainable: %d %% of what %d clients reached", percent, clients), rate, l)
			return rate
		}
		row(fmt.Sprintf("%d %%, too much", percent), rate, l)
	}
	return rate
}

func row(name string, rate float64, l load) {
	fmt.Printf("| %s | %.0f | %d | %s / %s | %d | %d | %d | %s |\n", name, rate, len(l.accepted), ms(l.accepted.at(50)), ms(l.accepted.at(95)), l.refused, l.noRetry,
		l.errors(), ms(l.late.at(95)))
}

// watcher follows the memory of a process.
type watcher struct {
	quit chan struct{}
	wg   sync.WaitGroup
	used []float64
}

// watch follows a line of /proc/pid/status.
func watch(pid int, line string) *watcher {
	w := &watcher{quit: make(chan struct{}), used: []float64{memory(pid, line)}}
	w.wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-tick.C:
				w.used = append(w.used, memory(pid, line))
			}
		}
	})
	return w
}

// stop returns what was used, in MB.
func (w *watcher) stop() []float64 {
	close(w.quit)
	w.wg.Wait()
	return w.used
}

// resident is the memory that a process holds, in MB; 0 where that is not told.
func resident(pid int) float64 { return memory(pid, residentLine) }

// residentLine is where a process tells how much memory it holds now, files that it maps included.
const residentLine = "VmRSS"

// memory is a line of /proc/pid/status, in MB; 0 where that is not told.
func memory(pid int, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			var kb float64
			_, _ = fmt.Sscan(rest, &kb)
			return kb / 1024
		}
	}
	return 0
}
