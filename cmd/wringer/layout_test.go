package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// topLevel lists the allowed entries of the repository's first folder, beside files that begin with a dot and the entries of
// .gitignore.
var topLevel = []string{
	"cmd", "docs", "drivers", "faults", "reports", "scenarios", "go.mod", "go.sum",
	"action.yml", "README.md", "Dockerfile", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "runs", "wringer",
}

// TestTopLevel: the repository has these folders and no others.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(topLevel, e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s stands at the top level; put it below one of the folders", e.Name())
		}
	}
}
