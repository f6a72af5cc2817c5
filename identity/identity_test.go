package identity

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func ring(t *testing.T, dir string, c *clock) *Keyring {
	t.Helper()
	r, err := OpenKeyring(dir, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(t *testing.T, r *Keyring, g Grant) string {
	t.Helper()
	token, err := r.Sign(g)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var editor = catalog.Actor{Subject: "ada", Name: "Ada", Roles: []catalog.Role{catalog.RoleEditor}, Org: "acme"}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("error is %v, want %s", err, code)
	}
}

func TestSignAndVerify(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	server := ring(t, dir, c) // a running server, before there is any key
	token := sign(t, ring(t, dir, c), Grant{Actor: editor, TTL: time.Hour})
	c.t = c.t.Add(2 * time.Second)
	got, err := server.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	want := editor
	want.IssuedAt = c.t.Add(-2 * time.Second).Unix()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	c.t = c.t.Add(time.Hour + time.Minute)
	_, err = server.Verify(token)
	wantCode(t, err, fault.InvalidToken)
}

func TestVerifyRefuses(t *testing.T) {
	c := newClock()
	r := ring(t, t.TempDir(), c)
	good := sign(t, r, Grant{Actor: editor})
	other := sign(t, ring(t, t.TempDir(), c), Grant{Actor: editor})
	link := sign(t, r, Grant{Actor: editor, Link: true})
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, Claims{}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty": "", "junk": "abc", "another server's": other, "a link": link, "alg none": none, "huge": strings.Repeat("x", maxToken+1),
		"body of another": parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2],
	} {
		if _, err := r.Verify(token); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s: error is %v, want invalid-token", name, err)
		}
	}
}

func TestSignRefusesBadGrants(t *testing.T) {
	r := ring(t, t.TempDir(), newClock())
	for name, g := range map[string]Grant{
		"no subject": {}, "control": {Actor: catalog.Actor{Subject: "a\nb"}}, "role": {Actor: catalog.Actor{Subject: "a", Roles: []catalog.Role{"king"}}},
		"org": {Actor: catalog.Actor{Subject: "a", Org: "a/b"}}, "ttl": {Actor: catalog.Actor{Subject: "a"}, TTL: MaxTTL + 1}, "past": {Actor: catalog.Actor{Subject: "a"}, TTL: -1},
	} {
		if _, err := r.Sign(g); !fault.Is(err, fault.InvalidFields) {
			t.Errorf("%s: error is %v, want invalid-fields", name, err)
		}
	}
}

func TestRotationKeepsOldTokens(t *testing.T) {
	c := newClock()
	r := ring(t, t.TempDir(), c)
	old := sign(t, r, Grant{Actor: editor})
	first := r.Keys()[0]
	c.t = c.t.Add(time.Minute)
	second, err := r.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{second, first}, r.Keys()); diff != "" {
		t.Error(diff)
	}
	if _, err := r.Verify(old); err != nil {
		t.Errorf("the old token: %v", err)
	}
	if err := r.Remove(first); err != nil {
		t.Fatal(err)
	}
	_, err = r.Verify(old)
	wantCode(t, err, fault.InvalidToken)
	wantCode(t, r.Remove("../keys/x"), fault.NotFound)
}

func TestRevocation(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	server := ring(t, dir, c)
	token := sign(t, server, Grant{Actor: editor})
	kept := sign(t, server, Grant{Actor: editor})
	if err := ring(t, dir, c).Revoke(token); err != nil { // another process
		t.Fatal(err)
	}
	_, err := server.Verify(token)
	wantCode(t, err, fault.InvalidToken)
	if _, err := server.Verify(kept); err != nil {
		t.Errorf("the other token: %v", err)
	}
	c.t = c.t.Add(2 * time.Hour)
	if err := server.Sweep(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "revoked", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("marks left: %v, %v", left, err)
	}
}

func sessions(t *testing.T, c *clock) *Sessions {
	t.Helper()
	dir := t.TempDir()
	db, err := bolt.Open(filepath.Join(dir, "local.db"), 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := NewSessions(db, ring(t, dir, c), c.now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start(t *testing.T, s *Sessions, a catalog.Actor) string {
	t.Helper()
	value, _, err := s.Start(a)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func signedIn(t *testing.T, s *Sessions, value string) bool {
	t.Helper()
	_, ok, err := s.Actor(value)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestSessionLife(t *testing.T) {
	c := newClock()
	s := sessions(t, c)
	a, b := start(t, s, editor), start(t, s, editor)
	if !signedIn(t, s, a) || signedIn(t, s, "nobody") {
		t.Error("a session is not told from none")
	}
	if err := s.End(a); err != nil {
		t.Fatal(err)
	}
	if signedIn(t, s, a) || !signedIn(t, s, b) {
		t.Error("End must end one session")
	}
	if err := s.EndAll("ada"); err != nil {
		t.Fatal(err)
	}
	if signedIn(t, s, b) {
		t.Error("EndAll left a session")
	}
	d := start(t, s, editor)
	c.t = c.t.Add(SessionTTL + time.Second)
	if signedIn(t, s, d) {
		t.Error("an expired session signs in")
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	_ = s.db.View(func(tx *bolt.Tx) error {
		if n := tx.Bucket(bucketSessions).Stats().KeyN + tx.Bucket(bucketEnds).Stats().KeyN + count(tx); n != 0 {
			t.Errorf("%d rows left after the sweep", n)
		}
		return nil
	})
}

func TestSessionsAreBounded(t *testing.T) {
	c := newClock()
	s := sessions(t, c)
	s.max = 3
	first := start(t, s, editor)
	for range 3 {
		c.t = c.t.Add(time.Second)
		start(t, s, editor)
	}
	if signedIn(t, s, first) {
		t.Error("the oldest session is still there")
	}
}

func TestLinkWorksOnce(t *testing.T) {
	c := newClock()
	s := sessions(t, c)
	link := sign(t, s.keys, Grant{Actor: editor, Link: true, TTL: LinkTTL})
	a, err := s.Redeem(link)
	if err != nil || a.Subject != "ada" || a.Org != "acme" {
		t.Fatalf("redeemed %+v, %v", a, err)
	}
	_, err = s.Redeem(link)
	wantCode(t, err, fault.InvalidToken)
	_, err = s.Redeem(sign(t, s.keys, Grant{Actor: editor}))
	wantCode(t, err, fault.InvalidToken)
	late := sign(t, s.keys, Grant{Actor: editor, Link: true, TTL: LinkTTL})
	c.t = c.t.Add(LinkTTL + time.Minute)
	_, err = s.Redeem(late)
	wantCode(t, err, fault.InvalidToken)
}

// TestNewKeyIsGoodAtOnce: whoever makes the first token right after the server was started can use it.
func TestNewKeyIsGoodAtOnce(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	server := ring(t, dir, c)
	token := sign(t, ring(t, dir, c), Grant{Actor: editor, TTL: time.Hour})
	if _, err := server.Verify(token); err != nil {
		t.Error(err)
	}
}
