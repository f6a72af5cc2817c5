package analysis

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxParts bounds the parts of a compound. More are no name but a path or a list, and are cut as one.
const maxParts = 4

// maxSlash is the longest part, in letters and digits, of a compound with a slash or an ampersand: TCP/IP, HTML/CSS, R&D.
const maxSlash = 4

// maxSlashed is the longest part after a slash and a single letter, when it has a digit: S/4HANA.
const maxSlashed = 8

// shape is how a unit is written. It follows from the writing alone.
type shape uint8

const (
	shapeWord    shape = iota // letters and digits
	shapeHan                  // a run of Han characters
	shapeNumber               // 3.11, 1,000
	shapeJoined               // e-learning, O'Reilly: whole without the joiner
	shapeCode                 // node.js, tcp/ip, r&d: whole with it
	shapeInitial              // U.S.A: one word
	shapeSigned               // c++, c#
	shapeDotted               // .net
)

type span struct{ start, end int }

// unit is a piece of text that the scanner found; a compound has two parts or more.
type unit struct {
	span
	shape shape
	n     int // parts in use
	parts [maxParts]span
}

// scanner cuts a text into units, in one pass.
type scanner struct {
	text string
	pos  int
}

// The classes of runes.
type class uint8

const (
	other class = iota
	letter
	digit
	mark // continues a word, begins none
	han
)

var classASCII = func() (t [utf8.RuneSelf]class) {
	for c, l := range lowerASCII {
		switch {
		case l >= 'a':
			t[c] = letter
		case l != 0:
			t[c] = digit
		}
	}
	return t
}()

// joinerASCII holds the signs that joinerAt knows.
var joinerASCII = func() (t [utf8.RuneSelf]bool) {
	for _, c := range ".,/-'&+#" {
		t[c] = true
	}
	return t
}()

// classAt returns the class and the size of the rune at i, other and 0 at the end.
func (s *scanner) classAt(i int) (class, int) {
	if i >= len(s.text) {
		return other, 0
	}
	if c := s.text[i]; c < utf8.RuneSelf {
		return classASCII[c], 1
	}
	r, n := utf8.DecodeRuneInString(s.text[i:])
	switch {
	case r >= 0xc0 && r < 0x250 && r != '×' && r != '÷':
		return letter, n
	case r == utf8.RuneError, r == 'ʼ': // the latter is an apostrophe, though Unicode says letter
		return other, n
	case isHan(r):
		return han, n
	case unicode.IsLetter(r):
		return letter, n
	case unicode.IsMark(r), r == '\u00ad', r == '\u200c', r == '\u200d', r == '\u200e', r == '\u200f', r == '\u2060':
		return mark, n
	case unicode.IsNumber(r):
		return digit, n
	}
	return other, n
}

// joinerAt returns the sign at i that may hold a compound together, in its ASCII form, and its size; 0 when there is none.
func (s *scanner) joinerAt(i int) (byte, int) {
	if i >= len(s.text) {
		return 0, 0
	}
	if c := s.text[i]; c < utf8.RuneSelf {
		if joinerASCII[c] {
			return c, 1
		}
		return 0, 0
	}
	r, n := utf8.DecodeRuneInString(s.text[i:])
	switch r {
	case '’', '‘', 'ʼ', '′':
		return '\'', n
	case '‐', '‑':
		return '-', n
	case '♯':
		return '#', n
	case '＇', '．', '／', '－', '＆', '＋', '＃':
		return byte(r - 0xfee0), n // full width
	}
	return 0, 0
}

// next returns the next unit; ok is false at the end.
func (s *scanner) next() (u unit, ok bool) {
	after := other // class of the rune before pos, or letter after a dot: .NET begins a word, but not in "...net" or "a.net"
	for s.pos < len(s.text) {
		c, n := s.classAt(s.pos)
		switch c {
		case han:
			return s.run(), true
		case letter, digit:
			return s.word(), true
		}
		if j, size := s.joinerAt(s.pos); j == '.' {
			if after == other && s.dotted(size) {
				return s.dot(size), true
			}
			after = letter
		} else {
			after = other
		}
		s.pos += n
	}
	return u, false
}

// run takes the run of Han characters at pos.
func (s *scanner) run() unit {
	u := unit{span: span{start: s.pos}, shape: shapeHan}
	for {
		c, n := s.classAt(s.pos)
		if c != han {
			u.end = s.pos
			return u
		}
		s.pos += n
	}
}

// dotted reports whether the dot at pos, of the given size, begins a name such as .NET.
func (s *scanner) dotted(size int) bool {
	if s.pos > 0 {
		if r, _ := utf8.DecodeLastRuneInString(s.text[:s.pos]); unicode.IsLetter(r) && !isHan(r) || unicode.IsNumber(r) {
			return false
		}
	}
	c, n := s.classAt(s.pos + size)
	if c != letter {
		return false
	}
	c, _ = s.classAt(s.pos + size + n)
	return c == letter
}

func (s *scanner) dot(size int) unit {
	u := unit{span: span{start: s.pos}, shape: shapeDotted, n: 1}
	u.parts[0] = s.atom(s.pos + size).span
	u.end = u.parts[0].end
	s.pos = u.end
	s.possessive()
	return u
}

// atom is a run of letters and digits, without signs.
type atom struct {
	span
	letters, digits int
	split           int // where the digits begin, when letters come first and digits last; else 0
}

// atom takes the letters, digits and marks at i.
func (s *scanner) atom(i int) atom {
	a := atom{span: span{i, i}}
	for i < len(s.text) && s.text[i] < utf8.RuneSelf && classASCII[s.text[i]] == letter {
		i++ // most words are letters to the end
	}
	a.letters, a.end = i-a.start, i
	if i > a.start {
		a.end = s.marks(i)
		i = a.end
	}
	for {
		c, n := s.classAt(i)
		switch c {
		case letter:
			a.letters++
			if a.digits > 0 {
				a.split = -1
			}
		case digit:
			if a.digits++; a.split == 0 && a.letters > 0 {
				a.split = i
			}
		case mark:
			i += n
			continue // what ends a word may be no mark but invisible
		default:
			a.split = max(a.split, 0)
			return a
		}
		i += n
		a.end = i
		if c == letter {
			a.end = s.marks(i)
			i = a.end
		}
	}
}

// marks returns the end of the marks at i, which belong to the letter before it; invisible signs are left out.
func (s *scanner) marks(i int) int {
	for i < len(s.text) && s.text[i] >= utf8.RuneSelf {
		r, n := utf8.DecodeRuneInString(s.text[i:])
		if !unicode.IsMark(r) {
			break
		}
		i += n
	}
	return i
}

// word takes the word or compound that begins at pos.
func (s *scanner) word() unit {
	a := s.atom(s.pos)
	if j, _ := s.joinerAt(a.end); j == 0 { // nearly all words
		s.pos = a.end
		return split(unit{span: a.span, shape: shapeWord}, a)
	}
	for s.elision(a) {
		a = s.atom(s.pos)
	}
	u := s.compound(a)
	s.pos = u.end
	s.possessive()
	return u
}

// elision moves pos behind an elided word and its apostrophe, as in l’école: a vowel or h follows it.
func (s *scanner) elision(a atom) bool {
	j, n := s.joinerAt(a.end)
	if j != '\'' || a.end-a.start > len("quoiqu") || !elided[strings.ToLower(s.text[a.start:a.end])] {
		return false
	}
	r, _ := utf8.DecodeRuneInString(s.text[a.end+n:])
	if !unicode.IsLetter(r) {
		return false
	}
	if r < utf8.RuneSelf {
		r = unicode.ToLower(r)
	} else if f := foldWord(string(r)); f != "" {
		r = rune(f[0])
	}
	if !strings.ContainsRune("aeiouyh", r) {
		return false
	}
	s.pos = a.end + n
	return true
}

// possessive moves pos behind an English 's.
func (s *scanner) possessive() {
	j, n := s.joinerAt(s.pos)
	if j != '\'' {
		return
	}
	if a := s.atom(s.pos + n); a.letters == 1 && a.digits == 0 && (s.text[a.start] == 's' || s.text[a.start] == 'S') {
		s.pos = a.end
	}
}

// compound extends the atom at pos by what is joined to it.
func (s *scanner) compound(a atom) unit {
	u := unit{span: a.span, shape: shapeWord}
	if sign := s.sign(a); sign > 0 {
		u.shape, u.n = shapeSigned, 1
		u.parts[0] = a.span
		u.end += sign
		return u
	}
	j, _ := s.joinerAt(a.end)
	if j == 0 || j == '+' || j == '#' {
		return split(u, a)
	}
	u.parts[0], u.n = a.span, 1
	single, numeric, last := a.letters+a.digits == 1 && a.digits == 0, a.letters == 0, a
	for u.n < maxParts {
		k, n := s.joinerAt(u.end)
		if k != j {
			break
		}
		b := s.atom(u.end + n)
		if !s.joins(j, last, b) {
			break
		}
		if j == '\'' && contracted[strings.ToLower(s.text[b.start:b.end])] {
			u.end, u.n = b.end, 0
			return u // don't, we'll: one word
		}
		single = single && b.letters == 1 && b.digits == 0
		numeric = numeric && b.letters == 0
		u.parts[u.n], u.end, last = b.span, b.end, b
		u.n++
	}
	return finish(u, a, j, single, numeric)
}

// finish gives a compound its shape by the sign that joins it.
func finish(u unit, first atom, j byte, single, numeric bool) unit {
	switch {
	case u.n == 1:
		u.n = 0
		return split(u, first)
	case numeric && (j == '.' || j == ','):
		u.shape, u.n = shapeNumber, 0
	case j == '.' && single:
		u.shape, u.n = shapeInitial, 0
	case j == '-', j == '\'':
		u.shape = shapeJoined
	default:
		u.shape = shapeCode
	}
	return u
}

// joins reports whether two atoms with the sign j between them make a compound.
func (s *scanner) joins(j byte, a, b atom) bool {
	if b.letters+b.digits == 0 || s.sign(b) > 0 {
		return false
	}
	switch j {
	case '.':
		return b.letters > 0 || a.digits > 0
	case ',':
		return a.letters == 0 && b.letters == 0
	case '/', '&':
		n, m := a.letters+a.digits, b.letters+b.digits
		return n <= maxSlash && m <= maxSlash || n == 1 && b.digits > 0 && m <= maxSlashed // S/4HANA
	case '\'':
		return b.letters > 0 && (b.letters != 1 || b.digits != 0 || s.text[b.start] != 's' && s.text[b.start] != 'S')
	}
	return true
}

// sign returns the bytes of the ++, + or # that ends a name such as C++, A+ or C#; 0 when there is none.
func (s *scanner) sign(a atom) int {
	if a.letters == 0 {
		return 0
	}
	j, n := s.joinerAt(a.end)
	if j != '+' && j != '#' {
		return 0
	}
	next := a.end + n
	if k, m := s.joinerAt(next); j == '+' && k == '+' {
		if c, _ := s.classAt(next + m); c == letter {
			return 0
		}
		return n + m
	}
	if c, _ := s.classAt(next); c == letter || c == digit || c == han && j == '+' {
		return 0
	}
	return n
}

// split makes a compound of letters followed by digits, where both are long enough to be looked for alone: CS101, Python3,
// but not Web3, MP3 or H2.
func split(u unit, a atom) unit {
	if a.split > 0 && (a.letters >= 2 && a.digits >= 2 || a.letters >= 4) {
		u.shape, u.n = shapeJoined, 2
		u.parts[0], u.parts[1] = span{a.start, a.split}, span{a.split, a.end}
	}
	return u
}

// foldShape returns the normal form and kind of a unit as written.
func foldShape(written string, sh shape) (string, Kind) {
	switch sh {
	case shapeNumber:
		return foldNumber(written), KindNumber
	case shapeInitial:
		return foldWord(written), KindCode
	case shapeCode, shapeSigned, shapeDotted:
		return foldCode(written), KindCode
	}
	fold := foldWord(written)
	digits, letters := false, false
	for _, r := range fold {
		if unicode.IsNumber(r) {
			digits = true
		} else {
			letters = true
		}
	}
	switch {
	case digits && letters:
		return fold, KindCode
	case digits:
		return fold, KindNumber
	}
	return fold, KindWord
}

// foldNumber drops the commas between thousands and reads any other as a decimal point.
func foldNumber(s string) string {
	var b strings.Builder
	rest := strings.ReplaceAll(s, "．", ".")
	for {
		i := strings.IndexAny(rest, ",.")
		if i < 0 {
			break
		}
		b.WriteString(foldWord(rest[:i]))
		tail := rest[i+1:]
		if group := strings.IndexAny(tail+",", ",."); rest[i] == '.' || group != 3 {
			b.WriteByte('.')
		}
		rest = tail
	}
	b.WriteString(foldWord(rest))
	return clip(b.String(), MaxTerm)
}

// foldCode folds the parts of a name and keeps its signs.
func foldCode(s string) string { return eachPart(s, foldWord) }

// eachPart applies a form to the parts of a name, and gives its signs their ASCII form.
func eachPart(s string, form func(string) string) string {
	sc := scanner{text: s}
	var b strings.Builder
	from := 0
	for i := 0; i < len(s); {
		j, n := sc.joinerAt(i)
		if j == 0 {
			_, n = utf8.DecodeRuneInString(s[i:])
			i += n
			continue
		}
		b.WriteString(form(s[from:i]))
		b.WriteByte(j)
		i += n
		from = i
	}
	b.WriteString(form(s[from:]))
	return clip(b.String(), MaxTerm)
}
