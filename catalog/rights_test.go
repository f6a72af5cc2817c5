package catalog

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

// world has one of each, public and of two organizations.
func world(t *testing.T) *Catalog {
	t.Helper()
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		for _, org := range []OrgID{"", "acme", "bolz"} {
			tag, cat, who := inOrg(org, "t"), inOrg(org, "k"), inOrg(org, "i")
			if _, err := tx.PutTag(Tag{ID: TagID(tag), Label: map[Locale]string{"en": "T"}}, Cond{}); err != nil {
				return err
			}
			if _, err := tx.PutCategory(Category{ID: CategoryID(cat), Label: map[Locale]string{"en": "K"}}, Cond{}); err != nil {
				return err
			}
			if _, err := tx.PutInstructor(Instructor{ID: InstructorID(who), Name: "I"}, Cond{}); err != nil {
				return err
			}
			for id, state := range map[string]State{"draft": Draft, "pub": Published, "arch": Archived} {
				made := course(CourseID(inOrg(org, id)), state)
				if _, err := tx.PutCourse(made, Cond{}); err != nil {
					return err
				}
				if _, err := tx.PutContent(made.ID, smallContent(), Cond{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return c
}

var cast = map[string]Actor{
	"anon": anon, "learner": learner, "acmeLearner": acmeLearner, "staffEditor": staffEditor, "acmeEditor": acmeEditor, "bolzEditor": bolzEditor,
	"translator": translator, "acmeTransl": acmeTransl, "admin": admin, "acmeAdmin": acmeAdmin,
}

// may says what each actor is answered, for a public thing, one of acme and one of bolz.
type may map[string][3]fault.Code

const (
	yes fault.Code = ""
	f              = fault.Forbidden
	n              = fault.NotFound
	u              = fault.Unauthorized
)

// editors is the answer to every write of a thing that its organization sees.
var editors = may{
	"anon": {u, u, u}, "learner": {f, n, n}, "acmeLearner": {f, f, n}, "staffEditor": {yes, yes, yes}, "acmeEditor": {f, yes, n}, "bolzEditor": {f, n, yes},
	"translator": {f, f, f}, "acmeTransl": {f, f, n}, "admin": {yes, yes, yes}, "acmeAdmin": {f, yes, n},
}

// hidden is the answer to every write that names a draft and says whether it exists.
var hidden = may{
	"anon": {u, u, u}, "learner": {n, n, n}, "acmeLearner": {n, n, n}, "staffEditor": {yes, yes, yes}, "acmeEditor": {n, yes, n}, "bolzEditor": {n, n, yes},
	"translator": {f, f, f}, "acmeTransl": {n, n, n}, "admin": {yes, yes, yes}, "acmeAdmin": {n, yes, n},
}

// translators is the answer to a write of a translation.
var translators = may{
	"anon": {u, u, u}, "learner": {f, n, n}, "acmeLearner": {f, f, n}, "staffEditor": {yes, yes, yes}, "acmeEditor": {f, yes, n}, "bolzEditor": {f, n, yes},
	"translator": {yes, yes, yes}, "acmeTransl": {f, yes, n}, "admin": {yes, yes, yes}, "acmeAdmin": {f, yes, n},
}

func TestWhoMayWriteWhat(t *testing.T) {
	c := world(t)
	for name, test := range map[string]struct {
		want may
		do   func(tx *Tx, org OrgID) error
	}{
		"create a course": {editors, func(tx *Tx, org OrgID) error {
			return second(tx.PutCourse(course(CourseID(inOrg(org, "new")), Published), Cond{}))
		}},
		"edit a course": {editors, func(tx *Tx, org OrgID) error {
			changed := course(CourseID(inOrg(org, "pub")), Published)
			changed.Provider = "x"
			return second(tx.PutCourse(changed, Cond{}))
		}},
		"edit a draft": {editors, func(tx *Tx, org OrgID) error { // the same as creating: it tells nothing
			changed := course(CourseID(inOrg(org, "draft")), Draft)
			changed.Provider = "x"
			return second(tx.PutCourse(changed, Cond{}))
		}},
		"translate a course": {translators, func(tx *Tx, org OrgID) error {
			changed := course(CourseID(inOrg(org, "pub")), "")
			changed.Translations = map[Locale]Text{"fr": {Title: "Titre"}}
			return second(tx.PutCourse(changed, Cond{}))
		}},
		"delete a course": {editors, func(tx *Tx, org OrgID) error { return tx.DeleteCourse(CourseID(inOrg(org, "pub")), Cond{}) }},
		"delete a draft":  {hidden, func(tx *Tx, org OrgID) error { return tx.DeleteCourse(CourseID(inOrg(org, "draft")), Cond{}) }},
		"write a tag": {editors, func(tx *Tx, org OrgID) error {
			return second(tx.PutTag(Tag{ID: TagID(inOrg(org, "new")), Label: label}, Cond{}))
		}},
		"label a tag": {translators, func(tx *Tx, org OrgID) error {
			return second(tx.PutTag(Tag{ID: TagID(inOrg(org, "t")), Label: label}, Cond{}))
		}},
		"delete a tag": {editors, func(tx *Tx, org OrgID) error { return tx.DeleteTag(TagID(inOrg(org, "t")), Cond{}) }},
		"write a category": {editors, func(tx *Tx, org OrgID) error {
			return second(tx.PutCategory(Category{ID: CategoryID(inOrg(org, "new")), Label: label}, Cond{}))
		}},
		"label a category": {translators, func(tx *Tx, org OrgID) error {
			return second(tx.PutCategory(Category{ID: CategoryID(inOrg(org, "k")), Label: label}, Cond{}))
		}},
		"delete a category": {editors, func(tx *Tx, org OrgID) error { return tx.DeleteCategory(CategoryID(inOrg(org, "k")), Cond{}) }},
		"rename an instructor": {editors, func(tx *Tx, org OrgID) error {
			return second(tx.PutInstructor(Instructor{ID: InstructorID(inOrg(org, "i")), Name: "J"}, Cond{}))
		}},
		"translate a biography": {translators, func(tx *Tx, org OrgID) error {
			return second(tx.PutInstructor(Instructor{ID: InstructorID(inOrg(org, "i")), Name: "I", Bio: label}, Cond{}))
		}},
		"delete an instructor": {editors, func(tx *Tx, org OrgID) error { return tx.DeleteInstructor(InstructorID(inOrg(org, "i")), Cond{}) }},
		"write content": {editors, func(tx *Tx, org OrgID) error {
			return second(tx.PutContent(CourseID(inOrg(org, "pub")), Content{}, Cond{}))
		}},
		"write hidden content": {hidden, func(tx *Tx, org OrgID) error {
			return second(tx.PutContent(CourseID(inOrg(org, "draft")), Content{}, Cond{}))
		}},
		"edit a module": {editors, func(tx *Tx, org OrgID) error {
			return second(tx.PutModule(CourseID(inOrg(org, "pub")), Module{ID: "m1", Title: label}))
		}},
		"translate a module": {translators, func(tx *Tx, org OrgID) error {
			m := smallContent().Modules[0]
			m.Title = map[Locale]string{"en": m.Title["en"], "fr": "Chapitre"}
			return second(tx.PutModule(CourseID(inOrg(org, "pub")), m))
		}},
		"edit a lesson": {editors, func(tx *Tx, org OrgID) error {
			l := smallContent().Lessons[0]
			l.Body = map[Locale]string{"en": "<p>other</p>"}
			return second(tx.PutLesson(CourseID(inOrg(org, "pub")), l))
		}},
		"translate a lesson": {translators, func(tx *Tx, org OrgID) error {
			l := smallContent().Lessons[0]
			l.Body = map[Locale]string{"en": l.Body["en"], "fr": "<p>Bonjour</p>"}
			return second(tx.PutLesson(CourseID(inOrg(org, "pub")), l))
		}},
		"record an import": {editors, func(tx *Tx, org OrgID) error { return tx.PutImport(ImportRecord{ID: "i1", Org: org, State: "queued"}) }},
	} {
		t.Run(name, func(t *testing.T) {
			for who, actor := range cast {
				for i, org := range []OrgID{"", "acme", "bolz"} {
					err := c.DryRun(t.Context(), actor, func(tx *Tx) error { return test.do(tx, org) })
					if got := fault.CodeOf(err); got != test.want[who][i] {
						t.Errorf("%s, organization %q: got %v, want %q", who, org, err, test.want[who][i])
					}
				}
			}
		})
	}
}

var label = map[Locale]string{"en": "X", "fr": "Y"}

func second(_ bool, err error) error { return err }

// What one sees: in reads by id, in lists, in outlines and content.
func TestWhoSeesWhat(t *testing.T) {
	c := world(t)
	pub, own := []string{"arch", "pub"}, []string{"acme~arch", "acme~pub"}
	all := func(org OrgID) []string { return []string{inOrg(org, "arch"), inOrg(org, "draft"), inOrg(org, "pub")} }
	everything := slices.Concat(all("acme"), all(""), all("bolz"))
	want := map[string][]string{
		"anon": pub, "learner": pub, "acmeLearner": slices.Concat(own, pub),
		"acmeEditor": slices.Concat(all("acme"), pub), "acmeTransl": slices.Concat(own, pub), "acmeAdmin": slices.Concat(all("acme"), pub),
		"bolzEditor": slices.Concat(pub, all("bolz")), "staffEditor": everything, "translator": everything, "admin": everything,
	}
	for who, actor := range cast {
		t.Run(who, func(t *testing.T) {
			var byID, listed, wantListed []string
			look(t, c, func(v *View) (int, error) {
				for _, id := range everything {
					s, err := v.CourseFor(actor, CourseID(id))
					if err == nil {
						byID = append(byID, string(s.Value.ID))
					} else {
						wantCode(t, err, fault.NotFound)
					}
					_, outline := v.Outline(actor, CourseID(id))
					if (err == nil) != (outline == nil) {
						t.Errorf("%s: outline %v", id, outline)
					}
					_, content := v.Content(actor, CourseID(id))
					wantContent := fault.CodeOf(err)
					if err == nil && !actor.SeesDrafts(OrgOf(id)) && !actor.Translates(OrgOf(id)) {
						wantContent = fault.NotEnrolled
					}
					wantCode(t, content, wantContent)
				}
				return 0, nil
			})
			slices.Sort(byID)
			slices.Sort(want[who])
			if diff := cmp.Diff(want[who], byID); diff != "" {
				t.Error("by id:", diff)
			}
			for _, id := range want[who] { // archived ones are listed for their editors only
				if s := stored(t, c, CourseID(id)); s.Value.State == Published || actor.SeesDrafts(OrgOf(id)) {
					wantListed = append(wantListed, id)
				}
			}
			listed = pages(t, 2, func(p Page) (List[Stored[Course]], error) {
				return c.ListCourses(t.Context(), actor, []State{Archived, Draft, Published}, p)
			}, func(s Stored[Course]) string { return string(s.Value.ID) })
			if diff := cmp.Diff(wantListed, listed); diff != "" {
				t.Error("listed:", diff)
			}
		})
	}
}

func TestListsShowWhatOneSees(t *testing.T) {
	c := world(t)
	for who, want := range map[string][]string{
		"anon": {"t"}, "learner": {"t"}, "acmeLearner": {"acme~t", "t"}, "bolzEditor": {"bolz~t", "t"}, "translator": {"acme~t", "bolz~t", "t"},
	} {
		for limit := range 3 {
			got := pages(t, limit+1, func(p Page) (List[Stored[Tag]], error) { return c.ListTags(t.Context(), cast[who], p) },
				func(s Stored[Tag]) string { return string(s.Value.ID) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by %d: %s", who, limit+1, diff)
			}
		}
		for _, id := range []string{"t", "acme~t", "bolz~t", "none"} {
			err := c.View(t.Context(), func(v *View) error {
				_, err := v.TagFor(cast[who], TagID(id))
				return err
			})
			if (err == nil) != slices.Contains(want, id) || err != nil && !fault.Is(err, fault.NotFound) {
				t.Errorf("%s, %s: %v", who, id, err)
			}
		}
	}
	got := pages(t, 1, func(p Page) (List[Stored[Instructor]], error) { return c.ListInstructors(t.Context(), acmeLearner, p) },
		func(s Stored[Instructor]) string { return string(s.Value.ID) })
	if diff := cmp.Diff([]string{"acme~i", "i"}, got); diff != "" {
		t.Error(diff)
	}
	got = pages(t, 1, func(p Page) (List[Stored[Category]], error) { return c.ListCategories(t.Context(), anon, p) },
		func(s Stored[Category]) string { return string(s.Value.ID) })
	if diff := cmp.Diff([]string{"k"}, got); diff != "" {
		t.Error(diff)
	}
}

// pages collects the keys of a list, page by page.
func pages[T any](t *testing.T, limit int, list func(p Page) (List[T], error), key func(T) string) []string {
	t.Helper()
	var keys []string
	for after := ""; ; {
		page, err := list(Page{Limit: limit, After: after})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > limit || page.Next != "" && len(page.Items) != limit {
			t.Fatalf("a page of %d items, limit %d, next %q", len(page.Items), limit, page.Next)
		}
		for _, item := range page.Items {
			keys = append(keys, key(item))
		}
		if page.Next == "" {
			return keys
		}
		after = page.Next
	}
}

func TestImportsAreListedNewestFirst(t *testing.T) {
	c := testCatalog(t)
	for _, r := range []ImportRecord{{ID: "z1"}, {ID: "a2", Org: "acme"}, {ID: "m3", Org: "bolz"}, {ID: "b4", Org: "acme"}} {
		r.State = "running"
		must(t, c, System, func(tx *Tx) error { return tx.PutImport(r) })
	}
	must(t, c, System, func(tx *Tx) error { // an older one that changes keeps its place
		return tx.PutImport(ImportRecord{ID: "z1", State: "done", Errors: make([]ImportError, MaxImportErrors+3)})
	})
	for who, want := range map[string][]string{"staffEditor": {"b4", "m3", "a2", "z1"}, "acmeEditor": {"b4", "a2"}, "bolzEditor": {"m3"}} {
		got := pages(t, 1, func(p Page) (List[Stored[ImportRecord]], error) { return c.ListImports(t.Context(), cast[who], p) },
			func(s Stored[ImportRecord]) string { return s.Value.ID })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", who, diff)
		}
	}
	for _, who := range []Actor{learner, translator} {
		_, err := c.ListImports(t.Context(), who, Page{Limit: 1})
		wantCode(t, err, fault.Forbidden)
	}
	_, err := c.ListImports(context.Background(), anon, Page{Limit: 1})
	wantCode(t, err, fault.Unauthorized)
	look(t, c, func(v *View) (int, error) {
		_, err := v.Import(acmeEditor, "z1")
		wantCode(t, err, fault.NotFound)
		s, err := v.Import(staffEditor, "z1")
		if len(s.Value.Errors) != MaxImportErrors || s.Value.MoreErrors != 3 || s.Value.By != System.Subject {
			t.Errorf("%d errors, %d more, by %q", len(s.Value.Errors), s.Value.MoreErrors, s.Value.By)
		}
		return 0, err
	})
	wantCode(t, do(t, c, acmeEditor, func(tx *Tx) error { return tx.PutImport(ImportRecord{ID: "m3", Org: "acme", State: "done"}) }), fault.NotFound)
	wantField(t, do(t, c, System, func(tx *Tx) error { return tx.PutImport(ImportRecord{ID: "x", State: "odd"}) }), "/state", fault.BadValue)
}
