package analysis

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The marks around what was found. api promises that no other markup is in a highlight.
const (
	markOpen  = "<mark>"
	markClose = "</mark>"
	ellipsis  = "…"
)

// wordSlack is how many runes a snippet may give up at either end so as not to cut a word.
const wordSlack = 24

// found is a marked stretch of the text; term is one of the terms in it, to tell different words from repeated ones.
type found struct {
	span
	term string
	han  bool
}

// Sought says which tokens of a text are looked for.
type Sought struct {
	Match  func(Token) bool
	Begins *Beginnings // of all tokens that Match accepts; nil: it may accept any
}

// Highlight escapes a text and puts <mark> around the tokens that are sought; such Han characters that touch share one mark.
// A text longer than maxRunes is cut to the window with the most different matches; maxRunes ≤ 0 means all of it.
// Where nothing matches, ok is false and marked is the start of the text.
func Highlight(text string, l Lang, sought Sought, maxRunes int) (marked string, ok bool) {
	buf := buffers.Get().(*[]Token)
	tokens := appendSought((*buf)[:0], cacheOf(l), text, false, sought.Begins)
	var marks []found
	for _, t := range tokens {
		if sought.Match(t) {
			marks = addMark(marks, t)
		}
	}
	release(buf, tokens)
	from, to := 0, len(text)
	if maxRunes > 0 && len(text) > maxRunes && utf8.RuneCountInString(text) > maxRunes {
		from, to = window(text, marks, maxRunes)
	}
	return render(text, marks, from, to), len(marks) > 0
}

// addMark adds a token to the marks, into the last one where they overlap, or touch and are both Han.
func addMark(marks []found, t Token) []found {
	m := found{span{t.Start, t.End}, t.Text, t.Kind == KindHan}
	if n := len(marks); n > 0 {
		last := &marks[n-1]
		if m.start < last.end || m.start == last.end && m.han && last.han {
			last.end = max(last.end, m.end)
			return marks
		}
	}
	return append(marks, m)
}

// window returns the part of a text, at most maxRunes long, that holds the most different marks and, among equals, the
// most marks and the first; it begins and ends between words where it can.
func window(text string, marks []found, maxRunes int) (from, to int) {
	if len(marks) == 0 {
		return 0, trimEnd(text, 0, forward(text, 0, maxRunes))
	}
	best, bestScore := 0, -1
	bestLast := 0
	count := map[string]int{}
	last, runes := -1, 0 // the marks first..last fit, in so many runes
	for first := range marks {
		if last < first {
			last, runes = first, utf8.RuneCountInString(text[marks[first].start:marks[first].end])
			count[marks[first].term]++
		}
		for last+1 < len(marks) {
			gap := text[marks[last].end:marks[last+1].end]
			if len(gap) > utf8.UTFMax*maxRunes {
				break // far too long: do not count it again for each mark before it
			}
			more := utf8.RuneCountInString(gap)
			if runes+more > maxRunes {
				break
			}
			last++
			runes += more
			count[marks[last].term]++
		}
		if score := len(count)*len(marks) + last - first; score > bestScore {
			best, bestLast, bestScore = first, last, score
		}
		if count[marks[first].term]--; count[marks[first].term] == 0 {
			delete(count, marks[first].term)
		}
		if first < last {
			runes -= utf8.RuneCountInString(text[marks[first].start:marks[first+1].start])
		}
	}
	return around(text, marks[best].start, marks[bestLast].end, maxRunes)
}

// around widens a stretch to maxRunes, a third of the room before it, and trims it to words.
func around(text string, start, end, maxRunes int) (from, to int) {
	room := maxRunes - utf8.RuneCountInString(text[start:end])
	if room <= 0 {
		return start, forward(text, start, maxRunes)
	}
	from = backward(text, start, room/3)
	to = forward(text, from, maxRunes)
	if to == len(text) { // no more text behind: take it from before
		from = backward(text, to, maxRunes)
	}
	if from > 0 {
		from = trimStart(text, from, start)
	}
	if to < len(text) {
		to = trimEnd(text, end, to)
	}
	return from, to
}

func forward(text string, i, runes int) int {
	for ; runes > 0 && i < len(text); runes-- {
		_, n := utf8.DecodeRuneInString(text[i:])
		i += n
	}
	return i
}

func backward(text string, i, runes int) int {
	for ; runes > 0 && i > 0; runes-- {
		_, n := utf8.DecodeLastRuneInString(text[:i])
		i -= n
	}
	return i
}

// trimStart moves a cut forward behind the next space or sign, or before the next Han character, but not beyond limit.
func trimStart(text string, i, limit int) int {
	at := i
	for range wordSlack {
		if at >= limit {
			break
		}
		r, n := utf8.DecodeRuneInString(text[at:])
		if isHan(r) {
			return at
		}
		at += n
		if unicode.IsSpace(r) {
			return at
		}
	}
	return afterMarks(text, i, limit)
}

// afterMarks moves a cut that would part a letter from its accents behind them.
func afterMarks(text string, i, limit int) int {
	for i < limit {
		r, n := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsMark(r) {
			break
		}
		i += n
	}
	return i
}

// trimEnd moves a cut back before the last space, or behind the last Han character, but not before limit.
func trimEnd(text string, limit, i int) int {
	at := i
	for range wordSlack {
		if at <= limit {
			break
		}
		r, n := utf8.DecodeLastRuneInString(text[:at])
		if isHan(r) {
			return at
		}
		at -= n
		if unicode.IsSpace(r) {
			return at
		}
	}
	return i
}

// render escapes text[from:to] and marks what was found in it.
func render(text string, marks []found, from, to int) string {
	var b strings.Builder
	b.Grow(to - from + len(marks)*len(markOpen+markClose) + 2*len(ellipsis))
	if from > 0 {
		b.WriteString(ellipsis)
	}
	at := from
	for _, m := range marks {
		start, end := max(m.start, from), min(m.end, to)
		if start >= end {
			continue
		}
		escape(&b, text[at:start])
		b.WriteString(markOpen)
		escape(&b, text[start:end])
		b.WriteString(markClose)
		at = end
	}
	escape(&b, text[at:to])
	if to < len(text) {
		b.WriteString(ellipsis)
	}
	return b.String()
}

func escape(b *strings.Builder, s string) {
	b.WriteString(html.EscapeString(strings.ToValidUTF8(s, "\ufffd")))
}
