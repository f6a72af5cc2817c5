package search

import (
	"encoding/binary"
	"time"
)

const (
	// resultsBytes bounds the responses that are kept: some thousand pages. They answer what many ask: the first page, what is typed first.
	resultsBytes = 32 << 20
	// resultsFor is how long a response is good, since enrollment opens and closes, and courses age, without a change of the index.
	resultsFor = 10 * time.Second
	// filtersBytes bounds the filters of which it is kept which rows pass them: a bit for each row.
	filtersBytes = 16 << 20
	// countsBytes bounds the counts of facets over everything, which are kept for each view of the catalog.
	countsBytes = 8 << 20
	// sightsBytes bounds which rows callers see, a byte for each row: so that half a million courses fit, seen in several ways.
	sightsBytes = 8 << 20
	// suggestionsBytes bounds the suggestions that are kept: what is typed first is the same for all.
	suggestionsBytes = 4 << 20
	// pastBytes bounds of how many past queries it is kept whether they find something: some thousands.
	pastBytes = 1 << 20
)

// outcome is a response without what is of one request only.
type outcome = Response

func newResults() *cache[*outcome] {
	const hit, value, rest = 2048, 128, 1024 // bytes, about
	return newCache(resultsBytes, func(r *outcome) int64 {
		n := rest + hit*len(r.Hits)
		for _, values := range r.Facets {
			n += value * len(values)
		}
		return int64(n)
	})
}

func newFilters() *cache[[]uint64] {
	return newCache(filtersBytes, func(bits []uint64) int64 { return int64(8 * len(bits)) })
}

func newCounts() *cache[[]int32] {
	return newCache(countsBytes, func(counts []int32) int64 { return int64(4 * len(counts)) })
}

func newSights() *cache[sight] {
	return newCache(sightsBytes, func(s sight) int64 { return int64(len(s.visible)) })
}

func newSuggestions() *cache[[]Suggestion] {
	const each = 128 // bytes, about
	return newCache(suggestionsBytes, func(list []Suggestion) int64 { return int64(each * (1 + len(list))) })
}

func newPast() *cache[bool] { return newCache(pastBytes, func(bool) int64 { return 0 }) }

// heavyKept is how many queries are remembered that turned out to be expensive.
const heavyKept = 1024

// heavy remembers expensive queries, so that they begin in the slow lane when they are asked again.
type heavy struct{ c *cache[struct{}] }

func newHeavy() heavy {
	return heavy{newCache(heavyKept*(entryBytes+64), func(struct{}) int64 { return 0 })}
}

func (h heavy) has(q string) bool {
	_, ok := h.c.get([]byte(q))
	return ok
}

func (h heavy) add(q string) { h.c.put([]byte(q), struct{}{}) }

// resultKey names everything that a response depends on: the generation, the time, what the caller may see, and the request.
func (x *Index) resultKey(gen *generation, r *Request) []byte {
	return viewKey(binary.LittleEndian.AppendUint64(nil, uint64(x.cfg.Now().UnixNano()/int64(resultsFor))), gen, r)
}

// viewKey appends to a key everything that a response depends on but the time.
func viewKey(key []byte, gen *generation, r *Request) []byte {
	key = binary.LittleEndian.AppendUint64(key, gen.id)
	sees := byte(0)
	if r.Actor.Staff() {
		sees |= 1
	}
	if r.Actor.SeesDrafts(r.Actor.Org) {
		sees |= 2
	}
	key = append(key, sees)
	key = append(append(key, r.Actor.Org...), 0)
	key = append(append(key, r.Locale...), 0)
	return append(key, r.Values().Encode()...)
}
