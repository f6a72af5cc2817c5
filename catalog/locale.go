package catalog

import (
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// maxTag bounds a language tag before it is parsed, in bytes: the longest of use are about 20.
const maxTag = 64

// CanonicalLocale returns the canonical form of a language tag (zh, zh-CN, cmn → zh-Hans; zh-TW → zh-Hant), or false when it is none.
// Extensions are dropped; a region stays, as in pt-BR.
func CanonicalLocale(tag string) (Locale, bool) {
	if l := Locale(tag); l == English || l == French || l == Chinese { // nearly all
		return l, true
	}
	tag = strings.ReplaceAll(strings.TrimSpace(tag), "_", "-")
	if tag == "" || len(tag) > maxTag {
		return "", false
	}
	t, err := language.Parse(tag)
	if err != nil {
		return "", false
	}
	base, baseOf := t.Base()
	if baseOf != language.Exact && baseOf != language.High || base.String() == "und" {
		return "", false
	}
	if b := base.String(); b == "zh" || b == "cmn" {
		script, _ := t.Script()
		if s := script.String(); s == "Hans" || s == "Hant" {
			return Locale("zh-" + s), true
		}
	}
	rawBase, script, region := t.Raw()
	plain, err := language.Compose(rawBase, script, region, t.Variants())
	if err != nil {
		return "", false
	}
	return Locale(plain.String()), true
}

// pageLocales are the languages of the pages and of what is said to learners, the one that is spoken when nothing else fits first.
var (
	pageLocales = []Locale{English, French, Chinese}
	pageMatcher = language.NewMatcher([]language.Tag{language.English, language.French, language.SimplifiedChinese})
)

// PageLocale returns the language of the pages that speakers of a language understand: of fr-CA French, of zh-TW Chinese, of cy English; false when there is
// none. It is the one in which a request of theirs is answered.
func PageLocale(tag string) (Locale, bool) {
	if l := Locale(tag); slices.Contains(pageLocales, l) {
		return l, true
	}
	t, err := language.Parse(strings.TrimSpace(tag))
	if err != nil || t == language.Und {
		return "", false
	}
	_, i, confidence := pageMatcher.Match(t)
	if confidence < language.Low {
		return "", false
	}
	return pageLocales[i], true
}

// base is a locale's language without script and region; Chinese keeps its script, which is another text.
func (l Locale) base() string {
	if strings.HasPrefix(string(l), "zh-") {
		return string(l)
	}
	b, _, _ := strings.Cut(string(l), "-")
	return b
}

// pick returns the key of m that fits a locale best: itself, else the first one of the same language.
func pick[T any](m map[Locale]T, l Locale) (Locale, bool) {
	if _, ok := m[l]; ok {
		return l, true
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k.base() == l.base() {
			return k, true
		}
	}
	return "", false
}

// LabelIn picks a label: the locale's, else English, else the first by locale, else fallback.
func LabelIn(m map[Locale]string, l Locale, fallback string) (text string, in Locale) {
	for _, want := range []Locale{l, English} {
		if k, ok := pick(m, want); ok && m[k] != "" {
			return m[k], k
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] != "" {
			return m[k], k
		}
	}
	return fallback, ""
}

// AvailabilityAt computes a course's availability from its enrollment dates. It closes at the moment that is named, not after it.
func AvailabilityAt(c Course, now time.Time) Availability {
	switch {
	case c.EnrollmentOpensAt != nil && now.Before(*c.EnrollmentOpensAt):
		return EnrollUpcoming
	case c.EnrollmentClosesAt != nil && !now.Before(*c.EnrollmentClosesAt):
		return EnrollClosed
	}
	return EnrollOpen
}
