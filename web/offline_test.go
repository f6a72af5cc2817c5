package web

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/carrel-lms/carrel/locales"
)

func TestServiceWorker(t *testing.T) {
	v := newSite(t, options{}).visitor("fr")
	script := v.get("/sw.js")
	script.wants(t, http.StatusOK, "self.SHELL = ", "addEventListener")
	if got := script.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control is %q: an update would be late", got)
	}
	if got := script.Header.Get("Content-Security-Policy"); !strings.Contains(got, "worker-src 'self'") {
		t.Errorf("the policy is %q", got)
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(script.body, "self.SHELL = "), ";\n")
	var of shell
	if err := json.Unmarshal([]byte(line), &of); err != nil {
		t.Fatal(err)
	}
	for _, file := range of.Files {
		v.get(file).wants(t, http.StatusOK)
	}
	for _, tag := range locales.Tags {
		page := v.get(of.Pages[string(tag)])
		page.wants(t, http.StatusOK, `<html lang="`+string(tag)+`">`, "/static/offline/pages.", `id="words"`)
		for _, m := range regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`).FindAllStringSubmatch(page.body, -1) {
			if !slices.Contains(of.Files, m[1]) {
				t.Errorf("the shell needs %s, which the service worker does not keep", m[1])
			}
		}
	}
}

// TestModulesFindEachOther: the names in a served module are those under which the others are served.
func TestModulesFindEachOther(t *testing.T) {
	files := must[*assets](t)(loadAssets())
	found := 0
	for name, f := range files.byName {
		for _, m := range imported.FindAllSubmatch(f.body, -1) {
			found++
			t.Errorf("%s imports %s by a name without a hash", name, m[2])
		}
		for _, m := range regexp.MustCompile(`(?m)(?:^import [^"\n]*|await import\()"\./([^"]+)"`).FindAllSubmatch(f.body, -1) {
			found++
			if _, ok := files.byName["offline/"+string(m[1])]; !ok {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no import was found: the pattern no longer fits")
	}
}

// TestScriptsHaveTheirWords: every text that a module names comes with the page, in every language, with all placeholders that it has.
func TestScriptsHaveTheirWords(t *testing.T) {
	known := slices.Concat(pageTexts, pageCounts, shellTexts, shellCounts)
	named := regexp.MustCompile(`\b[tn]\((?:[^()"]* \? )?"([a-z][\w.-]+)"(?: : "([a-z][\w.-]+)")?[,)]`)
	count := 0
	err := fs.WalkDir(staticFiles, "static/offline", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text := must[[]byte](t)(staticFiles.ReadFile(path))
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			for _, id := range m[1:] {
				if count++; id != "" && !slices.Contains(known, id) {
					t.Errorf("%s names %s, which does not come with the page", path, id)
				}
			}
		}
		return nil
	})
	if err != nil || count < 50 {
		t.Fatalf("%d texts found: %v", count, err)
	}
	bundle := must[*locales.Bundle](t)(locales.Load(""))
	for _, tag := range locales.Tags {
		p := bundle.Printer(tag)
		for id, text := range scriptWords(p, true) {
			if !p.Has(id) {
				t.Errorf("%s has no text %s", tag, id)
			}
			if got := string(must[[]byte](t)(json.Marshal(text))); strings.Contains(got, "no value") {
				t.Errorf("%s: %s has a placeholder that scripts do not know: %s", tag, id, got)
			}
		}
	}
}

// moduleTests are expressions about the modules, each with its value as JSON.
var moduleTests = []struct{ name, js, want string }{
	{"accents and case", `find.fold("ŒUVRE Élève Straße")`, `"oeuvre eleve strasse"`},
	{"words", `find.terms("Apprendre  le C++, vite!")`, `["apprendre","le","c++","vite"]`},
	{"Han", `find.terms("机器学习 AI")`, `["机器","器学","学习","ai"]`},
	{"title before summary", `search("go").hits.map(c => c.id)`, `["B","A"]`},
	{"all words", `search("go concurrency").hits.map(c => c.id)`, `["A"]`},
	{"a synonym", `search("golang").hits.map(c => c.id)`, `["A"]`},
	{"a person", `search("Åsa").hits.map(c => c.id)`, `["B"]`},
	{"archived courses are not listed", `search("").hits.map(c => c.id)`, `["A","B"]`},
	{"a category includes those below it", `search("", "category=top").hits.map(c => c.id)`, `["A"]`},
	{"counts leave the filter itself aside", `search("", "level=beginner").facets.find(f => f.param === "level").values.map(v => [v.id, v.count])`, `[["beginner",1],["advanced",1]]`},
	{"and respect the others", `search("", "level=beginner").facets.find(f => f.param === "tag").values.length`, `0`},

	{
		"progress adds up", `queue.mergeProgress({position: 5, completed: false, time_by_device: {a: 3, b: 9}}, {position: 2, completed: true, time_by_device: {a: 4}})`,
		`{"position":5,"completed":true,"time_by_device":{"a":4,"b":9}}`,
	},
	{
		"two deeds become one", `queue.coalesce({n: 3, kind: "review", key: "A", op: "upsert", base: 7, doc: {rating: 1}, sent: false}, "delete")`,
		`{"n":3,"kind":"review","key":"A","op":"delete","base":7,"sent":false}`,
	},
	{
		"deeds lie over rows", `queue.lay([row("A", 1), row("B", 2)], [deed(1, "A", "delete"), deed(2, "C", "upsert", {state: "active"})]).map(r => [r.id, r.doc.state])`,
		`[["B","active"],["C","active"]]`,
	},
	{
		"applied", `queue.result(deed(1, "A", "upsert", {state: "completed"}), row("A", 4), {n: 1, status: "applied", version: 9})`,
		`{"row":{"kind":"enrollment","id":"A","version":9,"doc":{"state":"completed","id":"A","course":"A"}}}`,
	},
	{
		"a conflict takes the server's row, and is told", `queue.result(deed(1, "A", "upsert", {state: "completed"}), row("A", 4), {n: 1, status: "conflict", current: {kind: "enrollment", id: "A", op: "delete", version: 9}})`,
		`{"told":{"kind":"enrollment","key":"A","why":"conflict","title":""}}`,
	},
	{"unless it is what was wanted", `queue.result(deed(1, "A", "upsert", {state: "active"}), undefined, {n: 1, status: "duplicate", outcome: "conflict", current: {kind: "enrollment", id: "A", op: "upsert", version: 9, doc: {state: "active"}}}).told === undefined`, `true`},
	{
		"rejected", `queue.result(deed(1, "A", "upsert", {state: "active"}), undefined, {n: 1, status: "rejected", problem: {title: "Closed"}})`,
		`{"told":{"kind":"enrollment","key":"A","why":"rejected","title":"Closed"}}`,
	},

	{"a lesson's markup", `safe('<h2>A</h2><p>b <em>c</em> <a href="https://x.example/">d</a></p>')`, `"<h2>A</h2><p>b <em>c</em> <a href=\"https://x.example/\" rel=\"external noopener nofollow\">d</a></p>"`},
	{
		"nothing that runs", `safe('<p onclick="x()" style="color:red">a<script>x()<\/script><img src=x onerror=x()><a href="javascript:x()">b</a><iframe src="/"></iframe><custom-x>c</custom-x></p>')`,
		`"<p>a<img><a rel=\"external noopener nofollow\">b</a>c</p>"`,
	},

	{"numbers go on, and a sent one never changes", `store("n", async (s) => {
		await s.act({kind: "review", key: "A", op: "upsert", doc: {rating: 1}});
		await s.act({kind: "review", key: "A", op: "upsert", doc: {rating: 2}});
		const first = await s.take(100);
		await s.act({kind: "review", key: "A", op: "upsert", doc: {rating: 3}});
		await s.act({kind: "bookmark", key: "A", op: "upsert", doc: {}});
		const again = await s.take(100);
		await s.settle(first.client, [{n: 1, status: "applied", version: 50}]);
		return [first.batch.map(m => m.n), again.batch.map(m => m.doc.rating), (await s.waiting()).map(m => [m.n, m.base, m.kind])];
	})`, `[[1],[2],[[2,50,"review"],[3,0,"bookmark"]]]`},
	{"another client numbers from 1", `store("r", async (s) => {
		for (const key of ["A", "B"]) await s.act({kind: "bookmark", key, op: "upsert", doc: {}});
		const {client, batch} = await s.take(1);
		await s.settle(client, [{n: 1, status: "applied", version: 5}]);
		await s.renumber();
		const next = await s.take(100);
		return [next.client !== client, next.batch.map(m => [m.n, m.key]), await s.settle(client, [{n: 1, status: "rejected"}]), await s.count()];
	})`, `[true,[[1,"B"]],[],1]`},
	{"an older row is ignored, but in a pass that replaces", `store("v", async (s) => {
		const put = (id, version, doc) => ({kind: "tag", id, op: "upsert", version, doc});
		await s.apply({changes: [put("a", 5, "five"), put("b", 6, "six")], cursor: "x", more: false}, "");
		await s.apply({changes: [put("a", 4, "four")], cursor: "y", more: false}, "x");
		await s.apply({changes: [put("b", 7, "dropped")], cursor: "z", more: false}, "x");
		const before = (await s.rows("tag")).map(r => r.doc);
		await s.restart();
		await s.apply({changes: [put("a", 3, "three")], cursor: "p", more: true}, "");
		const during = (await s.rows("tag")).map(r => r.doc);
		await s.apply({changes: [], cursor: "q", more: false}, "p");
		return [before, during, (await s.rows("tag")).map(r => r.doc), (await s.state()).cursor];
	})`, `[["five","six"],["three","six"],["three"],"q"]`},
}

// TestOfflineModules holds the parts of the scripts that need no page against what they should do.
func TestOfflineModules(t *testing.T) {
	ctx := browser(t)
	s := newSite(t, options{})
	w := walk{t: t, ctx: ctx, base: s.server.URL, site: s}
	w.do()
	w.open("/")
	files := must[*assets](t)(loadAssets())
	at := func(name string) string { return must[string](t)(files.url("offline/" + name + ".js")) }
	await[bool](w, `(async () => {
		globalThis.find = await import("`+at("find")+`");
		globalThis.queue = await import("`+at("queue")+`");
		const { openStore, deleteStore } = await import("`+at("store")+`"), { lessonBody } = await import("`+at("safe")+`");
		globalThis.safe = (html) => { const d = document.createElement("div"); d.append(lessonBody(html)); return d.innerHTML; };
		globalThis.store = async (name, step) => {
			const s = await openStore(name);
			try { return await step(s); } finally { s.close(); await deleteStore(name); }
		};
		globalThis.row = (id, version) => ({kind: "enrollment", id, version, doc: {state: "active"}});
		globalThis.deed = (n, key, op, doc) => ({n, kind: "enrollment", key, op, base: 0, doc, sent: false});
		const course = (id, doc) => ({kind: "course", id, doc: {title: "", summary: "", tags: [], instructors: [], category: null, level: null, language: "en", state: "published", ...doc}});
		const all = find.join({
			course: [course("A", {title: "Systems", summary: "Concurrency in Go", tags: ["go"], category: "sub", level: "advanced"}), course("B", {title: "Go by night", instructors: ["asa"], level: "beginner"}), course("C", {title: "Old Go", state: "archived"})],
			course_stats: [{id: "A", doc: {rating: 4.5, rating_count: 2, enrollment_count: 3}}], tag: [{id: "go", doc: {id: "go", label: "Gopher", synonyms: ["golang"]}}],
			category: [{id: "sub", doc: {label: "Sub", parent: "top"}}, {id: "top", doc: {label: "Top", parent: null}}], instructor: [{id: "asa", doc: {name: "Asa Berg"}}],
		});
		globalThis.search = (q, filters = "") => find.find(all, q, new URLSearchParams(filters));
		return true;
	})()`)
	for _, test := range moduleTests {
		got, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("Promise.resolve("+test.js+").then((v) => JSON.stringify(v))", chromedp.EvalAwaitPromise))
		if err != nil || got != test.want {
			t.Errorf("%s: %s, want %s (%v)", test.name, got, test.want, err)
		}
	}
}
