// Package identity says who is asking: it issues and verifies bearer tokens, turns one-time links into browser sessions, and
// gives the [catalog.Actor] behind each.
//
// On disk it owns the folder "secrets" (one file a signing key, one a revoked token; so commands and a running server share it without a lock)
// and the buckets "sessions" and "links" of local.db. None of it is in the changelog: sessions are not news.
package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

const (
	// MaxTTL is the longest life of a token: a key that was rotated out can be removed after it.
	MaxTTL = 366 * 24 * time.Hour
	// DefaultTTL is the life of a token when nobody says.
	DefaultTTL = time.Hour
	// maxToken bounds a bearer token, in bytes, before it is parsed: ours are about 400.
	maxToken = 4096
	// maxSubject bounds a subject, in bytes: it becomes part of keys in the log.
	maxSubject = 255
	// leeway forgives clocks that differ.
	leeway = 30 * time.Second
	// reloadEvery is how often the folder is read at most, and so how long a key that was removed may still be good: strangers can invent ids.
	reloadEvery = time.Second
	// keyBytes of randomness name a key or a token.
	idBytes = 12
)

// Keyring signs and verifies tokens with the Ed25519 keys of a folder. It is safe for concurrent use, also by several processes.
type Keyring struct {
	dir string
	now func() time.Time

	mu     stdsync.Mutex
	keys   map[string]key
	loaded time.Time
}

// key is one signing key as its file holds it.
type key struct {
	ID      string    `json:"kid"`
	Seed    []byte    `json:"seed"`
	Created time.Time `json:"created"`

	private ed25519.PrivateKey // made of the seed when the file is read: that takes as long as to sign does
}

// OpenKeyring opens the keys under a data folder's "secrets"; nothing is made before the first [Keyring.Sign]. A nil now is time.Now.
func OpenKeyring(secrets string, now func() time.Time) (*Keyring, error) {
	if now == nil {
		now = time.Now
	}
	r := &Keyring{dir: secrets, now: now}
	if err := r.reload(); err != nil {
		return nil, err
	}
	return r, nil
}

// Claims is what a token says.
type Claims struct {
	jwt.RegisteredClaims
	Roles []catalog.Role `json:"roles,omitempty"`
	Org   catalog.OrgID  `json:"org,omitempty"`
	Name  string         `json:"name,omitempty"`
}

// Purposes of tokens, in the claim aud: a link is no bearer token, and the other way round.
const (
	purposeBearer = "carrel"
	purposeLink   = "carrel-link"
)

// Grant is what a token is asked to say.
type Grant struct {
	Actor catalog.Actor // Subject, Roles, Org, Name
	TTL   time.Duration // up to MaxTTL; 0 = DefaultTTL
	Link  bool          // a one-time link for a browser rather than a bearer token
}

// Sign issues a token; the first one makes the first key. Errors: fault.InvalidFields.
func (r *Keyring) Sign(g Grant) (string, error) {
	if g.TTL == 0 {
		g.TTL = DefaultTTL
	}
	if err := checkGrant(g); err != nil {
		return "", err
	}
	k, err := r.newest()
	if err != nil {
		return "", err
	}
	now := r.now()
	purpose := purposeBearer
	if g.Link {
		purpose = purposeLink
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: string(g.Actor.Subject), ID: randomID(), Audience: jwt.ClaimStrings{purpose},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(g.TTL)),
		},
		Roles: g.Actor.Roles, Org: g.Actor.Org, Name: g.Actor.Name,
	})
	token.Header["kid"] = k.ID
	return token.SignedString(k.private)
}

var (
	roles      = []catalog.Role{catalog.RoleLearner, catalog.RoleEditor, catalog.RoleTranslator, catalog.RoleAdmin}
	orgPattern = regexp.MustCompile(`^[\p{L}\p{N}._:+@-]{1,64}$`)
)

func checkGrant(g Grant) error {
	const op = "identity.Sign"
	var bad []fault.Field
	if s := string(g.Actor.Subject); s == "" || len(s) > maxSubject || strings.ContainsFunc(s, isControl) {
		bad = append(bad, fault.BadField("subject", fault.OutOfRange, "a subject has 1 to 255 bytes and no control characters", "min", 1, "max", maxSubject))
	}
	for _, role := range g.Actor.Roles {
		if !slices.Contains(roles, role) {
			bad = append(bad, fault.BadField("role", fault.BadValue, fmt.Sprintf("%q is no role; use learner, editor, translator or admin", role), "allowed", "learner, editor, translator, admin"))
		}
	}
	if g.Actor.Org != "" && !orgPattern.MatchString(string(g.Actor.Org)) {
		bad = append(bad, fault.BadField("org", fault.BadID, "an organization has 1 to 64 letters, digits or . _ : + @ -"))
	}
	if g.TTL <= 0 || g.TTL > MaxTTL {
		bad = append(bad, fault.BadField("ttl", fault.OutOfRange, "a token lives more than 0 and at most 8784h", "min", "1s", "max", MaxTTL.String()))
	}
	if len(bad) > 0 {
		return fault.Invalid(op, bad...)
	}
	return nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// Verify returns who holds a bearer token. Errors: fault.InvalidToken, whatever is wrong with it.
func (r *Keyring) Verify(token string) (catalog.Actor, error) {
	c, err := r.parse(token, purposeBearer)
	return c.actor(), err
}

func (c Claims) actor() catalog.Actor {
	a := catalog.Actor{Subject: catalog.LearnerID(c.Subject), Name: c.Name, Roles: c.Roles, Org: c.Org}
	if c.IssuedAt != nil {
		a.IssuedAt = c.IssuedAt.Unix()
	}
	return a
}

func (r *Keyring) parse(token, purpose string) (Claims, error) {
	const op = "identity.Verify"
	if len(token) > maxToken {
		return Claims{}, fault.New(op, fault.InvalidToken)
	}
	var c Claims
	_, err := jwt.ParseWithClaims(token, &c, r.verificationKey,
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithAudience(purpose), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(r.now))
	if err != nil {
		return Claims{}, fault.Wrap(op, fault.InvalidToken, err)
	}
	grant := Grant{Actor: c.actor(), TTL: DefaultTTL}
	if err := checkGrant(grant); err != nil {
		return Claims{}, fault.Wrap(op, fault.InvalidToken, err)
	}
	revoked, err := r.revoked(c.ID)
	if err != nil {
		return Claims{}, err
	}
	if revoked {
		return Claims{}, fault.Wrap(op, fault.InvalidToken, errors.New("revoked"))
	}
	return c, nil
}

func (r *Keyring) verificationKey(t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	k, ok := r.lookup(kid)
	if !ok {
		return nil, fmt.Errorf("no key %q", kid)
	}
	return k.private.Public(), nil
}

func (r *Keyring) lookup(kid string) (key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.keys[kid]
	if r.now().Sub(r.loaded) >= reloadEvery || !known && r.isFile(kid) { // one that was just made is good at once
		_ = r.reloadLocked() // an unreadable folder leaves the keys that we have
	}
	k, ok := r.keys[kid]
	return k, ok
}

// isFile reports whether there is a key of an id in the folder.
func (r *Keyring) isFile(kid string) bool {
	if !safeName.MatchString(kid) {
		return false
	}
	_, err := os.Stat(filepath.Join(r.dir, "keys", kid+".json"))
	return err == nil
}

// Rotate makes a new key, which signs from now on; the older ones go on verifying. It returns the new key's id.
func (r *Keyring) Rotate() (string, error) {
	k := key{ID: randomID(), Seed: make([]byte, ed25519.SeedSize), Created: r.now().UTC()}
	_, _ = rand.Read(k.Seed) // never fails, says crypto/rand
	text, err := json.Marshal(k)
	if err != nil {
		return "", err
	}
	if err := writeNew(filepath.Join(r.dir, "keys"), k.ID+".json", text); err != nil {
		return "", fault.Wrap("identity.Rotate", fault.Internal, err)
	}
	return k.ID, r.reload()
}

// Remove deletes a key: every token that it signed is refused from then on (by a running server within a second).
func (r *Keyring) Remove(kid string) error {
	if !safeName.MatchString(kid) {
		return fault.New("identity.Remove", fault.NotFound)
	}
	err := os.Remove(filepath.Join(r.dir, "keys", kid+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap("identity.Remove", fault.NotFound, err)
	}
	if err != nil {
		return err
	}
	return r.reload()
}

// Keys lists the ids of the keys, the one that signs first.
func (r *Keyring) Keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, k := range r.byAge() {
		ids = append(ids, k.ID)
	}
	return ids
}

func (r *Keyring) byAge() []key {
	var all []key
	for _, k := range r.keys {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b key) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// newest returns the key that signs, making the first one.
func (r *Keyring) newest() (key, error) {
	if err := r.reload(); err != nil {
		return key{}, err
	}
	if len(r.Keys()) == 0 {
		if _, err := r.Rotate(); err != nil {
			return key{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byAge()[0], nil
}

func (r *Keyring) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reloadLocked()
}

func (r *Keyring) reloadLocked() error {
	dir := filepath.Join(r.dir, "keys")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("identity: %w", err)
	}
	keys := make(map[string]key, len(entries))
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".json" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name())) //nolint:gosec // our own folder
		if err != nil {
			return fmt.Errorf("identity: %w", err)
		}
		var k key
		if err := json.Unmarshal(text, &k); err != nil || len(k.Seed) != ed25519.SeedSize || k.ID == "" {
			return fault.Wrap("identity.OpenKeyring", fault.Corrupt, err).WithFix("the signing key %s is damaged: restore or remove it (its tokens are refused then)", e.Name())
		}
		k.private = ed25519.NewKeyFromSeed(k.Seed)
		keys[k.ID] = k
	}
	r.keys, r.loaded = keys, r.now()
	return nil
}

// safeName is what a key or token id may look like as a file name.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Revoke makes a token, given whole, be refused from now on. The mark is kept until the token has expired.
func (r *Keyring) Revoke(token string) error {
	c, err := r.parse(strings.TrimSpace(token), purposeBearer)
	if err != nil {
		return err
	}
	until, err := c.ExpiresAt.UTC().MarshalText()
	if err != nil {
		return err
	}
	return writeNew(filepath.Join(r.dir, "revoked"), c.ID, until)
}

func (r *Keyring) revoked(id string) (bool, error) {
	if !safeName.MatchString(id) {
		return true, nil
	}
	_, err := os.Stat(filepath.Join(r.dir, "revoked", id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, err
}

// Sweep removes the marks of revoked tokens that have expired by themselves.
func (r *Keyring) Sweep() error {
	dir := filepath.Join(r.dir, "revoked")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name())) //nolint:gosec // our own folder
		if err != nil {
			return fmt.Errorf("identity: %w", err)
		}
		var until time.Time
		if until.UnmarshalText(text) == nil && r.now().After(until.Add(leeway)) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("identity: %w", err)
			}
		}
	}
	return nil
}

// writeNew writes a file whole or not at all: a reader never sees half of it.
func writeNew(dir, name string, text []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

func randomID() string {
	b := make([]byte, idBytes)
	_, _ = rand.Read(b) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}
