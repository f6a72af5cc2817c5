package query

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

func word(s string) Clause               { return Clause{Text: s} }
func last(s string) Clause               { return Clause{Text: s, Prefix: true} }
func phrase(s string) Clause             { return Clause{Kind: KindPhrase, Text: s} }
func field(f Field, value string) Clause { return Clause{Kind: KindField, Field: f, Text: value} }
func not(c Clause) Clause                { c.Not = true; return c }

func atLeast(text string, v float64) Clause {
	return Clause{Kind: KindField, Field: FieldRating, Text: text, Rating: v}
}

func TestParse(t *testing.T) {
	tests := []struct {
		q    string
		want []Clause
		text string // the normal form; "" where it is q
	}{
		{"machine learning", []Clause{word("machine"), last("learning")}, ""},
		{`"machine learning" python`, []Clause{phrase("machine learning"), last("python")}, ""},
		{"python -java", []Clause{last("python"), not(word("java"))}, ""},
		{`go -"for beginners"`, []Clause{last("go"), not(phrase("for beginners"))}, ""},
		{"tag:C++ -tag:java", []Clause{field(FieldTag, "C++"), not(field(FieldTag, "java"))}, ""},
		{`instructor:"Jean Dupont" sql`, []Clause{field(FieldInstructor, "Jean Dupont"), last("sql")}, ""},
		{
			"TAG:go Level:beginner language:fr",
			[]Clause{field(FieldTag, "go"), field(FieldLevel, "beginner"), field(FieldLanguage, "fr")},
			"tag:go level:beginner language:fr",
		},
		{"category:data provider:edX", []Clause{field(FieldCategory, "data"), field(FieldProvider, "edX")}, ""},
		{"rating:>=4.5", []Clause{atLeast("4.5", 4.5)}, ""},
		{"rating:4,50", []Clause{atLeast("4.5", 4.5)}, "rating:>=4.5"},
		{"rating:≥4 go", []Clause{atLeast("4", 4), last("go")}, "rating:>=4 go"},
		{"数据科学 入门", []Clause{word("数据科学"), last("入门")}, ""},
		{"数据　tag：编程 “机器 学习”", []Clause{last("数据"), field(FieldTag, "编程"), phrase("机器 学习")}, `数据 tag:编程 "机器 学习"`},
		{"«l’été» d'été", []Clause{phrase("l’été"), last("d'été")}, `"l’été" d'été`},
		{"C++ C# .NET", []Clause{word("C++"), word("C#"), last(".NET")}, ""},
		{"e-learning pre-calculus", []Clause{word("e-learning"), last("pre-calculus")}, ""},
		{"http://x.org/a:b foo:bar", []Clause{word("http://x.org/a:b"), last("foo:bar")}, ""},
		{`"machine lear`, []Clause{word("machine"), last("lear")}, "machine lear"},
		{`-"java scr`, []Clause{not(word("java")), last("scr")}, "-java scr"},
		{`go"rust lang"c`, []Clause{word("go"), phrase("rust lang"), last("c")}, `go "rust lang" c`},
		{"python OR java AND go", []Clause{word("python"), word("java"), last("go")}, "python java go"},
		{"OR tools OR", []Clause{word("OR"), word("tools"), last("OR")}, ""},
		{"--go ++rust +-c", []Clause{not(word("go")), last("rust"), not(word("c"))}, "-go rust -c"},
		{"- + & *** ( \"\" \"!\" tag: rating: -tag:", nil, "\x00"},
		{"tag:\"go", []Clause{field(FieldTag, "go")}, "tag:go"},
		{"tag: go", []Clause{last("go")}, "go"},
		{"py\u200fthon\x00go\xff\u202erust", []Clause{word("python"), word("go"), last("rust")}, "python go rust"},
		{"  \t\n ", nil, "\x00"},
		{"", nil, "\x00"},
	}
	for _, tt := range tests {
		got, err := Parse(tt.q)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.q, err)
			continue
		}
		if d := cmp.Diff(tt.want, got.Clauses); d != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", tt.q, d)
		}
		want := tt.text
		switch want {
		case "":
			want = tt.q
		case "\x00":
			want = ""
		}
		if got.String() != want {
			t.Errorf("Parse(%q).String() = %q, want %q", tt.q, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, q  string
		position int
	}{
		{"no number", "go rating:>=abc", 3},
		{"another comparison", "rating:<3", 0},
		{"out of range", "été rating:6", 4},
		{"not finite", "rating:NaN", 0},
		{"not plain", "rating:>=1e0", 0},
		{"two points", "rating:4.5.1", 0},
		{"after invisible signs", "\u200f\u200fa rating:x", 4},
		{"too many", strings.Repeat("a ", MaxClauses+1), 2*MaxClauses + 1},
		{"too many operators", "a " + strings.Repeat("OR ", MaxClauses), 2 + 3*MaxClauses - 1},
		{"too long", strings.Repeat("a", MaxRunes+1), MaxRunes},
		{"much too long", strings.Repeat("word ", 2<<20), MaxRunes},
	}
	for _, tt := range tests {
		_, err := Parse(tt.q)
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Code != fault.InvalidQuery || e.Fix == "" {
			t.Errorf("%s: got %v, want an invalid-query with a fix", tt.name, err)
			continue
		}
		if e.Args["position"] != tt.position {
			t.Errorf("%s: position %v, want %d", tt.name, e.Args["position"], tt.position)
		}
	}
	for _, q := range []string{strings.Repeat("é", MaxRunes), strings.Repeat("a ", MaxClauses), strings.Repeat("数", MaxRunes)} {
		if _, err := Parse(q); err != nil {
			t.Errorf("a query at the limit: %v", err)
		}
	}
}

func TestText(t *testing.T) {
	q, err := Parse(`Machine -java "deep nets" tag:go learning`)
	if err != nil {
		t.Fatal(err)
	}
	if got := q.Text(); got != "Machine learning" {
		t.Errorf("Text = %q", got)
	}
	if q.Empty() || !(Query{}).Empty() {
		t.Error("Empty is wrong")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`machine "deep learning" -java tag:c++ rating:>=4.5`, `-"a b" instructor:"x y" OR z AND`, `“数据” tag：x`, `"`, `-"`, `tag:"`, `rating:.5 rating:.5`,
		"a\u200f-b", `a"b"c"d`, "OR OR a OR", "--+-\"x\"", "rating:>=\"4\"", "\xff\xfe", "tag:-x", "tag:a:b:c", `tag:"-"x`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Parse(s)
		if err != nil {
			if !fault.Is(err, fault.InvalidQuery) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if len(q.Clauses) > MaxClauses || !utf8.ValidString(q.String()) {
			t.Fatalf("%d clauses, %q", len(q.Clauses), q)
		}
		again, err := Parse(q.String())
		if err != nil {
			t.Fatalf("Parse(%q) of %q: %v", q, s, err)
		}
		if d := cmp.Diff(q, again); d != "" {
			t.Fatalf("%q → %q does not come back (-want +got):\n%s", s, q, d)
		}
	})
}
