package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be carrel: scripts call it by that name, crash tests start and kill it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"carrel": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
