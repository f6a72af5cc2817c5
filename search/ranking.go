package search

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Everything that decides the order of hits under "relevance" stands here. A score is a sum of factors:
//
//	match         how the words were found: for each word of the query matchWeight times the quality of its tier. In a long query, where any word
//	              will do, the qualities are part of the text factor instead.
//	text          BM25 of the words, with what a word in a title or one with its accents adds, as a share of the most that this query can give
//	title         whether a title is, begins with or holds the query as it stands
//	rating        the course's Bayesian rating
//	popularity    enrollments, by their logarithm
//	freshness     the time since publication
//	availability  whether one can enroll
//	locale        whether the course has a text in the caller's language
//	boost, pin    what editors say of this query (curation.go)
//
// Where all words must match, a step between two tiers is more than all factors from text to locale together (a test holds that), so that what
// matches exactly stands above what begins so, and that above typing errors; the other factors settle the order within.

// A Rule is a part of the matching or of the ranking that can be switched off, to measure what it is good for; see [Config].
type Rule string

// The rules.
const (
	RuleStems        Rule = "stems"        // other forms of a word
	RuleTypos        Rule = "typos"        // words one or two edits away
	RuleSynonyms     Rule = "synonyms"     // what editors say that a word means
	RulePinyin       Rule = "pinyin"       // Chinese titles and names, spelled
	RuleTiers        Rule = "tiers"        // the match factor
	RuleTitles       Rule = "titles"       // a word counts more in a title
	RulePhrases      Rule = "phrases"      // the title factor
	RuleAccents      Rule = "accents"      // a word counts more as it was written
	RuleRating       Rule = "rating"       //
	RulePopularity   Rule = "popularity"   //
	RuleFreshness    Rule = "freshness"    //
	RuleAvailability Rule = "availability" //
	RuleLocale       Rule = "locale"       //
)

// Rules lists all rules.
func Rules() []Rule {
	return []Rule{
		RuleStems, RuleTypos, RuleSynonyms, RulePinyin, RuleTiers, RuleTitles, RulePhrases, RuleAccents, RuleRating, RulePopularity, RuleFreshness,
		RuleAvailability, RuleLocale,
	}
}

// BM25 with b = 0.4: course texts are long because their authors are thorough, not because they are about more.
const (
	bm25K1 = 0.9
	bm25B  = 0.4
)

// How a word was found.
const (
	tierExact     = iota // the very form
	tierStem             // another form of the word
	tierSynonym          // what it means
	tierPrefix           // it begins so
	tierPinyin           // it is spelled so
	tierTypo             // one edit away
	tierTypoStem         // another form of such a word
	tierTypo2            // two edits away
	tierTypo2Stem        // another form of such a word
	tierPartial          // some of its Han characters, in a relaxed search
	tierCount
)

var tierNames = [tierCount]string{"exact", "stem", "synonym", "prefix", "pinyin", "typo", "typo", "typo2", "typo2", "partial"}

// tierQualities are what a tier is worth in the match factor. CONTRACT makes no difference between a word, its other forms and its synonyms; their
// weights in the text factor do.
var tierQualities = [tierCount]float32{1, 1, 1, 0.75, 0.6, 0.45, 0.45, 0.25, 0.25, 0.1}

var tierWeights = [tierCount]float32{1, 0.85, 0.8, 0.6, 0.6, 1, 0.7, 1, 0.7, 1}

// The weights of the factors.
const (
	// matchWeight is what a word that matches exactly is worth.
	matchWeight = 50
	// textWeight bounds the text factor.
	textWeight = 4
	// titleWeight is what a word in the title adds to its BM25, which is at most bm25K1 + 1.
	titleWeight = 0.8
	// writtenWeight is what a word with the accents of the query adds: more than a title, or pêche would find le péché first.
	writtenWeight = 1.0
	// phraseWeight is for a title that is the query; beginsShare of it has one that begins with it, holdsShare one that holds it.
	phraseWeight = 1.0
	beginsShare  = 0.7
	holdsShare   = 0.5
	// ratingWeight, popularityWeight, freshnessWeight, availabilityWeight and localeWeight bound the small factors.
	ratingWeight       = 0.2
	popularityWeight   = 0.15
	freshnessWeight    = 0.05
	availabilityWeight = 0.05
	localeWeight       = 0.4
	// popularAt is the number of enrollments that gives the whole popularityWeight.
	popularAt = 100_000
	// neutralRating is worth nothing, five stars ratingWeight.
	neutralRating = 3
	// freshHalf is the age at which a course has half of its freshness; upcomingShare is what a course that opens later has of its availability.
	freshHalf     = 365 * 24 * time.Hour
	upcomingShare = 0.5
	// pinWeight is above all that words, boosts and small factors can give a course: it keeps pins before the rest, and in their order.
	pinWeight = 2 * maxWords * matchWeight
)

// rules say what is looked for.
type rules struct{ stems, typos, synonyms, pinyin bool }

// ranking are the weights in force: those above, but for rules that are switched off.
type ranking struct {
	rules                                                rules
	qualities                                            [tierCount]float32
	phrase, rating, popularity, fresh, available, locale float64
	titleWeight, writtenWeight                           float32
	small                                                float64 // the most that rating to locale give together
}

func newRanking(without []Rule) *ranking {
	on := func(r Rule) bool { return !slices.Contains(without, r) }
	weight := func(r Rule, w float64) float64 {
		if on(r) {
			return w
		}
		return 0
	}
	r := &ranking{
		rules:       rules{on(RuleStems), on(RuleTypos), on(RuleSynonyms), on(RulePinyin)},
		qualities:   tierQualities,
		phrase:      weight(RulePhrases, phraseWeight),
		rating:      weight(RuleRating, ratingWeight),
		popularity:  weight(RulePopularity, popularityWeight),
		fresh:       weight(RuleFreshness, freshnessWeight),
		available:   weight(RuleAvailability, availabilityWeight),
		locale:      weight(RuleLocale, localeWeight),
		titleWeight: float32(weight(RuleTitles, titleWeight)), writtenWeight: float32(weight(RuleAccents, writtenWeight)),
	}
	if !on(RuleTiers) {
		for i := range r.qualities {
			r.qualities[i] = 1
		}
	}
	r.small = r.rating + r.popularity + r.fresh + r.available + r.locale
	return r
}

// maxWeight is the most that a word's weight can be, before its idf.
func (r *ranking) maxWeight(written bool) float32 {
	most := bm25K1 + 1 + r.titleWeight
	if written {
		most += r.writtenWeight
	}
	return most
}

// idf is how much a word tells, when df of n visible courses have it.
func idf(n, df int) float32 {
	return float32(math.Log(1 + (float64(n-df)+0.5)/(float64(df)+0.5)))
}

// norm is BM25's norm of a text of a length, relative to the mean length.
func norm(relative float32) float32 { return bm25K1 * (1 - bm25B + bm25B*relative) }

// saturate is BM25's weight of a term that occurs tf times in a text with a norm.
func saturate(tf, norm float32) float32 { return tf * (bm25K1 + 1) / (tf + norm) }

// popularity is the share of the whole popularityWeight that enrollments give.
func popularity(enrollments int32) float32 {
	return float32(min(math.Log1p(float64(enrollments))/math.Log1p(popularAt), 1))
}

// freshness is what is left of a course's freshness by weeks since its publication.
var freshness = func() (t [10 * 52]float64) {
	const week = 7 * 24 * time.Hour
	for i := range t {
		t[i] = math.Exp2(-float64(i) * float64(week) / float64(freshHalf))
	}
	return t
}()

// freshAt is the share of freshness of a course that was published at a time.
func freshAt(published, now int64) float64 {
	if published == noTime {
		return 0
	}
	const week = int64(7 * 24 * time.Hour / time.Microsecond)
	if age := max(now-published, 0) / week; age < int64(len(freshness)) {
		return freshness[age]
	}
	return 0
}

// factors are the parts of a score that come neither from the words nor from editors.
type factors struct{ rating, popularity, freshness, availability, locale float64 }

func (f factors) sum() float64 {
	return f.rating + f.popularity + f.freshness + f.availability + f.locale
}

func (p *plan) factors(h *hot, j uint8) (f factors) {
	r := p.x.ranking
	mean := h.rating[j]
	if math.IsNaN(mean) {
		mean = p.cols.prior
	}
	f.rating = r.rating * min(max(mean-neutralRating, 0)/(5-neutralRating), 1)
	f.popularity = r.popularity * float64(h.popularity[j])
	f.freshness = r.fresh * freshAt(h.published[j], p.now)
	switch h.availability(j, p.now) {
	case 0:
		f.availability = r.available
	case 1:
		f.availability = r.available * upcomingShare
	}
	if h.has(j, p.lang) {
		f.locale = r.locale
	}
	return f
}

// wordFactors are the parts of a score that come from the words: how they match, and their text.
func (p *plan) wordFactors(m *matches, i int32) (match, text float64) {
	if m == nil || m.words == 0 {
		return 0, 0
	}
	if m.bound > 0 {
		text = textWeight * float64(m.score[i]) / float64(m.bound)
	}
	return matchWeight * m.found[i].quality(), text
}

// mayHold reports whether a title may hold the query as it stands: one has each of its words.
func (p *plan) mayHold(m *matches, i int32) bool {
	return m != nil && p.folded != "" && p.x.ranking.phrase != 0 && m.found[i].titled() >= m.words
}

// phrase is what a title gives that holds the query as it stands, in the caller's language or the course's own. Only titles with all of the words
// are looked at.
func (p *plan) phrase(m *matches, i int32) float64 {
	if !p.mayHold(m, i) {
		return 0
	}
	share := 0.0
	if m.oneWord { // a title that has the word holds it
		share = holdsShare
	}
	for _, l := range []int{0, localeIndex(p.locale)} {
		title := p.cols.pages[int(i)/pageRows].foldedTitles(l)[int(i)%pageRows]
		switch {
		case title == p.folded:
			share = 1
		case strings.HasPrefix(title, p.folded):
			share = max(share, beginsShare)
		case share < holdsShare && beginsWord(title, p.folded):
			share = max(share, holdsShare)
		}
	}
	return share * p.x.ranking.phrase
}

// score adds a row's parts.
func (p *plan) score(m *matches, i int32, h *hot, j uint8) float64 {
	match, text := p.wordFactors(m, i)
	return match + text + p.phrase(m, i) + p.factors(h, j).sum() + p.curated(i)
}

// explain names the parts of a hit's score.
func (p *plan) explain(m *matches, i int32) *Explanation {
	e := &Explanation{Factors: []Factor{}}
	add := func(f Factor) {
		if f.Value != 0 {
			e.Factors = append(e.Factors, f)
			e.Score += f.Value
		}
	}
	if m != nil && m.words > 0 {
		match, text := p.wordFactors(m, i)
		for _, w := range m.explained {
			if w.score[i] == 0 {
				continue
			}
			q, t := matchWeight*float64(w.quality[i]), textWeight*float64(w.score[i])/float64(m.bound)
			add(Factor{Name: "match", Word: w.text, Tier: tierNames[w.tier[i]], Value: q})
			add(Factor{Name: "text", Word: w.text, Tier: tierNames[w.tier[i]], Value: t})
			match, text = match-q, text-t
		}
		add(Factor{Name: "match", Value: match}) // of words that are not told apart, and what rounding lost
		add(Factor{Name: "text", Value: text})
	}
	add(Factor{Name: "title", Value: p.phrase(m, i)})
	f := p.factors(p.cols.hot(i))
	add(Factor{Name: "rating", Value: f.rating})
	add(Factor{Name: "popularity", Value: f.popularity})
	add(Factor{Name: "freshness", Value: f.freshness})
	add(Factor{Name: "availability", Value: f.availability})
	add(Factor{Name: "locale", Value: f.locale})
	p.explainCurated(i, add)
	return e
}
