package query

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
)

// fields are the names that a colon may follow; any other word with a colon is a word.
var fields = []Field{FieldTag, FieldCategory, FieldInstructor, FieldLevel, FieldLanguage, FieldProvider, FieldRating}

// MaxRating is the best rating that a course can have.
const MaxRating = 5

// Parse reads a query. Its errors are *fault.Error with code [fault.InvalidQuery], the position (in runes, from 0) and a fix.
func Parse(q string) (Query, error) {
	if len(q) > MaxRunes*utf8.UTFMax {
		return Query{}, tooLong()
	}
	p := newParser(q)
	for p.space(); !p.end(); p.space() {
		if err := p.clause(); err != nil {
			return Query{}, err
		}
		if len(p.clauses)+len(p.pending) > MaxClauses {
			return Query{}, invalid(p.at[p.i], "a query has at most %d words", MaxClauses)
		}
	}
	clauses := slices.Concat(p.clauses, p.pending)
	for i, c := range slices.Backward(clauses) {
		if c.Kind == KindWord && !c.Not {
			clauses[i].Prefix = true
			break
		}
	}
	parsed := Query{Clauses: clauses}
	// The limit is on the normal form, which may be a little longer than what was written: it must parse again.
	if utf8.RuneCountInString(parsed.String()) > MaxRunes {
		return Query{}, tooLong()
	}
	return parsed, nil
}

func tooLong() error { return invalid(MaxRunes, "a query has at most %d characters", MaxRunes) }

func invalid(position int, fix string, a ...any) error {
	return fault.New("query.Parse", fault.InvalidQuery, "position", position, "reason", fmt.Sprintf(fix, a...)).WithFix(fix, a...)
}

// parser reads a cleaned query: every kind of space, and control characters, are ' ', every double quote is '"', and
// invisible signs are gone.
type parser struct {
	runes   []rune
	at      []int // where each rune, and the end, stood in what was written
	i       int
	clauses []Clause
	pending []Clause // AND and OR: words if nothing follows, else operators, which we do without
}

func newParser(q string) *parser {
	p := &parser{runes: make([]rune, 0, len(q)), at: make([]int, 0, len(q)+1)}
	n := 0
	for _, r := range q {
		if c := clean(r); c >= 0 {
			p.runes, p.at = append(p.runes, c), append(p.at, n)
		}
		n++
	}
	p.at = append(p.at, n)
	return p
}

// clean maps a rune as parser says; -1 drops it.
func clean(r rune) rune {
	switch r {
	case '“', '”', '„', '‟', '«', '»', '＂', '「', '」', '『', '』', '〝', '〞':
		return '"'
	case '：':
		return ':'
	case '－', '−':
		return '-'
	case utf8.RuneError:
		return ' '
	}
	switch {
	case unicode.IsSpace(r), unicode.IsControl(r):
		return ' '
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
		return -1
	}
	return r
}

func (p *parser) end() bool { return p.i >= len(p.runes) }

func (p *parser) space() {
	for !p.end() && p.runes[p.i] == ' ' {
		p.i++
	}
}

// clause reads the clause that begins here, if it is one.
func (p *parser) clause() error {
	not := false
	for !p.end() && strings.ContainsRune(`-+"`, p.runes[p.i]) {
		if text, ok := p.quoted(); ok {
			if meaning(text) {
				p.add(Clause{Kind: KindPhrase, Not: not, Text: text})
			}
			return nil
		}
		not = not || p.runes[p.i] == '-'
		p.i++ // a sign, or a quote without its other half, which is perhaps still being typed
	}
	start := p.i
	if f, ok := p.field(); ok {
		return p.value(f, not, start)
	}
	if w := p.word(); meaning(w) {
		p.addWord(Clause{Not: not, Text: w})
	}
	return nil
}

// quoted reads a phrase in quotes; without a closing quote it reads nothing.
func (p *parser) quoted() (string, bool) {
	if p.end() || p.runes[p.i] != '"' {
		return "", false
	}
	n := slices.Index(p.runes[p.i+1:], '"')
	if n < 0 {
		return "", false
	}
	text := strings.Join(strings.Fields(string(p.runes[p.i+1:p.i+1+n])), " ")
	p.i += n + 2
	return text, true
}

// word reads up to the next space or quote.
func (p *parser) word() string {
	start := p.i
	for !p.end() && p.runes[p.i] != ' ' && p.runes[p.i] != '"' {
		p.i++
	}
	return string(p.runes[start:p.i])
}

// field reads the name of a field and its colon.
func (p *parser) field() (Field, bool) {
	for _, f := range fields {
		n := len(f)
		if p.i+n < len(p.runes) && p.runes[p.i+n] == ':' && strings.EqualFold(string(p.runes[p.i:p.i+n]), string(f)) {
			p.i += n + 1
			return f, true
		}
	}
	return "", false
}

// value reads the value of a field, and adds the clause unless the value is empty: it may still be being typed.
func (p *parser) value(f Field, not bool, start int) error {
	c := Clause{Kind: KindField, Not: not, Field: f}
	if f == FieldRating {
		return p.rating(c, start)
	}
	text, ok := p.quoted()
	if !ok {
		if !p.end() && p.runes[p.i] == '"' {
			p.i++
		}
		text = p.word()
	}
	if c.Text = text; meaning(text) {
		p.add(c)
	}
	return nil
}

// rating reads >=4.5, ≥4.5 or 4.5, which all mean at least, with a decimal point or comma.
func (p *parser) rating(c Clause, start int) error {
	text, ok := p.quoted()
	if !ok {
		text = p.word()
	}
	for _, op := range []string{">=", "≥"} {
		if rest, ok := strings.CutPrefix(text, op); ok {
			text = rest
			break
		}
	}
	if text == "" {
		return nil
	}
	v, ok := decimal(text)
	if !ok || v > MaxRating {
		return invalid(p.at[start], "write rating:>=4.5, with a number from 0 to %d", MaxRating)
	}
	c.Rating = v
	c.Text = strconv.FormatFloat(v, 'f', -1, 64)
	p.add(c)
	return nil
}

// decimal reads digits with at most one decimal sign, to two places, which is how ratings are shown.
func decimal(s string) (float64, bool) {
	s = strings.Replace(s, ",", ".", 1)
	for _, r := range s {
		if r != '.' && (r < '0' || r > '9') {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false
	}
	return math.Round(v*100) / 100, true
}

// meaning reports whether a text holds anything that could be found.
func meaning(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
}

func (p *parser) add(c Clause) {
	p.pending = nil
	p.clauses = append(p.clauses, c)
}

// addWord adds a word. AND and OR between clauses are what other search boxes ask for; here they would have to be found.
func (p *parser) addWord(c Clause) {
	if len(p.clauses) > 0 && !c.Not && (c.Text == "AND" || c.Text == "OR") {
		p.pending = append(p.pending, c)
		return
	}
	p.add(c)
}
