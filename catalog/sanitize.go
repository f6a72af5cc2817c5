package catalog

import (
	"html"
	"regexp"
	"strings"
	stdsync "sync"

	"github.com/microcosm-cc/bluemonday"
)

// lessonPolicy is what a lesson's body may hold: text, lists, tables, pictures and links; no scripts, styles, forms or frames.
var lessonPolicy = stdsync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireNoFollowOnLinks(true)
	p.AllowAttrs("lang").Matching(regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)).Globally()
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^language-[a-z0-9+#-]{1,32}$`)).OnElements("code", "pre")
	return p
})

// plainPolicy leaves text only.
var plainPolicy = stdsync.OnceValue(bluemonday.StrictPolicy)

// sanitizeHTML returns what is harmless of a lesson's body. What it returns, it returns unchanged the next time.
func sanitizeHTML(body string) string {
	return strings.TrimSpace(lessonPolicy().Sanitize(body))
}

var (
	// knownElement finds markup: an element's name that people use in descriptions. So "a<b" and "List<int>" are left alone.
	knownElement = regexp.MustCompile(`(?i)</?(?:p|br|hr|div|span|ul|ol|li|b|i|u|em|strong|small|sub|sup|a|img|h[1-6]|table|thead|tbody|tr|td|th|` +
		`blockquote|pre|code|font|center|section|article|script|style|iframe|svg|object|embed)(?:\s[^<>]*)?/?>`)
	// breakingElement ends a line of text.
	breakingElement = regexp.MustCompile(`(?i)<br\s*/?>|</?(?:p|div|ul|ol|li|h[1-6]|table|tr|blockquote|pre|section|article|hr)(?:\s[^<>]*)?/?>`)
	// entity finds a character reference that ends as it should. "R&D" and "?a=1&copy=2" hold none.
	entity = regexp.MustCompile(`&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});`)
	// manyBreaks is more room than a paragraph needs.
	manyBreaks = regexp.MustCompile(`[ \t]*\n(?:[ \t]*\n)+`)
)

// maxPlainPasses bounds how often plainText looks again: text that was escaped more often is nobody's description.
const maxPlainPasses = 8

// plainText takes markup and character references out of a text. It repeats until nothing is left to take, so that reading a text
// and writing it back changes nothing.
func plainText(s string) string {
	for range maxPlainPasses {
		was := s
		if s = plainOnce(s); s == was {
			break
		}
	}
	return s
}

func plainOnce(s string) string {
	if !strings.ContainsAny(s, "<&") { // nearly all
		return s
	}
	if knownElement.MatchString(s) {
		s = stripElements(s)
	}
	return entity.ReplaceAllStringFunc(s, decodeEntity)
}

func stripElements(s string) string {
	s = breakingElement.ReplaceAllStringFunc(s, func(tag string) string { return "\n" + tag })
	s = html.UnescapeString(plainPolicy().Sanitize(s))
	return strings.TrimSpace(manyBreaks.ReplaceAllString(s, "\n\n"))
}

func decodeEntity(e string) string {
	r := html.UnescapeString(e)
	if r == "\u00a0" {
		return " " // a blank that only lays out
	}
	return r
}
