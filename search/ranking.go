package search

import "math"

// Everything that decides the order of hits under "relevance" stands here. A score is a sum: for each word of the query its weight in the text, then the
// small factors below, which settle the order among courses that the words cannot tell apart.

// BM25 with b = 0.4: course texts are long because their authors are thorough, not because they are about more.
const (
	bm25K1 = 0.9
	bm25B  = 0.4
)

// How a word was found, and what that is worth.
const (
	tierExact   = iota // the very form
	tierStem           // another form of the word
	tierPrefix         // it begins so
	tierTypo           // one edit away
	tierTypo2          // two edits away
	tierPartial        // some of its Han characters, in a relaxed search
	tierCount
)

var tierNames = [tierCount]string{"exact", "stem", "prefix", "typo", "typo", "partial"}

var tierWeights = [tierCount]float32{1, 0.85, 0.6, 0.5, 0.35, 0.3}

const (
	// titleWeight is what a word in the title adds to its weight in the text.
	titleWeight = 0.8
	// missingWeight is taken off for each part of the words that is missing, when not all have to match.
	missingWeight = 0.5
	// ratingWeight, popularityWeight and localeWeight bound the small factors: together less than a rare word in a title.
	ratingWeight     = 0.4
	popularityWeight = 0.3
	localeWeight     = 0.4
	// popularAt is the number of enrollments that gives the whole popularityWeight.
	popularAt = 100_000
	// neutralRating is worth nothing, five stars ratingWeight.
	neutralRating = 3
)

// idf is how much a word tells, when df of n visible courses have it.
func idf(n, df int) float32 {
	return float32(math.Log(1 + (float64(n-df)+0.5)/(float64(df)+0.5)))
}

// norm is BM25's norm of a text of a length, relative to the mean length.
func norm(relative float32) float32 { return bm25K1 * (1 - bm25B + bm25B*relative) }

// saturate is BM25's weight of a term that occurs tf times in a text with a norm.
func saturate(tf, norm float32) float32 { return tf * (bm25K1 + 1) / (tf + norm) }

// popularity is what enrollments add to a score.
func popularity(enrollments int32) float32 {
	return float32(popularityWeight * min(math.Log1p(float64(enrollments))/math.Log1p(popularAt), 1))
}

// factors are the parts of a score that do not come from the text.
func (p *plan) factors(h *hot, j uint8) (rating, popularity, locale float64) {
	mean := h.rating[j]
	if math.IsNaN(mean) {
		mean = p.cols.prior
	}
	rating = ratingWeight * min(max(mean-neutralRating, 0)/(5-neutralRating), 1)
	if h.has(j, p.lang) {
		locale = localeWeight
	}
	return rating, float64(h.popularity[j]), locale
}

// explain names the parts of a hit's score.
func (p *plan) explain(m *matches, i int32) *Explanation {
	var e Explanation
	add := func(f Factor) {
		if f.Value != 0 {
			e.Factors = append(e.Factors, f)
			e.Score += f.Value
		}
	}
	if m != nil && m.words > 0 {
		rest := float64(m.score[i])
		for _, w := range m.explained {
			add(Factor{Name: "text", Word: w.text, Tier: tierNames[w.tier[i]], Value: float64(w.score[i])})
			rest -= float64(w.score[i])
		}
		add(Factor{Name: "text", Value: rest}) // of words that are not told apart, and what rounding lost
		add(Factor{Name: "missing", Value: m.missing(i)})
	}
	rating, popularity, locale := p.factors(p.cols.hot(i))
	add(Factor{Name: "rating", Value: rating})
	add(Factor{Name: "popularity", Value: popularity})
	add(Factor{Name: "locale", Value: locale})
	return &e
}
