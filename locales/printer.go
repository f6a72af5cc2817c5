package locales

import (
	"log/slog"
	"maps"
	"math"
	"strings"
	"time"

	cldr "github.com/go-playground/locales"
	"github.com/go-playground/locales/currency"
	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/zh"
	"github.com/nicksnyder/go-i18n/v2/i18n"
)

// Printer writes texts, numbers, dates and durations in one language.
type Printer struct {
	tag       Tag
	localizer *i18n.Localizer
	format    cldr.Translator
}

func newPrinter(bundle *i18n.Bundle, tag Tag) *Printer {
	p := &Printer{tag: tag, localizer: i18n.NewLocalizer(bundle, string(tag))}
	switch tag {
	case French:
		p.format = fr.New()
	case Chinese:
		p.format = zh.New()
	default:
		p.format = en.New()
	}
	return p
}

// Tag returns the printer's language.
func (p *Printer) Tag() Tag { return p.tag }

// Has reports whether the language itself has a text, without falling back to English.
func (p *Printer) Has(id string) bool {
	_, tag, err := p.localizer.LocalizeWithTag(&i18n.LocalizeConfig{MessageID: id, PluralCount: 2})
	return err == nil && tag.String() == string(p.tag)
}

// Text returns a text; data fills its placeholders ({{.Name}}). A text missing in this language comes in English; one missing there
// too comes as its id and is logged: a page is never lost for want of a word.
func (p *Printer) Text(id string, data map[string]any) string {
	return p.localize(id, &i18n.LocalizeConfig{MessageID: id, TemplateData: data})
}

// Plural returns the form of a text for count. Its placeholders are {{.Count}}, formatted, and those of data.
func (p *Printer) Plural(id string, count int, data map[string]any) string {
	all := map[string]any{"Count": p.Number(float64(count), 0)}
	maps.Copy(all, data)
	return p.localize(id, &i18n.LocalizeConfig{MessageID: id, PluralCount: count, TemplateData: all})
}

func (p *Printer) localize(id string, cfg *i18n.LocalizeConfig) string {
	text, err := p.localizer.Localize(cfg)
	if text == "" {
		slog.Default().Warn("locales: a text is missing", slog.String("id", id), slog.String("locale", string(p.tag)), slog.Any("error", err))
		return id
	}
	return text
}

// maxDigits bounds the decimals of Number: a float64 holds no more.
const maxDigits = 15

// Number formats n with the given decimals (0–15).
func (p *Printer) Number(n float64, decimals int) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return "–"
	}
	return p.format.FmtNumber(n, uint64(min(max(decimals, 0), maxDigits)))
}

// Money formats an amount in a currency (ISO 4217; an unknown code is written after the number).
func (p *Printer) Money(amount float64, code string) string {
	const decimals = 2 // CLDR writes at least two, whatever is asked
	kind, ok := currencies[strings.ToUpper(code)]
	if !ok {
		return strings.TrimSpace(p.Number(amount, decimals) + "\u00a0" + code)
	}
	text := strings.TrimSpace(p.format.FmtCurrency(amount, decimals, kind))
	return strings.Replace(text, strings.ToUpper(code), symbols[kind], 1)
}

// symbols stand for codes that the formatter leaves as letters: next to a number they would read as one word. They are those of CLDR's English, which
// French and Chinese readers know too; where a formatter has its language's own symbol, it has written that.
var symbols = map[currency.Type]string{
	currency.EUR: "€", currency.USD: "US$", currency.CNY: "CN¥", currency.GBP: "£", currency.CAD: "CA$",
	currency.CHF: "CHF\u00a0", currency.JPY: "JP¥", currency.TWD: "NT$", currency.HKD: "HK$", currency.XOF: "CFA\u00a0",
}

// currencies are those whose symbol CLDR gives in our languages.
var currencies = map[string]currency.Type{
	"EUR": currency.EUR, "USD": currency.USD, "CNY": currency.CNY, "GBP": currency.GBP, "CAD": currency.CAD,
	"CHF": currency.CHF, "JPY": currency.JPY, "TWD": currency.TWD, "HKD": currency.HKD, "XOF": currency.XOF,
}

// Date formats the day of t, in UTC, in words ("3 March 2026" in its language's order).
func (p *Printer) Date(t time.Time) string { return p.format.FmtDateLong(t.UTC()) }

const (
	minutesAnHour = 60
	hoursAsHours  = 100 // above it minutes say nothing any more
)

// Duration formats minutes as hours and minutes ("3 h 20 min"); from 100 hours on, hours only.
func (p *Printer) Duration(minutes int) string {
	h, m := minutes/minutesAnHour, minutes%minutesAnHour
	data := map[string]any{"Hours": p.Number(float64(h), 0), "Minutes": p.Number(float64(m), 0)}
	switch {
	case h == 0:
		return p.Text("duration.minutes", data)
	case m == 0 || h >= hoursAsHours:
		return p.Text("duration.hours", data)
	default:
		return p.Text("duration.hours_minutes", data)
	}
}

// Bytes formats a size in bytes, decimal units (kB, MB, GB).
func (p *Printer) Bytes(n int64) string {
	const step = 1000
	units := []string{"B", "kB", "MB", "GB", "TB"}
	size, unit := float64(n), 0
	for size >= step && unit < len(units)-1 {
		size, unit = size/step, unit+1
	}
	decimals := 0
	if unit > 0 && size < 10 {
		decimals = 1
	}
	return p.Number(size, decimals) + "\u00a0" + units[unit]
}
