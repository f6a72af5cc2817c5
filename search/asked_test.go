package search

import "testing"

func TestAsked(t *testing.T) {
	for q, want := range map[string][2]string{
		"Machine  Learning":   {"machine learning", "machine learning"},
		"machine, learning!":  {"machine learning", "machine learning"},
		"((((go)))) !!! C++)": {"go c++", "go c++"},
		"Données":             {"données", "donnees"},
		"ＰＹＴＨＯＮ":              {"python", "python"},
		"機器學習":                {"機器學習", "机器学习"},
		`"Exact Phrase" word`: {`"exact phrase" word`, `"exact phrase" word`},
		"go -Java":            {"go -java", "go -java"},
		"tag:Go":              {"tag:go", "tag:go"},
		"":                    {"", ""},
		"?!":                  {"", ""},
		"rating:many":         {"", ""}, // is no query
	} {
		if text, key := Asked(q); text != want[0] || key != want[1] {
			t.Errorf("Asked(%q) = %q, %q; want %q, %q", q, text, key, want[0], want[1])
		}
	}
	_, c := Asked("c")
	_, cpp := Asked("C++")
	if c == cpp {
		t.Errorf("C and C++ share the key %q", c)
	}
}

func TestFiltered(t *testing.T) {
	rating, minutes := 4.0, 60
	for name, r := range map[string]Request{
		"tag": {Tags: []string{"go"}}, "state": {States: []string{"*"}}, "all_tags": {AllTags: []string{"go"}}, "min_rating": {MinRating: &rating},
		"min_instructor_rating": {MinInstructorRating: &rating}, "min_duration": {MinDuration: &minutes}, "max_duration": {MaxDuration: &minutes}, "free": {Free: true},
	} {
		if !r.Filtered() {
			t.Errorf("%s is no filter", name)
		}
	}
	plain := Request{Q: "go", Sort: SortTitle, Facets: []string{"*"}, FacetLimit: 5, FacetQ: "tags:g", Limit: 3, Cursor: "x", Explain: true}
	if plain.Filtered() {
		t.Errorf("%+v has no filter", plain)
	}
}
