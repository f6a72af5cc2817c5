package search

import (
	"maps"
	"slices"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// mappingVersion is the version of what documents hold. Raise it with any change below; analysis has a version of its own.
const mappingVersion = 2

// A document has a field for each language, which holds the exact forms of the words of all texts in it. Stems are not indexed: a vocabulary
// knows which forms have the same one, and a search looks all of them up. That halves the index and the time to build it.
// Nothing is stored, and no positions: highlights and phrases read the catalog.
const (
	fieldEnglish = iota
	fieldFrench
	fieldChinese
	fieldOther
	fieldCount
)

var fieldNames = [fieldCount]string{"en", "fr", "zh", "xx"}

// fieldOf returns the field of a language; it is also the language's place in row.lengths.
func fieldOf(l analysis.Lang) int {
	switch l {
	case analysis.English:
		return fieldEnglish
	case analysis.French:
		return fieldFrench
	case analysis.Chinese:
		return fieldChinese
	}
	return fieldOther
}

// A term's frequency also says whether a title has it: maxFrequency bounds what is counted, inTitle is added on top.
const (
	inTitle      = 1 << 10
	maxFrequency = inTitle - 1
)

// passage is a text of a course, in a language.
type passage struct {
	lang  analysis.Lang
	text  string
	title bool
}

// passages lists all texts in which words of a course are found, by CONTRACT: title, summary, description in every language, labels of
// its tags and of its categories, instructors and provider.
func (c *columns) passages(d *dicts, course *catalog.Course) []passage {
	var list []passage
	add := func(l catalog.Locale, text string, title bool) {
		if text != "" {
			list = append(list, passage{analysis.LangOf(string(l)), text, title})
		}
	}
	texts := func(l catalog.Locale, t catalog.Text) {
		add(l, t.Title, true)
		add(l, t.Summary, false)
		add(l, t.Description, false)
	}
	labels := func(m map[catalog.Locale]string) {
		for _, l := range slices.Sorted(maps.Keys(m)) {
			add(l, m[l], false)
		}
	}
	texts(course.Language, course.Text)
	for _, l := range slices.Sorted(maps.Keys(course.Translations)) {
		texts(l, course.Translations[l])
	}
	for _, r := range refs(d.tags, course.Tags) {
		if tag := at(c.tags, r); tag != nil {
			labels(tag.label)
			for _, l := range slices.Sorted(maps.Keys(tag.synonyms)) {
				for _, word := range tag.synonyms[l] {
					add(l, word, false)
				}
			}
		}
	}
	for r := range c.ancestors(d.categories.ref(string(course.Category))) {
		if category := at(c.categories, r); category != nil {
			labels(category.label)
		}
	}
	for _, r := range refs(d.instructors, course.Instructors) {
		if who := at(c.instructors, r); who != nil {
			add("", who.name, false)
		}
	}
	add("", course.Provider, false)
	return list
}

// newDocument makes the document of a course. Its words are analysed later, by bleve's workers.
func newDocument(id catalog.CourseID, texts []passage, v *vocabulary) *document.Document {
	t := &terms{texts: texts, vocabulary: v}
	doc := document.NewDocument(string(id))
	for i := range fieldCount {
		doc.AddField(&termsField{terms: t, field: i})
	}
	return doc
}

// terms are the words of a document by field. One worker analyses all fields of a document.
type terms struct {
	texts      []passage
	vocabulary *vocabulary
	done       bool
	count      [fieldCount]int
	freqs      [fieldCount]index.TokenFrequencies
	free       []index.TokenFreq
}

// analyze fills the fields from the texts, once.
func (t *terms) analyze() {
	if t.done {
		return
	}
	t.done = true
	for i := range t.freqs {
		t.freqs[i] = index.TokenFrequencies{}
	}
	for _, p := range t.texts {
		for _, tok := range analysis.Exact(p.text) {
			t.add(fieldOf(p.lang), &tok, p.title)
		}
	}
	t.texts = nil
}

func (t *terms) add(field int, tok *analysis.Token, title bool) {
	tf := t.freqs[field][tok.Text]
	if tf == nil {
		if tok.Kind == analysis.KindWord {
			t.vocabulary.learn(field, tok.Text)
		}
		tf = t.frequency()
		t.freqs[field][tok.Text] = tf
	}
	n := tf.Frequency()
	if n&maxFrequency < maxFrequency {
		n++
	}
	if title {
		n |= inTitle
	}
	tf.SetFrequency(n)
	t.count[field]++
}

// frequency returns a new TokenFreq. They are made many at a time, and without their Term: scorch takes that from the key.
func (t *terms) frequency() *index.TokenFreq {
	const many = 64
	if len(t.free) == 0 {
		t.free = make([]index.TokenFreq, many)
	}
	tf := &t.free[0]
	t.free = t.free[1:]
	return tf
}

// termsField is one field of a document. It implements bleve's document.Field.
type termsField struct {
	terms *terms
	field int
}

var _ document.Field = (*termsField)(nil)

// Name implements document.Field.
func (f *termsField) Name() string { return fieldNames[f.field] }

// ArrayPositions implements document.Field.
func (f *termsField) ArrayPositions() []uint64 { return nil }

// Options implements document.Field: indexed, and nothing else.
func (f *termsField) Options() index.FieldIndexingOptions { return index.IndexField }

// Analyze implements document.Field.
func (f *termsField) Analyze() { f.terms.analyze() }

// Value implements document.Field: nothing is stored.
func (f *termsField) Value() []byte { return nil }

// NumPlainTextBytes implements document.Field.
func (f *termsField) NumPlainTextBytes() uint64 { return 0 }

// Size implements document.Field. Only bleve's statistics use it.
func (f *termsField) Size() int { return 0 }

// EncodedFieldType implements document.Field.
func (f *termsField) EncodedFieldType() byte { return 't' }

// AnalyzedLength implements document.Field.
func (f *termsField) AnalyzedLength() int { return f.terms.count[f.field] }

// AnalyzedTokenFrequencies implements document.Field.
func (f *termsField) AnalyzedTokenFrequencies() index.TokenFrequencies {
	return f.terms.freqs[f.field]
}
