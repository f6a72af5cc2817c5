package analysis

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// Words repeat: nine of ten tokens of a catalog are among a few thousand words. So each language remembers what became
// of the words seen last, in a table where a word has one place and evicts what stood there: bounded, without locks.
const (
	cacheSlots = 1 << 14 // about 2 MB for each language when full
	cacheWord  = 40      // longer words, in bytes, are rare and not remembered
)

// entry is what a word becomes in one language.
type entry struct {
	written string
	fold    string
	stem    string
	kind    Kind
	stop    bool
}

type cache struct {
	lang  Lang
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[entry]
}

var caches = func() map[Lang]*cache {
	m := map[Lang]*cache{}
	for _, l := range Langs {
		m[l] = &cache{lang: l, seed: maphash.MakeSeed()}
	}
	return m
}()

// cacheOf returns the cache of a language; unknown ones are treated as Other.
func cacheOf(l Lang) *cache {
	if c := caches[l]; c != nil {
		return c
	}
	return caches[Other]
}

// get analyses a word as written. The shape follows from how it is written, so it is no part of the key.
func (c *cache) get(written string, sh shape) *entry {
	if len(written) > cacheWord {
		return c.make(written, sh)
	}
	slot := &c.slots[maphash.String(c.seed, written)%cacheSlots]
	if e := slot.Load(); e != nil && e.written == written {
		return e
	}
	e := c.make(strings.Clone(written), sh) // a piece of a text would keep all of it in memory
	slot.Store(e)
	return e
}

// make analyses a word that is not remembered.
func (c *cache) make(written string, sh shape) *entry {
	fold, kind := foldShape(written, sh)
	e := &entry{written: written, fold: fold, stem: fold, kind: kind}
	if kind != KindWord {
		return e
	}
	e.stop = sh != shapeJoined && stops(c.lang, written, fold)
	switch c.lang {
	case English, Chinese:
		e.stem = stemEnglish(fold)
	case French:
		e.stem = stemFrench(fold)
	}
	return e
}
