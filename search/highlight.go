package search

import (
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// snippetRunes is how much of a summary or description is shown around what was found: three lines on a phone.
const snippetRunes = 240

// marker says what of a text a query has found.
type marker struct {
	terms   map[analysis.Lang]map[string]bool
	prefix  string
	spelled [][]spelled // in pinyin
}

// add marks a word in all its forms.
func (m *marker) add(w *analysis.Word) {
	for _, f := range w.Forms {
		for _, terms := range f.Alternatives {
			m.addTerms(f.Lang, terms)
		}
	}
}

// addAll marks words in all their forms.
func (m *marker) addAll(words []analysis.Word) {
	for i := range words {
		m.add(&words[i])
	}
}

func (m *marker) addTerms(l analysis.Lang, terms []string) {
	if m.terms == nil {
		m.terms = map[analysis.Lang]map[string]bool{}
	}
	if m.terms[l] == nil {
		m.terms[l] = map[string]bool{}
	}
	for _, t := range terms {
		m.terms[l][t] = true
	}
}

// in returns what to mark in texts of a language.
func (m *marker) in(l analysis.Lang) analysis.Sought {
	stems, exact := m.terms[l], m.terms[analysis.Other]
	var begins analysis.Beginnings
	for _, terms := range []map[string]bool{stems, exact} {
		for t := range terms {
			begins.Add(t)
		}
	}
	begins.Add(m.prefix)
	return analysis.Sought{Begins: &begins, Match: func(t analysis.Token) bool {
		return stems[t.Text] || exact[t.Fold] || m.prefix != "" && strings.HasPrefix(t.Fold, m.prefix) || t.Kind == analysis.KindHan && m.spells(t.Fold)
	}}
}

// spells reports whether a pair of Han characters is one of those that the query spells.
func (m *marker) spells(pair string) bool {
	first, n := utf8.DecodeRuneInString(pair)
	second, size := utf8.DecodeRuneInString(pair[n:])
	if size == 0 {
		return false
	}
	for _, way := range m.spelled {
		for k := range way[1:] {
			if way[k].of(first) && way[k+1].of(second) {
				return true
			}
		}
	}
	return false
}

// highlights cuts from a course's texts, in the caller's locale, what was found.
func (m *marker) highlights(c *catalog.Course, l catalog.Locale) map[string]string {
	marked := map[string]string{}
	if len(m.terms) == 0 {
		return marked
	}
	text, in := c.TextIn(l)
	lang := analysis.LangOf(string(in))
	sought := m.in(lang)
	for _, part := range []struct {
		name, text string
		runes      int
	}{{"title", text.Title, 0}, {"summary", text.Summary, snippetRunes}, {"description", text.Description, snippetRunes}} {
		if part.text == "" {
			continue
		}
		if s, ok := analysis.Highlight(part.text, lang, sought, part.runes); ok {
			marked[part.name] = s
		}
	}
	return marked
}
