package relevancetest_test

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

var typosFile = filepath.Join("testdata", "typos.txt")

const (
	// typoDepth is how far down a course may be that a mistyped query was meant for.
	typoDepth = 3
	// typosKept of the courses that are so far up when spelled right must be there when mistyped.
	typosKept = 0.95
)

// typo is a query as it was typed, and a course that the right query finds among the first.
type typo struct {
	locale       catalog.Locale
	typed, right string
	target       catalog.CourseID
}

// confusable is a word that some courses have, and others have one that is only a typo away. All of the former come first.
type confusable struct {
	locale catalog.Locale
	word   string
	having []catalog.CourseID
}

// readTypos reads the cases of a catalog.
func readTypos(tb testing.TB, name string) (typos []typo, words []confusable) {
	tb.Helper()
	f, err := os.Open(typosFile)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		part := strings.Split(lines.Text(), "|")
		switch {
		case len(part) < 2 || part[1] != name || strings.HasPrefix(part[0], "#"):
		case part[0] == "typo" && len(part) == 6:
			typos = append(typos, typo{catalog.Locale(part[2]), part[3], part[4], catalog.CourseID(part[5])})
		case part[0] == "exact" && len(part) == 5:
			c := confusable{locale: catalog.Locale(part[2]), word: part[3]}
			for id := range strings.FieldsSeq(part[4]) {
				c.having = append(c.having, catalog.CourseID(id))
			}
			words = append(words, c)
		default:
			tb.Fatalf("%s: %q", typosFile, lines.Text())
		}
	}
	return typos, words
}

func ask(tb testing.TB, x *search.Index, req search.Request) *search.Response {
	tb.Helper()
	resp, err := x.Search(context.Background(), req)
	if err != nil {
		tb.Fatalf("%q: %v", req.Q, err)
	}
	return resp
}

// first reports whether a course is among the first.
func first(resp *search.Response, id catalog.CourseID) bool {
	top := resp.Hits[:min(len(resp.Hits), typoDepth)]
	return slices.ContainsFunc(top, func(h search.Hit) bool { return h.ID == id })
}

// Show 2: typing errors, generated once and kept with the answer that is expected.
func TestTyposFindWhatWasMeant(t *testing.T) {
	if *makeTypos {
		writeTypos(t)
	}
	for _, c := range catalogs {
		t.Run(c.name, func(t *testing.T) {
			typos, words := readTypos(t, c.name)
			openShelf(t, c.name, c.fill).with(t, nil, func(x *search.Index) {
				keptTypos(t, x, typos)
				for _, w := range words {
					exactFirst(t, x, w)
				}
			})
		})
	}
}

func keptTypos(t *testing.T, x *search.Index, typos []typo) {
	t.Helper()
	found, kept := 0, 0
	for _, c := range typos {
		right := ask(t, x, search.Request{Q: c.right, Locale: c.locale, Limit: 2 * typoDepth, Explain: true})
		slipsLast(t, c.right, right)
		if !first(right, c.target) {
			continue
		}
		found++
		typed := ask(t, x, search.Request{Q: c.typed, Locale: c.locale, Limit: 2 * typoDepth, Explain: true})
		slipsLast(t, c.typed, typed)
		if first(typed, c.target) {
			kept++
		} else {
			t.Logf("%q for %q: %s is not among the first %d", c.typed, c.right, c.target, typoDepth)
		}
	}
	t.Logf("%d cases; spelled right %d find their course among the first %d; mistyped %d of these do: %.1f %%",
		len(typos), found, typoDepth, kept, 100*float64(kept)/float64(max(found, 1)))
	if float64(found) < typosKept*float64(len(typos)) {
		t.Errorf("only %d of %d cases still tell something: write %s anew with -typos", found, len(typos), typosFile)
	}
	if float64(kept) < typosKept*float64(found) {
		t.Errorf("%d of %d mistyped queries find their course, at least %.0f %% should", kept, found, 100*typosKept)
	}
}

// slipsLast demands that no course with all words stands below one that has a word only by a typing error. Where some of the words will do, a course
// need not have all.
func slipsLast(t *testing.T, query string, resp *search.Response) {
	t.Helper()
	slip := false
	for _, h := range resp.Hits {
		by := slices.ContainsFunc(h.Explain.Factors, func(f search.Factor) bool { return strings.HasPrefix(f.Tier, "typo") })
		if slip && !by && !resp.Relaxed {
			t.Errorf("%q: %s has all words and stands below a typing error", query, h.ID)
		}
		slip = slip || by
	}
}

// exactFirst demands that the courses with a word stand above those that only have one like it. Who has it was found out without the search.
func exactFirst(t *testing.T, x *search.Index, w confusable) {
	t.Helper()
	list := ask(t, x, search.Request{Q: w.word, Locale: w.locale, Limit: search.DefaultLimit}).Hits
	for i, h := range list[:min(len(list), len(w.having))] {
		if !slices.Contains(w.having, h.ID) {
			t.Errorf("%q: %s, at place %d, does not have the word; %v do", w.word, h.ID, i+1, w.having)
		}
	}
	if len(list) < len(w.having) {
		t.Errorf("%q finds %d courses, %v have it", w.word, len(list), w.having)
	}
}
