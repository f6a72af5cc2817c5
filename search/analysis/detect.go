package analysis

import "strings"

// The languages that Detect tells apart, with tests of its own for what resembles them: where Spanish or German wins,
// the answer is "", not the nearest of ours.
const (
	guessEnglish = iota
	guessFrench
	guessOther
	guesses
)

// The weight of one piece of evidence. A word that only one language has is worth most, an ending least.
const (
	weightWord   = 4
	weightLetter = 3
	weightShared = 2 // a letter that French shares with a language that is not ours
	weightEnding = 1
)

// detectRunes bounds what is read of a text: a language shows in far less.
const detectRunes = 2000

// detectLead is how far the winner must be ahead of the next.
const detectLead = 2

// Words that give a language away, folded; those that two of the languages share are left out.
var tellTale = func() map[string]int {
	m := map[string]int{}
	add := func(guess int, words string) {
		for w := range strings.FieldsSeq(words) {
			m[w] = guess
		}
	}
	add(guessEnglish, `the and of to with your you for from how this that is are by learn learning course courses will what its their
		basics beginner beginners advanced guide complete build using into skills about an development training`)
	add(guessFrench, `le les des et du au aux avec pour dans une vous votre vos ce cette ces est sont sur par qui ou nous leur leurs son ses
		apprendre apprenez cours formation debutant debutants decouvrir debuter comment heure heures maitriser bases initiation apprentissage donnees chez sans sous`)
	add(guessOther, `el los las y para con del una por curso aprende como der die und das mit fur ein eine ist nicht lernen kurs auf von zu
		os uma com nao voce em mais il gli che di per corso impara nel della het een van voor w na jak och att ve bir`)
	return m
}()

// Detect guesses the language of a text: "zh-Hans" (any Chinese), "fr", "en", or "" when nothing speaks clearly for one.
//
// Han characters without kana are Chinese when there are at least as many as words in other scripts. Otherwise each word
// speaks for a language by being one of its commonest, by letters that only that language has, or by its ending.
func Detect(text string) string {
	text = clip(text, forward(text, 0, detectRunes))
	s := scanner{text: text}
	hans, kana, latin, foreign := 0, 0, 0, 0
	var votes [guesses]int
	for {
		u, ok := s.next()
		if !ok {
			break
		}
		written := text[u.start:u.end]
		if u.shape == shapeHan {
			n, k := countHan(written)
			hans, kana = hans+n, kana+k
			continue
		}
		fold := caches[Other].get(written, u.shape).fold
		switch {
		case fold == "" || fold[0] >= '0' && fold[0] <= '9':
		case fold[0] >= 0x80:
			foreign++
		default:
			latin++
			vote(&votes, written, fold)
		}
	}
	votes[guessFrench] += weightWord * elisions(text)
	switch {
	case kana > 0 && kana*10 > hans, foreign > latin+hans:
		return ""
	case hans > 0 && hans >= latin:
		return "zh-Hans"
	}
	return verdict(votes)
}

func verdict(votes [guesses]int) string {
	en, fr, no := votes[guessEnglish], votes[guessFrench], votes[guessOther]
	switch {
	case en >= max(fr, no)+detectLead:
		return "en"
	case fr >= max(en, no)+detectLead:
		return "fr"
	}
	return ""
}

// countHan returns the Han and the kana characters of a run.
func countHan(run string) (hans, kana int) {
	for _, r := range run {
		if r >= 0x3040 && r <= 0x30ff || r >= 0xff66 && r <= 0xff9d {
			kana++
		} else {
			hans++
		}
	}
	return hans, kana
}

// vote adds what one word says.
func vote(votes *[guesses]int, written, fold string) {
	if g, ok := tellTale[fold]; ok {
		votes[g] += weightWord
	}
	for _, r := range written {
		switch r {
		case 'è', 'ê', 'ù', 'œ', 'î', 'û', 'ë', 'È', 'Ê', 'Œ':
			votes[guessFrench] += weightLetter
		case 'é', 'à', 'ç', 'É', 'À', 'Ç':
			votes[guessFrench] += weightShared
		case 'ñ', 'ß', 'ä', 'ö', 'ü', 'ã', 'õ', 'å', 'ø', 'ó', 'í', 'ú', 'á', 'ì', 'ò', 'ł', 'ą', 'ę', 'ş', 'ğ', 'ı':
			votes[guessOther] += weightLetter
		}
	}
	if borrowed[fold] {
		return
	}
	for _, e := range endings {
		if len(fold) > len(e.suffix)+2 && strings.HasSuffix(fold, e.suffix) {
			votes[e.guess] += weightEnding
			break
		}
	}
}

// borrowed words have an English ending and stand in titles of every language.
var borrowed = set("marketing trading coaching consulting branding training reporting engineering")

// endings are tried in order; the first that fits speaks.
var endings = []struct {
	suffix string
	guess  int
}{
	{"ing", guessEnglish},
	{"ness", guessEnglish},
	{"ship", guessEnglish},
	{"ly", guessEnglish},
	{"ity", guessEnglish},
	{"ics", guessEnglish},
	{"ical", guessEnglish},
	{"ence", guessFrench},
	{"ique", guessFrench},
	{"iques", guessFrench},
	{"eur", guessFrench},
	{"eurs", guessFrench},
	{"euse", guessFrench},
	{"eux", guessFrench},
	{"aux", guessFrench},
	{"elle", guessFrench},
	{"elles", guessFrench},
	{"cion", guessOther},
	{"cao", guessOther},
	{"zione", guessOther},
	{"ung", guessOther},
	{"os", guessOther},
	{"as", guessOther},
	{"o", guessOther},
	{"a", guessOther},
	{"keit", guessOther},
}

// elisions counts what the scanner leaves out: l’, d’, qu’ before a vowel.
func elisions(text string) int {
	n := 0
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '(' || r == '"' }) {
		s := scanner{text: w}
		if a := s.atom(0); a.letters > 0 && s.elision(a) {
			n++
		}
	}
	return n
}
