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
	"github.com/carrel-lms/carrel/locales"
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

type chapter struct {
	Title, Lang string
	Lessons     []lessonItem
	Duration    string
	DoneText    string
}

type lessonItem struct {
	Title, Lang string
	URL         string // "" when the visitor may not read it
	Duration    string
	Done        bool
	Current     bool
	ID          string
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

// progress is how far a learner is in a course.
type progress struct {
	Done, Total, Percent int
	Text                 string
}

func (v *visit) progress(done, total int) *progress {
	if total == 0 {
		return nil
	}
	return &progress{done, total, done * 100 / total, v.text.Plural("progress.lessons", total, map[string]any{"Done": v.text.Number(float64(done), 0)})}
}

// mine is what a learner has of a course.
type mine struct {
	enrollment catalog.EnrollmentState // "" or withdrawn: none
	lessons    map[string]catalog.Progress
	review     *catalog.Review
	bookmarked bool
}

func (m mine) studies() bool {
	return m.enrollment == catalog.Active || m.enrollment == catalog.Completed
}

func readMine(view *catalog.View, who catalog.LearnerID, id catalog.CourseID) (m mine, err error) {
	if who == "" {
		return m, nil
	}
	e, ok, err := view.MyEnrollment(who, id)
	if err != nil {
		return m, err
	}
	if ok && e.Value.State != catalog.Withdrawn {
		m.enrollment = e.Value.State
	}
	if m.lessons, err = view.MyProgressIn(who, id); err != nil {
		return m, err
	}
	if _, m.bookmarked, err = view.MyBookmark(who, id); err != nil {
		return m, err
	}
	review, ok, err := view.MyReview(who, id)
	if ok {
		m.review = &review.Value
	}
	return m, err
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
		if doc, err = view.Document(s, v.locale); err != nil {
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
	body.Action = v.action(doc, outline, my, body.Open)
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
func (v *visit) action(doc catalog.Document, outline catalog.Content, my mine, open bool) action {
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

// nextLesson is the first lesson that is not done, else the first.
func nextLesson(c catalog.Content, done map[string]catalog.Progress) string {
	for _, l := range c.Lessons {
		if !done[l.ID].Completed {
			return l.ID
		}
	}
	return c.Lessons[0].ID
}

func doneLessons(c catalog.Content, done map[string]catalog.Progress) int {
	n := 0
	for _, l := range c.Lessons {
		if done[l.ID].Completed {
			n++
		}
	}
	return n
}

// outline lists the chapters with their lessons.
func (v *visit) outline(id catalog.CourseID, source catalog.Locale, c catalog.Content, done map[string]catalog.Progress, open bool, current string) []chapter {
	var list []chapter
	for _, m := range c.Modules {
		title, lang := v.titled(m.Title, source, m.ID)
		ch := chapter{Title: title, Lang: lang}
		minutes, finished := 0, 0
		for _, l := range c.Lessons {
			if l.Module != m.ID {
				continue
			}
			item := lessonItem{ID: l.ID, Done: done[l.ID].Completed, Current: l.ID == current}
			item.Title, item.Lang = v.titled(l.Title, source, l.ID)
			if open {
				item.URL = lessonURL(id, l.ID)
			}
			if l.DurationMinutes > 0 {
				item.Duration = v.text.Duration(l.DurationMinutes)
			}
			if item.Done {
				finished++
			}
			minutes += l.DurationMinutes
			ch.Lessons = append(ch.Lessons, item)
		}
		if minutes > 0 {
			ch.Duration = v.text.Duration(minutes)
		}
		if pr := v.progress(finished, len(ch.Lessons)); pr != nil && finished > 0 {
			ch.DoneText = pr.Text
		}
		list = append(list, ch)
	}
	return list
}

// titled picks a text of a module or lesson: the page's language, else the course's own, else any.
func (v *visit) titled(m map[catalog.Locale]string, source catalog.Locale, otherwise string) (text, lang string) {
	wanted := v.locale
	if m[v.locale] == "" && m[source] != "" {
		wanted = source
	}
	s, in := catalog.LabelIn(m, wanted, otherwise)
	if in == "" {
		return s, ""
	}
	return s, v.other(in)
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

// courseLD describes a course to search engines (schema.org).
func (p *pages) courseLD(r *http.Request, doc catalog.Document) map[string]any {
	ld := map[string]any{
		"@context": "https://schema.org", "@type": "Course", "name": doc.Title, "inLanguage": doc.Locale, "url": p.base(r) + courseURL(doc.ID),
		"image": p.base(r) + coverURL(doc.ID, uint64(doc.Version)),
	}
	about := doc.Summary
	if about == "" {
		about = firstWords(doc.Description)
	}
	ld["description"] = about
	if doc.Provider != nil {
		ld["provider"] = map[string]any{"@type": "Organization", "name": *doc.Provider}
	}
	if doc.Level != nil {
		ld["educationalLevel"] = p.cfg.Texts.Printer(locales.English).Text("level."+string(*doc.Level), nil)
	}
	if doc.Rating != nil && doc.RatingCount > 0 {
		ld["aggregateRating"] = map[string]any{"@type": "AggregateRating", "ratingValue": *doc.Rating, "ratingCount": doc.RatingCount, "bestRating": 5, "worstRating": 1}
	}
	if doc.Price != nil && (doc.Currency != nil || *doc.Price == 0) {
		currency := value(doc.Currency)
		if currency == "" {
			currency = "EUR"
		}
		ld["offers"] = map[string]any{"@type": "Offer", "category": paidOrFree(*doc.Price), "price": *doc.Price, "priceCurrency": currency}
	}
	return ld
}

func paidOrFree(price float64) string {
	if price == 0 {
		return "Free"
	}
	return "Paid"
}
