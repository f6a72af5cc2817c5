package ingest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// outcome is what became of a row.
type outcome int

const (
	unchanged outcome = iota
	created
	updated
)

// applyCourse writes a folded row through tx.
func (im *importer) applyCourse(tx *catalog.Tx, r courseRow) (outcome, error) {
	id, org, err := im.courseID(r)
	if err != nil {
		return 0, err
	}
	stored, exists, err := tx.Course(id)
	if err != nil {
		return 0, err
	}
	c := stored.Value
	if !exists {
		c = catalog.Course{ID: id, State: catalog.Published}
	}
	c.Translations = maps.Clone(c.Translations)
	a := applier{im: im, tx: tx, row: r, course: &c, org: org}
	if err := a.all(); err != nil {
		return 0, err
	}
	changed, err := tx.PutCourse(c, catalog.Cond{})
	if err != nil {
		return 0, err
	}
	base, err := a.statsBase(exists)
	if err != nil {
		return 0, err
	}
	rated, err := tx.PutStatsBase(id, base)
	switch {
	case err != nil:
		return 0, err
	case !exists:
		return created, nil
	case changed || rated:
		return updated, nil
	}
	return unchanged, nil
}

// courseID makes the id of a row, within the organization of the import or of the row.
func (im *importer) courseID(r courseRow) (catalog.CourseID, catalog.OrgID, error) {
	id, org := r.cells["id"], im.opt.Org
	if own := r.cells["org"]; own != "" {
		if org != "" && catalog.OrgID(own) != org {
			return "", "", badCell("org", fault.BadValue, "the import is for the organization %q, the row says %q", org, own)
		}
		org = catalog.OrgID(own)
	}
	if in := catalog.OrgOf(id); in != "" {
		if org != "" && in != org {
			return "", "", badCell("id", fault.BadValue, "%q belongs to the organization %q, the import to %q", id, in, org)
		}
		return catalog.CourseID(id), in, nil
	}
	if org != "" {
		id = string(org) + "~" + id
	}
	return catalog.CourseID(id), org, nil
}

// applier writes the cells of one row into a course.
type applier struct {
	im     *importer
	tx     *catalog.Tx
	row    courseRow
	course *catalog.Course
	org    catalog.OrgID
}

func (a *applier) all() error {
	if err := a.texts(); err != nil {
		return err
	}
	for _, step := range []func() error{a.people, a.tags, a.numbers, a.dates, a.rest} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// cell returns a cell, whether it says anything, and whether that is to clear the field.
func (a *applier) cell(name string) (v string, given, cleared bool) {
	v = a.row.cells[name]
	return v, v != "", v == clearCell
}

// set writes a plain text cell.
func (a *applier) set(name string, field *string) {
	if v, given, cleared := a.cell(name); cleared {
		*field = ""
	} else if given {
		*field = v
	}
}

func (a *applier) texts() error {
	c := a.course
	a.set("title", &c.Title)
	a.set("summary", &c.Summary)
	a.set("description", &c.Description)
	if v, given, _ := a.cell("language"); given {
		c.Language, _ = catalog.CanonicalLocale(v) // check has seen it
	} else if c.Language == "" {
		c.Language = a.im.language(c.Title + "\n" + c.Description)
	}
	for _, name := range sortedKeys(a.row.cells) {
		base, tag, translated := strings.Cut(name, "@")
		if !translated {
			continue
		}
		if err := a.translation(name, base, tag); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) translation(name, base, tag string) error {
	l, _ := catalog.CanonicalLocale(tag) // canonical has seen it
	if l == a.course.Language {
		return badCell(name, fault.Duplicate, "%s is the course's own language: its text stands in %q", l, base)
	}
	t := a.course.Translations[l]
	switch base {
	case "title":
		a.set(name, &t.Title)
	case "summary":
		a.set(name, &t.Summary)
	case "description":
		a.set(name, &t.Description)
	}
	if a.course.Translations == nil {
		a.course.Translations = map[catalog.Locale]catalog.Text{}
	}
	a.course.Translations[l] = t
	if t == (catalog.Text{}) {
		delete(a.course.Translations, l)
	}
	return nil
}

func (a *applier) people() error {
	v, given, cleared := a.cell("instructors")
	if cleared {
		a.course.Instructors = nil
	}
	if !given || cleared {
		return nil
	}
	var ids []catalog.InstructorID
	for _, item := range list(v) {
		if item == "" {
			continue
		}
		name, id := splitInstructor(item)
		got, err := a.tx.EnsureInstructor(a.org, a.row.scope, name, id)
		if err != nil {
			return err
		}
		ids = append(ids, got)
	}
	a.course.Instructors = dedupe(ids)
	return nil
}

// splitInstructor reads `Name` or `Name <id>`.
func splitInstructor(item string) (name string, id catalog.InstructorID) {
	if before, rest, ok := strings.Cut(item, "<"); ok {
		if in, tail, closed := strings.Cut(rest, ">"); closed && strings.TrimSpace(tail) == "" {
			return trim(before), catalog.InstructorID(trim(in))
		}
	}
	return item, ""
}

func (a *applier) tags() error {
	c := a.course
	if v, given, cleared := a.cell("tags"); cleared {
		c.Tags = nil
	} else if given {
		var ids []catalog.TagID
		for _, label := range list(v) {
			if label == "" {
				continue
			}
			id, err := a.tx.EnsureTag(a.org, label, c.Language)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		c.Tags = dedupe(ids)
	}
	v, given, cleared := a.cell("category")
	if cleared {
		c.Category = ""
	}
	if !given || cleared {
		return nil
	}
	id, err := a.tx.EnsureCategory(a.org, v, c.Language)
	c.Category = id
	return err
}

func dedupe[T comparable](items []T) []T {
	seen := map[T]bool{}
	return slices.DeleteFunc(items, func(i T) bool {
		was := seen[i]
		seen[i] = true
		return was
	})
}

func (a *applier) numbers() error {
	c := a.course
	if v, given, cleared := a.cell("duration_minutes"); cleared {
		c.DurationMinutes = 0
	} else if given {
		n, err := number("duration_minutes", v, 0, maxNumber)
		if err != nil {
			return err
		}
		c.DurationMinutes = int(math.Round(n))
	}
	if v, given, cleared := a.cell("price"); cleared {
		c.Price, c.Currency = nil, ""
	} else if given {
		n, err := number("price", v, 0, maxNumber)
		if err != nil {
			return err
		}
		c.Price = &n
	}
	a.set("currency", &c.Currency)
	c.Currency = strings.ToUpper(c.Currency)
	if c.Price == nil {
		c.Currency = "" // of nothing
	}
	return nil
}

func (a *applier) dates() error {
	c := a.course
	for name, field := range map[string]**time.Time{
		"starts_at": &c.StartsAt, "ends_at": &c.EndsAt, "enrollment_opens_at": &c.EnrollmentOpensAt,
		"enrollment_closes_at": &c.EnrollmentClosesAt, "published_at": &c.PublishedAt,
	} {
		v, given, cleared := a.cell(name)
		if cleared {
			*field = nil
		}
		if !given || cleared {
			continue
		}
		t, err := date(name, v)
		if err != nil {
			return err
		}
		*field = &t
	}
	return nil
}

func (a *applier) rest() error {
	c := a.course
	a.set("provider", &c.Provider)
	a.set("url", &c.URL)
	a.set("image_url", &c.ImageURL)
	if v, given, cleared := a.cell("level"); cleared {
		c.Level = ""
	} else if given {
		l, err := level(v)
		if err != nil {
			return err
		}
		c.Level = l
	}
	for name, field := range map[string]*bool{"certificate": &c.Certificate, "content_public": &c.ContentPublic} {
		v, given, cleared := a.cell(name)
		if cleared {
			*field = false
		}
		if !given || cleared {
			continue
		}
		b, err := boolean(name, v)
		if err != nil {
			return err
		}
		*field = b
	}
	if v, given, _ := a.cell("state"); given {
		c.State = catalog.State(strings.ToLower(v))
	}
	if v, given, cleared := a.cell("prerequisites"); cleared {
		c.Prerequisites = nil
	} else if given {
		c.Prerequisites = a.prerequisites(v)
	}
	return nil
}

func (a *applier) prerequisites(v string) []catalog.CourseID {
	var ids []catalog.CourseID
	for _, id := range list(v) {
		if id == "" {
			continue
		}
		if a.org != "" && catalog.OrgOf(id) == "" && a.im.expects(catalog.CourseID(string(a.org)+"~"+id)) {
			id = string(a.org) + "~" + id // a course of the same file
		}
		ids = append(ids, catalog.CourseID(id))
	}
	return dedupe(ids)
}

// statsBase reads where the counting of ratings and enrollments starts.
func (a *applier) statsBase(exists bool) (catalog.StatsBase, error) {
	var base catalog.StatsBase
	if v, given, cleared := a.cell("enrollment_count"); given {
		n := 0
		if !cleared {
			var err error
			if n, err = count("enrollment_count", v); err != nil {
				return base, err
			}
		}
		base.Enrollments = &n
	}
	var err error
	if base.Rating, err = a.rating(exists); err != nil {
		return base, err
	}
	ratings, given, cleared := a.cell("instructor_ratings")
	switch {
	case cleared:
		base.Instructors = map[catalog.InstructorID]catalog.Sum{}
	case given:
		base.Instructors, err = a.instructorRatings(list(ratings))
	}
	return base, err
}

func (a *applier) rating(exists bool) (*catalog.Sum, error) {
	mean, given, cleared := a.cell("rating")
	n, counted, uncounted := a.cell("rating_count")
	if cleared || uncounted {
		return &catalog.Sum{}, nil
	}
	if !given && !counted {
		return nil, nil //nolint:nilnil // the file says nothing
	}
	have := catalog.Sum{}
	if exists {
		stats, _, err := a.tx.CourseStats(a.course.ID)
		if err != nil {
			return nil, err
		}
		have = stats.Base
	}
	times, average := max(have.N, 1), 0.0
	if have.N > 0 {
		average = have.Sum / float64(have.N)
	}
	var err error
	if counted {
		if times, err = count("rating_count", n); err != nil {
			return nil, err
		}
	}
	if given {
		if average, err = number("rating", mean, 0, maxRating); err != nil {
			return nil, err
		}
	} else if have.N == 0 && times > 0 {
		return nil, badCell("rating_count", fault.Required, "%s ratings are counted, but the rating is missing", n)
	}
	return &catalog.Sum{Sum: average * float64(times), N: times}, nil
}

func (a *applier) instructorRatings(items []string) (map[catalog.InstructorID]catalog.Sum, error) {
	const name = "instructor_ratings"
	if len(items) > len(a.course.Instructors) {
		return nil, badCell(name, fault.TooMany, "%d ratings for %d instructors", len(items), len(a.course.Instructors))
	}
	sums := map[catalog.InstructorID]catalog.Sum{}
	for i, item := range items {
		s, err := ratingItem(item)
		if err != nil {
			return nil, err
		}
		if s.N > 0 {
			sums[a.course.Instructors[i]] = s
		}
	}
	return sums, nil
}

// reject turns what went wrong with a row into its report. Errors that are not about the row (no room, nobody's right to write at all) are
// returned: they end the import.
func reject(line int, header map[string]string, err error) (*catalog.ImportError, error) {
	if cell, ok := errors.AsType[*cellError](err); ok {
		return &catalog.ImportError{Line: line, Column: named(header, cell.column), Code: string(cell.code), Detail: cell.detail}, nil
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return nil, err
	}
	switch f.Code.Kind() {
	case fault.KindInvalid, fault.KindNotFound, fault.KindForbidden, fault.KindConflict:
	default:
		return nil, err
	}
	if len(f.Fields) == 0 {
		return &catalog.ImportError{Line: line, Code: string(f.Code), Detail: detail(f)}, nil
	}
	first := f.Fields[0] // a row is rejected once
	column, _, _ := strings.Cut(strings.TrimPrefix(first.Pointer, "/"), "/")
	if column == "translations" {
		parts := strings.Split(first.Pointer, "/")
		if len(parts) == 4 {
			column = parts[3] + "@" + parts[2]
		}
	}
	more := ""
	if n := len(f.Fields) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return &catalog.ImportError{Line: line, Column: named(header, column), Code: string(first.Code), Detail: first.Detail + more}, nil
}

func detail(f *fault.Error) string {
	switch f.Code {
	case fault.Forbidden:
		return "you may not write this: it belongs to another organization, or your role does not allow it"
	case fault.NotFound:
		return "what the row refers to does not exist"
	}
	if f.Fix != "" {
		return f.Fix
	}
	return string(f.Code)
}

func named(header map[string]string, column string) string {
	if name := header[column]; name != "" {
		return name
	}
	return column
}
