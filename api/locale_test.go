package api

import (
	"testing"

	"golang.org/x/text/language/display"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
)

// TestPageLocale: the catalog takes every language for the one of ours in which a request in it is answered. It knows nothing of the pages' texts, and so has a
// list of its own.
func TestPageLocale(t *testing.T) {
	t.Parallel()
	tags := []string{"", "*", "und", "xx", "français", "en", "fr", "zh-Hans", " fr ", "fr-CA", "FR", "zh", "zh-CN", "zh_TW", "cmn", "en-u-ca-buddhist"}
	for _, tag := range display.Supported.Tags() {
		tags = append(tags, tag.String())
	}
	for _, tag := range tags {
		want, known := locales.Parse(tag)
		if got, ok := catalog.PageLocale(tag); got != catalog.Locale(want) || ok != known {
			t.Errorf("%q is taken for %q, %v; a request is answered in %q, %v", tag, got, ok, want, known)
		}
	}
}
