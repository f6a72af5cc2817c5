package searchtest

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// wanted is a word that must be found, in the forms that are good for it.
type wanted struct {
	words  []analysis.Word // any of them: one, or those meant by a typo
	prefix string
	halfOf []string // of a Han run, in a relaxed search
}

func (w *wanted) in(d *doc) bool {
	return slices.ContainsFunc(w.words, d.has) || w.prefix != "" && d.hasPrefix(w.prefix)
}

// partly is in, for a relaxed search.
func (w *wanted) partly(d *doc) bool {
	if w.in(d) {
		return true
	}
	n := 0
	for _, t := range w.halfOf {
		if d.exact[t] {
			n++
		}
	}
	return n > 0 && 2*n >= len(w.halfOf)
}

// matching returns the visible courses that a query finds, and whether not all of its words had to match.
func (o *Oracle) matching(q query.Query, visible []*doc) (found []*doc, relaxed bool) {
	words := wantedWords(q)
	for i := range words {
		forgive(&words[i], visible)
	}
	need := len(words)
	if need > 4 {
		need = 1
	}
	count := func(d *doc, in func(*wanted, *doc) bool) (n int) {
		for i := range words {
			if in(&words[i], d) {
				n++
			}
		}
		return n
	}
	in := (*wanted).in
	if len(words) > 0 && !slices.ContainsFunc(visible, func(d *doc) bool { return count(d, in) >= need }) {
		for i := range words { // half of a run counts only where no course has the whole
			if slices.ContainsFunc(visible, words[i].in) {
				words[i].halfOf = nil
			}
		}
		in, need = (*wanted).partly, 1
		relaxed = slices.ContainsFunc(visible, func(d *doc) bool { return count(d, in) >= 1 })
	}
	for _, d := range visible {
		if count(d, in) >= need && o.meets(q, d) {
			found = append(found, d)
		}
	}
	return found, relaxed
}

func wantedWords(q query.Query) []wanted {
	var every, telling []wanted
	for _, c := range q.Clauses {
		if c.Kind != query.KindWord || c.Not {
			continue
		}
		parts := analysis.Words(c.Text)
		for i, w := range parts {
			x := wanted{words: []analysis.Word{w}}
			if w.Kind == analysis.KindHan {
				x.halfOf = w.Forms[0].Alternatives[0]
			} else if c.Prefix && i == len(parts)-1 {
				x.prefix = w.Fold
			}
			every = append(every, x)
			if !w.Stop {
				telling = append(telling, x)
			}
		}
	}
	if len(telling) > 0 {
		return telling
	}
	return every
}

// forgive looks for what a word may have been meant to be, when no visible course has it.
func forgive(w *wanted, visible []*doc) {
	if slices.ContainsFunc(visible, w.in) || w.words[0].Kind != analysis.KindWord {
		return
	}
	fold := w.words[0].Fold
	_, size := utf8.DecodeRuneInString(fold)
	n := utf8.RuneCountInString(fold)
	most := 0
	if strings.ContainsFunc(fold, func(r rune) bool { return !unicode.Is(unicode.Latin, r) }) {
		return
	}
	if n >= 4 {
		most = 1
	}
	if n >= 8 {
		most = 2
	}
	for d := 1; d <= most; d++ {
		near := map[string]bool{}
		for _, doc := range visible {
			for t := range doc.exact {
				if analysis.Distance(fold, t, d) != d || d > 1 && !strings.HasPrefix(t, fold[:size]) {
					continue
				}
				if !strings.ContainsFunc(t, func(r rune) bool { return !unicode.IsLetter(r) }) {
					near[t] = true
				}
			}
		}
		for t := range near {
			if words := analysis.Words(t); len(words) == 1 {
				w.words = append(w.words, words[0])
			}
		}
		if slices.ContainsFunc(visible, w.in) {
			return
		}
	}
}
