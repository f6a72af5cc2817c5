package search

import (
	"slices"
	"strings"

	forms "golang.org/x/text/unicode/norm"

	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// Asked returns a query as statistics know it: its text in a form to show, and the key that all its spellings share. Case, accents and
// punctuation make no difference, as they make none to what is found; signs that mean something ("exact", -without, tag:x) do. Both are "" when it
// has no words, or is no query.
func Asked(q string) (text, key string) {
	parsed, err := query.Parse(q)
	if err != nil || parsed.Empty() {
		return "", ""
	}
	for i, c := range parsed.Clauses {
		if c.Kind == query.KindWord {
			parsed.Clauses[i].Text = trimmed(c.Text)
		}
	}
	text = strings.ToLower(forms.NFKC.String(parsed.String()))
	simple := !slices.ContainsFunc(parsed.Clauses, func(c query.Clause) bool { return c.Kind != query.KindWord || c.Not })
	if key = text; simple {
		key = analysis.Fold(parsed.Text())
	}
	if key == "" {
		return "", ""
	}
	return text, key
}

// trimmed takes the signs from around a word: what others are shown of a query must not be what one of those who asked put beside the words.
func trimmed(word string) string {
	words := analysis.Words(word)
	if len(words) == 0 {
		return word
	}
	return word[words[0].Start:words[len(words)-1].End]
}

// Filtered reports whether anything but the words of q decides what is found.
func (r *Request) Filtered() bool {
	for _, l := range r.lists() {
		if len(*l.at) > 0 {
			return true
		}
	}
	return len(r.AllTags) > 0 || r.MinRating != nil || r.MinInstructorRating != nil || r.MinDuration != nil || r.MaxDuration != nil || r.Free
}
