package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

const (
	// SessionTTL is how long a browser stays signed in.
	SessionTTL = 30 * 24 * time.Hour
	// LinkTTL is how long a one-time link waits to be used.
	LinkTTL = 15 * time.Minute
	// MaxSessions bounds the store, at about 300 bytes each: beyond it the session that ends first is dropped.
	MaxSessions = 200_000
	// sweepEvery is how often expired sessions are removed.
	sweepEvery = 10 * time.Minute
	// sessionBytes of randomness make a session's secret.
	sessionBytes = 32
)

var (
	bucketSessions = []byte("sessions")       // SHA-256 of the cookie's value → session
	bucketEnds     = []byte("session_expiry") // expiry ‖ the key above → nothing: finds what to sweep and to drop
	bucketLinks    = []byte("links")          // id of a used link → its expiry
)

// Sessions keeps who is signed in from a browser. The cookie's value is known to the browser alone: the store has its hash.
type Sessions struct {
	db   *bolt.DB
	keys *Keyring
	now  func() time.Time
	max  int
}

type session struct {
	Actor   catalog.Actor `json:"actor"`
	Expires time.Time     `json:"expires"`
}

// NewSessions keeps sessions in db (local.db). A nil now is time.Now.
func NewSessions(db *bolt.DB, keys *Keyring, now func() time.Time) (*Sessions, error) {
	if now == nil {
		now = time.Now
	}
	err := db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketSessions, bucketEnds, bucketLinks} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	return &Sessions{db: db, keys: keys, now: now, max: MaxSessions}, err
}

// Start signs an actor in and returns the cookie's value and when it ends.
func (s *Sessions) Start(actor catalog.Actor) (value string, expires time.Time, err error) {
	secret := make([]byte, sessionBytes)
	_, _ = rand.Read(secret) // never fails, says crypto/rand
	value = base64.RawURLEncoding.EncodeToString(secret)
	expires = s.now().Add(SessionTTL)
	actor.IssuedAt = s.now().Unix()
	err = s.db.Update(func(tx *bolt.Tx) error { return s.put(tx, hash(value), session{actor, expires}) })
	return value, expires, wrapFull("identity.Start", err)
}

func (s *Sessions) put(tx *bolt.Tx, id []byte, v session) error {
	if count(tx) >= s.max {
		if err := dropFirst(tx); err != nil {
			return err
		}
	}
	if err := recount(tx, +1); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bucketSessions).Put(id, text); err != nil {
		return err
	}
	return tx.Bucket(bucketEnds).Put(endKey(v.Expires, id), nil)
}

// count is the number of sessions. bbolt counts a bucket by walking it, so the bucket's own sequence holds the number.
func count(tx *bolt.Tx) int {
	return int(tx.Bucket(bucketSessions).Sequence()) //nolint:gosec // at most MaxSessions
}

func recount(tx *bolt.Tx, by int) error {
	return tx.Bucket(bucketSessions).SetSequence(uint64(max(count(tx)+by, 0)))
}

func dropFirst(tx *bolt.Tx) error {
	k, _ := tx.Bucket(bucketEnds).Cursor().First()
	if k == nil {
		return nil
	}
	return drop(tx, append([]byte(nil), k...))
}

// timeBytes is the length of a time in an expiry key: unix seconds, big-endian, so that keys sort by time.
const timeBytes = 8

func drop(tx *bolt.Tx, end []byte) error {
	return errors.Join(tx.Bucket(bucketEnds).Delete(end), tx.Bucket(bucketSessions).Delete(end[timeBytes:]), recount(tx, -1))
}

func endKey(t time.Time, id []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(max(t.Unix(), 0))), id...)
}

func hash(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}

// Actor returns who is signed in with a cookie's value; false when nobody is (any more).
func (s *Sessions) Actor(value string) (catalog.Actor, bool, error) {
	var v session
	found := false
	err := s.db.View(func(tx *bolt.Tx) error {
		text := tx.Bucket(bucketSessions).Get(hash(value))
		if text == nil {
			return nil
		}
		found = true
		return json.Unmarshal(text, &v)
	})
	if err != nil || !found || s.now().After(v.Expires) {
		return catalog.Actor{}, false, err
	}
	return v.Actor, true, nil
}

// End signs out. An unknown value is signed out already.
func (s *Sessions) End(value string) error {
	id := hash(value)
	return wrapFull("identity.End", s.db.Update(func(tx *bolt.Tx) error {
		text := tx.Bucket(bucketSessions).Get(id)
		if text == nil {
			return nil
		}
		var v session
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		return drop(tx, endKey(v.Expires, id))
	}))
}

// EndAll signs a learner out everywhere, as after an erasure.
func (s *Sessions) EndAll(who catalog.LearnerID) error {
	return wrapFull("identity.EndAll", s.db.Update(func(tx *bolt.Tx) error {
		var ends [][]byte
		err := tx.Bucket(bucketSessions).ForEach(func(id, text []byte) error {
			var v session
			if json.Unmarshal(text, &v) == nil && v.Actor.Subject == who {
				ends = append(ends, endKey(v.Expires, id))
			}
			return nil
		})
		for _, end := range ends {
			err = errors.Join(err, drop(tx, end))
		}
		return err
	}))
}

// Redeem turns a one-time link's token into the actor whom it signs in. A second use is fault.InvalidToken.
func (s *Sessions) Redeem(token string) (catalog.Actor, error) {
	c, err := s.keys.parse(token, purposeLink)
	if err != nil {
		return catalog.Actor{}, err
	}
	err = s.db.Update(func(tx *bolt.Tx) error {
		links := tx.Bucket(bucketLinks)
		if links.Get([]byte(c.ID)) != nil {
			return fault.Wrap("identity.Redeem", fault.InvalidToken, errors.New("the link was used already"))
		}
		return links.Put([]byte(c.ID), endKey(c.ExpiresAt.Time, nil))
	})
	return c.actor(), wrapFull("identity.Redeem", err)
}

// Run sweeps what has expired until ctx ends.
func (s *Sessions) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep removes expired sessions and the marks of expired links and revoked tokens.
func (s *Sessions) Sweep() error {
	now := endKey(s.now(), nil)
	linkNow := endKey(s.now().Add(-leeway), nil)
	err := s.db.Update(func(tx *bolt.Tx) error {
		var ends, links [][]byte
		c := tx.Bucket(bucketEnds).Cursor()
		for k, _ := c.First(); k != nil && string(k[:timeBytes]) < string(now); k, _ = c.Next() {
			ends = append(ends, append([]byte(nil), k...))
		}
		for _, end := range ends {
			if err := drop(tx, end); err != nil {
				return err
			}
		}
		_ = tx.Bucket(bucketLinks).ForEach(func(id, end []byte) error {
			if string(end) < string(linkNow) {
				links = append(links, append([]byte(nil), id...))
			}
			return nil
		})
		for _, id := range links {
			if err := tx.Bucket(bucketLinks).Delete(id); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, s.keys.Sweep())
}

// wrapFull keeps faults as they are; anything else from bbolt's write path is a disk that does not take it.
func wrapFull(op string, err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return fault.Wrap(op, fault.DiskFull, err)
}
