package search

import (
	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Response is what a search found, in the shape of CONTRACT.
type Response struct {
	Total     int                     `json:"total"`
	Hits      []Hit                   `json:"hits"`
	Facets    map[string][]FacetValue `json:"facets"`
	Corrected string                  `json:"corrected,omitempty"` // a query that finds clearly more, with the words that were meant
	Relaxed   bool                    `json:"relaxed,omitempty"`   // nothing had all of the words
	QueryID   string                  `json:"query_id"`
	Next      *string                 `json:"next"`  // the cursor of the next page
	AsOf      string                  `json:"as_of"` // the Seq up to which the index had read, in decimal
	TookMS    float64                 `json:"took_ms"`

	Seq coursesync.Seq `json:"-"` // AsOf as a number
}

// Hit is a course found.
type Hit struct {
	ID         catalog.CourseID  `json:"id"`
	Score      float64           `json:"score"`
	Course     catalog.Card      `json:"course"`
	Highlights map[string]string `json:"highlights"` // "title", "summary", "description": HTML, escaped except <mark>; only those with a match
	Explain    *Explanation      `json:"explain,omitempty"`
}

// Explanation says how a score came about: Score is the sum of the factors' values.
type Explanation struct {
	Score   float64  `json:"score"`
	Factors []Factor `json:"factors"`
}

// Factor is a part of a score.
type Factor struct {
	Name  string  `json:"name"`           // "match", "text", "rating" …, see ranking.go
	Word  string  `json:"word,omitempty"` // of "match" and "text": the word of the query
	Tier  string  `json:"tier,omitempty"` // of "match" and "text": exact, stem, synonym, prefix, pinyin, typo, typo2, partial
	Value float64 `json:"value"`
}

// FacetValue is a value of a facet, with how many courses have it.
type FacetValue struct {
	Value    string `json:"value"`
	Label    string `json:"label,omitempty"` // tags, categories and instructors: in the caller's language
	Count    int    `json:"count"`
	Selected bool   `json:"selected"`
}

// SuggestionKind says what a suggestion names.
type SuggestionKind string

// The kinds of suggestions.
const (
	SuggestQuery      SuggestionKind = "query"
	SuggestCourse     SuggestionKind = "course"
	SuggestTag        SuggestionKind = "tag"
	SuggestInstructor SuggestionKind = "instructor"
)

// Suggestion completes what was typed.
type Suggestion struct {
	Text string         `json:"text"`
	Kind SuggestionKind `json:"kind"`
	ID   string         `json:"id,omitempty"`
}
