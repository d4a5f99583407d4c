package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wringer/scenarios"
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

// Every command stands in the README. Their flags are told by --help.
func TestReadmeNamesEveryCommand(t *testing.T) {
	text := readme(t)
	for _, c := range rootCommand(streams{}).Commands() {
		if c.Name() != "help" && !names(text, "wringer "+c.Name()) {
			t.Errorf("README.md does not name wringer %s", c.Name())
		}
	}
}
