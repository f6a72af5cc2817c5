package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/locales"
)

// periods are those that one can choose, in days; the first is the usual one.
var periods = []int{30, 7, insight.KeepDays}

// insightListed is how many queries a table has: what comes behind them is asked rarely.
const insightListed = 50

// insightFilter is what the address of the page says.
type insightFilter struct {
	days     int
	language locales.Tag // "" is all
	org      catalog.OrgID
}

// parseInsight reads the address or a form. An administrator of an organization has no choice of organization.
func parseInsight(actor catalog.Actor, q url.Values) (insightFilter, error) {
	const op = "web.insight"
	f := insightFilter{days: periods[0], org: actor.Org}
	if s := q.Get("days"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > insight.KeepDays {
			return f, fault.New(op, fault.InvalidParameter, "name", "days")
		}
		f.days = n
	}
	if s := q.Get("language"); s != "" {
		tag, ok := locales.Parse(s)
		if !ok {
			return f, fault.New(op, fault.InvalidParameter, "name", "language")
		}
		f.language = tag
	}
	if org := catalog.OrgID(q.Get("org")); org != "" && org != f.org {
		if actor.Org != "" {
			return f, fault.New(op, fault.NotFound)
		}
		f.org = org
	}
	return f, nil
}

// values are the parameters that differ from the usual ones.
func (f insightFilter) values(actor catalog.Actor) url.Values {
	q := url.Values{}
	if f.days != periods[0] {
		q.Set("days", strconv.Itoa(f.days))
	}
	if f.language != "" {
		q.Set("language", string(f.language))
	}
	if f.org != actor.Org {
		q.Set("org", string(f.org))
	}
	return q
}

// insightBody is what insight.html shows.
type insightBody struct {
	Periods, Languages []choice
	Orgs               []choice // nil for those who have one
	Org                string   // theirs
	Empty              bool
	Tiles              []tile
	Charts             []chart
	Days               []dayLine // newest first
	Top                []queryLine
	Misses             []missLine
}

// tile is a number that stands for itself.
type tile struct{ Name, Value, Note string }

type dayLine struct{ Date, Day, Searches, NoResults, Clicks, Enrolls string }

type queryLine struct{ Query, URL, Count, NoResults, Clicks, CTR, Position string }

type missLine struct{ Query, URL, Count, Day, Date, Fix string }

// insightPage shows what was searched for.
func (p *pages) insightPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	f, err := parseInsight(v.actor, r.URL.Query())
	if err != nil {
		return err
	}
	if p.cfg.Insight == nil {
		return fault.New("web.insight", fault.NotReady)
	}
	report, err := p.cfg.Insight.Report(r.Context(), insight.Scope{Org: f.org, Locale: catalog.Locale(f.language), Days: f.days, Listed: insightListed})
	if err != nil {
		return err
	}
	body := insightBody{Periods: v.periods(f), Languages: v.insightLanguages(f), Org: string(v.actor.Org), Empty: report.Totals.Searches+report.Totals.Clicks == 0}
	if v.actor.Org == "" {
		if body.Orgs, err = p.orgChoices(v, f); err != nil {
			return err
		}
	}
	v.fillInsight(&body, report, f)
	return p.render(w, r, http.StatusOK, viewInsight, layout{Title: v.text.Text("page.insight.title", nil), Section: "admin", Unlisted: true, Body: body})
}

func (v *visit) periods(f insightFilter) []choice {
	days := slices.Clone(periods)
	if !slices.Contains(days, f.days) {
		days = append(days, f.days)
	}
	slices.Sort(days)
	var list []choice
	for _, n := range days {
		list = append(list, choice{strconv.Itoa(n), v.text.Plural("page.insight.days", n, nil), n == f.days})
	}
	return list
}

func (v *visit) insightLanguages(f insightFilter) []choice {
	list := []choice{{"", v.text.Text("page.insight.all_languages", nil), f.language == ""}}
	for _, tag := range locales.Tags {
		list = append(list, choice{string(tag), capital(v.languageName(catalog.Locale(tag))), tag == f.language})
	}
	return list
}

// orgChoices lists the public and the organizations that search.
func (p *pages) orgChoices(v *visit, f insightFilter) ([]choice, error) {
	orgs, err := p.cfg.Insight.Orgs()
	if err != nil {
		return nil, err
	}
	for _, always := range []catalog.OrgID{f.org, ""} {
		if !slices.Contains(orgs, always) {
			orgs = append([]catalog.OrgID{always}, orgs...)
		}
	}
	var list []choice
	for _, org := range orgs {
		name := string(org)
		if org == "" {
			name = v.text.Text("page.insight.public", nil)
		}
		list = append(list, choice{string(org), name, org == f.org})
	}
	return list, nil
}

// fillInsight puts a report into words.
func (v *visit) fillInsight(body *insightBody, report *insight.Report, f insightFilter) {
	body.Tiles = v.tiles(report.Totals)
	body.Charts = []chart{
		v.chart("searches", report.Days, func(d insight.Day) (int, int) { return d.Searches, d.NoResults }),
		v.chart("clicks", report.Days, func(d insight.Day) (int, int) { return d.Clicks, d.Enrolls }),
	}
	count := func(n int) string { return v.text.Number(float64(n), 0) }
	for _, d := range slices.Backward(report.Days) {
		body.Days = append(body.Days, dayLine{d.Date, v.day(d.Date), count(d.Searches), count(d.NoResults), count(d.Clicks), count(d.Enrolls)})
	}
	for _, q := range report.Top {
		body.Top = append(body.Top, queryLine{
			q.Query, v.searchFor(q.Query, f), count(q.Count), count(q.NoResults), count(q.Clicks), v.percent(q.CTR), v.decimal(q.Position),
		})
	}
	for _, m := range report.NoResults {
		q := f.values(v.actor)
		q.Set("q", m.Query)
		body.Misses = append(body.Misses, missLine{m.Query, v.searchFor(m.Query, f), count(m.Count), v.day(m.Last), m.Last, withQuery("/admin/search/fix", q)})
	}
}

// searchFor leads to the search page with a query, in the language of the searches if there is one.
func (v *visit) searchFor(text string, f insightFilter) string {
	q := url.Values{"q": {text}}
	if f.language != "" && f.language != v.tag {
		q.Set("locale", string(f.language))
	}
	return withQuery("/", q)
}

func (v *visit) tiles(t insight.Totals) []tile {
	text := func(id string) string { return v.text.Text("page.insight."+id, nil) }
	share := func(n int) string {
		if t.Searches == 0 {
			return ""
		}
		return v.percent(float64(n) / float64(t.Searches))
	}
	ctr := "–"
	if t.CTR != nil {
		ctr = v.percent(*t.CTR)
	}
	return []tile{
		{text("searches"), v.text.Number(float64(t.Searches), 0), ""},
		{text("no_results"), v.text.Number(float64(t.NoResults), 0), share(t.NoResults)},
		{text("ctr"), ctr, v.text.Plural("page.insight.clicks_count", t.Clicks, nil)},
		{text("position"), v.decimal(t.Position), text("position_note")},
		{text("enrolls"), v.text.Number(float64(t.Enrolls), 0), ""},
	}
}

// percent writes a share.
func (v *visit) percent(share float64) string {
	const hundred = 100
	return v.text.Text("page.insight.percent", map[string]any{"Number": v.text.Number(share*hundred, 0)})
}

// decimal writes a mean, or a dash where there is none.
func (v *visit) decimal(n *float64) string {
	if n == nil {
		return "–"
	}
	return v.text.Number(*n, 1)
}

// day writes a date of a report in words.
func (v *visit) day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return v.text.Date(t)
}
