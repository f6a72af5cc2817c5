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
const mappingVersion = 3

// A document has a field for each language, which holds the exact forms of the words of all texts in it. Stems are not indexed: a vocabulary
// knows which forms have the same one, and a search looks all of them up. That halves the index and the time to build it. One more field holds
// words as they were written, accents included, where folding takes something from them.
// Nothing is stored, and no positions: highlights and phrases read the catalog.
const (
	fieldEnglish = iota
	fieldFrench
	fieldChinese
	fieldOther
	langs // how many languages texts are analysed in; their places are those of the fields
)

const (
	fieldWritten = langs
	fieldCount   = langs + 1
)

var fieldNames = [fieldCount]string{"en", "fr", "zh", "xx", "written"}

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

// A term's frequency is a byte that says more than how often the course has it: one, plus a bit for each sort of place in which the term stands,
// plus the times beyond the first, shifted. A word that stands once in a text so has the frequency 1, which scorch stores in the dictionary itself.
const (
	inTitle    = 1 << iota // a title has it
	inName                 // the label of a tag or category, an instructor's or the provider's name has it
	timesShift = iota
	maxTimes   = 63 // BM25 hardly tells more occurrences apart
)

// places are the bits of a frequency.
func places(frequency uint8) uint8 { return (frequency - 1) & (inTitle | inName) }

// times is how often a course has a term in a field.
func times(frequency uint8) uint8 { return (frequency-1)>>timesShift + 1 }

// passage is a text of a course, in a language.
type passage struct {
	lang  analysis.Lang
	text  string
	place int // inTitle, inName or 0
}

// passages lists all texts in which words of a course are found, by CONTRACT: title, summary, description in every language, labels of
// its tags and of its categories, instructors and provider.
func (c *columns) passages(d *dicts, course *catalog.Course) []passage {
	var list []passage
	add := func(l catalog.Locale, text string, place int) {
		if text != "" {
			list = append(list, passage{analysis.LangOf(string(l)), text, place})
		}
	}
	texts := func(l catalog.Locale, t catalog.Text) {
		add(l, t.Title, inTitle)
		add(l, t.Summary, 0)
		add(l, t.Description, 0)
	}
	labels := func(m map[catalog.Locale]string) {
		for _, l := range slices.Sorted(maps.Keys(m)) {
			add(l, m[l], inName)
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
					add(l, word, inName)
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
			add("", who.name, inName)
		}
	}
	add("", course.Provider, inName)
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
		field := fieldOf(p.lang)
		for _, tok := range analysis.Exact(p.text) {
			if t.add(field, tok.Text, p.place) && tok.Kind == analysis.KindWord {
				t.vocabulary.learn(field, tok.Text)
			}
			if written := analysis.Written(p.text[tok.Start:tok.End]); written != "" {
				t.add(fieldWritten, written, p.place)
			}
		}
	}
	t.texts = nil
}

// add counts a term and reports whether it is new to the field.
func (t *terms) add(field int, text string, place int) (isNew bool) {
	t.count[field]++
	tf := t.freqs[field][text]
	if tf == nil {
		tf = t.frequency()
		t.freqs[field][text] = tf
		tf.SetFrequency(1 + place)
		return true
	}
	n := tf.Frequency() - 1
	if n>>timesShift+1 < maxTimes {
		n += 1 << timesShift
	}
	tf.SetFrequency(1 + (n | place))
	return false
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
