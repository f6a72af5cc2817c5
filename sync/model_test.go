package sync_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// TestModel does the same at random to a Bolt and to a Memory, and wants the same of both after every step; and of Bolt's follower zero, that its
// tables are those that the log gives.
func TestModel(t *testing.T) {
	checks := "40" // each step waits for the disk
	if soak() {
		checks = "2000"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		t.Fatal(err)
	}
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &machine{
			t: t, clock: newClock(),
			cfg: coursesync.BoltConfig{Path: filepath.Join(dir, fmt.Sprint(n), "log.db"), Zero: &byBody{schema: 1}},
		}
		m.cfg.Now = m.clock.now
		m.memory = coursesync.NewMemory("memory", m.clock.now)
		m.reopen(rt)
		defer func() { shut(t, m.bolt) }()
		rt.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"append2": m.append, // twice as often as the rest
			"read":    m.read,
			"reopen":  m.reopen,
			"rebuild": m.rebuild,
			"purge":   m.purge,
			"renew":   m.renew,
			"pass":    m.pass,
			"":        m.check,
		})
	})
}

type machine struct {
	t      *testing.T
	clock  *clock
	cfg    coursesync.BoltConfig
	bolt   *coursesync.Bolt
	memory *coursesync.Memory
}

var (
	modelChannels = []coursesync.Channel{"catalog", "learner:ada", "learner:adam"}
	modelKinds    = []coursesync.Kind{"course", "courses"}
	modelKeys     = []string{"a", "a/1", "b", "c"}
)

// change draws a change of one of a few entities. Mostly it goes to the channel that belongs to its key.
func (m *machine) change(rt *rapid.T) coursesync.Change {
	c := coursesync.Change{
		Kind:   rapid.SampledFrom(modelKinds).Draw(rt, "kind"),
		Key:    rapid.SampledFrom(modelKeys).Draw(rt, "key"),
		Op:     rapid.SampledFrom([]coursesync.Op{1, 1, 1, 2, 2, 3, 4}).Draw(rt, "op"),
		Access: rapid.Bool().Draw(rt, "access"),
		Schema: rapid.IntRange(0, 3).Draw(rt, "schema"),
		Body:   []byte(fmt.Sprint(rapid.IntRange(0, 5).Draw(rt, "body"))),
	}
	c.Channel = modelChannels[len(c.Key)%2]
	if rapid.IntRange(0, 9).Draw(rt, "strange") == 0 {
		c.Channel = "learner:adam"
	}
	if c.Op == coursesync.OpErase {
		c.Kind, c.Channel, c.Erases = "erasure", "staff", rapid.SampledFrom(modelChannels).Draw(rt, "erases")
		c.Key += string(c.Erases)
	}
	switch rapid.IntRange(0, 4).Draw(rt, "if") {
	case 0:
		c.IfSeq = coursesync.Absent
	case 1:
		c.IfSeq = rapid.SampledFrom([]coursesync.Seq{headOf(m.t, m.memory), headOf(m.t, m.memory) - 1}).Draw(rt, "ifseq")
	case 2, 3:
		if last, ok, _ := m.memory.Get(m.t.Context(), c.Kind, c.Key); ok {
			c.IfSeq = last.Seq
		}
	}
	return c
}

func (m *machine) append(rt *rapid.T) {
	batch := make([]coursesync.Change, rapid.IntRange(0, 4).Draw(rt, "changes"))
	for i := range batch {
		batch[i] = m.change(rt)
	}
	want, wantErr := m.memory.Append(m.t.Context(), batch...)
	got, err := m.bolt.Append(m.t.Context(), batch...)
	if got != want || fault.CodeOf(err) != fault.CodeOf(wantErr) {
		rt.Fatalf("Append: %d, %v; want %d, %v", got, err, want, wantErr)
	}
}

func (m *machine) read(rt *rapid.T) {
	head := headOf(m.t, m.memory)
	from := coursesync.Seq(rapid.Uint64Range(uint64(head-min(head, 20)), uint64(head+1)).Draw(rt, "from"))
	channels := rapid.SliceOfN(rapid.SampledFrom(append(modelChannels, "staff", "nowhere")), 0, 3).Draw(rt, "channels")
	if diff := cmp.Diff(readAll(m.t, m.memory, from, channels...), readAll(m.t, m.bolt, from, channels...)); diff != "" {
		rt.Fatalf("Read from %d of %v (-memory +bolt):\n%s", from, channels, diff)
	}
	for _, channel := range append(modelChannels, "", "staff") {
		kinds := rapid.SliceOfN(rapid.SampledFrom(modelKinds), 0, 2).Draw(rt, "kinds")
		want, _ := m.memory.Floor(m.t.Context(), channel, kinds...)
		if got, err := m.bolt.Floor(m.t.Context(), channel, kinds...); got != want || err != nil {
			rt.Fatalf("Floor of %q %v: %d, %v; want %d", channel, kinds, got, err, want)
		}
	}
}

func (m *machine) reopen(rt *rapid.T) {
	if m.bolt != nil {
		shut(m.t, m.bolt)
	}
	b, err := tryOpen(m.t, m.cfg)
	if err != nil {
		rt.Fatalf("OpenBolt: %v", err)
	}
	if m.bolt != nil && m.bolt.ID() != b.ID() {
		rt.Fatalf("the log %s became %s", m.bolt.ID(), b.ID())
	}
	m.bolt = b
}

func (m *machine) rebuild(rt *rapid.T) {
	m.cfg.Zero = &byBody{schema: m.cfg.Zero.Schema() + 1}
	m.reopen(rt)
}

func (m *machine) purge(rt *rapid.T) {
	want, _ := m.memory.Purge(m.t.Context())
	if got, err := m.bolt.Purge(m.t.Context()); got != want || err != nil {
		rt.Fatalf("Purge: %d, %v; want %d", got, err, want)
	}
}

func (m *machine) renew(rt *rapid.T) {
	if err := m.memory.Renew(m.t.Context(), 0); err != nil {
		rt.Fatal(err)
	}
	if err := m.bolt.Renew(m.t.Context(), 0); err != nil {
		rt.Fatal(err)
	}
}

func (m *machine) pass(rt *rapid.T) {
	m.clock.pass(time.Duration(rapid.IntRange(-10, 60).Draw(rt, "days")) * day)
}

// check compares all that there is.
func (m *machine) check(rt *rapid.T) {
	if got, want := headOf(m.t, m.bolt), headOf(m.t, m.memory); got != want {
		rt.Fatalf("head %d, want %d", got, want)
	}
	all := readAll(m.t, m.memory, 0)
	if diff := cmp.Diff(all, readAll(m.t, m.bolt, 0)); diff != "" {
		rt.Fatalf("(-memory +bolt):\n%s", diff)
	}
	for _, want := range all {
		if got, ok, err := m.bolt.Get(m.t.Context(), want.Kind, want.Key); !ok || err != nil || !cmp.Equal(want, got) {
			rt.Fatalf("Get %s %q: %t, %v\n%s", want.Kind, want.Key, ok, err, cmp.Diff(want, got))
		}
	}
	got, want := rowsOf(m.t, m.bolt)
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("follower zero (-want +got):\n%s", diff)
	}
}
