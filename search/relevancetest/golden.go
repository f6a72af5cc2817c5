package relevancetest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
)

const (
	// tolerated is how much a total may drop: what rounding in the file takes.
	tolerated = 0.0005
	// outdated is how much better than the file a total may be before the file must be written again, or a later drop would not be seen.
	outdated = 0.01
	// maxShownTitle is how many characters of a title the file shows.
	maxShownTitle = 40
)

// Golden is what was measured once, as its file holds it.
type Golden struct {
	Totals  []Total
	Queries map[string]Score // by key
}

// key names a query of a catalog in the file.
func key(name string, q Query) string {
	return fmt.Sprintf("%s %s %s | %s", name, q.Locale, q.Category, q.Text)
}

const (
	totalFormat = "%-5s %-8s %3d  %.4f %.4f %.4f"
	scoreFormat = "%.4f %.4f %.4f  "
)

// Report writes what was measured in a catalog as a part of a golden file.
func Report(name string, results []Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: locale or category, queries, nDCG@10, MRR, recall@20\n", name)
	for _, t := range append(Totals(name, results), ByCategory(name, results)...) {
		fmt.Fprintf(&b, totalFormat+"\n", t.Catalog, t.Locale, t.Queries, t.NDCG, t.MRR, t.Recall)
	}
	fmt.Fprintf(&b, "\n# %s: each query with its first hits and their grades\n", name)
	for _, r := range results {
		fmt.Fprintf(&b, scoreFormat+"%s\n", r.NDCG, r.MRR, r.Recall, key(name, r.Query))
		for _, h := range r.Top {
			fmt.Fprintf(&b, "\t%s %s  %s\n", gradeSign(r.Grades[h.ID]), h.ID, clip(h.Course.Title))
		}
	}
	return b.String()
}

func gradeSign(g Grade) string {
	if g == Nothing {
		return "-"
	}
	return fmt.Sprint(int(g))
}

func clip(title string) string {
	title = strings.Join(strings.Fields(title), " ")
	if r := []rune(title); len(r) > maxShownTitle {
		return string(r[:maxShownTitle-1]) + "…"
	}
	return title
}

// ReadGolden reads a golden file.
func ReadGolden(path string) (Golden, error) {
	g := Golden{Queries: map[string]Score{}}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return g, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "\t") {
			continue
		}
		if line[0] < '0' || line[0] > '9' {
			var t Total
			if _, err := fmt.Sscan(line, &t.Catalog, &t.Locale, &t.Queries, &t.NDCG, &t.MRR, &t.Recall); err != nil {
				return g, fmt.Errorf("%s:%d: %w", path, n, err)
			}
			g.Totals = append(g.Totals, t)
			continue
		}
		scores, name, found := strings.Cut(line, "  ")
		var s Score
		if _, err := fmt.Sscan(scores, &s.NDCG, &s.MRR, &s.Recall); err != nil || !found {
			return g, fmt.Errorf("%s:%d: no scores and query: %q", path, n, line)
		}
		g.Queries[name] = s
	}
	return g, lines.Err()
}

// Compare says what is worse than in the golden file, and whether the file is out of date: totals are much better, or the queries are others.
func (g Golden) Compare(name string, results []Result) (worse, stale []string) {
	known := map[string]Total{}
	for _, t := range g.Totals {
		known[t.Catalog+" "+t.Locale] = t
	}
	for _, t := range Totals(name, results) {
		old, ok := known[t.Catalog+" "+t.Locale]
		if !ok || old.Queries != t.Queries {
			stale = append(stale, fmt.Sprintf("%s %s has %d queries, not %d", t.Catalog, t.Locale, t.Queries, old.Queries))
			continue
		}
		for _, m := range []struct {
			name     string
			was, now float64
		}{{"nDCG@10", old.NDCG, t.NDCG}, {"MRR", old.MRR, t.MRR}, {"recall@20", old.Recall, t.Recall}} {
			change := fmt.Sprintf("%s %s %s: %.4f → %.4f", t.Catalog, t.Locale, m.name, m.was, m.now)
			switch {
			case m.now < m.was-tolerated:
				worse = append(worse, change)
			case m.now > m.was+outdated:
				stale = append(stale, change)
			}
		}
	}
	for _, r := range results {
		if _, ok := g.Queries[key(name, r.Query)]; !ok {
			stale = append(stale, "new: "+key(name, r.Query))
		}
	}
	return worse, stale
}

// Drops lists the queries that are answered worse than in the golden file, with what is found now.
func (g Golden) Drops(name string, results []Result) []string {
	var list []string
	for _, r := range results {
		old, ok := g.Queries[key(name, r.Query)]
		if !ok || r.NDCG >= old.NDCG-tolerated && r.MRR >= old.MRR-tolerated && r.Recall >= old.Recall-tolerated {
			continue
		}
		ids := make([]catalog.CourseID, 0, len(r.Top))
		for _, h := range r.Top {
			ids = append(ids, h.ID)
		}
		list = append(list, fmt.Sprintf("%s: %.4f %.4f %.4f → %.4f %.4f %.4f, now %v",
			key(name, r.Query), old.NDCG, old.MRR, old.Recall, r.NDCG, r.MRR, r.Recall, ids))
	}
	return list
}
