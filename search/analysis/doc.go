// Package analysis turns text into index terms, and query words into the terms that find them.
//
// Every text is cut by the same language-neutral tokenizer (scan.go), so that offsets, compounds and protected subject
// tokens are alike everywhere; only stop words and stems differ by language. A text is indexed by its own language; a
// query word is analysed in every language ([Words]) and finds a text when it does so in the text's language.
//
//   - Latin, Greek, Cyrillic, Hebrew and Arabic letters lose their accents and case before they are stemmed: É, é, e are one.
//   - Subject tokens stay whole and distinct: C, C++, C#, F#, .NET, Node.js, TCP/IP, A/B, 3D. A compound (Node.js,
//     e-learning, CS-101) is indexed whole and by its parts, but for single letters; in a query it is the whole or all of
//     the parts.
//   - Han runs become single characters and pairs; traditional characters are read as their simplified ones.
//   - What folding takes from a word, its accents and ligatures, is told by [Written], so that pêche may rank above péché.
//   - Han characters are read as pinyin by [Pinyin]; tones do not count.
//   - British and American spellings of an English word have one stem.
//   - Elided articles (l’, d’, qu’) and English possessives go, whatever the language.
//
// Index and query sides must agree, so any change of a term is a change of the index: raise [Version] with it.
// Nothing here is stored, nothing blocks; everything is safe for concurrent use.
package analysis

// Version names the rules of this package. An index made by another version must be rebuilt.
const Version = 3
