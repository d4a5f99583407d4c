package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/scenarios"
	"wringer/scenarios/draft"
)

const schemaFile = "../../scenarios/scenario.schema.json"

// The repository holds the schema that wringer schema prints: editors read it from there.
func TestSchemaFile(t *testing.T) {
	want, err := scenarios.Schema(language)
	if err != nil {
		t.Fatal(err)
	}
	want = append(bytes.TrimRight(want, "\n"), '\n')
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(schemaFile); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not the schema of the language (%v): go test ./cmd/wringer -run Schema -update writes it", schemaFile, err)
	}
}

// Every shipped scenario names the schema in its first line, by its way there.
func TestSchemaLineOfShippedScenarios(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../../scenarios", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".yaml" {
			return nil
		}
		files++
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		line, _, _ := strings.Cut(string(src), "\n")
		named, ok := strings.CutPrefix(line, draft.SchemaLine)
		if !ok || filepath.Join(filepath.Dir(path), named) != filepath.Clean(schemaFile) {
			t.Errorf("%s begins with %q", path, line)
		}
		return nil
	})
	if err != nil || files < 30 {
		t.Errorf("%d files, %v", files, err)
	}
}

// Every property of the schema says what it is.
func TestSchemaDescribesEveryProperty(t *testing.T) {
	raw, err := scenarios.Schema(language)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	defs, _ := doc["$defs"].(map[string]any)
	count := 0
	walkProperties(doc, "", func(path string, property map[string]any) {
		count++
		if text, _ := property["description"].(string); text != "" {
			return
		}
		if name, ok := property["$ref"].(string); ok {
			def, _ := defs[strings.TrimPrefix(name, "#/$defs/")].(map[string]any)
			// A scalar's form says nothing about the key.
			if text, _ := def["description"].(string); text != "" && def["type"] == "object" {
				return
			}
		}
		t.Errorf("%s has no description", path)
	})
	if count < 400 {
		t.Errorf("%d properties", count)
	}
}

// walkProperties visits every property of a schema, at any depth.
func walkProperties(v any, path string, visit func(path string, property map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		properties, _ := v["properties"].(map[string]any)
		for name, p := range properties {
			if property, ok := p.(map[string]any); ok {
				visit(path+"."+name, property)
			}
		}
		for key, inner := range v {
			if named, ok := inner.(map[string]any); ok && (key == "properties" || key == "$defs") {
				for name, schema := range named {
					walkProperties(schema, path+"."+name, visit)
				}
				continue
			}
			walkProperties(inner, path+"."+key, visit)
		}
	case []any:
		for _, inner := range v {
			walkProperties(inner, path, visit)
		}
	}
}
