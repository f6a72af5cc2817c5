package sync

import (
	"cmp"
	"context"
	"iter"
	"slices"
	stdsync "sync"
	"time"
)

// Memory is a Log in memory: for tests, and the model that [Bolt] is compared with. It scans where Bolt has indexes.
type Memory struct {
	mu     stdsync.Mutex
	id     LogID
	now    func() time.Time
	last   map[entityRef]Change
	floors map[Channel]map[Kind]Seq
	head   watched
}

// NewMemory makes an empty log. A nil now is time.Now.
func NewMemory(id LogID, now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	m := &Memory{id: id, now: now, last: map[entityRef]Change{}, floors: map[Channel]map[Kind]Seq{}}
	m.head.seq = Seq(now().Unix())<<seqShift - 1 //nolint:gosec // a clock after 1970
	return m
}

// ID returns the log's identity.
func (m *Memory) ID() LogID { return m.id }

// Append commits a batch: see [Log].
func (m *Memory) Append(ctx context.Context, batch ...Change) (Seq, error) {
	if err := validate(batch); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range batch {
		prev, ok := m.last[entityRef{c.Kind, c.Key}]
		if !holds(c.IfSeq, prev, ok) {
			return 0, lostUpdate(c)
		}
		if ok && c.Op != OpAssert && prev.Channel != c.Channel {
			return 0, wrongChannel(c, prev)
		}
	}
	head := m.head.get()
	for _, c := range batch {
		head = m.apply(c, head)
	}
	m.head.set(head)
	return head, nil
}

func (m *Memory) apply(c Change, head Seq) Seq {
	ref := entityRef{c.Kind, c.Key}
	prev, ok := m.last[ref]
	if c.Op == OpAssert || c.Op == OpDelete && (!ok || prev.Op == OpDelete) {
		return head
	}
	if c.Op == OpErase {
		for r, e := range m.last {
			if e.Channel == c.Erases {
				delete(m.last, r)
			}
		}
	}
	head++
	c.Seq, c.IfSeq, c.At, c.Body = head, 0, m.now().UTC().Truncate(time.Millisecond), clone(c.Body)
	c.Created, c.Since = head, head
	if ok {
		c.Created = prev.Created
		if !c.Access {
			c.Since = prev.Since
		}
	}
	c.Access = false
	if c.Op == OpDelete {
		c.Body = nil
	}
	m.last[ref] = c
	return head
}

// Read yields the changes after from: see [Log].
func (m *Memory) Read(ctx context.Context, from Seq, channels ...Channel) iter.Seq2[Change, error] {
	head := m.head.get()
	return func(yield func(Change, error) bool) {
		m.mu.Lock()
		var found []Change
		for _, c := range m.last {
			if c.Seq > from && c.Seq <= head && (len(channels) == 0 || slices.Contains(channels, c.Channel)) {
				c.Body = clone(c.Body)
				found = append(found, c)
			}
		}
		m.mu.Unlock()
		slices.SortFunc(found, func(a, b Change) int { return cmp.Compare(a.Seq, b.Seq) })
		for _, c := range found {
			if err := ctx.Err(); err != nil {
				yield(Change{}, err)
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// Get returns an entity's last change.
func (m *Memory) Get(_ context.Context, kind Kind, key string) (Change, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.last[entityRef{kind, key}]
	c.Body = clone(c.Body)
	return c, ok, nil
}

// Head returns the Seq of the last change.
func (m *Memory) Head(context.Context) (Seq, error) { return m.head.get(), nil }

// Wait returns when the head is past the given Seq.
func (m *Memory) Wait(ctx context.Context, past Seq) error { return m.head.wait(ctx, past) }

// Floor returns the highest Seq among the tombstones purged from a channel.
func (m *Memory) Floor(_ context.Context, channel Channel, kinds ...Kind) (Seq, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var floor Seq
	for ch, floors := range m.floors {
		for k, s := range floors {
			if (channel == "" || ch == channel) && (len(kinds) == 0 || slices.Contains(kinds, k)) {
				floor = max(floor, s)
			}
		}
	}
	return floor, nil
}

// Purge removes tombstones older than [TombstoneAge] and raises the floors.
func (m *Memory) Purge(context.Context) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, n := m.now().Add(-TombstoneAge), 0
	for r, c := range m.last {
		if c.Op != OpDelete || !c.At.Before(before) {
			continue
		}
		if m.floors[c.Channel] == nil {
			m.floors[c.Channel] = map[Kind]Seq{}
		}
		m.floors[c.Channel][c.Kind] = max(m.floors[c.Channel][c.Kind], c.Seq)
		delete(m.last, r)
		n++
	}
	return n, nil
}
