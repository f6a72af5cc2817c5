package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

// withFiles is a course of two modules, three lessons and a file of each, beside one of the course.
func withFiles(t *testing.T) *Catalog {
	t.Helper()
	c := testCatalog(t)
	puts(t, c, System, course("a", Published))
	content := smallContent()
	content.Lessons = append(content.Lessons, Lesson{ID: "l3", Module: "a2", Position: 2, Title: map[Locale]string{"en": "Third"}})
	content.Assets = nil
	for _, lesson := range []string{"l1", "b2", "l3", ""} {
		content.Assets = append(content.Assets, Asset{
			ID: "of-" + lesson, Lesson: lesson, Name: "x", MediaType: "video/mp4", URL: "https://e.org/x", Size: 10, SHA256: strings.Repeat("0a", 32), Priority: 77,
		})
	}
	must(t, c, System, func(tx *Tx) error { return second(tx.PutContent("a", content, Cond{})) })
	return c
}

func manifest(t *testing.T, c *Catalog) (ids []string) {
	t.Helper()
	for _, a := range look(t, c, func(v *View) (Manifest, error) { return v.Manifest(System, "a") }).Assets {
		ids = append(ids, fmt.Sprint(a.ID, " ", a.Priority))
	}
	return ids
}

// TestPriorityFollowsTheLessons: whoever moves a lesson or a module, and by whatever command, moves its files, and no others.
func TestPriorityFollowsTheLessons(t *testing.T) {
	t.Parallel()
	c := withFiles(t)
	check := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, manifest(t, c)); diff != "" {
			t.Error(diff)
		}
	}
	const chapter = 1 << 15
	check("of- 0", "of-l1 1", fmt.Sprint("of-b2 ", chapter+2), fmt.Sprint("of-l3 ", chapter+3))
	en := map[Locale]string{"en": "x"}
	must(t, c, System, func(tx *Tx) error {
		return second(tx.PutLesson("a", Lesson{ID: "l3", Module: "a2", Position: 0, Title: en}))
	})
	check("of- 0", "of-l1 1", fmt.Sprint("of-l3 ", chapter+1), fmt.Sprint("of-b2 ", chapter+2))
	must(t, c, System, func(tx *Tx) error { return second(tx.PutModule("a", Module{ID: "m1", Position: 1e6, Title: en})) })
	check("of- 0", fmt.Sprint("of-l3 ", chapter+1), fmt.Sprint("of-b2 ", chapter+2), fmt.Sprint("of-l1 ", 32767*chapter+1))
	must(t, c, System, func(tx *Tx) error {
		return second(tx.PutLesson("a", Lesson{ID: "l3", Module: "m1", Position: 1e6, Title: en}))
	})
	check("of- 0", fmt.Sprint("of-b2 ", chapter+2), fmt.Sprint("of-l1 ", 32767*chapter+1), fmt.Sprint("of-l3 ", 1<<30))
	sum := strings.Repeat("0b", 32)
	must(t, c, System, func(tx *Tx) error {
		lesson := "b2"
		_, _, err := tx.PutAssetFile("a", AssetFile{ID: "of-l3", Lesson: &lesson, MediaType: "video/mp4", Size: 5, SHA256: sum})
		return err
	})
	check("of- 0", fmt.Sprint("of-l3 ", chapter+2), fmt.Sprint("of-b2 ", chapter+2), fmt.Sprint("of-l1 ", 32767*chapter+1))
}

func TestHeldAssets(t *testing.T) {
	t.Parallel()
	c := withFiles(t)
	content := look(t, c, func(v *View) (Content, error) { return v.Content(System, "a") })
	for i := range 1_200 { // more than is read at once
		more := content.Assets[0]
		more.ID = fmt.Sprintf("more%04d", i)
		content.Assets = append(content.Assets, more)
	}
	must(t, c, System, func(tx *Tx) error { return second(tx.PutContent("a", content, Cond{})) })
	want := []HeldAsset{}
	for _, id := range []string{"aa", "more0999", "more1000", "zz"} {
		sum := strings.Repeat("0c", 32)
		must(t, c, System, func(tx *Tx) error {
			_, _, err := tx.PutAssetFile("a", AssetFile{ID: id, MediaType: "video/mp4", Size: 5, SHA256: sum})
			return err
		})
		want = append(want, HeldAsset{"a/" + id, sum, 5})
	}
	got := []HeldAsset{}
	for a, err := range c.HeldAssets(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPutAssetFile(t *testing.T) {
	t.Parallel()
	c := withFiles(t)
	file := AssetFile{ID: "of-l1", MediaType: "video/mp4", Size: 5, SHA256: strings.Repeat("0c", 32)}
	put := func(f AssetFile) (now, before Asset, err error) {
		err = do(t, c, System, func(tx *Tx) (err error) {
			now, before, err = tx.PutAssetFile("a", f)
			return err
		})
		return now, before, err
	}
	now, before, err := put(file)
	want := Asset{ID: "of-l1", Lesson: "l1", Name: "x", MediaType: "video/mp4", URL: "/v2/courses/a/assets/of-l1/file?v=" + file.SHA256, Size: 5, SHA256: file.SHA256, Priority: 1, Held: true}
	if diff := cmp.Diff(want, now); diff != "" || before.URL != "https://e.org/x" || err != nil {
		t.Errorf("%s %+v, %v", diff, before, err)
	}
	file.ID, file.Size = "new", MaxAssetSize+1
	_, _, err = put(file)
	wantField(t, err, "/size", fault.OutOfRange)
	must(t, c, System, func(tx *Tx) error {
		full := Content{}
		for i := range maxAssets {
			full.Assets = append(full.Assets, Asset{ID: fmt.Sprint(i), Name: "x", MediaType: "video/mp4", URL: "https://e.org/x", SHA256: file.SHA256})
		}
		return second(tx.PutContent("a", full, Cond{}))
	})
	file.Size = 5
	_, _, err = put(file)
	wantField(t, err, "", fault.TooMany)
	file.ID = "7"
	if now, _, err = put(file); err != nil || !now.Held {
		t.Errorf("one that is there: %+v, %v", now, err)
	}
}

func TestAssetURL(t *testing.T) {
	t.Parallel()
	a := Asset{ID: "Größe:1", SHA256: "ab", Held: true}
	if got, want := AssetURL("acme~課程+1", a), "/v2/courses/acme~%E8%AA%B2%E7%A8%8B+1/assets/Gr%C3%B6%C3%9Fe:1/file?v=ab"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
