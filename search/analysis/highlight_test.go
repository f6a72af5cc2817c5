package analysis

import (
	"slices"
	"strings"
	"testing"
)

// matching accepts the tokens that a query's words stand for.
func matching(l Lang, query string) Sought {
	terms, begins := map[string]bool{}, Beginnings{}
	for _, w := range Words(query) {
		for _, f := range w.Forms {
			if f.Lang == l {
				for _, alt := range f.Alternatives {
					for _, term := range alt {
						terms[term] = true
						begins.Add(term)
					}
				}
			}
		}
	}
	return Sought{func(t Token) bool { return terms[t.Text] }, &begins}
}

func TestHighlight(t *testing.T) {
	long := strings.Repeat("Some words that nobody looks for. ", 20)
	tests := []struct {
		lang        Lang
		query, text string
		limit       int
		want        string
		ok          bool
	}{
		{English, "course", "Courses & <b>more</b> courses", 0, "<mark>Courses</mark> &amp; &lt;b&gt;more&lt;/b&gt; <mark>courses</mark>", true},
		{English, "c++", "C, C++ and C#", 0, "C, <mark>C++</mark> and C#", true},
		{English, "node", "Using Node.js", 0, "Using <mark>Node</mark>.js", true},
		{English, "node.js", "Using Node.js", 0, "Using <mark>Node.js</mark>", true},
		{French, "ecole", "L’École d’été", 0, "L’<mark>École</mark> d’été", true},
		{Chinese, "数据科学", "《數據科學》導論：數據", 0, "《<mark>數據科學</mark>》導論：<mark>數據</mark>", true},
		{Chinese, "数", "數學", 0, "<mark>數</mark>學", true},
		{English, "absent", "a text <i>", 0, "a text &lt;i&gt;", false},
		{English, "", "", 0, "", false},
		{English, "absent", "one two three four", 9, "one two…", false},
		{English, "needle", long + "A needle here. " + long, 40, "…for. A <mark>needle</mark> here. Some words that…", true},
		{English, "needle thread", "needle needle needle. " + long + "thread and needle. " + long, 30, "…<mark>thread</mark> and <mark>needle</mark>. Some…", true},
		{English, "end", long + "the end", 20, "…looks for. the <mark>end</mark>", true},
		{Chinese, "科学", strings.Repeat("甲乙丙丁", 20) + "科学" + strings.Repeat("戊己庚辛", 20), 10, "…丙丁<mark>科学</mark>戊己庚辛戊己…", true},
		{English, "x", "bad \xff x", 0, "bad \ufffd <mark>x</mark>", true},
	}
	for _, tt := range tests {
		got, ok := Highlight(tt.text, tt.lang, matching(tt.lang, tt.query), tt.limit)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q in %.60q:\n got %q, %v\nwant %q, %v", tt.query, tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

// TestHighlightWord keeps accents with their letters and marks a window that is shorter than what was found.
func TestHighlightWord(t *testing.T) {
	text := strings.Repeat("e\u0301", 100) + " needle " + strings.Repeat("o\u0308", 100)
	got, ok := Highlight(text, English, matching(English, "needle"), 21)
	if !ok || !strings.Contains(got, "<mark>needle</mark>") || strings.Contains(got, "…\u0301") {
		t.Errorf("got %q", got)
	}
	got, ok = Highlight("supercalifragilistic", English, Sought{Match: func(Token) bool { return true }}, 5)
	if !ok || got != "<mark>super</mark>…" {
		t.Errorf("got %q", got)
	}
}

func TestPhrase(t *testing.T) {
	tests := []struct {
		phrase string
		in     []string
		not    []string
	}{
		{
			"machine learning",
			[]string{"Machine Learning", "the machine-learning way", "«machine, learning»"},
			[]string{"learning machine", "machine and learning", "machines learning", "machine"},
		},
		{"the art of", []string{"The Art of War"}, []string{"the arts of"}},
		{"l'été", []string{"L’ÉTÉ", "ete", "un été"}, []string{"les étés"}},
		{"数据科学", []string{"數據科學導論", "大数据科学"}, []string{"数据与科学", "科学数据"}},
		{"数据的分析", []string{"數據的分析"}, []string{"数据分析"}},
		{"node.js api", []string{"Node.js API", "node js api"}, []string{"nodejs api"}},
		{"C++ basics", []string{"C++: basics"}, []string{"C basics", "C# basics"}},
		{"a/b test", []string{"A/B tests or an A/B test"}, []string{"a b test"}},
		{"CS 101", []string{"CS101", "cs-101"}, []string{"CS102"}},
		{"a b a b c", []string{"a b a b a b c"}, []string{"a b a b a b"}},
		{"", []string{"", "anything"}, nil},
	}
	for _, tt := range tests {
		p := NewPhrase(tt.phrase)
		if p.Empty() != (tt.phrase == "") {
			t.Errorf("Empty of %q = %v", tt.phrase, p.Empty())
		}
		for _, text := range slices.Concat(tt.in, tt.not) {
			if got := p.In(text); got != slices.Contains(tt.in, text) {
				t.Errorf("%q in %q = %v", tt.phrase, text, got)
			}
		}
	}
}
