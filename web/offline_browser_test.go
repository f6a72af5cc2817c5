package web

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/carrel-lms/carrel/catalog"
)

// TestOffline walks through the pages with a network that comes and goes.
func TestOffline(t *testing.T) {
	ctx := browser(t)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	for name, walkThrough := range map[string]func(traveler){
		"learning": offlineLearning, "nobody": offlineNobody, "expired": offlineExpired, "damaged": offlineDamaged, "refused": offlineRefused, "leaving": offlineLeaving, "left": offlineLeft, "two learners": offlineTwo,
	} {
		t.Run(name, func(t *testing.T) {
			l := &line{}
			s := newSite(t, options{demo: true, line: l})
			tab, cancel := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
			defer cancel()
			w := traveler{walk{t: t, ctx: tab, base: s.server.URL, site: s}, l}
			w.do()
			w.watch()
			walkThrough(w)
			for _, problem := range ask[[]string](w.walk, "__wrong") {
				t.Errorf("%s: %s", ask[string](w.walk, "location.href"), problem)
			}
		})
	}
}

// offlineLearning does without a network all that one can, comes back, and loses the first answer on the way.
func offlineLearning(w traveler) {
	w.learner()
	w.open("/courses/PY1")
	w.click(`form[action$="/enroll"] button`)
	w.shows("Start the first lesson")
	w.open("/me")
	w.shows("2 lessons can be read.")

	w.offline(true)
	w.standing("offline", "0")
	w.open("/?q=donnees") // without the accent
	w.shows("There is no network. This page comes from your device.")
	w.until(`document.querySelector("#count").textContent === "1 course" && document.querySelector(".card h3 a").textContent === "Données et Python"`)
	w.open("/?q=" + "学习")
	w.until(`document.querySelector("#count").textContent === "1 course" && document.querySelector(".card h3 a").textContent === "机器学习入门"`)
	w.open("/?tag=data")
	w.until(`document.querySelector("#count").textContent === "3 courses"`)
	w.click(`input[name="level"][value="advanced"]`)
	w.until(`document.querySelector("#count").textContent === "1 course" && location.search === "?tag=data&level=advanced" && document.activeElement.value === "advanced"`)
	w.click(`.card h3 a`)
	w.until(`location.pathname === "/courses/FR1"`)
	w.click(`form[action$="/enroll"] button`)
	w.standing("offline", "1")
	w.shows("You are enrolled. Enjoy the course. It is kept on this device until it can be sent.")
	w.shows("The lessons come to this device when there is a network.")
	w.click(`form[action$="/bookmark"] button`)
	w.standing("offline", "2")
	w.until(`document.querySelector(".plain.on")`)

	w.open("/courses/PY1")
	w.click(`.course-do a.button`)
	w.until(`location.pathname === "/courses/PY1/lessons/l1"`)
	w.shows("A name for a value.")
	w.until(`performance.now() > 2500`) // read for a second or two
	ask[bool](w.walk, `dispatchEvent(new Event("pagehide"))`)
	w.standing("offline", "3")
	w.click(`.lesson-end .button`)
	w.until(`location.pathname === "/courses/PY1/lessons/l2"`)
	w.click(`.lesson-end .button`)
	w.until(`location.pathname === "/courses/PY1"`)
	w.shows("you have completed the course")
	w.click(`input[name="rating"][value="4"]`)
	ask[bool](w.walk, `(document.querySelector("textarea").value = "Read on a train.", true)`)
	w.click(`.review-form form .button`)
	w.shows("Thank you for your review.")
	six := `document.querySelector("#offline-state").dataset.waiting >= 6` // enrolled and bookmarked; two lessons, completed, reviewed; and perhaps time read
	w.until(six)
	w.do(chromedp.Reload())
	w.until(six)
	w.until(`document.querySelector('input[name="rating"][value="4"]').checked && document.querySelector("textarea").value === "Read on a train."`)
	w.open("/me")
	w.until(`[...document.querySelectorAll("h2")].map(h => h.textContent).join() === "In progress,Saved for later,Completed,Without a network"`)
	if m, _ := w.mineOnServer("FR1"); m.enrollment != "" {
		w.t.Fatalf("the server knows already: %+v", m)
	}

	w.line.lose.Store(true)
	w.offline(false)
	w.untilTrue("the first push, whose answer is lost", func() bool { return w.line.pushes.Load() >= 1 })
	_, once := w.mineOnServer("FR1")
	w.online() // or the wait after a failure would be the test's
	w.standing("idle", "0")
	w.untilTrue("the second push", func() bool { return w.line.pushes.Load() >= 2 })
	m, version := w.mineOnServer("FR1")
	if m.enrollment != catalog.Active || !m.bookmarked || version != once || once == 0 {
		w.t.Errorf("the server has %+v of FR1, version %d after %d", m, version, once)
	}
	m, _ = w.mineOnServer("PY1")
	if m.enrollment != catalog.Completed || !m.lessons["l1"].Completed || !m.lessons["l2"].Completed || m.review == nil || m.review.Rating != 4 || m.review.Text != "Read on a train." {
		w.t.Errorf("the server has %+v of PY1, review %+v", m, m.review)
	}
	if read := m.lessons["l1"]; len(read.TimeByDevice) != 1 || read.Position <= 0 || read.Position > 1 {
		w.t.Errorf("the server does not know how l1 was read: %+v", read)
	}
	w.open("/courses/PY1")
	w.shows("Read it again")
	w.until(`!document.querySelector("#notice")`) // the server's own page
}

// offlineNobody keeps the public catalog for whoever is not signed in, and nothing before it is asked for.
func offlineNobody(w traveler) {
	w.open("/")
	w.shows("Keep the catalog on this device")
	if kept := await[float64](w.walk, `Promise.all([indexedDB.databases(), caches.keys(), navigator.serviceWorker.getRegistrations(), Object.keys(localStorage)]).then(a => a.flat().length)`); kept != 0 {
		w.t.Errorf("%v things are kept that nobody asked for", kept)
	}
	w.click(`#keep button`)
	w.shows("25 courses are on this device.")
	w.until(`navigator.serviceWorker.controller`)
	w.click(`.menu a[hreflang="fr"]`)
	w.until(`document.documentElement.lang === "fr" && document.querySelector("#offline-state")?.dataset.phase === "idle"`)
	w.offline(true)
	w.open("/courses/PY1")
	w.until(`document.documentElement.lang === "fr" && document.querySelector("h1").textContent === "Python à partir de zéro"`)
	w.until(`!document.querySelector('form[action$="/enroll"]')`)
	w.open("/?locale=zh-Hans") // texts of the page change without a network; rows do not
	w.until(`document.documentElement.lang === "zh-Hans" && document.querySelector('h3[lang="fr"]')`)
	w.open("/admin")
	w.shows("此页面不在此设备上")
	w.offline(false)
	w.open("/?locale=en")
	w.standing("idle", "0")
	w.click(`#keep button`)
	w.shows("Keep the catalog on this device")
	w.gone()
}

// offlineExpired comes back with a cursor that the server does not accept: everything is pulled anew, what should not be there goes, what was not sent stays.
func offlineExpired(w traveler) {
	w.learner()
	w.offline(true)
	w.open("/courses/FR1")
	w.click(`form[action$="/enroll"] button`)
	w.standing("offline", "1")
	w.line.cut.Store(false)
	foreign := w.site.visitor("fr").get("/v2/sync?channels=catalog&limit=1000").body // a cursor for another language
	w.line.cut.Store(true)
	_, rest, _ := strings.Cut(foreign, `"cursor":"`)
	cursor, _, _ := strings.Cut(rest, `"`)
	inStore(w.walk, `
		rows.put({kind: "course", id: "GHOST", version: 2 ** 52, pass: 1, doc: {id: "GHOST", title: "Ghost", tags: [], instructors: []}});
		rows.get(["course", "PY1"]).onsuccess = (e) => rows.put({...e.target.result, version: 2 ** 52, doc: {...e.target.result.doc, title: "Changed by nobody"}});
		meta.get("state").onsuccess = (e) => meta.put({...e.target.result, cursor: "`+cursor+`"}, "state");`)
	w.offline(false)
	w.standing("idle", "0")
	if w.line.expired.Load() != 1 {
		w.t.Errorf("%d answers of 410, want 1", w.line.expired.Load())
	}
	m, _ := w.mineOnServer("FR1")
	if m.enrollment != catalog.Active {
		w.t.Errorf("what was not sent is lost: %+v", m)
	}
	w.offline(true)
	w.open("/?q=ghost")
	w.until(`document.querySelector("#count").textContent === "0 courses"`)
	w.open("/courses/PY1")
	w.until(`document.querySelector("h1").textContent === "Python from scratch"`)
	w.open("/courses/FR1")
	w.shows("You are enrolled")
}

// offlineDamaged has rows that nobody sent it: the day's proof finds that, and the copy is made anew.
func offlineDamaged(w traveler) {
	w.learner()
	if at, passes := await[float64](w.walk, stateOf("proved")), await[float64](w.walk, stateOf("pass")); at == 0 || passes != 1 {
		w.t.Errorf("the first copy was proved at %v, in pass %v: want it right at once", at, passes)
	}
	inStore(w.walk, `rows.delete(["course", "FR1"]); rows.put({kind: "course", id: "GHOST", version: 5, pass: 1, doc: {id: "GHOST", title: "Ghost", tags: [], instructors: []}});
		meta.get("state").onsuccess = (e) => meta.put({...e.target.result, proved: 0}, "state");`)
	w.online()
	w.untilTrue("the copy to be proved", func() bool { return await[float64](w.walk, stateOf("proved")) > 0 })
	w.standing("idle", "0")
	w.untilTrue("another pass", func() bool { return await[float64](w.walk, stateOf("pass")) == 2 })
	w.standing("idle", "0")
	w.offline(true)
	w.open("/courses/FR1")
	w.until(`document.querySelector("h1").textContent === "Données et Python"`)
	w.open("/courses/GHOST")
	w.shows("This page is not on this device")
}

// offlineRefused comes back to a course that has closed, and to a review that was changed elsewhere: both are told, and what holds is shown.
func offlineRefused(w traveler) {
	update := func(what func(tx *catalog.Tx) error) {
		w.t.Helper()
		if _, err := w.site.catalog.Update(w.t.Context(), catalog.System, what); err != nil {
			w.t.Fatal(err)
		}
	}
	update(func(tx *catalog.Tx) error {
		_, err := tx.PutEnrollment(lea, "PY1", catalog.Active, catalog.Cond{})
		return err
	})
	w.learner()
	w.offline(true)
	w.open("/courses/FR1")
	w.click(`form[action$="/enroll"] button`)
	w.standing("offline", "1")
	w.open("/courses/PY1")
	w.click(`input[name="rating"][value="1"]`)
	w.click(`.review-form form .button`)
	w.standing("offline", "2")
	update(func(tx *catalog.Tx) error {
		c, err := tx.CourseFor(catalog.System, "FR1")
		if err != nil {
			return err
		}
		closed := c.At.AddDate(0, 0, -1)
		c.Value.EnrollmentClosesAt = &closed
		if _, err := tx.PutCourse(c.Value, catalog.Cond{}); err != nil {
			return err
		}
		_, err = tx.PutReview(lea, "PY1", catalog.Review{Rating: 5, Text: "From another device."}, catalog.Cond{})
		return err
	})
	w.offline(false)
	w.standing("idle", "0")
	w.shows("“Données et Python”: your enrollment could not be carried out.")
	w.shows("“Python from scratch”: this was changed elsewhere in the meantime.")
	w.until(`document.querySelector('input[name="rating"][value="5"]').checked && document.querySelector("textarea").value === "From another device."`)
	w.offline(true)
	w.open("/courses/FR1")
	w.shows("Enrollment closed on")
}

// offlineLeaving signs out while something could not be sent: it is asked, and then nothing stays.
func offlineLeaving(w traveler) {
	w.learner()
	w.open("/courses/FR1")
	w.until(`document.querySelector('form[action$="/enroll"]')`)
	w.offline(true)
	w.standing("offline", "0")
	w.click(`form[action$="/enroll"] button`) // of the server's page, which cannot send it
	w.standing("offline", "1")
	w.shows("It is kept on this device until it can be sent.")
	w.line.syncFail.Store(true)
	w.offline(false)
	w.open("/courses/FR1")
	w.standing("failed", "1")
	w.click(`form[action="/sign-out"] button`)
	w.shows("1 change is on this device only. If you go on, it is lost.")
	w.click(`.question button[value="no"]`)
	w.until(`!document.querySelector(".question")`)
	w.standing("failed", "1")
	w.click(`form[action="/sign-out"] button`)
	w.click(`.question button[value="yes"]`)
	w.shows("You are signed out.")
	w.gone()
	if m, _ := w.mineOnServer("FR1"); m.enrollment != "" {
		w.t.Errorf("the server got %+v", m)
	}
}

// offlineLeft signs out past the script that asks and wipes: the page after it wipes.
func offlineLeft(w traveler) {
	w.learner()
	ask[bool](w.walk, `(document.querySelector('form[action="/sign-out"]').submit(), true)`)
	w.shows("You are signed out.")
	w.gone()
}

// offlineTwo lets another person sign in behind the back of an open page: nothing of theirs gets into the first one's database.
func offlineTwo(w traveler) {
	w.learner()
	if _, err := w.site.catalog.Update(w.t.Context(), catalog.System, func(tx *catalog.Tx) error {
		_, err := tx.PutBookmark("demo-editor", "PY1")
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	await[bool](w.walk, `fetch("/sign-in", {method: "POST", body: new URLSearchParams({as: "editor"}), redirect: "manual"}).then(() => true)`)
	w.online()
	w.standing("signed-out", "0")
	inStore(w.walk, `rows.count(IDBKeyRange.bound(["bookmark"], ["bookmark", []])).onsuccess = (e) => { if (e.target.result) tx.abort(); };`)
	w.offline(true)
	w.open("/")
	w.until(`document.querySelector(".site .sign-in-word")?.textContent === "Lea Moreau"`) // the last whose page this was
}
