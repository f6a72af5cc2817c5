// Package logtest says, as tests, what every [coursesync.Log] and every [coursesync.Follower] promises.
//
// [Run] uses nothing but the interface, so that a log in another process or on other machines can be held to it too.
package logtest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// The channels and kinds that the suite uses.
const (
	catalog coursesync.Channel = "catalog"
	acme    coursesync.Channel = "org:acme"
	ada     coursesync.Channel = "learner:ada"
	staff   coursesync.Channel = "staff"

	course     coursesync.Kind = "course"
	enrollment coursesync.Kind = "enrollment"
	erasure    coursesync.Kind = "erasure"
)

// Run holds a log to the contract. open returns an empty log each time; closing it is open's business.
func Run(t *testing.T, open func(t *testing.T) coursesync.Log) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *suite)
	}{
		{"empty", testEmpty},
		{"append", testAppend},
		{"order", testOrder},
		{"compaction", testCompaction},
		{"tombstones", testTombstones},
		{"conditions", testConditions},
		{"all or nothing", testAllOrNothing},
		{"malformed", testMalformed},
		{"limits", testLimits},
		{"one channel for life", testChannelForLife},
		{"asserts", testAsserts},
		{"access", testAccess},
		{"erasure", testErasure},
		{"erasures stay", testErasuresStay},
		{"channels", testChannels},
		{"chunks", testChunks},
		{"read while written", testReadWhileWritten},
		{"bodies are copies", testCopies},
		{"wait", testWait},
		{"contexts", testContexts},
		{"writers", testWriters},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, &suite{t: t, log: open(t), ctx: t.Context()})
		})
	}
}

func testEmpty(t *testing.T, s *suite) {
	t.Helper()
	if s.log.ID() == "" {
		t.Error("the log has no id")
	}
	if head := s.head(); head < 1<<20-1 || head >= 1<<53 {
		t.Errorf("head %d is not from a clock", head)
	}
	if all := s.read(0); len(all) > 0 {
		t.Errorf("it holds %v", all)
	}
	if _, ok := s.get(course, "go"); ok {
		t.Error("it has an entity")
	}
	for _, channel := range []coursesync.Channel{"", catalog} {
		if floor := s.floor(channel); floor != 0 {
			t.Errorf("floor of %q: %d", channel, floor)
		}
	}
	if seq := s.append(); seq != s.head() {
		t.Errorf("an empty batch gave %d, the head is %d", seq, s.head())
	}
}

func testAppend(t *testing.T, s *suite) {
	t.Helper()
	before := s.head()
	c := upsert(catalog, course, "go", `{"title":"Go"}`)
	c.Schema, c.Seq, c.Created, c.Since, c.At = 7, 1, 2, 3, time.Unix(4, 5) // all but Schema are the log's to assign
	seq := s.append(c)
	if seq <= before || seq != s.head() {
		t.Errorf("seq %d, head was %d and is %d", seq, before, s.head())
	}
	got := s.must(course, "go")
	if at := got.At; at.Location() != time.UTC || !at.Equal(at.Truncate(time.Millisecond)) || at.Unix() <= 4 {
		t.Errorf("at %v", at)
	}
	want := upsert(catalog, course, "go", `{"title":"Go"}`)
	want.Schema, want.Seq, want.Created, want.Since, want.At = 7, seq, seq, seq, got.At
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]coursesync.Change{want}, s.read(0)); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
}

func testOrder(t *testing.T, s *suite) {
	t.Helper()
	var seqs []coursesync.Seq
	seqs = append(seqs, s.append(upsert(catalog, course, "b", `1`), upsert(acme, course, "a", `2`)))
	seqs = append(seqs, s.append(upsert(catalog, enrollment, "a", `3`)))
	if seqs[1] <= seqs[0] {
		t.Errorf("seqs %v do not grow", seqs)
	}
	all := s.read(0)
	s.wantKeys(all, "b", "a", "a")
	if !slices.IsSortedFunc(all, func(a, b coursesync.Change) int { return cmp.Compare(a.Seq, b.Seq) }) || all[1].Seq != seqs[0] {
		t.Errorf("not in order: %v", all)
	}
	s.wantKeys(s.read(all[0].Seq), "a", "a")
	s.wantKeys(s.read(seqs[1]))
	s.wantKeys(s.read(seqs[1] + 1000))
}

func testCompaction(t *testing.T, s *suite) {
	t.Helper()
	first := s.append(upsert(catalog, course, "a", `1`))
	s.append(upsert(catalog, course, "b", `2`))
	third := s.append(upsert(catalog, course, "a", `3`))
	again := s.append(upsert(catalog, course, "a", `3`))
	if again <= third {
		t.Error("an upsert of the same bytes is no change")
	}
	s.wantKeys(s.read(0), "b", "a")
	s.wantKeys(s.read(0, catalog), "b", "a")
	got := s.must(course, "a")
	if got.Seq != again || got.Created != first || got.Since != first || string(got.Body) != `3` {
		t.Errorf("%+v", got)
	}
}

func testTombstones(t *testing.T, s *suite) {
	t.Helper()
	first := s.append(upsert(catalog, course, "a", `1`))
	gone := remove(catalog, course, "a")
	gone.Body = []byte(`left`)
	second := s.append(gone)
	got := s.must(course, "a")
	if got.Op != coursesync.OpDelete || got.Seq != second || got.Created != first || string(got.Body) != `left` {
		t.Errorf("%+v", got)
	}
	s.wantKeys(s.read(0, catalog), "a")
	head := s.head()
	if seq := s.append(remove(catalog, course, "a"), remove(catalog, course, "never")); seq != head || s.head() != head {
		t.Errorf("deleting nothing gave %d, the head was %d and is %d", seq, head, s.head())
	}
	if _, ok := s.get(course, "never"); ok {
		t.Error("deleting nothing left a tombstone")
	}
	s.append(upsert(catalog, course, "a", `2`))
	if got := s.must(course, "a"); got.Created != first || got.Op != coursesync.OpUpsert {
		t.Errorf("made again: %+v", got)
	}
	s.wantKeys(s.read(0), "a")
}

func testConditions(t *testing.T, s *suite) {
	t.Helper()
	s.append(upsert(catalog, course, "old", `1`))
	was := s.must(course, "old").Seq
	live := s.append(upsert(catalog, course, "live", `1`), upsert(catalog, course, "dead", `1`)) - 1
	dead := s.append(remove(catalog, course, "dead"))
	s.append(upsert(catalog, course, "old", `2`))
	for _, c := range []struct {
		key   string
		ifSeq coursesync.Seq
		holds bool
	}{
		{"live", 0, true},
		{"live", live, true},
		{"live", live + 1, false},
		{"live", coursesync.Absent, false},
		{"dead", 0, true},
		{"dead", dead, true},
		{"dead", coursesync.Absent, true},
		{"dead", live + 1, false},
		{"never", 0, true},
		{"never", coursesync.Absent, true},
		{"never", live, false},
		{"old", was, false},
	} {
		change := assert(c.key, c.ifSeq)
		if c.holds {
			s.append(change)
			continue
		}
		s.refuse(fault.LostUpdate, change)
		for _, change := range []coursesync.Change{upsert(catalog, course, c.key, `3`), remove(catalog, course, c.key)} {
			change.IfSeq = c.ifSeq
			s.refuse(fault.LostUpdate, change)
		}
	}
	next := upsert(catalog, course, "live", `2`)
	next.IfSeq = live
	s.append(next)
	if got := s.must(course, "live"); got.IfSeq != 0 || string(got.Body) != `2` {
		t.Errorf("%+v", got)
	}
}

func testAllOrNothing(t *testing.T, s *suite) {
	t.Helper()
	seq := s.append(upsert(catalog, course, "a", `1`))
	s.refuse(fault.LostUpdate,
		upsert(catalog, course, "a", `2`), remove(catalog, course, "a2"), upsert(catalog, course, "b", `2`), assert("c", seq))
	s.refuse(fault.LostUpdate, erase("x", catalog), assert("a", seq+1))
	// Conditions look at the state before the batch, wherever they stand in it.
	s.append(upsert(catalog, course, "b", `2`), assert("a", seq), remove(catalog, course, "c"), assert("d", coursesync.Absent))
	if got := s.must(course, "b"); string(got.Body) != `2` {
		t.Errorf("%+v", got)
	}
}

func testMalformed(t *testing.T, s *suite) {
	t.Helper()
	edit := func(fn func(c *coursesync.Change)) coursesync.Change {
		c := upsert(catalog, course, "a", `1`)
		fn(&c)
		return c
	}
	for _, c := range []coursesync.Change{
		{},
		edit(func(c *coursesync.Change) { c.Kind = "" }),
		edit(func(c *coursesync.Change) { c.Kind = "a\x00b" }),
		edit(func(c *coursesync.Change) { c.Kind = "\xff" }),
		edit(func(c *coursesync.Change) { c.Key = "" }),
		edit(func(c *coursesync.Change) { c.Key = "a\x00b" }),
		edit(func(c *coursesync.Change) { c.Key = "\xff" }),
		edit(func(c *coursesync.Change) { c.Channel = "" }),
		edit(func(c *coursesync.Change) { c.Channel = "a\x00b" }),
		edit(func(c *coursesync.Change) { c.Op = 0 }),
		edit(func(c *coursesync.Change) { c.Op = coursesync.OpErase + 1 }),
		edit(func(c *coursesync.Change) { c.Op = coursesync.OpErase }),
		edit(func(c *coursesync.Change) { c.Op, c.Erases = coursesync.OpErase, catalog }),
		edit(func(c *coursesync.Change) { c.Erases = acme }),
		edit(func(c *coursesync.Change) { c.Schema = -1 }),
	} {
		s.refuse(fault.InvalidFields, upsert(catalog, course, "good", `1`), c)
	}
	s.refuse(fault.InvalidFields, upsert(catalog, course, "a", `1`), upsert(catalog, course, "a", `2`))
	s.refuse(fault.InvalidFields, upsert(catalog, course, "a", `1`), assert("a", coursesync.Absent))
	s.append(upsert(catalog, course, "a", `1`), upsert(catalog, enrollment, "a", `2`))
}

func testLimits(t *testing.T, s *suite) {
	t.Helper()
	key := strings.Repeat("k", coursesync.MaxKey)
	body := strings.Repeat(" ", coursesync.MaxBody)
	s.append(upsert(catalog, course, key, body))
	if got := s.must(course, key); string(got.Body) != body {
		t.Errorf("a body of %d bytes came back with %d", len(body), len(got.Body))
	}
	s.refuse(fault.InvalidFields, upsert(catalog, course, key+"k", `1`))
	s.refuse(fault.InvalidFields, upsert(catalog, course, "k", body+" "))
	s.refuse(fault.InvalidFields, upsert(catalog, coursesync.Kind(strings.Repeat("k", coursesync.MaxKind+1)), "k", `1`))
	s.refuse(fault.InvalidFields, upsert(coursesync.Channel(strings.Repeat("k", coursesync.MaxChannel+1)), course, "k", `1`))
	many := make([]coursesync.Change, coursesync.MaxBatch+1)
	for i := range many {
		many[i] = upsert(catalog, course, fmt.Sprint(i), `1`)
	}
	s.refuse(fault.InvalidFields, many...)
}

func testChannelForLife(t *testing.T, s *suite) {
	t.Helper()
	s.append(upsert(catalog, course, "a", `1`))
	s.refuse(fault.InvalidFields, upsert(acme, course, "a", `2`))
	s.refuse(fault.InvalidFields, remove(acme, course, "a"))
	s.append(remove(catalog, course, "a"))
	s.refuse(fault.InvalidFields, upsert(acme, course, "a", `2`))
	s.append(upsert(catalog, course, "a", `2`))
	if got := s.must(course, "a"); got.Channel != catalog {
		t.Errorf("%+v", got)
	}
}

func testAsserts(t *testing.T, s *suite) {
	t.Helper()
	seq := s.append(upsert(catalog, course, "a", `1`))
	if got := s.append(assert("a", seq), assert("b", coursesync.Absent), assert("c", 0)); got != seq {
		t.Errorf("asserts gave %d, the head is %d", got, seq)
	}
	s.wantKeys(s.read(0), "a")
	next := s.append(upsert(catalog, course, "d", `1`), assert("a", seq))
	if s.must(course, "d").Seq != next || s.head() != next {
		t.Errorf("got %d, the head is %d", next, s.head())
	}
}

func testAccess(t *testing.T, s *suite) {
	t.Helper()
	first := s.append(upsert(catalog, course, "a", `1`))
	since := func(want coursesync.Seq) {
		t.Helper()
		got := s.must(course, "a")
		if got.Since != want || got.Created != first || got.Access {
			t.Errorf("since %d, created %d, access %t; want %d, %d, false", got.Since, got.Created, got.Access, want, first)
		}
	}
	since(first)
	s.append(upsert(catalog, course, "a", `2`))
	since(first)
	granted := upsert(catalog, course, "a", `3`)
	granted.Access = true
	second := s.append(granted)
	since(second)
	s.append(remove(catalog, course, "a"))
	since(second)
	s.append(upsert(catalog, course, "a", `4`))
	since(second)
	gone := remove(catalog, course, "a")
	gone.Access = true
	since(s.append(gone))
}

func testErasure(t *testing.T, s *suite) {
	t.Helper()
	s.append(upsert(ada, enrollment, "ada/go", `1`), upsert(ada, enrollment, "ada/rust", `1`), upsert(ada, course, "note", `1`),
		upsert(catalog, course, "go", `1`), upsert("learner:adam", enrollment, "adam/go", `1`))
	s.append(remove(ada, enrollment, "ada/rust"))
	seq := s.append(erase("hash", ada))
	s.wantKeys(s.read(0, ada))
	s.wantKeys(s.read(0), "go", "adam/go", "hash")
	for _, key := range []string{"ada/go", "ada/rust"} {
		if c, ok := s.get(enrollment, key); ok {
			t.Errorf("%s is left: %+v", key, c)
		}
	}
	got := s.must(erasure, "hash")
	if got.Op != coursesync.OpErase || got.Erases != ada || got.Seq != seq || got.Channel != staff {
		t.Errorf("%+v", got)
	}
	if f := s.floor(ada); f != seq {
		t.Errorf("floor %d; a cursor from before the erasure at %d must not be served", f, seq)
	}
	if f := s.floor(ada, "other"); f != 0 {
		t.Errorf("floor of a kind that was not there: %d", f)
	}
	if f := s.floor(""); f != 0 {
		t.Errorf("floor of all channels: %d; their readers are told by the erasure", f)
	}
	// What comes again is new.
	again := s.append(upsert(ada, enrollment, "ada/go", `2`))
	if got := s.must(enrollment, "ada/go"); got.Created != again {
		t.Errorf("%+v", got)
	}
	s.append(upsert(ada, enrollment, "ada/sql", `1`), erase("hash", ada), upsert(ada, enrollment, "ada/zig", `1`))
	s.wantKeys(s.read(0, ada), "ada/zig")
	s.append(erase("nobody", "learner:nobody"))
	s.wantKeys(s.read(0, staff), "hash", "nobody")
}

func testErasuresStay(t *testing.T, s *suite) {
	t.Helper()
	s.append(erase("hash", ada))
	s.refuse(fault.InvalidFields, remove(staff, erasure, "hash"))
	s.refuse(fault.InvalidFields, upsert(staff, erasure, "hash", `1`))
	s.refuse(fault.InvalidFields, erase("hash", acme))
	s.append(erase("hash", ada))
}

func testChannels(t *testing.T, s *suite) {
	t.Helper()
	for i, channel := range []coursesync.Channel{catalog, acme, "org:acme2", catalog, ada, acme, "org:acme2"} {
		s.append(upsert(channel, course, fmt.Sprint(i), `1`))
	}
	s.append(remove(acme, course, "1"))
	s.wantKeys(s.read(0, acme), "5", "1")
	s.wantKeys(s.read(0, catalog, acme), "0", "3", "5", "1")
	s.wantKeys(s.read(0, acme, catalog, acme), "0", "3", "5", "1")
	s.wantKeys(s.read(s.must(course, "3").Seq, acme, catalog, ada), "4", "5", "1")
	s.wantKeys(s.read(0, "org:"))
	if diff := gocmp.Diff(s.read(0), s.read(0, catalog, acme, "org:acme2", ada)); diff != "" {
		t.Errorf("all channels (-none named +all named):\n%s", diff)
	}
}

// fill appends n courses to channels in turn, and returns their keys.
func (s *suite) fill(n int, channels ...coursesync.Channel) []string {
	var batch []coursesync.Change
	for i := range n {
		batch = append(batch, upsert(channels[i%len(channels)], course, fmt.Sprintf("%05d", i), `{}`))
	}
	s.append(batch...)
	return keys(batch)
}

func testChunks(t *testing.T, s *suite) {
	t.Helper()
	all := s.fill(2*coursesync.ReadChunk+10, catalog, acme, ada)
	s.wantKeys(s.read(0), all...)
	s.wantKeys(s.read(0, catalog, acme, ada), all...)
	s.append(upsert(staff, course, "big", strings.Repeat(" ", coursesync.MaxBody)), upsert(staff, course, "big2", strings.Repeat(" ", coursesync.MaxBody)),
		upsert(staff, course, "big3", strings.Repeat(" ", coursesync.MaxBody)))
	s.wantKeys(s.read(0, staff), "big", "big2", "big3")
	for c, err := range s.log.Read(s.ctx, 0) { // a reader may stop early, and write while it reads
		if err != nil || c.Key != all[0] {
			s.t.Fatalf("%v, %v", c, err)
		}
		break
	}
}

func testReadWhileWritten(t *testing.T, s *suite) {
	t.Helper()
	all := s.fill(coursesync.ReadChunk+10, catalog)
	reader := s.log.Read(s.ctx, 0)
	head := s.head()
	s.append(upsert(catalog, course, "late", `{}`))
	seen := map[string]int{}
	for c, err := range reader {
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) == 0 { // no transaction is open here, so this does not hang
			s.append(upsert(catalog, course, all[len(all)-1], `{"again":true}`), remove(catalog, course, all[0]))
		}
		seen[c.Key]++
		if c.Seq > head {
			t.Errorf("%s at %d is past the head %d at the call", c.Key, c.Seq, head)
		}
	}
	for _, key := range all[:len(all)-1] {
		if seen[key] != 1 {
			t.Errorf("%s came %d times", key, seen[key])
		}
	}
	if seen["late"] > 0 {
		t.Error("a change after the call was read")
	}
}

func testCopies(t *testing.T, s *suite) {
	t.Helper()
	c := upsert(catalog, course, "a", `{"a":1}`)
	s.append(c)
	copy(c.Body, "XXXXXXX")
	spoil := func() {
		got := s.must(course, "a")
		copy(got.Body, "XXXXXXX")
		copy(s.read(0)[0].Body, "XXXXXXX")
	}
	spoil()
	if got := s.must(course, "a"); !bytes.Equal(got.Body, []byte(`{"a":1}`)) {
		t.Errorf("body %s", got.Body)
	}
}
