package analysis

import (
	"html"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/registry"
	"pgregory.net/rapid"
)

// seeds are texts with everything that the scanner knows.
var seeds = []string{
	"Learning C++, C#, F# and .NET with Node.js; ASP.NET's TCP/IP Web3 3D A/B R Go",
	"L’apprentissage d'été aujourd'hui O'Reilly don't learner's e-learning CS-101 U.S.A. 1,000 3.5 C/C++ C++17",
	"數據科學的Python入門 Ｃ＋＋ 目的 ひらがな ｶﾞ 〇一", "a.b.c.d.e.f/g/h-i-j-k-l'm'n", "e\u0301te\u0301 n\u0303 \u0301x \u200fx\u200e co\u00adop ﬁ ①½",
	"हिन्दी ไทย 한국어 العَرَبِيَّة עִבְרִית Ёлка ΣΊΣΥΦΟΣ", "\xff\xfe.\xc3", "....net ...a .a .ab+ a+b a++ a+++ #x# c#d x&y&z 1.2,3.4", "的 的的 目的的", "",
}

// checkTokens fails unless the tokens of a text are in order and stand where they say.
func checkTokens(t interface{ Fatalf(string, ...any) }, text string, tokens []Token) {
	start, pos := 0, 0
	for _, k := range tokens {
		if k.Start < start || k.Start >= k.End || k.End > len(text) || k.Pos < 1 || k.Pos+1 < pos {
			t.Fatalf("%q: token %+v after start %d, position %d", text, k, start, pos)
		}
		if utf8.ValidString(text) && !utf8.RuneStart(text[k.Start]) || k.End < len(text) && utf8.ValidString(text) && !utf8.RuneStart(text[k.End]) {
			t.Fatalf("%q: token %+v cuts a rune", text, k)
		}
		if k.Text == "" || k.Fold == "" || len(k.Text) > MaxTerm || !utf8.ValidString(k.Text) {
			t.Fatalf("%q: bad term %+v", text, k)
		}
		start, pos = k.Start, k.Pos
	}
}

// checkText fails unless whatever holds for any text holds for this one.
func checkText(t interface{ Fatalf(string, ...any) }, text string) {
	words := Words(text)
	for _, l := range Langs {
		tokens := Analyze(l, text)
		checkTokens(t, text, tokens)
		if most := 2*utf8.RuneCountInString(text) + 1; len(tokens) > most {
			t.Fatalf("%q: %d tokens", text, len(tokens))
		}
		checkAll(t, l, text, tokens)
		checkBeginnings(t, l, text, tokens)
		have := map[string]bool{}
		for _, k := range tokens {
			have[k.Text] = true
		}
		for _, w := range words { // a text is found by each of its own words, in every language
			for _, f := range w.Forms {
				if f.Lang != l {
					continue
				}
				if !slices.ContainsFunc(f.Alternatives, func(terms []string) bool {
					return len(terms) > 0 && !slices.ContainsFunc(terms, func(term string) bool { return !have[term] })
				}) {
					t.Fatalf("%s: %q has none of %q, the alternatives of %q", l, text, f.Alternatives, w.Text)
				}
			}
		}
	}
	if !NewPhrase(text).In("before " + text + " after") {
		t.Fatalf("%q does not contain itself", text)
	}
	for _, limit := range []int{0, 1, 7, 40} {
		marked, _ := Highlight(text, English, Sought{Match: func(k Token) bool { return k.Pos%3 == 0 }}, limit)
		checkMarked(t, text, marked, limit)
	}
	Detect(text)
	Fold(text)
}

// checkAll fails unless one pass gives what Analyze, whose tokens are given, and Exact do.
func checkAll(t interface{ Fatalf(string, ...any) }, l Lang, text string, tokens []Token) {
	all := AppendAll(nil, l, text)
	exact := Exact(text)
	if len(all) != len(exact) {
		t.Fatalf("%q: %d tokens in all, %d exact ones", text, len(all), len(exact))
	}
	var kept []Token
	for i, k := range all {
		if k.Fold != exact[i].Text || k.Start != exact[i].Start || k.End != exact[i].End {
			t.Fatalf("%q: %+v, exact %+v", text, k, exact[i])
		}
		if !k.Stop {
			kept = append(kept, k)
		}
	}
	if !slices.Equal(kept, tokens) {
		t.Fatalf("%s: %q: %+v, want %+v", l, text, kept, tokens)
	}
}

// checkBeginnings fails unless each token of a text is found by the first letter of its term, of its form, and of the beginnings of both.
func checkBeginnings(t interface{ Fatalf(string, ...any) }, l Lang, text string, tokens []Token) {
	done := map[Beginnings]bool{}
	for _, k := range tokens {
		for _, term := range []string{k.Text, k.Fold} {
			var b Beginnings
			if b.Add(term); done[b] {
				continue
			}
			done[b] = true
			same := func(o Token) bool { return o.Text[0] == term[0] || o.Fold[0] == term[0] }
			want := slices.DeleteFunc(slices.Clone(tokens), func(o Token) bool { return !same(o) })
			got := slices.DeleteFunc(appendSought(nil, cacheOf(l), text, false, &b), func(o Token) bool { return !same(o) })
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %q: %+v begin like %q, found are %+v", l, text, want, term, got)
			}
		}
	}
}

// TestBeginnings finds all words of the lists, and those that have another first letter than their stem, by their stems.
func TestBeginnings(t *testing.T) {
	var words []string
	for _, table := range []map[string]string{respelled, irregular, irregularFrench} {
		words = slices.AppendSeq(words, maps.Keys(table))
	}
	for _, p := range respelledStarts {
		words = append(words, p[0]+"s", p[0]+"tion")
	}
	for _, file := range []string{"british.txt", "french.txt", "subjects.txt"} {
		words = append(words, lines(t, file)...)
	}
	for _, text := range words {
		for _, l := range Langs {
			checkBeginnings(t, l, text, Analyze(l, text))
		}
	}
	b := Beginnings{}
	b.Add("inquiri")
	if !b.may("Enquiry") || !b.may("inquiries") || b.may("question") {
		t.Errorf("%v", b)
	}
}

// checkMarked fails unless a highlight without its marks is a part of the text, no longer than allowed, and well formed.
func checkMarked(t interface{ Fatalf(string, ...any) }, text, marked string, limit int) {
	depth := 0
	for rest := marked; ; {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		switch rest = rest[i:]; {
		case depth == 0 && strings.HasPrefix(rest, markOpen):
			depth++
		case depth == 1 && strings.HasPrefix(rest, markClose):
			depth--
		default:
			t.Fatalf("%q: markup in %q", text, marked)
		}
		rest = rest[1:]
	}
	plain := html.UnescapeString(strings.NewReplacer(markOpen, "", markClose, "").Replace(marked))
	whole := strings.ToValidUTF8(text, "\ufffd")
	if limit <= 0 {
		if plain != whole {
			t.Fatalf("%q became %q", text, plain)
		}
		return
	}
	if utf8.ValidString(text) {
		if !strings.Contains(whole, strings.TrimSuffix(strings.TrimPrefix(plain, ellipsis), ellipsis)) {
			t.Fatalf("%q is no part of %q", plain, text)
		}
		if n := utf8.RuneCountInString(plain); n > limit+2 {
			t.Fatalf("%q: %d runes, limit %d", plain, n, limit)
		}
	}
}

func FuzzAnalyze(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { checkText(t, text) })
}

// TestAnyText builds texts from the pieces that the scanner treats specially.
func TestAnyText(t *testing.T) {
	pieces := []string{
		"a", "ab", "The", "les", "C", "node", "été", "e\u0301", "1", "42", "数", "據學", "的", "目的", "ひ", "ｶﾞ", "İ", "ß", "हिन्दी", "\u200f", "\u00ad", "\xff", "　",
		".", ",", "/", "-", "'", "’", "&", "+", "++", "#", "♯", "．", " ", " ", " ", "s", "'s", "l’", "qu'", "<", "&amp;", "½",
	}
	rapid.Check(t, func(t *rapid.T) {
		checkText(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(t, "pieces"), ""))
	})
}

// TestLinear analyses long texts of one piece; if anything in them were read again and again, the test would run out of time.
func TestLinear(t *testing.T) {
	const size = 1 << 17
	var varied strings.Builder
	for r := rune(0); varied.Len() < size; r++ {
		varied.WriteRune(hanFirst + r*7919%(hanLast-hanFirst))
	}
	texts := []string{varied.String()}
	for _, piece := range []string{"a", "a.", "a-", "a'", "l'", "a/", "1,", "++", "的", "数", "\u0301", "e\u0301", ".", "'s", "\u00ad", "a\u00ad", "C++", "\xff", "हि"} {
		texts = append(texts, strings.Repeat(piece, size/len(piece)))
	}
	for _, text := range texts {
		tokens := Analyze(English, text)
		if len(tokens) > size {
			t.Errorf("%d tokens of %d bytes", len(tokens), len(text))
		}
		Words(text)
		Highlight(text, English, Sought{Match: func(k Token) bool { return k.Pos&1 == 0 }}, 200)
		NewPhrase(clip(text, 30) + " x").In(text)
		Detect(text)
	}
}

func TestAnalyzersAreRegistered(t *testing.T) {
	cache := registry.NewCache()
	for _, l := range Langs {
		a, err := cache.AnalyzerNamed(AnalyzerOf(l))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range seeds {
			want := Analyze(l, text)
			got := a.Analyze([]byte(text))
			if len(got) != len(want) {
				t.Fatalf("%s: %d tokens, want %d", l, len(got), len(want))
			}
			for i, g := range got {
				w := want[i]
				if string(g.Term) != w.Text || g.Start != w.Start || g.End != w.End || g.Position != w.Pos {
					t.Errorf("%s: %v, want %+v", l, g, w)
				}
			}
		}
	}
	prefix, err := cache.AnalyzerNamed(AnalyzerPrefix)
	if err != nil {
		t.Fatal(err)
	}
	var terms []string
	for _, g := range prefix.Analyze([]byte("Vue.js Été 數據")) {
		terms = append(terms, string(g.Term))
	}
	if got, want := strings.Join(terms, " "), "v vu vue vue. vue.j vue.js j js e et ete 数 数据 据"; got != want {
		t.Errorf("prefixes %q, want %q", got, want)
	}
	if got := Prefix("internationalisation"); got != "internationa" {
		t.Errorf("Prefix = %q", got)
	}
	if _, err := cache.AnalyzerNamed(AnalyzerExact); err != nil {
		t.Error(err)
	}
}

// TestDistance compares with the table filled in whole.
func TestDistance(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("abé数")), 0, 9, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b, limit := word.Draw(t, "a"), word.Draw(t, "b"), rapid.IntRange(0, 4).Draw(t, "limit")
		want := min(slowDistance([]rune(a), []rune(b)), limit+1)
		if got := Distance(a, b, limit); got != want {
			t.Fatalf("Distance(%q, %q, %d) = %d, want %d", a, b, limit, got, want)
		}
	})
	if got := Distance("pyhton", "python", 2); got != 1 {
		t.Errorf("a swap costs %d", got)
	}
	if got := Distance(strings.Repeat("a", 500), strings.Repeat("a", 499)+"b", 2); got != 1 {
		t.Errorf("long words: %d", got)
	}
}

func slowDistance(a, b []rune) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			switch {
			case i == 0:
				d[i][j] = j
			case j == 0:
				d[i][j] = i
			default:
				cost := 1
				if a[i-1] == b[j-1] {
					cost = 0
				}
				d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					d[i][j] = min(d[i][j], d[i-2][j-2]+1)
				}
			}
		}
	}
	return d[len(a)][len(b)]
}
