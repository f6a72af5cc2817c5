package web

import (
	"github.com/carrel-lms/carrel/catalog"
)

// chapter is a module of a course with its lessons.
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
