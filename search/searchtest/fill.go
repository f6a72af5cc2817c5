// Package searchtest makes catalogs to search in, and answers searches in the plainest way, for tests and benchmarks to compare with.
//
// The oracle (oracle.go) shares nothing with package search but the analyzers: it walks all courses for every request.
package searchtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// Options says what catalog to make. The zero value makes none.
type Options struct {
	Courses    int
	Seed       uint64
	Vocabulary int            // different words of each language; 0 is 20,000
	Words      int            // in a description; 0 is 60
	Tags       int            // 0 is 300
	Translated bool           // every course in English, French and Chinese, else each in one of the three
	Language   catalog.Locale // of every course, when it is set and Translated is not
	Orgs       bool           // a third of the courses belong to the organizations acme and umbrella
	States     bool           // a fifth of the courses are drafts or archived
	Curated    bool           // editors have written synonyms and pins
}

// fillBatch is how many courses one command writes.
const fillBatch = 500

// epoch is when every synthetic date begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Fill writes a catalog. The same options write the same one.
func Fill(ctx context.Context, c *catalog.Catalog, o Options) error {
	g := newGenerator(o)
	if _, err := c.Update(ctx, catalog.System, g.things); err != nil {
		return err
	}
	for from := 0; from < o.Courses; from += fillBatch {
		courses := make([]catalog.Course, 0, fillBatch)
		bases := make([]catalog.StatsBase, 0, fillBatch)
		for i := from; i < min(from+fillBatch, o.Courses); i++ {
			courses, bases = append(courses, g.course(i)), append(bases, g.base())
		}
		_, err := c.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
			for i := range courses {
				if _, err := tx.PutCourse(courses[i], catalog.Cond{}); err != nil {
					return err
				}
				if _, err := tx.PutStatsBase(courses[i].ID, bases[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if o.Curated {
		if _, err := c.Update(ctx, catalog.System, g.curation); err != nil {
			return err
		}
	}
	return c.FlushStats(ctx)
}

// generator draws everything from one source of chance.
type generator struct {
	o     Options
	rand  *rand.Rand
	zipf  *rand.Zipf
	words map[catalog.Locale][]string
}

var languages = []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}

func newGenerator(o Options) *generator {
	if o.Vocabulary == 0 {
		o.Vocabulary = 20_000
	}
	if o.Words == 0 {
		o.Words = 60
	}
	if o.Tags == 0 {
		o.Tags = 300
	}
	r := rand.New(rand.NewPCG(o.Seed, 1)) //nolint:gosec // the same seed must give the same catalog
	g := &generator{o: o, rand: r, words: map[catalog.Locale][]string{}}
	g.zipf = rand.NewZipf(r, 1.1, 4, uint64(o.Vocabulary-1)) //nolint:gosec // not negative
	for _, l := range languages {
		g.words[l] = g.vocabulary(l)
	}
	return g
}

// vocabulary makes words that look like those of a language, inflected forms among them.
func (g *generator) vocabulary(l catalog.Locale) []string {
	syllables := []string{"ba", "con", "di", "er", "for", "gra", "hu", "in", "ju", "kel", "lo", "mar", "ne", "or", "pri", "qua", "ri", "sto", "tu", "vel"}
	endings := []string{"", "s", "ing", "ed"}
	if l == catalog.French {
		endings = []string{"", "s", "é", "ées", "ment"}
	}
	seen := map[string]bool{}
	list := make([]string, 0, g.o.Vocabulary)
	for len(list) < g.o.Vocabulary {
		var b strings.Builder
		if l == catalog.Chinese {
			const first, many = 0x4e00, 800
			for range 1 + g.rand.IntN(2) {
				b.WriteRune(first + g.rand.Int32N(many))
			}
		} else {
			for range 2 + g.rand.IntN(3) {
				b.WriteString(syllables[g.rand.IntN(len(syllables))])
			}
			b.WriteString(endings[g.rand.IntN(len(endings))])
		}
		if w := b.String(); !seen[w] {
			seen[w] = true
			list = append(list, w)
		}
	}
	return list
}

// text makes so many words, frequent ones more often.
func (g *generator) text(l catalog.Locale, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 && l != catalog.Chinese {
			b.WriteByte(' ')
		}
		b.WriteString(g.words[l][g.zipf.Uint64()])
		if i%9 == 8 {
			b.WriteString(map[catalog.Locale]string{catalog.Chinese: "，"}[l] + ".")
		}
	}
	return b.String()
}

const (
	categories  = 40
	instructors = 500
	providers   = 60
)

var orgs = []string{"", "acme~", "umbrella~"}

func (g *generator) tagID(org string, i int) catalog.TagID {
	return catalog.TagID(fmt.Sprintf("%stag-%d", org, i))
}

// things writes tags, categories and instructors.
func (g *generator) things(tx *catalog.Tx) error {
	word := func(l catalog.Locale, i int) string { return g.words[l][i%len(g.words[l])] }
	label := func(kind string, i int) map[catalog.Locale]string {
		return map[catalog.Locale]string{
			catalog.English: fmt.Sprintf("%s %s %d", kind, word(catalog.English, i), i), catalog.French: word(catalog.French, i), catalog.Chinese: word(catalog.Chinese, i),
		}
	}
	for _, org := range orgs {
		n := g.o.Tags
		if org != "" {
			n = 5
		}
		for i := range n {
			if _, err := tx.PutTag(catalog.Tag{ID: g.tagID(org, i), Label: label("Tag", i)}, catalog.Cond{}); err != nil {
				return err
			}
		}
	}
	for i := range categories {
		c := catalog.Category{ID: catalog.CategoryID(fmt.Sprintf("category-%d", i)), Label: label("Category", i)}
		if i >= 4 {
			c.Parent = catalog.CategoryID(fmt.Sprintf("category-%d", i/4))
		}
		if _, err := tx.PutCategory(c, catalog.Cond{}); err != nil {
			return err
		}
	}
	for i := range instructors {
		who := catalog.Instructor{ID: catalog.InstructorID(fmt.Sprintf("person-%d", i)), Name: fmt.Sprintf("Person %s %d", word(catalog.English, i), i)}
		if _, err := tx.PutInstructor(who, catalog.Cond{}); err != nil {
			return err
		}
	}
	return nil
}

// curated is how many synonyms and how many pins are written.
const curated = 60

// curation writes synonyms, of one and of two words, in one direction and both, and pins, for everybody and for members, in all languages and in one.
func (g *generator) curation(tx *catalog.Tx) error {
	locales := []catalog.Locale{"", "", catalog.English, catalog.French, catalog.Chinese}
	words := func(most int) string {
		l := languages[g.rand.IntN(len(languages))]
		return g.text(l, 1+g.rand.IntN(most))
	}
	for i := range curated {
		org := orgs[g.rand.IntN(len(orgs))]
		s := catalog.Synonym{
			ID: catalog.SynonymID(fmt.Sprintf("%ss%d", org, i)), Language: locales[g.rand.IntN(len(locales))], TwoWay: g.rand.IntN(2) == 0,
			From: []string{words(2)}, To: []string{words(2)},
		}
		p := catalog.Pin{ID: catalog.PinID(fmt.Sprintf("%sp%d", org, i)), Language: locales[g.rand.IntN(len(locales))], Query: words(2)}
		for range 1 + g.rand.IntN(3) {
			id := catalog.CourseID(fmt.Sprintf("course-%06d", g.rand.IntN(g.o.Courses)))
			_, exists, err := tx.Course(id)
			if err != nil {
				return err
			}
			if exists && !slices.Contains(p.Pins, id) {
				p.Pins = append(p.Pins, id)
			}
		}
		if s.From[0] != s.To[0] {
			if _, err := tx.PutSynonym(s, catalog.Cond{}); err != nil {
				return err
			}
		}
		if len(p.Pins) > 0 {
			if _, err := tx.PutPin(p, catalog.Cond{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// course makes the course of a number.
func (g *generator) course(i int) catalog.Course {
	r := g.rand
	org := ""
	if g.o.Orgs {
		org = orgs[max(0, r.IntN(5)-2)]
	}
	c := catalog.Course{ID: catalog.CourseID(fmt.Sprintf("%scourse-%06d", org, i)), State: catalog.Published, Language: languages[r.IntN(len(languages))]}
	if g.o.Translated {
		c.Language = catalog.English
		c.Translations = map[catalog.Locale]catalog.Text{catalog.French: g.texts(catalog.French), catalog.Chinese: g.texts(catalog.Chinese)}
	} else if g.o.Language != "" {
		c.Language = g.o.Language
	}
	c.Text = g.texts(c.Language)
	for range 1 + r.IntN(4) {
		id := g.tagID("", r.IntN(1+r.IntN(g.o.Tags)))
		if org != "" && r.IntN(3) == 0 {
			id = g.tagID(org, r.IntN(5))
		}
		c.Tags = append(c.Tags, id)
	}
	c.Category = catalog.CategoryID(fmt.Sprintf("category-%d", r.IntN(categories)))
	for range 1 + r.IntN(2) {
		c.Instructors = append(c.Instructors, catalog.InstructorID(fmt.Sprintf("person-%d", r.IntN(instructors))))
	}
	c.Level = []catalog.Level{"", catalog.LevelAll, catalog.LevelBeginner, catalog.LevelIntermediate, catalog.LevelAdvanced}[r.IntN(5)]
	c.Provider = fmt.Sprintf("Provider %d", r.IntN(providers))
	if r.IntN(10) > 0 {
		c.DurationMinutes = 10 * (1 + r.IntN(120))
	}
	if r.IntN(3) > 0 {
		price := float64(r.IntN(4) * 25)
		c.Price, c.Currency = &price, "EUR"
	}
	g.dates(&c)
	if g.o.States && r.IntN(5) == 0 {
		c.State = []catalog.State{catalog.Draft, catalog.Archived}[r.IntN(2)]
	}
	return c
}

func (g *generator) texts(l catalog.Locale) catalog.Text {
	return catalog.Text{Title: g.text(l, 4+g.rand.IntN(6)), Summary: g.text(l, 8), Description: g.text(l, g.o.Words)}
}

func (g *generator) dates(c *catalog.Course) {
	day := func() *time.Time {
		t := epoch.Add(time.Duration(g.rand.IntN(400)) * 24 * time.Hour)
		return &t
	}
	if g.rand.IntN(8) > 0 {
		c.PublishedAt = day()
	}
	switch g.rand.IntN(4) {
	case 0:
		c.EnrollmentOpensAt = day()
	case 1:
		c.EnrollmentClosesAt = day()
	case 2:
		c.EnrollmentOpensAt = day()
		until := c.EnrollmentOpensAt.Add(90 * 24 * time.Hour)
		c.EnrollmentClosesAt = &until
	}
}

// base makes where the counting of a course starts; a quarter of the courses has no ratings.
func (g *generator) base() catalog.StatsBase {
	enrollments := g.rand.IntN(1 + g.rand.IntN(50_000))
	b := catalog.StatsBase{Enrollments: &enrollments}
	if g.rand.IntN(4) > 0 {
		n := 1 + g.rand.IntN(200)
		b.Rating = &catalog.Sum{Sum: float64(n) * (2 + 3*g.rand.Float64()), N: n}
	}
	return b
}

// CommonWords returns the words of a catalog's language, the most frequent first.
func CommonWords(l catalog.Locale, o Options) []string { return newGenerator(o).words[l] }
