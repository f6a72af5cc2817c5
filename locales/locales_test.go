package locales

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, dir string) *Bundle {
	t.Helper()
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEmbeddedFilesAreComplete(t *testing.T) {
	findings, err := Check("")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

func TestNegotiate(t *testing.T) {
	for header, want := range map[string]Tag{
		"": English, "fr-CA,fr;q=0.8,en;q=0.5": French, "zh-CN": Chinese, "zh": Chinese, "cmn": Chinese, "zh-TW": Chinese,
		"de,fr;q=0.5": French, "de": English, "nonsense;;;": English, strings.Repeat("fr,", 1000): English,
	} {
		if got := Negotiate(header); got != want {
			t.Errorf("Negotiate(%.40q) = %s, want %s", header, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for tag, want := range map[string]Tag{"en": English, "en-GB": English, "fr": French, "fr-CA": French, "zh": Chinese, "zh-CN": Chinese, "cmn": Chinese, "zh-Hans": Chinese} {
		if got, ok := Parse(tag); !ok || got != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", tag, got, ok, want)
		}
	}
	for _, tag := range []string{"", "de", "*", "xx", "und", "französisch"} {
		if got, ok := Parse(tag); ok {
			t.Errorf("Parse(%q) = %q, want none", tag, got)
		}
	}
}

func TestPrinterFormats(t *testing.T) {
	b := load(t, "")
	day := time.Date(2026, 3, 9, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		tag                        Tag
		number, date, length, cost string
	}{
		{English, "12,345.5", "March 9, 2026", "3\u00a0h\u00a020\u00a0min", "$49.00"},
		{French, "12\u202f345,5", "9 mars 2026", "3\u00a0h\u00a020\u00a0min", "49,00\u00a0$US"},
		{Chinese, "12,345.5", "2026年3月9日", "3 小时 20 分钟", "US$49.00"},
	} {
		p := b.Printer(c.tag)
		got := []string{p.Number(12345.5, 1), p.Date(day), p.Duration(200), p.Money(49, "USD")}
		for i, want := range []string{c.number, c.date, c.length, c.cost} {
			if got[i] != want {
				t.Errorf("%s: got %q, want %q", c.tag, got[i], want)
			}
		}
	}
}

func TestMoneyNeverGluesLetters(t *testing.T) {
	b := load(t, "")
	for _, c := range []struct {
		tag        Tag
		code, want string
	}{
		{English, "EUR", "€89.00"},
		{English, "CNY", "CN¥89.00"},
		{English, "CHF", "CHF\u00a089.00"},
		{English, "XXX", "89.00\u00a0XXX"},
		{French, "EUR", "89,00\u00a0€"},
		{Chinese, "CNY", "¥89.00"},
	} {
		if got := b.Printer(c.tag).Money(89, c.code); got != c.want {
			t.Errorf("%s: %s is written %q, want %q", c.tag, c.code, got, c.want)
		}
	}
}

func TestOverrideFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "fr.toml", "[problem.not-found]\ntitle = \"Perdu\"\n")
	b := load(t, dir)
	if got := b.Printer(French).Text("problem.not-found.title", nil); got != "Perdu" {
		t.Errorf("title = %q, want the folder's", got)
	}
	if got := b.Printer(French).Text("problem.forbidden.title", nil); got != "Action non autorisée" {
		t.Errorf("title = %q, want the embedded one", got)
	}
	write(t, dir, "fr.toml", "[problem\n")
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "fr.toml") {
		t.Errorf("a broken file gave %v, want an error that names it", err)
	}
}

func TestMissingTextFallsBack(t *testing.T) {
	b := load(t, "")
	if got := b.Printer(French).Text("no.such.text", nil); got != "no.such.text" {
		t.Errorf("got %q, want the id", got)
	}
}

func TestCheckPointsAtTheLine(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "en.toml", "[a]\nhello = \"Hello {{.Name}}\"\nbye = \"Bye\"\n[a.n]\none = \"{{.Count}} course\"\nother = \"{{.Count}} courses\"\n")
	write(t, dir, "zh-Hans.toml", "[a]\nhello = \"你好 {{.Name}}\"\nbye = \"再见\"\n[a.n]\nother = \"{{.Count}} 门课程\"\n")
	write(t, dir, "fr.toml", "[a]\nhello = \"Bonjour {{.Nom}}\"\nextra = \"?\"\n[a.n]\nother = \"{{.Count}} cours\"\n")
	findings, err := Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	got := strings.Join(lines, "\n")
	want := strings.Join([]string{
		`fr.toml: a.bye: not translated yet; English is "Bye"`,
		`fr.toml:2: a.hello: "other" names the placeholder {{.Nom}}, English has only [Name]`,
		`fr.toml:2: a.hello: the placeholder {{.Name}} of the English text is not used`,
		`fr.toml:4: a.n: the plural form "one" is missing`,
		`fr.toml:3: a.extra: the English source has no such text; remove it or correct its name`,
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCheckReportsSyntax(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "fr.toml", "[a]\nb = \"open\nc = 1\n")
	findings, err := Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 1 || findings[0].Line != 2 {
		t.Errorf("findings = %v, want one at line 2", findings)
	}
}

func TestStats(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "en.toml", "a = \"one two\"\nb = \"three\"\n")
	write(t, dir, "fr.toml", "a = \"un deux\"\n")
	shares, err := Stats(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := shares[1]; got != (Share{Tag: French, Texts: 2, Translated: 1, Words: 3, WordsLeft: 1}) {
		t.Errorf("share = %+v", got)
	}
}

func TestPseudoKeepsPlaceholders(t *testing.T) {
	var out bytes.Buffer
	if err := Pseudo(&out); err != nil {
		t.Fatal(err)
	}
	file, findings, _ := parseFile(French, out.String())
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	source, _, _ := readFile("", English)
	if len(file.messages) != len(source.messages) {
		t.Fatalf("%d texts, want %d", len(file.messages), len(source.messages))
	}
	for _, f := range compare(Chinese, source, file) {
		t.Error(f)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
