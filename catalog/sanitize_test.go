package catalog

import (
	"strings"
	"testing"
)

func TestSanitizeHTML(t *testing.T) {
	for in, want := range map[string]string{
		`<p>Hi <b>you</b></p>`:                                 `<p>Hi <b>you</b></p>`,
		`<script>alert(1)</script><p onclick="x()">a</p>`:      `<p>a</p>`,
		`<a href="javascript:x">a</a>`:                         `a`,
		`<img src="https://e.org/a.png" onerror=x>`:            `<img src="https://e.org/a.png">`,
		`<iframe src="https://e.org"></iframe>text`:            `text`,
		`<p style="position:fixed">x</p>`:                      `<p>x</p>`,
		`<p lang="fr">été</p>`:                                 `<p lang="fr">été</p>`,
		`<pre><code class="language-go">a &lt; b</code></pre>`: `<pre><code class="language-go">a &lt; b</code></pre>`,
		`1 < 2`: `1 &lt; 2`,
		``:      ``,
	} {
		got := sanitizeHTML(in)
		if got != want {
			t.Errorf("sanitizeHTML(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPlainText(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                         "plain",
		"AT&amp;T":                      "AT&T",
		"R&D":                           "R&D",
		"?a=1&copy=2":                   "?a=1&copy=2",
		"a < b and c > d":               "a < b and c > d",
		"List<int> and x<y":             "List<int> and x<y",
		"<p>One</p><p>Two</p>":          "One\n\nTwo",
		"One<br>Two<br/>Three":          "One\nTwo\nThree",
		"<ul><li>a</li><li>b</li></ul>": "a\n\nb",
		"<b>bold</b> &eacute;t&#233;":   "bold été",
		"a&nbsp;b":                      "a b",
		"<script>evil()</script>ok":     "ok",
		"&lt;b&gt;x&lt;/b&gt;":          "x",
		"&amp;amp;":                     "&",
	} {
		if got := plainText(in); got != want {
			t.Errorf("plainText(%q) = %q, want %q", in, got, want)
		}
	}
}

// What was stored can be read and written back without a change.
func FuzzSanitize(f *testing.F) {
	for _, s := range []string{"<p>a</p>", "a &amp;lt;b&amp;gt; c", "<<b>b>x</b>", "&#60;p&#62;", "<a href='//x'>y</a>", "<table><td>", "&nbsp;<br>\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2_000 {
			t.Skip()
		}
		var p problems
		plain := p.text("/x", s, maxDescription)
		if again := p.text("/x", plain, maxDescription); len(p.fields) == 0 && again != plain && settles(s) {
			t.Errorf("text(%q) = %q, but again = %q", s, plain, again)
		}
		body := sanitizeHTML(s)
		if low := strings.ToLower(body); strings.Contains(low, "<script") || strings.Contains(low, "<iframe") {
			t.Errorf("sanitizeHTML(%q) = %q", s, body)
		}
		if again := sanitizeHTML(body); again != body {
			t.Errorf("sanitizeHTML(%q) = %q, but again = %q", s, body, again)
		}
	})
}

// settles reports whether a text is escaped no deeper than plainText looks.
func settles(s string) bool {
	for range maxPlainPasses - 1 {
		s = plainOnce(s)
	}
	return s == plainOnce(s)
}
