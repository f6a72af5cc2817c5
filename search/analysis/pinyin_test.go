package analysis

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPinyin(t *testing.T) {
	for r, want := range map[rune]string{
		'长': "zhang chang", '重': "zhong chong", '行': "xing hang heng", '数': "shu shuo", '乐': "le yue", '会': "hui kuai", '率': "lv lu shuai",
		'女': "nv nu", '绿': "lv lu", '略': "lve lue", '虐': "nve nue", '的': "de di", '都': "dou du", '还': "hai huan", '儿': "er", '嗯': "en", '欸': "ai ei",
		'干': "gan qian", '調': "diao tiao", '數': "shu shuo", '〇': "ling", '一': "yi", '龘': "da", '発': "fa",
		'a': "", 'é': "", 'ひ': "", '１': "", '，': "", '㐀': "", utf8.RuneError: "", -1: "", utf8.MaxRune: "",
	} {
		if got := strings.Join(Pinyin(r), " "); got != want {
			t.Errorf("Pinyin(%c) = %q, want %q", r, got, want)
		}
	}
}

// TestPinyinTable checks the shape of the generated table, and that what is written in courses has readings.
func TestPinyinTable(t *testing.T) {
	table := spellings()
	if n := len(table.lists); n < 500 || n > 1<<16 {
		t.Errorf("%d lists of readings", n)
	}
	whole := 0
	for s, is := range table.syllables {
		if is&partWhole == 0 {
			continue
		}
		whole++
		if len(s) > longestSyllable || !strings.ContainsAny(s, "aeiouv") || strings.ContainsAny(s[:1], "iuv") || !asciiLower(s) {
			t.Errorf("%q is no syllable", s)
		}
	}
	if whole < 400 || whole > 430 {
		t.Errorf("%d syllables", whole)
	}
	for _, file := range []string{"chinese.txt", "pinyin.txt"} {
		for _, line := range lines(t, file) {
			for _, r := range line {
				if r >= pinyinFirst && r <= pinyinLast && len(Pinyin(r)) == 0 {
					t.Errorf("%c has no reading", r)
				}
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { Pinyin('数') }); n != 0 {
		t.Errorf("Pinyin allocates %v times", n)
	}
}

func TestSyllables(t *testing.T) {
	tests := []struct {
		word        string
		whole, more string // the ways, and those that partial adds
	}{
		{"shuju", "shu ju", "shu ju"},
		{"shuj", "", "shu j"},
		{"shuxu", "shu xu", "shu xu"},
		{"xian", "xian|xi an", "xian|xia n|xi an|xi a n"},
		{"xi'an", "xi an", "xi an|xi a n"},
		{"fangan", "fang an|fan gan", "fang an|fang a n|fan gan|fan ga n"},
		{"zhuang", "zhuang|zhu ang", "zhuan g|zhu an g"},
		{"lv", "lv", "lv"},
		{"lue", "lue|lu e", "lu e"},
		{"nve", "nve|nv e", "nv e"},
		{"s", "", "s"},
		{"sjfx", "", ""},
		{"java", "", ""},
		{"i", "", ""},
		{"'", "", ""},
		{"xi'", "", ""},
		{"", "", ""},
		{"Shuju", "", ""},
		{strings.Repeat("a", MaxTerm+1), "", ""},
	}
	join := func(ways [][]string) string {
		var all []string
		for _, w := range ways {
			all = append(all, strings.Join(w, " "))
		}
		return strings.Join(all, "|")
	}
	for _, tt := range tests {
		whole := Syllables(tt.word, false)
		if got := join(whole); got != tt.whole {
			t.Errorf("Syllables(%q) = %q, want %q", tt.word, got, tt.whole)
		}
		both := Syllables(tt.word, true)
		if got := join(both[len(whole):]); got != tt.more || join(both[:len(whole)]) != tt.whole {
			t.Errorf("Syllables(%q, partial) adds %q, want %q", tt.word, got, tt.more)
		}
	}
	for _, word := range []string{strings.Repeat("xian", 16), strings.Repeat("fangan", 10), strings.Repeat("a", MaxTerm), strings.Repeat("xian", 15) + "vv"} {
		if got := Syllables(word, true); len(got) > MaxSegmentations || strings.HasSuffix(word, "v") && got != nil {
			t.Errorf("%d ways to read %q", len(got), word)
		}
	}
}

// TestAnySyllables compares with all ways to cut a word, tried one by one.
func TestAnySyllables(t *testing.T) {
	syllables := spellings().syllables
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("aeginuvxhlz")), 1, 9, -1).Draw(t, "word")
		var want [][]string
		for _, last := range []part{partWhole, partBeginning} {
			for cuts := range 1 << (len(word) - 1) {
				var way []string
				from := 0
				for i := 1; i <= len(word); i++ {
					if i == len(word) || cuts>>(i-1)&1 == 1 {
						way, from = append(way, word[from:i]), i
					}
				}
				n := len(way) - 1
				if syllables[way[n]]&last != 0 && !slices.ContainsFunc(way[:n], func(s string) bool { return syllables[s]&partWhole == 0 }) {
					want = append(want, way)
				}
			}
		}
		got := Syllables(word, true)
		if len(got) != min(len(want), MaxSegmentations) {
			t.Fatalf("Syllables(%q) = %q, want %q", word, got, want)
		}
		for _, way := range got {
			if !slices.ContainsFunc(want, func(w []string) bool { return slices.Equal(w, way) }) {
				t.Fatalf("Syllables(%q) has %q, want of %q", word, way, want)
			}
		}
	})
}

func TestInitials(t *testing.T) {
	for word, want := range map[string]bool{
		"sjfx": true, "sj": true, "aq": true, "oz": true, "abcdefgh": true, "s": false, "abcdefghj": false, "vue": false, "ui": false, "SJ": false, "s1": false, "": false, "é": false, "c++": false,
	} {
		if Initials(word) != want {
			t.Errorf("Initials(%q) = %v", word, !want)
		}
	}
}

// spelledBy reports whether a query, as pinyin or initials, spells consecutive characters of a Han run of a title.
func spelledBy(query, title string) bool {
	word, typing := strings.CutSuffix(query, "*")
	runs := strings.FieldsFunc(foldRun(title), func(r rune) bool { return !isHan(r) })
	whole := len(Syllables(word, false))
	for n, way := range Syllables(word, typing) {
		for _, run := range runs {
			if reads([]rune(run), way, func(i int, syllable, reading string) bool {
				return reading == syllable || n >= whole && i == len(way)-1 && strings.HasPrefix(reading, syllable)
			}) {
				return true
			}
		}
	}
	return Initials(word) && slices.ContainsFunc(runs, func(run string) bool {
		return reads([]rune(run), strings.Split(word, ""), func(_ int, letter, reading string) bool { return reading[:1] == letter })
	})
}

// reads reports whether a run has, side by side, characters of which one reading each matches.
func reads(run []rune, way []string, match func(i int, want, reading string) bool) bool {
	for from := range len(run) - len(way) + 1 {
		ok := true
		for i, want := range way {
			ok = ok && slices.ContainsFunc(Pinyin(run[from+i]), func(reading string) bool { return match(i, want, reading) })
		}
		if ok {
			return true
		}
	}
	return false
}

func TestPinyinCases(t *testing.T) {
	var recall, wrong rate
	cases := eachTitle(t, "pinyin.txt", func(query, title string, want bool) {
		got := spelledBy(query, title)
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
	if cases < 150 || recall.percent() < 98 || wrong.percent() > 1 {
		t.Error("too few are found, or too many")
	}
}

func BenchmarkPinyin(b *testing.B) {
	run := "数据科学与机器学习入门"
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range run {
			Pinyin(r)
		}
	}
}

func BenchmarkSyllables(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Syllables("rengongzhineng", true)
	}
}
