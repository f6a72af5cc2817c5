package search_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// circle is a set of things that the same callers see. Its marks are in every word that is secret to it, and nowhere else. All marks are one typing
// error from each other and from a word that is public, so that what a typo means depends on who asks.
type circle struct {
	org       catalog.OrgID
	published bool
	mark, han string // han is read as the public 数 is
}

// open has what everybody sees; its "mark" stands in no secret.
var open = circle{"", true, "vorlex", "数"}

var circles = []circle{
	open,
	{"", false, "vorlax", "树"},
	{"orgvurlax", true, "vurlax", "鼠"},
	{"orgvurlax", false, "vorlix", "竖"},
	{"orgvurlix", true, "vurlix", "署"},
	{"orgvurlix", false, "vorlox", "暑"},
	{"orgvurlox", true, "vurlox", "蜀"},
	{"orgvurlox", false, "vorlux", "薯"},
}

// viewer is a kind of caller, with what CONTRACT says it sees: written as a table, apart from the methods of [catalog.Actor].
type viewer struct {
	actor  catalog.Actor
	org    catalog.OrgID // whose published things it sees, besides the public ones
	drafts []catalog.OrgID
	all    bool
}

var viewers = func() []viewer {
	who := func(role catalog.Role, org catalog.OrgID) catalog.Actor {
		return catalog.Actor{Subject: catalog.LearnerID(string(role) + " of " + string(org)), Roles: []catalog.Role{role}, Org: org}
	}
	list := []viewer{
		{},
		{actor: who(catalog.RoleLearner, "")},
		{actor: who(catalog.RoleEditor, ""), all: true},
		{actor: who(catalog.RoleTranslator, ""), all: true},
		{actor: who(catalog.RoleAdmin, ""), all: true},
		{actor: who(catalog.RoleLearner, "nowhere"), org: "nowhere"},
	}
	for _, org := range []catalog.OrgID{"orgvurlax", "orgvurlix", "orgvurlox"} {
		list = append(list,
			viewer{actor: who(catalog.RoleLearner, org), org: org}, viewer{actor: who(catalog.RoleTranslator, org), org: org},
			viewer{actor: who(catalog.RoleEditor, org), org: org, drafts: []catalog.OrgID{org}},
			viewer{actor: who(catalog.RoleAdmin, org), org: org, drafts: []catalog.OrgID{org}})
	}
	return list
}()

func (v *viewer) sees(c circle) bool {
	switch {
	case v.all || c == open:
		return true
	case c.published:
		return c.org == v.org
	}
	return slices.Contains(v.drafts, c.org)
}

// class names the viewers who see the same.
func (v *viewer) class() string {
	var seen []string
	for _, c := range circles {
		if v.sees(c) {
			seen = append(seen, c.mark)
		}
	}
	return strings.Join(seen, " ")
}

// world is all that a catalog holds, with whose it is, so that catalogs can be made that hold a part.
type world struct {
	*rand.Rand
	tags        []catalog.Tag
	categories  []catalog.Category
	instructors []catalog.Instructor
	courses     []catalog.Course
	bases       []catalog.StatsBase
	synonyms    []catalog.Synonym
	pins        []catalog.Pin
	of          map[string]circle // by kind and id
	words       map[string][]string
}

var (
	wordEndings = []string{"", "s", "es", "ed", "ing", "ine", "ique", "ation", "ement", "é", "ées", "um", "oid", "ard", "elle"}
	plainWords  = strings.Fields("data science python garden history music théorie pêche peche été analyse cours energy ocean river stone copper " +
		"silver network kernel compiler biology chemistry physique droit économie langue painting drawing cooking sewing 数据 分析 历史 机器学习 音乐")
)

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 5)), of: map[string]circle{}, words: map[string][]string{}}
	for _, c := range circles {
		for _, ending := range wordEndings {
			w.words[c.mark] = append(w.words[c.mark], c.mark+ending)
		}
		w.words[c.mark] = append(w.words[c.mark], c.han+"据", c.han+"局", "大"+c.han+"据")
	}
	for _, c := range circles {
		if c.published {
			w.things(c)
		}
	}
	for _, c := range circles {
		n := 12
		if c == open {
			n = 180 // more than a page of rows, with the others
		} else if c.published {
			n = 24
		}
		for i := range n {
			w.course(c, i)
		}
	}
	for _, c := range circles {
		if c.published {
			w.curate(c)
		}
	}
	return w
}

func (w *world) word(c circle) string {
	if w.IntN(3) > 0 {
		return plainWords[w.IntN(len(plainWords))]
	}
	return w.words[c.mark][w.IntN(len(w.words[c.mark]))]
}

// text has words that everybody may know and words of the circle.
func (w *world) text(c circle, n int) string {
	var words []string
	for range n {
		words = append(words, w.word(c))
	}
	if n > 1 && c != open {
		words[w.IntN(n)] = w.words[c.mark][w.IntN(len(wordEndings))]
	}
	return strings.Join(words, " ")
}

func (w *world) texts(c circle) catalog.Text {
	long := 10 + w.IntN(15)
	if c != open {
		long *= 9 // their lengths are theirs alone, too
	}
	return catalog.Text{Title: w.text(c, 2+w.IntN(4)), Summary: w.text(c, 6), Description: w.text(c, long)}
}

func (w *world) label(c circle) map[catalog.Locale]string {
	return map[catalog.Locale]string{catalog.English: w.text(c, 2), catalog.French: w.text(c, 2), catalog.Chinese: w.text(c, 2)}
}

func (c circle) id(kind string, i int) string {
	id := fmt.Sprintf("%s-%s-%d", c.mark, kind, i)
	if c.org != "" {
		id = string(c.org) + "~" + id
	}
	return id
}

// things are tags, categories and instructors: they have no state.
func (w *world) things(c circle) {
	for i := range 6 {
		tag := catalog.Tag{ID: catalog.TagID(c.id("tag", i)), Label: w.label(c), Synonyms: map[catalog.Locale][]string{catalog.French: {w.text(c, 2)}}}
		category := catalog.Category{ID: catalog.CategoryID(c.id("category", i)), Label: w.label(c)}
		switch {
		case i > 1:
			category.Parent = catalog.CategoryID(c.id("category", i/2))
		case c != open:
			category.Parent = catalog.CategoryID(open.id("category", i+1))
		}
		who := catalog.Instructor{ID: catalog.InstructorID(c.id("person", i)), Name: w.text(c, 2)}
		w.tags, w.categories, w.instructors = append(w.tags, tag), append(w.categories, category), append(w.instructors, who)
		for _, id := range []string{string(tag.ID), string(category.ID), string(who.ID)} {
			w.of[id] = c
		}
	}
}

// either is the id of a thing of the circle's organization or of a public one.
func (w *world) either(c circle, kind string) string {
	for _, o := range circles {
		if o.org == c.org && o.published && w.IntN(2) == 0 {
			return o.id(kind, w.IntN(6))
		}
	}
	return open.id(kind, w.IntN(6))
}

func (w *world) course(c circle, i int) {
	languages := []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}
	course := catalog.Course{ID: catalog.CourseID(c.id("course", i)), Language: languages[w.IntN(3)], Text: w.texts(c), State: catalog.Published}
	if !c.published {
		course.State = []catalog.State{catalog.Draft, catalog.Archived}[i%2]
	}
	if w.IntN(3) == 0 {
		course.Translations = map[catalog.Locale]catalog.Text{languages[(slices.Index(languages, course.Language)+1)%3]: w.texts(c)}
	}
	for range w.IntN(4) {
		course.Tags = append(course.Tags, catalog.TagID(w.either(c, "tag")))
	}
	course.Category, course.Instructors = catalog.CategoryID(w.either(c, "category")), []catalog.InstructorID{catalog.InstructorID(w.either(c, "person"))}
	course.Provider = w.text([]circle{c, open}[w.IntN(2)], 2)
	course.Level = []catalog.Level{"", catalog.LevelAll, catalog.LevelBeginner, catalog.LevelAdvanced}[w.IntN(4)]
	course.DurationMinutes = 30 * w.IntN(30)
	if w.IntN(2) == 0 {
		price := float64(w.IntN(3) * 20)
		course.Price, course.Currency = &price, "EUR"
	}
	published := noon.Add(-time.Duration(w.IntN(900)) * 24 * time.Hour)
	course.PublishedAt = &published
	if w.IntN(3) == 0 {
		opens := noon.Add(time.Duration(w.IntN(60)-30) * 24 * time.Hour)
		course.EnrollmentOpensAt = &opens
	}
	enrollments := w.IntN(5000)
	base := catalog.StatsBase{Enrollments: &enrollments}
	// The prior is the mean over the public catalog, archived courses included. These have no ratings here, so that the prior is the same without them.
	if (c.org != "" || c.published) && w.IntN(4) > 0 {
		n := 1 + w.IntN(40)
		base.Rating = &catalog.Sum{Sum: float64(n * (2 + w.IntN(4))), N: n}
		if who := course.Instructors[0]; catalog.OrgOf(string(who)) == c.org {
			base.Instructors = map[catalog.InstructorID]catalog.Sum{who: *base.Rating}
		}
	}
	w.courses, w.bases = append(w.courses, course), append(w.bases, base)
	w.of[string(course.ID)] = c
}

// curate writes synonyms and pins of an organization. The pins of an organization name what is its own or public, drafts included.
func (w *world) curate(c circle) {
	var own []catalog.CourseID
	for _, course := range w.courses {
		if o := w.of[string(course.ID)]; o.org == c.org || o == open && w.IntN(4) == 0 {
			own = append(own, course.ID)
		}
	}
	for i := range 12 {
		s := catalog.Synonym{ID: catalog.SynonymID(c.id("synonym", i)), From: []string{w.text(c, 1+i%2)}, To: []string{w.text(c, 1+i%3)}, TwoWay: i%2 == 0}
		if s.From[0] != s.To[0] {
			w.synonyms = append(w.synonyms, s)
			w.of[string(s.ID)] = c
		}
		p := catalog.Pin{ID: catalog.PinID(c.id("pin", i)), Query: plainWords[(3*i+w.IntN(3))%len(plainWords)], Boosts: map[catalog.CourseID]float64{}}
		for k, at := range w.Perm(len(own))[:8] {
			if k%2 == 0 {
				p.Pins = append(p.Pins, own[at])
			} else {
				p.Boosts[own[at]] = float64(2*w.IntN(5) - 5)
			}
		}
		w.pins = append(w.pins, p)
		w.of[string(p.ID)] = c
	}
}

// index makes a catalog of what sees lets through, with an index.
func (w *world) index(t *testing.T, sees func(circle) bool) *search.Index {
	t.Helper()
	seen := func(id string) bool { return sees(w.of[id]) }
	c := newCatalog(t)
	update(t, c, func(tx *catalog.Tx) (err error) {
		keep := func(id string, put func() (bool, error)) {
			if err == nil && seen(id) {
				_, err = put()
			}
		}
		for _, v := range w.tags {
			keep(string(v.ID), func() (bool, error) { return tx.PutTag(v, catalog.Cond{}) })
		}
		for _, v := range w.categories {
			keep(string(v.ID), func() (bool, error) { return tx.PutCategory(v, catalog.Cond{}) })
		}
		for _, v := range w.instructors {
			keep(string(v.ID), func() (bool, error) { return tx.PutInstructor(v, catalog.Cond{}) })
		}
		for i, v := range w.courses {
			keep(string(v.ID), func() (bool, error) { return tx.PutCourse(v, catalog.Cond{}) })
			keep(string(v.ID), func() (bool, error) { return tx.PutStatsBase(v.ID, w.bases[i]) })
		}
		for _, v := range w.synonyms {
			keep(string(v.ID), func() (bool, error) { return tx.PutSynonym(v, catalog.Cond{}) })
		}
		for _, v := range w.pins {
			pin := catalog.Pin{ID: v.ID, Query: v.Query, Boosts: map[catalog.CourseID]float64{}}
			for _, id := range v.Pins {
				if seen(string(id)) {
					pin.Pins = append(pin.Pins, id)
				}
			}
			for id, by := range v.Boosts {
				if seen(string(id)) {
					pin.Boosts[id] = by
				}
			}
			if len(pin.Pins)+len(pin.Boosts) > 0 {
				keep(string(v.ID), func() (bool, error) { return tx.PutPin(pin, catalog.Cond{}) })
			}
		}
		return err
	})
	if err := c.FlushStats(context.Background()); err != nil {
		t.Fatal(err)
	}
	x, err := search.Open(search.Config{Dir: t.TempDir(), Catalog: c, Now: clock, Past: w})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	catchUp(t, c, x)
	return x
}

// Completions implements search.PastQueries in the worst way: whoever asks is offered what the members of all organizations asked.
func (w *world) Completions(_ catalog.OrgID, _ catalog.Locale, prefix string, n int) []string {
	var list []string
	for _, c := range circles {
		for i, word := range w.words[c.mark] {
			for _, q := range []string{word, plainWords[i] + " " + word, "data -" + word, "data river music ocean " + word} {
				if strings.HasPrefix(q, prefix) && len(list) < n {
					list = append(list, q)
				}
			}
		}
	}
	return list
}
