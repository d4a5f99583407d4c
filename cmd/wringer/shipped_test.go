package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"wringer/scenarios"
)

// The shipped scenarios parse without a warning, and editors find no errors in them either.
func TestShippedScenarios(t *testing.T) {
	raw, err := scenarios.Schema(language)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := c.MustCompile("scenario.json")
	top, _ := filepath.Glob("../../scenarios/*.yaml")
	defects, _ := filepath.Glob("../../scenarios/defects/*.yaml")
	inner, _ := filepath.Glob("../../scenarios/inner/*.yaml")
	queues, _ := filepath.Glob("../../scenarios/queues/*.yaml")
	if len(top) == 0 || len(defects) == 0 || len(inner) == 0 || len(queues) == 0 {
		t.Fatalf("%d scenarios, %d defects, %d inner faults and %d of queues were found", len(top), len(defects), len(inner), len(queues))
	}
	// The scenarios of queues take the broker from the environment.
	broker := func(name string) (string, bool) { return "amqp://127.0.0.1:5672/", name == "WRINGER_AMQP_URL" }
	for _, path := range slices.Concat(top, defects, inner, queues) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := scenarios.Parse(path, src, language, scenarios.Options{Env: broker})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range s.Warnings() {
				t.Errorf("warning: %s", w)
			}
			text, err := yaml.YAMLToJSON(src)
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Error(err)
			}
		})
	}
}
