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
	// suggestionsBytes bounds the suggestions that are kept: what is typed first is the same for all.
	suggestionsBytes = 4 << 20
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

func newSuggestions() *cache[[]Suggestion] {
	const each = 128 // bytes, about
	return newCache(suggestionsBytes, func(list []Suggestion) int64 { return int64(each * (1 + len(list))) })
}

// resultKey names everything that a response depends on: the generation, the time, what the caller may see, and the request.
func (x *Index) resultKey(gen *generation, r *Request) []byte {
	key := binary.LittleEndian.AppendUint64(nil, gen.id)
	key = binary.LittleEndian.AppendUint64(key, uint64(x.cfg.Now().UnixNano()/int64(resultsFor))) //nolint:gosec // any number will do
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
