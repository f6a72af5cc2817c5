package catalog

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/currency"
	"golang.org/x/text/unicode/norm"

	"github.com/carrel-lms/carrel/fault"
)

// The limits of what an entity holds. Texts are counted in runes: a limit in bytes would give Chinese a third.
const (
	maxID          = 128    // CONTRACT; four bytes a rune, with an organization, it stays below sync.MaxKey
	maxOrg         = 64     // as identity checks it in tokens
	maxTitle       = 300    // the longest real title seen has 180
	maxSummary     = 1_000  // a card shows two lines of it
	maxDescription = 20_000 // the longest real one seen has 11,000
	maxLabel       = 100    // a tag that is longer is a sentence
	maxName        = 200    // people and providers
	maxBio         = 5_000  // two pages
	maxLine        = 255    // names of files and the like
	maxURL         = 2_048  // what browsers and CDNs pass on, in bytes
	maxTags        = 200    // real programmes name up to 134 skills
	maxInstructors = 100    // the real data has 39
	maxPrereqs     = 50     // no learner fulfils more
	maxLocales     = 20     // translations: three are spoken, imports bring some more
	maxSynonyms    = 20     // for one tag in one language
	maxPrice       = 1e6    // in any currency that is still a price of one course
	minYear        = 1000   // four digits, as RFC 3339 wants them
	maxYear        = 9999
	byteFactor     = 16 // runes × this bounds a text in bytes before anything looks at it: markup may take some room

	// MaxDuration is the longest course, in minutes: ten years.
	MaxDuration = 10 * 366 * 24 * 60
	// MaxCategoryDepth is how many levels the tree of categories has at most: menus that are deeper help nobody.
	MaxCategoryDepth = 8
)

// problems gathers what is wrong with an input. Its methods return the value in the form that is stored.
type problems struct{ fields []fault.Field }

func (p *problems) add(pointer string, code fault.Code, detail string, pairs ...any) {
	p.fields = append(p.fields, fault.BadField(pointer, code, detail, pairs...))
}

// err returns what was gathered, or nil.
func (p *problems) err(op string) error {
	if len(p.fields) == 0 {
		return nil
	}
	return fault.Invalid(op, p.fields...)
}

// required demands a text.
func (p *problems) required(pointer, s string) {
	if s == "" {
		p.add(pointer, fault.Required, "is required")
	}
}

// line checks a text of one line: trimmed, NFC, at most limit runes.
func (p *problems) line(pointer, s string, limit int) string {
	return p.clean(pointer, strings.TrimSpace(p.encoded(pointer, s, limit)), limit, "")
}

// text checks a plain text of several lines; markup is taken out.
func (p *problems) text(pointer, s string, limit int) string {
	s = plainText(p.encoded(pointer, s, limit))
	if strings.Contains(s, "\r") {
		s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	}
	return p.clean(pointer, strings.TrimSpace(s), limit, "\n\t")
}

// html checks a lesson's body of at most limit bytes, and makes it harmless.
func (p *problems) html(pointer, s string, limit int) string {
	if len(s) > limit {
		p.add(pointer, fault.TooLong, fmt.Sprintf("has more than %d bytes", limit), "max", limit)
		return ""
	}
	if !utf8.ValidString(s) {
		p.add(pointer, fault.BadEncoding, "is not valid UTF-8")
		return ""
	}
	return norm.NFC.String(sanitizeHTML(s))
}

// encoded refuses what is no UTF-8 and what is far too long, before work is spent on it.
func (p *problems) encoded(pointer, s string, limit int) string {
	if len(s) > limit*byteFactor {
		p.tooLong(pointer, limit)
		return ""
	}
	if !utf8.ValidString(s) {
		p.add(pointer, fault.BadEncoding, "is not valid UTF-8")
		return ""
	}
	return s
}

func (p *problems) clean(pointer, s string, limit int, allowed string) string {
	s = norm.NFC.String(s)
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune(allowed, r) }) {
		p.add(pointer, fault.BadEncoding, "contains a control character")
	}
	if len(s) > limit && utf8.RuneCountInString(s) > limit {
		p.tooLong(pointer, limit)
	}
	return s
}

func (p *problems) tooLong(pointer string, limit int) {
	p.add(pointer, fault.TooLong, fmt.Sprintf("has more than %d characters", limit), "max", limit)
}

func (p *problems) tooMany(pointer string, n, limit int) bool {
	if n > limit {
		p.add(pointer, fault.TooMany, fmt.Sprintf("has more than %d entries", limit), "max", limit)
	}
	return n > limit
}

// id checks an id without an organization.
func (p *problems) id(pointer, id string) {
	if !validPart(id, maxID) {
		p.add(pointer, fault.BadID, "an id has 1 to 128 letters, digits or . _ : + @ -")
	}
}

// org checks an organization's id.
func (p *problems) org(pointer string, org OrgID) {
	if !validPart(string(org), maxOrg) {
		p.add(pointer, fault.BadID, "an organization has 1 to 64 letters, digits or . _ : + @ -")
	}
}

// orgID checks an entity's id, which may be an organization's ("org~id").
func (p *problems) orgID(id string) {
	if !validOrgID(id) {
		p.add("/id", fault.BadID, "an id has 1 to 128 letters, digits or . _ : + @ -, after an organization's name and ~ for its own")
	}
}

// slug checks the id of a tag or a category.
func (p *problems) slug(pointer, id string) {
	_, local, found := strings.Cut(id, orgMark)
	if !found {
		local = id
	}
	if !validOrgID(id) || Slug(local) != local {
		p.add(pointer, fault.BadID, "is no slug")
	}
}

func validOrgID(id string) bool {
	org, local, found := strings.Cut(id, orgMark)
	if !found {
		return validPart(id, maxID)
	}
	return validPart(org, maxOrg) && validPart(local, maxID)
}

func validPart(s string, limit int) bool {
	if s == "." || s == ".." { // in an address they are another one
		return false
	}
	n := 0
	for _, r := range s {
		if n++; n > limit || r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("._:+@-", r) {
			return false
		}
	}
	return n > 0 && norm.NFC.IsNormalString(s)
}

// locale checks a language tag.
func (p *problems) locale(pointer string, l Locale) Locale {
	c, ok := CanonicalLocale(string(l))
	if !ok {
		p.add(pointer, fault.BadLocale, "is no language tag")
		return l
	}
	return c
}

// localized checks texts by locale: each by check; empty ones are dropped.
func localized[T any](p *problems, pointer string, m map[Locale]T, check func(pointer string, t T) (T, bool)) map[Locale]T {
	if p.tooMany(pointer, len(m), maxLocales) {
		return nil
	}
	var out map[Locale]T
	for _, l := range slices.Sorted(maps.Keys(m)) {
		at := pointer + "/" + pointerPart(string(l))
		text, keep := check(at, m[l])
		if !keep {
			continue
		}
		c := p.locale(at, l)
		if _, twice := out[c]; twice {
			p.add(at, fault.Duplicate, "is there twice in one language")
		}
		if out == nil {
			out = map[Locale]T{}
		}
		out[c] = text
	}
	return out
}

// lines checks one-line texts by locale.
func (p *problems) lines(pointer string, m map[Locale]string, limit int) map[Locale]string {
	return localized(p, pointer, m, func(at, s string) (string, bool) {
		s = p.line(at, s, limit)
		return s, s != ""
	})
}

// texts checks texts of several lines by locale.
func (p *problems) texts(pointer string, m map[Locale]string, limit int) map[Locale]string {
	return localized(p, pointer, m, func(at, s string) (string, bool) {
		s = p.text(at, s, limit)
		return s, s != ""
	})
}

// url checks an address that a browser may open.
func (p *problems) url(pointer, s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || !utf8.ValidString(s) || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		p.add(pointer, fault.BadURL, "is no http or https address")
	}
	return s
}

// between checks a whole number.
func (p *problems) between(pointer string, n, low, high int) {
	if n < low || n > high {
		p.add(pointer, fault.OutOfRange, fmt.Sprintf("is not between %d and %d", low, high), "min", low, "max", high)
	}
}

// price checks a price and rounds it to two decimals.
func (p *problems) price(pointer string, price *float64) *float64 {
	if price == nil {
		return nil
	}
	if !(*price >= 0 && *price <= maxPrice) { // NaN too
		p.add(pointer, fault.OutOfRange, "is not between 0 and 1000000", "min", 0, "max", int(maxPrice))
		return nil
	}
	cents := twoDecimals(*price)
	return &cents
}

func twoDecimals(f float64) float64 { return math.Round(f*100) / 100 }

// currency checks a currency's code.
func (p *problems) currency(pointer, s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if s == "" {
		return ""
	}
	if _, err := currency.ParseISO(s); err != nil {
		p.add(pointer, fault.BadValue, "is no currency of ISO 4217", "allowed", "EUR, USD, CNY …")
	}
	return s
}

// date checks a moment and puts it into the form that is stored.
func (p *problems) date(pointer string, t *time.Time) *time.Time {
	t = momentOf(t)
	if t != nil && (t.Year() < minYear || t.Year() > maxYear) {
		p.add(pointer, fault.OutOfRange, "is not between the years 1000 and 9999", "min", minYear, "max", maxYear)
		return nil
	}
	return t
}

// order checks that a span does not end before it starts.
func (p *problems) order(pointer, start string, from, to *time.Time) {
	if from != nil && to != nil && to.Before(*from) {
		p.add(pointer, fault.DateOrder, "is before "+start, "other", start)
	}
}

// moment is a time as it is stored: UTC, milliseconds, so that equal times are equal bodies.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func momentOf(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	m := moment(*t)
	return &m
}

// pointerPart escapes a name for a JSON pointer.
func pointerPart(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// nfc brings an id that came from outside into the form in which ids are stored.
func nfc[T ~string](id T) T { return T(norm.NFC.String(string(id))) }

// unique drops repetitions, keeping the order.
func unique[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool {
		was := seen[v]
		seen[v] = true
		return was
	})
}
