package ingest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// kind is what a canonical file holds; the order is that in which files are read, so that what a row refers to is there.
type kind int

const (
	kindTags kind = iota
	kindCategories
	kindInstructors
	kindCourses
	kindModules
	kindLessons
	kindReviews
)

// layout is how a kind of file is told by its header, and which columns it may have. A column with texts also comes as name@locale.
type layout struct {
	kind    kind
	marks   []string // all of them are in the header
	columns []string
	texts   []string
	apply   func(im *importer, tx *catalog.Tx, r kindRow) (outcome, error)
}

// layouts, the most particular first: a lesson has a course and a module too.
var layouts []layout

func init() { //nolint:gochecknoinits // the functions refer to layouts
	layouts = []layout{
		{kindReviews, []string{"course", "learner", "rating"}, []string{"course", "learner", "display_name", "rating", "instructor_ratings", "text", "at"}, nil, applyReview},
		{kindLessons, []string{"course", "module", "lesson"}, []string{"course", "module", "lesson", "position", "title", "duration_minutes", "body"}, []string{"title", "body"}, applyLesson},
		{kindModules, []string{"course", "module"}, []string{"course", "module", "position", "title"}, []string{"title"}, applyModule},
		{kindInstructors, []string{"instructor", "name"}, []string{"instructor", "name", "bio", "url", "image_url"}, []string{"bio"}, applyInstructor},
		{kindTags, []string{"tag", "label"}, []string{"tag", "label", "synonyms"}, []string{"label", "synonyms"}, applyTag},
		{kindCategories, []string{"category", "label"}, []string{"category", "label", "parent"}, []string{"label"}, applyCategory},
	}
}

func kindOf(header []string) kind {
	for _, l := range layouts {
		if l.marked(header) {
			return l.kind
		}
	}
	return kindCourses
}

func (l layout) marked(header []string) bool {
	for _, m := range l.marks {
		if !slices.Contains(header, m) {
			return false
		}
	}
	return !slices.Contains(header, "id") // that is a course
}

func (k kind) layout() layout {
	return layouts[slices.IndexFunc(layouts, func(l layout) bool { return l.kind == k })]
}

func (k kind) unknown(header []string) []string {
	l := k.layout()
	var names []string
	for _, name := range header {
		base, locale, translated := strings.Cut(name, "@")
		_, known := catalog.CanonicalLocale(locale)
		if name == "" || slices.Contains(l.columns, name) || translated && known && slices.Contains(l.texts, base) {
			continue
		}
		names = append(names, name)
	}
	return names
}

// kindRow is a row of such a file, by column.
type kindRow map[string]string

// number reads a whole number, 0 when the cell is empty.
func (r kindRow) number(name string) (int, error) {
	if r[name] == "" {
		return 0, nil
	}
	n, err := number(name, r[name], 0, maxNumber)
	return int(math.Round(n)), err
}

// localized collects name and name@locale; the plain one is in the language given.
func (r kindRow) localized(name string, plain catalog.Locale, into map[catalog.Locale]string) map[catalog.Locale]string {
	out := map[catalog.Locale]string{}
	maps.Copy(out, into)
	set := func(l catalog.Locale, v string) {
		switch v {
		case "":
		case clearCell:
			delete(out, l)
		default:
			out[l] = v
		}
	}
	for column, v := range r {
		if base, tag, translated := strings.Cut(column, "@"); translated && base == name {
			if l, ok := catalog.CanonicalLocale(tag); ok {
				set(l, v)
			}
		}
	}
	set(plain, r[name])
	if len(out) == 0 {
		return nil
	}
	return out
}

// runKind writes a file of another kind than courses.
func (p *plan) runKind(ctx context.Context, im *importer, rs *records, update updater) error {
	l := p.kind.layout()
	read := 0
	for {
		rows, lines, err := im.gather(rs)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
		if err := im.writeKind(ctx, l, rows, lines, update); err != nil {
			return err
		}
		read += len(rows)
		p.progress(im, read)
	}
}

// gather reads a batch of rows; none at the end of the file.
func (im *importer) gather(rs *records) (rows []kindRow, lines []int, err error) {
	for len(rows) < batchRows {
		rec, bad, err := rs.read()
		if errors.Is(err, io.EOF) {
			return rows, lines, nil
		}
		if err != nil {
			return nil, nil, err
		}
		im.report.Rows.Read++
		if bad != nil {
			im.rejected(*bad)
			continue
		}
		row := kindRow{}
		for i, name := range rs.header {
			if v := trim(rec.cells[i]); v != "" {
				row[name] = v
			}
		}
		rows, lines = append(rows, row), append(lines, rec.line)
	}
	return rows, lines, nil
}

func (im *importer) writeKind(ctx context.Context, l layout, rows []kindRow, lines []int, update updater) error {
	var counts [updated + 1]int
	var bad []catalog.ImportError
	err := update(ctx, func(tx *catalog.Tx) error {
		counts, bad = [updated + 1]int{}, nil
		for i, row := range rows {
			var o outcome
			err := tx.Try(func() (err error) {
				for _, name := range l.marks {
					if row[name] == "" {
						return badCell(name, fault.Required, "%s is empty", name)
					}
				}
				o, err = l.apply(im, tx, row)
				return err
			})
			if err == nil {
				counts[o]++
				continue
			}
			e, err := reject(lines[i], nil, err)
			if err != nil {
				return err
			}
			bad = append(bad, *e)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	im.count(counts, bad)
	return nil
}

func became(existed, changed bool) outcome {
	switch {
	case !existed:
		return created
	case changed:
		return updated
	}
	return unchanged
}

// own puts an id into the organization of the import.
func (im *importer) own(id string) string {
	if im.opt.Org == "" || id == "" || catalog.OrgOf(id) != "" {
		return id
	}
	return string(im.opt.Org) + "~" + id
}

func applyTag(im *importer, tx *catalog.Tx, r kindRow) (outcome, error) {
	id := catalog.TagID(im.own(r["tag"]))
	stored, exists, err := tx.Tag(id)
	if err != nil {
		return 0, err
	}
	t := stored.Value
	t.ID = id
	t.Label = r.localized("label", catalog.English, t.Label)
	synonyms := map[catalog.Locale]string{}
	for l, words := range t.Synonyms {
		synonyms[l] = strings.Join(words, "|")
	}
	t.Synonyms = nil
	for l, words := range r.localized("synonyms", catalog.English, synonyms) {
		if t.Synonyms == nil {
			t.Synonyms = map[catalog.Locale][]string{}
		}
		t.Synonyms[l] = unite(nil, list(words))
	}
	changed, err := tx.PutTag(t, catalog.Cond{})
	return became(exists, changed), err
}

func applyCategory(im *importer, tx *catalog.Tx, r kindRow) (outcome, error) {
	id := catalog.CategoryID(im.own(r["category"]))
	stored, exists, err := tx.Category(id)
	if err != nil {
		return 0, err
	}
	c := stored.Value
	c.ID = id
	c.Label = r.localized("label", catalog.English, c.Label)
	switch v := r["parent"]; v {
	case "":
	case clearCell:
		c.Parent = ""
	default:
		c.Parent = catalog.CategoryID(im.own(v))
	}
	changed, err := tx.PutCategory(c, catalog.Cond{})
	return became(exists, changed), err
}

func applyInstructor(im *importer, tx *catalog.Tx, r kindRow) (outcome, error) {
	id := catalog.InstructorID(im.own(r["instructor"]))
	stored, exists, err := tx.Instructor(id)
	if err != nil {
		return 0, err
	}
	i := stored.Value
	i.ID, i.Name = id, r["name"]
	i.Bio = r.localized("bio", catalog.English, i.Bio)
	i.URL, i.ImageURL = cmp.Or(r["url"], i.URL), cmp.Or(r["image_url"], i.ImageURL)
	changed, err := tx.PutInstructor(i, catalog.Cond{})
	return became(exists, changed), err
}

// courseOf finds the course that a row is about.
func (im *importer) courseOf(tx *catalog.Tx, r kindRow) (catalog.Stored[catalog.Course], error) {
	c, exists, err := tx.Course(catalog.CourseID(im.own(r["course"])))
	if err == nil && !exists {
		err = badCell("course", fault.UnknownRef, "there is no course %q: import it first", r["course"])
	}
	return c, err
}

func applyModule(im *importer, tx *catalog.Tx, r kindRow) (outcome, error) {
	c, err := im.courseOf(tx, r)
	if err != nil {
		return 0, err
	}
	have, exists, err := tx.Module(c.Value.ID, r["module"])
	if err != nil {
		return 0, err
	}
	m := catalog.Module{ID: r["module"], Title: r.localized("title", c.Value.Language, have.Value.Title)}
	if m.Position, err = r.number("position"); err != nil {
		return 0, err
	}
	changed, err := tx.PutModule(c.Value.ID, m)
	return became(exists, changed), err
}

func applyLesson(im *importer, tx *catalog.Tx, r kindRow) (outcome, error) {
	c, err := im.courseOf(tx, r)
	if err != nil {
		return 0, err
	}
	have, exists, err := tx.Lesson(c.Value.ID, r["lesson"])
	if err != nil {
		return 0, err
	}
	l := catalog.Lesson{
		ID: r["lesson"], Module: r["module"],
		Title: r.localized("title", c.Value.Language, have.Value.Title), Body: r.localized("body", c.Value.Language, have.Value.Body),
	}
	if l.Position, err = r.number("position"); err != nil {
		return 0, err
	}
	if l.DurationMinutes, err = r.number("duration_minutes"); err != nil {
		return 0, err
	}
	changed, err := tx.PutLesson(c.Value.ID, l)
	return became(exists, changed), err
}

// applyReview writes a learner's review, and enrolls the learner first: only the enrolled review.
func applyReview(im *importer, tx *catalog.Tx, r kindRow) (outcome, error) {
	c, err := im.courseOf(tx, r)
	if err != nil {
		return 0, err
	}
	who := catalog.LearnerID(r["learner"])
	have, exists, err := tx.MyReview(who, c.Value.ID)
	if err != nil {
		return 0, err
	}
	review := catalog.Review{By: r["display_name"], Text: r["text"], At: have.Value.At}
	if review.Rating, err = r.number("rating"); err != nil {
		return 0, err
	}
	if r["at"] != "" {
		if review.At, err = date("at", r["at"]); err != nil {
			return 0, err
		}
	}
	if review.Instructors, err = im.reviewedPeople(r["instructor_ratings"]); err != nil {
		return 0, err
	}
	if _, enrolled, err := tx.MyEnrollment(who, c.Value.ID); err != nil {
		return 0, err
	} else if !enrolled {
		if err := tx.ImportEnrollment(who, c.Value.ID, review.At); err != nil {
			return 0, err
		}
	}
	changed, err := tx.PutReview(who, c.Value.ID, review, catalog.Cond{})
	return became(exists, changed), err
}

// reviewedPeople reads `id:5|id:4`.
func (im *importer) reviewedPeople(cell string) (map[catalog.InstructorID]int, error) {
	const name = "instructor_ratings"
	var ratings map[catalog.InstructorID]int
	for _, item := range list(cell) {
		id, v, ok := strings.Cut(item, ":")
		if !ok {
			return nil, badCell(name, fault.BadValue, "%q is not id:rating", item)
		}
		n, err := number(name, v, 1, maxRating)
		if err != nil {
			return nil, err
		}
		if ratings == nil {
			ratings = map[catalog.InstructorID]int{}
		}
		ratings[catalog.InstructorID(im.own(id))] = int(math.Round(n))
	}
	return ratings, nil
}
