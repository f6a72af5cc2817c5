package sync_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// soundLog makes a log with all that a log can hold, and returns its path and the Seqs of a course, a tombstone and an erasure.
func soundLog(t *testing.T) (path string, course, tomb, erasure coursesync.Seq) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log.db")
	c := newClock()
	b := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}, Now: c.now})
	mustAppend(t, b, upsert("catalog", "old", `"old"`))
	mustAppend(t, b, remove("catalog", "old"))
	c.pass(91 * day)
	purge(t, b, 1)
	for i := range 300 {
		mustAppend(t, b, upsert("catalog", fmt.Sprintf("many-%03d", i), `"`+strings.Repeat("m", 200)+`"`))
	}
	mustAppend(t, b, upsert("learner:ada", "ada/x", `"x"`), upsert("org:acme", "gone", `"g"`))
	course = mustAppend(t, b, upsert("catalog", "a", `"a"`))
	tomb = mustAppend(t, b, remove("org:acme", "gone"))
	erasure = mustAppend(t, b, eraseAda())
	shut(t, b)
	return path, course, tomb, erasure
}

// spoil changes the file behind the log's back.
func spoil(t *testing.T, path string, fn func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func verified(t *testing.T, path string, cfg coursesync.VerifyConfig) coursesync.Verified {
	t.Helper()
	b, err := tryOpen(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, b)
	found, err := b.Verify(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func key8(seq coursesync.Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

func TestVerifySound(t *testing.T) {
	path, course, _, erasure := soundLog(t)
	seen, sums := 0, map[string]coursesync.Digest{}
	found := verified(t, path, coursesync.VerifyConfig{
		Entity: func(*coursesync.Change) error { seen++; return nil },
		ID:     func(c *coursesync.Change) string { return strings.TrimPrefix(c.Key, "many-") },
		Channel: func(channel coursesync.Channel, digests map[coursesync.Kind]coursesync.Digest) error {
			for kind, d := range digests {
				sums[string(channel)+" "+string(kind)] = d
			}
			return nil
		},
	})
	if found.Wrong.Len() != 0 || found.Live != 302 || found.Tombstones != 1 || found.Head != erasure || seen != 303 {
		t.Errorf("%+v, %d seen", found, seen)
	}
	var all, one coursesync.Digest
	for i := range 300 {
		all.Add("course", fmt.Sprintf("%03d", i), course-302+coursesync.Seq(i))
	}
	all.Add("course", "a", course)
	one.Add("erasure", "hash", erasure)
	if diff := cmp.Diff(map[string]coursesync.Digest{"catalog course": all, "staff erasure": one}, sums); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDigest has the sum of one row worked out by hand: printf 'course\0CS101\00012' | sha256sum.
func TestDigest(t *testing.T) {
	var d, twice coursesync.Digest
	d.Add("course", "CS101", 12)
	if d.Count != 1 || d.Sum != 0x51febe54d999fa70 {
		t.Errorf("got %d rows, %#x", d.Count, d.Sum)
	}
	twice.Add("tag", "go", 3)
	twice.Add("course", "CS101", 12)
	d.Add("tag", "go", 3)
	if d != twice {
		t.Error("the order counts")
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	in := func(bucket string, fn func(b *bolt.Bucket, course, tomb coursesync.Seq) error) func(tx *bolt.Tx, course, tomb coursesync.Seq) error {
		return func(tx *bolt.Tx, course, tomb coursesync.Seq) error {
			return fn(tx.Bucket([]byte(bucket)), course, tomb)
		}
	}
	channelKey := func(channel string, seq coursesync.Seq) []byte { return append([]byte(channel+"\x00"), key8(seq)...) }
	for _, tc := range []struct {
		name  string
		spoil func(tx *bolt.Tx, course, tomb coursesync.Seq) error
		want  []string
	}{
		{"a record that cannot be read", in("log", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.Put(key8(course), []byte{1, 1, 0})
		}), []string{"the record at"}},
		{"a record that is gone", in("log", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.Delete(key8(course))
		}), []string{`bucket entity names "course\x00a" at`, `channel "catalog" names`}},
		{"a record of no bucket", in("log", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.Put(key8(course-400), append([]byte(nil), b.Get(key8(course))...))
		}), []string{"bucket entity does not say so", "missing in its channel", "impossible numbers"}},
		{"a head that is too low", in("log", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.SetSequence(uint64(course))
		}), []string{"impossible numbers"}},
		{"an entity that is not named", in("entity", func(b *bolt.Bucket, _, _ coursesync.Seq) error {
			return b.Delete([]byte("course\x00a"))
		}), []string{"and bucket entity does not say so"}},
		{"an entity that is nowhere", in("entity", func(b *bolt.Bucket, _, _ coursesync.Seq) error {
			return b.Put([]byte("course\x00ghost"), append(key8(77), 1))
		}), []string{`bucket entity names "course\x00ghost" at 77, where the log has nothing`}},
		{"an entity that points to another", in("entity", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.Put([]byte("course\x00ghost"), append(key8(course), 1))
		}), []string{`names "course\x00ghost" at`}},
		{"a change that its channel lacks", in("channel", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.Delete(channelKey("catalog", course))
		}), []string{`course "a" at`, `is missing in its channel "catalog"`}},
		{"a change in two channels", in("channel", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.Put(channelKey("org:acme", course), nil)
		}), []string{`channel "org:acme" names`}},
		{"a tombstone that is not listed", in("tomb", func(b *bolt.Bucket, _, tomb coursesync.Seq) error {
			return b.Delete(key8(tomb))
		}), []string{"and bucket tomb does not say so"}},
		{"a tombstone of what lives", in("tomb", func(b *bolt.Bucket, course, _ coursesync.Seq) error {
			return b.Put(key8(course), key8(1))
		}), []string{"which is no tombstone"}},
		{"a tombstone of nothing", in("tomb", func(b *bolt.Bucket, _, _ coursesync.Seq) error {
			return b.Put(key8(78), key8(1))
		}), []string{"bucket tomb names 78"}},
		{"a floor past the head", in("floor", func(b *bolt.Bucket, _, tomb coursesync.Seq) error {
			return b.Put([]byte("catalog\x00course"), key8(tomb+1000))
		}), []string{"the floor of"}},
		{"a restore in the future", in("meta", func(b *bolt.Bucket, _, tomb coursesync.Seq) error {
			return b.Put([]byte("floor"), key8(tomb+1000))
		}), []string{"past the head"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path, course, tomb, _ := soundLog(t)
			spoil(t, path, func(tx *bolt.Tx) error { return tc.spoil(tx, course, tomb) })
			all := strings.Join(verified(t, path, coursesync.VerifyConfig{}).Wrong.List, "\n")
			for _, want := range tc.want {
				if !strings.Contains(all, want) {
					t.Errorf("%q is not among the findings:\n%s", want, all)
				}
			}
		})
	}
}

// TestVerifyDamagedPages overwrites each page in turn: nothing passes for sound, and nothing ends the process.
func TestVerifyDamagedPages(t *testing.T) {
	path, _, _, _ := soundLog(t)
	size := int64(os.Getpagesize())
	used, all := usedPages(t, path)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	good := make([]byte, size)
	for _, n := range used {
		if _, err := file.ReadAt(good, n*size); err != nil {
			t.Fatal(err)
		}
		for _, fill := range []byte{0, 0xff} {
			if _, err := file.WriteAt(bytes.Repeat([]byte{fill}, int(size)), n*size); err != nil {
				t.Fatal(err)
			}
			if !foundBad(t, path) {
				t.Errorf("page %d full of %#x passes for sound", n, fill)
			}
		}
		if _, err := file.WriteAt(good, n*size); err != nil {
			t.Fatal(err)
		}
	}
	if foundBad(t, path) {
		t.Error("what was mended does not pass")
	}
	if err := file.Truncate((all - 1) * size); err != nil {
		t.Fatal(err)
	}
	if !foundBad(t, path) {
		t.Error("a file that is cut passes for sound")
	}
}

// foundBad reports whether a log is refused, or checked with findings.
func foundBad(t *testing.T, path string) bool {
	t.Helper()
	b, err := tryOpen(t, coursesync.BoltConfig{Path: path, ReadOnly: true, LockTimeout: time.Nanosecond})
	if err != nil {
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("opening: %v", err)
		}
		return true
	}
	defer shut(t, b)
	found, err := b.Verify(t.Context(), coursesync.VerifyConfig{})
	if err != nil {
		t.Errorf("checking: %v", err)
	}
	return found.Wrong.Len() > 0
}

// usedPages lists the pages that hold something, the two headers aside, of which one is enough; and says how many there are.
func usedPages(t *testing.T, path string) (used []int64, all int64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		all = tx.Size() / int64(os.Getpagesize())
		for n := 2; int64(n) < all; n++ {
			info, err := tx.Page(n)
			if err != nil {
				return err
			}
			if info.Type != "free" {
				used = append(used, int64(n))
			}
			n += info.OverflowCount
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used, all
}

func TestVerifyZero(t *testing.T) {
	path, _, _, _ := soundLog(t)
	check := func(schema int) coursesync.ZeroVerified {
		t.Helper()
		b, err := tryOpen(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: schema}, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, b)
		dir := t.TempDir()
		found, err := b.VerifyZero(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		return found
	}
	if found := check(1); found.Wrong.Len() > 0 || found.Rows != 301 || found.Absent {
		t.Errorf("sound: %+v", found)
	}
	if found := check(2); !found.Absent {
		t.Errorf("of another schema: %+v", found)
	}
	spoil(t, path, func(tx *bolt.Tx) error {
		rows := tx.Bucket([]byte(byBodyTable))
		return errors.Join(rows.Delete([]byte(`"a"|course|a`)), rows.Put([]byte("b"), nil), rows.Put([]byte(`zzz`), []byte{1}),
			rows.Put([]byte(`"`+strings.Repeat("m", 63)+`|course|many-007`), []byte{2}))
	})
	want := []string{
		`table rows lacks the row "\"a\"|course|a"`,
		`table rows: the row "\"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm|course|many-007" says "\x02" and should say "\x01"`,
		`table rows has the row "b", which follows from nothing`,
		`table rows has the row "zzz", which follows from nothing`,
	}
	if diff := cmp.Diff(want, check(1).Wrong.List); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b, err := tryOpen(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}, RebuildZero: true})
	if err != nil {
		t.Fatal(err)
	}
	shut(t, b)
	if found := check(1); found.Wrong.Len() > 0 {
		t.Errorf("built again: %+v", found)
	}
}

// TestReadOnly: what is opened for looking stays as it is, and is shared with others who look.
func TestReadOnly(t *testing.T) {
	path, _, _, _ := soundLog(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 2}, ReadOnly: true}
	b, other := open(t, cfg), open(t, cfg)
	if _, err := tryOpen(t, coursesync.BoltConfig{Path: path, LockTimeout: 1}); !fault.Is(err, fault.Locked) {
		t.Errorf("a writer meanwhile: %v", err)
	}
	if _, err := b.Append(t.Context(), upsert("catalog", "b", `1`)); err == nil {
		t.Error("it was written to")
	}
	if n := len(readAll(t, other, 0)); n != 303 {
		t.Errorf("%d changes", n)
	}
	shut(t, b)
	shut(t, other)
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed, %v", err)
	}
	missing := filepath.Join(t.TempDir(), "no", "log.db")
	if _, err := tryOpen(t, coursesync.BoltConfig{Path: missing, ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(missing)); err == nil {
		t.Error("a folder was made")
	}
}

// TestVerifyStops: nobody waits for a check that was given up.
func TestVerifyStops(t *testing.T) {
	path, _, _, _ := soundLog(t)
	b := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}, ReadOnly: true})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.Verify(ctx, coursesync.VerifyConfig{Entity: func(*coursesync.Change) error { cancel(); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := b.VerifyZero(ctx, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("tables: got %v", err)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	var f coursesync.Findings
	for i := range coursesync.MaxFindings + 5 {
		f.Add("finding %d", i)
	}
	if len(f.List) != coursesync.MaxFindings || f.More != 5 || f.Len() != coursesync.MaxFindings+5 || f.List[1] != "finding 1" {
		t.Errorf("%d kept, %d more", len(f.List), f.More)
	}
}
