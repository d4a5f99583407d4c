package containers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// sources tells the files and folders of a configuration whose contents go into its containers.
type sources interface{ sources(folder string) []string }

// hash identifies a configuration: its text, the folder in which its paths lie, and what the files and folders hold that go into
// the containers.
func hash(folder string, config sources) (string, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("hash the target: %w", err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", folder, raw)
	for _, path := range config.sources(folder) {
		if err := hashPath(sum, path); err != nil {
			return "", fmt.Errorf("hash the target: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// hashPath writes the names and contents of a file, or of what a folder sends to a build. A missing one counts as empty: the
// start names it.
func hashPath(w io.Writer, root string) error {
	ignored, err := ignoredIn(root)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if skip, err := ignored.MatchesOrParentMatches(filepath.ToSlash(name)); skip || err != nil {
			return err
		}
		return hashEntry(w, path, name, entry)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func hashEntry(w io.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%q %v\n", name, info.Mode())
	if !info.Mode().IsRegular() {
		return nil
	}
	fmt.Fprintln(w, info.Size())
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}

// ignoredIn are the paths that a folder's .dockerignore keeps out of a build.
func ignoredIn(root string) (*patternmatcher.PatternMatcher, error) {
	file, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return patternmatcher.New(nil)
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return patternmatcher.New(patterns)
}

func (c *Config) sources(folder string) []string {
	var all []string
	for _, n := range c.names() {
		e := (*c)[n]
		paths := append([]string{e.Build, e.EnvFile}, slices.Sorted(maps.Values(e.Files))...)
		if e.Postgres != nil {
			paths = append(paths, e.Postgres.Init...)
		}
		for _, path := range paths {
			if path != "" && !strings.Contains(path, "${") {
				all = append(all, within(folder, path))
			}
		}
	}
	return all
}

// composeSources is a Compose file with the keys that stand beside it in the scenario. Files of variables are in it already.
type composeSources struct{ *Compose }

// MarshalJSON implements json.Marshaler.
func (c composeSources) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{*c.Compose, c.project})
}

func (c composeSources) sources(string) []string {
	var all []string
	for _, n := range c.names() {
		if b := c.project.Services[n].Build; b != nil {
			all = append(all, b.Context)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.project.Secrets)) {
		all = append(all, c.project.Secrets[n].File)
	}
	for _, n := range slices.Sorted(maps.Keys(c.project.Configs)) {
		all = append(all, c.project.Configs[n].File)
	}
	return slices.DeleteFunc(all, func(path string) bool { return path == "" })
}
