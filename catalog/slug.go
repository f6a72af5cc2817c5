package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Slug makes a slug by CONTRACT: NFKC, lower case, "+" → "plus", "#" → "sharp", a leading "." → "dot-", any other run that is
// no letter or digit → "-" (trimmed at both ends); Han stays.
func Slug(label string) string {
	label = strings.ToValidUTF8(label, "\ufffd") // beside a broken byte, norm leaves letters as they are
	s := strings.TrimSpace(norm.NFKC.String(label))
	s = norm.NFKC.String(strings.ToLower(s)) // lowering can leave a mark apart from its letter
	var b strings.Builder
	if strings.HasPrefix(s, ".") {
		b.WriteString("dot")
		s = s[1:]
		s = "-" + s
	}
	gap := false
	for _, r := range s {
		if word := slugWord(r); word == "" {
			gap = true
		} else {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteString(word)
		}
	}
	return b.String()
}

// slugWord is what a rune becomes; "" for one that separates.
func slugWord(r rune) string {
	switch {
	case r == '+':
		return "plus"
	case r == '#':
		return "sharp"
	case r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r)):
		return string(r)
	}
	return ""
}

// hashRunes is how much of a slug's SHA-256 tells long slugs with the same beginning apart.
const hashRunes = 10

// idSlug is Slug, cut to the length of an id. A hash of the whole takes the place of what is cut, so that two long labels stay two.
func idSlug(label string) string {
	s := Slug(label)
	if utf8.RuneCountInString(s) <= maxID {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	head := string([]rune(s)[:maxID-hashRunes-1])
	return strings.TrimRight(head, "-") + "-" + hex.EncodeToString(sum[:])[:hashRunes]
}
