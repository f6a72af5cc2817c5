package locales

import (
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nicksnyder/go-i18n/v2/i18n"
)

// Notification writes a notification of a rule: the texts notification.RULE.title and .body, or where there is a .body_several, that for more than one: as
// it says what one is not, plural forms will not do, of which Chinese has a single one. data fill their placeholders ("course" is {{.Course}}), and
// count is {{.Count}}, which also chooses between plural forms where a text has them. What data leave out is "…".
func (p *Printer) Notification(rule string, count int, data map[string]string) (title, body string) {
	all := map[string]any{"Count": p.Number(float64(count), 0)}
	for name, value := range data {
		first, size := utf8.DecodeRuneInString(name)
		all[string(unicode.ToUpper(first))+name[size:]] = value
	}
	of := "notification." + rule + ".body"
	if several := of + "_several"; count > 1 && p.Has(several) {
		of = several
	}
	return p.notification("notification."+rule+".title", count, all), p.notification(of, count, all)
}

// notification writes one of the two texts. Only some have plural forms; go-i18n refuses a count for the others.
func (p *Printer) notification(id string, count int, data map[string]any) string {
	text, err := p.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, PluralCount: count, TemplateData: maps.Clone(data)})
	if err != nil || text == "" {
		text = p.Text(id, data)
	}
	return strings.ReplaceAll(text, "<no value>", "…")
}
