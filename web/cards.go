package web

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

// card is a course in a list, in the words of the page's language.
type card struct {
	ID        string
	URL       string
	Cover     string
	Title     template.HTML // marked where it matched
	Summary   template.HTML
	Lang      string // of title and summary, when it is not the page's
	Provider  string
	Rating    *rating
	Facts     []fact // level, duration, language
	Tags      []label
	Price     string
	Free      bool
	Notice    string // closed, upcoming, draft, archived
	Progress  *progress
	Enrolled  bool
	Continue  string // where to go on, on "My courses"
	Started   bool   // a lesson of it is done
	Completed bool
}

// fact is a short word about a course with the name of its icon.
type fact struct{ Icon, Text, Name string }

// label is a text with the language that it is in ("" is the page's) and where it leads.
type label struct{ Text, Lang, URL string }

// rating is a number of stars and what it stands on.
type rating struct {
	Value  float64
	Shown  string // with one decimal
	Count  int    // 0: not shown
	Width  int    // of the filled stars, in percent of five
	Spoken string
}

func (v *visit) rating(value *float64, count int) *rating {
	if value == nil {
		return nil
	}
	const full = 100
	shown := v.text.Number(*value, 1)
	r := &rating{Value: *value, Shown: shown, Count: count, Width: min(max(int(math.Round(*value*full/mostStars)), 0), full)}
	r.Spoken = v.text.Text("rating.of_five", map[string]any{"Rating": shown})
	return r
}

// other returns a text's language for a lang attribute: "" when it is the page's own.
func (v *visit) other(in catalog.Locale) string {
	if in == v.locale {
		return ""
	}
	return string(in)
}

// escaped makes a plain text fit for where marked texts stand too.
func escaped(s string) template.HTML {
	return template.HTML(template.HTMLEscapeString(s)) //nolint:gosec // escaped
}

// card makes a card of a course. Marked texts, if any, replace the plain ones: they are escaped but for <mark>.
func (v *visit) card(view *catalog.View, c catalog.Card, marked map[string]string) (card, error) {
	out := card{
		ID: string(c.ID), URL: courseURL(c.ID), Cover: coverURL(c.ID, uint64(c.Version)), Title: escaped(c.Title), Summary: escaped(c.Summary),
		Lang: v.other(c.Locale), Rating: v.rating(c.Rating, c.RatingCount), Facts: v.facts(c), Notice: v.notice(c),
	}
	if m := marked["title"]; m != "" {
		out.Title = template.HTML(m) //nolint:gosec // search escapes highlights but for <mark>
	}
	for _, field := range []string{"description", "summary"} { // the summary wins when both matched
		if m := marked[field]; m != "" {
			out.Summary = template.HTML(m) //nolint:gosec // as above
		}
	}
	if c.Provider != nil {
		out.Provider = *c.Provider
	}
	out.Price, out.Free = v.price(c)
	var err error
	out.Tags, err = v.tags(view, c.Tags)
	return out, err
}

// facts are level, duration and language, as far as they are known.
func (v *visit) facts(c catalog.Card) []fact {
	var list []fact
	add := func(icon, text, name string) {
		list = append(list, fact{icon, text, v.text.Text(name, nil)})
	}
	if c.Level != nil {
		add("level", v.level(*c.Level), "facet.level")
	}
	if c.DurationMinutes != nil {
		add("clock", v.text.Duration(*c.DurationMinutes), "facet.duration")
	}
	add("globe", capital(v.languageName(c.Language)), "facet.language")
	return list
}

func (v *visit) level(l catalog.Level) string { return v.text.Text("level."+string(l), nil) }

// notice says what one should know before opening a course; "" for one that is open.
func (v *visit) notice(c catalog.Card) string {
	switch {
	case c.State != catalog.Published:
		return v.text.Text("state."+string(c.State), nil)
	case c.Availability != catalog.EnrollOpen:
		return v.text.Text("availability."+string(c.Availability), nil)
	}
	return ""
}

func (v *visit) price(c catalog.Card) (text string, free bool) {
	switch {
	case c.Price == nil:
		return "", false
	case *c.Price == 0:
		return v.text.Text("price.free", nil), true
	case c.Currency == nil:
		return v.text.Number(*c.Price, 2), false
	}
	return v.text.Money(*c.Price, *c.Currency), false
}

// maxCardTags is how many tags a card has room for.
const maxCardTags = 4

// tags returns the labels of a course's first tags.
func (v *visit) tags(view *catalog.View, ids []catalog.TagID) ([]label, error) {
	var list []label
	for _, id := range ids[:min(len(ids), maxCardTags)] {
		l, err := v.tagLabel(view, id)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

// tagLabel returns a tag's label; its id when there is no such tag for the visitor.
func (v *visit) tagLabel(view *catalog.View, id catalog.TagID) (label, error) {
	t, err := view.TagFor(v.actor, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return label{}, err
	}
	text, in := catalog.LabelIn(t.Value.Label, v.locale, string(id))
	return v.label(text, in, "tag", string(id)), nil
}

// categoryLabel is like tagLabel.
func (v *visit) categoryLabel(view *catalog.View, id catalog.CategoryID) (label, error) {
	c, err := view.CategoryFor(v.actor, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return label{}, err
	}
	text, in := catalog.LabelIn(c.Value.Label, v.locale, string(id))
	return v.label(text, in, "category", string(id)), nil
}

// label links a text to the search for it. A text in no known language is a name, which needs no lang.
func (v *visit) label(text string, in catalog.Locale, param, value string) label {
	l := label{Text: text, URL: withQuery("/", url.Values{param: {value}})}
	if in != "" {
		l.Lang = v.other(in)
	}
	return l
}

// languageName returns a language's name in the page's language, or the tag when CLDR knows no name.
func (v *visit) languageName(l catalog.Locale) string {
	tag, err := language.Parse(string(l))
	if err != nil {
		return string(l)
	}
	if own, ok := locales.Parse(string(l)); ok && string(own) == string(l) {
		return v.text.Text("language."+string(own), nil)
	}
	name := display.Tags(language.Make(string(v.tag))).Name(tag)
	if name == "" {
		return string(l)
	}
	return name
}

// capital makes a word fit to stand alone: French writes names of languages in lower case, but not at the beginning.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}

// The addresses of the pages.

func courseURL(id catalog.CourseID) string { return "/courses/" + url.PathEscape(string(id)) }

func lessonURL(id catalog.CourseID, lesson string) string {
	return courseURL(id) + "/lessons/" + url.PathEscape(lesson)
}

func coverURL(id catalog.CourseID, version uint64) string {
	return fmt.Sprintf("/covers/%s.svg?v=%s", url.PathEscape(string(id)), strconv.FormatUint(version, 36))
}

func signInURL(back string) string { return withQuery("/sign-in", url.Values{"return": {back}}) }

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
