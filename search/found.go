package search

import (
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// Found marks in any text what a query has found.
type Found struct {
	marks *marker // nil: nothing
	words []string
	folds []string
	each  []marker // of each word as it was typed
}

// Part is a stretch of a text.
type Part struct {
	Text  string
	Found bool
}

func (p *plan) newFound(m *matches) *Found {
	f := &Found{}
	if m == nil {
		return f
	}
	f.marks = &m.marks
	add := func(w *analysis.Word, prefix bool) {
		if slices.Contains(f.words, w.Text) {
			return
		}
		var one marker
		one.add(w)
		if prefix && w.Kind != analysis.KindHan {
			one.prefix = w.Fold
		}
		f.words, f.folds, f.each = append(f.words, w.Text), append(f.folds, w.Fold), append(f.each, one)
	}
	for _, w := range wordsOf(p.query) {
		add(&w.Word, w.prefix)
	}
	for _, c := range p.query.Clauses {
		if c.Kind == query.KindPhrase && !c.Not {
			for _, w := range analysis.Words(c.Text) {
				add(&w, false)
			}
		}
	}
	return f
}

// Words are the words that were looked for, as they were typed.
func (f *Found) Words() []string { return f.words }

// In takes a text in a language apart into what was found and what lies between, and names the words that were found. Of a text longer than runes
// it takes the part that tells most, with an ellipsis where it was cut; runes ≤ 0 is all of it.
func (f *Found) In(text string, l catalog.Locale, runes int) (parts []Part, words []string) {
	lang := analysis.LangOf(string(l))
	sought := analysis.Sought{Match: func(analysis.Token) bool { return false }, Begins: &analysis.Beginnings{}}
	if f.marks != nil && len(f.marks.terms) > 0 {
		sought = f.marks.in(lang)
		if in := sought.Match; len(f.words) > 0 {
			sought.Match = func(t analysis.Token) bool {
				if !in(t) {
					return false
				}
				if w := f.words[f.wordOf(t, lang)]; !slices.Contains(words, w) {
					words = append(words, w)
				}
				return true
			}
		}
	}
	marked, _ := analysis.Highlight(text, lang, sought, runes)
	return partsOf(marked), words
}

// maxSlips is how far a word of a text may be from the one that was typed.
const maxSlips = 2

// wordOf returns which word of the query a token was found by: one of its forms, else the word that is closest to it.
func (f *Found) wordOf(t analysis.Token, l analysis.Lang) int {
	best, least := 0, maxSlips+1
	for i := range f.each {
		if f.each[i].in(l).Match(t) {
			return i
		}
		if d := analysis.Distance(f.folds[i], t.Fold, maxSlips); d < least {
			best, least = i, d
		}
	}
	return best
}

// partsOf reads what analysis.Highlight wrote: escaped text with marks and no other markup.
func partsOf(marked string) []Part {
	const open, closing = "<mark>", "</mark>"
	var parts []Part
	add := func(text string, found bool) {
		if text != "" {
			parts = append(parts, Part{html.UnescapeString(text), found})
		}
	}
	for marked != "" {
		before, rest, found := strings.Cut(marked, open)
		add(before, false)
		if !found {
			break
		}
		inside, after, _ := strings.Cut(rest, closing)
		add(inside, true)
		marked = after
	}
	return parts
}

// BeginsIn takes a value apart at the first word that begins as was typed: what [Ask].FacetPrefix found in it.
func BeginsIn(value, typed string) []Part {
	want := analysis.Fold(typed)
	from, to := -1, 0
	inWord := false
	for i, r := range value {
		starts := !inWord || isHanStart(string(r))
		inWord = unicode.IsLetter(r) || unicode.IsNumber(r)
		if want == "" || !starts || from >= 0 && i >= to {
			continue
		}
		// Of several places the last before the same end: an article that folds away ("d’été") is not part of what was typed.
		if end := foldsTo(value, i, want); end > 0 {
			from, to = i, end
		}
	}
	if from < 0 {
		return []Part{{Text: value}}
	}
	parts := []Part{{Text: value[:from]}, {value[from:to], true}, {Text: value[to:]}}
	return slices.DeleteFunc(parts, func(p Part) bool { return p.Text == "" })
}

// maxFolded is how much longer than its folded form a word may be, in bytes; it bounds the work in long values.
const maxFolded = 32

// foldsTo returns where the shortest part of a value ends that begins at i and folds to what is wanted; 0 when there is none.
func foldsTo(value string, i int, want string) int {
	for end := i; end < len(value) && end-i < len(want)+maxFolded; {
		_, n := utf8.DecodeRuneInString(value[end:])
		end += n
		if analysis.Fold(value[i:end]) == want {
			return end
		}
	}
	return 0
}
