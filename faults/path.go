package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Program is the path of a program that a scenario names. A name without a slash is looked for in PATH; a relative path lies in
// folder, the scenario's own.
func Program(folder, name string) string {
	if !strings.Contains(name, "/") || filepath.IsAbs(name) {
		return name
	}
	whole, err := filepath.Abs(filepath.Join(folder, name))
	if err != nil {
		return name
	}
	return whole
}

// WorkingFolder is the working directory that a scenario names: a relative path lies in folder, the scenario's own. Empty stays
// empty. An error says that there is no such folder: the system would call the program missing.
func WorkingFolder(folder, dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(folder, dir)
	}
	at, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("dir: %w", err)
	}
	if !at.IsDir() {
		return "", fmt.Errorf("dir: %s is no folder", dir)
	}
	return dir, nil
}
