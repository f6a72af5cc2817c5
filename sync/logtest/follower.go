package logtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// Follower holds a follower to the contract. open returns a fresh one that has derived nothing; state returns all that it has derived, in a
// form that cmp.Diff compares, without its cursor; steps are what happens in the log, in bodies that the follower understands: the more
// of upserts, deletions, entities made again and erasures they hold, the more is shown.
//
// Followers that act on the world instead of deriving (Reset moves them to the head) are not for this.
func Follower(t *testing.T, open func(t *testing.T) coursesync.Follower,
	state func(t *testing.T, f coursesync.Follower) any, steps ...[]coursesync.Change,
) {
	t.Helper()
	log := coursesync.NewMemory("follower-contract", nil)
	live := open(t)
	if got := cursorOf(t, live); got != (coursesync.Cursor{}) {
		t.Fatalf("a fresh follower is at %+v", got)
	}
	twice := &doubled{Follower: open(t)}
	for _, step := range steps {
		if _, err := log.Append(t.Context(), step...); err != nil {
			t.Fatalf("Append: %v", err)
		}
		catchUp(t, log, live)
		catchUp(t, log, twice)
	}
	want := state(t, live)
	same := func(name string, f coursesync.Follower) {
		t.Helper()
		if diff := cmp.Diff(want, state(t, f)); diff != "" {
			t.Errorf("%s (-live +%s):\n%s", name, name, diff)
		}
	}
	same("applied twice", twice.Follower)

	late := open(t)
	catchUp(t, log, late)
	same("from the compacted log", late)

	head := cursorOf(t, live)
	if err := live.Apply(t.Context(), nil, head); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	same("after an empty batch", live)

	if err := live.Reset(t.Context()); err != nil {
		t.Fatalf("Reset: %v", err)
	}
	if got := cursorOf(t, live); got != (coursesync.Cursor{}) {
		t.Errorf("after Reset it is at %+v", got)
	}
	if diff := cmp.Diff(state(t, open(t)), state(t, live)); diff != "" {
		t.Errorf("after Reset (-fresh +reset):\n%s", diff)
	}
	catchUp(t, log, live)
	same("after Reset and replay", live)
}

func cursorOf(t *testing.T, f coursesync.Follower) coursesync.Cursor {
	t.Helper()
	c, err := f.Cursor(t.Context())
	if err != nil {
		t.Fatalf("Cursor: %v", err)
	}
	return c
}

// catchUp follows to the head, and wants the follower to know that it is there.
func catchUp(t *testing.T, log coursesync.Log, f coursesync.Follower) {
	t.Helper()
	if err := coursesync.CatchUp(t.Context(), log, f); err != nil {
		t.Fatalf("CatchUp: %v", err)
	}
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatalf("Head: %v", err)
	}
	if got, want := cursorOf(t, f), (coursesync.Cursor{Log: log.ID(), Seq: head}); got != want {
		t.Errorf("it is at %+v, want %+v", got, want)
	}
}
