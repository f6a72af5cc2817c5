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
const mappingVersion = 1

// The fields of a document in the index. Exact forms of all texts are in one field, Han characters too; stems are in another for each
// language that has them. (Chinese texts quote English, so that their Latin words are English stems.) Titles are there once more, since a
// word found in a title counts more. Nothing is stored, and no positions: highlights and phrases read the catalog.
const (
	fieldExact = iota
	fieldEnglish
	fieldFrench
	fieldTitleExact
	fieldTitleEnglish
	fieldTitleFrench
	fieldCount

	// titleOffset leads from a field to that of the titles.
	titleOffset = fieldTitleExact
)

var fieldNames = [fieldCount]string{"x", "en", "fr", "tx", "ten", "tfr"}

// fieldLang is the language whose texts' length a field's weights are relative to, as in langIndex.
var fieldLang = [titleOffset]int{3, 0, 1}

// stemField is where the stems of a language are; false when it has none.
func stemField(l analysis.Lang) (int, bool) {
	switch l {
	case analysis.English, analysis.Chinese:
		return fieldEnglish, true
	case analysis.French:
		return fieldFrench, true
	}
	return 0, false
}

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
func newDocument(id catalog.CourseID, texts []passage) *document.Document {
	t := &terms{texts: texts}
	doc := document.NewDocument(string(id))
	for i := range fieldCount {
		doc.AddField(&termsField{terms: t, field: i})
	}
	return doc
}

// terms are the words of a document by field. One worker analyses all fields of a document.
type terms struct {
	texts []passage
	done  bool
	count [fieldCount]int
	freqs [fieldCount]index.TokenFrequencies
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
			t.add(fieldExact, tok.Text, p.title)
		}
		field, ok := stemField(p.lang)
		if !ok {
			continue
		}
		for _, tok := range analysis.Analyze(p.lang, p.text) {
			if tok.Kind != analysis.KindHan {
				t.add(field, tok.Text, p.title)
			}
		}
	}
	t.texts = nil
}

func (t *terms) add(field int, term string, title bool) {
	t.addTo(field, term)
	if title {
		t.addTo(field+titleOffset, term)
	}
}

func (t *terms) addTo(field int, term string) {
	tf := t.freqs[field][term]
	if tf == nil {
		tf = &index.TokenFreq{Term: []byte(term)}
		t.freqs[field][term] = tf
	}
	tf.SetFrequency(tf.Frequency() + 1)
	t.count[field]++
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
