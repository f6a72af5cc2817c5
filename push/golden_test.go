package push

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
)

var update = flag.Bool("update", false, "write the golden file anew, from what the messages are")

const goldenFile = "testdata/messages.golden"

// TestMessages: what every rule says, in every language and number, is a golden file.
func TestMessages(t *testing.T) {
	t.Parallel()
	texts, err := locales.Load("")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	rules := map[string]bool{}
	for _, tag := range locales.Tags {
		for _, m := range Previews(texts, tag) {
			fmt.Fprintf(&b, "%s %s %d\n\t%s\n\t%s\n", tag, m.Rule, m.Count, m.Title, m.Body)
			rules[m.Rule] = true
		}
	}
	for _, rule := range catalog.NotificationRules {
		if !rules[string(rule)] {
			t.Errorf("the rule %s has no preview", rule)
		}
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("messages changed; go test ./push -run TestMessages -update, and read the difference:\n%s", d)
	}
}

// TestPayload: the longest names that the catalog takes fit what push services take, and are cut between characters.
func TestPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := catalog.CourseID(strings.Repeat("学", 128))
	title := strings.Repeat("机器学习导论", 40)
	w.device("lea", func(d *catalog.Device) { d.Locale = "zh-CN" })
	w.do(func(tx *catalog.Tx) error {
		_, err := tx.PutSavedSearch("lea", catalog.SavedSearchID(strings.Repeat("查", 128)), catalog.SavedSearch{
			Name: strings.Repeat("机器学习", 25), Query: "q=机&tags=" + strings.Repeat("x", 580), Notify: catalog.NotifyInstant,
		}, catalog.Cond{})
		return err
	})
	w.turn()
	w.phone.silent()
	w.course(long, title)
	w.enroll("lea", long, catalog.Active)
	w.pass(after)
	w.course(long, title+"二")
	w.pass(after)
	w.course("c1", title)
	w.course("c2", title)
	w.pass(after)
	shown := w.phone.shown()
	if len(shown) != 3 {
		t.Fatalf("%d messages, want three", len(shown))
	}
	const most, mostKey = 4096, 64
	largest := 0
	for _, m := range append(shown, w.phone.silent()...) {
		size := len(m.Title) + len(m.Body) + len(m.Link)
		for k, v := range m.Data {
			size += len(k) + len(v)
		}
		largest = max(largest, size)
		if size > most || len(m.Collapse) > mostKey || strings.ContainsRune(m.Title+m.Body, '\uFFFD') {
			t.Errorf("%d bytes, key %q: %+v", size, m.Collapse, m)
		}
	}
	t.Logf("the largest has %d bytes", largest)
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		most int
		want string
	}{{"short", 5, "short"}, {"longer", 5, "lo…"}, {"学学学", 8, "学…"}, {"学学学", 9, "学学学"}} {
		if got := shorten(tc.in, tc.most); got != tc.want {
			t.Errorf("%q to %d: %q, want %q", tc.in, tc.most, got, tc.want)
		}
	}
}
