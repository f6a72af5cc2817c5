package delta

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// MaxMutations is how many mutations one push brings: one transaction, and as many outcomes as are kept.
const MaxMutations = catalog.RecentMutations

// Mutation is something that a learner did on a phone.
type Mutation struct {
	N    uint64          `json:"n"` // counts the client's mutations from 1
	Kind coursesync.Kind `json:"kind"`
	Key  string          `json:"key"` // without the learner
	Op   string          `json:"op"`  // "upsert" or "delete"
	Base coursesync.Seq  `json:"base,omitempty"`
	Doc  json.RawMessage `json:"doc,omitempty"`

	agreed bool // Base was compared already, in the same transaction
}

// Push is what a client sends: mutations in order of their numbers, without gaps.
type Push struct {
	Actor     catalog.Actor
	Client    string
	Subject   catalog.LearnerID // whose mutations the phone thinks that they are
	Locale    catalog.Locale    // of rows in the answer
	Mutations []Mutation
}

// Status is what became of a mutation.
type Status string

// The statuses.
const (
	Applied   Status = "applied"
	Merged    Status = "merged"    // with what was there: Current is the outcome
	Duplicate Status = "duplicate" // it was carried out before; see Outcome
	Conflicts Status = "conflict"  // somebody else changed it since Base: Current is what they made of it
	Rejected  Status = "rejected"  // see Err
)

// statuses gives each status of an outcome its byte in the log. The order is on disk.
var statuses = []Status{Applied, Merged, Conflicts, Rejected}

func (s Status) code() byte {
	for i, known := range statuses {
		if s == known {
			return byte(i)
		}
	}
	return 0
}

// Result tells a client about one mutation.
type Result struct {
	N       uint64
	Status  Status
	Outcome Status         // of a duplicate, if it is among the last MaxMutations: what became of it
	Version coursesync.Seq // of the entity now, 0 when there is none or it is not known any more
	Current *Row           // after a merge or a conflict
	Err     error          // why it was rejected
	kind    coursesync.Kind
	key     string // with the learner
}

// Pushed is the answer to a push.
type Pushed struct {
	Results []Result
	Last    uint64         // the client's last mutation
	Seq     coursesync.Seq // that a pull must have seen to know of all this
}

// Push carries out mutations, each exactly once, however often it is sent. All of a request is one transaction: when Push fails, nothing was done.
// Errors: fault.Unauthorized; fault.Forbidden when Subject is somebody else (a phone that another learner uses now); fault.InvalidFields for what is no
// request; fault.MutationGap, fault.ClientReused; those of catalog.Catalog.Update.
func (s *Service) Push(ctx context.Context, p Push) (*Pushed, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	out := &Pushed{}
	done, err := s.catalog.Commit(ctx, p.Actor, func(tx *catalog.Tx) error {
		state, err := tx.Client(p.Actor.Subject, p.Client)
		if err != nil {
			return err
		}
		out.Results, err = s.carryOut(tx, &p, &state)
		out.Last = state.Last
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Seq = done.Seq
	for i := range out.Results {
		r := &out.Results[i]
		if v := done.Version(r.kind, r.key); v != 0 && r.Status != Duplicate {
			r.Version = v
		}
	}
	return out, s.showCurrent(ctx, &p, out)
}

// check refuses what is no request.
func (p *Push) check() error {
	const op = "delta.Push"
	switch {
	case p.Actor.Anonymous():
		return fault.New(op, fault.Unauthorized)
	case p.Subject == "":
		return fault.Invalid(op, fault.BadField("/subject", fault.Required, "is missing: whose mutations are they?"))
	case p.Subject != p.Actor.Subject:
		return fault.New(op, fault.Forbidden).WithFix("these mutations are another learner's: sign in as the one who made them, or discard them")
	case !validClient(p.Client):
		return fault.Invalid(op, fault.BadField("/client", fault.BadValue, "is a client's id of 1 to 64 letters, digits and -", "allowed", clientForm))
	case len(p.Mutations) > MaxMutations:
		return fault.Invalid(op, fault.BadField("/mutations", fault.TooMany, "brings too many mutations", "max", MaxMutations))
	}
	for i := range p.Mutations {
		m := &p.Mutations[i]
		at := fmt.Sprintf("/mutations/%d", i)
		switch {
		case m.N == 0 || m.N != p.Mutations[0].N+uint64(i):
			return fault.Invalid(op, fault.BadField(at+"/n", fault.BadValue, "numbers count from 1 and follow each other", "allowed", "1, 2, 3 …"))
		case m.Op != opUpsert && m.Op != opDelete:
			return fault.Invalid(op, fault.BadField(at+"/op", fault.BadValue, "is upsert or delete", "allowed", "upsert, delete"))
		case m.Key == "":
			return fault.Invalid(op, fault.BadField(at+"/key", fault.Required, "is missing"))
		}
	}
	return nil
}

// carryOut does what was not done before.
func (s *Service) carryOut(tx *catalog.Tx, p *Push, state *catalog.ClientState) ([]Result, error) {
	results := make([]Result, 0, len(p.Mutations))
	if len(p.Mutations) > 0 && p.Mutations[0].N > state.Last+1 {
		return nil, fault.New("delta.Push", fault.MutationGap, "last_mutation", state.Last)
	}
	before := state.Last
	for i := range p.Mutations {
		m := &p.Mutations[i]
		hash := m.hash()
		if m.N <= before {
			r, err := m.again(state, hash)
			if err != nil {
				return nil, err
			}
			r.kind, r.key = m.Kind, catalog.OfLearner(p.Actor.Subject, m.Key)
			results = append(results, r)
			continue
		}
		r, err := s.one(tx, p, m)
		if err != nil {
			return nil, err
		}
		state.Add(catalog.Outcome{Hash: hash, Status: r.Status.code(), Version: r.Version, Code: codeOf(r.Err)}, r.kind, r.key)
		results = append(results, r)
	}
	if state.Last == before {
		return results, nil
	}
	return results, tx.PutClient(p.Actor.Subject, p.Client, *state)
}

func codeOf(err error) fault.Code {
	if err == nil {
		return ""
	}
	return fault.CodeOf(err)
}

// hash tells mutations apart. It is of what they say, not of how it is written.
func (m *Mutation) hash() uint64 {
	doc := []byte(m.Doc)
	var tree any
	if err := json.Unmarshal(doc, &tree); err == nil {
		doc, _ = json.Marshal(tree) // what was decoded can be encoded
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d\x00%s", m.Kind, m.Key, m.Op, m.Base, doc)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// again answers a mutation that was carried out before.
func (m *Mutation) again(state *catalog.ClientState, hash uint64) (Result, error) {
	r := Result{N: m.N, Status: Duplicate}
	o, known := state.Outcome(m.N)
	if !known {
		return r, nil
	}
	if o.Hash != hash {
		return r, fault.New("delta.Push", fault.ClientReused, "last_mutation", state.Last, "n", m.N)
	}
	r.Outcome, r.Version = statuses[min(int(o.Status), len(statuses)-1)], o.Version
	if o.Code != "" {
		r.Err = fault.New("delta.Push", o.Code)
	}
	return r, nil
}

// one carries out a mutation, or says why not. The error is one that ends the whole push.
func (s *Service) one(tx *catalog.Tx, p *Push, m *Mutation) (Result, error) {
	r := Result{N: m.N, Status: Applied, kind: m.Kind, key: catalog.OfLearner(p.Actor.Subject, m.Key)}
	err := tx.Try(func() (err error) {
		r.Status, err = s.apply(tx, p, m)
		return err
	})
	switch {
	case err == nil:
		r.Version = tx.VersionOf(r.kind, r.key)
		return r, nil
	case fault.Is(err, fault.LostUpdate):
		r.Status, r.Version = Conflicts, tx.VersionOf(r.kind, r.key)
		return r, nil
	}
	if refusal(err) {
		r.Status, r.Err, r.Version = Rejected, err, tx.VersionOf(r.kind, r.key)
		return r, nil
	}
	return r, err
}

// refusal tells an error that is about one mutation from one that ends the push.
func refusal(err error) bool {
	switch fault.KindOf(err) {
	case fault.KindInvalid, fault.KindForbidden, fault.KindNotFound, fault.KindConflict, fault.KindTooLarge, fault.KindUnprocessable:
		return true
	}
	return false
}

// showCurrent fills in what clients need after a merge or a conflict.
func (s *Service) showCurrent(ctx context.Context, p *Push, out *Pushed) error {
	return s.catalog.View(ctx, func(v *catalog.View) error {
		for i := range out.Results {
			r := &out.Results[i]
			if r.Status != Merged && r.Status != Conflicts && r.Outcome != Merged && r.Outcome != Conflicts {
				continue
			}
			row := Row{Kind: r.kind, ID: catalog.WithoutLearner(r.key), Op: opDelete}
			if ch, ok := v.Log().Get(r.kind, r.key); ok {
				ch.Body = append([]byte(nil), ch.Body...)
				one := change{Change: ch, kind: ch.Kind, id: row.ID}
				if ch.Op == coursesync.OpDelete {
					one.shown = removed
				}
				var err error
				if row, err = s.projector(p.Locale, FieldsFull).row(&one); err != nil {
					return err
				}
			}
			r.Current = &row
		}
		return nil
	})
}

// lastMutation returns the number of a client's last mutation.
func lastMutation(v *catalog.View, who catalog.LearnerID, client string) (*uint64, error) {
	s, err := v.Client(who, client)
	return &s.Last, err
}
