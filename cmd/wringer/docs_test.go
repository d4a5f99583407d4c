package main

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"wringer/scenarios"
)

var update = flag.Bool("update", false, "write the generated parts of docs/ anew")

// root is the repository's folder, seen from this package.
const root = "../.."

// document is one Markdown file of the repository.
type document struct {
	path string // from the repository's folder, with slashes
	text string
}

// block is one fenced block of a document: ```lang part.
type block struct {
	lang, part string
	line       int
	text       string
}

// documents reads every Markdown file that users read.
func documents(t *testing.T) []document {
	t.Helper()
	paths := []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			inside, _ := filepath.Rel(root, path)
			paths = append(paths, filepath.ToSlash(inside))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]document, len(paths))
	for i, path := range paths {
		all[i] = readDocument(t, path)
	}
	return all
}

func readDocument(t *testing.T, path string) document {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return document{path, string(raw)}
}

var fenceLine = regexp.MustCompile("^\\s*```(\\S*)(?: +(.*))?$")

// blocks lists the fenced blocks.
func (d document) blocks() (all []block) {
	var open *block
	for i, line := range strings.Split(d.text, "\n") {
		head := fenceLine.FindStringSubmatch(line)
		switch {
		case head == nil && open != nil:
			open.text += line + "\n"
		case head != nil && open != nil:
			all = append(all, *open)
			open = nil
		case head != nil:
			open = &block{lang: head[1], part: strings.TrimSpace(head[2]), line: i + 1}
		}
	}
	return all
}

// prose is the text outside the fenced blocks.
func (d document) prose() string {
	return regexp.MustCompile("(?ms)^\\s*```.*?^\\s*```$").ReplaceAllString(d.text, "")
}

// code is the text marked as code: in blocks, and between backquotes.
func (d document) code() string {
	var all strings.Builder
	for _, b := range d.blocks() {
		all.WriteString(b.text)
	}
	for _, inline := range regexp.MustCompile("(?s)`[^`]+`").FindAllString(d.prose(), -1) {
		all.WriteString(inline + "\n")
	}
	return all.String()
}

// written is all text marked as code in the README and docs/, without generated parts.
func written(t *testing.T) string {
	var all strings.Builder
	for _, d := range documents(t) {
		if d.path == "README.md" || strings.HasPrefix(d.path, "docs/") && d.path != scenarioReference {
			all.WriteString(d.code())
		}
	}
	return all.String()
}

func names(text, word string) bool {
	return regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(word) + `($|[^\w-])`).MatchString(text)
}

// TestDocsNameEveryKey: a person explains every key of the scenario language, beside the generated reference.
func TestDocsNameEveryKey(t *testing.T) {
	raw, err := scenarios.Schema(language)
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	text := written(t)
	var missing []string
	seen := make(map[string]bool) // the schema repeats its parts
	eachKey(schema, func(key string) {
		if !seen[key] && !names(text, key) {
			missing = append(missing, key)
		}
		seen[key] = true
	})
	if len(missing) > 0 {
		slices.Sort(missing)
		t.Errorf("no document names %q", missing)
	}
}

func eachKey(schema any, visit func(string)) {
	switch s := schema.(type) {
	case map[string]any:
		for name, part := range s {
			properties, ok := part.(map[string]any)
			if name != "properties" || !ok {
				eachKey(part, visit)
				continue
			}
			for key, property := range properties { // a key of the language may be named properties too
				visit(key)
				eachKey(property, visit)
			}
		}
	case []any:
		for _, part := range s {
			eachKey(part, visit)
		}
	}
}

// TestDocsNameEveryCommand: the documents have every command, and the flags of wringer load, which no scenario describes.
func TestDocsNameEveryCommand(t *testing.T) {
	text := written(t)
	for _, c := range rootCommand(streams{}).Commands() {
		if c.Name() != "help" && !names(text, "wringer "+c.Name()) {
			t.Errorf("no document names wringer %s", c.Name())
		}
		if c.Name() != "load" {
			continue
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !names(text, "--"+f.Name) {
				t.Errorf("no document names --%s of wringer %s", f.Name, c.Name())
			}
		})
	}
}

// TestDocsKeepTheirSizes: readers finish a short page.
func TestDocsKeepTheirSizes(t *testing.T) {
	for path, most := range map[string]struct{ lines, bytes int }{"README.md": {200, 9 << 10}, "ARCHITECTURE.md": {150, 12 << 10}} {
		text := readDocument(t, path).text
		if lines := strings.Count(text, "\n"); lines > most.lines {
			t.Errorf("%s has %d lines; the maximum is %d", path, lines, most.lines)
		}
		if len(text) > most.bytes {
			t.Errorf("%s has %d bytes; the maximum is %d", path, len(text), most.bytes)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "docs/report.png")); err != nil || info.Size() >= 200<<10 {
		t.Errorf("docs/report.png: %v, %v; the maximum is 200 KiB", info, err)
	}
}

// TestReadmeBeginsWithTheTwoCommands: newcomers type them first, and other tools look for them.
func TestReadmeBeginsWithTheTwoCommands(t *testing.T) {
	head, _, _ := strings.Cut(readDocument(t, "README.md").text, "\n## ")
	for _, command := range []string{"go run ./cmd/wringer run scenarios/checkout.yaml", "go test ./..."} {
		if !strings.Contains(head, "\n"+command) {
			t.Errorf("README.md does not begin with %s", command)
		}
	}
}

var (
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names by which GitHub lets links lead to a document's headings.
func (d document) anchors() (all []string) {
	for _, h := range heading.FindAllStringSubmatch(d.prose(), -1) {
		all = append(all, strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(h[1])), ""), " ", "-"))
	}
	return all
}

// TestDocsLinksResolve: the target of each link exists, headings included.
func TestDocsLinksResolve(t *testing.T) {
	for _, d := range documents(t) {
		for _, l := range linkTarget.FindAllStringSubmatch(d.prose(), -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(l[1], "#")
			to := d.path
			if path != "" {
				to = filepath.Join(filepath.Dir(d.path), path)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s: %v", d.path, l[1], err)
			} else if anchor != "" && !slices.Contains(readDocument(t, to).anchors(), anchor) {
				t.Errorf("%s links to %s: there is no such heading", d.path, l[1])
			}
		}
	}
}

// TestDecisions: each decision has a date and its three parts, and is in the index.
func TestDecisions(t *testing.T) {
	index := readDocument(t, "docs/decisions/README.md").text
	paths, err := filepath.Glob(filepath.Join(root, "docs/decisions/[0-9]*.md"))
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d decisions: %v", len(paths), err)
	}
	form := regexp.MustCompile(`(?s)^# (\d+)\. .*\n\nDate: (\d{4}-\d\d-\d\d)\n\n\*\*Context\.\*\* .*\n\n\*\*Decision\.\*\* .*\n\n\*\*Consequence\.\*\* .*\n$`)
	for _, path := range paths {
		name := filepath.Base(path)
		parts := form.FindStringSubmatch(readDocument(t, "docs/decisions/"+name).text)
		if parts == nil {
			t.Errorf("%s has not the form of a decision", name)
		} else if !strings.Contains(index, "| "+parts[1]+" | "+parts[2]+" | ") || !strings.Contains(index, "]("+name+")") {
			t.Errorf("%s does not stand in the index as it is", name)
		}
	}
}
