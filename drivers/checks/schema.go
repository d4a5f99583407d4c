package checks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"wringer/drivers"
)

// schema compiles a JSON Schema file into a condition on whole documents.
func schema(path string) (condition, error) {
	text, err := drivers.ReadFile(path)
	if err != nil {
		return nil, err
	}
	doc, err := Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s is no JSON document: %w", path, err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(inside{})
	const name = "file:///schema.json"
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("%s is no JSON Schema: %s", path, strings.Join(strings.Fields(err.Error()), " "))
	}
	return func(doc any, _ *drivers.Op) string {
		if number := tooLong(doc); number != "" {
			return "the answer holds the number " + Shown(json.Number(number)) + ", which no schema is applied to"
		}
		if err := s.Validate(doc); err != nil {
			return "the answer breaks the schema: " + violation(err)
		}
		return ""
	}, nil
}

// inside loads nothing: what a schema needs stands in its file. An answer is judged without the network.
type inside struct{}

// Load implements jsonschema.URLLoader.
func (inside) Load(url string) (any, error) {
	return nil, fmt.Errorf("$ref leads to %s, out of the file; copy the part that it means into $defs", strings.TrimPrefix(url, "file:///"))
}

// violation is the innermost first violation in a line.
func violation(err error) string {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return err.Error()
	}
	for len(v.Causes) > 0 {
		v = v.Causes[0]
	}
	lines := strings.Split(strings.TrimSpace(v.Error()), "\n")
	return strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "- ")
}

// tooLong finds a number that is not to be expanded; "" if there is none.
func tooLong(doc any) string {
	switch v := doc.(type) {
	case json.Number:
		if unwieldy(string(v)) {
			return string(v)
		}
	case []any:
		for _, part := range v {
			if n := tooLong(part); n != "" {
				return n
			}
		}
	case map[string]any:
		for _, part := range v {
			if n := tooLong(part); n != "" {
				return n
			}
		}
	}
	return ""
}
