package searchtest

import (
	"context"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/query"
)

// readCuration reads all synonyms and pins.
func (o *Oracle) readCuration(ctx context.Context, c *catalog.Catalog) error {
	for page := (catalog.Page{Limit: 100}); ; {
		list, err := c.ListSynonyms(ctx, catalog.System, page)
		if err != nil {
			return err
		}
		for _, s := range list.Items {
			o.synonyms = append(o.synonyms, s.Value)
		}
		if page.After = list.Next; page.After == "" {
			break
		}
	}
	for page := (catalog.Page{Limit: 100}); ; {
		list, err := c.ListPins(ctx, catalog.System, page)
		if err != nil {
			return err
		}
		for _, p := range list.Items {
			o.pins = append(o.pins, p.Value)
		}
		if page.After = list.Next; page.After == "" {
			return nil
		}
	}
}

// holds reports whether something that editors of an organization say for a language holds for a request.
func holds(req search.Request, org catalog.OrgID, l catalog.Locale) bool {
	locale := req.Locale
	if locale == "" {
		locale = catalog.English
	}
	return (org == "" || org == req.Actor.Org) && (l == "" || analysis.LangOf(string(l)) == analysis.LangOf(string(locale)))
}

// mean adds to the words what their synonyms mean.
func (o *Oracle) mean(req search.Request, words []wanted) {
	for _, s := range o.synonyms {
		if !holds(req, catalog.OrgOf(string(s.ID)), s.Language) {
			continue
		}
		for _, from := range s.From {
			for _, to := range s.To {
				replace(words, from, to)
				if s.TwoWay {
					replace(words, to, from)
				}
			}
		}
	}
}

func replace(words []wanted, from, to string) {
	parts := analysis.Words(from)
	for at := range words {
		w := words[at].words[0]
		if w.Kind == analysis.KindHan {
			if len(parts) != 1 {
				continue
			}
			for i := 0; ; {
				k := strings.Index(w.Fold[i:], parts[0].Fold)
				if k < 0 {
					break
				}
				i += k
				words[at].meant = append(words[at].meant, analysis.Words(w.Fold[:i]+" "+to+" "+w.Fold[i+len(parts[0].Fold):]))
				i++
			}
			continue
		}
		if at+len(parts) > len(words) {
			continue
		}
		same := true
		for k := range parts {
			same = same && alike(words[at+k].words[0], parts[k])
		}
		for k := range parts {
			if same {
				words[at+k].meant = append(words[at+k].meant, analysis.Words(to))
			}
		}
	}
}

// alike reports whether two words are the same or have the same stem.
func alike(a, b analysis.Word) bool {
	if a.Fold == b.Fold {
		return true
	}
	if a.Kind != analysis.KindWord || b.Kind != analysis.KindWord {
		return false
	}
	stem := func(l analysis.Lang, w analysis.Word) string {
		for _, t := range analysis.Analyze(l, w.Text) {
			return t.Text
		}
		return ""
	}
	for _, l := range []analysis.Lang{analysis.English, analysis.French} {
		if s := stem(l, a); s != "" && s == stem(l, b) {
			return true
		}
	}
	return false
}

// pinned returns the courses that are pinned for a query.
func (o *Oracle) pinned(req search.Request, q query.Query) map[catalog.CourseID]bool {
	by := strings.TrimPrefix(req.Sort, "-")
	if by != "" && by != search.SortRelevance || slices.ContainsFunc(q.Clauses, func(c query.Clause) bool { return c.Kind != query.KindWord || c.Not }) {
		return nil
	}
	set := map[catalog.CourseID]bool{}
	for _, p := range o.pins {
		if holds(req, catalog.OrgOf(string(p.ID)), p.Language) && q.Text() != "" && analysis.Fold(p.Query) == analysis.Fold(q.Text()) {
			for _, id := range p.Pins {
				set[id] = true
			}
		}
	}
	return set
}

// PinnedQueries returns the queries for which something is pinned.
func (o *Oracle) PinnedQueries() []string {
	var list []string
	for _, p := range o.pins {
		list = append(list, p.Query)
	}
	return list
}
