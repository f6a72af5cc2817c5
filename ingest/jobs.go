package ingest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

const (
	// MaxFile bounds an uploaded file, in bytes: a million rows of 250 bytes.
	MaxFile = 256 << 20
	// maxQueued is how many imports wait: each holds a file on disk, and they run one at a time so that learners are served meanwhile.
	maxQueued = 32
	// keepFiles is how long an import's errors stay on disk; its record, with the first errors, stays in the log.
	keepFiles = 30 * 24 * time.Hour
	// sweepEvery is how often old folders are looked for.
	sweepEvery = time.Hour
)

// JobsConfig says where uploads wait.
type JobsConfig struct {
	Catalog *catalog.Catalog
	Dir     string // made when missing; a folder an import
	Detect  func(text string) string
	Logger  *slog.Logger     // slog.Default when nil
	Now     func() time.Time // time.Now when nil
}

// Jobs runs imports that were uploaded to the server, one after the other. Their records are in the changelog, so that they survive a crash:
// an import that was cut off runs again from its start, and what it had written already is unchanged then.
type Jobs struct {
	cfg   JobsConfig
	queue chan string
}

// NewJobs makes the folder. [Jobs.Run] does the work.
func NewJobs(cfg JobsConfig) (*Jobs, error) {
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	return &Jobs{cfg: cfg, queue: make(chan string, maxQueued)}, nil
}

// JobRequest is an upload.
type JobRequest struct {
	File   io.Reader
	Name   string // as the caller names the file; for reports
	Format string // auto or csv
	Map    string // a preset, or the text of a mapping
	Org    catalog.OrgID
	DryRun bool
}

// Submit stores an upload and queues it. Errors: fault.Forbidden, fault.InvalidFields (map, format), fault.TooLarge, fault.Overloaded, fault.DiskFull.
func (j *Jobs) Submit(ctx context.Context, actor catalog.Actor, req JobRequest) (catalog.ImportRecord, error) {
	const op = "ingest.Submit"
	if actor.Org != "" && req.Org == "" {
		req.Org = actor.Org
	}
	if !actor.Edits(req.Org) {
		return catalog.ImportRecord{}, fault.New(op, fault.Forbidden)
	}
	if f := cmp.Or(req.Format, "auto"); f != "auto" && f != "csv" {
		return catalog.ImportRecord{}, fault.New(op, fault.InvalidParameter, "name", "format", "reason", fault.BadValue, "allowed", "auto, csv")
	}
	if _, err := uploadedMapping(req.Map); err != nil {
		return catalog.ImportRecord{}, err
	}
	id := strings.ToLower(rand.Text())
	if err := j.store(id, req.File); err != nil {
		return catalog.ImportRecord{}, err
	}
	record := catalog.ImportRecord{
		ID: id, By: actor.Subject, Org: req.Org, File: shortName(req.Name), Format: "csv", Map: req.Map, DryRun: req.DryRun,
		State: catalog.ImportQueued, StartedAt: j.cfg.Now().UTC(),
	}
	err := j.put(ctx, actor, record)
	if err == nil {
		select {
		case j.queue <- id:
			return record, nil
		default:
			err = fault.New(op, fault.Overloaded, "retry_after", 60)
			record.State, record.Problem = catalog.ImportFailed, string(fault.Overloaded)
			err = errors.Join(err, j.put(ctx, catalog.System, record))
		}
	}
	return catalog.ImportRecord{}, errors.Join(err, os.RemoveAll(j.dir(id)))
}

func (j *Jobs) put(ctx context.Context, actor catalog.Actor, r catalog.ImportRecord) error {
	_, err := j.cfg.Catalog.Update(ctx, actor, func(tx *catalog.Tx) error { return tx.PutImport(r) })
	return err
}

// uploadedMapping reads a mapping that came with an upload: never a path of the server.
func uploadedMapping(text string) (*Mapping, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no mapping is the canonical layout
	}
	if !strings.Contains(text, ":") {
		return Preset(text)
	}
	return ParseMapping([]byte(text))
}

// maxName bounds the name of an uploaded file, in runes.
const maxName = 200

func shortName(name string) string {
	if name == "" {
		return ""
	}
	runes := []rune(filepath.Base(strings.ToValidUTF8(name, "?")))
	return string(runes[:min(len(runes), maxName)])
}

// store writes the upload to disk, whole or not at all.
func (j *Jobs) store(id string, r io.Reader) error {
	const op = "ingest.store"
	if err := os.MkdirAll(j.dir(id), 0o750); err != nil {
		return fault.Wrap(op, fault.DiskFull, err)
	}
	f, err := os.Create(j.file(id, "upload"))
	if err != nil {
		return fault.Wrap(op, fault.DiskFull, err)
	}
	n, err := io.Copy(f, io.LimitReader(&sourceReader{r}, MaxFile+1))
	err = errors.Join(err, f.Close())
	switch source := (*sourceError)(nil); {
	case n > MaxFile:
		err = fault.New(op, fault.TooLarge, "limit", "256 MB")
	case errors.As(err, &source):
		err = source.err // the caller's connection, not our disk
	case err != nil:
		err = fault.Wrap(op, fault.DiskFull, err)
	case n == 0:
		err = fault.Invalid(op, fault.BadField("file", fault.Required, "the file is empty"))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(j.dir(id)))
	}
	return nil
}

// sourceReader marks errors of reading, to tell them from those of writing.
type sourceReader struct{ r io.Reader }

type sourceError struct{ err error }

// Error implements error.
func (e *sourceError) Error() string { return e.err.Error() }

// Unwrap returns the caller's error.
func (e *sourceError) Unwrap() error { return e.err }

// Read implements [io.Reader].
func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{err}
	}
	return n, err
}

func (j *Jobs) dir(id string) string        { return filepath.Join(j.cfg.Dir, id) }
func (j *Jobs) file(id, name string) string { return filepath.Join(j.dir(id), name) }

// Run works until ctx ends, beginning with what was cut off.
func (j *Jobs) Run(ctx context.Context) error {
	if err := j.resume(ctx); err != nil {
		return err
	}
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-j.queue:
			j.run(ctx, id)
		case <-sweep.C:
			j.sweep(ctx)
		}
	}
}

// resume runs what was queued or running when the server stopped.
func (j *Jobs) resume(ctx context.Context) error {
	page := catalog.Page{Limit: 100}
	for {
		list, err := j.cfg.Catalog.ListImports(ctx, catalog.System, page)
		if err != nil {
			return err
		}
		for _, r := range list.Items {
			if s := r.Value.State; s == catalog.ImportQueued || s == catalog.ImportRunning {
				j.run(ctx, r.Value.ID)
			}
		}
		if page.After = list.Next; list.Next == "" {
			return nil
		}
	}
}

// run runs one import and records how it ended. When the server stops meanwhile, the record stays as it is, and the next start runs it again.
func (j *Jobs) run(ctx context.Context, id string) {
	log := j.cfg.Logger.With(slog.String("import", id))
	var record catalog.ImportRecord
	err := j.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		r, err := v.Import(catalog.System, id)
		record = r.Value
		return err
	})
	if err == nil {
		record.State = catalog.ImportRunning
		err = j.put(ctx, catalog.System, record)
	}
	if err != nil {
		log.ErrorContext(ctx, "ingest: an import could not be started", slog.Any("error", err))
		return
	}
	report, err := j.carryOut(ctx, record)
	if ctx.Err() != nil {
		return
	}
	record = finished(record, report, err, j.cfg.Now().UTC())
	if err != nil {
		log.ErrorContext(ctx, "ingest: an import failed", slog.Any("error", err))
	}
	if err := j.put(ctx, catalog.System, record); err != nil {
		log.ErrorContext(ctx, "ingest: an import's end could not be recorded", slog.Any("error", err))
	}
	if err := os.Remove(j.file(id, "upload")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.WarnContext(ctx, "ingest: an upload could not be removed", slog.Any("error", err))
	}
}

func finished(r catalog.ImportRecord, report Report, err error, at time.Time) catalog.ImportRecord {
	r.State, r.EndedAt, r.Rows = catalog.ImportDone, &at, report.Rows
	r.Errors = report.Errors[:min(len(report.Errors), catalog.MaxImportErrors)]
	r.MoreErrors = len(report.Errors) - len(r.Errors) + report.MoreErrors
	if err != nil {
		r.State, r.Problem = catalog.ImportFailed, string(fault.CodeOf(err))
		var f *fault.Error
		if errors.As(err, &f) && f.Code.Kind() == fault.KindInvalid {
			r.Errors = append(r.Errors, fileErrors(f)...)
		}
	}
	return r
}

// fileErrors reports what is wrong with a file as a whole, at its first line.
func fileErrors(f *fault.Error) []catalog.ImportError {
	var list []catalog.ImportError
	for _, field := range f.Fields {
		detail := field.Detail
		if f.Fix != "" {
			detail += "; " + f.Fix
		}
		list = append(list, catalog.ImportError{Line: 1, Column: field.Pointer, Code: string(field.Code), Detail: detail})
	}
	return list
}

func (j *Jobs) carryOut(ctx context.Context, r catalog.ImportRecord) (Report, error) {
	m, err := uploadedMapping(r.Map)
	if err != nil {
		return Report{}, err
	}
	out, err := os.Create(j.file(r.ID, "errors.csv"))
	if err != nil {
		return Report{}, fault.Wrap("ingest.carryOut", fault.DiskFull, err)
	}
	w := csv.NewWriter(out)
	_ = w.Write([]string{"line", "column", "code", "detail"}) // Flush says what went wrong
	actor := catalog.Actor{Subject: r.By, Roles: []catalog.Role{catalog.RoleEditor}, Org: r.Org}
	report, err := Run(ctx, j.cfg.Catalog, []File{{Name: cmp.Or(r.File, "upload"), Open: func() (io.ReadSeekCloser, error) { return os.Open(j.file(r.ID, "upload")) }}}, Options{
		Actor: actor, Org: r.Org, Map: m, DryRun: r.DryRun, Detect: j.cfg.Detect, Logger: j.cfg.Logger,
		Rejected: func(e catalog.ImportError) {
			_ = w.Write([]string{strconv.Itoa(e.Line), neutral(e.Column), e.Code, neutral(e.Detail)})
		},
	})
	var f *fault.Error
	if errors.As(err, &f) && f.Code.Kind() == fault.KindInvalid {
		for _, e := range fileErrors(f) {
			_ = w.Write([]string{strconv.Itoa(e.Line), neutral(e.Column), e.Code, neutral(e.Detail)})
		}
	}
	w.Flush()
	if e := errors.Join(w.Error(), out.Close()); e != nil && err == nil {
		err = fault.Wrap("ingest.carryOut", fault.DiskFull, e)
	}
	return report, err
}

// neutral keeps a spreadsheet from taking a cell for a formula.
func neutral(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

var jobID = regexp.MustCompile(`^[a-z0-9]{1,64}$`)

// ErrorsCSV returns the rejected rows of an import as CSV: line, column, code, detail. fault.NotFound when there is no such
// import for the actor, or its file is older than 30 days.
func (j *Jobs) ErrorsCSV(ctx context.Context, actor catalog.Actor, id string) (io.ReadCloser, error) {
	const op = "ingest.ErrorsCSV"
	if !jobID.MatchString(id) {
		return nil, fault.New(op, fault.NotFound)
	}
	err := j.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		_, err := v.Import(actor, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	f, err := os.Open(j.file(id, "errors.csv"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(op, fault.NotFound, err)
	}
	return f, err
}

// sweep removes the folders of old imports.
func (j *Jobs) sweep(ctx context.Context) {
	entries, err := os.ReadDir(j.cfg.Dir)
	if err != nil {
		j.cfg.Logger.WarnContext(ctx, "ingest: the imports cannot be listed", slog.Any("error", err))
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || j.cfg.Now().Sub(info.ModTime()) < keepFiles {
			continue
		}
		if err := os.RemoveAll(j.dir(e.Name())); err != nil {
			j.cfg.Logger.WarnContext(ctx, "ingest: an old import cannot be removed", slog.Any("error", err))
		}
	}
}
