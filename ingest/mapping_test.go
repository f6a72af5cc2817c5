package ingest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

func TestPresetsParse(t *testing.T) {
	if len(Presets()) != 5 {
		t.Fatalf("presets: %v", Presets())
	}
	for _, name := range Presets() {
		if _, err := Preset(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMappingRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no yaml": "{", "unknown key": "colums: {}", "unknown column": "columns: {name: {from: a}}", "no from": "columns: {id: {}}",
		"expression": "columns: {id: {from: a, match: '('}}", "no group": "columns: {id: {from: a, match: 'x'}}",
		"unit": "columns: {duration_minutes: {from: a, unit: weeks}}", "constant": "constants: {colour: red}",
	} {
		if _, err := ParseMapping([]byte(text)); !fault.Is(err, fault.InvalidFields) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if _, err := ParseMapping([]byte(strings.Repeat("#", maxMapping+1))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a huge mapping: %v", err)
	}
}

func TestValues(t *testing.T) {
	m, err := ParseMapping([]byte(`
"null": [None]
provider: P
constants: {currency: EUR}
columns:
  id: {from: [a, b], join: "-"}
  title: {from: t, html: true}
  tags: {from: skills, list: braces, drop: 'reviews\)$'}
  level: {from: lv, values: {Expert Level: advanced}}
  duration_minutes: {from: hours, unit: hours}
  url: {from: link, match: 'x=(\d+)'}
  category: {from: cat, first_of: "/"}
`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bind(m, []string{"a", "b", "t", "skills", "lv", "hours", "link", "cat", "more"})
	if err != nil {
		t.Fatal(err)
	}
	row := b.row(record{2, []string{"X", "1", " R&amp;D \u200b", `{" A, B"," C|D","(36.9k reviews)"}`, "expert level", "1,5", "q?x=42", "理学/工学", "?"}})
	want := map[string]string{
		"id": "X-1", "title": "R&D", "tags": "A, B|C/D", "level": "advanced", "duration_minutes": "90", "url": "42", "category": "理学",
		"provider": "P", "currency": "EUR",
	}
	if diff := cmp.Diff(want, row.cells); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"more"}, b.unknown); diff != "" {
		t.Error(diff)
	}
	row = b.row(record{3, []string{"X", "1", "t", "None", "None", "None", "", "", ""}})
	if v, ok := row.cells["tags"]; ok {
		t.Errorf("a null word became the tags %q", v)
	}
}

func TestHintNamesThePreset(t *testing.T) {
	_, err := bind(nil, strings.Split("course_id,course_title,url,is_paid,price,num_subscribers,num_reviews,num_lectures,level,content_duration,published_timestamp,subject", ","))
	if err == nil || !strings.Contains(err.Error(), "--map udemy") {
		t.Errorf("error is %v, want one that names --map udemy", err)
	}
}

func TestFold(t *testing.T) {
	row := func(cells map[string]string) courseRow { return courseRow{cells: cells} }
	r := row(map[string]string{"id": "1", "title": "A", "tags": "x|y", "instructors": "Ada|Bo", "instructor_ratings": "4"})
	r.fold(row(map[string]string{"id": "1", "title": "B", "summary": "s", "tags": "y|z", "instructors": "Cy|Ada|Di", "instructor_ratings": "3:2||5"}))
	want := map[string]string{
		"id": "1", "title": "A", "summary": "s", "tags": "x|y|z",
		"instructors": "Ada|Bo|Cy|Di", "instructor_ratings": "4||3:2|5",
	}
	if diff := cmp.Diff(want, r.cells); diff != "" {
		t.Error(diff)
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[string]float64{"16.4k": 16400, "1,234": 1234, "1,234,567.5": 1234567.5, "4,7": 4.7, "$ 20": 20, "2M": 2e6, "12": 12, "1 234": 1234} {
		if got, err := number("n", in, 0, 1e9); err != nil || got != want {
			t.Errorf("number(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "k", "four", "NaN", "Inf", "1e400", "-1", "2,3,4"} {
		if got, err := number("n", in, 0, 1e9); err == nil {
			t.Errorf("number(%q) = %v, want an error", in, got)
		}
	}
}

func TestCheckNamesTheColumn(t *testing.T) {
	for column, cell := range map[string]string{
		"rating": "6", "level": "Degree", "certificate": "maybe", "starts_at": "soon", "language": "klingon!", "instructor_ratings": "4|x", "state": clearCell,
		"title": "a\nb", "duration_minutes": "long",
	} {
		cells := map[string]string{"id": "1", "title": "t"}
		cells[column] = cell
		err := courseRow{cells: cells}.check()
		e, rejectErr := reject(7, map[string]string{column: "Spalte"}, err)
		if rejectErr != nil || e == nil {
			t.Fatalf("%s: %v", column, err)
		}
		if e.Column != "Spalte" || e.Line != 7 || e.Code == "" || e.Detail == "" {
			t.Errorf("%s=%q: %+v", column, cell, e)
		}
	}
}
