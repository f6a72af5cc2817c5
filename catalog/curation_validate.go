package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/carrel-lms/carrel/fault"
)

// The limits of what one synonym and one pin hold. Search keeps them all in memory, and each term of a synonym is looked for with every query that
// has one of its others.
const (
	maxTerms     = 20  // on each side: what has more names than that is a topic, and better a tag
	maxTerm      = 100 // runes, as a label has
	maxTermWords = 8   // each is looked for beside the others: what is longer is a sentence
	maxPinQuery  = 200 // runes: a long sentence; queries that come again are far shorter
	maxPins      = 20  // the first page of hits: what stands behind it does not stand first
	maxBoosts    = 50  // with the pins, as many courses as one still keeps in mind for a query
	maxBoost     = 10  // either way
)

// boostRange is what a boost may be, for messages.
const boostRange = "-10 … -0.01, 0.01 … 10"

// synonym checks a synonym. No term is there twice, on one side or on both: who looks for a word finds that word anyway.
func (p *problems) synonym(s Synonym) Synonym {
	p.orgID(string(s.ID))
	s.Language = p.anyLocale("/language", s.Language)
	seen := map[string]bool{}
	s.From = p.terms("/from", s.From, seen)
	s.To = p.terms("/to", s.To, seen)
	return s
}

// anyLocale checks a language tag that may be missing.
func (p *problems) anyLocale(pointer string, l Locale) Locale {
	if l == "" {
		return ""
	}
	return p.locale(pointer, l)
}

// terms checks one side of a synonym; seen holds the terms that were there already.
func (p *problems) terms(pointer string, terms []string, seen map[string]bool) []string {
	if len(terms) == 0 {
		p.add(pointer, fault.Required, "is required")
	}
	if p.tooMany(pointer, len(terms), maxTerms) {
		return nil
	}
	out := make([]string, 0, len(terms))
	for i, term := range terms {
		where, bad := at(pointer, i), len(p.fields)
		term = p.words(where, term, maxTerm)
		if len(p.fields) > bad {
			continue
		}
		key := folded(term)
		switch {
		case len(strings.FieldsFunc(term, betweenWords)) > maxTermWords:
			p.add(where, fault.TooManyWords, fmt.Sprintf("has more than %d words", maxTermWords), "max", maxTermWords)
		case seen[key]:
			p.add(where, fault.Duplicate, "is there twice")
		default:
			seen[key] = true
			out = append(out, term)
		}
	}
	return out
}

// words checks what one types to search: a line with a letter or digit. Between words it gets one space.
func (p *problems) words(pointer, s string, limit int) string {
	bad := len(p.fields)
	s = strings.Join(strings.Fields(p.line(pointer, s, limit)), " ")
	switch {
	case len(p.fields) > bad:
	case s == "":
		p.required(pointer, s)
	case !strings.ContainsFunc(s, isWordRune):
		p.add(pointer, fault.NoWord, "has no letter or digit")
	}
	return s
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// betweenWords reports whether a rune parts words; marks belong to the letter before them.
func betweenWords(r rune) bool { return !isWordRune(r) && !unicode.IsMark(r) }

// folded is a term without the difference of case and of width, which search does not see either.
func folded(term string) string { return cases.Fold().String(norm.NFKC.String(term)) }

// pin checks a pin; which courses there are is checkPinned's.
func (p *problems) pin(pin Pin) Pin {
	p.orgID(string(pin.ID))
	pin.Language = p.anyLocale("/language", pin.Language)
	pin.Query = p.words("/query", pin.Query, maxPinQuery)
	if len(pin.Pins) == 0 && len(pin.Boosts) == 0 {
		p.add("/pins", fault.Required, "is required when there are no boosts")
	}
	pin.Pins = p.pinned(pin.Pins)
	pin.Boosts = p.boosts(pin.Boosts, pin.Pins)
	return pin
}

func (p *problems) pinned(ids []CourseID) []CourseID {
	if p.tooMany("/pins", len(ids), maxPins) {
		return nil
	}
	var out []CourseID
	for i, id := range ids {
		id = nfc(id)
		if slices.Contains(out, id) {
			p.add(at("/pins", i), fault.Duplicate, "is there twice")
		}
		out = append(out, id)
	}
	return out
}

// boosts checks boosts and rounds them to two decimals. A course that is pinned has its place, whatever its score.
func (p *problems) boosts(boosts map[CourseID]float64, pins []CourseID) map[CourseID]float64 {
	if p.tooMany("/boosts", len(boosts), maxBoosts) || len(boosts) == 0 {
		return nil
	}
	out := make(map[CourseID]float64, len(boosts))
	for _, given := range slices.Sorted(maps.Keys(boosts)) {
		id, boost := nfc(given), twoDecimals(boosts[given])
		where := boostPointer(given)
		if _, twice := out[id]; twice || slices.Contains(pins, id) {
			p.add(where, fault.Duplicate, "is there twice, or pinned already")
		}
		if !(boost >= -maxBoost && boost <= maxBoost) || boost == 0 { // NaN too
			p.add(where, fault.BadValue, "is not between -10 and 10, or is 0", "allowed", boostRange)
		}
		out[id] = boost
	}
	return out
}

func boostPointer(id CourseID) string { return "/boosts/" + pointerPart(clip(string(id))) }
