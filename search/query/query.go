// Package query is the language of the search box.
//
// A query is words, "exact phrases", -without (a word, a phrase or a field) and fields: tag:x, category:x, provider:x,
// instructor:"Jean Dupont", level:x, language:x, rating:>=4.5. [Parse] forgives whatever a person may type: unbalanced quotes,
// stray operators, control characters, typographic quotes, full-width signs. It refuses only what cannot be meant: a
// query too long, or a rating that is no number. [Query.String] is its inverse: Parse(q.String()) equals q.
package query

import "strings"

// The bounds of a query. A person types a dozen words; what is longer was pasted by mistake or by a machine, and every
// word costs the index a search in each language.
const (
	MaxRunes   = 512
	MaxClauses = 64
)

// Kind tells the clauses apart.
type Kind uint8

// The kinds of clauses.
const (
	KindWord Kind = iota
	KindPhrase
	KindField
)

// Field names what a KindField clause asks about.
type Field string

// The fields.
const (
	FieldTag        Field = "tag"
	FieldCategory   Field = "category"
	FieldInstructor Field = "instructor"
	FieldLevel      Field = "level"
	FieldLanguage   Field = "language"
	FieldProvider   Field = "provider"
	FieldRating     Field = "rating"
)

// Clause is one part of a query.
type Clause struct {
	Kind   Kind
	Not    bool    // the course must not have it
	Field  Field   // of a KindField
	Text   string  // the word, the phrase, or the field's value, as written; a rating in its shortest form
	Rating float64 // of FieldRating: the least rating, 0 to 5
	Prefix bool    // the last word that is not excluded: its beginning is enough
}

// Query is a parsed query: its clauses, in the order in which they were written. The zero value asks for everything.
type Query struct{ Clauses []Clause }

// Empty reports whether the query asks for everything.
func (q Query) Empty() bool { return len(q.Clauses) == 0 }

// Text returns the words to be found, joined by spaces: what is analysed, corrected and counted.
func (q Query) Text() string {
	var words []string
	for _, c := range q.Clauses {
		if c.Kind == KindWord && !c.Not {
			words = append(words, c.Text)
		}
	}
	return strings.Join(words, " ")
}

// String writes the query in its normal form, which parses to the same query.
func (q Query) String() string {
	var b strings.Builder
	for i, c := range q.Clauses {
		if i > 0 {
			b.WriteByte(' ')
		}
		c.write(&b)
	}
	return b.String()
}

func (c Clause) write(b *strings.Builder) {
	if c.Not {
		b.WriteByte('-')
	}
	if c.Kind == KindField {
		b.WriteString(string(c.Field))
		b.WriteByte(':')
		if c.Field == FieldRating {
			b.WriteString(">=")
		}
	}
	if c.Kind == KindPhrase || strings.Contains(c.Text, " ") {
		b.WriteString(`"` + c.Text + `"`)
		return
	}
	b.WriteString(c.Text)
}
