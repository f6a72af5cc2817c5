package ingest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

func text(name, content string) File {
	return File{Name: name, Open: func() (io.ReadSeekCloser, error) { return inMemory{bytes.NewReader([]byte(content))}, nil }}
}

// course reads a course back.
func course(t *testing.T, c *catalog.Catalog, id catalog.CourseID) catalog.Course {
	t.Helper()
	var got catalog.Course
	err := c.View(t.Context(), func(v *catalog.View) error {
		s, ok, err := v.Course(id)
		if !ok {
			t.Fatalf("there is no course %q", id)
		}
		got = s.Value
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEmptyKeepsAndClearClears(t *testing.T) {
	c := open(t)
	run(t, c, Options{}, text("a.csv", "id,title,summary,tags,level,price,currency,title@fr,rating,rating_count,enrollment_count,certificate\n"+
		"A1,Bread,How to bake,baking|Flour,beginner,12.5,eur,Le pain,4.5,10,100,yes\n"))
	got := course(t, c, "A1")
	if got.Summary != "How to bake" || got.Level != catalog.LevelBeginner || *got.Price != 12.5 || got.Currency != "EUR" || !got.Certificate ||
		got.Translations[catalog.French].Title != "Le pain" || len(got.Tags) != 2 || got.State != catalog.Published {
		t.Fatalf("%+v", got)
	}
	kept := run(t, c, Options{}, text("b.csv", "id,title,summary,tags,level,title@fr\nA1,Bread,,,,\n"))
	if kept.Rows.Unchanged != 1 {
		t.Errorf("empty cells changed something: %+v", kept.Rows)
	}
	run(t, c, Options{}, text("c.csv", "id,title,summary,tags,level,price,title@fr,certificate,rating\n"+`A1,Bread,\N,\N,\N,\N,\N,\N,\N`+"\n"))
	got = course(t, c, "A1")
	if got.Summary != "" || got.Level != "" || got.Price != nil || got.Currency != "" || got.Certificate || len(got.Translations) != 0 || len(got.Tags) != 0 {
		t.Errorf("not cleared: %+v", got)
	}
}

// TestBrokenSpreadsheet is what administrators send: every bad row is reported with its line, column and reason, and the good ones are in.
func TestBrokenSpreadsheet(t *testing.T) {
	c := open(t)
	report := run(t, c, Options{}, text("bad.csv", strings.Join([]string{
		"id;title;level;rating;duration_minutes;starts_at;ends_at;url;prerequisites",
		"A1;Good;beginner;4,5;90;;;;A9",
		";No id;;;;;;;",
		"A2;;;;;;;;",
		"A3;Bad level;Guru;;;;;;",
		"A4;Bad rating;;six;;;;;",
		"A5;Bad dates;;;;2026-05-01;2026-04-01;;",
		"A6;Bad link;;;;;;javascript:alert(1);",
		"A 7;Bad id;;;;;;;",
		"A8;Unknown;;;;;;;ZZZ",
		"A9;Comes later;;;;;;;",
		"A9;Again;all;;;;;;",
		"too;short",
		";;;;;;;;",
	}, "\n")))
	want := catalog.ImportRows{Read: 12, Created: 2, Merged: 1, Rejected: 9}
	if diff := cmp.Diff(want, report.Rows); diff != "" {
		t.Error(diff)
	}
	wantErrors := []catalog.ImportError{
		{Line: 3, Column: "id", Code: "required"},
		{Line: 4, Column: "title", Code: "required"},
		{Line: 5, Column: "level", Code: "unknown-level"},
		{Line: 6, Column: "rating", Code: "not-a-number"},
		{Line: 7, Column: "ends_at", Code: "date-order"},
		{Line: 8, Column: "url", Code: "bad-url"},
		{Line: 9, Column: "id", Code: "bad-id"},
		{Line: 10, Column: "prerequisites", Code: "unknown-reference"},
		{Line: 13, Code: "wrong-columns"},
	}
	byLine := cmpopts.SortSlices(func(a, b catalog.ImportError) bool { return a.Line < b.Line })
	if diff := cmp.Diff(wantErrors, report.Errors, byLine, cmpopts.IgnoreFields(catalog.ImportError{}, "Detail")); diff != "" {
		t.Error(diff)
	}
	if got := course(t, c, "A1").Prerequisites; len(got) != 1 || got[0] != "A9" {
		t.Errorf("prerequisites %v: a course of a later row may be named", got)
	}
}

func TestRejectedRowLeavesNothing(t *testing.T) {
	c := open(t)
	run(t, c, Options{}, text("a.csv", "id,title,tags,instructors,url\nA1,T,fresh-tag,New Person,not a link\n"))
	err := c.View(t.Context(), func(v *catalog.View) error {
		if _, ok, _ := v.Tag("fresh-tag"); ok {
			t.Error("a rejected row made a tag")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if people, err := c.ListInstructors(t.Context(), catalog.System, catalog.Page{Limit: 10}); err != nil || len(people.Items) > 0 {
		t.Errorf("a rejected row made an instructor: %v, %v", people.Items, err)
	}
}

func TestRatingsAreWhereCountingStarts(t *testing.T) {
	c := open(t)
	file := text("a.csv", "id,title,instructors,instructor_ratings,rating,rating_count\nA1,T,Ada <ada>|Bo <bo>,4.7:120|,4.5,10\n")
	run(t, c, Options{}, file)
	if err := c.FlushStats(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := c.View(t.Context(), func(v *catalog.View) error {
		s, ok, err := v.CourseStats("A1")
		if !ok || s.Total != (catalog.Sum{Sum: 45, N: 10}) {
			t.Errorf("stats %+v", s)
		}
		if _, rated := s.BaseInstructors["bo"]; rated || s.BaseInstructors["ada"].N != 120 {
			t.Errorf("instructors %+v", s.BaseInstructors)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if again := run(t, c, Options{}, file); again.Rows.Unchanged != 1 {
		t.Errorf("%+v", again.Rows)
	}
}

func TestOrganizations(t *testing.T) {
	c := open(t)
	editor := catalog.Actor{Subject: "eva", Roles: []catalog.Role{catalog.RoleEditor}, Org: "acme"}
	file := text("a.csv", "id,title,tags,prerequisites\nCS1,One,shared,CS2\nCS2,Two,,\n")
	report, err := Run(t.Context(), c, []File{file}, Options{Actor: editor, Org: "acme"})
	if err != nil || report.Rows.Created != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	if got := course(t, c, "acme~CS1"); len(got.Prerequisites) != 1 || got.Prerequisites[0] != "acme~CS2" {
		t.Errorf("%+v", got)
	}
	for _, org := range []catalog.OrgID{"", "other"} {
		if _, err := Run(t.Context(), c, []File{file}, Options{Actor: editor, Org: org}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("importing into %q: %v, want forbidden", org, err)
		}
	}
	mixed := text("m.csv", "id,title,org\nX,Theirs,other\nother~Y,Theirs,\nZ,Ours,acme\n")
	report, err = Run(t.Context(), c, []File{mixed}, Options{Actor: editor, Org: "acme"})
	if err != nil || report.Rows.Created != 1 || report.Rows.Rejected != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestOtherKinds(t *testing.T) {
	c := open(t)
	report := run(t, c, Options{},
		text("reviews.csv", "course,learner,display_name,rating,instructor_ratings,text,at\nA1,lea,Léa,4,ada:5,Bien,2026-01-02\nA1,max,Max,9,,,\nNO,lea,,4,,,\n"),
		text("lessons.csv", "course,module,lesson,position,title,title@fr,body\nA1,m1,l1,1,First,Premier,<p>Hello <script>x</script></p>\nA1,nope,l2,1,T,,<p>b</p>\n"),
		text("modules.csv", "course,module,position,title\nA1,m1,1,Start\n"),
		text("courses.csv", "id,title,tags,category,instructors\nA1,Bread,baking,food,Ada <ada>\n"),
		text("tags.csv", "tag,label,label@fr,synonyms\nbaking,Baking,Boulangerie,bread|oven\n"),
		text("categories.csv", "category,label,parent\nfood,Food,\nbread,Bread,food\n"),
		text("instructors.csv", "instructor,name,bio,bio@fr\nada,Ada,Bakes.,Boulangère.\n"),
	)
	want := catalog.ImportRows{Read: 11, Created: 8, Rejected: 3}
	if diff := cmp.Diff(want, report.Rows); diff != "" {
		t.Errorf("%s%+v", diff, report.Errors)
	}
	err := c.View(t.Context(), func(v *catalog.View) error {
		content, err := v.Content(catalog.System, "A1")
		if err != nil || len(content.Lessons) != 1 || strings.Contains(content.Lessons[0].Body[catalog.English], "script") {
			t.Errorf("content %+v, %v", content, err)
		}
		review, ok, err := v.MyReview("lea", "A1")
		if !ok || review.Value.Rating != 4 || review.Value.At.Year() != 2026 {
			t.Errorf("review %+v", review)
		}
		tag, _, _ := v.Tag("baking")
		if tag.Value.Label[catalog.French] != "Boulangerie" || len(tag.Value.Synonyms[catalog.English]) != 2 {
			t.Errorf("tag %+v", tag)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWholeFileErrors(t *testing.T) {
	c := open(t)
	for name, file := range map[string]File{
		"empty": text("e.csv", ""), "no id": text("n.csv", "name,title\na,b\n"), "twice": text("t.csv", "id,title,id\n1,a,1\n"),
	} {
		_, err := Run(t.Context(), c, []File{file}, Options{Actor: catalog.System})
		if !fault.Is(err, fault.InvalidFields) || !strings.Contains(err.Error(), file.Name) {
			t.Errorf("%s: error is %v, want one that names the file", name, err)
		}
	}
}

func TestLanguageIsDetected(t *testing.T) {
	c := open(t)
	run(t, c, Options{}, text("a.csv", "id,title,description\nZ,数据结构与算法,讲解常用的数据结构\nF,Les bases de la boulangerie,Apprendre à faire du pain avec du levain et une farine de qualité\nE,The basics of baking,Learn how to make bread with the best flour\n"))
	for id, want := range map[catalog.CourseID]catalog.Locale{"Z": catalog.Chinese, "F": catalog.French, "E": catalog.English} {
		if got := course(t, c, id).Language; got != want {
			t.Errorf("%s: language %q, want %q", id, got, want)
		}
	}
}

// TestJobs uploads files to a server's queue, one of them before a restart.
func TestJobs(t *testing.T) {
	c := open(t)
	dir := t.TempDir()
	jobs := newJobs(t, c, dir)
	editor := catalog.Actor{Subject: "eva", Roles: []catalog.Role{catalog.RoleEditor}}
	submit := func(req JobRequest) string {
		t.Helper()
		r, err := jobs.Submit(t.Context(), editor, req)
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	good := submit(JobRequest{File: strings.NewReader("id,title,level\nA,One,\nB,Two,guru\n"), Name: "dir/one.csv"})
	bad := submit(JobRequest{File: strings.NewReader("nonsense\n1\n"), Name: "two.csv"})
	mapped := submit(JobRequest{File: strings.NewReader("code,nom\nC,Trois\n"), Map: "columns: {id: {from: code}, title: {from: nom}}"})
	for name, req := range map[string]JobRequest{
		"preset": {File: strings.NewReader("x"), Map: "nope"}, "format": {File: strings.NewReader("x"), Format: "xlsx"}, "empty": {File: strings.NewReader("")},
	} {
		if _, err := jobs.Submit(t.Context(), editor, req); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := jobs.Submit(t.Context(), catalog.Actor{Subject: "lea"}, JobRequest{File: strings.NewReader("x")}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a learner's upload: %v", err)
	}
	work(t, newJobs(t, c, dir)) // the server that took them was killed; another one runs them
	states := map[string]catalog.ImportRecord{}
	list, err := c.ListImports(t.Context(), editor, catalog.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Items {
		states[r.Value.ID] = r.Value
	}
	if r := states[good]; r.State != catalog.ImportDone || r.Rows.Created != 1 || len(r.Errors) != 1 || r.File != "one.csv" {
		t.Errorf("%+v", r)
	}
	if r := states[bad]; r.State != catalog.ImportFailed || r.Problem != string(fault.InvalidFields) || len(r.Errors) == 0 {
		t.Errorf("%+v", r)
	}
	if r := states[mapped]; r.State != catalog.ImportDone || r.Rows.Created != 1 {
		t.Errorf("%+v", r)
	}
	f, err := jobs.ErrorsCSV(t.Context(), editor, good)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, _ := io.ReadAll(f)
	if !strings.HasPrefix(string(rows), "line,column,code,detail\n3,level,unknown-level,") {
		t.Errorf("errors file: %q", rows)
	}
	if _, err := jobs.ErrorsCSV(t.Context(), catalog.Actor{Subject: "x", Roles: []catalog.Role{catalog.RoleEditor}, Org: "acme"}, good); !fault.Is(err, fault.NotFound) {
		t.Errorf("another organization reads the errors: %v", err)
	}
}

func newJobs(t *testing.T, c *catalog.Catalog, dir string) *Jobs {
	t.Helper()
	jobs, err := NewJobs(JobsConfig{Catalog: c, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// work runs what waits, and returns when it is done: resuming comes before the queue.
func work(t *testing.T, jobs *Jobs) {
	t.Helper()
	if err := jobs.resume(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestNeutral(t *testing.T) {
	for in, want := range map[string]string{"=1+1": "'=1+1", "plain": "plain", "": "", "@x": "'@x", "-1": "'-1"} {
		if got := neutral(in); got != want {
			t.Errorf("neutral(%q) = %q", in, got)
		}
	}
}
