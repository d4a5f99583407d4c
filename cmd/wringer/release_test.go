package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestVersion(t *testing.T) {
	code, stdout, stderr := wringer(t, "version")
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if code != 0 || !strings.HasPrefix(stdout, "wringer ") || !strings.Contains(stdout, platform) || !strings.Contains(stdout, runtime.Version()) {
		t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
	}
	_, stdout, _ = wringer(t, "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(stdout), &b); err != nil || b.Platform != platform || b.Version == "" {
		t.Errorf("%v: %s", err, stdout)
	}
	release = "9.8.7"
	defer func() { release = "" }()
	if _, stdout, _ = wringer(t, "--version"); !strings.Contains(stdout, "9.8.7") {
		t.Errorf("a released binary says %s", stdout)
	}
}

// Every command has its manual page, and the pages are the same each time.
func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, _, stderr := wringer(t, "man", dir); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, name := range []string{"wringer", "wringer-run", "wringer-load", "wringer-init", "wringer-check"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil || !strings.HasPrefix(string(text), ".nh\n.TH") {
			t.Errorf("%s: %v, %.40q", name, err, text)
		}
	}
	if code, _, _ := wringer(t, "man"); code == 0 {
		t.Error("no folder is named, and none is missed")
	}
}

// The configuration of releases builds this command for six platforms, with the variable that holds the version.
func TestReleaseConfiguration(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Version int `yaml:"version"`
		Builds  []struct {
			Main    string   `yaml:"main"`
			Binary  string   `yaml:"binary"`
			Env     []string `yaml:"env"`
			Ldflags []string `yaml:"ldflags"`
			Goos    []string `yaml:"goos"`
			Goarch  []string `yaml:"goarch"`
		} `yaml:"builds"`
		Archives []struct {
			Files []string `yaml:"files"`
		} `yaml:"archives"`
	}
	if err := yaml.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	if c.Version != 2 || len(c.Builds) != 1 || len(c.Archives) != 1 {
		t.Fatalf("%+v", c)
	}
	b := c.Builds[0]
	if !slices.Equal(b.Goos, []string{"linux", "darwin", "windows"}) || !slices.Equal(b.Goarch, []string{"amd64", "arm64"}) || !slices.Contains(b.Env, "CGO_ENABLED=0") {
		t.Errorf("builds for %v on %v with %v", b.Goos, b.Goarch, b.Env)
	}
	if _, err := os.Stat(filepath.Join(root, b.Main, "main.go")); err != nil || b.Binary != "wringer" {
		t.Errorf("%s: %v", b.Main, err)
	}
	source, err := os.ReadFile("version.go")
	if err != nil || !strings.Contains(b.Ldflags[0], "main.release=") || !strings.Contains(string(source), "\nvar release string\n") {
		t.Errorf("the version goes to no variable: %v, %v", b.Ldflags, err)
	}
	for _, file := range c.Archives[0].Files {
		if name := strings.TrimSuffix(file, "/*"); name == file {
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Error(err)
			}
		}
	}
}

// The image has no shell and no rights: the last stage begins from nothing.
func TestDockerfile(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(raw), "FROM scratch\n")
	if !ok || !strings.Contains(last, "\nUSER 65532:65532\n") || strings.Contains(last, "\nRUN ") {
		t.Errorf("the last stage is\n%s", last)
	}
}
