package web

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
)

const (
	// deadShown is how many dead letters are shown: what goes wrong shows in the latest.
	deadShown = 50
	// pushDays is how many days are shown.
	pushDays = 14
)

// pushBody is what push.html shows.
type pushBody struct {
	Configured bool
	Held       string // why nothing is sent now, in words
	Tiles      []tile
	Days       []pushDay
	Dead       []deadLine
	Previews   []previews
}

type pushDay struct {
	Date, Day, Sent string
	Unsent          []tile // by reason
}

type deadLine struct{ At, When, Rule, Platform, Reason, Detail, Attempts string }

// previews are all messages in one language.
type previews struct {
	Lang, Language string
	Messages       []push.Preview
}

// pushPage shows operators how the outbox is, and what every message looks like. An organization's administrators have no part in it: it is everyone's.
func (p *pages) pushPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	if v.actor.Org != "" {
		return fault.New("web.push", fault.Forbidden)
	}
	if p.cfg.Push == nil {
		return fault.New("web.push", fault.NotReady)
	}
	s, err := p.cfg.Push.Status(deadShown, pushDays)
	if err != nil {
		return err
	}
	body := pushBody{Configured: s.Configured, Tiles: v.pushTiles(&s, p.now())}
	if s.Held != "" {
		body.Held = v.reason(s.Held)
	}
	for _, d := range s.Days {
		body.Days = append(body.Days, v.pushDay(d))
	}
	for _, d := range s.Dead {
		body.Dead = append(body.Dead, deadLine{
			At: d.At.UTC().Format(time.RFC3339), When: v.text.Date(d.At), Rule: string(d.Rule), Platform: string(d.Platform), Reason: v.reason(d.Reason), Detail: d.Detail,
			Attempts: v.text.Number(float64(d.Attempts), 0),
		})
	}
	for _, tag := range locales.Tags {
		body.Previews = append(body.Previews, previews{string(tag), capital(v.languageName(catalog.Locale(tag))), push.Previews(p.cfg.Texts, tag)})
	}
	return p.render(w, r, http.StatusOK, viewPush, layout{Title: v.text.Text("page.push.title", nil), Section: "admin", Unlisted: true, Body: body})
}

func (v *visit) pushTiles(s *push.Status, now time.Time) []tile {
	count := func(n int) string { return v.text.Number(float64(n), 0) }
	age := ""
	if !s.Oldest.IsZero() {
		age = v.text.Text("page.push.age", map[string]any{"Time": v.text.Duration(int(now.Sub(s.Oldest).Minutes()))})
	}
	return []tile{
		{v.text.Text("page.push.queued", nil), count(s.Queued), age},
		{v.text.Text("page.push.notes", nil), count(s.Notes), ""},
		{v.text.Text("page.push.dead", nil), count(s.DeadCount), ""},
	}
}

func (v *visit) pushDay(d push.DayCount) pushDay {
	line := pushDay{Date: d.Date, Day: v.day(d.Date), Sent: v.text.Number(float64(d.Sent), 0)}
	for _, why := range slices.Sorted(maps.Keys(d.Unsent)) {
		line.Unsent = append(line.Unsent, tile{v.reason(why), v.text.Number(float64(d.Unsent[why]), 0), ""})
	}
	return line
}

// reason says in words why something was not sent.
func (v *visit) reason(why push.Reason) string { return v.text.Text("push_reason."+string(why), nil) }
