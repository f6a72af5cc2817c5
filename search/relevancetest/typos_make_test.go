package relevancetest_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/relevancetest"
	"github.com/carrel-lms/carrel/search/searchtest"
)

var makeTypos = flag.Bool("typos", false, "write the typing errors anew")

// How the cases are made.
const (
	typoSeed   = 20260601
	typoWords  = 4  // of a query at most: of more any will do
	exactWords = 60 // of each catalog
	// CONTRACT: one typo from four letters on, two from eight on, and then the first letter is right.
	oneEditFrom, twoEditsFrom = 4, 8
)

// typosWanted says how many typing errors to make of the queries of each language.
var typosWanted = map[string]map[catalog.Locale]int{
	demoCatalog: {catalog.English: 100, catalog.French: 100, catalog.Chinese: 20},
	realCatalog: {catalog.English: 450, catalog.French: 270, catalog.Chinese: 60},
}

// spelled is a query that is spelled right and finds its course among the first.
type spelled struct {
	text   string
	target catalog.CourseID
}

func writeTypos(t *testing.T) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# typo|catalog|locale|as typed|spelled right|a course that must be among the first three\n")
	b.WriteString("# exact|catalog|locale|word|the courses that have it, which must come before those with a word like it\n")
	for _, c := range catalogs {
		chance := rand.New(rand.NewPCG(typoSeed, 1))
		m := &typoMaker{Rand: chance, name: c.name, shelf: openShelf(t, c.name, c.fill)}
		m.read(t)
		for _, l := range []catalog.Locale{catalog.English, catalog.French, catalog.Chinese} {
			m.typos(t, &b, l)
		}
		m.exact(t, &b)
	}
	write(t, typosFile, b.String())
}

type typoMaker struct {
	*rand.Rand
	name    string
	shelf   *shelf
	courses []catalog.Course
}

// read reads the courses that everybody sees, in an order of chance.
func (m *typoMaker) read(tb testing.TB) {
	tb.Helper()
	for c, err := range m.shelf.catalog.Courses(context.Background()) {
		if err != nil {
			tb.Fatal(err)
		}
		if c.Value.State == catalog.Published {
			m.courses = append(m.courses, c.Value)
		}
	}
	m.Shuffle(len(m.courses), func(i, j int) { m.courses[i], m.courses[j] = m.courses[j], m.courses[i] })
}

// typos writes the cases of a language.
func (m *typoMaker) typos(tb testing.TB, b *strings.Builder, locale catalog.Locale) {
	tb.Helper()
	wanted := typosWanted[m.name][locale]
	var queries []spelled
	m.shelf.with(tb, nil, func(x *search.Index) { queries = m.queries(tb, x, locale, wanted) })
	// What finds something although no typo is forgiven is a word of its own, or the beginning of one.
	m.shelf.with(tb, func(c *search.Config) { c.Without = []search.Rule{search.RuleTypos} }, func(x *search.Index) {
		seen := map[string]bool{}
		for n := 0; n < wanted; {
			before := n
			for _, q := range queries {
				typed, word := m.mistype(q.text)
				if n == wanted || word == "" || seen[typed] || ask(tb, x, search.Request{Q: word, Locale: locale, Limit: 1}).Total > 0 {
					continue
				}
				seen[typed] = true
				fmt.Fprintf(b, "typo|%s|%s|%s|%s|%s\n", m.name, locale, typed, q.text, q.target)
				n++
			}
			if n == before {
				tb.Fatalf("%s %s: no more than %d cases can be made", m.name, locale, n)
			}
		}
	})
}

// queries returns queries that find their course among the first: those that were judged, then parts of titles.
func (m *typoMaker) queries(tb testing.TB, x *search.Index, locale catalog.Locale, wanted int) []spelled {
	tb.Helper()
	var list []spelled
	add := func(text string, good func(catalog.CourseID) bool) {
		if len(eligible(text)) == 0 || slices.ContainsFunc(list, func(s spelled) bool { return s.text == text }) {
			return
		}
		for _, h := range ask(tb, x, search.Request{Q: text, Locale: locale, Limit: typoDepth}).Hits {
			if good(h.ID) {
				list = append(list, spelled{text, h.ID})
				return
			}
		}
	}
	unfit := []string{"typo", "pinyin", "traditional", "long", "part", "other-words"}
	for _, q := range judged(tb, m.name) {
		if q.Locale == locale && !slices.Contains(unfit, q.Category) && len(analysis.Words(q.Text)) <= typoWords {
			add(q.Text, func(id catalog.CourseID) bool { return q.Grades[id] == relevancetest.Perfect })
		}
	}
	for _, c := range m.courses {
		if len(list) >= max(wanted, 1) {
			break
		}
		title := c.Title
		if c.Language != locale {
			title = c.Translations[locale].Title
		}
		if text := m.part(title, locale); text != "" {
			add(text, func(id catalog.CourseID) bool { return id == c.ID })
		}
	}
	return list
}

// part takes a few words of a title; of a Chinese one, all of it when it is short.
func (m *typoMaker) part(title string, locale catalog.Locale) string {
	const maxHanTitle = 20
	if locale == catalog.Chinese {
		if utf8.RuneCountInString(title) > maxHanTitle || strings.ContainsAny(title, `-"|:`) {
			return ""
		}
		return title
	}
	words := strings.Fields(title)
	for i := range words {
		words[i] = strings.Trim(words[i], `.,;:!?-–—+()[]"«»“”|&/*#`)
	}
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" || strings.ContainsAny(w, `:"|`) })
	if len(words) == 0 {
		return ""
	}
	n := min(1+m.IntN(3), len(words))
	from := m.IntN(len(words) - n + 1)
	return strings.Join(words[from:from+n], " ")
}

// eligible returns the words of a query in which a typo is forgiven.
func eligible(text string) []analysis.Word {
	var list []analysis.Word
	for _, w := range analysis.Words(text) {
		plain := !strings.ContainsFunc(w.Text, func(r rune) bool { return !unicode.Is(unicode.Latin, r) || strings.ContainsRune("œæßŒÆ", r) })
		if w.Kind == analysis.KindWord && !w.Stop && plain && utf8.RuneCountInString(w.Text) >= oneEditFrom && text[w.Start:w.End] == w.Text {
			list = append(list, w)
		}
	}
	return list
}

// mistype makes one or two typos in a word of a query and returns the query and the word; "" when that would not be forgiven.
func (m *typoMaker) mistype(text string) (typed, word string) {
	words := eligible(text)
	w := words[m.IntN(len(words))]
	edits := 1
	if utf8.RuneCountInString(w.Text) >= twoEditsFrom {
		edits += m.IntN(2)
	}
	runes := []rune(w.Text)
	for range edits {
		runes = m.edit(runes)
	}
	word = string(runes)
	length, least := len(runes), oneEditFrom
	a, b := analysis.Fold(w.Text), analysis.Fold(word)
	distance := analysis.Distance(a, b, edits)
	if distance == 2 {
		least = twoEditsFrom
	}
	_, first := utf8.DecodeRuneInString(a)
	if distance < 1 || distance > edits || length < least || distance == 2 && !strings.HasPrefix(b, a[:first]) || analysis.IsStop(b) {
		return "", ""
	}
	return text[:w.Start] + word + text[w.End:], word
}

// edit inserts, deletes or changes a letter, or swaps two.
func (m *typoMaker) edit(w []rune) []rune {
	w = slices.Clone(w)
	letter := rune('a' + m.IntN(26))
	switch i := m.IntN(len(w)); m.IntN(4) {
	case 0:
		return slices.Insert(w, i, letter)
	case 1:
		return slices.Delete(w, i, i+1)
	case 2:
		w[i] = letter
	default:
		if i+1 < len(w) {
			w[i], w[i+1] = w[i+1], w[i]
		}
	}
	return w
}

// exact writes words that few courses have, in any form, while others have a word that is a typo away. An oracle that walks all courses knows which.
func (m *typoMaker) exact(tb testing.TB, b *strings.Builder) {
	tb.Helper()
	const maxHaving, allWords = 5, 1 << 20
	o, err := searchtest.NewOracle(context.Background(), m.shelf.catalog, clock())
	if err != nil {
		tb.Fatal(err)
	}
	having := func(word string) []catalog.CourseID {
		r, err := o.Search(search.Request{Q: word, Locale: catalog.English})
		if err != nil {
			tb.Fatal(err)
		}
		return r.IDs
	}
	words := slices.DeleteFunc(o.Words(allWords), func(w string) bool { return len(eligible(w)) != 1 || analysis.Fold(w) != w || stemIsStop(w) })
	slices.Sort(words)
	m.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	n := 0
	for _, w := range words {
		like := slices.IndexFunc(words, func(o string) bool { return analysis.Distance(w, o, 1) == 1 })
		if like < 0 || n == exactWords {
			continue
		}
		ids := having(w)
		if len(ids) > maxHaving || !slices.ContainsFunc(having(words[like]), func(id catalog.CourseID) bool { return !slices.Contains(ids, id) }) {
			continue
		}
		slices.Sort(ids)
		fmt.Fprintf(b, "exact|%s|%s|%s|%s\n", m.name, catalog.English, w, strings.Trim(fmt.Sprint(ids), "[]"))
		n++
	}
}

// stemIsStop reports whether a word is like a stop word of some language, such as "tonnes" is like the French "ton": whether a text has it is a
// matter of opinion then.
func stemIsStop(word string) bool {
	for _, w := range analysis.Words(word) {
		for _, f := range w.Forms {
			for _, terms := range f.Alternatives {
				if slices.ContainsFunc(terms, analysis.IsStop) {
					return true
				}
			}
		}
	}
	return false
}
