package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/shop"
)

// readme is the text within README.md that is set as code.
func readme(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("(?s)```.*?```")
	code := strings.Join(fence.FindAllString(string(raw), -1), "\n")
	inline := regexp.MustCompile("(?s)`[^`]+`").FindAllString(fence.ReplaceAllString(string(raw), ""), -1)
	return code + "\n" + strings.Join(inline, "\n")
}

func names(text, word string) bool {
	return regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(word) + `($|[^\w-])`).MatchString(text)
}

// Every key of the scenario language stands in the README.
func TestReadmeNamesEveryKey(t *testing.T) {
	raw, err := scenarios.Schema(language)
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	text := readme(t)
	var missing []string
	eachKey(schema, func(key string) {
		if !names(text, key) && !slices.Contains(missing, key) {
			missing = append(missing, key)
		}
	})
	if len(missing) > 0 {
		slices.Sort(missing)
		t.Errorf("README.md does not name %q", missing)
	}
}

func eachKey(schema any, visit func(string)) {
	switch s := schema.(type) {
	case map[string]any:
		if properties, ok := s["properties"].(map[string]any); ok {
			for key := range properties {
				visit(key)
			}
		}
		for _, part := range s {
			eachKey(part, visit)
		}
	case []any:
		for _, part := range s {
			eachKey(part, visit)
		}
	}
}

// Every command stands in the README, and the flags of wringer load, which has no scenario to be described in.
func TestReadmeNamesEveryCommand(t *testing.T) {
	text := readme(t)
	for _, c := range rootCommand(streams{}).Commands() {
		if c.Name() != "help" && !names(text, "wringer "+c.Name()) {
			t.Errorf("README.md does not name wringer %s", c.Name())
		}
		if c.Name() != "load" {
			continue
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !names(text, "--"+f.Name) {
				t.Errorf("README.md does not name --%s of wringer %s", f.Name, c.Name())
			}
		})
	}
}

// The README's examples of wringer load work against the shop.
func TestReadmeExamplesOfLoad(t *testing.T) {
	target, err := shop.Open(t.Context(), shop.Config{}, scenarios.TargetEnv{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(context.WithoutCancel(t.Context()))
	vars := target.Vars()
	broker, _, _ := strings.Cut(vars["kafka"], ",")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"users.csv":   "name\nann\n",
		"targets.txt": "GET " + vars["rest"] + "/healthz\n",
		"body.json":   `{"orderId":"{{id}}","customerId":"c","items":[{"id":"item1","quantity":1}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("http://127.0.0.1:8080", vars["rest"], "127.0.0.1:9090", vars["grpc"], "127.0.0.1:9092", broker,
		"users.csv", filepath.Join(dir, "users.csv"), "targets.txt", filepath.Join(dir, "targets.txt"), "body.json", filepath.Join(dir, "body.json"),
		"results.bin", filepath.Join(dir, "results.bin"), "scenarios/shop", "../../scenarios/shop", " --rate max", " --users 2", "--users 64", "--users 2")
	lines := regexp.MustCompile(`(?m)^wringer (load .*)$`).FindAllStringSubmatch(readme(t), -1)
	if len(lines) < 7 {
		t.Fatalf("%d examples in README.md", len(lines))
	}
	for _, line := range lines {
		t.Run(line[1], func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "record")
			args := append(split(here.Replace(line[1])), "-q", "--for", "300ms", "--out", record)
			code, stdout, stderr := wringer(t, args...)
			if code == reports.ExitUsage || code == reports.ExitHarness {
				t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
			}
			// How much a busy machine's shop answers in time is not the question.
			if total := loadRecord(t, record).Run.Streams[loadStream].Total; total.Acked == 0 {
				t.Errorf("nothing was acked:\n%s", stdout)
			}
		})
	}
}

// split cuts a line into words as a shell does, single quotes alone.
func split(line string) (words []string) {
	for _, w := range regexp.MustCompile(`('[^']*'|[^ '])+`).FindAllString(line, -1) {
		words = append(words, strings.ReplaceAll(w, "'", ""))
	}
	return words
}
