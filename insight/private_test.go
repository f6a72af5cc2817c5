package insight

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
)

func TestKeepable(t *testing.T) {
	for _, text := range []string{
		"python", "machine learning 101", "c++ 2023", "iso 27001", "机器学习", "l'apprentissage @ la maison", "a/b tests", "web 3.0", "windows 11 2024",
		"tag:python", "antidisestablishmentarianism", "rfc 9457", "f# and c#",
	} {
		if !keepable(text) {
			t.Errorf("%q is not kept", text)
		}
	}
	for _, text := range []string{
		"ada@example.org", "reset password of ada.obi@example.org please", "ada@exam", "@ada", "+33 6 12 34 56 78", "0612345678", "06.12.34.56.78",
		"4111-1111-1111-1111", "student 20231234", "https://example.org/reset?key=1", "www.example.org", "sk4hT7fQ9zLm2Xw8", "一二三 13812345678",
		strings.Repeat("word ", 20),
	} {
		if keepable(text) {
			t.Errorf("%q is kept", text)
		}
	}
}

// TestPrivateTextsAreCountedOnly: nothing of them, nor of the callers, is in a report or in the file.
func TestPrivateTextsAreCountedOnly(t *testing.T) {
	w := newWorld(t)
	w.five("ada@example.org")
	w.search("0612345678", "sub:grace-hopper", nothing)
	w.search("ordinary", "sub:grace-hopper", func(s *Search) { s.Actor.Subject, s.Actor.Name = "grace-hopper", "Grace" })
	got := w.report()
	if len(got.Top) != 1 || len(got.NoResults) != 0 || got.Totals.Searches != 7 || w.Stats().Private != 6 {
		t.Errorf("report %+v, stats %+v: want 7 searches, 6 of them without a text", got, w.Stats())
	}
	if list := w.completions("ada"); len(list) != 0 {
		t.Errorf("suggested: %v", list)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(file, []byte("ordinary")) {
		t.Fatal("the file does not even hold the ordinary query: this test sees nothing")
	}
	for _, secret := range []string{"ada", "example", "0612", "grace", "Grace", "hopper", "caller"} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("the file holds %q", secret)
		}
	}
}

func TestFiveDifferentCallers(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.search("python", fmt.Sprint("caller", i%(MinCallers-1)))
	}
	if got := w.completions("py"); len(got) != 0 {
		t.Fatalf("four callers were enough: %v", got)
	}
	w.search("python", "another", nothing) // without success
	if got := w.completions("py"); len(got) != 0 {
		t.Fatalf("one who found nothing was counted: %v", got)
	}
	w.search("python", "another")
	if got := w.completions("py"); len(got) != 1 {
		t.Errorf("completions %v, want python", got)
	}
}

// TestCallersAreForgotten: a set of callers outlives neither the process nor the period.
func TestCallersAreForgotten(t *testing.T) {
	w := newWorld(t)
	ask := func(from, to int) {
		for i := from; i < to; i++ {
			w.search("python", fmt.Sprint("caller", i))
		}
	}
	ask(0, 3)
	w.reopen()
	ask(3, 5)
	if got := w.completions("py"); len(got) != 0 {
		t.Errorf("callers of two processes were added up: %v", got)
	}
	w.clock.add(KeepDays * aDay)
	ask(5, 8)
	if got := w.completions("py"); len(got) != 0 {
		t.Errorf("callers of %d days ago were counted: %v", KeepDays, got)
	}
	ask(8, 10)
	if got := w.completions("py"); len(got) != 1 {
		t.Errorf("completions %v, want python", got)
	}
	if n := len(w.pending.byKey); n != 0 {
		t.Errorf("%d sets of callers are still held", n)
	}
}

// TestSuggestedUntil: what enough callers asked once is not suggested for ever.
func TestSuggestedUntil(t *testing.T) {
	w := newWorld(t)
	w.five("python")
	w.five("cobol")
	w.Flush()
	for range 3 { // python goes on being asked by enough callers, cobol by one
		w.clock.add(KeepDays / 3 * aDay)
		w.five("python")
		w.search("cobol", "fan")
		w.Flush()
	}
	if got := w.completions("py"); len(got) != 1 {
		t.Errorf("completions %v, want python", got)
	}
	if got := w.completions("co"); len(got) != 0 {
		t.Errorf("completions %v, want none: only one still asks", got)
	}
	w.reopen()
	if got := append(w.completions("co"), w.completions("py")...); len(got) != 1 {
		t.Errorf("after a restart: %v, want python", got)
	}
}

func TestCompletions(t *testing.T) {
	w := newWorld(t)
	w.five("machine learning")
	w.five("learning python")
	w.search("learning python", "x")
	w.five("机器学习")
	w.five("mooc", nothing)
	w.five("tag:go mapping")
	w.five(`"exact mapping"`)
	w.five("-mapping")
	w.five("ma langue", func(s *Search) { s.Locale = catalog.French })
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"learn", []string{"learning python", "machine learning"}},
		{"mach", []string{"machine learning"}},
		{"m", []string{"machine learning"}}, // mooc never found anything; fields, phrases and exclusions are no words
		{"achine", nil},
		{"学习", []string{"机器学习"}},
		{"", nil},
	} {
		if diff := cmp.Diff(c.want, w.completions(c.prefix), cmp.Transformer("list", func(l []string) []string { return slices.Clip(append([]string{}, l...)) })); diff != "" {
			t.Errorf("%q: want (-) and got (+) differ:\n%s", c.prefix, diff)
		}
	}
	if got := w.Completions("", catalog.French, "ma", 5); len(got) != 1 || got[0] != "ma langue" {
		t.Errorf("in French: %v", got)
	}
	if got := w.Completions("", catalog.English, "learn", 1); len(got) != 1 {
		t.Errorf("%d completions, want 1", len(got))
	}
	for range 20 {
		w.search("machine learning", "ann", nothing)
	}
	if got := w.completions("mach"); len(got) != 0 {
		t.Errorf("%v mostly finds nothing, and is suggested", got)
	}
}

// TestSpellingWithAccents: of the spellings that have one key, the careful one is shown.
func TestSpellingWithAccents(t *testing.T) {
	w := newWorld(t)
	key := func(s *Search) { s.Key = "donnees" }
	w.search("donnees", "ann", key)
	w.five("données", key)
	w.search("donnees", "ann", key)
	if got := w.completions("donn"); len(got) != 1 || got[0] != "données" {
		t.Errorf("completions %v", got)
	}
	if got := w.report().Top; len(got) != 1 || got[0].Query != "données" || got[0].Count != 7 {
		t.Errorf("top %+v", got)
	}
}
