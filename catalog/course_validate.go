package catalog

import (
	"strconv"

	"github.com/carrel-lms/carrel/fault"
)

// course checks what a course says of itself, without what it names.
func (p *problems) course(c Course) Course {
	p.orgID(string(c.ID))
	p.required("/language", string(c.Language))
	if c.Language != "" {
		c.Language = p.locale("/language", c.Language)
	}
	c.Text = p.courseText("", c.Text)
	p.required("/title", c.Title)
	c.Translations = p.translations(c)
	c.Provider = p.line("/provider", c.Provider, maxName)
	c.URL = p.url("/url", c.URL)
	c.ImageURL = p.url("/image_url", c.ImageURL)
	if !c.Level.valid() {
		p.add("/level", fault.BadValue, "is no level", "allowed", "all, beginner, intermediate, advanced")
	}
	if c.State != "" && !c.State.valid() {
		p.add("/state", fault.BadValue, "is no state", "allowed", "draft, published, archived")
	}
	p.between("/duration_minutes", c.DurationMinutes, 0, MaxDuration)
	c.Price = p.price("/price", c.Price)
	c.Currency = p.currency("/currency", c.Currency)
	return p.courseRefs(p.courseDates(c))
}

func (s State) valid() bool { return s == Draft || s == Published || s == Archived }

func (p *problems) courseText(at string, t Text) Text {
	return Text{
		Title:       p.line(at+"/title", t.Title, maxTitle),
		Summary:     p.text(at+"/summary", t.Summary, maxSummary),
		Description: p.text(at+"/description", t.Description, maxDescription),
	}
}

// translations checks the translations. One into the source's language that repeats the source is dropped; another one contradicts it.
func (p *problems) translations(c Course) map[Locale]Text {
	m := localized(p, "/translations", c.Translations, func(at string, t Text) (Text, bool) {
		t = p.courseText(at, t)
		return t, t != Text{}
	})
	own, ok := m[c.Language]
	if !ok {
		return m
	}
	if own != c.Text {
		p.add("/translations/"+pointerPart(string(c.Language)), fault.Duplicate, "is the course's own language: its text is title, summary and description")
	}
	delete(m, c.Language)
	if len(m) == 0 {
		return nil
	}
	return m
}

func (p *problems) courseDates(c Course) Course {
	c.StartsAt = p.date("/starts_at", c.StartsAt)
	c.EndsAt = p.date("/ends_at", c.EndsAt)
	c.EnrollmentOpensAt = p.date("/enrollment_opens_at", c.EnrollmentOpensAt)
	c.EnrollmentClosesAt = p.date("/enrollment_closes_at", c.EnrollmentClosesAt)
	c.PublishedAt = p.date("/published_at", c.PublishedAt)
	p.order("/ends_at", "starts_at", c.StartsAt, c.EndsAt)
	p.order("/enrollment_closes_at", "enrollment_opens_at", c.EnrollmentOpensAt, c.EnrollmentClosesAt)
	return c
}

// courseRefs checks the lists of what a course names; whether it exists is another question.
func (p *problems) courseRefs(c Course) Course {
	c.Tags = refList(p, "/tags", c.Tags, maxTags)
	c.Instructors = refList(p, "/instructors", c.Instructors, maxInstructors)
	c.Prerequisites = refList(p, "/prerequisites", c.Prerequisites, maxPrereqs)
	c.Category = nfc(c.Category)
	for i, id := range c.Prerequisites {
		if id == c.ID {
			p.add(at("/prerequisites", i), fault.Cycle, "is the course itself")
		}
	}
	return c
}

// refList drops repetitions and bounds a list.
func refList[T ~string](p *problems, pointer string, list []T, limit int) []T {
	if p.tooMany(pointer, len(list), limit) || len(list) == 0 {
		return nil
	}
	out := make([]T, len(list))
	for i, id := range list {
		out[i] = nfc(id)
	}
	return unique(out)
}

// at points into a list.
func at(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }
