package catalog

import (
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// kindAccount is one entity for each learner (key: the learner), in the learner's channel and never sent by sync. Whatever a learner makes
// anew that others count writes it, and [Tx.Erase] reads it: so an erasure that did not see the newest review loses and runs again. It
// also counts, which bounds what one erasure has to look at. What is bounded otherwise (saved searches) writes it too when it is made: of two who
// make the last one allowed, the second loses and counts again.
const kindAccount coursesync.Kind = "account"

const (
	// maxLearner bounds a learner's id, in bytes: an issuer's address and a subject fit, and three times that with a course still fits a key.
	maxLearner = 255
	// maxEnrollments is how many courses a learner takes in a lifetime. An erasure touches four entities for each, in one batch.
	maxEnrollments = coursesync.MaxBatch/4 - 1_000
)

// account is the body of kindAccount.
type account struct {
	Enrollments int `json:"enrollments"`       // ever made; they are never deleted one by one
	Aliases     int `json:"aliases,omitempty"` // see KindAlias; never deleted either
}

// learnerKey is how a learner's id stands in keys: "%", "/" and control characters are escaped, so that a key can be taken apart again.
func learnerKey(who LearnerID) string {
	var b strings.Builder
	for i := range len(who) {
		if c := who[i]; c < ' ' || c == 0x7f || c == '/' || c == '%' {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(who[i])
	}
	return b.String()
}

const hexDigits = "0123456789ABCDEF"

// learnerOf is the inverse of learnerKey.
func learnerOf(key string) LearnerID {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		if key[i] == '%' && i+2 < len(key) {
			b.WriteByte(byte(strings.IndexByte(hexDigits, key[i+1])<<4 | strings.IndexByte(hexDigits, key[i+2]))) //nolint:gosec // two digits make a byte
			i += 2
			continue
		}
		b.WriteByte(key[i])
	}
	return LearnerID(b.String())
}

// learnerPrefix starts the keys of all that a learner has of a kind.
func learnerPrefix(who LearnerID) string { return learnerKey(who) + "/" }

// ofLearner is the key of what a learner has of a course.
func ofLearner(who LearnerID, id CourseID) string { return learnerPrefix(who) + string(id) }

// splitLearner takes such a key apart.
func splitLearner(key string) (learner, rest string) {
	learner, rest, _ = strings.Cut(key, "/")
	return learner, rest
}

// validLearner reports whether an id can stand in the log.
func validLearner(who LearnerID) bool {
	return who != "" && len(who) <= maxLearner && utf8.ValidString(string(who)) && !strings.Contains(string(who), "\x00")
}

// mayActFor refuses everyone but the learner and administrators bound to no organization (demo data, support). It reads the learner's
// erasure, so that no write from before an erasure can follow it.
func (tx *Tx) mayActFor(op string, who LearnerID) error {
	actor := tx.overlay.actor
	switch {
	case actor.Anonymous():
		return fault.New(op, fault.Unauthorized)
	case actor.Subject != who && (!actor.Has(RoleAdmin) || actor.Org != ""):
		return fault.New(op, fault.Forbidden)
	case !validLearner(who):
		return fault.Invalid(op, fault.BadField("/learner", fault.BadID, "a learner's id has 1 to 255 bytes of UTF-8"))
	}
	erased, ok, err := load[Erasure](&tx.View, KindErasure, tx.c.learner.hash(who))
	if err != nil {
		return err
	}
	if ok && actor.Subject == who && actor.IssuedAt <= erased.Value.At.Unix() {
		return fault.New(op, fault.AccountErased)
	}
	return nil
}

// openAccount is called by all that a learner makes anew and that others count, or that is bounded: see kindAccount.
func (tx *Tx) openAccount(op string, who LearnerID, enrollments int) error {
	key := learnerKey(who)
	s, _, err := load[account](&tx.View, kindAccount, key)
	if err != nil {
		return err
	}
	s.Value.Enrollments += enrollments
	if s.Value.Enrollments > maxEnrollments {
		return fault.Invalid(op, fault.BadField("/state", fault.TooMany, "the learner has too many enrollments", "max", maxEnrollments))
	}
	_, err = tx.put(kindAccount, key, learnerChannel(who), s.Value, putOpts{blind: true}) // even when the count is the same
	return err
}

// studying loads an enrollment that is active or completed; fault.NotEnrolled when there is none.
func (tx *Tx) studying(op string, who LearnerID, id CourseID) error {
	s, ok, err := tx.MyEnrollment(who, id)
	if err != nil {
		return err
	}
	if !ok || s.Value.State == Withdrawn {
		return fault.New(op, fault.NotEnrolled)
	}
	return nil
}

// RecordMembership records the organization in the actor's token when the token is newer than what is on record and says something else.
// An older token changes nothing; see [View.OrgOnRecord] for what it may read.
func (tx *Tx) RecordMembership() error {
	const op = "catalog.RecordMembership"
	actor := tx.overlay.actor
	if actor.Anonymous() || actor.Subject == System.Subject {
		return nil
	}
	if err := tx.mayActFor(op, actor.Subject); err != nil {
		return err
	}
	records, newest, err := tx.memberships(actor.Subject)
	if err != nil || len(records) > 0 && actor.IssuedAt <= newest {
		return err
	}
	write := func(org OrgID, active bool) error {
		key := learnerPrefix(actor.Subject) + string(org)
		_, err := tx.put(KindMembership, key, learnerChannel(actor.Subject), Membership{Active: active, Issued: actor.IssuedAt}, putOpts{access: true})
		return err
	}
	for org, m := range records {
		if m.Active && org != actor.Org {
			if err := write(org, false); err != nil {
				return err
			}
		}
	}
	if actor.Org == "" || records[actor.Org].Active {
		return nil
	}
	// Two tokens that name two organizations at the same time meet here, and one comes after the other.
	if err := tx.openAccount(op, actor.Subject, 0); err != nil {
		return err
	}
	return write(actor.Org, true)
}

// memberships returns a learner's records and the time of the newest.
func (v *View) memberships(who LearnerID) (records map[OrgID]Membership, newest int64, err error) {
	records = map[OrgID]Membership{}
	for ch := range entities(v, KindMembership, learnerPrefix(who), "") {
		m, err := decode[Membership](ch)
		if err != nil {
			return nil, 0, err
		}
		_, org := splitLearner(ch.Key)
		records[OrgID(org)] = m.Value
		newest = max(newest, m.Value.Issued)
	}
	return records, newest, nil
}

// OrgOnRecord returns the organization whose courses the actor may read: the token's, unless a newer token said otherwise. For a token that is
// newer than the record, [Tx.RecordMembership] comes first.
func (v *View) OrgOnRecord(actor Actor) (OrgID, error) {
	if actor.Anonymous() || actor.Org == "" {
		return "", nil
	}
	records, newest, err := v.memberships(actor.Subject)
	if err != nil {
		return "", err
	}
	if actor.IssuedAt <= newest && !records[actor.Org].Active {
		return "", nil
	}
	return actor.Org, nil
}

// MemberOf returns the organization of which a learner is a member by the newest token that was seen; "" for none. It is for what is done for learners while
// they do not ask: whoever asks is judged by [View.OrgOnRecord].
func (v *View) MemberOf(who LearnerID) (OrgID, error) {
	records, _, err := v.memberships(who)
	for org, m := range records {
		if m.Active {
			return org, err // there is one at most, see RecordMembership
		}
	}
	return "", err
}

// LearnerOf returns whose a key of a learner's entity is.
func LearnerOf(key string) LearnerID {
	learner, _ := splitLearner(key)
	return learnerOf(learner)
}
