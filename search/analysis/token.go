package analysis

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lang is a language that texts are analysed in.
type Lang string

// The languages. Other is for any other: folded, but neither stemmed nor freed of stop words.
const (
	English Lang = "en"
	French  Lang = "fr"
	Chinese Lang = "zh"
	Other   Lang = "xx"
)

// Langs lists every language, in the order of the index's fields.
var Langs = []Lang{English, French, Chinese, Other}

// LangOf returns the language to analyse texts of a locale (a BCP 47 tag such as fr-CA or zh-Hant) in.
func LangOf(locale string) Lang {
	base, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(locale), "_", "-"), "-")
	switch base {
	case "en":
		return English
	case "fr":
		return French
	case "zh", "cmn", "yue":
		return Chinese
	}
	return Other
}

// Kind says what a token is made of, and so whether typing errors in it may be forgiven.
type Kind uint8

// The kinds. Only a Word may be matched with typing errors.
const (
	KindWord   Kind = iota // letters only; stemmed
	KindHan                // one or two Han (or kana) characters; in [Word] a whole run
	KindNumber             // digits, perhaps with a decimal point
	KindCode               // anything else that is kept whole: c++, node.js, cs101, 3d
)

// Token is one index term and where it stands in the text.
type Token struct {
	Text       string // the index term: folded and, for words, stemmed
	Fold       string // the unstemmed normal form
	Start, End int    // byte offsets in the original text
	Pos        int    // place in the text, from 1; stop words count, a compound shares the place of its first part
	Kind       Kind
	Whole      bool // a compound, whose parts follow as tokens of their own
	Stop       bool // a stop word of the text's language: only AppendAll returns these
}

// Word is one unit of a query: a word, a compound, or a run of Han characters.
type Word struct {
	Text       string // as it was written, elided articles and possessives removed
	Fold       string // the unstemmed normal form: for exact and prefix matches, suggestions and typing errors
	Start, End int    // byte offsets in the query
	Kind       Kind
	Stop       bool   // a stop word of some language: leave it out unless all words are
	Forms      []Form // how texts of each language hold it; a language in which it is a stop word is absent
}

// Form is what a word becomes in one language. A text of that language holds the word when it holds every term of
// at least one alternative.
type Form struct {
	Lang         Lang
	Alternatives [][]string
}

// Analyze returns the index terms of a text in a language, in the order of their start. Stop words are left out.
func Analyze(l Lang, text string) []Token { return appendTokens(nil, cacheOf(l), text, false) }

// Exact returns the unstemmed terms of a text, stop words included: the terms of the field of exact forms.
func Exact(text string) []Token { return Analyze(Other, text) }

// AppendAll appends what both Analyze and Exact return, in one pass over the text: the Text of the tokens without Stop
// is what Analyze returns, the Fold of all of them is what Exact returns. It allocates nothing when dst has room.
func AppendAll(dst []Token, l Lang, text string) []Token {
	return appendTokens(dst, cacheOf(l), text, true)
}

// appendTokens appends the index terms of a text, stop words among them only when all is true.
func appendTokens(dst []Token, c *cache, text string, all bool) []Token {
	return appendSought(dst, c, text, all, nil)
}

// appendSought is appendTokens without words of which their first letters tell that they are not looked for; nil looks for all.
func appendSought(dst []Token, c *cache, text string, all bool, begins *Beginnings) []Token {
	s := scanner{text: text}
	pos := 1
	for {
		u, ok := s.next()
		if !ok {
			return dst
		}
		if u.shape == shapeHan {
			dst, pos = appendHan(dst, text, u.span, pos)
			continue
		}
		if begins == nil || u.n > 0 || u.shape != shapeWord || begins.may(text[u.start:u.end]) {
			dst = appendUnit(dst, c, text, &u, pos, all)
		}
		pos += max(u.n, 1)
	}
}

// appendUnit appends the terms of a word or compound: the whole, then its parts.
func appendUnit(dst []Token, c *cache, text string, u *unit, pos int, all bool) []Token {
	e := c.get(text[u.start:u.end], u.shape)
	stop := e.stop || u.n > 1 && allStop(c, text, u)
	if e.fold == "" || stop && !all {
		return dst
	}
	var parts []span
	if u.n > 0 { // few words are compounds
		parts = indexedParts(e, text, u)
	}
	dst = append(dst, Token{
		Text: e.stem, Fold: e.fold, Start: u.start, End: u.end, Pos: pos, Kind: e.kind, Whole: len(parts) > 0, Stop: stop,
	})
	for i, p := range parts {
		if lone(text, p) {
			continue // Objective-C is not found by c
		}
		if w := c.get(text[p.start:p.end], shapeWord); w.fold != "" && (all || !w.stop) {
			dst = append(dst, Token{Text: w.stem, Fold: w.fold, Start: p.start, End: p.end, Pos: pos + i, Kind: w.kind, Stop: w.stop})
		}
	}
	return dst
}

// indexedParts returns the parts by which a compound is found too, those that are no lone letters. C++ is not found by c,
// nor A/B by b, nor .NET by net.
func indexedParts(e *entry, text string, u *unit) []span {
	switch u.shape {
	case shapeSigned:
		if utf8.RuneCountInString(e.fold) < minSigned {
			return nil
		}
	case shapeDotted:
		if e.fold == ".net" {
			return nil
		}
	case shapeCode:
		if slices.ContainsFunc(u.parts[:u.n], func(p span) bool { return single(text, p) }) {
			return nil
		}
	case shapeJoined:
		if !slices.ContainsFunc(u.parts[:u.n], func(p span) bool { return !lone(text, p) }) {
			return nil
		}
	}
	return u.parts[:u.n]
}

// single reports whether a part is a single character.
func single(text string, p span) bool {
	_, n := utf8.DecodeRuneInString(text[p.start:p.end])
	return n == p.end-p.start
}

// lone reports whether a part is a single letter. In a compound it is no name by itself: T-SQL is not about T.
func lone(text string, p span) bool {
	r, n := utf8.DecodeRuneInString(text[p.start:p.end])
	return n == p.end-p.start && unicode.IsLetter(r)
}

// minSigned is the length in runes from which a name with a sign is found without it: Security+ by security, not C++ by c.
const minSigned = 4

// allStop reports whether all parts of a compound are stop words, and so is the compound: est-ce, and/or. A/A is a name.
func allStop(c *cache, text string, u *unit) bool {
	for _, p := range u.parts[:u.n] {
		if u.shape == shapeCode && single(text, p) || !c.get(text[p.start:p.end], shapeWord).stop {
			return false
		}
	}
	return true
}

// appendHan appends every character and every pair of neighbours of a run, and returns the next position.
func appendHan(dst []Token, text string, run span, pos int) ([]Token, int) {
	fold := foldRun(text[run.start:run.end])
	rest, at := fold, run.start // fold and text run in step, rune by rune, but a rune's size may differ
	prev, prevAt := "", 0
	for rest != "" {
		_, n := utf8.DecodeRuneInString(rest)
		_, m := utf8.DecodeRuneInString(text[at:])
		one := rest[:n]
		if one == "的" && particleAt(fold, len(fold)-len(rest)) {
			prev = ""
		} else {
			if prev != "" {
				pair := fold[len(fold)-len(rest)-len(prev) : len(fold)-len(rest)+n]
				dst = append(dst, Token{Text: pair, Fold: pair, Start: prevAt, End: at + m, Pos: pos - 1, Kind: KindHan})
			}
			dst = append(dst, Token{Text: one, Fold: one, Start: at, End: at + m, Pos: pos, Kind: KindHan})
			prev, prevAt = one, at
		}
		rest, at = rest[n:], at+m
		pos++
	}
	return dst, pos
}

// Words cuts a query, or any text in an unknown language, into the units that must be found.
func Words(text string) []Word {
	s := scanner{text: text}
	var words []Word
	for {
		u, ok := s.next()
		if !ok {
			return words
		}
		if u.shape == shapeHan {
			words = appendHanWords(words, text, u.span)
		} else if w, ok := wordOf(text, &u); ok {
			words = append(words, w)
		}
	}
}

// wordOf makes a Word of a unit that is no Han run.
func wordOf(text string, u *unit) (Word, bool) {
	written := text[u.start:u.end]
	e := caches[Other].get(written, u.shape)
	if e.fold == "" {
		return Word{}, false
	}
	w := Word{Text: written, Fold: e.fold, Start: u.start, End: u.end, Kind: e.kind}
	for _, l := range Langs {
		c := caches[l]
		f := alternatives(c, text, u)
		if len(f) == 0 {
			w.Stop = true
			continue
		}
		w.Forms = append(w.Forms, Form{Lang: l, Alternatives: f})
	}
	return w, true
}

// alternatives returns the ways in which texts of a language may hold a unit: none when it is a stop word there.
func alternatives(c *cache, text string, u *unit) [][]string {
	e := c.get(text[u.start:u.end], u.shape)
	if e.stop || u.n > 1 && allStop(c, text, u) {
		return nil
	}
	alts := [][]string{{e.stem}}
	if u.n < 2 || len(indexedParts(e, text, u)) == 0 {
		return alts
	}
	var parts []string
	for _, p := range u.parts[:u.n] {
		if w := c.get(text[p.start:p.end], shapeWord); w.fold != "" && !w.stop && !slices.Contains(parts, w.stem) {
			parts = append(parts, w.stem)
		}
	}
	return append(alts, parts)
}

// appendHanWords appends the words of a run: what stands between its particles.
func appendHanWords(words []Word, text string, run span) []Word {
	fold := foldRun(text[run.start:run.end])
	from, at, start := 0, run.start, run.start
	flush := func(to int) {
		if from == to {
			return
		}
		f := fold[from:to]
		w := Word{Text: text[start:at], Fold: f, Start: start, End: at, Kind: KindHan, Stop: stopChinese[f]}
		alts := [][]string{pairs(f)}
		for _, l := range Langs {
			w.Forms = append(w.Forms, Form{Lang: l, Alternatives: alts})
		}
		words = append(words, w)
	}
	for i, r := range fold {
		_, m := utf8.DecodeRuneInString(text[at:])
		if r == '的' && particleAt(fold, i) {
			flush(i)
			from, start = i+utf8.RuneLen(r), at+m
		}
		at += m
	}
	flush(len(fold))
	return words
}

// pairs returns the pairs of neighbours of a run, each once, or its only character.
func pairs(run string) []string {
	var terms []string
	seen := map[string]bool{}
	prev := -1
	for i, r := range run {
		if prev >= 0 {
			if p := run[prev : i+utf8.RuneLen(r)]; !seen[p] {
				seen[p] = true
				terms = append(terms, p)
			}
		}
		prev = i
	}
	if terms == nil {
		return []string{run}
	}
	return terms
}

// Fold returns the normal form of a word or a text: its units without case, accents, articles and punctuation, joined by
// single spaces. Texts that a learner would call the same have the same form.
func Fold(text string) string {
	s := scanner{text: text}
	var b strings.Builder
	for {
		u, ok := s.next()
		if !ok {
			return b.String()
		}
		f := ""
		if u.shape == shapeHan {
			f = foldRun(text[u.start:u.end])
		} else {
			f = caches[Other].get(text[u.start:u.end], u.shape).fold
		}
		if f == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(f)
	}
}

// IsStop reports whether a word is a stop word of any language. IT, US, WHO and the like, in capitals, are not.
func IsStop(word string) bool {
	f := Fold(word)
	return stopChinese[f] || stops(English, word, f) || stops(French, word, f)
}
