package search

import (
	linked "container/list"
	"sync"
)

// cache keeps values that were expensive to make, the most recently used ones, up to a number of bytes. Values are shared and never change.
type cache[V any] struct {
	limit int64
	size  func(V) int64

	mu    sync.Mutex
	used  int64
	byKey map[string]*linked.Element
	order *linked.List // of *cached[V]; the most recently used first
}

type cached[V any] struct {
	key   string
	value V
	bytes int64
}

// entryBytes is what an entry costs beside its key and value: the element, the map's slot.
const entryBytes = 160

func newCache[V any](limit int64, size func(V) int64) *cache[V] {
	return &cache[V]{limit: limit, size: size, byKey: map[string]*linked.Element{}, order: linked.New()}
}

// get returns a value. The key may be a buffer of the caller's.
func (c *cache[V]) get(key []byte) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[string(key)]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached[V]).value, true //nolint:forcetypeassert // nothing else is in the list
}

// put keeps a value, unless it alone would take more than an eighth of the room.
func (c *cache[V]) put(key []byte, value V) {
	bytes := c.size(value) + int64(len(key)) + entryBytes
	if bytes > c.limit/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[string(key)]; ok {
		return
	}
	e := &cached[V]{key: string(key), value: value, bytes: bytes}
	c.byKey[e.key] = c.order.PushFront(e)
	for c.used += bytes; c.used > c.limit; {
		c.drop(c.order.Back())
	}
}

func (c *cache[V]) drop(e *linked.Element) {
	old := c.order.Remove(e).(*cached[V]) //nolint:forcetypeassert // nothing else is in the list
	delete(c.byKey, old.key)
	c.used -= old.bytes
}
