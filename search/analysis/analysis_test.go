package analysis

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines returns the lines of a file under testdata, without comments.
func lines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for l := range strings.Lines(string(b)) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "# ") {
			out = append(out, l)
		}
	}
	return out
}

// finds reports whether all words of a query are in a text: what search does, without an index.
func finds(l Lang, query, text string) bool { return holds(l, termsOf(l, text), query) }

func termsOf(l Lang, text string) map[string]bool {
	have := map[string]bool{}
	for _, tok := range Analyze(l, text) {
		have[tok.Text] = true
	}
	return have
}

// holds reports whether a text that has these terms holds all words of a query.
func holds(l Lang, have map[string]bool, query string) bool {
	words := Words(query)
	for n := range words {
		w := &words[n]
		var before, after *Word
		if n > 0 {
			before = &words[n-1]
		}
		if n+1 < len(words) {
			after = &words[n+1]
		}
		if w.Stop && slices.ContainsFunc(words, func(w Word) bool { return !w.Stop }) {
			continue
		}
		w.Join(before, after)
		i := slices.IndexFunc(w.Forms, func(f Form) bool { return f.Lang == l })
		if i < 0 || !slices.ContainsFunc(w.Forms[i].Alternatives, func(terms []string) bool {
			return len(terms) > 0 && !slices.ContainsFunc(terms, func(s string) bool { return !have[s] })
		}) {
			return false
		}
	}
	return true
}

// rate counts cases with their outcome, and fails a test when too few come out well.
type rate struct{ good, all int }

func (r *rate) add(good bool) {
	r.all++
	if good {
		r.good++
	}
}

func (r *rate) percent() float64 { return 100 * float64(r.good) / float64(r.all) }

func TestFrench(t *testing.T) {
	var met, parted rate
	for _, line := range lines(t, "french.txt") {
		forms := strings.Fields(line)
		apart := forms[0] == "!"
		if apart {
			forms = forms[1:]
		}
		for _, q := range forms {
			for _, text := range forms {
				if q == text {
					continue
				}
				got := finds(French, q, "Le titre : "+text+" (suite)")
				if apart {
					parted.add(!got)
				} else {
					met.add(got)
				}
				if got == apart {
					t.Logf("%q in %q: found = %v", q, text, got)
				}
			}
		}
	}
	t.Logf("%.2f %% of %d pairs are found, %.2f %% of %d pairs of other words are not", met.percent(), met.all, parted.percent(), parted.all)
	if met.all < 500 || met.percent() < 99 || parted.percent() < 99 {
		t.Error("too few")
	}
}

func TestSubjects(t *testing.T) {
	var all [][]string
	for _, line := range lines(t, "subjects.txt") {
		all = append(all, strings.Split(line, " | "))
	}
	checks := 0
	for _, l := range Langs {
		for j, texts := range all {
			for _, text := range texts {
				have := termsOf(l, "on "+text+", again")
				for i, queries := range all {
					for _, q := range queries {
						checks++
						if got := holds(l, have, q); got != (i == j) {
							t.Errorf("%s: %q in %q: found = %v", l, q, text, got)
						}
					}
				}
			}
		}
	}
	t.Logf("%d subjects, %d checks", len(all), checks)
	if len(all) < 100 {
		t.Errorf("only %d subjects", len(all))
	}
}

// eachTitle calls check with the queries and titles of a file of cases, and whether the query must find the title.
func eachTitle(t *testing.T, file string, check func(query, title string, want bool)) (cases int) {
	t.Helper()
	for _, line := range lines(t, file) {
		f := strings.Split(line, "|")
		if len(f) != 3 {
			t.Fatalf("%q has %d fields", line, len(f))
		}
		cases++
		for i, want := range []bool{true, false} {
			for title := range strings.SplitSeq(f[i+1], ";") {
				if title != "" {
					check(f[0], title, want)
				}
			}
		}
	}
	return cases
}

func TestChinese(t *testing.T) {
	var recall, wrong rate
	cases := eachTitle(t, "chinese.txt", func(query, title string, want bool) {
		got := finds(Chinese, query, title)
		if want {
			recall.add(got)
		} else {
			wrong.add(got)
		}
		if got != want {
			t.Logf("%q in %q: found = %v", query, title, got)
		}
	})
	t.Logf("%d cases: recall %.2f %% of %d titles, false matches %.2f %% of %d", cases, recall.percent(), recall.all, wrong.percent(), wrong.all)
	if cases < 300 || recall.percent() < 98 || wrong.percent() > 1 {
		t.Error("too few are found, or too many")
	}
}

func TestFound(t *testing.T) {
	tests := []struct {
		lang        Lang
		query, text string
		want        bool
	}{
		{English, "node", "Node.js in practice", true},
		{English, "node js", "Node.js in practice", true},
		{English, "Node.js", "Using Node JS", true},
		{English, "asp", "ASP.NET Core", true},
		{English, "tcp", "TCP/IP networks", true},
		{English, "tcp/ip", "TCP and IP", true},
		{English, "python", "Python3 for all", true},
		{English, "python 3", "Python3 for all", true},
		{English, "cs 101", "CS101", true},
		{English, "cs101", "CS 101", true},
		{English, "security", "CompTIA Security+", true},
		{English, "elearning", "E-learning design", true},
		{English, "learning", "E-learning design", true},
		{English, "learner", "the learners’ choice", true},
		{English, "learners", "The learner's choice", true},
		{English, "o'reilly", "Tim O’Reilly", true},
		{English, "reilly", "Tim O’Reilly", true},
		{English, "analysis", "statistical analyses", true},
		{English, "matrix", "matrices", true},
		{English, "university", "the universe", false},
		{English, "animals", "animation", false},
		{English, "IT", "IT security", true},
		{English, "naive resume", "naïve résumé", true},
		{English, "Straße", "STRASSE", true},
		{English, "objective c", "Objective-C in depth", true},
		{English, "Objective-C", "Objective C in depth", true},
		{English, "x ray", "X-ray physics", true},
		{English, "x rays", "X-Ray physics", true},
		{English, "t sql", "Querying with T-SQL", true},
		{English, "sql", "Querying with T-SQL", true},
		{English, "e learning", "E-Learning design", true},
		{English, "o reilly", "Tim O’Reilly", true},
		{English, "c", "Objective-C in depth", false},
		{English, "subjective c", "Objective-C in depth", false},
		{English, "A/A", "A/A testing", true},
		{English, "A/A", "A/B testing", false},
		{French, "rayons x", "Les rayons X", true},
		{English, "c", "C/C++ in depth", true},
		{English, "c++", "C/C++ in depth", true},
		{English, "c", "C++ in depth", false},
		{English, "net", ".NET in depth", false},
		{English, "end", "the end.Next", true},
		{English, "www.example.com", "see http://www.example.com/path", true},
		{English, "example", "see http://www.example.com/path", true},
		{English, "calculus i", "Calculus I", true},
		{French, "apprentissage", "L’apprentissage profond", true},
		{French, "aujourd'hui", "Aujourd’hui", true},
		{French, "SI", "Audit des SI", true},
		{Chinese, "programming", "学习programs设计", true},
		{Chinese, "学", "学习programs设计", true},
		{Other, "йод", "Йод и соли", true},
		{Other, "ejemplos", "Ejemplo", false},
		{Other, "हिन्दी", "हिन्दी सीखें", true},
		{Other, "हिन्दा", "हिन्दी सीखें", false},
		{Other, "ひらがな", "ひらがなとカタカナ", true},
		{Other, "ｶﾀｶﾅ", "ひらがなとカタカナ", true},
	}
	for _, tt := range tests {
		if got := finds(tt.lang, tt.query, tt.text); got != tt.want {
			t.Errorf("%s: %q in %q: found = %v", tt.lang, tt.query, tt.text, got)
		}
	}
}

func TestTokens(t *testing.T) {
	text := "The C++ e-learning’s l’été 數據"
	want := []Token{
		{Text: "c++", Fold: "c++", Start: 4, End: 7, Pos: 2, Kind: KindCode},
		{Text: "elearn", Fold: "elearning", Start: 8, End: 18, Pos: 3, Whole: true},
		{Text: "learn", Fold: "learning", Start: 10, End: 18, Pos: 4},
		{Text: "ete", Fold: "ete", Start: 27, End: 32, Pos: 5},
		{Text: "数", Fold: "数", Start: 33, End: 36, Pos: 6, Kind: KindHan},
		{Text: "数据", Fold: "数据", Start: 33, End: 39, Pos: 6, Kind: KindHan},
		{Text: "据", Fold: "据", Start: 36, End: 39, Pos: 7, Kind: KindHan},
	}
	if d := cmp.Diff(want, Analyze(English, text)); d != "" {
		t.Errorf("Analyze(%q) (-want +got):\n%s", text, d)
	}
}

func TestFold(t *testing.T) {
	tests := []struct{ text, want string }{
		{"L’École d'Été", "ecole ete"},
		{"  Ｎｏｄｅ．ｊｓ, C♯ & Œuvres!", "node.js c# oeuvres"},
		{"數據科學 入門", "数据科学 入门"},
		{"ﬁancé", "fiance"},
		{"İstanbul ΣΊΣΥΦΟΣ Ёлка", "istanbul σισυφοσ елка"},
		{"co\u00adoperate \u200fx\u200e", "cooperate x"},
		{"①②", "12"},
		{strings.Repeat("é", 100), strings.Repeat("e", MaxTerm)},
		{"!?", ""},
	}
	for _, tt := range tests {
		if got := Fold(tt.text); got != tt.want {
			t.Errorf("Fold(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestStop(t *testing.T) {
	for _, w := range []string{"the", "The", "le", "l’un", "it", "à", "don't", "的", "和", "est-ce"} {
		ws := Words(w)
		if len(ws) == 0 || !slices.ContainsFunc(ws, func(x Word) bool { return !x.Stop }) {
			continue
		}
		t.Errorf("%q is no stop word: %+v", w, ws)
	}
	for _, w := range []string{"IT", "WHO", "go", "c", "R", "AI", "son", "été", "数", "i"} {
		for _, x := range Words(w) {
			if x.Stop || IsStop(w) {
				t.Errorf("%q is a stop word", w)
			}
		}
	}
	if !IsStop("avec") || !IsStop("with") || !IsStop("和") {
		t.Error("IsStop misses a word")
	}
}

func TestLangOf(t *testing.T) {
	for locale, want := range map[string]Lang{
		"en": English, "en-GB": English, "fr_CA": French, "zh-Hans": Chinese, "zh-Hant-TW": Chinese, "cmn": Chinese, "de": Other, "": Other, "english": Other,
	} {
		if got := LangOf(locale); got != want {
			t.Errorf("LangOf(%q) = %q, want %q", locale, got, want)
		}
	}
}

// TestHanTable checks the shape of the generated table and some characters of it.
func TestHanTable(t *testing.T) {
	from, to := []rune(traditional), []rune(simplified)
	if len(from) != len(to) || len(from) < 2500 {
		t.Fatalf("%d traditional characters, %d simplified", len(from), len(to))
	}
	for i, r := range from {
		if simplify(r) != to[i] || simplify(to[i]) != to[i] {
			t.Errorf("%c becomes %c, then %c; want %c", r, simplify(r), simplify(simplify(r)), to[i])
		}
	}
	if got := foldRun("後裡臺髮發乾雲書畫"); got != "后里台发发干云书画" {
		t.Errorf("foldRun = %s", got)
	}
}

// TestBritish checks that what is spelled in two ways is found by both, and that no respelling makes one of two words.
func TestBritish(t *testing.T) {
	for _, line := range lines(t, "british.txt") {
		forms := strings.Fields(line)
		apart := forms[0] == "!"
		if apart {
			forms = forms[1:]
		}
		for _, q := range forms {
			for _, text := range forms {
				if got := finds(English, q, "The title: "+text+", part 1"); q != text && got == apart {
					t.Errorf("%q in %q: found = %v", q, text, got)
				}
			}
		}
	}
	// What America writes with an s, or with ll, stays as it is.
	for w := range strings.FieldsSeq(`advise advising adviser advertise advertising arise chaise comprise compromise concise cruise demise devise disguise
		enterprise enterprises exercise exercises excise expertise franchise franchises improvise improvisation likewise merchandise merchandising noise
		otherwise paradise poise praise precise premise premises promise promising raise raising reprise revise revising rise sunrise supervise supervised
		unsupervised supervising surprise surprising televise treatise turquoise uprising wise analyses crises bases theses irises trellises
		called calling controlled controller excelled filling polling rolling selling skilled spelling telling rebelling propelled
		our four hour tour your contour course source resource journal flour pour detour`) {
		if got := american(w); got != w {
			t.Errorf("american(%q) = %q", w, got)
		}
	}
}

// TestKinds checks that numbers and course codes are told from words: search forgives typing errors in words alone.
func TestKinds(t *testing.T) {
	for text, want := range map[string]Kind{
		"algebra": KindWord, "l’été": KindWord, "learner's": KindWord, "e-learning": KindWord, "йод": KindWord,
		"2024": KindNumber, "3.11": KindNumber, "1,000": KindNumber, "２０２４": KindNumber, "9001": KindNumber, "½": KindNumber,
		"CS101": KindCode, "CS-101": KindCode, "MATH-201": KindCode, "6.006": KindNumber, "6.S081": KindCode, "COMP3311": KindCode, "ACCT2101H": KindCode,
		"15-213": KindNumber, "ＣＳ１０１": KindCode, "CS101's": KindCode, "3D": KindCode, "5S": KindCode, "C4": KindCode, "K8s": KindCode, "COVID-19": KindCode,
		"C++": KindCode, "C#": KindCode, ".NET": KindCode, "Node.js": KindCode, "TCP/IP": KindCode, "R&D": KindCode, "U.S.A.": KindCode, "Web3": KindCode,
		"数据": KindHan, "數": KindHan,
	} {
		words := Words(text)
		if len(words) != 1 || words[0].Kind != want {
			t.Errorf("Words(%q) = %+v, want one of kind %d", text, words, want)
			continue
		}
		if tokens := Exact(text); tokens[0].Kind != want {
			t.Errorf("Exact(%q)[0] = %+v, want kind %d", text, tokens[0], want)
		}
	}
}

func TestPossessives(t *testing.T) {
	for _, text := range []string{
		"learner", "learner's", "learner’s", "LEARNER'S", "Learner＇s", "learners'", "learners’", "the learner's!", "learnerʼs", "(learner's)",
	} {
		for _, query := range []string{"learner", "learner's", "learners’", "learners"} {
			if !finds(English, query, text) {
				t.Errorf("%q does not find %q", query, text)
			}
		}
	}
	for text, want := range map[string]string{
		"Newton's laws": "newton laws", "Node.js's API": "node.js api", "C++'s": "c++", "CS101's": "cs101", "Moore’s Law": "moore law",
		".NET's": ".net", "O'Reilly's": "oreilly", "boss's": "boss",
	} {
		if got := Fold(text); got != want {
			t.Errorf("Fold(%q) = %q, want %q", text, got, want)
		}
	}
}
