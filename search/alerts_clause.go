package search

import (
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// clauseID is a place in Alerts.clauses.
type clauseID uint32

// clause is a part of saved searches, held once however many have it: a word to be found, or something that a course must have besides.
type clause struct {
	text    string // says all of it, the kind first
	uses    int32  // by bundles
	bundles []bundleID
	facts   []*fact    // of a word, by organization
	near    []nearWord // of a word that is not found as it stands: what it may mean
	spread  bool       // near has been filled
	begins  bool       // it is among the beginners

	rest *restRequest // of one that is no word, once it was asked for

	// Of the course at hand.
	course uint32 // when it was examined
	touch  uint8  // by which sort of keys
	hit    bool
}

// restRequest is what a clause that is no word asks for.
type restRequest struct {
	req  Request
	q    query.Query
	keys []key64 // whoever has what is asked for has one of them; none: that does not show
	not  bool    // what is asked for must not be there
}

func newRest(r Request, q query.Query) *restRequest {
	rest := &restRequest{req: r, q: q}
	file := func(k key64, _ uint8) { rest.keys = append(rest.keys, k) }
	fileFilter(&r, file)
	for i := range q.Clauses {
		c := &q.Clauses[i]
		rest.not = c.Not
		if c.Kind != query.KindWord {
			fileQuery(c, file)
		} else if words := analysis.Words(c.Text); len(words) > 0 {
			fileForms(&words[0], 0, 0, 0, file)
		}
	}
	return rest
}

// The kinds of clauses.
const (
	clauseWord   = 'w' // a word, with what it means
	clauseFilter = 'f' // the parameters of a request
	clauseQuery  = 'q' // a clause of a query that is no word to be found
)

// Signs that part what a clause's text consists of. No term, label or parameter has them.
const (
	signMeaning     = "\x1c"
	signAlternative = "\x1d"
	signTerm        = "\x1e"
	signForm        = "\x1f"
)

// Flags of a word.
const (
	wordPrefix = 1 << iota
	wordWritten
	wordFlags = '0'
)

// wordClause writes all of a word on which it depends what is found, so that two words with the same text find the same.
func wordClause(w *word, meanings []string) string {
	flags := byte(0)
	if w.prefix {
		flags |= wordPrefix
	}
	if w.written != "" {
		flags |= wordWritten
	}
	var b strings.Builder
	b.Write([]byte{clauseWord, wordFlags + flags, wordFlags + byte(w.Kind)})
	b.WriteString(w.Fold)
	for _, f := range w.Forms {
		b.WriteString(signForm + string(f.Lang))
		for _, terms := range f.Alternatives {
			b.WriteString(signAlternative + strings.Join(terms, signTerm))
		}
	}
	for _, text := range meanings {
		b.WriteString(signMeaning + text)
	}
	return b.String()
}

// wordOfClause is the inverse of wordClause.
func wordOfClause(text string) (*word, []string) {
	head, rest, meant := strings.Cut(text, signMeaning)
	var meanings []string
	if meant {
		meanings = strings.Split(rest, signMeaning)
	}
	flags, kind := head[1]-wordFlags, head[2]-wordFlags
	fold, forms, _ := strings.Cut(head[3:], signForm)
	w := &word{Word: analysis.Word{Text: fold, Fold: fold, Kind: analysis.Kind(kind)}, prefix: flags&wordPrefix != 0}
	if flags&wordWritten != 0 {
		w.written = fold
	}
	for part := range strings.SplitSeq(forms, signForm) {
		lang, alternatives, some := strings.Cut(part, signAlternative)
		if !some {
			continue
		}
		f := analysis.Form{Lang: analysis.Lang(lang)}
		for one := range strings.SplitSeq(alternatives, signAlternative) {
			f.Alternatives = append(f.Alternatives, strings.Split(one, signTerm))
		}
		w.Forms = append(w.Forms, f)
	}
	return w, meanings
}

// foldOfClause is the word of a clause in its normal form.
func foldOfClause(text string) string {
	fold, _, _ := strings.Cut(text[3:], signForm)
	return fold
}

// Sorts of keys under which clauses are filed: a course that has the key has the clause for certain, or perhaps; or perhaps in a way that counts only while nobody
// has it as it stands: by a word that it may be taken for, by its initials, by a mistyped beginning, by a part of a run of characters.
const (
	touchCertain = 1 << iota
	touchPerhaps
	touchNear
	touchInitials
	touchBegun
	touchPart
	touchStem // certain or perhaps
	touchSome // of touchNear, by one of several terms
)

// Spaces of keys. A word of a field is there by itself and, where the field has stems, by its stem.
const (
	keyTerm        = 'e'
	keyStem        = 's' // and the field's number after
	keyBeginning   = 'p'
	keySyllables   = 'y'
	keyInitials    = 'z'
	keyTag         = 't'
	keyCategory    = 'c'
	keyLevel       = 'l'
	keyLanguage    = 'g'
	keyProvider    = 'o'
	keyInstructor  = 'i'
	keyInstructors = 'n' // by name
)

// key is the hash of a space and what is in it (FNV-1a): a key that is another's too costs a look at a course that is not meant.
type key64 uint64

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func (k key64) with(b byte) key64 { return (k ^ key64(b)) * fnvPrime }

func keyOf(space byte, text string) key64 { return key64(fnvOffset).with(space).plus(text) }

func (k key64) plus(text string) key64 {
	for i := range len(text) {
		k = k.with(text[i])
	}
	return k
}

// filing yields the keys of a clause: whoever has the clause has one of them.
type filing func(k key64, touch uint8)

// fileWord yields the keys of a word.
func (a *Alerts) fileWord(text string, file filing) {
	w, meanings := wordOfClause(text)
	fileForms(&w.Word, touchCertain, touchStem, touchPerhaps, file)
	for _, meaning := range meanings {
		words := analysis.Words(meaning)
		if len(words) > 0 {
			longest := slices.MaxFunc(words, func(v, w analysis.Word) int { return len(v.Fold) - len(w.Fold) })
			fileForms(&longest, touchPerhaps, touchPerhaps, touchPerhaps, file)
		}
	}
	if w.prefix && w.Kind != analysis.KindHan {
		file(keyOf(keyBeginning, w.Fold), touchCertain)
	}
	m := matcher{ranking: a.x.ranking}
	if !m.inPinyin(w) {
		return
	}
	for _, way := range spellings(w.Fold, w.prefix) {
		file(syllablesKey(way[0].text, way[1].text, way[1].partial), touchPerhaps)
	}
}

// fileForms yields the keys of a word's forms: as it stands, by its stem in a field, or by one of several terms.
func fileForms(w *analysis.Word, exact, stem, several uint8, file filing) {
	for _, f := range w.Forms {
		field := fieldOf(f.Lang)
		_, _, stems := stemmer(field)
		for _, terms := range f.Alternatives {
			terms = terms[:min(len(terms), maxTerms)]
			how := several
			switch {
			case len(terms) == 0:
			case field == fieldOther:
				if len(terms) == 1 {
					how = exact
				}
				file(keyOf(keyTerm, telling(terms)), how)
			case w.Kind != analysis.KindHan && stems:
				if len(terms) == 1 {
					how = stem
				}
				file(stemKey(field, telling(terms)), how)
			}
		}
	}
}

// telling is the one of some terms that fewest courses may have: of a run of characters the pair in its middle, which parts words; else the longest.
func telling(terms []string) string {
	middle := len(terms) / 2
	return slices.MaxFunc(append([]string{terms[middle]}, terms...), func(s, t string) int { return len(s) - len(t) })
}

func stemKey(field int, stem string) key64 {
	return key64(fnvOffset).with(keyStem).with(byte(field)).plus(stem) //nolint:gosec // a few fields
}

func syllablesKey(first, second string, partial bool) key64 {
	k := keyOf(keySyllables, first).with(' ').plus(second)
	if partial {
		k = k.with('*')
	}
	return k
}

// fileFilter yields the keys of the filters of a request, of which there is one.
func fileFilter(r *Request, file filing) {
	slugged := func(space byte, values []string) {
		for _, v := range values {
			file(keyOf(space, v), touchPerhaps)
			if id := slugID(v); id != v {
				file(keyOf(space, id), touchPerhaps)
			}
		}
	}
	slugged(keyTag, r.Tags)
	slugged(keyTag, r.AllTags)
	slugged(keyCategory, r.Categories)
	slugged(keyInstructor, r.Instructors)
	for _, v := range r.Instructors {
		file(keyOf(keyInstructors, v), touchPerhaps)
	}
	for _, v := range r.Levels {
		file(keyOf(keyLevel, catalog.Slug(v)), touchPerhaps)
	}
	for _, v := range r.Languages {
		if l, ok := catalog.CanonicalLocale(v); ok {
			file(keyOf(keyLanguage, string(l)), touchPerhaps)
		}
	}
	for _, v := range r.Providers {
		file(keyOf(keyProvider, catalog.Slug(v)), touchPerhaps)
	}
}

// fileQuery yields the keys of a clause of a query.
func fileQuery(c *query.Clause, file filing) {
	if c.Kind == query.KindPhrase {
		if terms := phraseTerms(c.Text); len(terms) > 0 {
			file(keyOf(keyTerm, telling(terms)), touchPerhaps)
		}
		return
	}
	values := []string{c.Text}
	var r Request
	switch c.Field {
	case query.FieldTag:
		r.Tags = values
	case query.FieldCategory:
		r.Categories = values
	case query.FieldInstructor:
		r.Instructors = values
	case query.FieldLevel:
		r.Levels = values
	case query.FieldLanguage:
		r.Languages = values
	case query.FieldProvider:
		r.Providers = values
	case query.FieldRating:
	}
	fileFilter(&r, file)
}
