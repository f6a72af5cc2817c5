package insight

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What looks like somebody's own: it is counted, and its text is not kept. The rules are coarse on purpose: that a title with a long number is missing
// from a list is a small loss.
var (
	// address is an e-mail address or the name of an account, also while it is being typed ("ada@exam").
	address = regexp.MustCompile(`[\p{L}\p{N}._%+-]@|(^|\s)@[\p{L}\p{N}]`)
	// link may carry a key or a name.
	link = regexp.MustCompile(`(?i)://|\bwww\.`)
	// digits is a number of a phone, a person, a bank account, with what is written between its digits.
	digits = regexp.MustCompile(`\p{Nd}(?:[\s().,/+-]?\p{Nd}){6,}`)
)

// longToken is the length, in characters, from which a word that mixes letters and digits is taken for a key or password.
const longToken = 16

// keepable reports whether a query's text may be kept.
func keepable(text string) bool {
	if utf8.RuneCountInString(text) > maxText || address.MatchString(text) || link.MatchString(text) || digits.MatchString(text) {
		return false
	}
	for word := range strings.FieldsSeq(text) {
		if utf8.RuneCountInString(word) >= longToken && strings.ContainsFunc(word, unicode.IsDigit) && strings.ContainsFunc(word, unicode.IsLetter) {
			return false
		}
	}
	return true
}

// plain reports whether a query is words and nothing else, so that it can be suggested.
func plain(text string) bool {
	return !strings.ContainsAny(text, `":`) && !strings.HasPrefix(text, "-") && !strings.Contains(text, " -")
}
