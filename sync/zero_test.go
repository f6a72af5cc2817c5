package sync_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	coursesync "github.com/carrel-lms/carrel/sync"
)

func wantRows(t *testing.T, b *coursesync.Bolt) {
	t.Helper()
	got, want := rowsOf(t, b)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("follower zero (-want +got):\n%s", diff)
	}
}

// seen is a follower zero that notes what it is given.
type seen struct {
	byBody
	all []coursesync.Applied
}

func (s *seen) ApplyIn(tx *bolt.Tx, changes []coursesync.Applied) error {
	for _, c := range changes {
		if c.Prev != nil {
			prev := *c.Prev
			prev.Body = append([]byte(nil), prev.Body...) // valid until we return
			c.Prev = &prev
		}
		s.all = append(s.all, c)
	}
	return s.byBody.ApplyIn(tx, changes)
}

// told says what follower zero was given, in short: op key:body<body before.
func (s *seen) told() []string {
	names := map[coursesync.Op]string{coursesync.OpUpsert: "upsert", coursesync.OpDelete: "delete", coursesync.OpErase: "erase"}
	var all []string
	for _, c := range s.all {
		line := fmt.Sprintf("%s %s:%s", names[c.Op], c.Key, c.Body)
		if c.Prev != nil {
			line += "<" + string(c.Prev.Body)
		}
		all = append(all, line)
	}
	s.all = nil
	return all
}

func TestZero(t *testing.T) {
	zero := &seen{byBody: byBody{schema: 1}}
	b := open(t, coursesync.BoltConfig{Zero: zero})
	for _, c := range []struct {
		batch []coursesync.Change
		want  []string
	}{
		{[]coursesync.Change{upsert("catalog", "a", `1`), remove("catalog", "none"), upsert("learner:ada", "b", `2`)}, []string{"upsert a:1", "upsert b:2"}},
		{[]coursesync.Change{upsert("catalog", "a", `3`)}, []string{"upsert a:3<1"}},
		{[]coursesync.Change{remove("catalog", "a"), {Kind: "course", Key: "x", Op: coursesync.OpAssert}}, []string{"delete a:<3"}},
		{[]coursesync.Change{upsert("catalog", "a", `4`), upsert("learner:ada", "c", `5`)}, []string{"upsert a:4<", "upsert c:5"}},
		{[]coursesync.Change{remove("learner:ada", "b"), upsert("learner:ada", "d", `6`)}, []string{"delete b:<2", "upsert d:6"}},
		{
			[]coursesync.Change{upsert("learner:ada", "e", `7`), eraseAda(), upsert("learner:ada", "d", `8`)},
			[]string{"upsert e:7", "delete c:<5", "delete d:<6", "delete e:<7", "erase hash:", "upsert d:8"},
		},
		{[]coursesync.Change{eraseAda()}, []string{"delete d:<8", "erase hash:<"}},
	} {
		mustAppend(t, b, c.batch...)
		if diff := cmp.Diff(c.want, zero.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		wantRows(t, b)
	}
}

func TestZeroFails(t *testing.T) {
	no := errors.New("no")
	b := open(t, coursesync.BoltConfig{Zero: &byBody{schema: 1, fail: func(c coursesync.Applied) error {
		if c.Key == "bad" {
			return no
		}
		return nil
	}}})
	head := mustAppend(t, b, upsert("catalog", "a", `1`))
	if _, err := b.Append(t.Context(), upsert("catalog", "a", `2`), upsert("catalog", "bad", `2`)); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	if got := headOf(t, b); got != head {
		t.Errorf("the head moved from %d to %d", head, got)
	}
	wantRows(t, b)
	mustAppend(t, b, upsert("catalog", "a", `3`))
	wantRows(t, b)
}

// fillZero appends more than fits in two transactions of a rebuild.
func fillZero(t *testing.T, b *coursesync.Bolt) {
	t.Helper()
	var batch []coursesync.Change
	for i := range 2*coursesync.ReadChunk + 7 {
		batch = append(batch, upsert("catalog", fmt.Sprint(i), fmt.Sprint(i%10)))
	}
	mustAppend(t, b, batch...)
	mustAppend(t, b, remove("catalog", "3"), upsert("catalog", "4", `"new"`), eraseAda())
}

func TestZeroRebuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	b := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}})
	fillZero(t, b)
	shut(t, b)

	same := &seen{byBody: byBody{schema: 1}}
	b = open(t, coursesync.BoltConfig{Path: path, Zero: same})
	if told := same.told(); len(told) > 0 {
		t.Errorf("tables of the same schema were built again: %d", len(told))
	}
	shut(t, b)

	// A rebuild dies half way, several times; then one goes through.
	no := errors.New("no")
	for _, after := range []int{0, 1, coursesync.ReadChunk + 1, 2*coursesync.ReadChunk + 7} {
		count := 0
		_, err := tryOpen(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 2, fail: func(coursesync.Applied) error {
			if count++; count > after {
				return no
			}
			return nil
		}}})
		if !errors.Is(err, no) {
			t.Fatalf("after %d: %v", after, err)
		}
	}
	for _, schema := range []int{2, 1} { // forth, and back to an older program
		zero := &seen{byBody: byBody{schema: schema}}
		b = open(t, coursesync.BoltConfig{Path: path, Zero: zero})
		if n := len(zero.told()); n != len(readAll(t, b, 0)) {
			t.Errorf("schema %d was built from %d changes of %d", schema, n, len(readAll(t, b, 0)))
		}
		wantRows(t, b)
		shut(t, b)
	}
}

// TestZeroAbsent changes the log without its follower, or with another one. Its tables are then behind, and are built again when it comes back.
func TestZeroAbsent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	b := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}})
	mustAppend(t, b, upsert("catalog", "a", `1`))
	shut(t, b)
	for i, other := range []coursesync.FollowerZero{nil, idle{}} {
		b = open(t, coursesync.BoltConfig{Path: path, Zero: other})
		shut(t, b) // looking does no harm
		zero := &seen{byBody: byBody{schema: 1}}
		b = open(t, coursesync.BoltConfig{Path: path, Zero: zero})
		if told := zero.told(); len(told) > 0 {
			t.Errorf("%d: tables that were complete were built again", i)
		}
		shut(t, b)

		b = open(t, coursesync.BoltConfig{Path: path, Zero: other})
		mustAppend(t, b, upsert("catalog", "a", fmt.Sprint(i+2)))
		shut(t, b)
		b = open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}})
		wantRows(t, b)
		shut(t, b)
	}
}

// idle is another follower zero.
type idle struct{}

func (idle) Name() string                                 { return "idle" }
func (idle) Schema() int                                  { return 1 }
func (idle) ApplyIn(*bolt.Tx, []coursesync.Applied) error { return nil }
