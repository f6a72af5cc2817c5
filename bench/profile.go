package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

const (
	profileSeed    = 59
	profileQueries = 4000
	// profileLines of each order are shown.
	profileLines = 25
)

// profiled runs the mixed log in process, one query after another, and shows where the time goes.
func (b *bench) profiled() error {
	section(fmt.Sprintf("Where the time of the mixed queries goes, %d courses, in process", b.courses))
	dir, err := b.folder(b.courses)
	if err != nil {
		return err
	}
	s, err := openReady(dir)
	if err != nil {
		return err
	}
	log := newQueryLog(profileSeed, optionsOf(b.courses))
	if _, err := s.ask(log, warmQueries); err != nil {
		return err
	}
	file := b.profile
	if file == "" {
		file = filepath.Join(b.dir, "cpu.prof")
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	all, err := s.ask(log, profileQueries)
	pprof.StopCPUProfile()
	if err := errors.Join(err, f.Close(), s.close()); err != nil {
		return err
	}
	fmt.Printf("%d queries, p50 / p95 / p99: %s / %s / %s ms.\n", len(all), ms(all.at(50)), ms(all.at(95)), ms(all.at(99)))
	for _, order := range []struct{ name, flag string }{{"with what they call", "-cum"}, {"alone", "-flat"}} {
		if err := top(file, order.name, order.flag); err != nil {
			return err
		}
	}
	return nil
}

// ask asks n mixed queries; those that were too much for the server, on a busy machine, are left out.
func (s *site) ask(log *queryLog, n int) (all times, err error) {
	for range n {
		req := log.mixed()
		start := time.Now()
		_, err := s.index.Search(context.Background(), req)
		if fault.Is(err, fault.Overloaded) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, time.Since(start))
	}
	return all, nil
}

// top prints the most expensive functions of a profile.
func top(file, name, order string) error {
	out, err := exec.Command("go", "tool", "pprof", "-top", order, fmt.Sprint("-nodecount=", profileLines), "-show=carrel/(search|catalog)|bleve|zapx|roaring|vellum|json",
		"-focus=search.*Search", file).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	_, table, _ := strings.Cut(string(out), "Duration")
	_, table, _ = strings.Cut(table, "\n")
	fmt.Printf("\nFunctions %s:\n\n```\n%s```\n", name, strings.ReplaceAll(table, "github.com/carrel-lms/carrel/", ""))
	return nil
}
