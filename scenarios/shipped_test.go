package scenarios_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"wringer/drivers"
	"wringer/drivers/grpc"
	"wringer/drivers/kafka"
	"wringer/drivers/rest"
	"wringer/faults"
	"wringer/faults/command"
	"wringer/faults/httplink"
	"wringer/faults/kafkalink"
	"wringer/faults/part"
	"wringer/faults/toxi"
	"wringer/reports/recordtest"
	"wringer/scenarios"
	"wringer/scenarios/containers"
	"wringer/scenarios/processes"
	"wringer/scenarios/shop"
)

// shippedLanguage is the language of the shipped scenarios. The command's own table cannot be imported.
func shippedLanguage() scenarios.Language {
	onPart := func() faults.Config { return new(part.Config) }
	return scenarios.Language{
		Drivers: map[string]func() drivers.Config{
			"rest":  func() drivers.Config { return new(rest.Config) },
			"grpc":  func() drivers.Config { return new(grpc.Config) },
			"kafka": func() drivers.Config { return new(kafka.Config) },
		},
		Effects: map[string]func() drivers.SourceConfig{"kafka": func() drivers.SourceConfig { return new(kafka.Effect) }},
		Consume: map[string]func() drivers.SourceConfig{"kafka": func() drivers.SourceConfig { return new(kafka.Consume) }},
		Targets: map[string]func() scenarios.TargetConfig{
			"shop":       func() scenarios.TargetConfig { return new(shop.Config) },
			"processes":  func() scenarios.TargetConfig { return new(processes.Config) },
			"containers": func() scenarios.TargetConfig { return new(containers.Config) },
		},
		Links: map[string]func() faults.Protocol{"kafka": func() faults.Protocol { return new(kafkalink.Config) }},
		Faults: map[string]func() faults.Config{
			"link": func() faults.Config { return new(toxi.Config) }, "kafka": func() faults.Config { return new(kafkalink.FaultConfig) },
			"http":  func() faults.Config { return new(httplink.Config) },
			"pause": onPart, "kill": onPart, "restart": onPart, "cpu": onPart, "files": onPart,
			"exec": func() faults.Config { return new(command.Config) },
		},
		Metrics: recordtest.Metrics(),
	}
}

// The shipped scenarios parse without a warning, and editors find no errors in them either.
func TestShippedScenarios(t *testing.T) {
	raw, err := scenarios.Schema(shippedLanguage())
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
	top, _ := filepath.Glob("*.yaml")
	defects, _ := filepath.Glob("defects/*.yaml")
	inner, _ := filepath.Glob("inner/*.yaml")
	if len(top) == 0 || len(defects) == 0 || len(inner) == 0 {
		t.Fatalf("%d scenarios, %d defects and %d inner faults were found", len(top), len(defects), len(inner))
	}
	for _, path := range slices.Concat(top, defects, inner) {
		t.Run(path, func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := scenarios.Parse(path, src, shippedLanguage(), scenarios.Options{})
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
