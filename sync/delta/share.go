package delta

import (
	"strings"
	stdsync "sync"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What a page takes from the catalog or from an organization is the same for all who are at the same place: it is read and encoded once and shared, whatever
// else is in their pages.

// sharedRunBytes bounds what is kept of such runs: thirty of the greatest. Beyond it all are forgotten, which costs one encoding each.
const sharedRunBytes = 32 << 20

// runKey names all that a run depends on.
type runKey struct {
	channel      coursesync.Channel
	at, base     coursesync.Seq
	last, public coursesync.Seq // the last changes of the channel and of the public one, which tells what is required of a course
	rows, looks  int
	locale       catalog.Locale
	fields       Fields
}

// sharedRuns keeps runs. What is in them is never changed.
type sharedRuns struct {
	mu    stdsync.Mutex
	byKey map[runKey]run
	bytes int
}

// shares returns the key of a run that others may ask for too, nil for what is the caller's own.
func (s *Service) shares(v *catalog.View, p *place, rows, looks int, r *Request) *runKey {
	if p.emptied != 0 || p.channel != catalog.ChannelCatalog && !strings.HasPrefix(string(p.channel), orgPrefix) {
		return nil
	}
	return &runKey{p.channel, p.at, p.base, v.Log().Last(p.channel), v.Log().Last(catalog.ChannelCatalog), rows, looks, r.Locale, r.form()}
}

func (s *sharedRuns) get(key *runKey) (run, bool) {
	if key == nil {
		return run{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.byKey[*key]
	return one, ok
}

// put keeps an encoded run, without the bodies that it was made of.
func (s *sharedRuns) put(one *run) {
	if one.key == nil {
		return
	}
	kept := *one
	kept.place, kept.key = nil, nil
	kept.changes = make([]change, len(one.changes))
	size := 256 // bytes, about, of an entry
	for i := range one.changes {
		kept.changes[i].Seq = one.changes[i].Seq
		size += len(one.rows[i]) + 200
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes += size; s.bytes > sharedRunBytes {
		s.bytes = size
		clear(s.byKey)
	}
	s.byKey[*one.key] = kept
}
