package ingest

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
)

// TestDemoSynonyms: the catalog takes them, for everybody, and each leads from words that the demo catalog may lack to words that it has.
func TestDemoSynonyms(t *testing.T) {
	c := open(t)
	for range 2 { // a start that was broken off writes them again
		if _, err := c.Update(t.Context(), catalog.System, PutDemoSynonyms); err != nil {
			t.Fatal(err)
		}
	}
	list, err := c.ListSynonyms(t.Context(), catalog.System, catalog.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var given []catalog.Synonym
	if err := json.Unmarshal(demoSynonyms, &given); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 || len(list.Items) != len(given) {
		t.Errorf("%d synonyms are stored, %d given", len(list.Items), len(given))
	}
	var texts strings.Builder
	for _, f := range Demo() {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		texts.WriteString(strings.ToLower(string(text)))
	}
	all := texts.String()
	for _, s := range list.Items {
		if org := catalog.OrgOf(string(s.Value.ID)); org != "" {
			t.Errorf("%s is of organization %q", s.Value.ID, org)
		}
		for _, term := range s.Value.To {
			if !strings.Contains(all, strings.ToLower(term)) {
				t.Errorf("%s leads to %q, which the demo catalog does not have", s.Value.ID, term)
			}
		}
	}
}
