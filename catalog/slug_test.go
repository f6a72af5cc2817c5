package catalog

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"Python":                        "python",
		"C++":                           "cplusplus",
		"C#":                            "csharp",
		".NET":                          "dot-net",
		" .NET Core ":                   "dot-net-core",
		"Node.js":                       "node-js",
		"R&D / Lab":                     "r-d-lab",
		"--Machine   Learning!":         "machine-learning",
		"Apprentissage automatique":     "apprentissage-automatique",
		"Génie Électrique":              "génie-électrique",
		"机器学习":                          "机器学习",
		"高等数学（一）":                       "高等数学-一",
		"Ｆｕｌｌ ｗｉｄｔｈ＋":                   "full-widthplus",
		"C + D":                         "c-plus-d",
		"x²":                            "x2",
		"…":                             "", // NFKC makes three dots of it; see below
		"?!":                            "",
		"":                              "",
		".":                             "dot",
		"a.":                            "a",
		"İstanbul":                      "istanbul",
		"tab\tand\u00a0blank\u200bzero": "tab-and-blank-zero",
		"\xff bad":                      "bad",
	} {
		if in == "…" {
			want = "dot" // NFKC: "...", so its first is a leading dot
		}
		if got := Slug(in); got != want {
			t.Errorf("Slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzSlug(f *testing.F) {
	for _, s := range []string{"C++", ".NET", "机器学习", "Génie", "İ", "ﬁ", "ẞ", "a\u0301", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		slug := Slug(s)
		if again := Slug(slug); again != slug {
			t.Errorf("Slug(%q) = %q, but again = %q", s, slug, again)
		}
		if slug != "" && !validPart(idSlug(s), maxID) {
			t.Errorf("idSlug(%q) = %q is no id", s, idSlug(s))
		}
	})
}

func TestLongSlugsStayApart(t *testing.T) {
	long := strings.Repeat("mathématiques ", 20)
	a, b := idSlug(long+"a"), idSlug(long+"b")
	if a == b || utf8.RuneCountInString(a) > maxID || !validPart(a, maxID) {
		t.Errorf("%q, %q", a, b)
	}
	if idSlug(long+"a") != a {
		t.Error("not the same twice")
	}
}

func TestOrgOf(t *testing.T) {
	for in, want := range map[string]OrgID{"CS101": "", "acme~CS101": "acme", "~x": "", "a~b~c": "a"} {
		if got := OrgOf(in); got != want {
			t.Errorf("OrgOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestValidIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"CS101": true, "acme~CS101": true, "a.b_c:d+e@f-g": true, "课程-1": true, "é": true, strings.Repeat("课", 128): true,
		"": false, "a b": false, "a/b": false, "~a": false, "a~": false, "a~b~c": false, "e\u0301": false, "a\x00": false, "\xff": false,
		strings.Repeat("a", 129): false, strings.Repeat("o", 65) + "~a": false,
	} {
		if got := validOrgID(id); got != want {
			t.Errorf("validOrgID(%q) = %v", id, got)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for in, want := range map[string]Level{
		"": "", "  ": "", "All Levels": LevelAll, "Mixed": LevelAll, "Tous niveaux": LevelAll, "所有级别": LevelAll,
		"Beginner Level": LevelBeginner, "débutant": LevelBeginner, "DÉBUTANT": LevelBeginner, "DEBUTANT": LevelBeginner, "初级": LevelBeginner, "入门": LevelBeginner,
		"Intermediate Level": LevelIntermediate, "Niveau moyen": LevelIntermediate, "中级": LevelIntermediate, "INTERMEDIAIRE": LevelIntermediate,
		"Advanced": LevelAdvanced, "Expert Level": LevelAdvanced, "avancé": LevelAdvanced, "高级": LevelAdvanced, "advanced": LevelAdvanced,
	} {
		if got, ok := ParseLevel(in); got != want || !ok {
			t.Errorf("ParseLevel(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"Professional Certificate", "Specialization", "5", "None"} {
		if got, ok := ParseLevel(in); ok {
			t.Errorf("ParseLevel(%q) = %q, want unknown", in, got)
		}
	}
}

func TestCanonicalLocale(t *testing.T) {
	for in, want := range map[string]Locale{
		"en": English, "EN": English, "en-US": "en-US", "en_us": "en-US", "fr": French, "fr-FR": "fr-FR", "pt-br": "pt-BR",
		"zh": Chinese, "zh-CN": Chinese, "zh-SG": Chinese, "cmn": Chinese, "zh-Hans": Chinese, "zh-hans-cn": Chinese, "zh_CN": Chinese,
		"zh-TW": "zh-Hant", "zh-HK": "zh-Hant", "zh-Hant": "zh-Hant", "cmn-TW": "zh-Hant",
		"sr-Latn": "sr-Latn", "de-u-co-phonebk": "de", "es-419": "es-419", "yue": "yue",
	} {
		if got, ok := CanonicalLocale(in); got != want || !ok {
			t.Errorf("CanonicalLocale(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "*", "und", "x", "french language", "en/fr", "xx-YY-zz-ww", strings.Repeat("a", 100), "\xff", "x-private"} {
		if got, ok := CanonicalLocale(in); ok {
			t.Errorf("CanonicalLocale(%q) = %q, want none", in, got)
		}
	}
}

func TestLabelIn(t *testing.T) {
	m := map[Locale]string{"en": "Law", "fr": "Droit", "zh-Hans": "法律"}
	for _, c := range []struct {
		m    map[Locale]string
		l    Locale
		text string
		in   Locale
	}{
		{m, French, "Droit", French},
		{m, "fr-CA", "Droit", French},
		{m, "de", "Law", English},
		{m, AnyLocale, "Law", English},
		{map[Locale]string{"fr": "Droit", "de": "Recht"}, "es", "Recht", "de"},
		{map[Locale]string{"zh-Hant": "法律"}, Chinese, "法律", "zh-Hant"},
		{nil, English, "law", ""},
	} {
		if text, in := LabelIn(c.m, c.l, "law"); text != c.text || in != c.in {
			t.Errorf("LabelIn(%v, %s) = %q, %q", c.m, c.l, text, in)
		}
	}
}
