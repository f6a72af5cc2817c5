package web

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

// What templates and code ask for by a whole name.
var (
	inTemplate = regexp.MustCompile(`\b[tn] "([a-z][\w.-]+)"`)
	inCode     = regexp.MustCompile(`(?:Text|Plural)\("([a-z][\w.-]+)"`)
	inTable    = regexp.MustCompile(`"((?:done|facet)\.[\w.-]+)"`)
)

func TestEveryTextExists(t *testing.T) {
	ids := map[string]string{}
	collect := func(name, text string, patterns ...*regexp.Regexp) {
		for _, p := range patterns {
			for _, m := range p.FindAllStringSubmatch(text, -1) {
				if !strings.HasSuffix(m[1], ".") && !strings.HasSuffix(m[1], "_") {
					ids[m[1]] = name
				}
			}
		}
	}
	err := fs.WalkDir(templateFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templateFiles.ReadFile(path)
		collect(path, string(text), inTemplate)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files := must[[]string](t)(filepath.Glob("*.go"))
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") {
			collect(name, string(must[[]byte](t)(os.ReadFile(name))), inCode, inTable)
		}
	}
	if len(ids) < 100 {
		t.Fatalf("only %d texts found: the patterns no longer fit", len(ids))
	}
	// Those whose name is put together.
	for _, f := range facetParams {
		ids["facet."+f.name] = "facets.go"
	}
	for _, id := range []string{
		"level.all", "level.beginner", "level.intermediate", "level.advanced", "availability.open", "availability.upcoming", "availability.closed",
		"state.any", "state.draft", "state.published", "state.archived", "language.en", "language.fr", "language.zh-Hans",
		"push_reason.unregistered", "push_reason.sender-mismatch", "push_reason.invalid-argument", "push_reason.quota-exceeded", "push_reason.unavailable",
		"push_reason.internal", "push_reason.network", "push_reason.unauthenticated", "push_reason.third-party-auth", "push_reason.not-configured",
		"push_reason.no-device", "push_reason.daily-cap", "push_reason.expired", "push_reason.invisible",
		"notify.instant", "notify.daily", "notify.off", "platform.android", "platform.ios", "platform.web", "page.searches.over_daily", "page.searches.over_off",
		"sort.relevance", "sort.rating", "sort.newest", "sort.popular", "sort.title", "sort.duration",
		"action.enroll", "action.continue", "action.again", "action.sign-in", "action.enrolled", "action.upcoming", "action.closed", "action.archived", "action.draft",
		"page.sign_in.role_learner", "page.sign_in.role_editor", "page.sign_in.role_admin",
		"page.insight.chart_searches", "page.insight.chart_clicks", "page.insight.searches", "page.insight.no_results", "page.insight.ctr", "page.insight.position",
		"page.insight.position_note", "page.insight.enrolls",
	} {
		ids[id] = "code"
	}
	for _, name := range []string{"searches", "clicks"} {
		for _, part := range []string{"wide", "narrow", "tip", "desc"} {
			ids["page.insight.chart_"+name+"_"+part] = "chart.go"
		}
	}
	for _, rule := range catalog.NotificationRules {
		ids["page.settings.rule_"+string(rule)] = "settings.go"
	}
	for code := range ownTexts {
		ids["page.error."+string(code)+".title"] = "problem.go"
		ids["page.error."+string(code)+".detail"] = "problem.go"
	}
	for _, code := range fault.Codes() {
		if statuses[code.Kind()] == 0 {
			t.Errorf("no status for %s", code)
		}
	}
	texts := must[*locales.Bundle](t)(locales.Load(""))
	for _, tag := range locales.Tags {
		for id, where := range ids {
			if !texts.Printer(tag).Has(id) {
				t.Errorf("%s: %s has no text %q", where, tag, id)
			}
		}
	}
}
