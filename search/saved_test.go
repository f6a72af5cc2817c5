package search

import (
	"errors"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

func TestParseSaved(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fault.Code{
		"q=go&tag=a&tag=b&min_rating=4&sort=-rating&limit=5&locale=fr": "",
		"q=go&cursor=x":      fault.UnknownParameter,
		"q=go&after=x":       fault.UnknownParameter,
		"colour=red":         fault.UnknownParameter,
		"min_rating=6":       fault.InvalidParameter,
		"q=tag:":             "",
		"q=rating:%3E%3Dtwo": fault.InvalidQuery,
	} {
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseSaved(values)
		if code := fault.CodeOf(err); code != want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if parsed, perr := ParseParams(values); err == nil && (perr != nil || cmp.Diff(parsed, got) != "") {
			t.Errorf("%s: %+v, want %+v", text, got, parsed)
		}
	}
}

// TestCheckSaved: drafts are for those who may ask for them, and whatever else is wrong is told of one parameter.
func TestCheckSaved(t *testing.T) {
	t.Parallel()
	learner, editor := catalog.Actor{Subject: "lea"}, catalog.Actor{Subject: "ed", Roles: []catalog.Role{catalog.RoleEditor}}
	french := func(locale string) bool { return locale == "fr" }
	for _, tt := range []struct {
		actor catalog.Actor
		text  string
		want  fault.Code
	}{
		{learner, "q=go&locale=fr&state=published", ""},
		{learner, "q=go&locale=de", fault.InvalidFields},
		{learner, "q=go&locale=fr&locale=fr", fault.InvalidFields},
		{learner, "q=rating:%3E%3Dtwo", fault.InvalidFields},
		{learner, "min_rating=6", fault.InvalidFields},
		{learner, "colour=red", fault.InvalidFields},
		{learner, "state=draft", fault.Forbidden},
		{learner, "state=*", fault.Forbidden},
		{editor, "state=*", ""},
		{learner, "q=%zz", ""}, // the catalog's to refuse
	} {
		err := CheckSaved(tt.actor, tt.text, french)
		if code := fault.CodeOf(err); code != tt.want {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
		var f *fault.Error
		if tt.want == fault.InvalidFields && (!errors.As(err, &f) || len(f.Fields) != 1 || f.Fields[0].Code != fault.BadQuery || f.Fields[0].Args["name"] == nil) {
			t.Errorf("%s: %v names no parameter", tt.text, err)
		}
	}
}
