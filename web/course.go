package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

const (
	reviewsShown = 8  // a page of reviews
	similarShown = 4  // a row of cards
	maxRelated   = 50 // prerequisites looked up; a course has a handful
)

// coursePage is what course.html shows.
type coursePageBody struct {
	card
	Description   []string
	Category      *label
	AllTags       []label
	Language      string
	Translations  string
	LevelText     string
	Duration      string
	Certificate   bool
	Enrolled      string // how many, in words
	Starts, Ends  string
	Prerequisites []label
	Instructors   []instructor
	Action        action
	ProviderURL   string
	Bookmarked    bool
	SignedIn      bool
	MayReview     bool
	Review        *myReview
	Stars         []starChoice
	Rates         []instructorRate
	Outline       []chapter
	Lessons       int
	LessonsText   string
	Open          bool // the visitor may read the lessons
	Bars          []bar
	BarsText      string
	Reviews       []reviewItem
	MoreReviews   string
	Similar       []card
	Return        string
}

// action is the one thing to do on a course's page.
type action struct {
	Kind string // enroll, continue, again, sign-in, wait, closed, archived, none
	Text string
	URL  string
	Note string
}

type instructor struct {
	ID, Name string
	Bio      string
	BioLang  string
	Rating   *rating
	URL      string // courses by this person
}

// bar is a line of the distribution of ratings.
type bar struct {
	Stars   int
	Count   int
	Percent int
	Text    string
}

type reviewItem struct {
	ID, By, Text string
	Rating       *rating
	When         string
	At           string // for <time>
	Hidden       bool
}

type myReview struct {
	Rating int
	Text   string
}

// starChoice is one of five radio buttons.
type starChoice struct {
	Value   int
	Text    string
	Checked bool
}

// instructorRate asks for a rating of one instructor.
type instructorRate struct {
	ID, Name string
	Stars    []starChoice
}

func (p *pages) coursePage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	id := catalog.CourseID(r.PathValue("id"))
	var doc catalog.Document
	var body coursePageBody
	err := p.cfg.Catalog.View(r.Context(), func(view *catalog.View) error {
		s, err := view.CourseFor(v.actor, id)
		if err != nil {
			return err
		}
		if doc, err = view.Document(v.actor, s, v.locale); err != nil {
			return err
		}
		body, err = v.course(view, doc)
		return err
	})
	if err != nil {
		return err
	}
	body.Return = courseURL(doc.ID)
	if err := p.addReviews(r, v, doc, &body); err != nil {
		return err
	}
	body.Similar = p.similar(r.Context(), v, doc)
	about := doc.Summary
	if about == "" {
		about = firstWords(doc.Description)
	}
	return p.render(w, r, http.StatusOK, viewCourse, layout{
		Title: doc.Title, About: about, Address: p.base(r) + courseURL(doc.ID), Kind: "article", LD: p.courseLD(r, doc),
		Unlisted: doc.State != catalog.Published || doc.Org != nil, Body: body,
	})
}

// maxAbout is the length of a description for previews, in characters: what search engines show.
const maxAbout = 160

func firstWords(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) <= maxAbout {
		return text
	}
	return strings.TrimSpace(string(runes[:maxAbout-1])) + "…"
}

// course makes the body of a course's page, without what needs other reads.
func (v *visit) course(view *catalog.View, doc catalog.Document) (coursePageBody, error) {
	c, err := v.card(view, doc.Card, nil)
	if err != nil {
		return coursePageBody{}, err
	}
	body := coursePageBody{
		card: c, Description: paragraphs(doc.Description), Language: capital(v.languageName(doc.Language)), Certificate: doc.Certificate,
		SignedIn: !v.actor.Anonymous(), ProviderURL: value(doc.URL),
	}
	v.courseFacts(doc, &body)
	if err := v.courseLinks(view, doc, &body); err != nil {
		return body, err
	}
	my, err := readMine(view, v.actor.Subject, doc.ID)
	if err != nil {
		return body, err
	}
	outline, err := view.Outline(v.actor, doc.ID)
	if err != nil {
		return body, err
	}
	body.Open = doc.ContentPublic || my.studies() || v.actor.SeesDrafts(catalog.OrgOf(string(doc.ID)))
	body.Outline = v.outline(doc.ID, doc.Language, outline, my.lessons, body.Open, "")
	body.Lessons = len(outline.Lessons)
	body.LessonsText = v.text.Plural("page.course.lessons", body.Lessons, nil)
	body.Bookmarked = my.bookmarked
	body.MayReview = my.studies() && doc.State != catalog.Draft
	if my.studies() {
		body.Progress = v.progress(doneLessons(outline, my.lessons), len(outline.Lessons))
	}
	body.Action = v.action(doc, outline, my)
	v.reviewForm(doc, my, &body)
	return body, v.histogram(view, doc.ID, &body)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (v *visit) courseFacts(doc catalog.Document, body *coursePageBody) {
	var names []string
	for l := range doc.Translations {
		names = append(names, v.languageName(l))
	}
	slices.Sort(names)
	body.Translations = strings.Join(names, v.text.Text("page.comma", nil))
	if doc.Level != nil {
		body.LevelText = v.level(*doc.Level)
	}
	if doc.DurationMinutes != nil {
		body.Duration = v.text.Duration(*doc.DurationMinutes)
	}
	if doc.EnrollmentCount > 0 {
		body.Enrolled = v.text.Plural("page.course.enrolled_count", doc.EnrollmentCount, nil)
	}
	body.Starts, body.Ends = v.date(doc.StartsAt), v.date(doc.EndsAt)
}

func (v *visit) date(t *time.Time) string {
	if t == nil {
		return ""
	}
	return v.text.Date(*t)
}

// courseLinks adds category, tags, prerequisites and instructors.
func (v *visit) courseLinks(view *catalog.View, doc catalog.Document, body *coursePageBody) error {
	if doc.Category != nil {
		l, err := v.categoryLabel(view, *doc.Category)
		if err != nil {
			return err
		}
		body.Category = &l
	}
	for _, id := range doc.Tags {
		l, err := v.tagLabel(view, id)
		if err != nil {
			return err
		}
		body.AllTags = append(body.AllTags, l)
	}
	for _, id := range doc.Prerequisites[:min(len(doc.Prerequisites), maxRelated)] {
		s, err := view.CourseFor(v.actor, id)
		if fault.Is(err, fault.NotFound) {
			continue // invisible is not there
		}
		if err != nil {
			return err
		}
		text, in := s.Value.TextIn(v.locale)
		body.Prerequisites = append(body.Prerequisites, label{Text: text.Title, Lang: v.other(in), URL: courseURL(id)})
	}
	for _, who := range doc.Instructors {
		one, err := v.instructor(view, who)
		if err != nil {
			return err
		}
		body.Instructors = append(body.Instructors, one)
	}
	return nil
}

func (v *visit) instructor(view *catalog.View, who catalog.CardInstructor) (instructor, error) {
	out := instructor{ID: string(who.ID), Name: who.Name, URL: withQuery("/", url.Values{"instructor": {string(who.ID)}})}
	s, ok, err := view.Instructor(who.ID)
	if err != nil || !ok {
		return out, err
	}
	bio, in := catalog.LabelIn(s.Value.Bio, v.locale, "")
	out.Bio = bio
	if in != "" {
		out.BioLang = v.other(in)
	}
	stats, _, err := view.InstructorStats(who.ID)
	out.Rating = v.rating(stats.Rating, stats.Total.N)
	return out, err
}

// action decides on the one clear thing to do.
func (v *visit) action(doc catalog.Document, outline catalog.Content, my mine) action {
	word := func(kind string) action { return action{Kind: kind, Text: v.text.Text("action."+kind, nil)} }
	dated := func(kind string, t *time.Time) action {
		return action{Kind: kind, Text: v.text.Text("action."+kind, map[string]any{"Date": v.date(t)})}
	}
	switch {
	case my.studies() && len(outline.Lessons) == 0:
		return word("enrolled")
	case my.enrollment == catalog.Completed:
		a := word("again")
		a.URL = lessonURL(doc.ID, outline.Lessons[0].ID)
		return a
	case my.studies():
		a := word("continue")
		a.URL = lessonURL(doc.ID, nextLesson(outline, my.lessons))
		if doneLessons(outline, my.lessons) == 0 {
			a.Text = v.text.Text("action.begin", nil)
		}
		return a
	case doc.State == catalog.Archived:
		return word("archived")
	case doc.State == catalog.Draft:
		return word("draft")
	case doc.Availability == catalog.EnrollUpcoming:
		return dated("upcoming", doc.EnrollmentOpensAt)
	case doc.Availability == catalog.EnrollClosed:
		return dated("closed", doc.EnrollmentClosesAt)
	case v.actor.Anonymous():
		a := word("sign-in")
		a.URL = signInURL(courseURL(doc.ID))
		return a
	}
	return word("enroll")
}

// similar finds courses that share tags, the best rated first. It is an extra: a page without it is a page.
func (p *pages) similar(ctx context.Context, v *visit, doc catalog.Document) []card {
	req := search.Request{Actor: v.actor, Locale: v.locale, Limit: similarShown + 1}
	switch {
	case len(doc.Tags) > 0:
		for _, t := range doc.Tags {
			req.Tags = append(req.Tags, string(t))
		}
	case doc.Category != nil:
		req.Categories = []string{string(*doc.Category)}
	default:
		return nil
	}
	found, err := p.search(ctx, req)
	if err != nil {
		return nil
	}
	var list []card
	err = p.cfg.Catalog.View(ctx, func(view *catalog.View) error {
		for _, hit := range found.Hits {
			if hit.ID == doc.ID || len(list) == similarShown {
				continue
			}
			c, err := v.card(view, hit.Course, nil)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return list
}
