package analysis

import (
	"sync"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/registry"
)

// The names under which importing this package registers its analyzers with bleve.
const (
	AnalyzerEnglish = "carrel_en"
	AnalyzerFrench  = "carrel_fr"
	AnalyzerChinese = "carrel_zh"
	AnalyzerOther   = "carrel_xx"
	AnalyzerExact   = "carrel_exact"  // unstemmed, stop words kept
	AnalyzerPrefix  = "carrel_prefix" // the first MinPrefix to MaxPrefix runes of every unstemmed word, as terms
)

// MinPrefix and MaxPrefix bound, in runes, the beginnings of words that are indexed. One letter is allowed since the
// first key typed should answer; beyond twelve letters few words still differ.
const (
	MinPrefix = 1
	MaxPrefix = 12
)

// maxPooled is the largest buffer, in tokens, that is kept for the next text: one huge text must not stay in memory.
const maxPooled = 1 << 14

func init() {
	for name, a := range map[string]analysis.Analyzer{
		AnalyzerEnglish: termAnalyzer{caches[English]},
		AnalyzerFrench:  termAnalyzer{caches[French]},
		AnalyzerChinese: termAnalyzer{caches[Chinese]},
		AnalyzerOther:   termAnalyzer{caches[Other]},
		AnalyzerExact:   termAnalyzer{caches[Other]},
		AnalyzerPrefix:  prefixAnalyzer{},
	} {
		err := registry.RegisterAnalyzer(name, func(map[string]any, *registry.Cache) (analysis.Analyzer, error) { return a, nil })
		if err != nil {
			panic(err) // two packages claim one name: a mistake of ours, found by the first test
		}
	}
}

// AnalyzerOf returns the name of a language's analyzer.
func AnalyzerOf(l Lang) string {
	if caches[l] == nil {
		return AnalyzerOther
	}
	return "carrel_" + string(l)
}

// Prefix returns the term of the prefix field that finds the words beginning with a folded word.
func Prefix(folded string) string {
	n := 0
	for i := range folded {
		if n == MaxPrefix {
			return folded[:i]
		}
		n++
	}
	return folded
}

var buffers = sync.Pool{New: func() any { return new([]Token) }}

// termAnalyzer gives bleve the terms of Analyze. It makes three allocations a text, whatever its length.
type termAnalyzer struct{ cache *cache }

// Analyze implements bleve's Analyzer.
func (a termAnalyzer) Analyze(text []byte) analysis.TokenStream {
	buf := buffers.Get().(*[]Token)
	tokens := appendTokens((*buf)[:0], a.cache, string(text), false)
	out := stream(tokens)
	release(buf, tokens)
	return out
}

// release keeps a buffer for the next text, without the strings that it held.
func release(buf *[]Token, tokens []Token) {
	if cap(tokens) > maxPooled {
		return
	}
	clear(tokens)
	*buf = tokens
	buffers.Put(buf)
}

// stream copies tokens into bleve's form, the terms into one piece of memory.
func stream(tokens []Token) analysis.TokenStream {
	size := 0
	for i := range tokens {
		size += len(tokens[i].Text)
	}
	terms := make([]byte, 0, size)
	backing := make([]analysis.Token, len(tokens))
	out := make(analysis.TokenStream, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		from := len(terms)
		terms = append(terms, t.Text...)
		backing[i] = analysis.Token{
			Term: terms[from:len(terms):len(terms)], Start: t.Start, End: t.End, Position: t.Pos, Type: tokenType(t.Kind),
		}
		out[i] = &backing[i]
	}
	return out
}

func tokenType(k Kind) analysis.TokenType {
	switch k {
	case KindHan:
		return analysis.Ideographic
	case KindNumber:
		return analysis.Numeric
	}
	return analysis.AlphaNumeric
}

// prefixAnalyzer gives bleve the beginnings of words. Han characters have none: their terms stand as they are.
type prefixAnalyzer struct{}

// Analyze implements bleve's Analyzer.
func (prefixAnalyzer) Analyze(text []byte) analysis.TokenStream {
	buf := buffers.Get().(*[]Token)
	tokens := appendTokens((*buf)[:0], caches[Other], string(text), false)
	var grams []Token
	for i, t := range tokens {
		if t.Kind == KindHan {
			grams = append(grams, t)
			continue
		}
		if i > 0 && tokens[i-1].Whole && tokens[i-1].Start == t.Start {
			continue // the first part begins as the whole does
		}
		grams = appendPrefixes(grams, t)
	}
	out := stream(grams)
	release(buf, tokens)
	return out
}

func appendPrefixes(dst []Token, t Token) []Token {
	n := 0
	for i, r := range t.Fold {
		if n++; n > MaxPrefix {
			break
		}
		if n >= MinPrefix {
			g := t
			g.Text = t.Fold[:i+utf8.RuneLen(r)]
			dst = append(dst, g)
		}
	}
	return dst
}
