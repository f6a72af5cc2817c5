package search_test

import (
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
)

// TestSelectedValuesTellNothing names by a filter what only an invisible course has: the answer repeats what was asked, not what is stored.
func TestSelectedValuesTellNothing(t *testing.T) {
	c := newCatalog(t)
	update(t, c, func(tx *catalog.Tx) error {
		for _, course := range []catalog.Course{
			{ID: "seen", Text: catalog.Text{Title: "Seen"}, Language: catalog.English, Provider: "Known School"},
			{ID: "draft", Text: catalog.Text{Title: "Draft"}, Language: catalog.English, Provider: "Secret Lab", State: catalog.Draft},
		} {
			if _, err := tx.PutCourse(course, catalog.Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	for _, test := range []struct{ ask, want string }{{"secret lab", "secret lab"}, {"known school", "Known School"}, {"nowhere", "nowhere"}} {
		r := find(t, x, search.Request{Providers: []string{test.ask}, Levels: []string{"advanced"}, Facets: []string{search.FacetProvider}})
		var got string
		for _, v := range r.Facets[search.FacetProvider] {
			if v.Selected {
				got = v.Value
			}
		}
		if got != test.want {
			t.Errorf("provider=%s is listed as %q, want %q", test.ask, got, test.want)
		}
	}
}
