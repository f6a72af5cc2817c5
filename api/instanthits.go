package api

import (
	"html"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// instantHit is a course as InstantSearch's widgets expect it: the card, with a tree beside it that has a leaf for each of its values.
type instantHit struct {
	ObjectID catalog.CourseID `json:"objectID"`
	catalog.Card
	TagLabels    []string       `json:"tag_labels"`    // of tags, in the caller's language
	CategoryPath []string       `json:"category_path"` // labels from the top
	Highlight    map[string]any `json:"_highlightResult"`
	Snippet      map[string]any `json:"_snippetResult"`
}

// leaf is a value with what was found in it.
type leaf struct {
	Value        string   `json:"value"`
	MatchLevel   string   `json:"matchLevel"` // none, partial, full: how many of the query's words
	MatchedWords []string `json:"matchedWords"`
}

// highlightTags stand around what was found. Texts are given as they are, as widgets expect who escape them on their own; but where the tags
// themselves are markup, what they stand in will be taken for HTML, and so it is made HTML.
type highlightTags struct {
	pre, post string
	markup    bool
}

func newHighlightTags(pre, post string) highlightTags {
	return highlightTags{pre, post, strings.ContainsAny(pre+post, "<>&")}
}

func (h highlightTags) render(parts []search.Part) string {
	var b strings.Builder
	for _, part := range parts {
		text := part.Text
		if h.markup {
			text = html.EscapeString(text)
		}
		if part.Found {
			text = h.pre + text + h.post
		}
		b.WriteString(text)
	}
	return b.String()
}

// hitWriter makes the trees of one hit.
type hitWriter struct {
	found *search.Found
	tags  highlightTags
}

func (w hitWriter) leaf(text string, l catalog.Locale, runes int) leaf {
	parts, words := w.found.In(text, l, runes)
	level := "none"
	switch {
	case len(words) == 0:
		words = []string{}
	case len(words) < len(w.found.Words()):
		level = "partial"
	default:
		level = "full"
	}
	return leaf{w.tags.render(parts), level, words}
}

func (w hitWriter) leaves(texts []string, l catalog.Locale) []leaf {
	list := make([]leaf, 0, len(texts))
	for _, text := range texts {
		list = append(list, w.leaf(text, l, 0))
	}
	return list
}

// hit writes a course.
func (q *instantRequest) hit(c *call, found *search.Found, h *search.BatchHit) instantHit {
	w := hitWriter{found, q.tags}
	out := instantHit{
		ObjectID: h.Course.ID, Card: h.Course, TagLabels: h.TagLabels, CategoryPath: h.Categories,
		Highlight: w.tree(&h.Course, c.locale, h),
	}
	out.Snippet = maps.Clone(out.Highlight)
	for name, text := range map[string]string{"title": h.Course.Title, "summary": h.Course.Summary, "description": h.Description} {
		words, asked := q.snippets[name]
		if !asked {
			words, asked = q.snippets["*"]
		}
		if asked {
			out.Snippet[name] = w.leaf(text, h.Course.Locale, snippetRunes(text, words))
		}
	}
	return out
}

// snippetRunes is about how long so many words of a text are.
func snippetRunes(text string, words int) int {
	const latin, han = 7, 2
	if len(text) > 2*utf8.RuneCountInString(text) {
		return words * han
	}
	return words * latin
}

// tree has a leaf for each value of a card. Its texts are marked; ids and the like are none that anyone searches for.
func (w hitWriter) tree(card *catalog.Card, l catalog.Locale, h *search.BatchHit) map[string]any {
	plain := func(text string) leaf {
		return leaf{w.tags.render([]search.Part{{Text: text}}), "none", []string{}}
	}
	number := func(f *float64) leaf {
		if f == nil {
			return plain("")
		}
		return plain(strconv.FormatFloat(*f, 'f', -1, 64))
	}
	people := make([]any, 0, len(card.Instructors))
	for _, who := range card.Instructors {
		people = append(people, map[string]any{"id": plain(string(who.ID)), "name": w.leaf(who.Name, "", 0), "rating": number(who.Rating)})
	}
	return map[string]any{
		"id": plain(string(card.ID)), "title": w.leaf(card.Title, card.Locale, 0), "summary": w.leaf(card.Summary, card.Locale, 0),
		"locale": plain(string(card.Locale)), "language": plain(string(card.Language)),
		"tags": w.leaves(textsOf(card.Tags), ""), "tag_labels": w.leaves(h.TagLabels, l),
		"category": plain(textOf(card.Category)), "category_path": w.leaves(h.Categories, l), "level": plain(textOf(card.Level)),
		"instructors": people, "rating": number(card.Rating), "rating_count": plain(strconv.Itoa(card.RatingCount)),
		"instructor_rating": number(card.InstructorRating), "duration_minutes": plain(numberOf(card.DurationMinutes)), "price": number(card.Price),
		"currency": plain(textOf(card.Currency)), "provider": w.leaf(textOf(card.Provider), "", 0), "image_url": plain(textOf(card.ImageURL)),
		"url": plain(textOf(card.URL)), "enrollment_count": plain(strconv.Itoa(card.EnrollmentCount)), "availability": plain(string(card.Availability)),
		"org": plain(textOf(card.Org)), "state": plain(string(card.State)), "updated_at": plain(card.UpdatedAt.Format(time.RFC3339)),
		"version": plain(strconv.FormatUint(uint64(card.Version), 10)),
	}
}

func textOf[T ~string](v *T) string {
	if v == nil {
		return ""
	}
	return string(*v)
}

func textsOf[T ~string](list []T) []string {
	texts := make([]string, 0, len(list))
	for _, v := range list {
		texts = append(texts, string(v))
	}
	return texts
}

func numberOf(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// isLowerLevel reports whether an attribute is a level of categories below the first.
func isLowerLevel(name string) bool {
	return strings.HasPrefix(name, "category.lvl") && name != "category.lvl0"
}
