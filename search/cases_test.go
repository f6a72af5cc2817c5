package search_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
)

// The cases of package analysis, asked through the whole engine. All texts of a file are titles in one catalog, so that a query meets those of all other
// cases too. A hit counts when every word of the query stands in the course by one of its forms or, where a file is about that, is spelled by it:
// what only begins so, as the last word of any query may, or is a typing error away says nothing of these cases and is left out by the tiers that
// the explanation names.

// caseLines returns the lines of a file of cases, without comments.
func caseLines(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("analysis", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for l := range strings.Lines(string(b)) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "# ") {
			list = append(list, l)
		}
	}
	return list
}

// titled is an index of courses with these titles; each one's id is its place.
func titled(t *testing.T, languages []catalog.Locale, titles []string) *search.Index {
	t.Helper()
	c := newCatalog(t)
	update(t, c, func(tx *catalog.Tx) error {
		for i, title := range titles {
			course := catalog.Course{ID: catalog.CourseID(fmt.Sprint("c", i)), Language: languages[i%len(languages)], Text: catalog.Text{Title: title}}
			if _, err := tx.PutCourse(course, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	return x
}

// foundBy returns the places of the courses that a query finds by these tiers.
func foundBy(t *testing.T, x *search.Index, l catalog.Locale, q string, tiers ...string) map[int]bool {
	t.Helper()
	found := map[int]bool{}
	for req := (search.Request{Q: q, Locale: l, Limit: search.MaxLimit, Explain: true}); ; {
		resp := find(t, x, req)
		if resp.Relaxed {
			return nil
		}
		for _, h := range resp.Hits {
			if slices.ContainsFunc(h.Explain.Factors, func(f search.Factor) bool { return f.Tier != "" && !slices.Contains(tiers, f.Tier) }) {
				continue
			}
			i := 0
			if _, err := fmt.Sscanf(string(h.ID), "c%d", &i); err != nil {
				t.Fatal(err)
			}
			found[i] = true
		}
		if resp.Next == nil {
			return found
		}
		req.Cursor = *resp.Next
	}
}

// share counts cases with their outcome.
type share struct{ good, all int }

func (s *share) add(good bool) {
	s.all++
	if good {
		s.good++
	}
}

func (s *share) percent() float64 { return 100 * float64(s.good) / float64(s.all) }

func TestFrenchCases(t *testing.T) {
	type form struct {
		line int
		text string
	}
	var forms []form
	var titles []string
	apart := map[int]bool{}
	for n, line := range caseLines(t, "french.txt") {
		line, apart[n] = strings.CutPrefix(line, "! ")
		for f := range strings.FieldsSeq(line) {
			forms, titles = append(forms, form{n, f}), append(titles, "Le titre : "+f+" (suite)")
		}
	}
	x := titled(t, []catalog.Locale{catalog.French}, titles)
	var met, parted share
	for i, q := range forms {
		found := foundBy(t, x, catalog.French, q.text, "exact", "stem")
		for j, f := range forms {
			if f.line != q.line || i == j {
				continue
			}
			if apart[q.line] {
				parted.add(!found[j])
			} else {
				met.add(found[j])
			}
			if found[j] == apart[q.line] {
				t.Logf("%q in %q: found = %v", q.text, f.text, found[j])
			}
		}
	}
	t.Logf("%.2f %% of %d pairs are found, %.2f %% of %d pairs of other words are not", met.percent(), met.all, parted.percent(), parted.all)
	if met.all < 500 || met.percent() < 99 || parted.all == 0 || parted.percent() < 99 {
		t.Error("too few")
	}
}

func TestSubjectCases(t *testing.T) {
	languages := []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}
	var subjects [][]string
	var titles []string
	var of []int // by title: its subject
	for n, line := range caseLines(t, "subjects.txt") {
		subjects = append(subjects, strings.Split(line, " | "))
		for _, text := range subjects[n] {
			for range languages {
				titles, of = append(titles, "on "+text+", again"), append(of, n)
			}
		}
	}
	x := titled(t, languages, titles)
	var met, parted share
	for n, queries := range subjects {
		for _, q := range queries {
			found := foundBy(t, x, catalog.English, q, "exact", "stem")
			for i, title := range titles {
				if of[i] == n {
					met.add(found[i])
				} else {
					parted.add(!found[i])
				}
				if found[i] != (of[i] == n) {
					t.Errorf("%q in %q, %s: found = %v", q, title, languages[i%len(languages)], found[i])
				}
			}
		}
	}
	t.Logf("%d subjects: %.2f %% of %d pairs are found, %.2f %% of %d pairs of other subjects are not", len(subjects), met.percent(), met.all, parted.percent(), parted.all)
	if len(subjects) < 100 {
		t.Error("too few subjects")
	}
}

// titleCase is a query with titles that it must find and others that it must not.
type titleCase struct {
	query      string
	in, out    []int // places of the titles
	unfinished bool
}

// titleCases reads a file of cases with the titles that it names.
func titleCases(t *testing.T, file string) (cases []titleCase, titles []string) {
	t.Helper()
	places := map[string]int{}
	place := func(list string) (at []int) {
		for title := range strings.SplitSeq(list, ";") {
			if title == "" {
				continue
			}
			if _, known := places[title]; !known {
				places[title] = len(titles)
				titles = append(titles, title)
			}
			at = append(at, places[title])
		}
		return at
	}
	for _, line := range caseLines(t, file) {
		f := strings.Split(line, "|")
		if len(f) != 3 {
			t.Fatalf("%q has %d fields", line, len(f))
		}
		q, unfinished := strings.CutSuffix(f[0], "*")
		cases = append(cases, titleCase{q, place(f[1]), place(f[2]), unfinished})
	}
	return cases, titles
}

// judge asks all cases.
func judge(t *testing.T, cases []titleCase, titles []string, ask func(c *titleCase) map[int]bool) {
	t.Helper()
	var recall, wrong share
	for n := range cases {
		c := &cases[n]
		found := ask(c)
		for _, i := range c.in {
			if recall.add(found[i]); !found[i] {
				t.Logf("%q does not find %q", c.query, titles[i])
			}
		}
		for _, i := range c.out {
			if wrong.add(found[i]); found[i] {
				t.Logf("%q finds %q", c.query, titles[i])
			}
		}
	}
	t.Logf("%d cases: recall %.2f %% of %d titles, false matches %.2f %% of %d", len(cases), recall.percent(), recall.all, wrong.percent(), wrong.all)
	if recall.percent() < 98 || wrong.percent() > 1 {
		t.Error("too few are found, or too many")
	}
}

func TestChineseCases(t *testing.T) {
	cases, titles := titleCases(t, "chinese.txt")
	x := titled(t, []catalog.Locale{catalog.Chinese}, titles)
	judge(t, cases, titles, func(c *titleCase) map[int]bool {
		return foundBy(t, x, catalog.Chinese, c.query, "exact", "stem")
	})
	if len(cases) < 300 {
		t.Error("too few cases")
	}
}

// A word after the pinyin, which all titles have, ends its last syllable: in a last word that may be the beginning of another.
func TestPinyinCases(t *testing.T) {
	const ended = " zeitgeist"
	cases, titles := titleCases(t, "pinyin.txt")
	marked := make([]string, len(titles))
	for i, title := range titles {
		marked[i] = title + ended
	}
	x := titled(t, []catalog.Locale{catalog.Chinese}, marked)
	judge(t, cases, titles, func(c *titleCase) map[int]bool {
		q := c.query + ended
		if c.unfinished || analysis.Words(c.query)[0].Stop { // et is a word of French, which nobody looks for beside another
			q = c.query
		}
		return foundBy(t, x, catalog.Chinese, q, "exact", "stem", "pinyin")
	})
	if len(cases) < 150 {
		t.Error("too few cases")
	}
}
