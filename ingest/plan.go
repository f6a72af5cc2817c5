package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// plan is one file, scanned once.
type plan struct {
	file     File
	kind     kind
	encoding Encoding
	comma    rune
	total    int              // rows
	times    map[uint64]int32 // how often each key comes, by hash: only those that come more than once matter
	seed     maphash.Seed
}

// scan reads a file to its end: it finds its kind and counts the rows of each key.
func (im *importer) scan(f File) (*plan, error) {
	p := &plan{file: f, times: map[uint64]int32{}, seed: maphash.MakeSeed()}
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // only read
	rs, err := p.open(im, in)
	if err != nil {
		return nil, err
	}
	p.kind = kindOf(rs.header)
	var b *binding
	if im.opt.Map != nil || p.kind == kindCourses {
		p.kind = kindCourses
		if b, err = bind(im.opt.Map, rs.header); err != nil {
			return nil, err
		}
	}
	if p.encoding != UTF8 {
		im.warn("%s: read as %s; if letters look wrong, save it as UTF-8", f.Name, p.encoding)
	}
	if unknown := p.unknown(b, rs.header); len(unknown) > 0 {
		im.warn("%s: columns that are not read: %s", f.Name, strings.Join(unknown, ", "))
	}
	return p, p.countKeys(im, rs, b)
}

func (p *plan) unknown(b *binding, header []string) []string {
	if b != nil {
		return b.unknown
	}
	return p.kind.unknown(header)
}

func (p *plan) countKeys(im *importer, rs *records, b *binding) error {
	for {
		rec, bad, err := rs.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.total++
		if bad != nil || b == nil {
			continue
		}
		row := b.row(rec)
		if row.check() != nil {
			continue // it will be rejected, and folds with nothing
		}
		id, _, err := im.courseID(row)
		if err != nil {
			continue
		}
		id = catalog.CourseID(norm.NFC.String(string(id)))
		im.known[id] = true
		if len(im.known) > maxKeys {
			return fault.New("ingest.scan", fault.TooLarge, "limit", fmt.Sprintf("%d rows", maxKeys)).WithFix("split the file")
		}
		p.times[p.hash(id)]++
	}
}

func (p *plan) hash(id catalog.CourseID) uint64 { return maphash.String(p.seed, string(id)) }

// open starts reading; the first time it finds encoding and delimiter.
func (p *plan) open(im *importer, in io.ReadSeeker) (*records, error) {
	comma, as := p.comma, p.encoding
	if m := im.opt.Map; m != nil {
		if m.Delimiter != "" {
			comma, _ = utf8.DecodeRuneInString(m.Delimiter)
		}
		if as == "" {
			as = m.Encoding
		}
	}
	text, as, err := decoder(in, as)
	if err != nil {
		return nil, err
	}
	p.encoding = as
	rs, err := openRecords(text, comma)
	if err != nil {
		return nil, err
	}
	p.comma = rs.comma
	return rs, nil
}

// run writes the file's rows, batch by batch.
func (p *plan) run(ctx context.Context, im *importer, update updater) error {
	in, err := p.file.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	rs, err := p.open(im, in)
	if err != nil {
		return err
	}
	if p.kind != kindCourses {
		return p.runKind(ctx, im, rs, update)
	}
	b, err := bind(im.opt.Map, rs.header)
	if err != nil {
		return err
	}
	f := &folder{plan: p, im: im, waiting: map[catalog.CourseID]*waiting{}}
	batch := make([]courseRow, 0, batchRows)
	read := 0
	for {
		row, ok, err := p.nextRow(im, rs, b, f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		read++
		if ok {
			batch = append(batch, row)
		}
		if len(batch) == batchRows {
			if err := p.write(ctx, im, batch, update); err != nil {
				return err
			}
			batch = batch[:0]
			p.progress(im, read)
		}
	}
	batch = append(batch, f.rest()...)
	err = p.write(ctx, im, batch, update)
	p.progress(im, read)
	return err
}

func (p *plan) progress(im *importer, read int) {
	if im.opt.Progress != nil {
		im.opt.Progress(Progress{File: p.file.Name, Read: read, Total: p.total})
	}
}

// nextRow reads a row and gives it to the folder; ok says that a folded row is complete.
func (p *plan) nextRow(im *importer, rs *records, b *binding, f *folder) (courseRow, bool, error) {
	rec, bad, err := rs.read()
	if err != nil {
		return courseRow{}, false, err
	}
	im.report.Rows.Read++
	if bad != nil {
		im.rejected(*bad)
		return courseRow{}, false, nil
	}
	row := b.row(rec)
	err = row.check()
	if err == nil {
		var id catalog.CourseID
		if id, _, err = im.courseID(row); err == nil {
			folded, ok := f.add(catalog.CourseID(norm.NFC.String(string(id))), row)
			return folded, ok, nil
		}
	}
	bad, err = reject(row.line, row.header, err)
	if err == nil {
		im.rejected(*bad)
	}
	return courseRow{}, false, err
}

// folder holds back rows whose key comes again until the last of them is there.
type folder struct {
	plan    *plan
	im      *importer
	waiting map[catalog.CourseID]*waiting
}

type waiting struct {
	row  courseRow
	left int32
}

func (f *folder) add(id catalog.CourseID, row courseRow) (courseRow, bool) {
	times := f.plan.times[f.plan.hash(id)]
	if times <= 1 {
		return row, true
	}
	w := f.waiting[id]
	if w == nil {
		f.waiting[id] = &waiting{row, times - 1}
		return courseRow{}, false
	}
	w.row.fold(row)
	w.left--
	f.im.report.Rows.Merged++
	if w.left > 0 {
		return courseRow{}, false
	}
	delete(f.waiting, id)
	return w.row, true
}

// rest returns what still waits: two keys with one hash, so that each counted the other's rows.
func (f *folder) rest() []courseRow {
	var rows []courseRow
	for _, id := range slices.Sorted(maps.Keys(f.waiting)) {
		rows = append(rows, f.waiting[id].row)
	}
	return rows
}

// write writes a batch. What the rows became is counted only when the transaction has gone through: it may run more than once.
func (p *plan) write(ctx context.Context, im *importer, batch []courseRow, update updater) error {
	if len(batch) == 0 {
		return nil
	}
	var counts [updated + 1]int
	var bad []catalog.ImportError
	err := update(ctx, func(tx *catalog.Tx) error {
		counts, bad = [updated + 1]int{}, nil
		tx.Expect(im.expects)
		for _, row := range batch {
			var o outcome
			err := tx.Try(func() (err error) {
				o, err = im.applyCourse(tx, row)
				return err
			})
			if err == nil {
				counts[o]++
				continue
			}
			e, err := reject(row.line, row.header, err)
			if err != nil {
				return err
			}
			bad = append(bad, *e)
		}
		return ctx.Err()
	})
	if half := len(batch) / 2; half > 0 && fault.Is(err, fault.TooLarge) { // rows with many tags and instructors
		return errors.Join(p.write(ctx, im, batch[:half], update), p.write(ctx, im, batch[half:], update))
	}
	if err != nil {
		return err
	}
	im.count(counts, bad)
	return nil
}

// count adds what became of a batch to the report.
func (im *importer) count(counts [updated + 1]int, bad []catalog.ImportError) {
	im.report.Rows.Created += counts[created]
	im.report.Rows.Updated += counts[updated]
	im.report.Rows.Unchanged += counts[unchanged]
	for _, e := range bad {
		im.rejected(e)
	}
}
