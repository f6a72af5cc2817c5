package push

import (
	"cmp"
	"maps"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

const (
	// maxTitle and maxBody bound the texts, in bytes: locked screens show two lines, and with the data they fit the 4,096 bytes that services take.
	maxTitle = 300
	maxBody  = 600
)

// written is a message as it is sent, or why it is not.
type written struct {
	wire Message
	why  Reason    // not "": it is not sent at all
	wait time.Time // later than now: it is night there until then
	date string    // of today there
}

// write makes what is sent of a message, in the language of its device; or says why it is not sent.
func (p *Push) write(rs *readers, m *message, now time.Time) (w written, err error) {
	if !m.Expires.After(now) {
		return written{why: ReasonExpired}, nil
	}
	d, ok, err := rs.v.MyDevice(m.Learner, m.Device)
	if err != nil {
		return w, err
	}
	if !ok {
		return written{why: ReasonNoDevice}, nil
	}
	r := reader{}
	if !m.Nudge {
		if r, err = rs.get(m.Learner); err != nil {
			return w, err
		}
		w.wait, w.date = r.quietEnd(now), now.In(r.zone()).Format(time.DateOnly)
	}
	gone, enough, err := p.known(m, d.Value.Token, w.date, r.usual.DailyCap)
	switch {
	case err != nil:
		return w, err
	case gone:
		return written{why: ReasonUnregistered}, nil
	case w.wait.After(now):
		return w, nil
	}
	w.wire = Message{Token: d.Value.Token, Platform: d.Value.Platform, Collapse: m.collapse(), TTL: m.Expires.Sub(now).Truncate(time.Second), Data: p.data(m)}
	if m.Nudge {
		return w, nil
	}
	tag := languageOf(&d.Value, r.prefers)
	if m.Value != nil {
		w.why, err = p.writeNews(rs.v, &r, m, tag, &w.wire)
	} else {
		w.why, err = p.writeBundle(rs.v, &r, m, tag, &w.wire)
	}
	if w.why == "" && enough {
		w.why = ReasonCapped
	}
	return w, err
}

// writeNews writes a message of one notification.
func (p *Push) writeNews(v *catalog.View, r *reader, m *message, tag locales.Tag, wire *Message) (Reason, error) {
	n := *m.Value
	if why, err := r.unread(v, m.ID, &n); err != nil || why != "" {
		return why, err
	}
	courses, seen, err := name(v, r.actor, catalog.Locale(tag), &n, m.Courses)
	if err != nil || !seen {
		return ReasonInvisible, err
	}
	path := inboxPath
	if len(courses) > 0 {
		wire.Data["course"] = string(courses[0])
		if path, err = deepLink(v, m.Learner, &n, courses[0]); err != nil {
			return "", err
		}
	}
	p.leadTo(wire, path)
	title, body := p.cfg.Texts.Printer(tag).Notification(string(n.Rule), n.Count, n.Data)
	wire.Title, wire.Body, wire.Channel = shorten(title, maxTitle), shorten(body, maxBody), string(n.Rule)
	return "", nil
}

// writeBundle writes a message of several notifications: of those that are still wanted and not read.
func (p *Push) writeBundle(v *catalog.View, r *reader, m *message, tag locales.Tag, wire *Message) (why Reason, err error) {
	n := 0
	for _, id := range m.Bundle {
		one, _, err := v.MyNotification(m.Learner, id)
		if err != nil {
			return "", err
		}
		switch reason, err := r.unread(v, id, &one.Value); {
		case err != nil:
			return "", err
		case reason != "":
			why = reason
		default:
			n++
		}
	}
	if n == 0 {
		return why, nil
	}
	text := p.cfg.Texts.Printer(tag)
	wire.Channel, wire.Title, wire.Body = "bundle", text.Plural("notification.bundle.title", n, nil), text.Text("notification.bundle.body", nil)
	p.leadTo(wire, inboxPath)
	return "", nil
}

// unread says why a notification is not told on a device any more: it was read elsewhere, gave way to newer ones, or is not wanted.
func (r *reader) unread(v *catalog.View, id catalog.NotificationID, n *catalog.Notification) (Reason, error) {
	have, ok, err := v.MyNotification(r.actor.Subject, id)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return ReasonInboxFull, nil
	case have.Value.Read:
		return ReasonRead, nil
	}
	if wanted, err := r.wants(v, n); err != nil || !wanted {
		return ReasonUnwanted, err
	}
	return "", nil
}

// name makes a notification name a course as it is called now, in the reader's language: of those that a saved search found, the first that they see. It
// returns those that they see, and counts the others no more. False when they see none: then it is not told. What is about no course stays as it is.
func name(v *catalog.View, actor catalog.Actor, locale catalog.Locale, n *catalog.Notification, found []catalog.CourseID) (seen []catalog.CourseID, told bool, err error) {
	switch n.Subject.Kind {
	case catalog.KindCourse:
		found = []catalog.CourseID{catalog.CourseID(n.Subject.ID)}
	case catalog.KindSavedSearch:
	default:
		return nil, true, nil
	}
	data := map[string]string{}
	maps.Copy(data, n.Data)
	for _, id := range found {
		c, err := v.SharedCourseFor(actor, id)
		switch {
		case fault.Is(err, fault.NotFound):
			n.Count = max(n.Count-1, 0)
			continue
		case err != nil:
			return nil, false, err
		case len(seen) == 0:
			text, _ := c.Value.TextIn(locale)
			data["course"] = text.Title
		}
		seen = append(seen, id)
	}
	n.Data = data
	return seen, len(seen) > 0, nil
}

const (
	inboxPath = "/me/inbox"
	// maxPath bounds the path in a message, in bytes: instead of a longer one it leads to the inbox.
	maxPath = 600
)

// deepLink is the page of what a notification about courses is about: the course, or when a saved search found more than one, all of them.
func deepLink(v *catalog.View, who catalog.LearnerID, n *catalog.Notification, course catalog.CourseID) (string, error) {
	path := "/courses/" + url.PathEscape(string(course))
	if n.Count > 1 {
		search, _, err := v.MySavedSearch(who, catalog.SavedSearchID(n.Subject.ID))
		if err != nil {
			return "", err
		}
		values, err := url.ParseQuery(search.Value.Query) // it may have spaces
		if err != nil {
			return inboxPath, nil //nolint:nilerr // it was well-formed when it was saved
		}
		path = "/?" + values.Encode()
	}
	if len(path) > maxPath {
		return inboxPath, nil
	}
	return path, nil
}

// leadTo gives a message the page to open: browsers its address, apps that too, or the path when nobody said where the pages are.
func (p *Push) leadTo(wire *Message, path string) {
	wire.Link = p.link(path)
	wire.Data["link"] = cmp.Or(wire.Link, path)
}

// data is what the app gets: what happened, and what to pull.
func (p *Push) data(m *message) map[string]string {
	data := map[string]string{"type": "nudge", "channels": strings.Join(m.Channels, ",")}
	if p.cfg.AsOf != nil {
		data["as_of"] = p.cfg.AsOf(m.Seq)
	}
	switch {
	case m.Value != nil:
		data["type"], data["notification_id"], data["rule"] = "notification", string(m.ID), string(m.Value.Rule)
		data["subject_kind"], data["subject_id"] = string(m.Value.Subject.Kind), m.Value.Subject.ID
	case !m.Nudge:
		data["type"] = "bundle"
	}
	return data
}

// link is the address of a page; "" when nobody said where the pages are.
func (p *Push) link(path string) string {
	if p.cfg.PublicURL == "" {
		return ""
	}
	return strings.TrimRight(p.cfg.PublicURL, "/") + path
}

// languageOf is the language of ours that a device speaks, else the one that its owner prefers.
func languageOf(d *catalog.Device, prefers catalog.Preferences) locales.Tag {
	for _, l := range []catalog.Locale{d.Locale, prefers.Locale} {
		if l == "" {
			continue
		}
		if tag, ok := locales.Parse(string(l)); ok {
			return tag
		}
	}
	return locales.English
}

// shorten cuts a text to so many bytes, between characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const mark = "…"
	end := most - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// Preview is what a rule's message looks like.
type Preview struct {
	Rule  string
	Count int
	Title string
	Body  string
}

// Previews writes one message of every rule and, where texts depend on a number, with different ones: with sample names, in a language.
func Previews(texts *locales.Bundle, tag locales.Tag) []Preview {
	text := texts.Printer(tag)
	data := map[string]string{
		"course": text.Text("notification.sample.course", nil), "search": text.Text("notification.sample.search", nil),
		"instructor": "Ada Lovelace", "file": "catalog.csv",
	}
	var list []Preview
	for _, one := range []struct {
		rule   catalog.NotificationRule
		counts []int
	}{
		{catalog.RuleCourseChanged, []int{1}},
		{catalog.RuleSearchMatch, []int{1, 5_000}},
		{catalog.RuleInstructorCourse, []int{1}},
		{catalog.RuleImportFinished, []int{0, 1, 5_000}},
		{catalog.RuleImportFailed, []int{0}},
	} {
		for _, n := range one.counts {
			title, body := text.Notification(string(one.rule), n, data)
			list = append(list, Preview{string(one.rule), n, title, body})
		}
	}
	const many = 12
	list = append(list, Preview{"bundle", many, text.Plural("notification.bundle.title", many, nil), text.Text("notification.bundle.body", nil)})
	return append(list, Preview{"test", 1, text.Text("notification.test.title", nil), text.Text("notification.test.body", nil)})
}
