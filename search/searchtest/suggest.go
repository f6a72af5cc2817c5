package searchtest

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
)

// offer is something to suggest.
type offer struct {
	search.Suggestion
	whole  bool // it begins with the prefix itself
	weight int
}

// Suggest completes a prefix in a locale with tags, instructors and titles, by walking all courses and all of their words. When it finds nothing, what
// should be suggested is what a search finds, which it does not tell.
func (o *BatchOracle) Suggest(actor catalog.Actor, locale catalog.Locale, prefix string, limit int) []search.Suggestion {
	want := analysis.Fold(prefix)
	if want == "" {
		return nil
	}
	kinds := map[search.SuggestionKind]map[string]*offer{search.SuggestTag: {}, search.SuggestInstructor: {}, search.SuggestCourse: {}}
	add := func(kind search.SuggestionKind, id, text string, weight int) {
		if known := kinds[kind][id]; known != nil {
			known.weight += weight
			return
		}
		whole, word := begins(analysis.Fold(text), want)
		if actor.Sees(catalog.OrgOf(id)) && (word || kind != search.SuggestCourse && soundsLike(text, want)) {
			kinds[kind][id] = &offer{search.Suggestion{Text: text, Kind: kind, ID: id}, whole, weight}
		}
	}
	for _, d := range o.docs {
		if !sees(search.Request{Actor: actor}, d.course) {
			continue
		}
		card := d.cards[locale]
		add(search.SuggestCourse, string(card.ID), card.Title, card.EnrollmentCount)
		for _, id := range d.course.Tags {
			label, _ := catalog.LabelIn(o.tags[id].Label, locale, string(id))
			add(search.SuggestTag, string(id), label, 1)
		}
		for _, who := range card.Instructors {
			add(search.SuggestInstructor, string(who.ID), who.Name, 1)
		}
	}
	return share(limit, best(kinds[search.SuggestTag], limit), best(kinds[search.SuggestInstructor], limit), best(kinds[search.SuggestCourse], limit))
}

// begins reports whether a folded text begins so, and whether it does or a word in it: each character of three bytes or more is a word.
func begins(text, want string) (whole, word bool) {
	for rest := text; rest != ""; {
		first, size := utf8.DecodeRuneInString(rest)
		starts := len(rest) == len(text) || strings.HasSuffix(text[:len(text)-len(rest)], " ") || utf8.RuneLen(first) >= 3
		if starts && strings.HasPrefix(rest, want) {
			return len(rest) == len(text), true
		}
		rest = rest[size:]
	}
	return false, false
}

// soundsLike reports whether characters in a label are spelled as three letters or more begin.
func soundsLike(label, want string) bool {
	letters := strings.ReplaceAll(want, " ", "")
	if len(letters) < 3 || strings.Trim(letters, "abcdefghijklmnopqrstuvwxyz") != "" {
		return false
	}
	for i := range label {
		left := []string{letters}
		for _, r := range label[i:] {
			var next []string
			for _, l := range left {
				for _, reading := range analysis.Pinyin(r) {
					if strings.HasPrefix(reading, l) {
						return true
					}
					if rest, ok := strings.CutPrefix(l, reading); ok {
						next = append(next, rest)
					}
				}
			}
			left = next
		}
	}
	return false
}

// best orders what is offered: the first so many, each text once.
func best(offers map[string]*offer, limit int) (list []search.Suggestion) {
	var all []*offer
	for _, o := range offers {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *offer) int {
		if a.whole != b.whole {
			return map[bool]int{true: -1, false: 1}[a.whole]
		}
		return cmp.Or(b.weight-a.weight, cmp.Compare(a.Text, b.Text), cmp.Compare(a.ID, b.ID))
	})
	for n, o := range all[:min(len(all), limit)] {
		if n == 0 || o.Text != all[n-1].Text {
			list = append(list, o.Suggestion)
		}
	}
	return list
}

// share gives tags and instructors a quarter of the places each, courses the rest, and then those that are free to whoever has more.
func share(limit int, tags, instructors, courses []search.Suggestion) []search.Suggestion {
	quarter := max(1, limit/4)
	t := min(quarter, len(tags), limit)
	i := min(quarter, len(instructors), limit-t)
	c := min(len(courses), limit-t-i)
	t += min(len(tags)-t, limit-t-i-c)
	i += min(len(instructors)-i, limit-t-i-c)
	return slices.Concat(tags[:t], instructors[:i], courses[:c])
}
