package ingest

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// clearCell is the cell that empties a field; an empty cell keeps what is there.
const clearCell = `\N`

// columns are the canonical ones of courses, as CONTRACT lists them; title, summary and description also come as name@locale.
var columns = []string{
	"id", "title", "summary", "description", "language", "tags", "category", "level", "instructors", "instructor_ratings", "rating",
	"rating_count", "duration_minutes", "price", "currency", "provider", "url", "image_url", "state", "org", "enrollment_count",
	"starts_at", "ends_at", "enrollment_opens_at", "enrollment_closes_at", "prerequisites", "certificate", "content_public", "published_at",
}

var texts = []string{"title", "summary", "description"}

// canonical reports whether a course has a column of that name.
func canonical(name string) bool {
	base, locale, translated := strings.Cut(name, "@")
	if !translated {
		return slices.Contains(columns, name)
	}
	_, ok := catalog.CanonicalLocale(locale)
	return ok && slices.Contains(texts, base)
}

// courseRow is a row of a course file in canonical columns. Cells are trimmed; lists are joined by "|".
type courseRow struct {
	line   int
	cells  map[string]string
	header map[string]string // canonical column → the file's, for reports
	scope  string            // within which an instructor's name is one person
}

// row maps a record.
func (b *binding) row(rec record) courseRow {
	r := courseRow{line: rec.line, cells: make(map[string]string, len(b.sources)+len(b.mapping.Constants)), header: map[string]string{}}
	maps.Copy(r.cells, b.mapping.Constants)
	for i := range b.sources {
		s := &b.sources[i]
		r.header[s.name] = s.header
		if v := b.value(s, rec.cells); v != "" {
			r.cells[s.name] = v
		}
	}
	if r.cells["provider"] == "" && b.mapping.Provider != "" {
		r.cells["provider"] = b.mapping.Provider
	}
	r.scope = r.cells["provider"]
	if b.scope >= 0 {
		r.scope = trim(rec.cells[b.scope])
	}
	return r
}

// fold adds a later row of the same key: the first non-empty value of a field wins, lists unite.
func (r *courseRow) fold(later courseRow) {
	r.foldInstructors(later)
	for name, v := range later.cells {
		have := r.cells[name]
		switch {
		case name == "instructors" || name == "instructor_ratings":
		case have == "":
			r.cells[name] = v
		case name == "tags" || name == "prerequisites":
			r.cells[name] = strings.Join(unite(list(have), list(v)), "|")
		}
	}
}

// foldInstructors unites instructors, each keeping the rating beside it.
func (r *courseRow) foldInstructors(later courseRow) {
	people, ratings := list(r.cells["instructors"]), list(r.cells["instructor_ratings"])
	moreRatings := list(later.cells["instructor_ratings"])
	for i, p := range list(later.cells["instructors"]) {
		if slices.Contains(people, p) {
			continue
		}
		for len(ratings) < len(people) && len(moreRatings) > i {
			ratings = append(ratings, "")
		}
		people = append(people, p)
		if i < len(moreRatings) {
			ratings = append(ratings, moreRatings[i])
		}
	}
	if len(people) > 0 {
		r.cells["instructors"] = strings.Join(people, "|")
	}
	if len(ratings) > 0 {
		r.cells["instructor_ratings"] = strings.Join(ratings, "|")
	}
}

// list splits at "|"; items are trimmed, and empty ones kept so that aligned lists stay aligned.
func list(cell string) []string {
	if cell == "" || cell == clearCell {
		return nil
	}
	items := strings.Split(cell, "|")
	for i := range items {
		items[i] = trim(items[i])
	}
	return items
}

func unite(a, b []string) []string {
	for _, item := range b {
		if !slices.Contains(a, item) {
			a = append(a, item)
		}
	}
	return slices.DeleteFunc(a, func(s string) bool { return s == "" })
}

// cellError is what is wrong with a cell.
type cellError struct {
	column string // canonical
	code   fault.Code
	detail string
}

// Error implements error.
func (e *cellError) Error() string { return e.column + ": " + e.detail }

func badCell(column string, code fault.Code, format string, args ...any) error {
	return &cellError{column, code, fmt.Sprintf(format, args...)}
}

// check parses every cell and forgets the result: a row that cannot be read is refused before it is folded into another.
func (r courseRow) check() error {
	if r.cells["id"] == "" {
		return badCell("id", fault.Required, "the id is empty: every course needs one")
	}
	for _, name := range texts[:2] {
		if strings.ContainsAny(r.cells[name], "\n") {
			return badCell(name, fault.BrokenQuote, "the cell contains a line break: a quotation mark before it was probably not closed and swallowed the next row")
		}
	}
	for _, name := range sortedKeys(r.cells) {
		v := r.cells[name]
		if v == clearCell && slices.Contains(needed, name) {
			return badCell(name, fault.Required, `%s cannot be cleared by \N`, name)
		}
		if v != clearCell {
			if err := checkCell(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// needed are the columns that \N does not empty: a course always has them.
var needed = []string{"id", "title", "language", "state", "org"}

func checkCell(name, v string) error {
	var err error
	switch name {
	case "rating":
		_, err = number(name, v, 0, maxRating)
	case "rating_count", "enrollment_count":
		_, err = count(name, v)
	case "instructor_ratings":
		for _, item := range list(v) {
			if _, err = ratingItem(item); err != nil {
				return err
			}
		}
	case "duration_minutes", "price":
		_, err = number(name, v, 0, maxNumber)
	case "level":
		_, err = level(v)
	case "certificate", "content_public":
		_, err = boolean(name, v)
	case "starts_at", "ends_at", "enrollment_opens_at", "enrollment_closes_at", "published_at":
		_, err = date(name, v)
	case "language":
		if _, ok := catalog.CanonicalLocale(v); !ok {
			err = badCell(name, fault.BadLocale, "%q is no language tag, such as en, fr or zh-Hans", v)
		}
	}
	return err
}

const (
	maxRating = 5
	maxNumber = 1e9 // catalog has the real limits; this keeps a cell a number
)

// number reads a decimal with a point or a comma, with or without a k or M for thousands or millions, or a currency sign.
func number(name, v string, low, high float64) (float64, error) {
	text := strings.ReplaceAll(strings.ReplaceAll(strings.TrimLeft(v, "$€¥£"), " ", ""), "\u00a0", "")
	times := 1.0
	switch {
	case strings.HasSuffix(text, "k") || strings.HasSuffix(text, "K"):
		times = 1e3
	case strings.HasSuffix(text, "M") || strings.HasSuffix(text, "m"):
		times = 1e6
	}
	if times > 1 {
		text = text[:len(text)-1]
	}
	n, err := strconv.ParseFloat(decimalPoint(text), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, badCell(name, fault.NotANumber, "%q is no number", v)
	}
	n *= times
	if n < low || n > high {
		return 0, badCell(name, fault.OutOfRange, "%s must be between %g and %g, not %s", name, low, high, v)
	}
	return n, nil
}

var thousands = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$`)

// decimalPoint turns 1,234.5 and 4,5 into what ParseFloat reads.
func decimalPoint(text string) string {
	if thousands.MatchString(text) {
		return strings.ReplaceAll(text, ",", "")
	}
	return strings.Replace(text, ",", ".", 1)
}

func count(name, v string) (int, error) {
	n, err := number(name, v, 0, maxNumber)
	return int(math.Round(n)), err
}

func ratingItem(v string) (catalog.Sum, error) {
	const name = "instructor_ratings"
	if v == "" {
		return catalog.Sum{}, nil
	}
	mean, n, counted := strings.Cut(v, ":")
	m, err := number(name, mean, 0, maxRating)
	if err != nil {
		return catalog.Sum{}, err
	}
	times := 1
	if counted {
		if times, err = count(name, n); err != nil {
			return catalog.Sum{}, err
		}
	}
	return catalog.Sum{Sum: m * float64(times), N: times}, nil
}

func level(v string) (catalog.Level, error) {
	l, ok := catalog.ParseLevel(v)
	if !ok {
		return "", badCell("level", fault.UnknownLevel, "%q is no level that we know: use all, beginner, intermediate or advanced", v)
	}
	return l, nil
}

var booleans = map[string]bool{
	"true": true, "yes": true, "1": true, "y": true, "oui": true, "vrai": true, "是": true,
	"false": false, "no": false, "0": false, "n": false, "non": false, "faux": false, "否": false,
}

func boolean(name, v string) (bool, error) {
	b, ok := booleans[strings.ToLower(v)]
	if !ok {
		return false, badCell(name, fault.NotABoolean, "%q is neither true nor false", v)
	}
	return b, nil
}

// dateLayouts are those understood; one without a zone is UTC.
var dateLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

func date(name, v string) (time.Time, error) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, badCell(name, fault.NotADate, "%q is no date such as 2026-09-01 or 2026-09-01T08:00:00Z", v)
}
