package main

import (
	"testing"

	"wringer/drivers/checks"
	"wringer/drivers/jsonpath"
	"wringer/drivers/kafka"
	"wringer/drivers/rest"
)

// TestOneDialect: a path that one place of a scenario takes, every other takes too.
func TestOneDialect(t *testing.T) {
	type check func(problem func(field, message string))
	places := map[string]func(path string) check{
		"a REST check": func(path string) check {
			return (&rest.Config{Request: "GET http://host/", Checks: []rest.Check{{Document: checks.Document{JSON: map[string]any{path: 1}}}}}).Check
		},
		"a REST capture": func(path string) check {
			return (&rest.Config{Steps: []rest.Step{{Name: "a", Request: "GET http://host/", Capture: map[string]string{"x": path}}}}).Check
		},
		"effects: id":     func(path string) check { return (&kafka.Effect{Brokers: "b:1", Topic: "t", ID: path}).Check },
		"effects: key":    func(path string) check { return (&kafka.Effect{Brokers: "b:1", Topic: "t", Key: path}).Check },
		"effects: origin": func(path string) check { return (&kafka.Effect{Brokers: "b:1", Topic: "t", Origin: path}).Check },
		"consume: sequence": func(path string) check {
			return (&kafka.Consume{Brokers: "b:1", Topic: "t", Key: path, Sequence: path}).Check
		},
	}
	for _, path := range []string{
		"$", "$.a", "$.a.b[0]", "$[0][1]", `$["order id"]`, `$["a"].b[2]["c"]`, "$.order id", "$.café", "$.a[01]",
		"$.", "$..a", "$a", "$.a[", "$.a[x]", "$[-1]", `$["a"`, "$['a']", "$.*", "$.a ", "$[*]",
	} {
		_, err := jsonpath.Parse(path)
		for name, place := range places {
			var said []string
			place(path)(func(field, message string) { said = append(said, field+": "+message) })
			if (len(said) > 0) != (err != nil) {
				t.Errorf("%s: %s: %q, and Parse says %v", name, path, said, err)
			}
		}
	}
}
