package push

import (
	"maps"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

const (
	// maxTitle and maxBody bound the texts, in bytes: locked screens show two lines, and with the data they fit the 4,096 bytes that services take.
	maxTitle = 400
	maxBody  = 1_000
)

// write makes what is sent of a message, in the language of its device; or says why it is not sent.
func (p *Push) write(v *catalog.View, m *message, now time.Time) (wire Message, why Reason, err error) {
	if !m.Expires.After(now) {
		return wire, ReasonExpired, nil
	}
	d, ok, err := v.MyDevice(m.Learner, m.Device)
	if err != nil {
		return wire, "", err
	}
	if !ok {
		return wire, ReasonNoDevice, nil
	}
	gone, err := p.isGone(deviceKey(m.Learner, m.Device), d.Value.Token)
	if err != nil || gone {
		return wire, ReasonUnregistered, err
	}
	wire = Message{Token: d.Value.Token, Platform: d.Value.Platform, Collapse: m.collapse(), TTL: m.Expires.Sub(now).Truncate(time.Second), Data: p.data(m)}
	if m.Nudge {
		return wire, "", nil
	}
	prefers, err := v.MyPreferences(m.Learner)
	if err != nil {
		return wire, "", err
	}
	tag := languageOf(&d.Value, prefers)
	wire.Channel, wire.Link = "bundle", p.link("/me/inbox")
	text := p.cfg.Texts.Printer(tag)
	if m.Value == nil {
		wire.Title = text.Plural("notification.bundle.title", m.Bundle, nil)
		wire.Body = text.Text("notification.bundle.body", nil)
		return wire, "", nil
	}
	n := *m.Value
	if n.Subject.Kind == catalog.KindCourse {
		seen, err := p.course(v, m.Learner, &n, tag)
		if err != nil || !seen {
			return wire, ReasonInvisible, err
		}
		wire.Link = p.link("/courses/" + url.PathEscape(n.Subject.ID))
	}
	title, body := text.Notification(string(n.Rule), n.Count, n.Data)
	wire.Title, wire.Body, wire.Channel = shorten(title, maxTitle), shorten(body, maxBody), string(n.Rule)
	return wire, "", nil
}

// isGone reports whether the service said that it does not know a token, of a device that is still to be removed.
func (p *Push) isGone(key, token string) (gone bool, err error) {
	err = p.db.View(func(tx *bolt.Tx) error {
		hash := tx.Bucket(bucketGone).Get([]byte(key))
		gone = hash != nil && string(hash) == tokenHash(token)
		return nil
	})
	return gone, err
}

// course calls a course as it is called now, in the reader's language; false when they do not see it any more.
func (p *Push) course(v *catalog.View, who catalog.LearnerID, n *catalog.Notification, tag locales.Tag) (bool, error) {
	actor, err := v.OnRecord(who)
	if err != nil {
		return false, err
	}
	c, err := v.SharedCourseFor(actor, catalog.CourseID(n.Subject.ID))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	text, _ := c.Value.TextIn(catalog.Locale(tag))
	data := maps.Clone(n.Data)
	data["course"] = text.Title
	n.Data = data
	return true, nil
}

// data is what the app gets: what happened, and what to pull.
func (p *Push) data(m *message) map[string]string {
	data := map[string]string{"type": "nudge", "channels": strings.Join(m.Channels, ",")}
	if p.cfg.AsOf != nil {
		data["as_of"] = p.cfg.AsOf(m.Seq)
	}
	switch {
	case m.Value != nil:
		data["type"], data["notification"], data["rule"] = "notification", string(m.ID), string(m.Value.Rule)
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
