package api

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

// readFilters reads facetFilters, numericFilters, tagFilters and filters. All of them must hold.
func (q *instantRequest) readFilters(p *instantParams) error {
	q.refined = map[string]bool{}
	for _, one := range []struct {
		name string
		read func(text string) (search.Term, fault.Code, []any)
	}{{"facetFilters", facetTerm}, {"numericFilters", numericTerm}, {"tagFilters", tagTerm}} {
		f := filterReader{at: p.at + "/" + one.name, name: one.name, term: one.read}
		clauses, err := f.clauses(p.values[one.name])
		if err != nil {
			return err
		}
		q.ask.Filters = append(q.ask.Filters, clauses...)
	}
	text := p.text("filters", "")
	if p.err != nil {
		return p.err
	}
	clauses, err := parseFilters(text, p.at+"/filters")
	if err != nil {
		return err
	}
	q.ask.Filters = append(q.ask.Filters, clauses...)
	for _, clause := range q.ask.Filters {
		q.terms += len(clause)
		for _, t := range clause {
			q.refined[t.Attribute] = true
		}
	}
	return nil
}

// filterReader reads an array of terms, all of which must hold; arrays in it are alternatives.
type filterReader struct {
	at, name string
	term     func(text string) (search.Term, fault.Code, []any)
}

func (f *filterReader) clauses(v any) ([]search.Clause, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, nil
		}
		if f.name == "facetFilters" { // whose values may hold commas
			return f.list([]any{v})
		}
		var parts []any
		for part := range strings.SplitSeq(v, ",") {
			parts = append(parts, part)
		}
		return f.list(parts)
	case []any:
		return f.list(v)
	default:
		return nil, badInstant(f.at, f.name, fault.WrongType, "want", "array of strings")
	}
}

func (f *filterReader) list(items []any) ([]search.Clause, error) {
	var clauses []search.Clause
	for i, item := range items {
		at := f.at + "/" + strconv.Itoa(i)
		alternatives, nested := item.([]any)
		if !nested {
			alternatives = []any{item}
		}
		var clause search.Clause
		for j, one := range alternatives {
			if nested {
				at = f.at + "/" + strconv.Itoa(i) + "/" + strconv.Itoa(j)
			}
			text, ok := one.(string)
			if !ok {
				return nil, badInstant(at, f.name, fault.WrongType, "want", "string")
			}
			t, code, pairs := f.term(text)
			if code != "" {
				return nil, badInstant(at, f.name, code, pairs...)
			}
			clause = append(clause, t)
		}
		if len(clause) > 0 {
			clauses = append(clauses, clause)
		}
	}
	return clauses, nil
}

// badFilter says that a text is no filter.
func badFilter(text string) (search.Term, fault.Code, []any) {
	return search.Term{}, fault.BadFilter, []any{"value", cut(text)}
}

// checkTerm refuses attributes that we do not have, comparisons of what is no number, and values that are too long.
func checkTerm(t search.Term) (search.Term, fault.Code, []any) {
	known, number := search.IsAttribute(t.Attribute)
	switch {
	case !known:
		return t, fault.BadValue, []any{"allowed", strings.Join(search.Attributes(), ", "), "value", cut(t.Attribute)}
	case t.Op != search.Is && !number:
		return t, fault.NotANumber, []any{"value", cut(t.Attribute)}
	case len(t.Value) > search.MaxValueBytes:
		return t, fault.TooLong, []any{"max", search.MaxValueBytes}
	}
	return t, "", nil
}

// facetTerm reads attribute:value. A minus before the value excludes it; a value that begins with one is written with a backslash.
func facetTerm(text string) (search.Term, fault.Code, []any) {
	name, value, found := strings.Cut(text, ":")
	if !found {
		return badFilter(text)
	}
	t := search.Term{Attribute: strings.TrimSpace(name), Op: search.Is}
	t.Value, t.Not = unescapeMinus(value)
	return checkTerm(t)
}

// unescapeMinus takes the minus of an exclusion, or the backslash before one that belongs to the value.
func unescapeMinus(value string) (string, bool) {
	if rest, ok := strings.CutPrefix(value, `\-`); ok {
		return "-" + rest, false
	}
	return strings.CutPrefix(value, "-")
}

// tagTerm reads a tag.
func tagTerm(text string) (search.Term, fault.Code, []any) {
	t := search.Term{Attribute: "tags", Op: search.Is}
	t.Value, t.Not = unescapeMinus(strings.TrimSpace(text))
	if t.Value == "" {
		return badFilter(text)
	}
	return checkTerm(t)
}

const numberPattern = `[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?`

var (
	comparison = regexp.MustCompile(`^\s*([^\s:<>=!]+)\s*(<=|>=|!=|=|<|>)\s*(` + numberPattern + `)\s*$`)
	between    = regexp.MustCompile(`^\s*([^\s:<>=!]+)\s*:\s*(` + numberPattern + `)(?:\s+TO\s+(` + numberPattern + `))?\s*$`)
)

// numericTerm reads attribute>=4, or attribute:1 TO 5.
func numericTerm(text string) (search.Term, fault.Code, []any) {
	t := search.Term{}
	var low, high string
	if m := comparison.FindStringSubmatch(text); m != nil {
		t.Attribute, t.Op, low = m[1], search.Op(m[2]), m[3]
	} else if m := between.FindStringSubmatch(text); m != nil {
		t.Attribute, t.Op, low, high = m[1], search.Equal, m[2], m[3]
	} else {
		return badFilter(text)
	}
	if high != "" {
		t.Op = search.Within
		t.High, _ = strconv.ParseFloat(high, 64)
	}
	t.Low, _ = strconv.ParseFloat(low, 64)
	if math.IsInf(t.Low, 0) || math.IsInf(t.High, 0) {
		return badFilter(text)
	}
	return checkTerm(t)
}
