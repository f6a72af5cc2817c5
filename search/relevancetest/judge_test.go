package relevancetest_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/relevancetest"
)

func TestScores(t *testing.T) {
	q := relevancetest.Query{Grades: map[catalog.CourseID]relevancetest.Grade{"a": 3, "b": 2, "c": 1}}
	ideal := 7 + 3/math.Log2(3) + 0.5
	for name, c := range map[string]struct {
		found []catalog.CourseID
		want  relevancetest.Score
	}{
		"all in order":         {[]catalog.CourseID{"a", "b", "c"}, relevancetest.Score{NDCG: 1, MRR: 1, Recall: 1}},
		"nothing":              {nil, relevancetest.Score{}},
		"the wrong ones":       {[]catalog.CourseID{"x", "y"}, relevancetest.Score{}},
		"a related one is not": {[]catalog.CourseID{"c"}, relevancetest.Score{NDCG: 1 / ideal}},
		"late":                 {[]catalog.CourseID{"x", "y", "z", "b"}, relevancetest.Score{NDCG: 3 / math.Log2(5) / ideal, MRR: 0.25, Recall: 0.5}},
		"on the page, not among the ten": {
			[]catalog.CourseID{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a"}, relevancetest.Score{MRR: 1.0 / 11, Recall: 0.5},
		},
	} {
		got := q.Judge(c.found)
		for _, d := range []float64{got.NDCG - c.want.NDCG, got.MRR - c.want.MRR, got.Recall - c.want.Recall} {
			if math.Abs(d) > 1e-12 {
				t.Errorf("%s: %+v, want %+v", name, got, c.want)
			}
		}
	}
}

func TestJudgmentsAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"[en topic] go\n3 a b\n1 c\n":            "",
		"[en topic] go\n1 a\n":                   "0 courses worth finding",
		"[en topic] go\n3 a\n2 a\n":              "judged twice",
		"[en topic] go\n3 a\n[en tag] go\n3 b\n": "there twice",
		"[en fun] go\n3 a\n":                     "no locale and category",
		"[en topic] go\n4 a\n":                   "neither a query nor a grade",
		"3 a\n":                                  "neither a query nor a grade",
	} {
		path := filepath.Join(t.TempDir(), "judged.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := relevancetest.ReadQueries(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// The gate itself: a drop is a failure that names its query, and so is a rise that nobody has written down.
func TestGoldenSeesChanges(t *testing.T) {
	result := func(ndcg float64) []relevancetest.Result {
		q := relevancetest.Query{Locale: catalog.English, Category: "topic", Text: "go"}
		return []relevancetest.Result{{Query: q, Score: relevancetest.Score{NDCG: ndcg, MRR: 0.5, Recall: 0.5}}}
	}
	path := filepath.Join(t.TempDir(), "golden.txt")
	if err := os.WriteFile(path, []byte(relevancetest.Report("demo", result(0.8))), 0o600); err != nil {
		t.Fatal(err)
	}
	golden, err := relevancetest.ReadGolden(path)
	if err != nil {
		t.Fatal(err)
	}
	for ndcg, want := range map[float64][3]bool{ // worse, stale, named
		0.8:    {false, false, false},
		0.7996: {false, false, false},
		0.7990: {true, false, true},
		0.805:  {false, false, false},
		0.82:   {false, true, false},
	} {
		worse, stale := golden.Compare("demo", result(ndcg))
		drops := golden.Drops("demo", result(ndcg))
		if got := [3]bool{len(worse) > 0, len(stale) > 0, len(drops) > 0}; got != want {
			t.Errorf("from 0.8 to %v: %v, want %v: %v %v %v", ndcg, got, want, worse, stale, drops)
		}
	}
	other := result(0.8)
	other[0].Text = "golang"
	if _, stale := golden.Compare("demo", other); len(stale) == 0 {
		t.Error("a query that is not in the file passes")
	}
}
