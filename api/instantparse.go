package api

import (
	"strings"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

// parseFilters reads the language of the parameter filters:
//
//	expression = item {"AND" item} | item {"OR" item}
//	item       = ["NOT"] term | "(" expression ")"
//	term       = attribute ":" value | attribute ":" number "TO" number | attribute ("<"|"<="|"="|"!="|">="|">") number
//
// Names and values with spaces or signs stand in quotes. AND and OR are not mixed without parentheses, and no AND stands within an OR.
func parseFilters(text, at string) ([]search.Clause, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	p := filterParser{rest: text}
	clauses, code, pairs := p.expression(maxFilterDepth)
	if p.space(); code == "" && p.rest != "" {
		code, pairs = p.bad()
	}
	if code != "" {
		return nil, badInstant(at, "filters", code, pairs...)
	}
	return clauses, nil
}

// maxFilterDepth bounds parentheses within parentheses; what a filter can say needs one.
const maxFilterDepth = 8

type filterParser struct{ rest string }

func (p *filterParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// bad names the place that could not be read.
func (p *filterParser) bad() (fault.Code, []any) {
	_, code, pairs := badFilter(p.rest)
	return code, pairs
}

// word takes a word that stands here, and alone.
func (p *filterParser) word(w string) bool {
	rest, ok := strings.CutPrefix(p.rest, w)
	if ok && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n()")) {
		p.rest = rest
		p.space()
		return true
	}
	return false
}

func (p *filterParser) sign(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = rest
		p.space()
	}
	return ok
}

func (p *filterParser) expression(depth int) ([]search.Clause, fault.Code, []any) {
	var all []search.Clause
	and, or := false, false
	for p.space(); ; {
		from := *p
		some, code, pairs := p.item(depth)
		if code != "" {
			return nil, code, pairs
		}
		isOr := or
		p.space()
		before := *p
		switch {
		case p.word("AND"):
			and = true
		case p.word("OR"):
			or, isOr = true, true
		default:
			before.rest = ""
		}
		if and && or || isOr && len(some) != 1 {
			code, pairs := from.bad()
			return nil, code, pairs
		}
		if isOr && len(all) > 0 {
			all[0] = append(all[0], some[0]...)
		} else {
			all = append(all, some...)
		}
		if before.rest == "" {
			return all, "", nil
		}
	}
}

func (p *filterParser) item(depth int) ([]search.Clause, fault.Code, []any) {
	if !p.sign("(") {
		t, code, pairs := p.term()
		return []search.Clause{{t}}, code, pairs
	}
	if depth == 0 {
		code, pairs := p.bad()
		return nil, code, pairs
	}
	some, code, pairs := p.expression(depth - 1)
	if code != "" {
		return nil, code, pairs
	}
	if p.space(); !p.sign(")") {
		code, pairs = p.bad()
	}
	return some, code, pairs
}

func (p *filterParser) term() (search.Term, fault.Code, []any) {
	not := p.word("NOT")
	from := p.rest
	name, _, ok := p.text(" \t\r\n:<>=!()")
	if !ok {
		return badFilter(from)
	}
	p.space()
	var t search.Term
	if p.sign(string(search.Is)) {
		t = search.Term{Attribute: name, Op: search.Is}
		value, quoted, ok := p.text(" \t\r\n()")
		if !ok {
			return badFilter(from)
		}
		if p.space(); !quoted && p.word(string(search.Within)) {
			high, _, _ := p.text(" \t\r\n()")
			within, code, pairs := numericTerm(name + ":" + value + " TO " + high)
			within.Not = not
			return within, code, pairs
		}
		t.Value, t.Not = value, not
		return checkTerm(t)
	}
	for _, op := range []search.Op{search.LessEqual, search.GreaterEqual, search.NotEqual, search.Equal, search.Less, search.Greater} {
		if p.sign(string(op)) {
			value, _, _ := p.text(" \t\r\n()")
			t, code, pairs := numericTerm(name + string(op) + value)
			t.Not = not
			return t, code, pairs
		}
	}
	return badFilter(from)
}

// text reads a text in quotes, in which a backslash takes what follows as it is, or one that ends before any of some signs.
func (p *filterParser) text(ends string) (text string, quoted, ok bool) {
	if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\'' {
		n := strings.IndexAny(p.rest, ends)
		if n < 0 {
			n = len(p.rest)
		}
		text, p.rest = p.rest[:n], p.rest[n:]
		return text, false, text != ""
	}
	var b strings.Builder
	quote := p.rest[0]
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == quote:
			p.rest = p.rest[i+1:]
			return b.String(), true, true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", true, false
}
