package insight

import (
	"container/list"
	"slices"
	"sync"
	"time"
)

// asking is a search that clicks can still belong to.
type asking struct {
	id       string
	at       time.Time
	in       group
	key      string
	text     string
	first    bool     // the first page, whose positions we know
	hits     []uint32 // in their order
	done     map[EventType][2]uint64
	position int // of the event at hand
}

// recent remembers searches, the latest ones only.
type recent struct {
	max int
	now func() time.Time

	mu    sync.Mutex
	byID  map[string]*list.Element
	order *list.List // newest first; values are *asking
}

func newRecent(limit int, now func() time.Time) *recent {
	return &recent{max: limit, now: now, byID: map[string]*list.Element{}, order: list.New()}
}

func (r *recent) add(a asking) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, twice := r.byID[a.id]; twice {
		return
	}
	for r.order.Len() > 0 {
		last := r.order.Back()
		if r.order.Len() < r.max && a.at.Sub(last.Value.(*asking).at) <= recentTTL {
			break
		}
		delete(r.byID, last.Value.(*asking).id)
		r.order.Remove(last)
	}
	r.byID[a.id] = r.order.PushFront(&a)
}

// outcome says what became of an event.
type outcome int

const (
	unmatched outcome = iota
	repeated
	counted
)

// event finds the search that an event belongs to, and marks it as done. first reports whether it is the first of its kind there.
func (r *recent) event(e Event, hit uint32) (a asking, first bool, what outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	el, ok := r.byID[e.QueryID]
	if !ok {
		return a, false, unmatched
	}
	known := el.Value.(*asking)
	at := slices.Index(known.hits, hit)
	position := at + 1
	if !known.first { // how many came before this page only the client knows
		position = e.Position
	}
	if at < 0 || r.now().Sub(known.at) > recentTTL || known.in.org != e.Actor.Org || !known.first && position != 0 && position <= at {
		return a, false, unmatched
	}
	done := known.done[e.Type]
	word, bit := at/64, uint64(1)<<(at%64)
	if done[word]&bit != 0 {
		return a, false, repeated
	}
	first = done == [2]uint64{}
	done[word] |= bit
	if known.done == nil {
		known.done = map[EventType][2]uint64{}
	}
	known.done[e.Type] = done
	a = *known
	a.position = position
	return a, first, counted
}
