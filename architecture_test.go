package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/carrel-lms/carrel"

// arrows says which of our packages each may import, tests aside. They go one way.
var arrows = map[string][]string{
	"fault":           {},
	"locales":         {},
	"sync":            {"fault"},
	"catalog":         {"fault", "sync"},
	"sync/delta":      {"fault", "sync", "catalog"},
	"search/analysis": {},
	"search/query":    {"fault"},
	"search":          {"fault", "sync", "catalog", "search/analysis", "search/query"},
	"ingest":          {"fault", "sync", "catalog"},
	"identity":        {"fault", "catalog"},
	"insight":         {"fault", "catalog"},
	"files":           {"fault"},
	"push":            {"fault", "sync", "catalog", "locales"},
	"push/fcm":        {"catalog", "push"},

	"push/fcmtest/standin": {"push/fcmtest"},
	"clients":              {},
	"api":                  {"fault", "sync", "sync/delta", "catalog", "search", "ingest", "identity", "insight", "files", "locales", "push", "clients"},
	"web":                  {"fault", "sync", "catalog", "search", "identity", "insight", "locales", "push"},
	"tests/screenshots":    {},
	"":                     {"fault", "sync", "catalog", "search", "search/analysis", "ingest", "identity", "insight", "files", "locales", "push", "push/fcm", "api", "web"},
}

// budgets bounds the modules that each package brings into a build, the standard library aside: a common library grows unseen.
var budgets = map[string]int{
	"fault": 0, "clients": 0, "files": 0, "locales": 5, "sync": 3, "catalog": 10, "sync/delta": 10, "search/analysis": 26, "search/query": 0, "search": 36, "ingest": 12, "identity": 12, "insight": 10, "push": 22, "api": 62, "web": 52,
	"push/fcm": 75, "": 105, // Firebase brings some 40
}

// slimBudget bounds the modules of the program that is built with the tag nofirebase.
const slimBudget = 66

// firebase are beginnings of import paths that package push/fcm alone brings into a build.
var firebase = []string{"firebase.google.com/", "cloud.google.com/", "google.golang.org/api/", "google.golang.org/grpc"}

// forbidden are imports, direct or not, that a package never has.
var forbidden = map[string][]string{
	"sync": {"net/http", "github.com/labstack/echo/v4"}, "fault": {"net/http"},
}

// forbiddenDirect are imports that a package's own files never have.
var forbiddenDirect = map[string][]string{
	"catalog": {"net/http", "github.com/labstack/echo/v4"}, "search": {"net/http", "github.com/labstack/echo/v4"}, "sync": {"net/http"},
	"ingest": {"net/http", "github.com/labstack/echo/v4"}, "identity": {"net/http", "github.com/labstack/echo/v4"},
	"insight": {"net/http", "github.com/labstack/echo/v4"}, "files": {"net/http", "github.com/labstack/echo/v4"},
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath    string
	Imports, Deps []string
	Module        *struct{ Path string }
	Standard      bool
}

func goList(t *testing.T, args ...string) map[string]listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Deps,Module,Standard"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]listed{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

func short(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

func TestArrowsGoOneWay(t *testing.T) {
	for path, p := range goList(t, "./...") {
		name := short(path)
		allowed, known := arrows[name]
		if !known {
			if strings.HasSuffix(name, "test") {
				continue // helpers of tests
			}
			t.Errorf("package %q has no place among the arrows: give it one in this test", name)
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module) && !slices.Contains(allowed, short(imported)) {
				t.Errorf("%s imports %s: that arrow points the wrong way", name, short(imported))
			}
			if slices.Contains(forbiddenDirect[name], imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
		for _, dep := range p.Deps {
			if slices.Contains(forbidden[name], dep) {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
}

func TestModuleBudgets(t *testing.T) {
	all := goList(t, "-deps", "./...")
	for name, budget := range budgets {
		p, ok := all[strings.TrimSuffix(module+"/"+name, "/")]
		if !ok {
			t.Errorf("there is no package %q", name)
			continue
		}
		modules := modulesOf(p, all)
		if len(modules) > budget {
			t.Errorf("%q brings %d modules into a build, its budget is %d: %v", name, len(modules), budget, slices.Sorted(maps.Keys(modules)))
		}
	}
}

// modulesOf returns the modules that a package brings into a build, the standard library and our own aside.
func modulesOf(p listed, all map[string]listed) map[string]bool {
	modules := map[string]bool{}
	for _, dep := range p.Deps {
		if m := all[dep].Module; m != nil && m.Path != module {
			modules[m.Path] = true
		}
	}
	return modules
}

// TestOnlyPushBringsFirebase: the packages do without, and the tag nofirebase leaves it out of the program.
func TestOnlyPushBringsFirebase(t *testing.T) {
	brings := func(p listed) string {
		for _, dep := range p.Deps {
			if slices.ContainsFunc(firebase, func(path string) bool { return strings.HasPrefix(dep, path) }) {
				return dep
			}
		}
		return ""
	}
	for path, p := range goList(t, "./...") {
		dep := brings(p)
		if name := short(path); (dep != "") != (name == "" || name == "push/fcm") {
			t.Errorf("package %q depends on %q", name, dep)
		}
	}
	slim := goList(t, "-tags", "nofirebase", "-deps", ".")
	if dep := brings(slim[module]); dep != "" {
		t.Errorf("with the tag nofirebase the program depends on %s", dep)
	}
	if modules := modulesOf(slim[module], slim); len(modules) > slimBudget {
		t.Errorf("with the tag nofirebase the program brings %d modules into a build, its budget is %d: %v", len(modules), slimBudget, slices.Sorted(maps.Keys(modules)))
	}
}
