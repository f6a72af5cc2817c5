package search_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	"github.com/carrel-lms/carrel/search/searchtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// keepers are learners with saved searches, by their organization.
var keepers = []catalog.Actor{
	{Subject: "lea", Roles: []catalog.Role{catalog.RoleLearner}, IssuedAt: 1},
	{Subject: "moe", Roles: []catalog.Role{catalog.RoleLearner}, IssuedAt: 1},
	{Subject: "ann", Roles: []catalog.Role{catalog.RoleLearner}, Org: "acme", IssuedAt: 1},
	{Subject: "uma", Roles: []catalog.Role{catalog.RoleLearner}, Org: "umbrella", IssuedAt: 1},
}

// savers is a catalog with an index, learners with saved searches, and alerts that know of them.
type savers struct {
	*testing.T
	c       *catalog.Catalog
	x       *search.Index
	a       *search.Alerts
	members map[catalog.LearnerID]catalog.OrgID
	speaks  map[catalog.LearnerID]catalog.Locale            // as they prefer
	devices map[catalog.LearnerID]map[string]catalog.Locale // what each speaks
	seen    map[catalog.LearnerID][]string                  // devices, the one seen last at the end
	queries map[string]string                               // of learner/search
}

func newSavers(t *testing.T, c *catalog.Catalog, x *search.Index) *savers {
	t.Helper()
	s := &savers{
		T: t, c: c, x: x, a: search.NewAlerts(x), members: map[catalog.LearnerID]catalog.OrgID{}, speaks: map[catalog.LearnerID]catalog.Locale{},
		devices: map[catalog.LearnerID]map[string]catalog.Locale{}, seen: map[catalog.LearnerID][]string{}, queries: map[string]string{},
	}
	for _, who := range keepers {
		s.join(who)
	}
	return s
}

// join lets somebody come with a token.
func (s *savers) join(who catalog.Actor) {
	s.Helper()
	if _, err := s.c.Update(context.Background(), who, func(tx *catalog.Tx) error { return tx.RecordMembership() }); err != nil {
		s.Fatal(err)
	}
	s.members[who.Subject] = who.Org
}

// prefer lets somebody prefer a language; "" is none.
func (s *savers) prefer(who catalog.LearnerID, l catalog.Locale) {
	s.Helper()
	update(s, s.c, func(tx *catalog.Tx) error { return tx.PutPreferences(who, catalog.Preferences{Locale: l}) })
	s.speaks[who] = l
}

// register lets a device come that speaks a language, or say nothing of it; again, when it is known. The catalog's clock must have gone on.
func (s *savers) register(who catalog.LearnerID, id string, l catalog.Locale) {
	s.Helper()
	update(s, s.c, func(tx *catalog.Tx) error {
		_, err := tx.PutDevice(who, catalog.DeviceID(id), catalog.Device{Token: string(who) + id, Platform: catalog.PlatformAndroid, Locale: l}, catalog.Cond{})
		return err
	})
	s.unsee(who, id)
	if s.devices[who] == nil {
		s.devices[who] = map[string]catalog.Locale{}
	}
	s.devices[who][id] = l
	s.seen[who] = append(s.seen[who], id)
}

func (s *savers) unsee(who catalog.LearnerID, id string) {
	s.seen[who] = slices.DeleteFunc(s.seen[who], func(other string) bool { return other == id })
}

// unregister removes a device.
func (s *savers) unregister(who catalog.LearnerID, id string) {
	s.Helper()
	update(s, s.c, func(tx *catalog.Tx) error { return tx.DeleteDevice(who, catalog.DeviceID(id), catalog.Cond{}) })
	s.unsee(who, id)
}

// locale is the language that the learner's app asks in when a search says none.
func (s *savers) locale(who catalog.LearnerID) catalog.Locale {
	tag := s.speaks[who]
	for _, id := range s.seen[who] {
		if l := s.devices[who][id]; s.speaks[who] == "" && l != "" {
			tag = l
		}
	}
	ours := map[catalog.Locale]catalog.Locale{"fr": "fr", "fr-FR": "fr", "fr-CA": "fr", "zh-Hans": "zh-Hans", "zh-TW": "zh-Hans"}
	if l, ok := ours[tag]; ok {
		return l
	}
	return catalog.English
}

// save keeps a search.
func (s *savers) save(who catalog.LearnerID, id, query string) {
	s.Helper()
	update(s, s.c, func(tx *catalog.Tx) error {
		_, err := tx.PutSavedSearch(who, catalog.SavedSearchID(id), catalog.SavedSearch{Name: id, Query: query, Notify: catalog.NotifyDaily}, catalog.Cond{})
		return err
	})
	s.queries[string(who)+"/"+id] = query
}

// follow brings all up to date.
func (s *savers) follow() {
	s.Helper()
	catchUp(s, s.c, s.x)
	if err := coursesync.CatchUp(context.Background(), s.c.Log(), s.a); err != nil {
		s.Fatal(err)
	}
}

// found is what a saved search finds when its learner runs it, page by page.
func (s *savers) found(key string) []string {
	s.Helper()
	who, _, _ := strings.Cut(key, "/")
	values, err := url.ParseQuery(s.queries[key])
	if err != nil {
		s.Fatal(err)
	}
	req, err := search.ParseSaved(values)
	if err != nil {
		s.Fatal(err)
	}
	req.Actor = catalog.Actor{Subject: catalog.LearnerID(who), Roles: []catalog.Role{catalog.RoleLearner}, Org: s.members[catalog.LearnerID(who)]}
	req.Limit = search.MaxLimit
	if req.Locale = catalog.Locale(values.Get("locale")); req.Locale == "" {
		req.Locale = s.locale(catalog.LearnerID(who))
	}
	var list []string
	for {
		resp := find(s, s.x, req)
		list = append(list, ids(resp)...)
		if resp.Next == nil {
			slices.Sort(list)
			return list
		}
		req.Cursor = *resp.Next
	}
}

// courses lists the ids of all courses there are.
func (s *savers) courses() (list []catalog.CourseID) {
	s.Helper()
	for course, err := range s.c.Courses(context.Background()) {
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, course.Value.ID)
	}
	return list
}

// match returns for each saved search the courses of which it is named.
func (s *savers) match(courses []catalog.CourseID) map[string][]string {
	s.Helper()
	named := map[string][]string{}
	for chunk := range slices.Chunk(courses, 7) { // several at once, and not all
		for m, err := range s.a.Match(context.Background(), chunk...) {
			if err != nil {
				s.Fatal(err)
			}
			key := string(m.Learner) + "/" + string(m.Search)
			named[key] = append(named[key], string(m.Course))
		}
	}
	for _, list := range named {
		slices.Sort(list)
	}
	return named
}

// check compares what saved searches find with the courses of which they are named, and returns how many pairs that were.
func (s *savers) check(step string) (pairs, found int) {
	s.Helper()
	s.follow()
	return s.checkAmong(step, s.courses())
}

// checkAmong is check for some of the courses.
func (s *savers) checkAmong(step string, courses []catalog.CourseID) (pairs, found int) {
	s.Helper()
	among := map[string]bool{}
	for _, id := range courses {
		among[string(id)] = true
	}
	named := s.match(courses)
	wrong := 0
	for _, key := range slices.Sorted(maps.Keys(s.queries)) {
		want := slices.DeleteFunc(s.found(key), func(id string) bool { return !among[id] })
		found += len(want)
		if !slices.Equal(want, named[key]) {
			s.Errorf("%s: %s of %s: −found +named\n%s", step, s.queries[key], key, cmp.Diff(want, named[key]))
			if wrong++; wrong == 3 {
				s.FailNow()
			}
		}
	}
	return len(courses) * len(s.queries), found
}

// saveRandom keeps random searches: those that a test of searching draws too.
func (s *savers) saveRandom(seed uint64, n int) *chooser {
	s.Helper()
	o, err := searchtest.NewOracle(context.Background(), s.c, noon)
	if err != nil {
		s.Fatal(err)
	}
	random := newChooser(o, seed)
	for i := range n {
		s.saveOne(random, fmt.Sprintf("s%03d", i))
	}
	return random
}

// saveSpoken keeps searches for what finds more in one language than in others.
func (s *savers) saveSpoken(n int) {
	s.Helper()
	list, err := s.c.ListSynonyms(context.Background(), catalog.System, catalog.Page{Limit: 100})
	if err != nil {
		s.Fatal(err)
	}
	for _, synonym := range list.Items {
		if l := synonym.Value.Language; n > 0 && l != "" && l != catalog.English {
			n--
			s.save(keepers[n%len(keepers)].Subject, fmt.Sprint("spoken", n), url.Values{"q": {synonym.Value.From[0]}}.Encode())
		}
	}
}

func (s *savers) saveOne(random *chooser, id string) {
	s.Helper()
	req := random.request()
	if random.chance(50) { // many filters find nothing
		req = search.Request{Q: random.query() + " " + random.word(), Locale: req.Locale, Sort: req.Sort}
	}
	values := req.Values()
	if req.Locale != "" {
		values.Set("locale", string(req.Locale))
	}
	s.save(keepers[random.IntN(len(keepers))].Subject, id, values.Encode())
}

// tickingCatalog is a catalog whose clock goes on when the test says so, by more than what devices count as seen anew after.
func tickingCatalog(t *testing.T) (*catalog.Catalog, func()) {
	t.Helper()
	var days atomic.Int64
	c := newCatalogAt(t, func() time.Time { return noon.AddDate(0, 0, int(days.Load())) })
	return c, func() { days.Add(1) }
}

// Who is named for a course is who would find it: for random saved searches over a catalog of three languages, with organizations, drafts, synonyms and pins.
func TestAlertsEqualSearch(t *testing.T) {
	t.Parallel()
	for _, o := range []searchtest.Options{
		{Courses: 300, Seed: 1, Vocabulary: 500, Words: 25, Tags: 60, Orgs: true, States: true, Curated: true},
		{Courses: 120, Seed: 2, Vocabulary: 2000, Words: 20, Translated: true, Curated: true},
	} {
		c, tick := tickingCatalog(t)
		s := newSavers(t, c, fill(t, c, o))
		s.saveRandom(o.Seed, soak(300))
		s.prefer("lea", catalog.French) // and has a device that speaks something else
		for _, who := range []catalog.LearnerID{"lea", "ann"} {
			s.register(who, "phone", "fr-CA")
			tick()
			s.register(who, "tablet", "zh-TW")
			tick()
			s.register(who, "browser", "")
		}
		s.prefer("uma", catalog.Chinese)
		pairs, found := s.check("at first")
		t.Logf("%d pairs of course and saved search, %d of them found", pairs, found)
	}
}

// The same over the demo catalog, whose texts are those of people.
func TestAlertsOfDemo(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	if _, err := ingest.Run(t.Context(), c, ingest.Demo(), ingest.Options{Actor: catalog.System, Detect: analysis.Detect}); err != nil {
		t.Fatal(err)
	}
	update(t, c, ingest.PutDemoSynonyms)
	x := openIndex(t, c, t.TempDir())
	catchUp(t, c, x)
	s := newSavers(t, c, x)
	s.saveRandom(9, 150)
	for i, q := range []string{
		"machine learning", "machine lerning", "apprentissage automatique", "apprentisage", "机器学习", "jiqi xuexi", "jqxx", "data", "programming python", "\"machine learning\"", "python -data",
		"programmer en python pour les débutants absolus", "level:beginner python", "instructor:x", "cours de cuisine", "js", "ml", "pyt", "développement", "developpement web",
	} {
		for _, l := range []string{"en", "fr", "zh-Hans"} {
			s.save(keepers[i%2].Subject, fmt.Sprintf("q%d-%s", i, l), url.Values{"q": {q}, "locale": {l}}.Encode())
		}
	}
	pairs, found := s.check("at first")
	t.Logf("%d pairs of course and saved search, %d of them found", pairs, found)
}

// The same holds after everything that may change it: courses that come, change and go, what labels and synonyms say, who is a member of what.
func TestAlertsFollow(t *testing.T) {
	t.Parallel()
	c, tick := tickingCatalog(t)
	s := newSavers(t, c, fill(t, c, searchtest.Options{Courses: 120, Seed: 5, Vocabulary: 300, Words: 12, Tags: 40, Orgs: true, States: true, Curated: true}))
	random := s.saveRandom(5, 150)
	s.saveSpoken(40)
	for _, who := range keepers {
		s.register(who.Subject, "tablet", catalog.French)
	}
	s.check("at first")
	if err := s.a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for step := range soak(30) {
		tick()
		what := s.change(random, step)
		if random.chance(50) {
			s.follow()
			s.match(s.courses()[:1]) // and what changed is looked at by the way
		}
		if step%3 == 2 || step < 3 {
			s.check(fmt.Sprintf("step %d, %s", step, what))
		}
	}
}

// change changes something.
func (s *savers) change(random *chooser, step int) string {
	s.Helper()
	courses := s.courses()
	id := courses[random.IntN(len(courses))]
	edit := func(fn func(c *catalog.Course)) {
		update(s, s.c, func(tx *catalog.Tx) error {
			course, _, err := tx.Course(id)
			if err == nil {
				fn(&course.Value)
				_, err = tx.PutCourse(course.Value, catalog.Cond{})
			}
			return err
		})
	}
	actions := []struct {
		name string
		do   func()
	}{
		{"a title", func() { edit(func(c *catalog.Course) { c.Title = random.word() + " " + random.word() }) }},
		{"all texts", func() {
			edit(func(c *catalog.Course) {
				c.Text = catalog.Text{Title: random.word(), Description: strings.Repeat(random.word()+" ", 3)}
				c.Translations = nil
			})
		}},
		{"a state", func() {
			edit(func(c *catalog.Course) {
				c.State = []catalog.State{catalog.Draft, catalog.Published, catalog.Archived}[random.IntN(3)]
			})
		}},
		{"a course less", func() {
			update(s, s.c, func(tx *catalog.Tx) error { return tx.DeleteCourse(id, catalog.Cond{}) })
		}},
		{"a course more", func() {
			update(s, s.c, func(tx *catalog.Tx) error {
				_, err := tx.PutCourse(catalog.Course{
					ID: catalog.CourseID(fmt.Sprintf("%snew-%d", []string{"", "acme~"}[random.IntN(2)], step)), Language: catalog.French,
					Text: catalog.Text{Title: "x " + random.query(), Summary: random.word() + " " + random.word()},
				}, catalog.Cond{})
				return err
			})
		}},
		{"a label", func() {
			update(s, s.c, func(tx *catalog.Tx) error {
				_, err := tx.PutTag(catalog.Tag{ID: "tag-0", Label: map[catalog.Locale]string{catalog.English: random.word()}}, catalog.Cond{})
				return err
			})
		}},
		{"a synonym", func() {
			update(s, s.c, func(tx *catalog.Tx) error {
				_, err := tx.PutSynonym(catalog.Synonym{
					ID:       catalog.SynonymID(fmt.Sprintf("%snew-%d", []string{"", "acme~"}[random.IntN(2)], random.IntN(3))),
					Language: []catalog.Locale{"", catalog.English, catalog.French, catalog.Chinese}[random.IntN(4)], From: []string{random.word()}, To: []string{random.word() + " " + random.word(), random.word()},
				}, catalog.Cond{})
				return err
			})
		}},
		{"a preference", func() {
			s.prefer(keepers[random.IntN(len(keepers))].Subject, []catalog.Locale{"", "", catalog.French, catalog.Chinese}[random.IntN(4)])
		}},
		{"a device", func() {
			l := []catalog.Locale{"", "de-DE", "en-GB", "fr-FR", "zh-TW"}[random.IntN(5)]
			s.register(keepers[random.IntN(len(keepers))].Subject, []string{"phone", "tablet"}[random.IntN(2)], l)
		}},
		{"a member", func() {
			who := keepers[random.IntN(len(keepers))]
			who.IssuedAt, who.Org = int64(step+2), []catalog.OrgID{"", "acme", "umbrella"}[random.IntN(3)]
			s.join(who)
		}},
		{"a saved search", func() { s.saveOne(random, fmt.Sprintf("s%03d", random.IntN(200))) }},
		{"a device less", func() {
			for _, who := range keepers {
				if devices := s.seen[who.Subject]; len(devices) > 0 {
					s.unregister(who.Subject, devices[random.IntN(len(devices))])
					return
				}
			}
		}},
		{"a saved search less", func() {
			key := slices.Sorted(maps.Keys(s.queries))[random.IntN(len(s.queries))]
			who, id, _ := strings.Cut(key, "/")
			update(s, s.c, func(tx *catalog.Tx) error {
				return tx.DeleteSavedSearch(catalog.LearnerID(who), catalog.SavedSearchID(id), catalog.Cond{})
			})
			delete(s.queries, key)
		}},
		{"an index", func() {
			s.follow()
			if err := s.x.Reindex(context.Background(), true); err != nil {
				s.Fatal(err)
			}
		}},
	}
	action := actions[random.IntN(len(actions))]
	if step < len(actions) {
		action = actions[step]
	}
	action.do()
	return action.name
}
