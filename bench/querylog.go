package main

import (
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
)

// languages are those of the catalog and of the people who search it.
var languages = []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}

// From so many letters on, a word of the log may have one typing error, or two.
const (
	oneTypoFrom  = 4
	twoTyposFrom = 8
)

// queryLog makes up what people ask: words by Zipf's law over the catalog's own vocabulary, so that most queries have common words, but few are the
// same. The same seed asks the same.
type queryLog struct {
	rand  *rand.Rand
	zipf  *rand.Zipf
	words map[catalog.Locale][]string
	tags  int
}

func newQueryLog(seed uint64, o searchtest.Options) *queryLog {
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // the same seed must ask the same
	l := &queryLog{rand: r, words: map[catalog.Locale][]string{}, tags: 300}
	for _, locale := range languages {
		l.words[locale] = searchtest.CommonWords(locale, o)
	}
	l.zipf = rand.NewZipf(r, 1.1, 4, uint64(len(l.words[catalog.English])-1)) //nolint:gosec // not negative
	return l
}

// mixed is a search of the mixed log: six facets, one of three languages, one to three words or none; of four with words one is still being typed
// and one has typing errors; two of three are filtered.
func (l *queryLog) mixed() search.Request {
	req := search.Request{Locale: languages[l.rand.IntN(len(languages))], Facets: facets}
	if l.rand.IntN(10) > 0 {
		words := l.pick(req.Locale, 1+l.rand.IntN(3))
		switch l.rand.IntN(4) {
		case 0:
			words[len(words)-1] = l.begun(words[len(words)-1])
		case 1:
			at := l.rand.IntN(len(words))
			words[at] = l.mistyped(words[at])
		}
		req.Q = strings.Join(words, " ")
	}
	l.filter(&req)
	return req
}

// different makes n mixed searches that are neither among some others nor alike.
func (l *queryLog) different(n int, others []string) []string {
	seen := map[string]bool{}
	for _, p := range others {
		seen[p] = true
	}
	return list(n, func() string {
		for {
			if p := path(l.mixed()); !seen[p] {
				seen[p] = true
				return p
			}
		}
	})
}

func (l *queryLog) pick(locale catalog.Locale, n int) []string {
	words := make([]string, n)
	for i := range words {
		words[i] = l.words[locale][l.zipf.Uint64()]
	}
	return words
}

// filter adds filters: none to a third, else one or more.
func (l *queryLog) filter(req *search.Request) {
	if l.rand.IntN(3) == 0 {
		return
	}
	if l.rand.IntN(3) == 0 {
		req.Tags = append(req.Tags, l.tag())
		if l.rand.IntN(3) == 0 {
			req.Tags = append(req.Tags, l.tag())
		}
	}
	if l.rand.IntN(3) == 0 {
		req.Levels = []string{[]string{"beginner", "intermediate", "advanced"}[l.rand.IntN(3)], "all"}
	}
	if l.rand.IntN(4) == 0 {
		req.Languages = []string{"en", "fr"}[:1+l.rand.IntN(2)]
	}
	if l.rand.IntN(3) == 0 {
		least := []float64{3, 3.5, 4, 4.5}[l.rand.IntN(4)]
		req.MinRating = &least
	}
}

func (l *queryLog) tag() string {
	return "tag-" + itoa(l.rand.IntN(1+l.rand.IntN(l.tags)))
}

// begun is a word of which the end was not typed yet.
func (l *queryLog) begun(word string) string {
	runes := []rune(word)
	if len(runes) < 3 {
		return word
	}
	return string(runes[:2+l.rand.IntN(len(runes)-2)])
}

// mistyped is a word with an error, a long one with two at times. The first letter, which people rarely get wrong, stays.
func (l *queryLog) mistyped(word string) string {
	runes := []rune(word)
	if len(runes) < oneTypoFrom {
		return word
	}
	errors := 1
	if len(runes) >= twoTyposFrom {
		errors += l.rand.IntN(2)
	}
	for range errors {
		at := 1 + l.rand.IntN(len(runes)-2)
		letter := 'a' + l.rand.Int32N(26)
		switch l.rand.IntN(4) {
		case 0:
			runes[at] = letter
		case 1:
			runes[at], runes[at+1] = runes[at+1], runes[at]
		case 2:
			runes = append(runes[:at], runes[at+1:]...)
		case 3:
			runes = append(runes[:at], append([]rune{letter}, runes[at:]...)...)
		}
	}
	return string(runes)
}

// typing is what a search box asks while one word after another is typed: a prefix for each key from the second on.
func (l *queryLog) typing(n int) (prefixes []search.Request) {
	for len(prefixes) < n {
		locale := languages[l.rand.IntN(len(languages))]
		text := []rune(strings.Join(l.pick(locale, 1+l.rand.IntN(2)), " "))
		for i := min(2, len(text)); i <= len(text); i++ {
			if text[i-1] != ' ' {
				prefixes = append(prefixes, search.Request{Locale: locale, Q: string(text[:i])})
			}
		}
	}
	return prefixes[:n]
}

// path is a search as HTTP asks it.
func path(req search.Request) string {
	v := req.Values()
	v.Set("locale", string(req.Locale))
	return "/v2/search?" + v.Encode()
}

func suggestPath(req search.Request) string {
	return "/v2/suggest?" + url.Values{"q": {req.Q}, "locale": {string(req.Locale)}}.Encode()
}

// list makes n of something.
func list[T any](n int, one func() T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = one()
	}
	return all
}

// repeats counts those that an earlier one equals.
func repeats(paths []string) (n int) {
	seen := make(map[string]bool, len(paths))
	for _, p := range paths {
		if seen[p] {
			n++
		}
		seen[p] = true
	}
	return n
}
