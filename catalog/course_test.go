package catalog

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

func TestCourseValidation(t *testing.T) {
	price := func(f float64) *float64 { return &f }
	day := func(n int) *time.Time { d := noon.AddDate(0, 0, n); return &d }
	long := func(n int) string { return strings.Repeat("课", n) }
	many := func(n int) (m map[Locale]Text) {
		m = map[Locale]Text{}
		for i := range n {
			m[Locale("en-"+string(rune('A'+i/26))+string(rune('A'+i%26)))] = Text{Title: "x"}
		}
		return m
	}
	for name, c := range map[string]struct {
		change  func(c *Course)
		pointer string
		code    fault.Code
	}{
		"no id":             {func(c *Course) { c.ID = "" }, "/id", fault.BadID},
		"a blank in the id": {func(c *Course) { c.ID = "a b" }, "/id", fault.BadID},
		"a slash in the id": {func(c *Course) { c.ID = "a/b" }, "/id", fault.BadID},
		"two organizations": {func(c *Course) { c.ID = "a~b~c" }, "/id", fault.BadID},
		"long id":           {func(c *Course) { c.ID = CourseID(long(129)) }, "/id", fault.BadID},
		"no title":          {func(c *Course) { c.Title = " \t " }, "/title", fault.Required},
		"long title":        {func(c *Course) { c.Title = long(301) }, "/title", fault.TooLong},
		"huge title":        {func(c *Course) { c.Title = long(100_000) }, "", ""}, // two problems, see below
		"line break":        {func(c *Course) { c.Title = "a\nb" }, "/title", fault.BadEncoding},
		"NUL in text":       {func(c *Course) { c.Description = "a\x00b" }, "/description", fault.BadEncoding},
		"escaped NUL":       {func(c *Course) { c.Description = "a&#7;b" }, "/description", fault.BadEncoding},
		"bad UTF-8":         {func(c *Course) { c.Summary = "\xff" }, "/summary", fault.BadEncoding},
		"long summary":      {func(c *Course) { c.Summary = long(1_001) }, "/summary", fault.TooLong},
		"long description":  {func(c *Course) { c.Description = long(20_001) }, "/description", fault.TooLong},
		"no language":       {func(c *Course) { c.Language = "" }, "/language", fault.Required},
		"bad language":      {func(c *Course) { c.Language = "klingonese!" }, "/language", fault.BadLocale},
		"bad translation":   {func(c *Course) { c.Translations = map[Locale]Text{"a/b": {Title: "x"}} }, "/translations/a~1b", fault.BadLocale},
		"two translations":  {func(c *Course) { c.Translations = map[Locale]Text{"zh": {Title: "x"}, "zh-CN": {Title: "y"}} }, "/translations/zh-CN", fault.Duplicate},
		"own language":      {func(c *Course) { c.Translations = map[Locale]Text{"en": {Title: "x"}} }, "/translations/en", fault.Duplicate},
		"many translations": {func(c *Course) { c.Translations = many(21) }, "/translations", fault.TooMany},
		"level":             {func(c *Course) { c.Level = "hard" }, "/level", fault.BadValue},
		"state":             {func(c *Course) { c.State = "gone" }, "/state", fault.BadValue},
		"negative duration": {func(c *Course) { c.DurationMinutes = -1 }, "/duration_minutes", fault.OutOfRange},
		"long duration":     {func(c *Course) { c.DurationMinutes = MaxDuration + 1 }, "/duration_minutes", fault.OutOfRange},
		"negative price":    {func(c *Course) { c.Price = price(-0.01) }, "/price", fault.OutOfRange},
		"high price":        {func(c *Course) { c.Price = price(1e6 + 1) }, "/price", fault.OutOfRange},
		"no number":         {func(c *Course) { c.Price = price(math.NaN()) }, "/price", fault.OutOfRange},
		"currency":          {func(c *Course) { c.Currency = "DOLLARS" }, "/currency", fault.BadValue},
		"script URL":        {func(c *Course) { c.URL = "javascript:alert(1)" }, "/url", fault.BadURL},
		"URL without host":  {func(c *Course) { c.ImageURL = "https:///x" }, "/image_url", fault.BadURL},
		"relative URL":      {func(c *Course) { c.URL = "/x" }, "/url", fault.BadURL},
		"dates":             {func(c *Course) { c.StartsAt, c.EndsAt = day(1), day(0) }, "/ends_at", fault.DateOrder},
		"enrollment dates":  {func(c *Course) { c.EnrollmentOpensAt, c.EnrollmentClosesAt = day(1), day(0) }, "/enrollment_closes_at", fault.DateOrder},
		"year 0":            {func(c *Course) { c.StartsAt = &time.Time{} }, "/starts_at", fault.OutOfRange},
		"year 20000":        {func(c *Course) { d := noon.AddDate(18_000, 0, 0); c.EndsAt = &d }, "/ends_at", fault.OutOfRange},
		"itself":            {func(c *Course) { c.Prerequisites = []CourseID{"a"} }, "/prerequisites/0", fault.Cycle},
		"many tags":         {func(c *Course) { c.Tags = make([]TagID, maxTags+1) }, "/tags", fault.TooMany},
		"many instructors":  {func(c *Course) { c.Instructors = make([]InstructorID, maxInstructors+1) }, "/instructors", fault.TooMany},
		"provider":          {func(c *Course) { c.Provider = long(201) }, "/provider", fault.TooLong},
	} {
		t.Run(name, func(t *testing.T) {
			var p problems
			in := course("a", Published)
			c.change(&in)
			p.course(in)
			if c.code == "" {
				wantCode(t, p.err("test"), fault.InvalidFields)
				return
			}
			wantField(t, p.err("test"), c.pointer, c.code)
		})
	}
}

func TestCourseNormalisation(t *testing.T) {
	price := 19.999
	at := time.Date(2026, 5, 1, 10, 0, 0, 999, time.FixedZone("", 7200))
	utc := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	in := Course{
		ID: "e\u0301", Language: "zh-CN",
		Text:         Text{Title: "  Cafe\u0301 ", Description: "<p>a</p>\r\n<p>&amp;</p>"},
		Translations: map[Locale]Text{"EN": {Title: "x"}, "fr": {}, "zh": {Title: "Café", Description: "a\n\n&"}},
		Tags:         []TagID{"b", "a", "b"}, Currency: " eur ", Price: &price, StartsAt: &at, URL: " https://e.org/ ",
	}
	in.ID = nfc(in.ID)
	cents := 20.0
	want := Course{
		ID: "é", Language: Chinese, Text: Text{Title: "Café", Description: "a\n\n&"}, Translations: map[Locale]Text{"en": {Title: "x"}},
		Tags: []TagID{"b", "a"}, Currency: "EUR", Price: &cents, StartsAt: &utc, URL: "https://e.org/",
	}
	var p problems
	got := p.course(in)
	if err := p.err("test"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(got, p.course(got)); diff != "" {
		t.Error("not the same the second time:", diff)
	}
}

func TestUnchangedWritesAppendNothing(t *testing.T) {
	c := testCatalog(t)
	write := func() {
		must(t, c, System, func(tx *Tx) error {
			tag, err := tx.EnsureTag("", "C++", English)
			if err != nil {
				return err
			}
			cat, err := tx.EnsureCategory("", "Informatique", French)
			if err != nil {
				return err
			}
			who, err := tx.EnsureInstructor("", "MIT", "Ada Lovelace", "")
			if err != nil {
				return err
			}
			a := course("a", "")
			a.Tags, a.Category, a.Instructors = []TagID{tag}, cat, []InstructorID{who}
			a.Description = "<p>x</p>"
			if _, err := tx.PutCourse(a, Cond{}); err != nil {
				return err
			}
			_, err = tx.PutContent("a", smallContent(), Cond{})
			return err
		})
	}
	write()
	before := head(t, c)
	write()
	if after := head(t, c); after != before {
		t.Errorf("the second write moved the head by %d", after-before)
	}
	got := stored(t, c, "a").Value
	if got.Tags[0] != "cplusplus" || got.Category != "informatique" || got.Instructors[0] != "mit-ada-lovelace" || got.State != Published {
		t.Errorf("%+v", got)
	}
}

func TestPublication(t *testing.T) {
	c := testCatalog(t)
	since := func() bool { // has access changed with the last write?
		return look(t, c, func(v *View) (bool, error) {
			ch, _ := v.get(KindCourse, "a")
			return ch.Since == ch.Seq, nil
		})
	}
	puts(t, c, System, course("a", Draft))
	if got := stored(t, c, "a").Value; got.EverPublished || got.PublishedAt != nil || !got.CreatedAt.Equal(noon) {
		t.Errorf("a draft: %+v", got)
	}
	puts(t, c, System, course("a", Published))
	if got := stored(t, c, "a").Value; !got.EverPublished || got.PublishedAt == nil || !got.PublishedAt.Equal(noon) {
		t.Errorf("published: %+v", got)
	}
	if !since() {
		t.Error("publishing is no change of access")
	}
	edited := course("a", "")
	edited.Provider = "MIT"
	puts(t, c, System, edited)
	if got := stored(t, c, "a").Value; got.State != Published || since() {
		t.Errorf("an edit changed access, or the state to %q", got.State)
	}
	puts(t, c, System, course("a", Draft))
	if got := stored(t, c, "a").Value; !got.EverPublished || got.PublishedAt == nil || !since() {
		t.Errorf("a draft again: %+v", got)
	}
	first := func() coursesync.Seq {
		return look(t, c, func(v *View) (coursesync.Seq, error) { return v.FirstPublished("a") })
	}
	published := first()
	if made := look(t, c, func(v *View) (coursesync.Seq, error) { ch, _ := v.get(KindCourse, "a"); return ch.Created, nil }); published <= made {
		t.Errorf("first published in %d, made as a draft in %d", published, made)
	}
	for _, step := range []func(tx *Tx) error{
		func(tx *Tx) error { _, err := tx.PutCourse(course("a", Published), Cond{}); return err },
		func(tx *Tx) error { return tx.DeleteCourse("a", Cond{}) },
		func(tx *Tx) error { _, err := tx.PutCourse(course("a", Draft), Cond{}); return err },
	} {
		must(t, c, System, step)
		if got := first(); got != published {
			t.Errorf("it was published first in %d, and later that is %d", published, got)
		}
	}
	given := course("b", Published)
	day := noon.AddDate(-1, 0, 0)
	given.PublishedAt = &day
	puts(t, c, System, given)
	if got := stored(t, c, "b").Value; !got.PublishedAt.Equal(day) {
		t.Errorf("published at %v, want what was given", got.PublishedAt)
	}
}

// What one may name: the organization's own and the public. What another organization has is answered like what is not there.
func TestReferences(t *testing.T) {
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		for _, id := range []string{"pub", "acme~own", "bolz~own"} {
			if _, err := tx.PutTag(Tag{ID: TagID(id), Label: map[Locale]string{"en": "x"}}, Cond{}); err != nil {
				return err
			}
			if _, err := tx.PutCategory(Category{ID: CategoryID(id), Label: map[Locale]string{"en": "x"}}, Cond{}); err != nil {
				return err
			}
			if _, err := tx.PutInstructor(Instructor{ID: InstructorID(id), Name: "x"}, Cond{}); err != nil {
				return err
			}
			if _, err := tx.PutCourse(course(CourseID(id), Published), Cond{}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, test := range []struct {
		course CourseID
		ref    string
		ok     bool
	}{
		{"c", "pub", true},
		{"c", "acme~own", false},
		{"c", "none", false},
		{"c", "", false},
		{"acme~c", "pub", true},
		{"acme~c", "acme~own", true},
		{"acme~c", "bolz~own", false},
		{"acme~c", "bolz~none", false},
	} {
		for pointer, set := range map[string]func(c *Course){
			"/tags/0":          func(c *Course) { c.Tags = []TagID{TagID(test.ref)} },
			"/category":        func(c *Course) { c.Category = CategoryID(test.ref) },
			"/instructors/0":   func(c *Course) { c.Instructors = []InstructorID{InstructorID(test.ref)} },
			"/prerequisites/0": func(c *Course) { c.Prerequisites = []CourseID{CourseID(test.ref)} },
		} {
			if test.ref == "" && pointer == "/category" {
				continue // none
			}
			err := c.DryRun(t.Context(), System, func(tx *Tx) error {
				named := course(test.course, Published)
				set(&named)
				_, err := tx.PutCourse(named, Cond{})
				return err
			})
			if test.ok {
				wantCode(t, err, "")
			} else {
				wantField(t, err, pointer, fault.UnknownRef)
			}
		}
	}
}

func TestDeleteCourse(t *testing.T) {
	c := testCatalog(t)
	after := course("b", Published)
	after.Prerequisites = []CourseID{"a"}
	puts(t, c, System, course("a", Published), after)
	must(t, c, System, func(tx *Tx) error {
		_, err := tx.PutContent("a", smallContent(), Cond{})
		return err
	})
	must(t, c, System, func(tx *Tx) error { return tx.DeleteCourse("a", Cond{}) })
	for _, kind := range append(contentKinds, KindCourseStats, KindSetting) {
		look(t, c, func(v *View) (int, error) {
			for ch := range entities(v, kind, "", "") {
				if strings.Contains(ch.Key, "a") && ch.Kind != KindSetting || strings.HasPrefix(ch.Key, guardContent) {
					t.Errorf("%s %q is left", kind, ch.Key)
				}
			}
			return 0, nil
		})
	}
	after.Provider = "x" // still names a, which is gone: an edit of something else must be possible
	puts(t, c, System, after)
}

// Who asks for a course as a prerequisite learns nothing of drafts.
func TestReferencesTellNothingOfDrafts(t *testing.T) {
	c := world(t)
	for id, ok := range map[CourseID]bool{"pub": true, "draft": false, "none": false, "acme~draft": true, "bolz~pub": false} {
		err := c.DryRun(t.Context(), acmeEditor, func(tx *Tx) error {
			named := course("acme~new", Published)
			named.Prerequisites = []CourseID{id}
			return second(tx.PutCourse(named, Cond{}))
		})
		if ok {
			wantCode(t, err, "")
		} else {
			wantField(t, err, "/prerequisites/0", fault.UnknownRef)
		}
	}
}
