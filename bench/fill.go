package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// fillSeed makes the same catalog in every run.
	fillSeed = 3
	// fillGC lets the heap grow while a catalog is made, where memory is not what is measured.
	fillGC = 400
	// filled names the file that says that a folder is complete, and of what.
	filled = "bench-filled"
)

// optionsOf describes the catalog that searches are measured on: every course in English, French and Chinese, 75 words in each.
func optionsOf(courses int) searchtest.Options {
	return searchtest.Options{Courses: courses, Seed: fillSeed, Translated: true}
}

// folder returns a data folder with so many courses. It is made by commands to the catalog, with the index following: reading a CSV file of that size
// would take longer and is measured on its own. A folder of an earlier run is used again when -data names where it is.
func (b *bench) folder(courses int) (string, error) {
	dir := filepath.Join(b.data, fmt.Sprintf("courses-%d", courses))
	o := optionsOf(courses)
	mark := fmt.Sprintf("%+v\n", o)
	if text, err := os.ReadFile(filepath.Join(dir, filled)); err == nil && string(text) == mark {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	start := time.Now()
	if err := fill(dir, o); err != nil {
		return "", fmt.Errorf("filling %s: %w", dir, err)
	}
	b.built[courses] = time.Since(start)
	note("%d courses in three languages were written and indexed in %.0f s", courses, b.built[courses].Seconds())
	return dir, os.WriteFile(filepath.Join(dir, filled), []byte(mark), 0o600)
}

func fill(dir string, o searchtest.Options) (err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(fillGC))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s, err := open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var progress coursesync.Progress
	ended := make(chan error, 1)
	go func() { ended <- coursesync.Follow(ctx, s.catalog.Log(), s.index, &progress) }()
	if err := searchtest.Fill(ctx, s.catalog, o); err != nil {
		return err
	}
	head, err := s.catalog.Log().Head(ctx)
	if err != nil {
		return err
	}
	if err := s.index.WaitFor(ctx, head); err != nil {
		return err
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// site is an open data folder.
type site struct {
	catalog *catalog.Catalog
	index   *search.Index
}

func open(dir string) (*site, error) {
	c, err := catalog.Open(catalog.Config{Path: filepath.Join(dir, "carrel.db"), Secrets: filepath.Join(dir, "secrets")})
	if err != nil {
		return nil, err
	}
	index, err := search.Open(search.Config{Dir: filepath.Join(dir, "search"), Catalog: c})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &site{c, index}, nil
}

// openReady is open with an index that has read everything.
func openReady(dir string) (*site, error) {
	s, err := open(dir)
	if err != nil {
		return nil, err
	}
	if err := coursesync.CatchUp(context.Background(), s.catalog.Log(), s.index); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *site) close() error { return errors.Join(s.index.Close(), s.catalog.Close()) }
