package catalog

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// busy makes a catalog with something of everything, and returns its file.
func busy(t *testing.T) string {
	t.Helper()
	c, _ := taught(t)
	enroll(t, c, learner, "x", Active)
	review(t, c, learner, "x", Review{Rating: 4, Instructors: map[InstructorID]int{"ann": 5}})
	enroll(t, c, Actor{Subject: "https://idp/|leo"}, "x", Completed)
	must(t, c, learner, func(tx *Tx) error { return second(tx.PutBookmark("lea", "x")) })
	must(t, c, System, func(tx *Tx) error {
		_, err := tx.PutTag(Tag{ID: "go", Label: map[Locale]string{English: "Go"}}, Cond{})
		return err
	})
	y := course("y", Draft)
	y.Tags = []TagID{"go"}
	puts(t, c, System, y)
	erase(t, c, Actor{Subject: "mia"})
	flushed(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return c.cfg.Path
}

func verifyAt(t *testing.T, path string) (Verified, map[string]coursesync.Digest) {
	t.Helper()
	c, err := Open(Config{Path: path, Secrets: filepath.Join(t.TempDir(), "none"), ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sums := map[string]coursesync.Digest{}
	found, err := c.Verify(t.Context(), t.TempDir(), func(channel coursesync.Channel, digests map[coursesync.Kind]coursesync.Digest) error {
		for kind, d := range digests {
			sums[string(channel)+" "+string(kind)] = d
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, sums
}

func TestVerify(t *testing.T) {
	path := busy(t)
	found, sums := verifyAt(t, path)
	if found.Log.Wrong.Len()+found.Tables.Wrong.Len() != 0 || found.Courses != 2 || found.Tables.Rows < 15 || found.Tables.Absent {
		t.Fatalf("sound: %+v", found)
	}
	if sums["catalog course"].Count != 2 {
		t.Errorf("courses: %+v", sums)
	}
	want := map[string]coursesync.Digest{}
	c, err := Open(Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []LearnerID{"lea", "https://idp/|leo"} {
		d := coursesync.Digest{}
		d.Add(KindEnrollment, "x", version(t, c, KindEnrollment, ofLearner(who, "x")))
		want["learner:"+string(who)+" enrollment"] = d
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for name, d := range want {
		if diff := cmp.Diff(d, sums[name]); diff != "" {
			t.Errorf("%s, without the learner in its id (-want +got):\n%s", name, diff)
		}
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	bucket := func(tx *bolt.Tx, name string) *bolt.Bucket { return tx.Bucket([]byte(name)) }
	for name, tc := range map[string]struct {
		spoil func(tx *bolt.Tx) error
		want  string
	}{
		"a row that is missing": {func(tx *bolt.Tx) error {
			return bucket(tx, "zero/tag_courses").Delete([]byte("go\x00y"))
		}, `table tag_courses lacks the row "go\x00y"`},
		"a row that follows from nothing": {func(tx *bolt.Tx) error {
			return bucket(tx, "zero/state_courses").Put([]byte("published\x00ghost"), nil)
		}, `table state_courses has the row "published\x00ghost"`},
		"numbers that are wrong": {func(tx *bolt.Tx) error {
			return bucket(tx, "zero/overall").Put([]byte("c"), []byte(`{"s":1,"n":1}`))
		}, `table overall: the row "c" says`},
		"a body that is no course": {func(tx *bolt.Tx) error {
			log := bucket(tx, "log")
			return log.ForEach(func(k, v []byte) error {
				if i := bytes.Index(v, []byte(`"state":"draft"`)); i >= 0 {
					v = bytes.Clone(v)
					v[i] = 'x'
					return log.Put(bytes.Clone(k), v)
				}
				return nil
			})
		}, `course "y" at`},
	} {
		t.Run(name, func(t *testing.T) {
			path := busy(t)
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(tc.spoil); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			found, _ := verifyAt(t, path)
			all := strings.Join(append(found.Log.Wrong.List, found.Tables.Wrong.List...), "\n")
			if !strings.Contains(all, tc.want) {
				t.Errorf("%q is not among the findings:\n%s", tc.want, all)
			}
			if strings.HasPrefix(tc.want, "course") {
				return
			}
			c, err := Open(Config{Path: path, Rebuild: true, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if found, _ := verifyAt(t, path); found.Tables.Wrong.Len() > 0 {
				t.Errorf("built again: %v", found.Tables.Wrong.List)
			}
		})
	}
}
