package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"wringer/reports"
	"wringer/scenarios"
)

// otherPrograms may begin a command line in the documents.
var otherPrograms = []string{"git", "cd", "go", "curl", "vegeta", ".ci/run", "gofmt", "staticcheck"}

// TestDocsShell reads every line of the shell blocks. A line that calls wringer must be one that wringer understands. Lines
// that cost nothing are run, a run is checked, and a load prints its scenario.
func TestDocsShell(t *testing.T) {
	all := documents(t)
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	sandbox(t, all, here)
	seen := 0
	for _, d := range all {
		for _, b := range d.blocks() {
			lines, err := b.lines()
			if err != nil {
				t.Errorf("%s:%d: %v", d.path, b.line, err)
			}
			for _, line := range lines {
				seen++
				if err := understood(t, line, here); err != nil {
					t.Errorf("%s:%d: %s: %v", d.path, b.line, line, err)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d command lines were found", seen)
	}
}

// TestPipelineFiles reads the files that users copy, and the action: each is YAML, and each line that calls wringer is one that wringer
// understands.
func TestPipelineFiles(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(here, "docs/ci/*"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	sandbox(t, documents(t), here)
	for _, side := range []string{"base", "new"} {
		if err := os.Symlink(here, side); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range append(files, filepath.Join(here, "action.yml")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		if filepath.Ext(path) == ".yml" {
			if lines, err = (block{lang: "yaml", part: "pipeline", text: string(text)}).lines(); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		} else {
			for _, m := range regexp.MustCompile(`'(\./wringer [^']*)'`).FindAllStringSubmatch(string(text), -1) {
				lines = append(lines, m[1])
			}
		}
		calls := 0
		for _, line := range lines {
			line = strings.TrimPrefix(strings.ReplaceAll(line, `"$RUNNER_TEMP/wringer" run "${args[@]}"`, "wringer run"), "./")
			if !strings.HasPrefix(line, "wringer ") {
				continue
			}
			calls++
			line = strings.ReplaceAll(line, `-- "$SCENARIO"`, "scenarios/checkout.yaml")
			if err := understood(t, line, here); err != nil {
				t.Errorf("%s: %s: %v", path, line, err)
			}
		}
		if calls == 0 {
			t.Errorf("%s calls wringer nowhere", path)
		}
	}
}

// lines are the command lines of a shell block, or of the jobs of a CI system's file.
func (b block) lines() ([]string, error) {
	switch {
	case b.lang == "sh" || b.lang == "console":
		return b.commands(), nil
	case b.part != "pipeline":
		return nil, nil
	}
	var file any
	if err := yaml.Unmarshal([]byte(b.text), &file); err != nil {
		return nil, err
	}
	var all []string
	for _, script := range scripts(file) {
		all = append(all, block{lang: "sh", text: script}.commands()...)
	}
	if len(all) == 0 {
		return nil, errors.New("no job runs anything")
	}
	return all, nil
}

// scripts are the texts that the jobs of a file run: of GitHub's key run, and GitLab's lists.
func scripts(file any) (all []string) {
	switch v := file.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			text, isText := v[key].(string)
			lines, isList := v[key].([]any)
			switch {
			case key == "run" && isText:
				all = append(all, text)
			case slices.Contains([]string{"before_script", "script", "after_script"}, key) && isList:
				for _, line := range lines {
					all = append(all, fmt.Sprint(line))
				}
			default:
				all = append(all, scripts(v[key])...)
			}
		}
	case []any:
		for _, item := range v {
			all = append(all, scripts(item)...)
		}
	}
	return all
}

// sandbox changes to a folder that holds the files named in the documents.
func sandbox(t *testing.T, all []document, here string) {
	dir := t.TempDir()
	for name, content := range map[string]string{"users.csv": "name\nann\n", "targets.txt": "GET http://127.0.0.1:8080/healthz\n", "body.json": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"scenarios", "drivers"} {
		if err := os.Symlink(filepath.Join(here, folder), filepath.Join(dir, folder)); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range all {
		for _, b := range d.blocks() {
			name := regexp.MustCompile(`(?m)^name: (\S+)$`).FindStringSubmatch(b.text)
			if b.lang != "yaml" || b.part != "" || name == nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name[1]+".yaml"), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(dir)
}

// commands lists the command lines: all lines of a sh block, and the lines behind "$ " of a console block.
func (b block) commands() (all []string) {
	for _, line := range strings.Split(strings.ReplaceAll(b.text, "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		if b.lang == "console" {
			typed, isCommand := strings.CutPrefix(line, "$ ")
			if !isCommand {
				continue
			}
			line = typed
		}
		if i := strings.Index(" "+line, " #"); i >= 0 {
			line = strings.TrimSpace(line[:i])
		}
		if line != "" {
			all = append(all, line)
		}
	}
	return all
}

// understood returns the reason why a command line is wrong; nil when it is right.
func understood(t *testing.T, line, here string) error {
	line = strings.Replace(line, "go run ./cmd/wringer", "wringer", 1)
	words := split(line)
	for strings.Contains(words[0], "=") && len(words) > 1 {
		words = words[1:] // a variable of the environment
	}
	if end := slices.IndexFunc(words, func(w string) bool { return slices.Contains([]string{"|", ">", "&", "&&", "||", ";"}, w) }); end >= 0 {
		words = words[:end]
	}
	switch {
	case words[0] == "go":
		return goLine(words, here)
	case words[0] != "wringer" && words[0] != "./wringer":
		if !slices.Contains(otherPrograms, words[0]) {
			return fmt.Errorf("%s is not known", words[0])
		}
		return nil
	}
	return wringerLine(t, words[1:])
}

// goLine: the packages in the command exist.
func goLine(words []string, here string) error {
	for _, w := range words {
		if folder := strings.TrimSuffix(w, "..."); strings.HasPrefix(w, "./") {
			if _, err := os.Stat(filepath.Join(here, folder)); err != nil {
				return err
			}
		}
	}
	return nil
}

func wringerLine(t *testing.T, args []string) error {
	top := rootCommand(streams{})
	cmd, rest, err := top.Find(args)
	if err != nil || cmd == top && !strings.HasPrefix(args[0], "--") {
		return fmt.Errorf("there is no such command: %v", err)
	}
	if slices.Contains(rest, "--help") || slices.Contains(rest, "--version") {
		return runs(t, args)
	}
	if cmd.Name() == "load" {
		read := readLoad(top, args)
		if read.answer != nil {
			return nil // the document shows the answer
		}
		rest = read.args[1:]
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	switch cmd.Name() {
	case "check", "schema":
		return runs(t, args)
	case "load":
		return printed(t, args)
	case "run":
		settings, err := cmd.Flags().GetStringArray("set")
		if err != nil {
			return err
		}
		check := append([]string{"check"}, cmd.Flags().Args()...)
		for _, s := range settings {
			check = append(check, "--set", s)
		}
		return runs(t, check)
	}
	return nil
}

// runs runs a command that costs nothing.
func runs(t *testing.T, args []string) error {
	if code, stdout, stderr := wringer(t, args...); code != reports.ExitPass {
		return fmt.Errorf("exit %d:\n%s%s", code, stdout, stderr)
	}
	return nil
}

// printed: a line of wringer load prints a valid scenario.
func printed(t *testing.T, args []string) error {
	var out, stderr bytes.Buffer
	code := run(t.Context(), append(slices.Clone(args), "--print-scenario"), streams{strings.NewReader("{}"), &out, &stderr})
	if code != reports.ExitPass {
		return fmt.Errorf("exit %d: %s", code, stderr.String())
	}
	_, err := scenarios.Parse("load", out.Bytes(), language, scenarios.Options{})
	return err
}

// split cuts a line into words as a shell does, with single quotes alone.
func split(line string) (words []string) {
	for _, w := range regexp.MustCompile(`('[^']*'|[^ '])+`).FindAllString(line, -1) {
		words = append(words, strings.ReplaceAll(w, "'", ""))
	}
	return words
}
