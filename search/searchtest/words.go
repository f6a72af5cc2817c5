package searchtest

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// wanted is a word that must be found, in the forms that are good for it.
type wanted struct {
	words  []analysis.Word   // any of them: one, or those meant by a typo
	meant  [][]analysis.Word // or all of any of these
	prefix string
	spells [][]string // or what it spells in pinyin: syllables, the last of which is a beginning when it ends in *
	typing string     // or what begins with something one edit from this
	someOf []string   // of a Han run, in a relaxed search: one or two
}

func (w *wanted) in(d *doc) bool {
	all := func(words []analysis.Word) bool {
		return len(words) > 0 && !slices.ContainsFunc(words, func(w analysis.Word) bool { return !d.has(w) })
	}
	return slices.ContainsFunc(w.words, d.has) || slices.ContainsFunc(w.meant, all) || w.prefix != "" && d.hasPrefix(w.prefix) ||
		slices.ContainsFunc(w.spells, d.spelled) || w.typing != "" && d.hasBeginningLike(w.typing)
}

// spelled reports whether titles and names have all pairs of neighbours of some syllables.
func (d *doc) spelled(syllables []string) bool {
	for i := range syllables[1:] {
		found := false
		for pair := range d.pairs {
			r := []rune(pair)
			if reads(r[0], syllables[i]) && reads(r[1], syllables[i+1]) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func reads(r rune, syllable string) bool {
	beginning, partial := strings.CutSuffix(syllable, "*")
	for _, reading := range analysis.Pinyin(r) {
		if reading == syllable || partial && strings.HasPrefix(reading, beginning) {
			return true
		}
	}
	return false
}

// hasBeginningLike reports whether a word begins with something one edit away.
func (d *doc) hasBeginningLike(typed string) bool {
	for t := range d.exact {
		if strings.ContainsFunc(t, func(r rune) bool { return !unicode.IsLetter(r) }) || []rune(t)[0] != []rune(typed)[0] {
			continue
		}
		for end := range t + "\x00" {
			if end > 0 && analysis.Distance(typed, t[:end], 1) <= 1 {
				return true
			}
		}
	}
	return false
}

// partly is in, for a relaxed search.
func (w *wanted) partly(d *doc) bool {
	if w.in(d) {
		return true
	}
	n := 0
	for _, t := range w.someOf {
		if d.exact[t] {
			n++
		}
	}
	return n > 1 || n == 1 && len(w.someOf) <= 4
}

// matching returns the visible courses that a query finds, and whether not all of its words had to match.
func (o *Oracle) matching(req search.Request, q query.Query, visible []*doc) (found []*doc, relaxed bool) {
	words := wantedWords(q)
	o.mean(req, words)
	for i := range words {
		spell(&words[i], visible)
		forgive(&words[i], visible)
	}
	pinned := o.pinned(req, q)
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
		for i := range words { // a part of a run counts only where no course has the whole
			if slices.ContainsFunc(visible, words[i].in) {
				words[i].someOf = nil
			}
		}
		in, need = (*wanted).partly, 1
		relaxed = slices.ContainsFunc(visible, func(d *doc) bool { return count(d, in) >= 1 })
	}
	for _, d := range visible {
		if pinned[d.course.ID] || count(d, in) >= need && o.meets(q, d) {
			found = append(found, d)
		}
	}
	return found, relaxed
}

func wantedWords(q query.Query) []wanted {
	var every []wanted
	for _, c := range q.Clauses {
		if c.Kind != query.KindWord || c.Not {
			continue
		}
		parts := analysis.Words(c.Text)
		for i, w := range parts {
			x := wanted{words: []analysis.Word{w}}
			if w.Kind == analysis.KindHan {
				x.someOf = w.Forms[0].Alternatives[0]
			} else if c.Prefix && i == len(parts)-1 {
				x.prefix = w.Fold
			}
			every = append(every, x)
		}
	}
	word := func(i int) *analysis.Word {
		if i < 0 || i >= len(every) {
			return nil
		}
		return &every[i].words[0]
	}
	for i := range every {
		word(i).Join(word(i-1), word(i+1))
	}
	telling := slices.DeleteFunc(slices.Clone(every), func(w wanted) bool { return w.words[0].Stop })
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
	type try struct {
		from []string
		d    int
	}
	for _, try := range []try{{[]string{fold}, 1}, {stems(w.words[0], fold), 1}, {[]string{fold}, 2}} {
		if try.d > most {
			continue
		}
		near := map[string]bool{}
		for _, doc := range visible {
			for t := range doc.exact {
				if !slices.ContainsFunc(try.from, func(f string) bool { return analysis.Distance(f, t, try.d) == try.d }) || try.d > 1 && !strings.HasPrefix(t, fold[:size]) {
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
	if w.prefix != "" && n >= 5 {
		w.typing = fold
	}
}

// stems returns the stems of a word that are long enough to be mistyped.
func stems(w analysis.Word, fold string) (list []string) {
	for _, l := range []analysis.Lang{analysis.English, analysis.French} {
		for _, t := range analysis.Analyze(l, w.Text) {
			if t.Fold == fold && t.Text != fold && utf8.RuneCountInString(t.Text) >= 4 {
				list = append(list, t.Text)
			}
		}
	}
	return list
}

// spell adds what a word spells in pinyin.
func spell(w *wanted, visible []*doc) {
	fold := w.words[0].Fold
	if w.words[0].Kind != analysis.KindWord || analysis.Written(w.words[0].Text) != "" || strings.ContainsFunc(fold, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return
	}
	whole := analysis.Syllables(fold, false)
	for n, syllables := range analysis.Syllables(fold, w.prefix != "") {
		if len(syllables) > 1 {
			if n >= len(whole) {
				syllables = append(slices.Clone(syllables[:len(syllables)-1]), syllables[len(syllables)-1]+"*")
			}
			w.spells = append(w.spells, syllables)
		}
	}
	if analysis.Initials(fold) && !slices.ContainsFunc(visible, w.in) {
		var letters []string
		for _, r := range fold {
			letters = append(letters, string(r)+"*")
		}
		w.spells = append(w.spells, letters)
	}
}
