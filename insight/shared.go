package insight

import (
	"cmp"
	"container/list"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

// Queries that are suggested to others. Until MinCallers different callers have asked one with success, a set of keyed hashes of them is kept, in
// memory only; the key is of this process alone. Then the set is dropped, and the file learns that the query may be suggested, and until when.

// sharedKey names a query of a group.
type sharedKey struct {
	in  group
	key string
}

func (k sharedKey) bytes() []byte { return append(appendGroup(nil, k.in), k.key...) }

// shared is a query that enough callers have asked.
type shared struct {
	asked, found float64 // how often, of late: both fade
	last         day     // up to which they have faded
	until        day     // from then on it must have been asked by enough callers again
	text         string
}

// halfLife is how many days it takes until a search counts half: what was asked this month goes before what was asked last season.
const halfLife = 30

func (sh shared) faded(today day) shared {
	if past := today - sh.last; past > 0 {
		by := math.Exp2(-float64(past) / halfLife)
		sh.asked, sh.found, sh.last = sh.asked*by, sh.found*by, today
	}
	return sh
}

func (sh shared) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, math.Float64bits(sh.asked))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(sh.found))
	return append(appendDay(appendDay(b, sh.last), sh.until), sh.text...)
}

func decodeShared(b []byte) (sh shared, ok bool) {
	const head = 2*floatBytes + 2*dayBytes
	if len(b) < head {
		return sh, false
	}
	sh.asked = math.Float64frombits(binary.BigEndian.Uint64(b))
	sh.found = math.Float64frombits(binary.BigEndian.Uint64(b[floatBytes:]))
	sh.last = day(binary.BigEndian.Uint32(b[2*floatBytes:]))           //nolint:gosec // written from one
	sh.until = day(binary.BigEndian.Uint32(b[2*floatBytes+dayBytes:])) //nolint:gosec // written from one
	sh.text = string(b[head:])
	return sh, !math.IsNaN(sh.asked) && !math.IsNaN(sh.found)
}

// counting is a query whose callers are being counted.
type counting struct {
	key          sharedKey
	since        day
	callers      []uint64
	asked, found float64
}

// pending holds them, those asked lately only.
type pending struct {
	max   int
	byKey map[sharedKey]*list.Element
	order *list.List // last asked first; values are *counting
}

// add counts a caller. It returns the query, and forgets it, when there are enough.
func (p *pending) add(k sharedKey, r *record, today day) (c *counting, enough bool) {
	el, ok := p.byKey[k]
	if ok {
		p.order.MoveToFront(el)
		if c = el.Value.(*counting); today-c.since >= KeepDays || today < c.since {
			*c = counting{key: k, since: today} // those who asked so long ago do not count any more
		}
	} else {
		if p.order.Len() >= p.max {
			p.drop(p.order.Back())
		}
		c = &counting{key: k, since: today}
		el = p.order.PushFront(c)
		p.byKey[k] = el
	}
	c.asked, c.found = c.asked+1, c.found+float64(one(r.found))
	if r.found && !slices.Contains(c.callers, r.caller) {
		c.callers = append(c.callers, r.caller)
	}
	if len(c.callers) < MinCallers {
		return c, false
	}
	p.drop(el)
	return c, true
}

func (p *pending) drop(el *list.Element) {
	delete(p.byKey, el.Value.(*counting).key)
	p.order.Remove(el)
}

// ask counts a search for the suggestions. It changes nothing that is read before the commit.
func (s *Store) ask(r record, st *staged) {
	if !plain(r.text) || r.filtered && !r.found { // a filter may be why nothing was found
		return
	}
	k, today := sharedKey{r.in, r.key}, dayOf(r.at)
	sh, known := st.shared[k]
	if !known {
		sh, known = s.shared[r.in][r.key] // only the writer, which we are, changes it
	}
	if known {
		sh = sh.faded(today)
		sh.asked, sh.found, sh.text = sh.asked+1, sh.found+float64(one(r.found)), better(sh.text, r.text)
	}
	if !known || sh.until-today < KeepDays/2 {
		c, enough := s.pending.add(k, &r, today)
		switch {
		case !enough && !known:
			return
		case enough && !known:
			sh = shared{asked: c.asked, found: c.found, last: today, text: r.text}
			if !s.room(k, sh, st) {
				return
			}
			fallthrough
		case enough:
			sh.until = c.since + KeepDays
		}
	}
	st.shared[k] = sh
	delete(st.gone, k)
}

// room makes room for one more query, by dropping one of its group that is not asked more when there are too many.
func (s *Store) room(k sharedKey, sh shared, st *staged) bool {
	here := len(s.shared[k.in])
	if here+len(st.shared) < s.bounds.sharedIn && s.total+len(st.shared) < s.bounds.shared { // staged ones may be of other groups, or known: no matter
		return true
	}
	rarest, least := "", sh.found
	for key, other := range s.shared[k.in] {
		staged := sharedKey{k.in, key}
		if _, busy := st.shared[staged]; busy || st.gone[staged] {
			continue
		}
		if n := other.faded(sh.last).found; n <= least {
			rarest, least = key, n
		}
	}
	if rarest == "" {
		return false
	}
	st.gone[sharedKey{k.in, rarest}] = true
	return true
}

// putShared writes what is staged.
func (s *Store) putShared(tx *bolt.Tx, st *staged) error {
	bucket := tx.Bucket(bucketShared)
	for k := range st.gone {
		if err := bucket.Delete(k.bytes()); err != nil {
			return err
		}
	}
	for k, sh := range st.shared {
		if tx.Bucket(bucketOrgs).Get(orgKey(k.in.org)) == nil {
			delete(st.shared, k)
			continue
		}
		if err := bucket.Put(k.bytes(), sh.encode()); err != nil {
			return err
		}
	}
	return nil
}

// shelve lets readers see what was committed.
func (s *Store) shelve(st *staged) {
	if len(st.shared)+len(st.gone) == 0 {
		return
	}
	s.shelf.Lock()
	defer s.shelf.Unlock()
	for k := range st.gone {
		if _, ok := s.shared[k.in][k.key]; ok {
			delete(s.shared[k.in], k.key)
			s.total--
		}
	}
	for k, sh := range st.shared {
		if s.shared[k.in] == nil {
			s.shared[k.in] = map[string]shared{}
		}
		if _, ok := s.shared[k.in][k.key]; !ok {
			s.total++
		}
		s.shared[k.in][k.key] = sh
	}
}

// maxCompletions bounds what one call returns; no list of suggestions is longer.
const maxCompletions = 100

// Completions returns up to n queries that begin with prefix, or of which a word does, the most asked first. prefix is in the form of [Search].Key.
// They are queries that at least MinCallers different callers of that very organization asked in that language within the last KeepDays days, and that
// most often found something. Whether they find something for the caller at hand is for whoever shows them to check.
func (s *Store) Completions(org catalog.OrgID, locale catalog.Locale, prefix string, n int) []string {
	if s == nil || prefix == "" || n <= 0 {
		return nil
	}
	type candidate struct {
		key, text string
		weight    float64
	}
	today := dayOf(s.cfg.Now())
	var found []candidate
	s.shelf.RLock()
	for key, sh := range s.shared[group{org, locale}] {
		if sh.until > today && 2*sh.found > sh.asked && begins(key, prefix) {
			found = append(found, candidate{key, sh.text, sh.faded(today).found})
		}
	}
	s.shelf.RUnlock()
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), strings.Compare(a.key, b.key))
	})
	texts := make([]string, 0, min(n, len(found), maxCompletions))
	for _, c := range found[:min(n, len(found), maxCompletions)] {
		texts = append(texts, c.text)
	}
	return texts
}

// begins reports whether a text or one of its words begins with prefix. Chinese has no spaces between words: there any character begins one.
func begins(text, prefix string) bool {
	if strings.HasPrefix(text, prefix) || strings.Contains(text, " "+prefix) {
		return true
	}
	first, _ := utf8.DecodeRuneInString(prefix)
	return unicode.Is(unicode.Han, first) && strings.Contains(text, prefix)
}
