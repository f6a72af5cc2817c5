package catalog

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTextIn(t *testing.T) {
	src := Text{Title: "Law", Summary: "About law", Description: "All of it"}
	c := Course{Language: English, Text: src, Translations: map[Locale]Text{
		French: {Title: "Droit", Description: "Tout"}, Chinese: {Summary: "法律"}, "pt-BR": {Title: "Direito"},
	}}
	for l, want := range map[Locale]struct {
		Text
		in Locale
	}{
		English:   {src, English},
		"en-GB":   {src, English},
		AnyLocale: {src, English},
		"":        {src, English},
		"de":      {src, English},
		French:    {Text{"Droit", "About law", "Tout"}, French},
		"fr-CA":   {Text{"Droit", "About law", "Tout"}, French},
		Chinese:   {src, English}, // no title: not translated
		"pt":      {Text{"Direito", "About law", "All of it"}, "pt-BR"},
	} {
		if text, in := c.TextIn(l); text != want.Text || in != want.in {
			t.Errorf("%q: got %+v in %q, want %+v", l, text, in, want)
		}
	}
}

func TestAvailabilityAt(t *testing.T) {
	day := func(n int) *time.Time { d := noon.AddDate(0, 0, n); return &d }
	for _, test := range []struct {
		opens, closes *time.Time
		want          Availability
	}{
		{nil, nil, EnrollOpen},
		{day(-1), nil, EnrollOpen},
		{day(0), day(1), EnrollOpen},
		{day(1), nil, EnrollUpcoming},
		{nil, day(-1), EnrollClosed},
		{day(-2), day(0), EnrollClosed},
		{day(1), day(2), EnrollUpcoming},
	} {
		if got := AvailabilityAt(Course{EnrollmentOpensAt: test.opens, EnrollmentClosesAt: test.closes}, noon); got != test.want {
			t.Errorf("%v to %v: %s, want %s", test.opens, test.closes, got, test.want)
		}
	}
}

func TestCardAndDocument(t *testing.T) {
	c := testCatalog(t)
	must(t, c, System, func(tx *Tx) error {
		for _, id := range []InstructorID{"ada", "bob", "cyd"} {
			if _, err := tx.PutInstructor(Instructor{ID: id, Name: "Name of " + string(id)}, Cond{}); err != nil {
				return err
			}
		}
		a := course("acme~a", Published)
		a.Instructors = []InstructorID{"bob", "ada", "cyd"}
		a.Translations = map[Locale]Text{French: {Title: "Titre"}}
		if _, err := tx.PutCourse(a, Cond{}); err != nil {
			return err
		}
		rated := func(f float64) *float64 { return &f }
		for id, r := range map[string]float64{"ada": 4.25, "bob": 4.5} {
			s := InstructorStats{Rating: rated(r)}
			if _, err := tx.put(KindInstructorStats, id, channelCatalog, s, putOpts{}); err != nil {
				return err
			}
		}
		_, err := tx.put(KindCourseStats, "acme~a", catalogChannel("acme~a"),
			CourseStats{Total: Sum{Sum: 13, N: 3}, Enrollments: 7, Rating: rated(4.1)}, putOpts{})
		return err
	})
	doc := look(t, c, func(v *View) (Document, error) {
		s, err := v.CourseFor(acmeLearner, "acme~a")
		if err != nil {
			return Document{}, err
		}
		return v.Document(anon, s, French)
	})
	got, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"acme~a","title":"Titre","summary":"","locale":"fr","language":"en","tags":[],"category":null,"level":null,` +
		`"instructors":[{"id":"bob","name":"Name of bob","rating":4.5},{"id":"ada","name":"Name of ada","rating":4.25},{"id":"cyd","name":"Name of cyd","rating":null}],` +
		`"rating":4.1,"rating_count":3,"instructor_rating":4.38,"duration_minutes":null,"price":null,"currency":null,"provider":null,"image_url":null,"url":null,` +
		`"enrollment_count":7,"availability":"open","org":"acme","state":"published","updated_at":"2026-03-01T12:00:00Z","version":0,` +
		`"description":"","translations":{"fr":{"title":"Titre"}},"rating_mean":4.33,"starts_at":null,"ends_at":null,"enrollment_opens_at":null,"enrollment_closes_at":null,` +
		`"prerequisites":[],"certificate":false,"content_public":false,"created_at":"2026-03-01T12:00:00Z","published_at":"2026-03-01T12:00:00Z"}`
	var a, b map[string]any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	if a["version"].(float64) < 1<<20 {
		t.Errorf("version %v", a["version"])
	}
	a["version"] = 0.0
	if diff := cmp.Diff(b, a); diff != "" {
		t.Error(diff)
	}
}

// TestPrerequisitesOfADocument: nobody learns by a document of courses that they may not see, but who writes it sees all that it names.
func TestPrerequisitesOfADocument(t *testing.T) {
	c := world(t)
	all := []CourseID{"arch", "draft", "pub", "gone"}
	must(t, c, System, func(tx *Tx) error {
		if _, err := tx.PutCourse(course("gone", Published), Cond{}); err != nil {
			return err
		}
		made := course("more", Published)
		made.Prerequisites = all
		if _, err := tx.PutCourse(made, Cond{}); err != nil {
			return err
		}
		inside := course("acme~more", Published)
		inside.Prerequisites = []CourseID{"pub", "acme~draft", "acme~pub"}
		_, err := tx.PutCourse(inside, Cond{})
		return err
	})
	must(t, c, System, func(tx *Tx) error { return tx.DeleteCourse("gone", Cond{}) })
	for _, tc := range []struct {
		actor string
		id    CourseID
		want  []CourseID
	}{
		{"anon", "more", []CourseID{"arch", "pub"}},
		{"learner", "more", []CourseID{"arch", "pub"}},
		{"acmeEditor", "more", []CourseID{"arch", "pub"}},
		{"staffEditor", "more", all},
		{"translator", "more", all},
		{"acmeLearner", "acme~more", []CourseID{"pub", "acme~pub"}},
		{"acmeEditor", "acme~more", []CourseID{"pub", "acme~draft", "acme~pub"}},
		{"anon", "pub", []CourseID{}},
	} {
		doc := look(t, c, func(v *View) (Document, error) {
			s, err := v.CourseFor(cast[tc.actor], tc.id)
			if err != nil {
				return Document{}, err
			}
			return v.Document(cast[tc.actor], s, English)
		})
		if diff := cmp.Diff(tc.want, doc.Prerequisites); diff != "" {
			t.Errorf("%s reads %s: %s", tc.actor, tc.id, diff)
		}
	}
}
