package ingest

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

const (
	// maxRecordLines bounds how many lines one record may span: a quote that was never closed would swallow the file.
	maxRecordLines = 2_000
	// maxRecordBytes bounds a record; the longest lesson text is 1 MiB, with quotes doubled and translations beside it.
	maxRecordBytes = 8 << 20
	// maxColumns bounds the header.
	maxColumns = 500
)

// record is one row of a file.
type record struct {
	line  int // where it begins, from 1
	cells []string
}

// records reads a CSV file row by row and survives broken rows: a row that does not parse costs itself only.
//
// A record's quotation marks are even in number (RFC 4180), so lines are joined until they are. When what was joined does not parse,
// or no end is found, the first line alone is refused and the next ones are tried again.
type records struct {
	lines   *bufio.Reader
	pending []string // lines read ahead, to be tried again
	line    int      // number of the line that comes next
	feed    *feed
	csv     *csv.Reader
	comma   rune
	header  []string
}

// feed gives one record at a time to the one csv.Reader.
type feed struct{ strings.Reader }

// openRecords reads the header. A comma of 0 is found from it. Excel's "sep=;" line is understood.
func openRecords(r io.Reader, comma rune) (*records, error) {
	rs := &records{lines: bufio.NewReaderSize(r, 64<<10), line: 1, comma: comma}
	if first, err := rs.next(); err == nil {
		if sep, ok := strings.CutPrefix(strings.TrimSpace(first), "sep="); ok && utf8.RuneCountInString(sep) == 1 {
			rs.comma, _ = utf8.DecodeRuneInString(sep)
		} else {
			rs.back(first)
		}
	}
	if first, err := rs.next(); err == nil {
		if rs.comma == 0 {
			rs.comma = sniffDelimiter(first)
		}
		rs.back(first)
	}
	rs.fresh()
	return rs, rs.readHeader()
}

func (rs *records) fresh() {
	rs.feed = &feed{}
	rs.csv = csv.NewReader(rs.feed)
	rs.csv.Comma, rs.csv.FieldsPerRecord = rs.comma, -1
}

func (rs *records) readHeader() error {
	const op = "ingest.header"
	rec, bad, err := rs.read()
	if errors.Is(err, io.EOF) {
		return fault.Invalid(op, fault.BadField("file", fault.Required, "the file is empty: its first line must name the columns"))
	}
	if err != nil {
		return err
	}
	if bad != nil {
		return fault.Invalid(op, fault.BadField("file", fault.Code(bad.Code), "the first line, which names the columns, cannot be read: "+bad.Detail))
	}
	if len(rec.cells) > maxColumns {
		return fault.Invalid(op, fault.BadField("file", fault.TooMany, fmt.Sprintf("%d columns; at most %d are read", len(rec.cells), maxColumns), "max", maxColumns))
	}
	seen := map[string]bool{}
	for i, name := range rec.cells {
		name = strings.TrimSpace(strings.Trim(name, "\ufeff\u200b"))
		if name != "" && seen[name] {
			return fault.Invalid(op, fault.BadField(name, fault.Duplicate, fmt.Sprintf("two columns are called %q: rename or remove one", name)))
		}
		seen[name] = true
		rec.cells[i] = name
	}
	rs.header = rec.cells
	return nil
}

// next returns a line without its line break. The last one need not have any.
func (rs *records) next() (string, error) {
	if n := len(rs.pending); n > 0 {
		line := rs.pending[n-1]
		rs.pending = rs.pending[:n-1]
		rs.line++
		return line, nil
	}
	line, err := rs.lines.ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", err
	}
	rs.line++
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func (rs *records) back(line string) {
	rs.pending = append(rs.pending, line)
	rs.line--
}

// read returns the next row; or why a row is refused; or io.EOF. Empty rows are passed over.
func (rs *records) read() (record, *catalog.ImportError, error) {
	for {
		start := rs.line
		lines, whole, err := rs.gather()
		if err != nil {
			return record{}, nil, err
		}
		if !whole {
			return record{}, rs.refuse(start, lines), nil
		}
		cells, err := rs.parse(strings.Join(lines, "\n"))
		if err != nil {
			return record{}, rs.refuse(start, lines), nil //nolint:nilerr // the row is refused, the file goes on
		}
		if empty(cells) {
			continue
		}
		bad := rs.fit(start, &cells)
		return record{start, cells}, bad, nil
	}
}

// gather joins lines until their quotation marks are even in number; whole is false when they never are.
func (rs *records) gather() (lines []string, whole bool, err error) {
	line, err := rs.next()
	if err != nil {
		return nil, false, err
	}
	lines = append(lines, line)
	quotes, size := strings.Count(line, `"`), len(line)
	for quotes%2 == 1 {
		if len(lines) >= maxRecordLines || size > maxRecordBytes {
			return lines, false, nil
		}
		line, err := rs.next()
		if errors.Is(err, io.EOF) {
			return lines, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		lines = append(lines, line)
		quotes += strings.Count(line, `"`)
		size += len(line)
	}
	return lines, size <= maxRecordBytes, nil
}

func (rs *records) parse(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	rs.feed.Reset(text)
	cells, err := rs.csv.Read()
	if err != nil {
		rs.fresh() // what it had buffered of the broken record is gone with it
		return nil, err
	}
	return cells, nil
}

// refuse gives up the first of the lines and puts the others back.
func (rs *records) refuse(start int, lines []string) *catalog.ImportError {
	for i := len(lines) - 1; i > 0; i-- {
		rs.back(lines[i])
	}
	return &catalog.ImportError{
		Line: start, Code: string(fault.BrokenQuote),
		Detail: "a quotation mark is not closed, or stands inside a cell without being doubled",
	}
}

// fit makes the row as long as the header; extra cells may only be empty.
func (rs *records) fit(line int, cells *[]string) *catalog.ImportError {
	want := len(rs.header)
	if want == 0 {
		return nil // this is the header
	}
	if len(*cells) > want && empty((*cells)[want:]) {
		*cells = (*cells)[:want]
	}
	if got := len(*cells); got != want {
		return &catalog.ImportError{
			Line: line, Code: string(fault.WrongColumns),
			Detail: fmt.Sprintf("the row has %d cells, the header %d; quote cells that contain %q", got, want, rs.comma),
		}
	}
	return nil
}

func empty(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
