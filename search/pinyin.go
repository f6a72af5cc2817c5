package search

import (
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/search/analysis"
)

// Pinyin needs no field of the index: its Chinese fields hold every pair of neighbouring characters, and an automaton walks their dictionary for
// the pairs that are spelled like a pair of syllables. A word finds the courses that have all of its pairs in titles or names; texts are left
// out, since in a hundred characters much is spelled like anything.

// spelled is a syllable, or the beginning of one.
type spelled struct {
	text    string
	partial bool
}

// of reports whether a character is spelled so.
func (s spelled) of(r rune) bool {
	for _, reading := range analysis.Pinyin(r) {
		if reading == s.text || s.partial && strings.HasPrefix(reading, s.text) {
			return true
		}
	}
	return false
}

// spellings returns the ways to read a word as syllables: at least two, of which the last may still be being typed.
func spellings(fold string, typing bool) [][]spelled {
	var ways [][]spelled
	whole := len(analysis.Syllables(fold, false))
	for n, syllables := range analysis.Syllables(fold, typing) {
		if len(syllables) < 2 {
			continue
		}
		way := make([]spelled, len(syllables))
		for i, s := range syllables {
			way[i] = spelled{s, n >= whole && i == len(syllables)-1}
		}
		ways = append(ways, way)
	}
	return ways
}

// initials reads each letter of a word as the beginning of a syllable.
func initials(fold string) []spelled {
	way := make([]spelled, len(fold))
	for i := range fold {
		way[i] = spelled{fold[i : i+1], true}
	}
	return way
}

// inPinyin reports whether a word may be pinyin.
func (m *matcher) inPinyin(w *word) bool {
	return m.rules.pinyin && w.Kind == analysis.KindWord && w.written == "" && w.Fold[0] < utf8.RuneSelf
}

// pinyin looks up what a Latin word spells, below what has it as it stands.
func (m *matcher) pinyin(w *word) error {
	if !m.inPinyin(w) {
		return nil
	}
	for _, way := range spellings(w.Fold, w.prefix) {
		if err := m.spelling(way, spacePinyin); err != nil {
			return err
		}
	}
	return nil
}

// initials looks up what a word's letters are the initials of. It is asked only when nothing else has the word, since any three letters are some.
func (m *matcher) initials(w *word) error {
	if !m.inPinyin(w) || !analysis.Initials(w.Fold) {
		return nil
	}
	return m.spelling(initials(w.Fold), spaceInitials)
}

// spelling offers the rows that have all pairs of a way in titles or names.
func (m *matcher) spelling(way []spelled, space byte) error {
	m.noted = m.noted[:0]
	for n := range way[1:] {
		first, second := way[n], way[n+1]
		name := first.text + " " + second.text
		if second.partial {
			name += "*"
		}
		for s := range m.views {
			p, err := m.united(s, space, name, func(yield func(int, string) error) error {
				return m.accepted(s, &pairs{first, second}, []byte(firstHan), nil, yield)
			})
			if err != nil {
				return err
			}
			m.tallyNamed(s, p, uint8(n+1))
		}
	}
	some := false
	for _, i := range m.noted {
		if t := &m.tally[i]; int(t.count) == len(way)-1 && m.best[i] == 0 {
			m.offer(i, t.sum/float32(len(way)-1), tierPinyin, false)
			some = true
		}
		m.tally[i] = tally{}
	}
	m.noted = m.noted[:0]
	if some {
		m.out.marks.spelled = append(m.out.marks.spelled, way)
	}
	return nil
}

// tallyNamed notes the visible rows of a list that have the n-th pair in a title or a name.
func (m *matcher) tallyNamed(s int, p postings, n uint8) {
	rows, weight := m.views[s].rows, tierWeights[tierPinyin]
	for k, d := range p.docs {
		at := places(p.freqs[k])
		i := rows[d]
		if at == 0 || !m.seen(i) {
			continue
		}
		w := weight
		if at&inTitle != 0 {
			w += weight * m.titleWeight
		}
		t := &m.tally[i]
		switch {
		case t.last == 0:
			m.noted = append(m.noted, i)
			*t = tally{last: n, count: 1, sum: w}
		case t.last != n:
			t.last = n
			t.count++
			t.sum += w
		}
	}
}

// pairs is an automaton that accepts two Han characters, in UTF-8, that are spelled in a way. A state says which character is being read and
// the bytes of it that were read already.
type pairs struct{ first, second spelled }

const (
	pairsDead   = 0
	pairsFirst  = 1 << 16
	pairsSecond = 2 << 16
	pairsEnd    = 3 << 16
)

// Start implements segment.Automaton.
func (*pairs) Start() int { return pairsFirst }

// IsMatch implements segment.Automaton.
func (*pairs) IsMatch(state int) bool { return state == pairsEnd }

// CanMatch implements segment.Automaton.
func (*pairs) CanMatch(state int) bool { return state != pairsDead }

// WillAlwaysMatch implements segment.Automaton.
func (*pairs) WillAlwaysMatch(int) bool { return false }

// Accept implements segment.Automaton. All characters that have a reading take three bytes.
func (p *pairs) Accept(state int, b byte) int {
	character, first, second := state&^0xffff, byte(state>>8), byte(state) //nolint:gosec // bytes
	switch {
	case character == pairsDead || character == pairsEnd:
		return pairsDead
	case first == 0:
		if b < 0xe3 || b > 0xe9 {
			return pairsDead
		}
		return character | int(b)<<8
	case second == 0:
		return character | int(first)<<8 | int(b)
	}
	r, _ := utf8.DecodeRune([]byte{first, second, b})
	switch {
	case character == pairsFirst && p.first.of(r):
		return pairsSecond
	case character == pairsSecond && p.second.of(r):
		return pairsEnd
	}
	return pairsDead
}
