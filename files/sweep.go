package files

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// Run sweeps at once and then every [SweepEvery], until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(SweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "files: what is no longer used could not be put aside", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Sweep puts files aside that nothing names, brings back those that are named again, and removes what has been aside for [Grace].
//
// What is named is read once, after the sweep has begun to note what is kept. A name that is missing in what was read was given later, so by somebody who kept the
// file at some moment since the beginning, and it was noted; or it is a name of a file that had another name then, which is there too. Hence what is neither named
// nor noted can go, and the lock holds off whoever is about to keep it.
func (s *Store) Sweep(ctx context.Context) error {
	s.begin()
	defer s.end()
	named, err := s.cfg.Named(ctx)
	if err != nil {
		return err
	}
	var u Usage
	errs := []error{s.each("", func(sum Sum, info fs.FileInfo) error {
		aside, err := s.putAside(sum, named)
		if !aside {
			u.Files, u.FilesBytes = u.Files+1, u.FilesBytes+info.Size()
		}
		return err
	})}
	errs = append(errs, s.each(unusedDir, func(sum Sum, info fs.FileInfo) error {
		back, left, err := s.bringBack(sum, info, named)
		if back {
			u.Files, u.FilesBytes = u.Files+1, u.FilesBytes+info.Size()
		} else if left {
			u.Unused, u.UnusedBytes = u.Unused+1, u.UnusedBytes+info.Size()
		}
		return err
	}))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage = u
	return errors.Join(errs...)
}

// begin begins to note what is kept.
func (s *Store) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = map[Sum]bool{}
	for sum := range maps.Keys(s.held) {
		s.touched[sum] = true
	}
}

func (s *Store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = nil
}

// each calls fn for the files in a folder, and goes on after an error.
func (s *Store) each(dir string, fn func(Sum, fs.FileInfo) error) error {
	entries, err := os.ReadDir(s.path(dir))
	errs := []error{err}
	for _, e := range entries {
		sum, ok := ParseSum(e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = fn(sum, info)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// putAside puts a file aside, unless it is named or kept, and reports whether it did.
func (s *Store) putAside(sum Sum, named map[Sum]bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if named[sum] || s.touched[sum] {
		return false, nil
	}
	aside := filepath.Join(s.path(unusedDir), sum.String())
	if err := os.Rename(s.path(sum.String()), aside); err != nil {
		return false, err
	}
	now := s.cfg.Now() // its grace begins now, however old it is
	return true, os.Chtimes(aside, now, now)
}

// bringBack brings a file back that is named, and removes one whose grace has ended; it reports whether it did the first, and whether the file is left aside.
func (s *Store) bringBack(sum Sum, info fs.FileInfo, named map[Sum]bool) (back, left bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	aside := filepath.Join(s.path(unusedDir), sum.String())
	switch _, err := os.Stat(s.path(sum.String())); {
	case named[sum] && errors.Is(err, fs.ErrNotExist):
		return true, false, os.Rename(aside, s.path(sum.String()))
	case named[sum], s.cfg.Now().Sub(info.ModTime()) >= Grace:
		return false, false, os.Remove(aside)
	}
	return false, true, nil
}

// Usage says how much room the files took when the last sweep ended.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usage
}
