// Command bench measures Carrel against its peers in one run, and prints a report in Markdown. Ratios are what counts: the times are of one machine.
//
// It is a module of its own, so that what only a benchmark needs stays out of the program's go.mod.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	courses := flag.Int("courses", 50_000, "synthetic courses")
	only := flag.String("only", "", "changelog, import or search; all when empty")
	flag.Parse()
	if err := run(*courses, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(courses int, only string) error {
	dir, err := os.MkdirTemp("", "carrel-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	header()
	b := &bench{dir: dir, courses: courses, binary: filepath.Join(dir, "carrel")}
	if only == "" || only == "changelog" {
		if err := b.changelog(); err != nil {
			return err
		}
	}
	if only == "changelog" {
		return nil
	}
	build := exec.Command("go", "build", "-o", b.binary, ".")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building carrel: %w: %s", err, out)
	}
	if err := b.imports(only == "search"); err != nil {
		return err
	}
	if only == "import" {
		return nil
	}
	return b.search()
}

// bench is one run.
type bench struct {
	dir, binary string
	courses     int
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

// times are the durations of one measurement, repeated.
type times []time.Duration

func (t times) at(percent int) time.Duration {
	slices.Sort(t)
	return t[min(len(t)*percent/100, len(t)-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// verdict compares a measured ratio with a goal.
func verdict(got, goal float64) string {
	if got >= goal {
		return fmt.Sprintf("%.2f, goal %.2f: met", got, goal)
	}
	return fmt.Sprintf("%.2f, goal %.2f: **not met**", got, goal)
}
