// Package relevancetest measures how good search is: by queries whose answers people have judged, over the demo catalog and real ones, through
// the same door as everybody's. It is for tests and benchmarks.
//
// The judged queries are in testdata/judged. A query stands between its locale and category, in brackets, and what learners would want to find,
// best first: 3 is the course that was meant, 2 one that serves, 1 one that is related. A course that is not named is worth nothing, so every
// course worth 3 or 2 must be named: look for them in the catalog, not in what search returns.
//
//	[fr topic] intelligence artificielle
//	3 IA101 IA102
//	1 STAT101
//
// testdata/golden.txt holds what was measured last, and the first five hits of each query, so that a change of ranking shows in review;
// testdata/rules.txt what each rule of search is good for. `make golden` writes both. testdata/typos.txt holds typing errors with the course that each
// must find; `go test -run Typos -typos` makes others. A standard collection, Cranfield, is searched by us and by plain bleve side by side.
package relevancetest
