package search

import (
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// edit makes the next columns from the ones before. Only what changes is copied, once.
type edit struct {
	*columns
	dicts *dicts
	owned map[*page]bool
	lists [3]bool // tags, categories, instructors: copied already
}

func newEdit(c *columns, d *dicts) *edit {
	next := &columns{
		pages: slices.Clone(c.pages), n: c.n, tags: c.tags, categories: c.categories, instructors: c.instructors,
		tagged: c.tagged, taught: c.taught, curation: c.curation, prior: c.prior,
	}
	return &edit{columns: next, dicts: d, owned: map[*page]bool{}}
}

// rowOf returns the row of a course to be written, made when it is new.
func (e *edit) rowOf(id catalog.CourseID) (int32, *row) {
	i := int32(e.dicts.courses.ref(string(id))) - 1 //nolint:gosec // far fewer than 2^31
	for int(i) >= len(e.pages)*pageRows {
		p := &page{}
		for j := range p.rows {
			p.rows[j].rating, p.rows[j].price = math.NaN(), math.NaN()
		}
		e.pages = append(e.pages, p)
		e.owned[p] = true
	}
	e.n = max(e.n, int(i)+1)
	p := e.pages[int(i)/pageRows]
	if !e.owned[p] {
		p = p.copied()
		e.pages[int(i)/pageRows] = p
		e.owned[p] = true
	}
	return i, &p.rows[int(i)%pageRows]
}

// copied returns a copy of a page to be written, with what was derived from the titles.
func (p *page) copied() *page {
	next := &page{rows: p.rows, details: p.details, lengths: p.lengths}
	for l := range locales {
		next.keys[l].Store(p.keys[l].Load())
		next.folds[l].Store(p.folds[l].Load())
		next.starts[l].Store(p.starts[l].Load())
	}
	return next
}

// putCourse writes a course's columns and leaves those of its stats.
func (e *edit) putCourse(c *catalog.Course) int32 {
	i, r := e.rowOf(c.ID)
	r.org = e.dicts.orgs.ref(string(catalog.OrgOf(string(c.ID))))
	r.state, r.level = stateOf(c.State), levelOf(c.Level)
	r.language, r.provider = e.dicts.languages.ref(string(c.Language)), e.dicts.providers.ref(c.Provider)
	r.category = e.dicts.categories.ref(string(c.Category))
	r.tags, r.instructors = refs(e.dicts.tags, c.Tags), refs(e.dicts.instructors, c.Instructors)
	r.duration = int32(min(max(c.DurationMinutes, 0), math.MaxInt32))
	r.price = orNaN(c.Price)
	r.free = r.price == 0
	r.published, r.opens, r.closes = micros(c.PublishedAt), micros(c.EnrollmentOpensAt), micros(c.EnrollmentClosesAt)
	e.details(i).id = c.ID
	for l, name := range localeNames {
		t, _ := c.TextIn(name)
		e.retitle(i, l, t.Title)
	}
	*e.lengths(i) = textLengths(c)
	return i
}

// dropCourse empties a course's row; its stats go by a change of their own.
func (e *edit) dropCourse(id catalog.CourseID) {
	i, r := e.rowOf(id)
	*e.lengths(i) = [langs]int32{}
	*r = row{rating: r.rating, ratings: r.ratings, enrollments: r.enrollments, price: math.NaN()}
	for l := range localeNames {
		e.retitle(i, l, "")
	}
	e.details(i).id = ""
}

// retitle writes a title. What is derived from a page's titles is made again when they change, and not when one of its courses is rated.
func (e *edit) retitle(i int32, l int, title string) {
	p, at := e.pages[int(i)/pageRows], &e.details(i).titles[l]
	if *at == title {
		return
	}
	*at = title
	p.keys[l].Store(nil)
	p.folds[l].Store(nil)
	p.starts[l].Store(nil)
}

func (e *edit) lengths(i int32) *[langs]int32 {
	return &e.pages[int(i)/pageRows].lengths[int(i)%pageRows]
}

// seal ends the edit: what searches walk over is made from the rows of each page that changed.
func (e *edit) seal() *columns {
	for p := range e.owned {
		p.hot = newHot(p)
	}
	e.owned = nil
	e.id = generations.Add(1)
	return e.columns
}

func (e *edit) putStats(id catalog.CourseID, s catalog.CourseStats) {
	_, r := e.rowOf(id)
	count := func(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) }
	r.rating, r.ratings, r.enrollments = orNaN(s.Rating), count(s.Total.N), count(s.Enrollments)
}

// refs numbers the values of a list, each once.
func refs[T ~string](d *dict, values []T) []ref {
	if len(values) == 0 {
		return nil
	}
	list := make([]ref, 0, len(values))
	for _, v := range values {
		if r := d.ref(string(v)); r != 0 && !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

func orNaN(f *float64) float64 {
	if f == nil {
		return math.NaN()
	}
	return *f
}

// textLengths measures a course's texts by the language that they are analysed in, in runes. BM25 needs to know only which texts are
// long; counting runes needs no analysis, so that a start can do it for every course.
func textLengths(c *catalog.Course) (n [langs]int32) {
	add := func(l catalog.Locale, t catalog.Text) {
		runes := utf8.RuneCountInString(t.Title) + utf8.RuneCountInString(t.Summary) + utf8.RuneCountInString(t.Description)
		n[fieldOf(analysis.LangOf(string(l)))] += int32(runes) //nolint:gosec // a body is far smaller
	}
	add(c.Language, c.Text)
	for _, l := range slices.Sorted(maps.Keys(c.Translations)) {
		add(l, c.Translations[l])
	}
	return n
}

// put writes an entry of one of the three lists, copying the list first when it is still shared.
func put[T any](e *edit, which int, list *[]*T, r ref, value *T) {
	if !e.lists[which] {
		*list, e.lists[which] = slices.Clone(*list), true
	}
	for int(r) >= len(*list) {
		*list = append(*list, nil)
	}
	(*list)[r] = value
}

// putTag writes a tag (nil: it is gone) and reports whether words of courses change by it.
func (e *edit) putTag(id string, t *catalog.Tag) (ref, bool) {
	r := e.dicts.tags.ref(id)
	var next *labelInfo
	if t != nil {
		next = &labelInfo{label: t.Label, synonyms: t.Synonyms}
	}
	old := at(e.tags, r)
	put(e, 0, &e.tags, r, next)
	changed := old != next
	if old != nil && next != nil {
		changed = !maps.Equal(old.label, next.label) || !maps.EqualFunc(old.synonyms, next.synonyms, slices.Equal)
	}
	if changed {
		e.tagged = &keptLabels{}
	}
	return r, changed
}

// putCategory writes a category (nil: it is gone) and reports whether words of courses, of its own or below it, change by it.
func (e *edit) putCategory(id string, c *catalog.Category) (ref, bool) {
	r := e.dicts.categories.ref(id)
	var next *categoryInfo
	if c != nil {
		next = &categoryInfo{label: c.Label, parent: e.dicts.categories.ref(string(c.Parent))}
	}
	old := at(e.categories, r)
	put(e, 1, &e.categories, r, next)
	if old == nil || next == nil {
		return r, old != next
	}
	return r, old.parent != next.parent || !maps.Equal(old.label, next.label)
}

// putSynonym writes a synonym (nil: it is gone).
func (e *edit) putSynonym(id string, s *catalog.Synonym) {
	e.curate(id, func(c *curation) *curation { return c.with(s, catalog.SynonymID(id), nil, "") })
}

// putPin writes a pin (nil: it is gone).
func (e *edit) putPin(id string, p *catalog.Pin) {
	e.curate(id, func(c *curation) *curation { return c.with(nil, "", p, catalog.PinID(id)) })
}

func (e *edit) curate(id string, fn func(*curation) *curation) {
	next := map[catalog.OrgID]*curation{}
	maps.Copy(next, e.curation)
	next[catalog.OrgOf(id)] = fn(next[catalog.OrgOf(id)])
	e.curation = next
}

// putInstructor writes an instructor (nil: gone) and reports whether words of courses change by it. Its rating stays.
func (e *edit) putInstructor(id string, i *catalog.Instructor) (ref, bool) {
	r := e.dicts.instructors.ref(id)
	next := instructorInfo{rating: math.NaN()}
	old := at(e.instructors, r)
	if old != nil {
		next = *old
	}
	next.exists, next.name = i != nil, ""
	if i != nil {
		next.name = i.Name
	}
	put(e, 2, &e.instructors, r, &next)
	changed := old == nil && i != nil || old != nil && old.name != next.name
	if changed {
		e.taught = &keptLabels{}
	}
	return r, changed
}

func (e *edit) putInstructorStats(id string, s catalog.InstructorStats) {
	r := e.dicts.instructors.ref(id)
	next := instructorInfo{}
	if old := at(e.instructors, r); old != nil {
		next = *old
	}
	next.rating = orNaN(s.Rating)
	put(e, 2, &e.instructors, r, &next)
}
