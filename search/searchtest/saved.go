package searchtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// tooCommon is how many of the commonest words of each language nobody saves a search for.
	tooCommon = 100
	// savedEach is how many saved searches a learner has.
	savedEach = 10
)

// SavedLog makes up what people save after they found something: words of a title, in one of the languages, seldom the commonest. Of ten searches one has no
// words, one a word with a typing error, one a beginning, one an exclusion, and one words of two courses, which hardly any has together; half have filters.
type SavedLog struct {
	rand   *rand.Rand
	titles map[catalog.Locale][]string
	common map[string]bool
	tags   int
}

// NewSavedLog returns a log for a catalog that [Fill] wrote with these options. The same ones make the same log.
func NewSavedLog(ctx context.Context, c *catalog.Catalog, o Options) (*SavedLog, error) {
	l := &SavedLog{rand: rand.New(rand.NewPCG(1, 1)), titles: map[catalog.Locale][]string{}, common: map[string]bool{}, tags: max(o.Tags, 300)} //nolint:gosec // the same each time
	for course, err := range c.Courses(ctx) {
		if err != nil {
			return nil, err
		}
		for _, locale := range languages {
			text, _ := course.Value.TextIn(locale)
			l.titles[locale] = append(l.titles[locale], text.Title)
		}
	}
	for _, locale := range languages {
		for _, w := range CommonWords(locale, o)[:tooCommon] {
			l.common[w] = true
		}
	}
	return l, nil
}

// Changes returns n saved searches as the log of changes has them.
func (l *SavedLog) Changes(n int) ([]coursesync.Change, error) {
	batch := make([]coursesync.Change, 0, n)
	for i := range n {
		body, err := json.Marshal(catalog.SavedSearch{Name: "saved", Query: l.Query(), Notify: catalog.NotifyInstant})
		if err != nil {
			return nil, err
		}
		key := fmt.Sprintf("learner-%d/%d", i/savedEach, i%savedEach)
		batch = append(batch, coursesync.Change{Kind: catalog.KindSavedSearch, Key: key, Op: coursesync.OpUpsert, Body: body})
	}
	return batch, nil
}

// Query returns the parameters of the next saved search.
func (l *SavedLog) Query() string {
	locale := append([]catalog.Locale{catalog.English}, languages...)[l.rand.IntN(1+len(languages))]
	words := l.words(locale, 1+l.rand.IntN(3))
	if len(words) > 0 {
		words = l.vary(words, locale)
	}
	req := search.Request{Q: strings.Join(words, " ")}
	if words == nil || l.rand.IntN(2) == 0 {
		l.filter(&req)
	}
	values := req.Values()
	values.Set("locale", string(locale))
	return values.Encode()
}

// words takes up to n words out of a title.
func (l *SavedLog) words(locale catalog.Locale, n int) (words []string) {
	title := l.titles[locale][l.rand.IntN(len(l.titles[locale]))]
	for _, w := range strings.FieldsFunc(title, func(r rune) bool { return r == ' ' || r == '.' || r == '，' }) {
		if runes := []rune(w); locale == catalog.Chinese && len(runes) > 3 {
			at := l.rand.IntN(len(runes) - 2)
			w = string(runes[at : at+2])
		}
		if !l.common[w] {
			words = append(words, w)
		}
	}
	l.rand.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return words[:min(n, len(words))]
}

// vary makes of some words what is searched for.
func (l *SavedLog) vary(words []string, locale catalog.Locale) []string {
	last := []rune(words[len(words)-1])
	switch l.rand.IntN(10) {
	case 0:
		return nil
	case 1:
		words[len(words)-1] = string(slices.Insert(last, l.rand.IntN(len(last)), 'x'))
	case 2:
		words[len(words)-1] = string(last[:1+len(last)/2])
	case 3:
		for _, w := range l.words(locale, 1) {
			words = append(words, "-"+w)
		}
	case 4:
		words = append(words, l.words(locale, 1)...)
	}
	return words
}

// filter adds a filter or two.
func (l *SavedLog) filter(req *search.Request) {
	least := []float64{3, 3.5, 4, 4.5}[l.rand.IntN(4)]
	switch l.rand.IntN(6) {
	case 0:
		req.MinRating = &least
	case 1:
		req.Levels = []string{string(catalog.LevelBeginner), string(catalog.LevelAll)}
	case 2:
		req.Languages = []string{string(catalog.English)}
	case 3:
		req.Categories = []string{"category-" + strconv.Itoa(l.rand.IntN(categories))}
	case 4:
		req.Instructors = []string{"person-" + strconv.Itoa(l.rand.IntN(instructors))}
	}
	if l.rand.IntN(3) == 0 || req.MinRating == nil {
		req.Tags = []string{"tag-" + strconv.Itoa(l.rand.IntN(1+l.rand.IntN(l.tags)))}
	}
}
