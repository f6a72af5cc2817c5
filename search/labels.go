package search

import (
	"sync/atomic"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// labels are what the tags or instructors are called in one locale, by number, ready to be completed. They never change.
type labels struct {
	of     []string // "": nothing to suggest
	pages  []*beginnings
	sounds []uint32 // a bit for each letter that pinyin of one of the characters begins with
}

// newLabels makes the labels of n values.
func newLabels(n int, of func(i int) string) *labels {
	l := &labels{of: make([]string, n), sounds: make([]uint32, n)}
	for from := 0; from < n; from += pageRows {
		var folds [pageRows]string
		for i := from; i < min(from+pageRows, n); i++ {
			l.of[i] = of(i)
			folds[i-from], l.sounds[i] = analysis.Fold(l.of[i]), soundsOf(l.of[i])
		}
		l.pages = append(l.pages, newBeginnings(&folds))
	}
	return l
}

func soundsOf(label string) (sounds uint32) {
	for _, r := range label {
		for _, reading := range analysis.Pinyin(r) {
			sounds |= sound(reading)
		}
	}
	return sounds
}

// sound is the bit of what letters begin with.
func sound(letters string) uint32 { return 1 << (letters[0] - 'a') }

// keptLabels are made when somebody types in their locale. Columns that differ in no label share them.
type keptLabels [locales]atomic.Pointer[labels]

// in returns the labels in a locale of at least n values. Those of a locale that the pages do not speak are not kept.
func (k *keptLabels) in(locale catalog.Locale, n int, of func(i int) string) *labels {
	at := localeIndex(locale)
	if l := k[at].Load(); l != nil && len(l.of) >= n && localeNames[at] == locale {
		return l
	}
	l := newLabels(n, of)
	if localeNames[at] == locale {
		k[at].Store(l)
	}
	return l
}

// labelsOfTags are the labels of all tags in the caller's locale, also of those that the caller may not know.
func (p *plan) labelsOfTags() *labels {
	ids := p.x.dicts.tags.list()
	return p.cols.tagged.in(p.locale, len(ids), func(i int) string {
		return p.cols.tagLabel(ref(i), ids[i], p.locale) //nolint:gosec // an index
	})
}

// labelsOfInstructors are the names of all instructors, which are the same in all locales.
func (p *plan) labelsOfInstructors() *labels {
	return p.cols.taught.in(catalog.AnyLocale, len(p.x.dicts.instructors.list()), func(i int) string {
		if info := at(p.cols.instructors, ref(i)); info != nil { //nolint:gosec // an index
			return info.name
		}
		return ""
	})
}
