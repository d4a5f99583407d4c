package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// topLevel is what the repository's first folder may hold, beside files that begin with a dot and what .gitignore names.
var topLevel = []string{
	"cmd", "docs", "drivers", "faults", "reports", "scenarios", "go.mod", "go.sum",
	"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "runs", "wringer",
}

// TestTopLevel: the six folders are the house, and nothing stands beside them.
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
