package search_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// TestNothingHiddenShows is a fuzz of visibility. Random callers ask random things of a catalog in which whatever is hidden from somebody carries
// marks. No answer may hold a mark of what its caller does not see, unless the request held it; and each must be the answer, to the last digit
// of the scores, of a catalog in which what is hidden from the caller never was.
func TestNothingHiddenShows(t *testing.T) {
	w := newWorld(1)
	whole := w.index(t, func(circle) bool { return true })
	twins := map[string]*search.Index{}
	for i := range viewers {
		v := &viewers[i]
		if _, made := twins[v.class()]; !made && !v.all {
			twins[v.class()] = w.index(t, v.sees)
		}
	}
	requests := 1000
	if os.Getenv("CARREL_SOAK") != "" {
		requests = 100_000
	}
	f := &fuzz{world: w, whole: whole, twins: twins}
	for f.asked < requests && f.wrong < 3 {
		f.turn(t)
	}
	t.Logf("%d requests, %d of which found something; %d leaks or differences; staff were shown %d secrets", f.asked, f.found, f.wrong, f.shown)
	if f.found < f.asked/4 || f.shown == 0 {
		t.Error("too little was found to say anything")
	}
}

// fuzz asks.
type fuzz struct {
	*world
	whole *search.Index
	twins map[string]*search.Index
	last  []search.Request

	asked, found, wrong, shown int
}

func (f *fuzz) turn(t *testing.T) {
	t.Helper()
	v := &viewers[f.IntN(len(viewers))]
	switch f.IntN(6) {
	case 0:
		f.suggest(t, v)
	case 1:
		f.batch(t, v)
	default:
		f.search(t, v)
	}
}

// check compares the answers of the whole catalog and of the caller's.
func (f *fuzz) check(t *testing.T, v *viewer, req, got, want any) {
	t.Helper()
	f.asked++
	asked, answer := flat(t, req), flat(t, got)
	for _, c := range circles {
		secrets := marked(c, answer)
		if v.all {
			f.shown += len(secrets)
		}
		if v.sees(c) {
			continue
		}
		for _, secret := range secrets {
			if !strings.Contains(asked, secret) {
				t.Errorf("%s is shown %q\nfor %s\nin %s", v.actor.Subject, secret, asked, answer)
				f.wrong++
				return
			}
		}
	}
	if want == nil || answer == flat(t, want) {
		return
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-6), cmpopts.IgnoreUnexported(search.Found{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s is answered differently than if nothing were hidden, for %s: −without +with\n%s", v.actor.Subject, asked, diff)
		f.wrong++
	}
}

// flat writes a value in small letters, without marks of highlights.
func flat(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.ToLower(strings.NewReplacer("<mark>", "", "</mark>", "").Replace(b.String()))
}

// marked returns the words of a text that are a circle's.
func marked(c circle, text string) (words []string) {
	if c == open {
		return nil
	}
	if strings.Contains(text, c.han) {
		words = append(words, c.han)
	}
	for at := 0; ; {
		i := strings.Index(text[at:], c.mark)
		if i < 0 {
			return words
		}
		from := at + i
		end := strings.IndexFunc(text[from:], func(r rune) bool { return !unicode.IsLetter(r) })
		if end < 0 {
			return append(words, text[from:])
		}
		at = from + end
		words = append(words, text[from:at])
	}
}

func (f *fuzz) search(t *testing.T, v *viewer) {
	t.Helper()
	req := f.request()
	if len(f.last) > 0 && f.chance(30) {
		req = f.last[f.IntN(len(f.last))] // somebody else asks the same
	}
	if f.last = append(f.last, req); len(f.last) > 20 {
		f.last = f.last[1:]
	}
	req.Actor = v.actor
	other := req
	for range 3 {
		got := plainResponse(t, f.whole, req)
		if got.Total > 0 {
			f.found++
		}
		var want *search.Response
		if twin := f.twins[v.class()]; twin != nil {
			want = plainResponse(t, twin, other)
			f.check(t, v, req, got, want)
		} else {
			f.check(t, v, req, got, nil)
		}
		if got.Next == nil || want != nil && want.Next == nil {
			return
		}
		req.Cursor = *got.Next
		if want != nil {
			other.Cursor = *want.Next
		}
	}
}

// plainResponse is a response without what no two have in common. The cursor is there as what it says.
func plainResponse(t *testing.T, x *search.Index, req search.Request) *search.Response {
	t.Helper()
	resp := *find(t, x, req)
	resp.QueryID, resp.TookMS, resp.AsOf, resp.Seq = "", 0, "", 0
	hits := resp.Hits
	resp.Hits = nil
	for _, h := range hits {
		h.Course = plainCard(h.Course)
		resp.Hits = append(resp.Hits, h)
	}
	if resp.Next != nil {
		if b, err := base64.RawURLEncoding.DecodeString(*resp.Next); err == nil {
			resp.AsOf = string(b) // for the marks in it
		}
	}
	return &resp
}

func plainCard(c catalog.Card) catalog.Card {
	c.Version, c.UpdatedAt = 0, time.Time{}
	return c
}

func (f *fuzz) suggest(t *testing.T, v *viewer) {
	t.Helper()
	locale := []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}[f.IntN(3)]
	prefix, limit := f.anyWord(), 1+f.IntN(20)
	got, err := f.whole.Suggest(context.Background(), v.actor, locale, prefix, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) > 0 {
		f.found++
	}
	req := fmt.Sprintf("suggestions for %s in %s", prefix, locale)
	twin := f.twins[v.class()]
	if twin == nil {
		f.check(t, v, req, got, nil)
		return
	}
	want, err := twin.Suggest(context.Background(), v.actor, locale, prefix, limit)
	if err != nil {
		t.Fatal(err)
	}
	f.check(t, v, req, got, want)
}

func (f *fuzz) batch(t *testing.T, v *viewer) {
	t.Helper()
	b := search.Batch{Actor: v.actor, Locale: []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}[f.IntN(3)], Q: f.query()}
	for range 1 + f.IntN(3) {
		a := search.Ask{Facets: search.Attributes(), FacetLimit: 1 + f.IntN(200), Limit: f.IntN(30), Offset: f.IntN(2) * 10, Sort: []string{"", "rating", "title"}[f.IntN(3)]}
		for range f.IntN(3) {
			attributes := []string{"tags", "tag_labels", "category", "provider", "instructors", "instructors.name", "category.lvl0", "category.lvl1"}
			a.Filters = append(a.Filters, search.Clause{{Attribute: attributes[f.IntN(len(attributes))], Op: search.Is, Value: f.value(), Not: f.chance(20)}})
		}
		if f.chance(30) {
			a.FacetPrefix = f.anyWord()
		}
		b.Asks = append(b.Asks, a)
	}
	got := plainBatch(t, f.whole, b)
	if got.Answers[0].Total > 0 {
		f.found++
	}
	if twin := f.twins[v.class()]; twin != nil {
		f.check(t, v, b, got, plainBatch(t, twin, b))
	} else {
		f.check(t, v, b, got, nil)
	}
}

func plainBatch(t *testing.T, x *search.Index, b search.Batch) *search.BatchResponse {
	t.Helper()
	resp, err := x.SearchBatch(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	resp.QueryID, resp.Seq, resp.Took = "", 0, 0
	for _, a := range resp.Answers {
		for i := range a.Hits {
			a.Hits[i].Course = plainCard(a.Hits[i].Course)
		}
	}
	return resp
}

func (f *fuzz) chance(percent int) bool { return f.IntN(100) < percent }

// anyWord is a word of anybody's, often cut short or mistyped, or what it spells.
func (f *fuzz) anyWord() string {
	if f.chance(10) {
		return []string{"shuju", "shuj", "dashuju", "dsj", "shiju", "fenxi", "jqxx", "lishi"}[f.IntN(8)]
	}
	c := circles[f.IntN(len(circles))]
	w := []rune(f.words[c.mark][f.IntN(len(f.words[c.mark]))])
	if f.chance(40) {
		w = []rune(plainWords[f.IntN(len(plainWords))])
	}
	switch at := f.IntN(len(w)); f.IntN(6) {
	case 0:
		w = w[:1+at]
	case 1:
		w[at] = 'o'
	case 2:
		w = append(w[:at:at], append([]rune{'z'}, w[at:]...)...)
	}
	return string(w)
}

func (f *fuzz) query() string {
	var parts []string
	for range f.IntN(3) * (1 + f.IntN(2)) {
		parts = append(parts, f.anyWord())
	}
	if len(parts) == 0 && f.chance(50) {
		return f.pins[f.IntN(len(f.pins))].Query
	}
	extra := []string{
		"-" + f.anyWord(), `"` + f.anyWord() + " " + f.anyWord() + `"`, fmt.Sprintf("tag:%q", f.value()), fmt.Sprintf("instructor:%q", f.value()),
		fmt.Sprintf("-category:%q", f.value()), fmt.Sprintf("provider:%q", f.value()), "rating:>=3.5", `-"` + f.text(circles[f.IntN(len(circles))], 2) + `"`,
	}
	for _, e := range extra {
		if f.chance(6) {
			parts = append(parts, e)
		}
	}
	return strings.Join(parts, " ")
}

// value names something of anybody's.
func (f *fuzz) value() string {
	locale := []catalog.Locale{catalog.English, catalog.French, catalog.Chinese}[f.IntN(3)]
	switch tag, course := f.tags[f.IntN(len(f.tags))], f.courses[f.IntN(len(f.courses))]; f.IntN(8) {
	case 0:
		return string(tag.ID)
	case 1:
		return tag.Label[locale]
	case 2:
		return course.Provider
	case 3:
		return string(course.Category)
	case 4:
		return f.instructors[f.IntN(len(f.instructors))].Name
	case 5:
		return string(course.Instructors[0])
	case 6:
		category := f.categories[f.IntN(len(f.categories))]
		return category.Label[locale]
	}
	return f.anyWord()
}

func (f *fuzz) some(percent int) []string {
	if !f.chance(percent) {
		return nil
	}
	return []string{f.value(), f.value()}[:1+f.IntN(2)]
}

func (f *fuzz) request() search.Request {
	r := search.Request{
		Locale: []catalog.Locale{"", catalog.English, catalog.French, catalog.Chinese}[f.IntN(4)],
		Q:      f.query(), Facets: []string{"*"}, FacetLimit: 1 + f.IntN(search.MaxFacetLimit), Limit: 1 + f.IntN(20), Explain: f.chance(50),
		Tags: f.some(8), Categories: f.some(8), Providers: f.some(8), Instructors: f.some(8), AllTags: f.some(4),
		Sort: []string{"", "", "relevance", "rating", "-newest", "popular", "title", "-title", "duration"}[f.IntN(9)],
	}
	if f.chance(20) {
		r.States = [][]string{{"*"}, {"draft"}, {"archived", "published"}}[f.IntN(3)]
	}
	if f.chance(20) {
		r.FacetQ = []string{"tags", "category", "provider", "instructors"}[f.IntN(4)] + ":" + f.anyWord()
	}
	if f.chance(10) {
		least := 3.5
		r.MinRating = &least
	}
	return r
}
