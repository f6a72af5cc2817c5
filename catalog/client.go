package catalog

import (
	"encoding/binary"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// KindClient is one entity for each client that ever pushed (key: learner/client), in the learner's channel and never sent by sync: which mutation it
// sent last. It is committed together with what the mutations did, so that each is applied exactly once.
const KindClient coursesync.Kind = "client"

const (
	// RecentMutations is of how many mutations the outcome is kept: as many as one request brings, so that any request can be sent again.
	RecentMutations = 500
	// maxClients is how many clients a learner has in a lifetime: one is made with every installation.
	maxClients = 1_000
	// outcomeSize is the size of an outcome in the log: hash, status, version.
	outcomeSize = 8 + 1 + 8
)

// ClientState is what is known of a client.
type ClientState struct {
	Last    uint64 // the number of its last mutation
	recent  []byte // outcomes up to Last
	codes   map[uint64]fault.Code
	pending []pendingOutcome
}

// Outcome is what became of a mutation.
type Outcome struct {
	Hash    uint64         // of what was sent
	Status  byte           // whose meaning is delta's; below 128
	Version coursesync.Seq // of the entity then; 0 when there was none
	Code    fault.Code     // why it was refused; "" when it was not
}

// pendingOutcome is one whose version is not known before the command is committed, if the command writes the entity.
type pendingOutcome struct {
	n      uint64
	entity ref
}

// relative marks a status in the log whose version is the distance to that of the client's own entity, which comes last in every batch: that is known
// when the batch is made, a version only later.
const relative = 1 << 7

// clientBody is ClientState in the log.
type clientBody struct {
	Last   uint64                `json:"last"`
	Recent []byte                `json:"recent,omitempty"`
	Codes  map[uint64]fault.Code `json:"codes,omitempty"`
}

// Outcome returns what became of mutation n, if that is still known.
func (s *ClientState) Outcome(n uint64) (Outcome, bool) {
	b := s.at(n)
	if b == nil {
		return Outcome{}, false
	}
	return Outcome{
		Hash: binary.BigEndian.Uint64(b), Status: b[8], Version: coursesync.Seq(binary.BigEndian.Uint64(b[9:])), Code: s.codes[n],
	}, true
}

// Add notes the outcome of mutation Last + 1, which was about an entity. When the command writes that, its new version is the one that counts.
func (s *ClientState) Add(o Outcome, kind coursesync.Kind, key string) {
	s.Last++
	s.recent = binary.BigEndian.AppendUint64(s.recent, o.Hash)
	s.recent = append(s.recent, o.Status)
	s.recent = binary.BigEndian.AppendUint64(s.recent, uint64(o.Version))
	s.pending = append(s.pending, pendingOutcome{s.Last, ref{kind, key}})
	if over := len(s.recent) - RecentMutations*outcomeSize; over > 0 {
		s.recent = s.recent[over:]
	}
	if o.Code != "" {
		if s.codes == nil {
			s.codes = map[uint64]fault.Code{}
		}
		s.codes[s.Last] = o.Code
	}
	if s.Last > RecentMutations {
		delete(s.codes, s.Last-RecentMutations)
	}
}

// at returns the outcome of mutation n in recent, nil when it is not there.
func (s *ClientState) at(n uint64) []byte {
	kept := uint64(len(s.recent) / outcomeSize)
	if n > s.Last || n+kept <= s.Last {
		return nil
	}
	return s.recent[(n+kept-s.Last-1)*outcomeSize:][:outcomeSize]
}

// resolve turns distances into versions, once that of the entity itself is known.
func (s *ClientState) resolve(version coursesync.Seq) {
	for b := s.recent; len(b) >= outcomeSize; b = b[outcomeSize:] {
		if b[8]&relative != 0 {
			b[8] &^= relative
			binary.BigEndian.PutUint64(b[9:], uint64(version)-binary.BigEndian.Uint64(b[9:]))
		}
	}
}

// relate turns the versions of what a batch writes into distances.
func (s *ClientState) relate(batch []coursesync.Change) {
	distances := versions(batch, coursesync.MaxBatch)
	for _, p := range s.pending {
		b := s.at(p.n)
		if v, wrote := distances[p.entity]; wrote && b != nil && b[8]&relative == 0 {
			b[8] |= relative
			binary.BigEndian.PutUint64(b[9:], uint64(coursesync.MaxBatch-v))
		}
	}
}

// Client returns what is known of a learner's client; the zero state of one that never pushed.
func (v *View) Client(who LearnerID, client string) (ClientState, error) {
	s, _, err := load[clientBody](v, KindClient, learnerPrefix(who)+client)
	state := ClientState{Last: s.Value.Last, recent: s.Value.Recent, codes: s.Value.Codes}
	state.resolve(s.Version)
	return state, err
}

// PutClient notes what became of a client's mutations, at the end of the command that carried them out. The learner may. fault.InvalidFields with fault.TooMany for
// one client more than a learner has in a lifetime.
func (tx *Tx) PutClient(who LearnerID, client string, s ClientState) error {
	const op = "catalog.PutClient"
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	key := learnerPrefix(who) + client
	if !tx.exists(KindClient, key) {
		n := 0
		for range tx.bv.Entities(KindClient, learnerPrefix(who), "") {
			n++
		}
		if n >= maxClients {
			return fault.Invalid(op, fault.BadField("/client", fault.TooMany, "the learner has too many clients", "max", maxClients))
		}
	}
	write := func() error {
		_, err := tx.put(KindClient, key, learnerChannel(who), clientBody{s.Last, s.recent, s.codes}, putOpts{})
		return err
	}
	if err := write(); err != nil { // to have its place in the batch
		return err
	}
	s.relate(tx.overlay.batch())
	return write()
}
