package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// Settings: what a learner wants to hear of, when, and on which devices.

const settingsPath = "/me/settings"

// What the form's choice of quiet hours says besides "", which is no choice.
const (
	quietOff  = "off"
	quietSpan = "span"
)

// The hours that the form proposes to those who have none.
const (
	usualFrom  = "22:00"
	usualUntil = "07:00"
)

// wasPrefix begins the names of the fields that say what the form showed, so that it changes only what the learner changed.
const wasPrefix = "was."

// settingsBody is what settings.html shows.
type settingsBody struct {
	Digest  string // when that comes which comes once a day
	Rules   []ruleSetting
	Quiet   quietSetting
	Zone    string
	NoZone  string // what holds while none is chosen
	Zones   []string
	Devices []deviceLine
}

// ruleSetting is how soon one hears of something.
type ruleSetting struct {
	Field, Text string
	Was         string
	Choices     []choice
}

// quietSetting is when no message comes.
type quietSetting struct {
	Was, Default string
	Off, Span    bool // which is chosen
	None         bool // whether to have none is a choice: it is not where it would be the default's double
	From, Until  string
}

// deviceLine is one of the learner's devices: what it is, and never its token.
type deviceLine struct{ Icon, Name, About, Seen, Day, Form string }

// settingsPage shows what the learner prefers, and what holds where nothing was chosen.
func (p *pages) settingsPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	var body settingsBody
	err := p.cfg.Catalog.View(r.Context(), func(view *catalog.View) error {
		prefers, err := view.MyPreferences(v.actor.Subject)
		if err != nil {
			return err
		}
		defaults, err := view.PushDefaultsIn(v.actor.Org)
		if err != nil {
			return err
		}
		devices, err := view.DevicesOf(v.actor.Subject)
		slices.SortStableFunc(devices, func(a, b catalog.DeviceOf) int { return b.Value.SeenAt.Compare(a.Value.SeenAt) })
		body = settingsBody{
			Digest: defaults.DigestAt, Rules: v.ruleSettings(&prefers, &defaults), Quiet: v.quietSetting(prefers.QuietHours, defaults.QuietHours),
			Zone: prefers.Timezone, NoZone: v.noZone(devices), Zones: zones,
		}
		for _, d := range devices {
			body.Devices = append(body.Devices, v.deviceLine(&d))
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, viewSettings, layout{Title: v.text.Text("page.settings.title", nil), Section: "me", Unlisted: true, Body: body})
}

// byDefault says what holds while nothing is chosen, and who set it.
func (v *visit) byDefault(what string) string {
	id := "page.settings.default"
	if v.actor.Org != "" {
		id = "page.settings.default_org"
	}
	return v.text.Text(id, map[string]any{"Choice": what})
}

// notifyField is the name of a rule's field.
func notifyField(rule catalog.NotificationRule) string { return "notify." + string(rule) }

// ruleSettings lists the rules. Imports are told of to those who may make them.
func (v *visit) ruleSettings(prefers *catalog.Preferences, defaults *catalog.PushDefaults) []ruleSetting {
	var list []ruleSetting
	for _, rule := range catalog.NotificationRules {
		if rule == catalog.RuleImportFinished && !v.actor.Has(catalog.RoleEditor) {
			continue
		}
		chosen := *prefers.Notify(rule)
		s := ruleSetting{Field: notifyField(rule), Text: v.text.Text("page.settings.rule_"+string(rule), nil), Was: string(chosen)}
		if rule == catalog.RuleSearchMatch {
			s.Choices = v.searchChoices(chosen)
		} else {
			s.Choices = append(s.Choices, choice{"", v.byDefault(v.howSoon(defaults.Notify(rule))), chosen == ""})
			for _, n := range howSoon {
				s.Choices = append(s.Choices, choice{string(n), v.howSoon(n), n == chosen})
			}
		}
		list = append(list, s)
	}
	return list
}

// searchChoices are those over all saved searches, which otherwise speak for themselves: "instant" says no more than that.
func (v *visit) searchChoices(chosen catalog.Notify) []choice {
	each := choice{Text: v.text.Text("page.settings.each", nil), Selected: chosen == "" || chosen == catalog.NotifyInstant}
	if each.Selected {
		each.Value = string(chosen)
	}
	return []choice{
		each,
		{string(catalog.NotifyDaily), v.text.Text("page.settings.all_daily", nil), chosen == catalog.NotifyDaily},
		{string(catalog.NotifyOff), v.howSoon(catalog.NotifyOff), chosen == catalog.NotifyOff},
	}
}

func (v *visit) quietSetting(chosen, byDefault string) quietSetting {
	s := quietSetting{Was: chosen, Off: chosen == quietOff, Span: chosen != "" && chosen != quietOff, From: usualFrom, Until: usualUntil}
	text := v.text.Text("page.settings.quiet_none", nil)
	s.None = s.Off || byDefault != quietOff
	if byDefault != quietOff {
		s.From, s.Until, _ = strings.Cut(byDefault, "-")
		text = s.From + "–" + s.Until
	}
	s.Default = v.byDefault(text)
	if s.Span {
		s.From, s.Until, _ = strings.Cut(chosen, "-")
	}
	return s
}

// noZone says which time zone holds while none is chosen: that of the device seen last that has one.
func (v *visit) noZone(devices []catalog.DeviceOf) string {
	zone := catalog.PreferredTimezone(catalog.Preferences{}, devices)
	if zone == "" {
		return v.text.Text("page.settings.zone_none", nil)
	}
	return v.text.Text("page.settings.zone_device", map[string]any{"Zone": zone})
}

func (v *visit) deviceLine(d *catalog.DeviceOf) deviceLine {
	line := deviceLine{
		Icon: "phone", Name: v.text.Text("platform."+string(d.Value.Platform), nil), Day: v.text.Date(d.Value.SeenAt), Seen: d.Value.SeenAt.UTC().Format(time.RFC3339),
		Form: settingsPath + "/devices/" + url.PathEscape(string(d.ID)),
	}
	if d.Value.Platform == catalog.PlatformWeb {
		line.Icon = "globe"
	}
	var about []string
	if d.Value.AppVersion != "" {
		about = append(about, v.text.Text("page.settings.app", map[string]any{"Version": d.Value.AppVersion}))
	}
	if d.Value.Locale != "" {
		about = append(about, capital(v.languageName(d.Value.Locale)))
	}
	if d.Value.Timezone != "" {
		about = append(about, d.Value.Timezone)
	}
	line.About = strings.Join(about, " · ")
	return line
}

// saveSettings changes what the learner changed in the form. What a phone changed meanwhile stays, unless it is the same setting: then nobody's change is
// lost without a word.
func (p *pages) saveSettings(w http.ResponseWriter, r *http.Request) error {
	who := visitOf(r.Context()).actor
	if who.Anonymous() {
		return fault.New("web.saveSettings", fault.Unauthorized)
	}
	form := r.PostForm
	_, err := p.cfg.Catalog.Update(r.Context(), who, func(tx *catalog.Tx) error {
		prefers, err := tx.MyPreferences(who.Subject)
		if err != nil {
			return err
		}
		for _, rule := range catalog.NotificationRules {
			name := notifyField(rule)
			if !form.Has(name) {
				continue
			}
			if err := change(prefers.Notify(rule), form.Get(wasPrefix+name), form.Get(name)); err != nil {
				return err
			}
		}
		if err := change(&prefers.QuietHours, form.Get(wasPrefix+"quiet_hours"), quietOf(form)); err != nil {
			return err
		}
		if err := change(&prefers.Timezone, form.Get(wasPrefix+"timezone"), strings.TrimSpace(form.Get("timezone"))); err != nil {
			return err
		}
		return tx.PutPreferences(who.Subject, prefers)
	})
	if err != nil {
		return err
	}
	return back(w, r, settingsPath, "settings")
}

// change sets a preference to what a form wants in the place of what it showed. fault.LostUpdate when it has become a third thing.
func change[T ~string](now *T, was, want string) error {
	switch {
	case want == was:
		return nil
	case string(*now) != was && string(*now) != want:
		return fault.New("web.change", fault.LostUpdate)
	}
	*now = T(want)
	return nil
}

// quietOf reads the quiet hours of the form.
func quietOf(form url.Values) string {
	if form.Get("quiet") == quietSpan {
		return form.Get("quiet_from") + "-" + form.Get("quiet_until")
	}
	return form.Get("quiet")
}

// removeDevice takes a device from the learner's. One that is still in use registers again when its app starts.
func (p *pages) removeDevice(w http.ResponseWriter, r *http.Request) error {
	who := visitOf(r.Context()).actor
	if who.Anonymous() {
		return fault.New("web.removeDevice", fault.Unauthorized)
	}
	_, err := p.cfg.Catalog.Update(r.Context(), who, func(tx *catalog.Tx) error {
		err := tx.DeleteDevice(who.Subject, catalog.DeviceID(r.PathValue("id")), catalog.Cond{})
		if fault.Is(err, fault.NotFound) {
			return nil // it is gone, which is what was asked
		}
		return err
	})
	if err != nil {
		return err
	}
	return back(w, r, settingsPath, "device-removed")
}

// zones are proposed as time zones without scripts, which know all of them: a city or two for each offset that many people live in.
var zones = []string{
	"Africa/Abidjan", "Africa/Algiers", "Africa/Cairo", "Africa/Casablanca", "Africa/Dakar", "Africa/Johannesburg", "Africa/Kinshasa", "Africa/Lagos", "Africa/Nairobi", "Africa/Tunis",
	"America/Argentina/Buenos_Aires", "America/Bogota", "America/Chicago", "America/Denver", "America/Guadeloupe", "America/Halifax", "America/Los_Angeles",
	"America/Martinique", "America/Mexico_City", "America/Montreal", "America/New_York", "America/Port-au-Prince", "America/Sao_Paulo", "America/St_Johns", "America/Toronto", "America/Vancouver",
	"Asia/Bangkok", "Asia/Dhaka", "Asia/Dubai", "Asia/Ho_Chi_Minh", "Asia/Hong_Kong", "Asia/Jakarta", "Asia/Jerusalem", "Asia/Karachi", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Macau",
	"Asia/Manila", "Asia/Seoul", "Asia/Shanghai", "Asia/Singapore", "Asia/Taipei", "Asia/Tehran", "Asia/Tokyo", "Asia/Urumqi",
	"Australia/Adelaide", "Australia/Perth", "Australia/Sydney",
	"Europe/Athens", "Europe/Berlin", "Europe/Brussels", "Europe/Istanbul", "Europe/Kyiv", "Europe/London", "Europe/Luxembourg", "Europe/Madrid", "Europe/Moscow", "Europe/Paris", "Europe/Rome", "Europe/Zurich",
	"Indian/Reunion", "Pacific/Auckland", "Pacific/Honolulu", "Pacific/Noumea", "Pacific/Tahiti", "UTC",
}
