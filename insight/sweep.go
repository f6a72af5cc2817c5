package insight

import (
	"bytes"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

const (
	// sweepRows is how many rows one transaction removes at most: what remains waits for the next, so that none takes long.
	sweepRows = 20_000
	// crowded and roomy are tenths of the rows allowed: above the one, the oldest texts go until the other is reached.
	crowded, roomy = 9, 8
)

// sweeper removes what is old.
type sweeper struct {
	s      *Store
	tx     *bolt.Tx
	today  day
	left   int // rows that may still be removed
	gone   map[sharedKey]bool
	orgs   []catalog.OrgID
	oldest day
}

// clear removes old days, and of days that are over the rarest queries. It reports whether more is to be removed.
func (s *Store) clear(today day) (more bool) {
	var w *sweeper
	err := s.update(func(tx *bolt.Tx) error {
		w = &sweeper{s: s, tx: tx, today: today, left: sweepRows, gone: map[sharedKey]bool{}, oldest: today - KeepDays + 1}
		return w.run()
	})
	if !s.check(err, 0) {
		return false
	}
	s.shelve(&staged{gone: w.gone})
	for _, org := range w.orgs {
		delete(s.orgs, org)
	}
	return w.left <= 0
}

func (w *sweeper) run() error {
	if err := w.days(); err != nil {
		return err
	}
	if err := w.crowd(); err != nil {
		return err
	}
	if err := w.expired(); err != nil {
		return err
	}
	return w.silent()
}

// days removes the days that are too old, or in a future that a wrong clock has seen, and thins those that are over.
func (w *sweeper) days() error {
	sums, queries := w.tx.Bucket(bucketTotals), w.tx.Bucket(bucketQueries)
	type old struct {
		key   []byte
		sum   totals
		limit int // queries that remain; -1: nothing does
	}
	var list []old
	c := sums.Cursor()
	for k, v := c.First(); k != nil && w.left > 0; k, v = c.Next() {
		d, sum, ok := dayAndTotals(k, v)
		past := w.s.bounds.rowsPast
		switch {
		case !ok:
			return errDamaged
		case d < w.oldest || d > w.today+1:
			list = append(list, old{bytes.Clone(k), sum, -1})
			w.left -= int(sum.rows) + 1 //nolint:gosec // a bound
		case d < w.today && sum.rows > uint64(past): //nolint:gosec // a bound
			list = append(list, old{bytes.Clone(k), sum, past})
			w.left -= int(sum.rows) - past //nolint:gosec // a bound
		}
	}
	for _, o := range list {
		err := trim(queries, o.key, &o.sum, max(o.limit, 0))
		if err == nil && o.limit < 0 {
			err = sums.Delete(o.key)
		} else if err == nil {
			err = sums.Put(o.key, o.sum.encode())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func dayAndTotals(k, v []byte) (d day, sum totals, ok bool) {
	if len(k) < dayBytes {
		return 0, sum, false
	}
	sum, ok = decodeTotals(v)
	return day(binary.BigEndian.Uint32(k)), sum, ok //nolint:gosec // written from one
}

// crowd removes the oldest texts when there are nearly too many in all. The days' numbers stay.
func (w *sweeper) crowd() error {
	queries := w.tx.Bucket(bucketQueries)
	bound := uint64(w.s.bounds.rows) //nolint:gosec // a bound
	if queries.Sequence() < bound*crowded/10 {
		return nil
	}
	today := appendDay(nil, w.today)
	c := queries.Cursor()
	var old [][]byte
	for k, _ := c.First(); k != nil && bytes.Compare(k, today) < 0 && w.left > 0 && queries.Sequence()-uint64(len(old)) > bound*roomy/10; k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
		w.left--
	}
	for _, k := range old {
		if err := queries.Delete(k); err != nil {
			return err
		}
	}
	return queries.SetSequence(queries.Sequence() - uint64(len(old)))
}

// expired removes queries to suggest that have not been asked by enough callers of late.
func (w *sweeper) expired() error {
	w.s.shelf.RLock()
	defer w.s.shelf.RUnlock()
	bucket := w.tx.Bucket(bucketShared)
	for in, list := range w.s.shared {
		for key, sh := range list {
			if sh.until > w.today && sh.until <= w.today+KeepDays+1 {
				continue
			}
			k := sharedKey{in, key}
			w.gone[k] = true
			if err := bucket.Delete(k.bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

// silent forgets organizations that have not searched as long as days are kept.
func (w *sweeper) silent() error {
	for org, last := range w.s.orgs {
		if last >= w.oldest && last <= w.today+1 {
			continue
		}
		w.orgs = append(w.orgs, org)
		if err := w.tx.Bucket(bucketOrgs).Delete(orgKey(org)); err != nil {
			return err
		}
	}
	return nil
}
