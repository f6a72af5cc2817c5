// Package ingest brings courses in, in bulk: CSV files in the canonical columns or, through a [Mapping], in anyone else's.
//
// A file is read twice. The first pass counts the rows of each key, so that the second can fold rows of one key together wherever they stand and
// let the others stream. Folded rows are written about [batchRows] at a time, each batch by one [catalog.Catalog.Update]: all of it or,
// when the process dies, nothing. Rows that cannot be read or that the catalog refuses are reported and cost nothing but themselves. A row that says
// what the catalog holds already writes nothing: running an import again is free and safe.
//
// Besides courses the package reads files of instructors, tags, categories, modules, lessons and reviews, told apart by their headers
// (kinds.go, docs/import.md).
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// batchRows is how many rows one transaction takes: enough to share the fsync, few enough to keep the writer free for others.
	batchRows = 1_000
	// MaxErrors is how many rejected rows a report lists; more are counted.
	MaxErrors = 100_000
	// maxKeys bounds the memory of the first pass, at about 100 bytes a key.
	maxKeys = 5_000_000
)

// File is something to import. It is opened twice.
type File struct {
	Name string
	Open func() (io.ReadSeekCloser, error)
}

// Options say what to import, and how.
type Options struct {
	Actor    catalog.Actor
	Org      catalog.OrgID             // whose courses they are; "" the public catalog
	Map      *Mapping                  // nil: canonical columns
	DryRun   bool                      // tell what would happen, write nothing
	Detect   func(text string) string  // guesses the language of a text ("" = no idea); may be nil
	Rejected func(catalog.ImportError) // called for each rejected row, as it is met; may be nil
	Progress func(Progress)            // called now and then; may be nil
	Logger   *slog.Logger
}

// Progress says how far an import is.
type Progress struct {
	File        string
	Read, Total int // rows; Total is known from the first pass
}

// Report is what an import did. Rows.Read is the sum of the other five.
type Report struct {
	Rows       catalog.ImportRows    `json:"rows"`
	Errors     []catalog.ImportError `json:"errors"`
	MoreErrors int                   `json:"more_errors,omitempty"` // rejected rows beyond MaxErrors
	Warnings   []string              `json:"warnings,omitempty"`    // columns that nobody asked for, a guessed encoding
	Seq        coursesync.Seq        `json:"-"`                     // of the last write: searchable when search has reached it
}

// Run imports files, those that others refer to first. On an error the report says what was done until then.
func Run(ctx context.Context, c *catalog.Catalog, files []File, opt Options) (Report, error) {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if !opt.Actor.Edits(opt.Org) {
		return Report{}, fault.New("ingest.Run", fault.Forbidden).WithFix("importing needs the role editor, for this organization")
	}
	im := &importer{catalog: c, opt: opt, known: map[catalog.CourseID]bool{}}
	im.report.Errors = []catalog.ImportError{}
	plans, err := im.plan(files)
	if err != nil {
		return im.report, err
	}
	run := im.update
	if !opt.DryRun {
		return im.report, im.runAll(ctx, plans, run)
	}
	err = c.DryRun(ctx, opt.Actor, func(tx *catalog.Tx) error {
		return im.runAll(ctx, plans, func(_ context.Context, fn func(*catalog.Tx) error) error { return fn(tx) })
	})
	return im.report, err
}

// updater runs one batch: in a transaction of its own, or in the one of a dry run.
type updater func(ctx context.Context, fn func(*catalog.Tx) error) error

// importer is one run.
type importer struct {
	catalog *catalog.Catalog
	opt     Options
	report  Report
	known   map[catalog.CourseID]bool // courses that the files bring: prerequisites may name them before they are there
}

func (im *importer) update(ctx context.Context, fn func(*catalog.Tx) error) error {
	seq, err := im.catalog.Update(ctx, im.opt.Actor, fn)
	if err == nil {
		im.report.Seq = max(im.report.Seq, seq)
	}
	return err
}

func (im *importer) expects(id catalog.CourseID) bool { return im.known[id] }

// language is what a row without a language is written in: the mapping's, else detected, else English.
func (im *importer) language(text string) catalog.Locale {
	if im.opt.Map != nil && im.opt.Map.Language != "" {
		if l, ok := catalog.CanonicalLocale(im.opt.Map.Language); ok {
			return l
		}
	}
	if im.opt.Detect != nil {
		if l, ok := catalog.CanonicalLocale(im.opt.Detect(text)); ok {
			return l
		}
	}
	return catalog.English
}

// plan opens each file once: its kind, its keys. Files come out in the order in which they refer to each other.
func (im *importer) plan(files []File) ([]*plan, error) {
	var plans []*plan
	for _, f := range files {
		p, err := im.scan(f)
		if err != nil {
			return nil, inFile(f.Name, err)
		}
		plans = append(plans, p)
	}
	slices.SortStableFunc(plans, func(a, b *plan) int { return int(a.kind) - int(b.kind) })
	return plans, nil
}

// inFile names the file in an error's fix.
func inFile(name string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		if f.Fix == "" {
			return f.WithFix("look at %s", name)
		}
		return f.WithFix("%s: %s", name, f.Fix)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (im *importer) runAll(ctx context.Context, plans []*plan, run updater) error {
	for _, p := range plans {
		if err := p.run(ctx, im, run); err != nil {
			return inFile(p.file.Name, err)
		}
	}
	return nil
}

// rejected reports a row and goes on.
func (im *importer) rejected(e catalog.ImportError) {
	im.report.Rows.Rejected++
	if len(im.report.Errors) < MaxErrors {
		im.report.Errors = append(im.report.Errors, e)
	} else {
		im.report.MoreErrors++
	}
	if im.opt.Rejected != nil {
		im.opt.Rejected(e)
	}
}

func (im *importer) warn(format string, args ...any) {
	im.report.Warnings = append(im.report.Warnings, fmt.Sprintf(format, args...))
}
