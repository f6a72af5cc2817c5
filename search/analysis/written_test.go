package analysis

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestWritten(t *testing.T) {
	tests := []struct{ text, want string }{
		{"Pêche", "pêche"},
		{"péché", "péché"},
		{"peche", ""},
		{"PÊCHE", "pêche"},
		{"pe\u0302che", "pêche"}, // decomposed
		{"PECHE", ""},
		{"été", "été"},
		{"l’été", "été"},
		{"L'Été", "été"},
		{"d’œuvre", "œuvre"},
		{"qu'Œdipe", "œdipe"},
		{"œuvre", "œuvre"},
		{"oeuvre", ""},
		{"ex æquo", "| æquo"},
		{"Aujourd’hui", ""},
		{"Beyoncé's", "beyoncé"},
		{"Beyoncé’s", "beyoncé"},
		{"résumé-writing", "résuméwriting|résumé|"},
		{"Straße STRASSE", "straße|"},
		{"Ёлка", "ёлка"},
		{"йод", "йод"},
		{"ΣΊΣΥΦΟΣ Σίσυφος", "σίσυφοσ|σίσυφοσ"},
		{"數據 数据 ひらがな", "||||||||"},
		{"Ｃ＋＋ Ｎｏｄｅ．ｊｓ ２０２４", "||||"},
		{"C♯ F♯", "|"},
		{"résumé.io", "résumé.io|résumé|"},
		{"ﬁancé", "fiancé"},
		{"co\u00adopé", "coopé"},
		{"हिन्दी 한국어", "|"},
		{"ça ÇA ca", "ça|ça|"},
		{"français", "français"},
		{strings.Repeat("é", 100), strings.Repeat("é", MaxTerm/2)},
	}
	for _, tt := range tests {
		var got []string
		for _, k := range Exact(tt.text) {
			got = append(got, Written(tt.text[k.Start:k.End]))
		}
		want := strings.Split(strings.ReplaceAll(tt.want, " ", ""), "|")
		if len(want) < len(got) && tt.want == strings.Repeat("|", len(tt.want)) {
			want = make([]string, len(got)) // none at all
		}
		if !slices.Equal(got, want) {
			t.Errorf("Written(%q) = %q, want %q", tt.text, got, want)
		}
	}
}

// TestWrittenAnywhere checks that a word has one written form, in texts and in queries, whatever is remembered of it.
func TestWrittenAnywhere(t *testing.T) {
	pieces := []string{"a", "é", "É", "e\u0301", "œ", "Æ", "ß", "数", "1", "-", "'", "’", ".", "+", "#", " ", "l’", "'s", "й", "İ", "Σ", "ς", "\u00ad", "ﬁ", "½", "हि", "\xff"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
		forms := map[[2]int]string{}
		for _, k := range Exact(text) {
			w := Written(text[k.Start:k.End])
			forms[[2]int{k.Start, k.End}] = w
			switch {
			case w == "":
				continue
			case k.Kind == KindHan || w == k.Fold || len(w) > MaxTerm || !utf8.ValidString(w):
				t.Fatalf("%q: Written(%q) = %q, fold %q", text, text[k.Start:k.End], w, k.Fold)
			case !norm.NFC.IsNormalString(w) || strings.ContainsAny(w, "-'’ "):
				t.Fatalf("%q: Written(%q) = %q", text, text[k.Start:k.End], w)
			}
		}
		for _, w := range Words(text) {
			if f, ok := forms[[2]int{w.Start, w.End}]; ok && Written(w.Text) != f {
				t.Fatalf("%q: %q in the query, %q in the text", text, Written(w.Text), f)
			}
		}
	})
}

func BenchmarkWritten(b *testing.B) {
	words := strings.Fields(benchTexts[French] + " élève œuvre forêt")
	b.ReportAllocs()
	for b.Loop() {
		for _, w := range words {
			Written(w)
		}
	}
}
