package web

import (
	"html/template"
	"net/http"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// lessonBody is what lesson.html shows.
type lessonBody struct {
	Course      label
	Chapter     label
	Title, Lang string
	Body        template.HTML
	BodyLang    string
	Duration    string
	Place       string // "Lesson 3 of 9"
	Done        bool
	MayMark     bool
	MarkURL     string
	Next, Prev  *label
	Outline     []chapter
	Progress    *progress
	Assets      []assetLink
	Enroll      string // address of the course, for readers who could enroll
}

type assetLink struct{ Name, URL, Size string }

func (p *pages) lessonPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	id, lesson := catalog.CourseID(r.PathValue("id")), r.PathValue("lesson")
	var body lessonBody
	err := p.cfg.Catalog.View(r.Context(), func(view *catalog.View) error {
		s, err := view.CourseFor(v.actor, id)
		if err != nil {
			return err
		}
		content, err := view.Content(v.actor, id)
		if err != nil {
			if v.actor.Anonymous() && fault.Is(err, fault.NotEnrolled) {
				return fault.New("web.lesson", fault.Unauthorized)
			}
			return err
		}
		my, err := readMine(view, v.actor.Subject, id)
		if err != nil {
			return err
		}
		body, err = v.lesson(s.Value, content, my, lesson)
		return err
	})
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, viewLesson, layout{Title: body.Title + " · " + body.Course.Text, Unlisted: true, Body: body})
}

// lesson makes the body of a lesson's page.
func (v *visit) lesson(c catalog.Course, content catalog.Content, my mine, id string) (lessonBody, error) {
	i := slices.IndexFunc(content.Lessons, func(l catalog.Lesson) bool { return l.ID == id })
	if i < 0 {
		return lessonBody{}, fault.New("web.lesson", fault.NotFound)
	}
	l := content.Lessons[i]
	text, in := c.TextIn(v.locale)
	body := lessonBody{
		Course: label{Text: text.Title, Lang: v.other(in), URL: courseURL(c.ID)}, Done: my.lessons[id].Completed, MayMark: my.studies(),
		MarkURL: lessonURL(c.ID, id) + "/done", Outline: v.outline(c.ID, c.Language, content, my.lessons, true, id),
		Place: v.text.Text("page.lesson.place", map[string]any{"Number": v.text.Number(float64(i+1), 0), "Total": v.text.Number(float64(len(content.Lessons)), 0)}),
	}
	body.Title, body.Lang = v.titled(l.Title, c.Language, l.ID)
	html, lang := v.titled(l.Body, c.Language, "")
	body.Body, body.BodyLang = template.HTML(html), lang //nolint:gosec // the catalog sanitizes bodies when they are written
	if l.DurationMinutes > 0 {
		body.Duration = v.text.Duration(l.DurationMinutes)
	}
	for _, m := range content.Modules {
		if m.ID == l.Module {
			body.Chapter.Text, body.Chapter.Lang = v.titled(m.Title, c.Language, m.ID)
		}
	}
	body.Prev, body.Next = v.neighbor(c, content, i-1), v.neighbor(c, content, i+1)
	if my.studies() {
		body.Progress = v.progress(doneLessons(content, my.lessons), len(content.Lessons))
	} else {
		body.Enroll = courseURL(c.ID)
	}
	for _, a := range content.Assets {
		if a.Lesson == id {
			body.Assets = append(body.Assets, assetLink{a.Name, a.URL, v.text.Bytes(a.Size)})
		}
	}
	return body, nil
}

// neighbor is the lesson at a place, nil beyond the ends.
func (v *visit) neighbor(c catalog.Course, content catalog.Content, i int) *label {
	if i < 0 || i >= len(content.Lessons) {
		return nil
	}
	l := content.Lessons[i]
	text, lang := v.titled(l.Title, c.Language, l.ID)
	return &label{Text: text, Lang: lang, URL: lessonURL(c.ID, l.ID)}
}
