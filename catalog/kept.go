package catalog

import (
	"sync"

	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// keptBytes bounds the entities that are kept decoded: some ten thousand courses with their numbers, more than anybody's first pages show.
	keptBytes = 32 << 20
	// keptEach is about what a decoded entity takes beside its texts.
	keptEach = 1 << 10
	// keptLargest is the largest entity that is kept: a few more would drive out all others.
	keptLargest = keptBytes / 16
)

// kept remembers entities as they were decoded, by the Seq of the change that they come from. No other change ever has that Seq, so an entity that
// changes is simply looked for under another one. There are two halves: what is asked for moves into the young one, and when that is full it becomes
// the old one, whose contents nobody has asked for since are forgotten.
type kept struct {
	mu         sync.Mutex
	young, old map[coursesync.Seq]keptEntity
	bytes      int64 // in young
}

type keptEntity struct {
	stored any // *Stored[T]; never changed
	bytes  int64
}

func (k *kept) get(seq coursesync.Seq) any {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.young[seq]
	if !ok {
		if e, ok = k.old[seq]; ok {
			k.add(seq, e)
		}
	}
	return e.stored
}

func (k *kept) put(seq coursesync.Seq, stored any, body int) {
	e := keptEntity{stored, keptEach + 2*int64(body)} // twice: keys and numbers shrink, but lists and maps grow
	if e.bytes > keptLargest {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.young[seq]; !ok {
		k.add(seq, e)
	}
}

// add puts an entity into the young half, under mu.
func (k *kept) add(seq coursesync.Seq, e keptEntity) {
	if k.young == nil || k.bytes+e.bytes > keptBytes/2 {
		k.young, k.old, k.bytes = map[coursesync.Seq]keptEntity{}, k.young, 0
	}
	k.young[seq] = e
	k.bytes += e.bytes
}

// shared is load for those who only read: what it returns is kept and given to others too, so nobody may change what its pointers, lists and maps
// hold. A transaction must remember what it reads, and sees what it wrote itself; to it nothing is shared.
func shared[T any](v *View, kind coursesync.Kind, key string) (Stored[T], bool, error) {
	if v.overlay != nil {
		return load[T](v, kind, key)
	}
	seq, ok := v.bv.Version(kind, key)
	if !ok {
		return Stored[T]{}, false, nil
	}
	if s, ok := v.c.kept.get(seq).(*Stored[T]); ok {
		return *s, true, nil
	}
	ch, ok := v.get(kind, key)
	if !ok {
		return Stored[T]{}, false, nil
	}
	s, err := decode[T](ch)
	if err == nil {
		v.c.kept.put(seq, &s, len(ch.Body))
	}
	return s, err == nil, err
}
