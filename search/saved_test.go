package search

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

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
