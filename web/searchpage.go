package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
)

// resultsPage is what search.html shows.
type resultsPage struct {
	Q         string
	Plain     bool // nothing was asked: the page greets
	Total     int
	CountText string
	Cards     []card
	Facets    []facet
	Free      bool
	Hidden    []hiddenField
	Chips     []chip
	ClearURL  string // the same words without filters
	Sorts     []choice
	More      string // address of the next page of results
	First     string // address of the first page, when this is a later one
	Corrected string // a query that finds more
	Meant     string // its address
	Relaxed   bool
	Drops     []drop // without results: what to give up
	Unready   bool   // the index is being built
	Save      saving
	QueryID   string // by which clicks are told; "" when they are not
}

// choice is an entry of the sort menu.
type choice struct {
	Value, Text string
	Selected    bool
}

// drop says how many courses there are without one of the filters, or without the words.
type drop struct {
	Text, Lang string
	Count      int
	CountText  string
	URL        string
}

func (p *pages) searchPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		return err
	}
	q.req.Actor, q.req.Locale = v.actor, v.locale
	page, status, err := p.results(r, v, q)
	if err != nil {
		return err
	}
	l := layout{
		Title: v.text.Text("page.search.title", nil), About: v.text.Text("page.search.about", nil), Address: p.base(r) + q.with(func(*search.Request) {}).url(),
		Section: "search", WholeBox: true, Unlisted: !q.plain(), Body: page,
	}
	if q.req.Q != "" {
		l.Title = v.text.Text("page.search.title_for", map[string]any{"Query": q.req.Q})
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	return p.render(w, r, status, viewSearch, l)
}

// results answers a query. While the index is being built the page stands without results, and says so.
func (p *pages) results(r *http.Request, v *visit, q query) (resultsPage, int, error) {
	ctx := r.Context()
	page := resultsPage{Q: q.req.Q, Plain: q.plain(), ClearURL: query{search.Request{Q: q.req.Q, Sort: q.req.Sort}}.url(), Sorts: v.sorts(q), Free: q.req.Free}
	found, err := p.search(ctx, q.req)
	if fault.Is(err, fault.NotReady) {
		page.Unready = true
		return page, http.StatusServiceUnavailable, nil
	}
	if err != nil {
		return page, 0, err
	}
	if p.noteSearch(r, v, q, found) {
		page.QueryID = found.QueryID
	}
	page.Total, page.Corrected, page.Relaxed = found.Total, found.Corrected, found.Relaxed
	if found.Corrected != "" {
		page.Meant = q.with(func(r *search.Request) { r.Q = found.Corrected }).url()
	}
	page.CountText = v.text.Plural("page.search.count", found.Total, nil)
	if found.Next != nil {
		next := q
		next.req.Cursor = *found.Next
		page.More = next.url()
	}
	if q.req.Cursor != "" {
		page.First = q.with(func(*search.Request) {}).url()
	}
	err = p.cfg.Catalog.View(ctx, func(view *catalog.View) (err error) {
		if page.Save, err = v.saving(view, q, q.url()); err != nil {
			return err
		}
		return page.fill(v, view, q, found)
	})
	if err == nil && found.Total == 0 {
		page.Drops, err = p.drops(ctx, v, q, page.Chips)
	}
	return page, http.StatusOK, err
}

// fill makes cards, facets and chips of an answer.
func (page *resultsPage) fill(v *visit, view *catalog.View, q query, found *search.Response) error {
	for _, hit := range found.Hits {
		c, err := v.card(view, hit.Course, hit.Highlights)
		if err != nil {
			return err
		}
		page.Cards = append(page.Cards, c)
	}
	var err error
	if page.Facets, err = v.facets(view, q, found.Facets); err != nil {
		return err
	}
	page.Hidden = q.hidden(page.Facets)
	page.Chips, err = v.chips(view, q)
	return err
}

// sorts lists the orders that one can choose. Relevance makes sense with words only.
func (v *visit) sorts(q query) []choice {
	names := []string{search.SortRating, search.SortPopular, search.SortNewest, search.SortTitle, search.SortDuration}
	if q.req.Q != "" {
		names = append([]string{search.SortRelevance}, names...)
	}
	current := q.sort()
	if !slices.Contains(names, current) {
		names = append(names, current)
	}
	usual := query{search.Request{Q: q.req.Q}}.sort()
	var list []choice
	for _, name := range names {
		text := v.text.Text("sort."+strings.TrimPrefix(name, "-"), nil)
		if strings.HasPrefix(name, "-") {
			text = v.text.Text("sort.reversed", map[string]any{"Order": text})
		}
		c := choice{Value: name, Text: text, Selected: name == current}
		if name == usual {
			c.Value = "" // so that what nobody chose is not asked for: with other words another order may be the usual one
		}
		list = append(list, c)
	}
	return list
}

// maxDrops bounds the searches by which an empty page looks for a way out: one for each filter dropped.
const maxDrops = 6

// drops finds out which filter to give up, the most fruitful first. When no single one helps, giving up all may.
func (p *pages) drops(ctx context.Context, v *visit, q query, chips []chip) ([]drop, error) {
	count := func(r search.Request) (int, error) {
		r.Limit, r.Facets, r.FacetQ, r.Cursor = 1, nil, "", ""
		found, err := p.search(ctx, r)
		if err != nil {
			return 0, err
		}
		return found.Total, nil
	}
	var list []drop
	add := func(text, lang string, rest query) error {
		n, err := count(rest.req)
		if err == nil && n > 0 {
			list = append(list, drop{Text: text, Lang: lang, Count: n, CountText: v.text.Plural("page.search.count", n, nil), URL: rest.url()})
		}
		return err
	}
	for _, c := range chips[:min(len(chips), maxDrops)] {
		if err := add(c.Text, c.Lang, query{c.without}); err != nil {
			return nil, err
		}
	}
	if q.req.Q != "" && len(chips) > 0 {
		if err := add(q.req.Q, "", q.with(func(r *search.Request) { r.Q = "" })); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, func(a, b drop) int { return b.Count - a.Count })
	if len(list) > 0 || len(chips) < 2 {
		return list, nil
	}
	rest := query{search.Request{Q: q.req.Q, Actor: q.req.Actor, Locale: q.req.Locale}}
	err := add(v.text.Text("page.search.all_filters", nil), "", rest)
	return list, err
}

const (
	// maxSearches run at once for pages: a search keeps a processor busy for about a millisecond, so this many wait for less than a blink.
	maxSearches = 64
	// searchWait is how long a page waits for its turn.
	searchWait = 2 * time.Second
)

// search searches when it is our turn; fault.Overloaded when that takes too long.
func (p *pages) search(ctx context.Context, r search.Request) (*search.Response, error) {
	wait, cancel := context.WithTimeout(ctx, searchWait)
	defer cancel()
	if err := p.turns.Acquire(wait, 1); err != nil {
		return nil, fault.Wrap("web.search", fault.Overloaded, err, "retry_after", retrySeconds)
	}
	defer p.turns.Release(1)
	return p.cfg.Search.Search(ctx, r)
}
