package search

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/search/analysis"
)

// This file says in which ways a course has a word that it has not as it stands.

// oddly is in which ways a course has a word that it has not as it stands.
type oddly struct {
	initials, begun bool
	near            []nearForm // that it may be taken for, of which the course has a form
}

// mayHaveInitials reports whether the course may have characters side by side with these initials.
func (a *Alerts) mayHaveInitials(fold string) bool {
	for i := range len(fold) - 1 {
		if !a.mayHave(keyOf(keyInitials, fold[i:i+2])) {
			return false
		}
	}
	return true
}

// nearForm is such a word; sure says that a form is there, and not only a key of it.
type nearForm struct {
	nearWord
	sure bool
}

// oddlyHas finds out in which ways the course at hand has a word that it has not as it stands.
func (a *Alerts) oddlyHas(id clauseID) (o *oddly, err error) {
	o, c, m := &oddly{}, &a.clauses[id], a.one.m
	if c.touch&touchInitials != 0 && a.mayHaveInitials(foldOfClause(c.text)) {
		w, _ := wordOfClause(c.text)
		if o.initials, err = a.one.found(m.initials(w)); err != nil {
			return nil, err
		}
	}
	if c.touch&touchNear != 0 {
		from, _ := slices.BinarySearchFunc(a.near, id, func(n nearTouch, id clauseID) int { return cmp.Compare(n.clause, id) })
		for _, n := range a.near[from:] {
			if n.clause != id {
				break
			}
			o.near = append(o.near, nearForm{c.near[n.near], n.sure})
		}
	}
	if c.touch&touchBegun != 0 {
		o.begun, err = a.one.found(m.beginningLike(foldOfClause(c.text)))
	}
	return o, err
}

// news reports whether the course has a word in a better way than anybody before, or by a word that nobody had.
func (a *Alerts) news(o *oddly, f *fact) bool {
	return o.initials && f.level > levelInitials || o.begun && f.level > levelBegun || slices.ContainsFunc(o.near, func(n nearForm) bool {
		return (n.level < f.level || n.level == f.level && !slices.Contains(f.terms, n.term)) && a.one.has(n.term)
	})
}

// oddly notes when the course has a word in the way in which it is found.
func (a *Alerts) oddly(o *oddly, f *fact, id factID) (err error) {
	has := false
	switch f.level {
	case levelInitials:
		has = o.initials
	case levelBegun:
		has = o.begun
	case levelNobody:
		if c := &a.clauses[id.clause]; c.touch&touchPart != 0 {
			w, _ := wordOfClause(c.text)
			has, err = a.one.found(a.one.m.partial(w))
			if has {
				a.notePartly(id)
			}
		}
		return err
	default:
		for _, n := range o.near {
			if has || err != nil {
				break
			}
			if !slices.Contains(f.terms, n.term) {
				continue
			}
			if has = n.sure; !has {
				words := analysis.Words(n.term)
				has, err = a.one.found(a.one.m.forms(&words[0], tierTypo, tierTypo+1))
			}
		}
	}
	if has {
		a.odd = append(a.odd, id)
	}
	return err
}

// notePartly notes the bundles with a run of characters of which the course has some.
func (a *Alerts) notePartly(id factID) {
	for _, g := range a.clauses[id.clause].bundles {
		if a.bundles[g].org == id.org {
			a.partly[g] = true
		}
	}
}

// touchBeginners touches the words, found by nobody in a better way, of which the course has a mistyped beginning.
func (a *Alerts) touchBeginners() {
	if len(a.spread) == 0 {
		return
	}
	for field := range langs {
		for term := range a.one.terms[field] {
			first, _ := utf8.DecodeRuneInString(term)
			for _, b := range a.beginners[first] {
				if beginsLike(term, b.fold) && letters(term) && slices.ContainsFunc(a.clauses[b.clause].facts, func(f *fact) bool { return f.level >= levelBegun }) {
					a.touch(b.clause, touchBegun)
				}
			}
		}
	}
}

// beginsLike reports whether a beginning of a term may be one edit away from the word of a clause: after what both begin with, one of them, or both, has a letter
// more, or two letters are exchanged. It looks at bytes, and takes letters of several for any.
func beginsLike(term, fold string) bool {
	k := 0
	for k < len(fold) && k < len(term) && fold[k] == term[k] {
		k++
	}
	if k == len(fold) {
		return true
	}
	rest, in := fold[k+1:], term[k:]
	switch {
	case !ascii(fold) || !ascii(term):
		return true
	case strings.HasPrefix(in, rest): // the word has a letter more
		return true
	case in == "":
		return false
	}
	return strings.HasPrefix(in[1:], rest) || strings.HasPrefix(in[1:], fold[k:]) ||
		len(rest) > 0 && len(in) > 1 && rest[0] == in[0] && fold[k] == in[1] && strings.HasPrefix(in[2:], rest[1:])
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
