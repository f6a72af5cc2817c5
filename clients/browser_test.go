package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// visitor is a person at the page, with the server's own search to compare with.
type visitor struct {
	t       *testing.T
	ctx     context.Context
	server  string
	traffic *traffic
}

func ask[T any](v visitor, js string) T {
	v.t.Helper()
	out, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		v.t.Fatalf("%s: %v", js, err)
	}
	return out
}

// until waits for an expression to become true.
func (v visitor) until(js string) {
	v.t.Helper()
	const waitForEach, lookInterval = 20 * time.Second, 50 * time.Millisecond
	deadline := time.NewTimer(waitForEach)
	defer deadline.Stop()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		yes, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if err == nil && yes {
			return
		}
		select {
		case <-deadline.C:
			v.t.Fatalf("waited in vain for %s (%v); the page: %s", js, err, ask[string](v, "document.body.innerText.slice(0, 3000)"))
		case <-look.C:
		}
	}
}

// click clicks what an expression finds.
func (v visitor) click(js string) {
	v.t.Helper()
	v.until(js)
	ask[bool](v, "(el => (el.click(), true))("+js+")")
}

func (v visitor) keys(text string) {
	v.t.Helper()
	for _, r := range text {
		if err := chromedp.Do(v.ctx, chromedp.KeyEvent(string(r))); err != nil {
			v.t.Fatal(err)
		}
	}
}

func quoted(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// item finds the entry of a list by its label.
func item(container, label string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%s)].find(el => (el.querySelector("[class$=labelText], [class$=-label]") ?? el).textContent.trim() === %s)`,
		quoted(container+" li a, "+container+" li label"), quoted(label))
}

// truth is what GET /v2/search says.
type truth struct {
	Total int
	Hits  []struct {
		ID     string
		Course struct{ Title string }
	}
	Facets map[string][]struct {
		Value, Label string
		Count        int
	}
}

func (v visitor) truth(parameters string) truth {
	v.t.Helper()
	res, err := http.Get(v.server + "/v2/search?locale=en&facet_limit=100&limit=100&facets=*&" + parameters)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	var found truth
	if err := json.NewDecoder(res.Body).Decode(&found); err != nil || res.StatusCode != http.StatusOK {
		v.t.Fatal(parameters, res.Status, err)
	}
	return found
}

func (f truth) ids(from, to int) []string {
	list := []string{}
	for _, h := range f.Hits[min(from, len(f.Hits)):min(to, len(f.Hits))] {
		list = append(list, h.ID)
	}
	return list
}

func (f truth) counts(facet string, labelled bool) map[string]int {
	counts := map[string]int{}
	for _, value := range f.Facets[facet] {
		if value.Count == 0 {
			continue
		}
		if labelled {
			counts[value.Label] = value.Count
		} else {
			counts[value.Value] = value.Count
		}
	}
	return counts
}

const perPage = 8

// shows waits until the page holds the hits of a search, page by page, and returns what that search says.
func (v visitor) shows(parameters string, page int) truth {
	v.t.Helper()
	want := v.truth(parameters)
	v.until(fmt.Sprintf(`search.status === "idle" && search.helper.lastResults?.nbHits === %d && JSON.stringify([...document.querySelectorAll("#hits article")].map(el => el.dataset.id)) === %s`,
		want.Total, quoted(compact(want.ids(page*perPage, (page+1)*perPage)))))
	return want
}

func compact(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// counted reads the entries of a list with their counts as they stand on the page.
func (v visitor) counted(container string) map[string]int {
	v.t.Helper()
	return ask[map[string]int](v, fmt.Sprintf(`Object.fromEntries([...document.querySelectorAll(%s)].map(el => [el.querySelector("[class$=labelText], [class$=-label]").textContent.trim(), +el.querySelector("[class$=count]").textContent.replace(/\D/g, "")]))`,
		quoted(container+" li a, "+container+" li label")))
}

func (v visitor) same(what string, want, got map[string]int) {
	v.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		v.t.Errorf("%s: the API (-) and the page (+) differ:\n%s", what, diff)
	}
}

// told logs what the widgets asked since the last time, and holds the server to one pass per call.
func (v visitor) told(what string) cost {
	v.t.Helper()
	c := v.traffic.take()
	v.t.Logf("%-34s %2d calls, %2d requests (at most %d in a call), %2d passes", what, c.calls, c.requests, c.mostRequests, c.passes)
	if c.passes != c.calls || c.mostPasses > 1 {
		v.t.Errorf("%s: %d calls took %d passes, at most %d for one call: want one for each", what, c.calls, c.passes, c.mostPasses)
	}
	return c
}

// TestWidgets runs InstantSearch's own widgets against a server and compares all that they show with what the API says.
func TestWidgets(t *testing.T) {
	c := &traffic{}
	site, server := page(t, c)
	v := visitor{t, browser(t), server, c}
	if err := chromedp.Do(v.ctx, chromedp.Navigate(site)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(visitor){opening, typing, levels, stars, subjects, paging, tags, minutes, chips, newest, dynamic, mistakes} {
		step(v)
	}
	v.shot("desktop", 1280)
	v.shot("phone", 390)
}

func opening(v visitor) {
	all := v.shows("", 0)
	v.same("levels", all.counts("level", false), v.counted("#levels"))
	v.until(fmt.Sprintf(`document.querySelector("#stats").textContent.startsWith(%q)`, fmt.Sprintf("%d results", all.Total)))
	v.told("opening")
}

func typing(v visitor) {
	ask[bool](v, `(document.querySelector("#searchbox input").focus(), true)`)
	for _, r := range "python" {
		v.keys(string(r))
	}
	found := v.shows("q=python", 0)
	if found.Total == 0 {
		v.t.Fatal("the demo catalog has no course for python")
	}
	v.until(`document.querySelector("#hits article mark")?.textContent === "Python"`)
	v.same("levels", found.counts("level", false), v.counted("#levels"))
	if c := v.told("typing python"); c.calls == 0 || c.requests <= c.calls {
		v.t.Errorf("typing was counted as %d requests in %d calls", c.requests, c.calls)
	}
	for range "python" {
		v.keys("\b")
	}
	v.shows("", 0)
	v.told("deleting it (from the cache)")
	v.keys("data")
	v.shows("q=data", 0)
	v.told("typing data")
}

// levels refines by any of several values: the other values keep their counts.
func levels(v visitor) {
	v.click(item("#levels", "beginner"))
	one := v.shows("q=data&level=beginner", 0)
	v.same("levels", one.counts("level", false), v.counted("#levels"))
	v.click(item("#levels", "intermediate"))
	two := v.shows("q=data&level=beginner&level=intermediate", 0)
	v.same("levels", two.counts("level", false), v.counted("#levels"))
	v.told("two levels")
}

func stars(v visitor) {
	unfiltered := v.truth("q=data&level=beginner&level=intermediate").counts("rating", false)
	v.until(fmt.Sprintf(`[...document.querySelectorAll("#rating li")].map(el => +el.querySelector(".ais-RatingMenu-count").textContent.replace(/\D/g, "")).slice(0, 2).join() === "%d,%d"`,
		unfiltered["4"], unfiltered["3"]))
	v.click(`document.querySelector("#rating li a")`)
	found := v.shows("q=data&level=beginner&level=intermediate&min_rating=4", 0)
	v.same("levels under stars", found.counts("level", false), v.counted("#levels"))
	v.told("four stars and up")
}

// subjects goes down the hierarchy. The requests of a keystroke with two lists, stars and a subject of the second level are six and one.
func subjects(v visitor) {
	const filters = "q=data&level=beginner&level=intermediate&min_rating=4"
	top := v.counted("#categories")
	all := v.truth(filters).counts("category", true)
	for label, n := range top {
		if all[label] != n {
			v.t.Errorf("subject %s: %d on the page, %d in the API", label, n, all[label])
		}
	}
	v.click(item("#categories", "Data science"))
	v.shows(filters+"&category=data-science", 0)
	v.told("a subject")
	v.click(item("#categories", "Machine learning"))
	v.shows(filters+"&category=machine-learning", 0)
	v.told("a subject below it")
	v.click(`document.querySelector("#searchbox input")`)
	ask[bool](v, `(document.querySelector("#searchbox input").focus(), true)`)
	v.keys(" ")
	v.until(`search.helper.state.query.endsWith(" ") && search.status === "idle"`)
	v.shows(filters+"&category=machine-learning", 0)
	v.told("one keystroke with all of that")
	v.click(`document.querySelector("#clear button")`)
	v.shows("q=data", 0)
	v.told("clearing")
}

func paging(v visitor) {
	v.click(`document.querySelector("#pagination [class*=nextPage] a")`)
	v.shows("q=data", 1)
	ask[bool](v, `(s => (s.value = "courses:title:asc", s.dispatchEvent(new Event("change", {bubbles: true})), true))(document.querySelector("#sort select"))`)
	v.shows("q=data&sort=title", 0)
	v.click(`document.querySelector("#pagination [class*=nextPage] a")`)
	v.shows("q=data&sort=title", 1)
	ask[bool](v, `(s => (s.value = "courses", s.dispatchEvent(new Event("change", {bubbles: true})), true))(document.querySelector("#sort select"))`)
	v.shows("q=data", 0)
	v.told("paging and sorting")
}

// tags refines by all of several values, found by searching among them.
func tags(v visitor) {
	counts := v.truth("q=data").Facets["tags"]
	v.until(`document.querySelector("#tags li")`)
	ask[bool](v, `(i => (i.focus(), i.value = "pyth", i.dispatchEvent(new Event("input", {bubbles: true})), true))(document.querySelector("#tags input[type=search]"))`)
	v.until(`document.querySelectorAll("#tags li").length === 1 && document.querySelector("#tags li mark").textContent === "Pyth"`)
	at := slices.IndexFunc(counts, func(f struct {
		Value, Label string
		Count        int
	},
	) bool {
		return f.Value == "python"
	})
	if got := v.counted("#tags")["Python"]; at < 0 || got != counts[at].Count {
		v.t.Errorf("the tag Python: %d on the page, in the API %+v", got, counts)
	}
	v.click(`document.querySelector("#tags li input[type=checkbox]")`)
	one := v.shows("q=data&all_tags=python", 0)
	var second string
	for _, value := range one.Facets["tags"] {
		if value.Value != "python" && value.Count > 0 {
			second = value.Value
			v.until(item("#tags", value.Label))
			if got := v.counted("#tags")[value.Label]; got != value.Count {
				v.t.Errorf("the tag %s beside Python: %d on the page, %d in the API", value.Label, got, value.Count)
			}
			v.click(item("#tags", value.Label))
			break
		}
	}
	v.shows("q=data&all_tags=python,"+url.QueryEscape(second), 0)
	v.click(`document.querySelector("#clear button")`)
	v.shows("q=data", 0)
	v.told("tags")
}

func minutes(v visitor) {
	ask[bool](v, `(([a, b]) => {
		const set = (el, value) => { Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(el, value); el.dispatchEvent(new Event("input", {bubbles: true})); };
		set(a, "300"); set(b, "600");
		return true;
	})(document.querySelectorAll("#duration input"))`)
	v.until(`document.querySelector("#duration input").value === "300"`)
	v.click(`document.querySelector("#duration button")`)
	v.shows("q=data&min_duration=300&max_duration=600", 0)
	v.told("minutes")
}

// chips takes refinements back one by one.
func chips(v visitor) {
	v.until(`document.querySelectorAll("#current .ais-CurrentRefinements-category").length === 2`)
	v.click(`[...document.querySelectorAll("#current .ais-CurrentRefinements-category")].find(el => el.textContent.includes("300")).querySelector("button")`)
	v.shows("q=data&max_duration=600", 0)
	v.click(`document.querySelector("#current button")`)
	v.shows("q=data", 0)
	v.told("taking filters back")
}

// newest is a second list, of another index, that grows.
func newest(v visitor) {
	list := v.truth("q=data&sort=newest")
	for n := 3; n <= 9; n += 3 {
		v.until(fmt.Sprintf(`JSON.stringify([...document.querySelectorAll("#newest [data-id]")].map(el => el.dataset.id)) === %s`, quoted(compact(list.ids(0, n)))))
		if n < 9 {
			v.click(`document.querySelector("#newest .ais-InfiniteHits-loadMore")`)
		}
	}
	v.told("more of the newest")
}

// dynamic are widgets that the answer asks for.
func dynamic(v visitor) {
	found := v.shows("q=data", 0)
	v.until(`document.querySelectorAll("#more .ais-RefinementList").length === 2`)
	v.same("languages", found.counts("language", false), v.counted("#more .ais-DynamicWidgets-widget:nth-child(1)"))
	v.click(item("#more", "fr"))
	v.shows("q=data&language=fr", 0)
	v.click(`document.querySelector("#clear button")`)
	v.shows("q=data", 0)
	v.told("dynamic widgets")
}

// mistakes reach the page as errors that say what is wrong.
func mistakes(v visitor) {
	got, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](
		`search.client.search([{indexName: "courses", params: {hitsPerPage: 1000}}]).catch(e => JSON.stringify([e.name, e.status, e.code, e.message]))`, chromedp.EvalAwaitPromise))
	if err != nil || !strings.Contains(got, `"SearchError",400,"invalid-parameter"`) || !strings.Contains(got, "hitsPerPage") {
		v.t.Errorf("a bad request: %s %v", got, err)
	}
	v.traffic.take()
	twice := `(async (c, q) => { const [a, b] = await Promise.all([c.search(q), c.search(q)]); return a !== b && JSON.stringify(a) === JSON.stringify(b); })(search.client, [{params: {query: "a"}}])`
	same, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool](twice, chromedp.EvalAwaitPromise))
	if cost := v.traffic.take(); err != nil || !same || cost.calls != 1 {
		v.t.Errorf("the same question twice: %d calls, equal answers of their own %t (%v)", cost.calls, same, err)
	}
}

// shot takes a picture of the page into the folder CARREL_SHOTS, when one is named.
func (v visitor) shot(name string, width int64) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.EmulateViewport(width, 900)); err != nil {
		v.t.Fatal(err)
	}
	if wide := ask[float64](v, "document.documentElement.scrollWidth"); wide > float64(width) {
		v.t.Errorf("%s: the page is %v wide on a screen of %d", name, wide, width)
	}
	dir := os.Getenv("CARREL_SHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "instantsearch-"+name+".png"), picture, 0o600)
	}
	if err != nil {
		v.t.Fatal(err)
	}
}
