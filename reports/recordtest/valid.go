// Package recordtest helps to test code that makes or renders run records. It checks that a record keeps its contract, and has
// rich sample records to render.
package recordtest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"wringer/reports"
)

// Valid fails the test unless the encoded run validates against the contract and the record's own schema, and its numbers add
// up.
func Valid(t testing.TB, run *reports.Run) {
	t.Helper()
	if err := Check(run); err != nil {
		t.Error(err)
	}
}

// Check is Valid for callers without a test: nil for a record that keeps its contract.
func Check(run *reports.Run) error {
	data, err := reports.Encode(run)
	if err != nil {
		return err
	}
	for name, schema := range map[string]string{"contract": reports.Contract(), "record's own schema": reports.RecordSchema()} {
		if err := validate(data, schema); err != nil {
			return fmt.Errorf("record %s against the %s: %w", run.Name, name, err)
		}
	}
	if broken := reports.Sums(run); len(broken) > 0 {
		return fmt.Errorf("record %s does not add up:\n\t%s", run.Name, strings.Join(broken, "\n\t"))
	}
	return nil
}

// validate checks the bytes of a run.json against a schema, formats included.
func validate(data []byte, text string) error {
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("run.schema.json", schema); err != nil {
		return err
	}
	compiled, err := compiler.Compile("run.schema.json")
	if err != nil {
		return err
	}
	record, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return compiled.Validate(record)
}
