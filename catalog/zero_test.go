package catalog

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// dumpTables returns the rows of the catalog's own tables.
func dumpTables(tx *bolt.Tx) map[string]string {
	rows := map[string]string{}
	for _, table := range []string{tableTagCourses, tableCategoryCourses, tableInstructorCourses, tableStateCourses, tableChildren, tableLabels, tableImports} {
		for k, v := range (&tables{tx: tx, buckets: map[string]*bolt.Bucket{}}).scan(table, "", "") {
			rows[fmt.Sprintf("%s %q", table, k)] = string(v)
		}
	}
	return rows
}

// model derives the same rows from the entities, the simple way.
func model(v *View) map[string]string {
	rows := map[string]string{}
	add := func(m map[row]bool) {
		for r := range m {
			rows[fmt.Sprintf("%s %q", r.table, r.key)] = ""
		}
	}
	for ch := range entities(v, KindCourse, "", "") {
		c, _ := decode[Course](ch)
		for _, tag := range c.Value.Tags {
			add(map[row]bool{{tableTagCourses, joinKey(string(tag), ch.Key)}: true})
		}
		for _, who := range c.Value.Instructors {
			add(map[row]bool{{tableInstructorCourses, joinKey(string(who), ch.Key)}: true})
		}
		if c.Value.Category != "" {
			add(map[row]bool{{tableCategoryCourses, joinKey(string(c.Value.Category), ch.Key)}: true})
		}
		add(map[row]bool{{tableStateCourses, joinKey(string(c.Value.State), ch.Key)}: true})
	}
	labels := func(kind coursesync.Kind, id string, texts []string) {
		for _, text := range texts {
			add(map[row]bool{{tableLabels, joinKey(string(kind), string(OrgOf(id)), Slug(text), id)}: true})
		}
	}
	for ch := range entities(v, KindTag, "", "") {
		tag, _ := decode[Tag](ch)
		labels(KindTag, ch.Key, slices.Concat(slices.Collect(maps.Values(tag.Value.Label)), slices.Concat(slices.Collect(maps.Values(tag.Value.Synonyms))...)))
	}
	for ch := range entities(v, KindCategory, "", "") {
		cat, _ := decode[Category](ch)
		labels(KindCategory, ch.Key, slices.Collect(maps.Values(cat.Value.Label)))
		if cat.Value.Parent != "" {
			add(map[row]bool{{tableChildren, joinKey(string(cat.Value.Parent), ch.Key)}: true})
		}
	}
	for ch := range entities(v, KindImport, "", "") {
		rows[fmt.Sprintf("%s %q", tableImports, importOrder(ch.Created, ch.Key))] = ch.Key
	}
	return rows
}

// Whatever commands did, the tables hold what the entities say, and a rebuild makes the same tables.
func TestTablesFollowTheLog(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		dir := outer.TempDir()
		path := filepath.Join(dir, "log.db")
		c, err := Open(Config{Path: path, Secrets: dir, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				err := c.View(t.Context(), func(v *View) error {
					if diff := cmp.Diff(model(v), dumpTables(v.bv.Tx())); diff != "" {
						t.Fatal(diff)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			},
			"command": func(t *rapid.T) {
				_, err := c.Update(t.Context(), System, func(tx *Tx) error {
					for range rapid.IntRange(1, 3).Draw(t, "steps") {
						if err := randomStep(t, tx); err != nil {
							return err
						}
					}
					return nil
				})
				if code := fault.CodeOf(err); err != nil && !slices.Contains([]fault.Code{fault.InvalidFields, fault.NotFound, fault.HasDependents}, code) {
					t.Fatal(err)
				}
			},
		})
		live := map[string]string{}
		if err := c.View(t.Context(), func(v *View) error { live = dumpTables(v.bv.Tx()); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(live, rebuilt(t, path)); diff != "" {
			t.Fatal("rebuilt:", diff)
		}
	})
}

// nextZero is follower zero with another schema.
type nextZero struct{ zero }

func (nextZero) Schema() int { return zeroSchema + 1 }

func rebuilt(t *rapid.T, path string) map[string]string {
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, Zero: nextZero{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	var rows map[string]string
	if err := log.View(t.Context(), func(v *coursesync.BoltView) error { rows = dumpTables(v.Tx()); return nil }); err != nil {
		t.Fatal(err)
	}
	return rows
}

// randomStep writes or deletes something; names are few, so that they meet.
func randomStep(t *rapid.T, tx *Tx) error {
	name := func(what string) string { return rapid.SampledFrom([]string{"a", "b", "x~a"}).Draw(t, what) }
	labels := func() map[Locale]string {
		return map[Locale]string{English: rapid.SampledFrom([]string{"One", "Two", "Three four"}).Draw(t, "label")}
	}
	switch rapid.SampledFrom([]string{"course", "course", "tag", "category", "instructor", "import", "ensure", "delete", "delete"}).Draw(t, "step") {
	case "course":
		c := course(CourseID(name("id")), rapid.SampledFrom([]State{Draft, Published, Archived}).Draw(t, "state"))
		if rapid.Bool().Draw(t, "named") {
			c.Tags, c.Category = []TagID{TagID(name("tag"))}, CategoryID(name("category"))
			c.Instructors = []InstructorID{InstructorID(name("instructor"))}
		}
		return second(tx.PutCourse(c, Cond{}))
	case "tag":
		return second(tx.PutTag(Tag{ID: TagID(name("id")), Label: labels(), Synonyms: map[Locale][]string{French: {"un", name("synonym")}}}, Cond{}))
	case "category":
		parent := rapid.SampledFrom([]CategoryID{"", "a", "b"}).Draw(t, "parent")
		return second(tx.PutCategory(Category{ID: CategoryID(name("id")), Label: labels(), Parent: parent}, Cond{}))
	case "instructor":
		return second(tx.PutInstructor(Instructor{ID: InstructorID(name("id")), Name: name("name")}, Cond{}))
	case "import":
		return tx.PutImport(ImportRecord{ID: strings.ReplaceAll(name("id"), orgMark, ""), State: "done"})
	case "ensure":
		return second2(tx.EnsureTag(rapid.SampledFrom([]OrgID{"", "x"}).Draw(t, "org"), labels()[English], English))
	}
	switch rapid.IntRange(0, 3).Draw(t, "delete") {
	case 0:
		return tx.DeleteCourse(CourseID(name("id")), Cond{})
	case 1:
		return tx.DeleteTag(TagID(name("id")), Cond{})
	case 2:
		return tx.DeleteCategory(CategoryID(name("id")), Cond{})
	}
	return tx.DeleteInstructor(InstructorID(name("id")), Cond{})
}
