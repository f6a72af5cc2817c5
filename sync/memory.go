package sync

import (
	"cmp"
	"context"
	"iter"
	"slices"
	stdsync "sync"
	"time"
)

// Memory is a [Log] in memory: for tests, and the model that [Bolt] is compared with. It scans where Bolt has indexes.
type Memory struct {
	id   LogID
	now  func() time.Time
	news broadcast
	life life

	mu      stdsync.Mutex // guards what follows
	head    Seq
	last    map[entityKey]Change
	floors  map[floorName]Seq
	purged  Seq // the highest tombstone purged
	renewed Seq // the last restore
}

// floorName names a floor.
type floorName struct {
	channel Channel
	kind    Kind
}

var _ Log = (*Memory)(nil)

// NewMemory makes an empty log. A nil now is time.Now.
func NewMemory(id LogID, now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	m := &Memory{id: id, now: now, head: firstSeq(now()) - 1, last: map[entityKey]Change{}, floors: map[floorName]Seq{}}
	m.news.init()
	m.life.init()
	return m
}

// ID implements [Log].
func (m *Memory) ID() LogID { return m.id }

// Append implements [Log].
func (m *Memory) Append(ctx context.Context, batch ...Change) (Seq, error) {
	batch, err := normalize(batch)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life.over() {
		return 0, closedError("sync.Append")
	}
	for _, c := range batch {
		last, exists := m.last[entityKey{c.Kind, c.Key}]
		if err := conflict(c, last, exists); err != nil {
			return 0, err
		}
	}
	before := m.head
	for _, c := range batch {
		m.apply(c)
	}
	if m.head != before {
		m.news.wake()
	}
	return m.head, nil
}

// apply changes one entity.
func (m *Memory) apply(c Change) {
	name := entityKey{c.Kind, c.Key}
	last, exists := m.last[name]
	if c.Op == OpAssert || c.Op == OpDelete && (!exists || last.Op == OpDelete) {
		return
	}
	m.head++
	if c.Op == OpErase {
		for n, dropped := range m.last {
			if dropped.Channel == c.Erases {
				delete(m.last, n)
				m.floors[floorName{c.Erases, n.kind}] = m.head
			}
		}
	}
	settle(&c, m.head, last, exists)
	c.At = logTime(m.now)
	m.last[name] = c.own()
}

// Read implements [Log].
func (m *Memory) Read(ctx context.Context, from Seq, channels ...Channel) iter.Seq2[Change, error] {
	m.mu.Lock()
	upTo := m.head
	m.mu.Unlock()
	channels = slices.Clone(channels)
	return func(yield func(Change, error) bool) {
		for _, c := range m.between(from, upTo, channels) {
			err := ctx.Err()
			if m.life.over() {
				err = closedError("sync.Read")
			}
			if err != nil {
				yield(Change{}, err)
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// between returns the changes after from and up to upTo, in order.
func (m *Memory) between(from, upTo Seq, channels []Channel) []Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Change
	for _, c := range m.last {
		if c.Seq > from && c.Seq <= upTo && (len(channels) == 0 || slices.Contains(channels, c.Channel)) {
			found = append(found, c.own())
		}
	}
	slices.SortFunc(found, func(a, b Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return found
}

// Get implements [Log].
func (m *Memory) Get(ctx context.Context, kind Kind, key string) (Change, bool, error) {
	if err := m.usable(ctx, "sync.Get"); err != nil {
		return Change{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.last[entityKey{kind, key}]
	return c.own(), ok, nil
}

// Head implements [Log].
func (m *Memory) Head(ctx context.Context) (Seq, error) {
	if err := m.usable(ctx, "sync.Head"); err != nil {
		return 0, err
	}
	return m.current(), nil
}

func (m *Memory) current() Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head
}

func (m *Memory) usable(ctx context.Context, op string) error {
	if m.life.over() {
		return closedError(op)
	}
	return ctx.Err()
}

// Wait implements [Log].
func (m *Memory) Wait(ctx context.Context, past Seq) error {
	return waitPast(ctx, past, m.current, &m.news, &m.life)
}

// Floor implements [Log].
func (m *Memory) Floor(ctx context.Context, channel Channel, kinds ...Kind) (Seq, error) {
	if err := m.usable(ctx, "sync.Floor"); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if channel == "" {
		return max(m.renewed, m.purged), nil
	}
	floor := m.renewed
	for name, seq := range m.floors {
		if name.channel == channel && (len(kinds) == 0 || slices.Contains(kinds, name.kind)) {
			floor = max(floor, seq)
		}
	}
	return floor, nil
}

// Purge does what [Bolt.Purge] does.
func (m *Memory) Purge(ctx context.Context) (int, error) {
	if err := m.usable(ctx, "sync.Purge"); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, n := m.now().Add(-TombstoneAge), 0
	for name, c := range m.last {
		if c.Op != OpDelete || !c.At.Before(before) {
			continue
		}
		delete(m.last, name)
		floor := floorName{c.Channel, c.Kind}
		m.floors[floor] = max(m.floors[floor], c.Seq)
		m.purged = max(m.purged, c.Seq)
		n++
	}
	return n, nil
}

// Renew does what [Bolt.Renew] does.
func (m *Memory) Renew(ctx context.Context, past Seq) error {
	if err := m.usable(ctx, "sync.Renew"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.head = max(m.head, past, firstSeq(m.now())-1)
	m.apply(renewal())
	m.renewed = m.head
	m.news.wake()
	return nil
}

// Close makes everything that follows fail. It is idempotent.
func (m *Memory) Close() error {
	m.life.end()
	return nil
}
