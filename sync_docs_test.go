package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/sync/delta"
)

// anything stands in expected output for what differs from run to run: versions, cursors, times, texts of problems.
const anything = "…"

// example is a fenced block of commands in a page and the block of output that follows it.
type example struct {
	line     int
	commands string
	output   string
}

// examplesIn takes the blocks marked sh and the output after each out of a page. A block of another sort that follows no commands is no example.
func examplesIn(page string) []example {
	var all []example
	var block []string
	fence, wantsOutput := "", false
	for i, line := range strings.Split(page, "\n") {
		mark, opens := strings.CutPrefix(line, "```")
		switch {
		case fence == "" && opens && mark != "":
			fence, block = mark, nil
		case fence != "" && line == "```":
			text := strings.Join(block, "\n")
			if fence == "sh" {
				all = append(all, example{line: i + 1, commands: text})
			} else if wantsOutput {
				all[len(all)-1].output = text
			}
			wantsOutput, fence = fence == "sh", ""
		case fence != "":
			block = append(block, line)
		}
	}
	return all
}

// TestSyncDocs runs the examples of docs/sync.md, in order and in one shell, against a server with an empty folder, and compares what they print.
func TestSyncDocs(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the examples need %s", tool)
		}
	}
	text, err := os.ReadFile("docs/sync.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := examplesIn(string(text))
	if len(examples) < 10 {
		t.Fatalf("only %d examples were found", len(examples))
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	adminToken(t, data) // makes the key: a server looks for new ones once a second
	server := startServer(t, data)
	defer server.kill()
	const end = "=== end of example ==="
	script := "set -euo pipefail\n"
	for _, e := range examples {
		script += e.commands + "\nprintf '\\n" + end + "\\n'\n"
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "URL="+server.url, "DATA="+data)
	out, err := cmd.CombinedOutput()
	got := strings.Split(string(out), end)
	if err != nil || len(got) != len(examples)+1 {
		t.Fatalf("%d of %d examples ran: %v\n%s", len(got)-1, len(examples), err, got[len(got)-1])
	}
	for i, e := range examples {
		if !matches(e.output, got[i]) {
			t.Errorf("docs/sync.md:%d: the example prints\n%s\nand not\n%s", e.line, got[i], e.output)
		}
	}
}

// matches compares output with what is expected, whatever the white space.
func matches(want, got string) bool {
	parts := strings.Split(squeeze(want), anything)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, `.*?`) + `$`).MatchString(squeeze(got))
}

func squeeze(text string) string { return strings.Join(strings.Fields(text), "") }

func TestExamplesMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want, got string
		ok        bool
	}{
		{`{"a": …, "b": [1, 2]}`, `{"a":17,"b":[1,2]}`, true},
		{`{"a": …}`, `{"a":1,"b":2}`, true},
		{`{"a": 1}`, `{"a":1,"b":2}`, false},
		{`{"a": "…"}`, `{"a":1}`, false},
		{"", "", true},
		{"", "oops", false},
		{"201\n200", "201\n200\n", true},
		{"201", "404", false},
	} {
		if matches(test.want, test.got) != test.ok {
			t.Errorf("%q matches %q: %v", test.want, test.got, !test.ok)
		}
	}
}

// TestSyncDocuments holds the table of documents in docs/sync.md against the rows: each field of each kind is named, and no other.
func TestSyncDocuments(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/sync.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## Documents\n")
	if !found {
		t.Fatal("docs/sync.md has no documents")
	}
	rows := map[string][]any{
		"course": {delta.CourseRow{}}, "with `fields=full`": {delta.CourseMore{}}, "course_stats": {delta.StatsRow{}}, "instructor": {delta.InstructorRow{}},
		"tag": {delta.TagRow{}}, "category": {delta.CategoryRow{}}, "module": {delta.ModuleRow{}}, "lesson": {delta.LessonRow{}}, "asset": {delta.AssetRow{}},
		"enrollment": {delta.EnrollmentRow{}}, "review": {delta.ReviewRow{}}, "progress": {delta.ProgressRow{}}, "bookmark": {delta.BookmarkRow{}},
		"preference": {delta.PreferenceRow{}}, "saved_search": {delta.SavedSearchRow{}}, "notification": {delta.NotificationRow{}},
	}
	for name, docs := range rows {
		line := regexp.MustCompile("(?m)^\\| `?" + regexp.QuoteMeta(name) + "`?(, `instructor_stats`)? \\| (.*) \\|$").FindStringSubmatch(table)
		if line == nil {
			t.Errorf("there is no line about %s", name)
			continue
		}
		named := regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(line[2], "") // what stands in brackets explains
		for _, doc := range docs {
			for _, field := range fieldsOf(doc) {
				if !strings.Contains(named, "`"+field+"`") {
					t.Errorf("the line about %s does not name %s", name, field)
				}
				named = strings.ReplaceAll(named, "`"+field+"`", "")
			}
		}
		if rest := strings.ReplaceAll(named, "`fields=full`", ""); strings.Contains(rest, "`") {
			t.Errorf("the line about %s names what the row has not: %s", name, rest)
		}
	}
}

// fieldsOf are the names of a document's members, without those of embedded documents.
func fieldsOf(doc any) []string {
	var names []string
	for f := range reflect.TypeOf(doc).Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}
