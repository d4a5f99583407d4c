package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Every mistake in what a scenario names is told at once, with its place, by check and run alike, and nothing is started.
// -update writes the expected messages.
func TestFilesOfScenarios(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/files", UpdateScripts: *update})
}
