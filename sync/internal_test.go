package sync

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
)

func openInternal(t *testing.T, zero FollowerZero) *Bolt {
	t.Helper()
	b, err := OpenBolt(BoltConfig{Path: filepath.Join(t.TempDir(), "log.db"), Zero: zero, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func wish(key string) Change {
	return Change{Channel: "catalog", Kind: "course", Key: key, Op: OpUpsert, Body: []byte(`1`)}
}

// refuser is a follower zero that refuses some keys, in two ways.
type refuser struct{}

func (refuser) Name() string { return "refuser" }
func (refuser) Schema() int  { return 1 }
func (refuser) ApplyIn(_ *bolt.Tx, changes []Applied) error {
	for _, c := range changes {
		switch c.Key {
		case "refused":
			return errors.New("refused")
		case "panic":
			panic("panic")
		}
	}
	return nil
}

// hold takes the turn, so that what is appended meanwhile must wait, and shares a commit when it is given back.
func (b *Bolt) hold() (release func()) {
	b.turn <- struct{}{}
	return func() { <-b.turn }
}

// waitQueued returns when so many wait.
func (b *Bolt) waitQueued(t *testing.T, n int) {
	t.Helper()
	for range 10_000 {
		b.mu.Lock()
		queued := len(b.queue)
		b.mu.Unlock()
		if queued == n {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
	t.Fatalf("%d never waited", n)
}

type outcome struct {
	key string
	seq Seq
	err error
}

// TestSharedCommit lets appends of all sorts share a transaction: only those to blame fail.
func TestSharedCommit(t *testing.T) {
	b := openInternal(t, refuser{})
	taken := wish("taken")
	if _, err := b.Append(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	transactions := txID(t, b)
	for _, c := range []struct {
		name    string
		batches map[string][]Change // by what the outcome is to be
		commits int
	}{
		{"all good", map[string][]Change{"": {wish("a"), wish("b")}, " ": {wish("c")}, "  ": {wish("d")}}, 1},
		{"a condition fails", map[string][]Change{
			"": {wish("e")}, string(fault.LostUpdate): {wish("f"), {Kind: "course", Key: "taken", Op: OpAssert, IfSeq: Absent}}, " ": {wish("g")},
		}, 1},
		{"only asserts", map[string][]Change{"": {{Kind: "course", Key: "no", Op: OpAssert, IfSeq: Absent}}, " ": {}}, 0},
		{"follower zero fails", map[string][]Change{"": {wish("h")}, "refused": {wish("i"), wish("refused")}, " ": {wish("j")}, string(fault.LostUpdate): {
			{Kind: "course", Key: "taken", Op: OpAssert, IfSeq: Absent},
		}}, 2},
		{"follower zero panics", map[string][]Change{"": {wish("k")}, "panicked": {wish("l"), wish("panic")}, " ": {wish("m")}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, o := range b.together(t, c.batches) {
				switch {
				case strings.TrimSpace(o.key) == "" && o.err != nil:
					t.Errorf("%v, want it to go through", o.err)
				case strings.TrimSpace(o.key) != "" && (o.err == nil || !strings.Contains(o.err.Error(), o.key) || o.seq != 0):
					t.Errorf("%d, %v; want %s", o.seq, o.err, o.key)
				}
				for _, change := range c.batches[o.key] {
					_, ok, err := b.Get(t.Context(), change.Kind, change.Key)
					if want := o.err == nil && change.Op == OpUpsert || change.Key == "taken"; ok != want || err != nil {
						t.Errorf("%s is there: %t, %v; want %t", change.Key, ok, err, want)
					}
				}
			}
			if got := txID(t, b) - transactions; got != c.commits {
				t.Errorf("%d commits, want %d", got, c.commits)
			}
			transactions = txID(t, b)
		})
	}
}

// together appends batches such that they share a commit.
func (b *Bolt) together(t *testing.T, batches map[string][]Change) []outcome {
	t.Helper()
	release := b.hold()
	outcomes := make(chan outcome)
	for key, batch := range batches {
		go func() {
			seq, err := b.Append(t.Context(), batch...)
			outcomes <- outcome{key, seq, err}
		}()
	}
	b.waitQueued(t, len(batches))
	release()
	var all []outcome
	for range batches {
		all = append(all, <-outcomes)
	}
	return all
}

// txID counts the commits of a file.
func txID(t *testing.T, b *Bolt) (id int) {
	t.Helper()
	if err := b.db.View(func(tx *bolt.Tx) error {
		id = tx.ID()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestWithdraw ends the context of an append that waits: it is not carried out.
func TestWithdraw(t *testing.T) {
	b := openInternal(t, nil)
	release := b.hold()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := b.Append(ctx, wish("a"))
		result <- err
	}()
	b.waitQueued(t, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if _, err := b.Append(t.Context(), wish("b")); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := b.Get(t.Context(), "course", "a"); ok {
		t.Error("it was carried out although it was withdrawn")
	}
}

// TestTooLateToWithdraw ends the context of an append whose commit has begun: its outcome is told.
func TestTooLateToWithdraw(t *testing.T) {
	b := openInternal(t, nil)
	release := b.hold()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := b.Append(ctx, wish("a"))
		result <- err
	}()
	b.waitQueued(t, 1)
	group := b.takeGroup()
	cancel()
	select {
	case err := <-result:
		t.Errorf("it returned %v before the outcome was known", err)
	case <-time.After(time.Millisecond):
	}
	b.commitGroup(group)
	if err := <-result; err != nil {
		t.Error(err)
	}
	release()
}

func TestQueueIsBounded(t *testing.T) {
	b := openInternal(t, nil)
	b.queue = make([]*request, maxQueue)
	if _, err := b.Append(t.Context(), wish("a")); !fault.Is(err, fault.Overloaded) {
		t.Errorf("got %v, want %s", err, fault.Overloaded)
	}
	b.queue = nil
}

func TestGroupIsBounded(t *testing.T) {
	b := openInternal(t, nil)
	small, large := &request{batch: make([]Change, 10)}, &request{batch: make([]Change, maxGroup)}
	heavy := &request{batch: make([]Change, 1), bytes: maxGroupBytes}
	b.queue = []*request{large, small, small, heavy, heavy, small}
	var got []int
	for group := b.takeGroup(); len(group) > 0; group = b.takeGroup() {
		got = append(got, len(group))
	}
	if diff := cmp.Diff([]int{1, 3, 2}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCloseFinishes closes a log while appends wait: they are carried out.
func TestCloseFinishes(t *testing.T) {
	b := openInternal(t, nil)
	release := b.hold()
	result := make(chan error)
	for i := range 3 {
		go func() {
			_, err := b.Append(t.Context(), wish(fmt.Sprint(i)))
			result <- err
		}()
	}
	b.waitQueued(t, 3)
	go release()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := <-result; err != nil {
			t.Error(err)
		}
	}
}

// TestCloseFinishesLast is the same for one that is in the queue and does not yet wait for its turn.
func TestCloseFinishesLast(t *testing.T) {
	b := openInternal(t, nil)
	slow, err := newRequest([]Change{wish("slow")})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.enqueue(slow), b.Close()); err != nil {
		t.Fatal(err)
	}
	if !slow.settled() || slow.err != nil {
		t.Errorf("settled: %t, %v", slow.settled(), slow.err)
	}
}

// TestUnconfirmed is about a disk that fails after the write that makes a commit valid: nothing more may be promised.
func TestUnconfirmed(t *testing.T) {
	b := openInternal(t, nil)
	if _, err := b.Append(t.Context(), wish("a")); err != nil {
		t.Fatal(err)
	}
	head, _ := b.Head(t.Context())
	b.checkFailed(txID(t, b)+1, errors.New("the pages could not be written"))
	if _, err := b.Append(t.Context(), wish("b")); err != nil {
		t.Errorf("a commit that left no trace broke the log: %v", err)
	}
	b.checkFailed(txID(t, b), syscall.EIO)
	_, err := b.Append(t.Context(), wish("c"))
	if !fault.Is(err, fault.NotReady) || !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want %s", err, fault.NotReady)
	}
	if _, ok, err := b.Get(t.Context(), "course", "a"); !ok || err != nil {
		t.Errorf("reads do not go on: %t, %v", ok, err)
	}
	if now, _ := b.Head(t.Context()); now != head+1 {
		t.Errorf("head %d, want %d", now, head+1)
	}
}

func TestLastNumber(t *testing.T) {
	b := openInternal(t, nil)
	if err := b.transact(func(t *tables) error {
		t.touch()
		return t.log.SetSequence(uint64(maxSeq - 1))
	}); err != nil {
		t.Fatal(err)
	}
	if seq, err := b.Append(t.Context(), wish("a")); seq != maxSeq || err != nil {
		t.Fatalf("%d, %v", seq, err)
	}
	if _, err := b.Append(t.Context(), wish("b")); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
}

// setFormat writes a version into a log's file.
func setFormat(t *testing.T, b *Bolt, version uint32) {
	t.Helper()
	if err := b.transact(func(t *tables) error {
		t.touch()
		return t.meta.Put(metaFormat, binary.BigEndian.AppendUint32(nil, version))
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormat(t *testing.T) {
	b := openInternal(t, nil)
	setFormat(t, b, FormatVersion+3)
	b.Close()
	_, err := OpenBolt(b.cfg)
	if want := fmt.Sprintf("format %d", FormatVersion+3); !fault.Is(err, fault.NewerFormat) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s naming %q", err, fault.NewerFormat, want)
	}
}

// TestMigrations proves the mechanism with versions that never were: the steps run in order, in one transaction, from the version found.
func TestMigrations(t *testing.T) {
	b := openInternal(t, nil)
	setFormat(t, b, 3)
	var ran []string
	step := func(name string, err error) migration {
		return func(tx *bolt.Tx) error {
			ran = append(ran, name)
			return errors.Join(err, tx.Bucket(bucketMeta).Put([]byte("step"), []byte(name)))
		}
	}
	steps := map[uint32]migration{2: step("2 to 3", nil), 3: step("3 to 4", nil), 4: step("4 to 5", nil), 5: step("5 to 6", errors.New("no"))}
	migrate := func(current uint32) (changed bool, err error) {
		ran = nil
		err = b.db.Update(func(tx *bolt.Tx) error {
			changed, err = prepareFormat(tx, b.cfg, current, steps)
			return err
		})
		return changed, err
	}
	if _, err := migrate(6); err == nil {
		t.Error("a step that failed was passed over")
	}
	if _, err := migrate(8); err == nil {
		t.Error("a step that is missing was passed over")
	}
	if changed, err := migrate(5); !changed || err != nil {
		t.Errorf("%t, %v", changed, err)
	}
	if diff := cmp.Diff([]string{"3 to 4", "4 to 5"}, ran); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if changed, err := migrate(5); changed || err != nil || len(ran) > 0 {
		t.Errorf("a second time: %t, %v, %v", changed, err, ran)
	}
}

func TestDamagedRecord(t *testing.T) {
	b := openInternal(t, nil)
	seq, err := b.Append(t.Context(), wish("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketLog).Put(seqKey(seq), []byte("?")) }); err != nil {
		t.Fatal(err)
	}
	_, _, getting := b.Get(t.Context(), "course", "a")
	_, appending := b.Append(t.Context(), wish("a"))
	viewing := b.View(t.Context(), func(v *BoltView) error {
		v.Get("course", "a")
		return nil
	})
	listing := b.View(t.Context(), func(v *BoltView) error {
		for range v.Entities("course", "", "") {
		}
		return nil
	})
	var reading error
	for _, reading = range b.Read(t.Context(), 0) {
	}
	for _, err := range []error{getting, appending, viewing, listing, reading} {
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("got %v, want %s", err, fault.Corrupt)
		}
	}
}

func TestDiskFullErrors(t *testing.T) {
	for _, err := range []error{
		syscall.ENOSPC, fmt.Errorf("write log.db: %w", syscall.EDQUOT), fmt.Errorf("file resize error: %s", syscall.EFBIG), //nolint:errorlint // as bbolt does
	} {
		if got := fail("test", err); !fault.Is(got, fault.DiskFull) {
			t.Errorf("%v became %v", err, got)
		}
	}
	if got := fail("test", syscall.EIO); !fault.Is(got, fault.Internal) {
		t.Errorf("EIO became %v", got)
	}
}

// FuzzRecord decodes anything; what it accepts comes back the same when it is encoded and decoded again.
func FuzzRecord(f *testing.F) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	for _, c := range []Change{
		{Op: OpUpsert, Created: 1 << 50, Since: 1<<50 + 1, At: at, Channel: "catalog", Kind: "course", Key: "go", Schema: 3, Body: []byte(`{"a":1}`)},
		{Op: OpDelete, Created: 5, Since: 5, At: time.UnixMilli(-5).UTC(), Channel: "c", Kind: "k", Key: "k"},
		{Op: OpErase, Created: 5, Since: 7, At: at, Channel: "staff", Kind: "erasure", Key: "x", Erases: "learner:ada"},
	} {
		record := encode(&c)
		c.Seq = 9
		if got, err := decode(9, record); err != nil || !cmp.Equal(c, got) {
			f.Errorf("%v: %s", err, cmp.Diff(c, got))
		}
		for _, version := range []byte{0, recordVersion + 1} {
			if _, err := decode(9, append([]byte{version}, record[1:]...)); err == nil {
				f.Errorf("a record of version %d was read", version)
			}
		}
		f.Add(record)
		f.Add(record[:len(record)/2])
	}
	f.Add([]byte{})
	f.Add([]byte{recordVersion + 1, 1})
	f.Add(append([]byte{recordVersion, 1}, bytes.Repeat([]byte{0xff}, 40)...))
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := decode(1, record)
		if err != nil {
			return
		}
		if again, err := decode(1, encode(&c)); err != nil || !cmp.Equal(c, again) {
			t.Errorf("%v: %s", err, cmp.Diff(c, again))
		}
	})
}
