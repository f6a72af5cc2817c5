// Command bench measures Carrel against its peers in one run, and prints a report in Markdown. Ratios are what counts: the times are of one machine.
//
// It is a module of its own, so that what only a benchmark needs stays out of the program's go.mod.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == peersCommand {
		if err := servePeers(context.Background(), os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 2 && os.Args[1] == standInCommand {
		if err := serveStandIn(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	b := &bench{built: map[int]time.Duration{}}
	flag.IntVar(&b.courses, "courses", 50_000, "synthetic `COURSES`")
	flag.IntVar(&b.large, "large", 500_000, "`COURSES` of the large catalog; 0 leaves it out")
	flag.StringVar(&b.data, "data", "", "`FOLDER` that keeps the filled catalogs for the next run; none are kept when empty")
	flag.StringVar(&b.profile, "cpuprofile", "", "`FILE` for the CPU profile of the faceted mix")
	only := flag.String("only", "", "`SECTIONS`, separated by commas, of "+strings.Join(names(), ", ")+"; all when empty")
	flag.Parse()
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	dir, binary, data, profile string
	courses, large             int
	built                      map[int]time.Duration // by size: how long it took to make a catalog
	servers                    []*exec.Cmd
}

// sections are the parts of a report, in order.
var sections = []struct {
	name string
	run  func(*bench) error
}{
	{"changelog", (*bench).changelog},
	{"import", (*bench).imports},
	{"search", (*bench).search},
	{"alerts", (*bench).alerts},
	{"ranking", (*bench).ranking},
	{"mixed", (*bench).mixed},
	{"overload", (*bench).overload},
	{"fairness", (*bench).fairness},
	{"hostile", (*bench).hostile},
	{"sync", (*bench).sync},
	{"sync-phones", (*bench).phones},
	{"sync-streams", (*bench).streams},
	{"push", (*bench).push},
	{"profile", (*bench).profiled},
}

func names() (list []string) {
	for _, s := range sections {
		list = append(list, s.name)
	}
	return list
}

func (b *bench) run(only string) error {
	wanted := names()
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(names(), func(section string) bool { return partOf(section, name) }) {
			return fmt.Errorf("there is no section %q, only %s", name, strings.Join(names(), ", "))
		}
	}
	dir, err := os.MkdirTemp("", "carrel-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir, b.binary = dir, filepath.Join(dir, "carrel")
	if b.data == "" {
		b.data = dir
	}
	defer b.endServers()
	header()
	build := exec.Command("go", "build", "-o", b.binary, ".")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building carrel: %w: %s", err, out)
	}
	start := time.Now()
	for _, s := range sections {
		if !slices.ContainsFunc(wanted, func(name string) bool { return partOf(s.name, name) }) {
			continue
		}
		note("%s, after %.0f s", s.name, time.Since(start).Seconds())
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	fmt.Printf("\nThe run took %.0f minutes.\n", time.Since(start).Minutes())
	return nil
}

// partOf reports whether a section is the one that was named, or belongs to it.
func partOf(section, name string) bool {
	return section == name || strings.HasPrefix(section, name+"-")
}

func header() {
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	fmt.Printf("# Benchmarks\n\nPrinted by `make bench`. Ratios are what counts; the times are of one machine.\n\n- date: %s\n- commit: %s\n- machine: %d cores, %s, %s/%s, %s\n",
		time.Now().UTC().Format(time.DateOnly), bytes.TrimSpace(commit), runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown processor"
}

func section(title string) { fmt.Printf("\n## %s\n\n", title) }

// note tells whoever waits how far the run is; the report goes to stdout.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

func itoa(n int) string { return strconv.Itoa(n) }

// times are the durations of one measurement, repeated.
type times []time.Duration

func (t times) at(percent int) time.Duration {
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return t[min(len(t)*percent/100, len(t)-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// verdict compares a measured ratio with a goal that it should reach.
func verdict(got, goal float64) string { return judged(got, goal, got >= goal) }

// atMost compares a measured ratio with a goal that it should not exceed.
func atMost(got, goal float64) string { return judged(got, goal, got <= goal) }

func judged(got, goal float64, met bool) string {
	if met {
		return fmt.Sprintf("%.2f, goal %.2f: met", got, goal)
	}
	return fmt.Sprintf("%.2f, goal %.2f: **not met**", got, goal)
}
