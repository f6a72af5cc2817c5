package catalog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carrel-lms/carrel/fault"
)

func smallContent() Content {
	en := func(s string) map[Locale]string { return map[Locale]string{"en": s} }
	return Content{
		Modules: []Module{{ID: "m1", Title: en("One")}, {ID: "a2", Position: 1, Title: en("Two")}},
		Lessons: []Lesson{
			{ID: "l1", Module: "m1", Title: en("First"), Body: en("<p>Hello</p>")},
			{ID: "b2", Module: "a2", Position: 1, Title: en("Second"), Body: en("<p>again</p><script>x</script>")},
		},
		Assets: []Asset{{ID: "pdf", Lesson: "l1", Name: "a.pdf", MediaType: "application/pdf", URL: "https://e.org/a.pdf", Size: 3, SHA256: strings.Repeat("0a", 32)}},
	}
}

func TestContent(t *testing.T) {
	c := testCatalog(t)
	puts(t, c, System, course("a", Published), course("ab", Published))
	put := func(content Content, cond Cond) error {
		return do(t, c, System, func(tx *Tx) error { return second(tx.PutContent("a", content, cond)) })
	}
	read := func() Content {
		return look(t, c, func(v *View) (Content, error) { return v.Content(System, "a") })
	}
	if got := read(); got.Version != 0 || got.Modules == nil || got.Assets == nil {
		t.Errorf("empty content: %+v", got)
	}
	wantCode(t, put(smallContent(), Cond{MustExist: true}), fault.LostUpdate)
	wantCode(t, put(smallContent(), Cond{}), "")
	want := smallContent()
	want.Lessons[1].Body["en"] = "<p>again</p>"
	want.Assets[0].Priority = 1
	first := read()
	if diff := cmp.Diff(want, first, cmpopts.IgnoreFields(Content{}, "Version")); diff != "" {
		t.Error(diff)
	}
	want.Lessons, want.Assets = want.Lessons[:1], nil
	wantCode(t, put(want, Cond{Version: first.Version}), "")
	wantCode(t, put(want, Cond{Version: first.Version}), fault.LostUpdate)
	if got := read(); len(got.Lessons) != 1 || len(got.Assets) != 0 || got.Version <= first.Version {
		t.Errorf("%+v", got)
	}
	outline := look(t, c, func(v *View) (Content, error) { return v.Outline(anon, "a") })
	if len(outline.Lessons) != 1 || outline.Lessons[0].Body != nil || outline.Lessons[0].Title["en"] != "First" {
		t.Errorf("outline: %+v", outline)
	}
	if stored(t, c, "a").Version > first.Version {
		t.Error("writing content moved the course's version")
	}
}

func TestContentIsPublicWhenItSaysSo(t *testing.T) {
	c := testCatalog(t)
	open := course("a", Published)
	open.ContentPublic = true
	puts(t, c, System, open)
	must(t, c, System, func(tx *Tx) error { return second(tx.PutContent("a", smallContent(), Cond{})) })
	got := look(t, c, func(v *View) (Content, error) { return v.Content(anon, "a") })
	if len(got.Lessons) != 2 || got.Lessons[0].Body["en"] == "" {
		t.Errorf("%+v", got)
	}
}

func TestContentValidation(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(c *Content)
		pointer string
		code    fault.Code
	}{
		"two modules":    {func(c *Content) { c.Modules[1].ID = "m1"; c.Lessons[1].Module = "m1" }, "/modules/1/id", fault.Duplicate},
		"unknown module": {func(c *Content) { c.Lessons[1].Module = "zz" }, "/lessons/1/module", fault.UnknownRef},
		"unknown lesson": {func(c *Content) { c.Assets[0].Lesson = "zz" }, "/assets/0/lesson", fault.UnknownRef},
		"no title":       {func(c *Content) { c.Modules[0].Title = nil }, "/modules/0/title", fault.Required},
		"bad locale":     {func(c *Content) { c.Lessons[0].Title = map[Locale]string{"??": "x"} }, "/lessons/0/title/??", fault.BadLocale},
		"bad id":         {func(c *Content) { c.Lessons[0].ID = "a/b"; c.Assets[0].Lesson = "" }, "/lessons/0/id", fault.BadID},
		"position":       {func(c *Content) { c.Modules[0].Position = -1 }, "/modules/0/position", fault.OutOfRange},
		"duration":       {func(c *Content) { c.Lessons[0].DurationMinutes = MaxDuration + 1 }, "/lessons/0/duration_minutes", fault.OutOfRange},
		"long body":      {func(c *Content) { c.Lessons[0].Body["en"] = strings.Repeat("x", maxLessonBody+1) }, "/lessons/0/body/en", fault.TooLong},
		"broken body":    {func(c *Content) { c.Lessons[0].Body["en"] = "\xff" }, "/lessons/0/body/en", fault.BadEncoding},
		"size":           {func(c *Content) { c.Assets[0].Size = -1 }, "/assets/0/size", fault.OutOfRange},
		"hash":           {func(c *Content) { c.Assets[0].SHA256 = "xyz" }, "/assets/0/sha256", fault.BadValue},
		"media type":     {func(c *Content) { c.Assets[0].MediaType = "pdf" }, "/assets/0/media_type", fault.BadValue},
		"address":        {func(c *Content) { c.Assets[0].URL = "file:///etc/passwd" }, "/assets/0/url", fault.BadURL},
		"many modules":   {func(c *Content) { c.Modules = make([]Module, maxModules+1) }, "/modules", fault.TooMany},
	} {
		t.Run(name, func(t *testing.T) {
			var p problems
			c := smallContent()
			test.change(&c)
			p.content(c)
			wantField(t, p.err("test"), test.pointer, test.code)
		})
	}
	c := testCatalog(t)
	puts(t, c, System, course("a", Published))
	err := do(t, c, System, func(tx *Tx) error { return second(tx.PutLesson("a", smallContent().Lessons[0])) })
	wantField(t, err, "/module", fault.UnknownRef)
}

func TestPositionsComeFromTheOrder(t *testing.T) {
	var p problems
	c := smallContent()
	for i := range c.Modules {
		c.Modules[i].Position = 0
	}
	got := p.content(c)
	if got.Modules[0].Position != 0 || got.Modules[1].Position != 1 {
		t.Errorf("%+v", got.Modules)
	}
}
