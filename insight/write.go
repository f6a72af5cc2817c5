package insight

import (
	"bytes"
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// write takes what waits in the queue and writes what is due; with all, also what would settle first.
func (s *Store) write(all bool) {
	s.work.Lock()
	defer s.work.Unlock()
	now := s.cfg.Now()
	for range len(s.queue) { // and not what comes meanwhile
		s.settle(<-s.queue)
	}
	for caller, r := range s.settling {
		if all || now.Sub(r.at) >= settleFor || now.Before(r.at) {
			s.batch.add(r)
			delete(s.settling, caller)
		}
	}
	if s.batch.records > 0 {
		s.commit()
	}
	if today := dayOf(now); today != s.sweptDay || now.Sub(s.swept) >= sweepEvery || now.Before(s.swept) {
		if more := s.clear(today); !more {
			s.swept, s.sweptDay = now, today
		}
	}
}

// settle lets a search wait for the next letter. Only one search of a caller waits; other records do not.
func (s *Store) settle(r record) {
	if r.kind != "" {
		s.batch.add(r)
		return
	}
	if last, ok := s.settling[r.caller]; ok {
		delete(s.settling, r.caller)
		if typing(last, r) {
			s.counts.merged.Add(1)
		} else {
			s.batch.add(last)
		}
	}
	if len(s.settling) >= s.bounds.settling {
		s.batch.add(r)
		return
	}
	s.settling[r.caller] = r
}

// typing reports whether a search was a letter on the way to the next: more was typed at its end, or taken away there.
func typing(last, next record) bool {
	return last.in == next.in && last.filtered == next.filtered && last.key != next.key && last.key != "" && next.key != "" &&
		next.at.Sub(last.at) < settleFor && (strings.HasPrefix(next.key, last.key) || strings.HasPrefix(last.key, next.key))
}

// staged is what memory learns when a transaction has been committed.
type staged struct {
	shared  map[sharedKey]shared
	gone    map[sharedKey]bool
	refused uint64
	written uint64
}

// commit writes the batch. What cannot be written is dropped: nobody waits for statistics.
func (s *Store) commit() {
	b := s.batch
	s.batch = newBatch()
	st := &staged{shared: map[sharedKey]shared{}, gone: map[sharedKey]bool{}}
	for _, r := range b.asks {
		s.ask(r, st)
	}
	err := s.update(func(tx *bolt.Tx) error { return s.put(tx, b, st) })
	if !s.check(err, b.records) {
		return
	}
	s.shelve(st)
	for org, d := range b.orgsOf() {
		if _, known := s.orgs[org]; known || len(s.orgs) < s.bounds.orgs {
			s.orgs[org] = max(s.orgs[org], d)
		}
	}
	s.counts.written.Add(st.written)
	s.counts.refused.Add(st.refused)
}

// update runs a transaction.
func (s *Store) update(fn func(tx *bolt.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	return guard(func() error { return s.db.Update(fn) })
}

var errClosed = errors.New("closed")

// check looks at how a transaction ended, and reports whether it was committed. After damage the statistics begin anew.
func (s *Store) check(err error, records int) bool {
	if err == nil {
		return true
	}
	s.counts.dropped.Add(uint64(records)) //nolint:gosec // a count
	if errors.Is(err, errClosed) {
		return false
	}
	if errors.Is(err, errDamaged) && s.renewals < maxRenewals {
		s.renewals++
		if err = s.renew(err); err == nil { // what was open stays so: bbolt may hold locks that nobody will give back
			return false
		}
	}
	if now := s.cfg.Now(); now.Sub(s.warned) >= warnEvery || now.Before(s.warned) {
		s.warned = now
		s.cfg.Logger.Warn("insight: statistics could not be written and are dropped", slog.Any("error", err))
	}
	return false
}

// put writes a batch.
func (s *Store) put(tx *bolt.Tx, b *batch, st *staged) error {
	st.written, st.refused = 0, 0
	orgs := tx.Bucket(bucketOrgs)
	fresh := 0
	for org, d := range b.orgsOf() {
		if _, known := s.orgs[org]; !known {
			if len(s.orgs)+fresh >= s.bounds.orgs {
				continue // its groups are left out below, too
			}
			fresh++
		}
		if err := orgs.Put(orgKey(org), appendDay(nil, max(d, s.orgs[org]))); err != nil {
			return err
		}
	}
	for _, at := range sortedGroups(b.groups) {
		t := b.groups[at]
		if orgs.Get(orgKey(at.in.org)) == nil {
			st.refused += t.totals.searches + t.totals.clicks + t.totals.enrolls
			continue
		}
		if err := s.putGroup(tx, at, t, st); err != nil {
			return err
		}
		st.written += t.totals.searches + t.totals.clicks + t.totals.enrolls
	}
	return s.putShared(tx, st)
}

// sortedGroups gives an order in which neighbours are written together.
func sortedGroups(groups map[dayGroup]*tally) []dayGroup {
	list := make([]dayGroup, 0, len(groups))
	for at := range groups {
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b dayGroup) int {
		return cmp.Or(cmp.Compare(a.day, b.day), strings.Compare(string(a.in.org), string(b.in.org)), strings.Compare(string(a.in.locale), string(b.in.locale)))
	})
	return list
}

// putGroup adds a group's numbers and its queries.
func (s *Store) putGroup(tx *bolt.Tx, at dayGroup, t *tally, st *staged) error {
	key := groupKey(at.day, at.in)
	var sum totals
	if have := tx.Bucket(bucketTotals).Get(key); have != nil {
		var ok bool
		if sum, ok = decodeTotals(have); !ok {
			return errDamaged
		}
	}
	sum.add(t.totals)
	queries := tx.Bucket(bucketQueries)
	for text, add := range t.rows {
		if err := s.putRow(queries, append(slices.Clip(key), text...), add, &sum, st); err != nil {
			return err
		}
	}
	if sum.rows > uint64(s.bounds.rowsDay+s.bounds.rowsOver) { //nolint:gosec // a bound
		if err := trim(queries, key, &sum, s.bounds.rowsDay); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketTotals).Put(key, sum.encode())
}

// putRow adds to a query's row. A new one starts with the slack that it may have been asked that often before, and was not kept.
func (s *Store) putRow(queries *bolt.Bucket, key []byte, add *row, sum *totals, st *staged) error {
	line := *add
	if have := queries.Get(key); have != nil {
		old, ok := decodeRow(have)
		if !ok {
			return errDamaged
		}
		old.add(line)
		line = old
	} else {
		switch {
		case line.count == 0:
			return nil // its search is not kept
		case queries.Sequence() >= uint64(s.bounds.rows): //nolint:gosec // a bound
			st.refused++
			return nil
		}
		line.slack = sum.floor
		sum.rows++
		if err := queries.SetSequence(queries.Sequence() + 1); err != nil {
			return err
		}
	}
	return queries.Put(key, line.encode())
}

// trim drops the rarest queries of a group, so that limit are left. The most that a dropped one may have been asked becomes the group's floor.
// This is the Space-Saving algorithm, in batches: a query that was asked more often than one in limit of all searches of the day is always kept.
func trim(queries *bolt.Bucket, prefix []byte, sum *totals, limit int) error {
	type ranked struct {
		key  []byte
		rank uint64
	}
	var list []ranked
	c := queries.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		line, ok := decodeRow(v)
		if !ok {
			return errDamaged
		}
		list = append(list, ranked{bytes.Clone(k), line.count + line.slack})
	}
	if len(list) <= limit {
		sum.rows = uint64(len(list))
		return nil
	}
	slices.SortFunc(list, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rank, b.rank), bytes.Compare(a.key, b.key)) })
	drop := list[:len(list)-limit]
	for _, one := range drop {
		if err := queries.Delete(one.key); err != nil {
			return err
		}
	}
	sum.rows, sum.floor = uint64(limit), max(sum.floor, drop[len(drop)-1].rank) //nolint:gosec // a bound
	return queries.SetSequence(queries.Sequence() - min(queries.Sequence(), uint64(len(drop))))
}

// orgKey is the key of an organization; the public has one too.
func orgKey[S ~string](org S) []byte { return appendName(nil, string(org)) }
