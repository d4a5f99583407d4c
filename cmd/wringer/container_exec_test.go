package main

import (
	"strings"
	"testing"

	"wringer/scenarios"
)

// The programs of an exec fault in a container are the container's: they are not looked for on this machine.
func TestProgramsOfAContainerAreNotLookedForHere(t *testing.T) {
	for where, want := range map[string]int{"": 2, "container: orders, ": 0} {
		source := `
name: inner
seed: 1
target: {containers: {orders: {image: "tool:1", ports: [8080]}}}
run: {duration: 10s}
traffic: {orders: {rest: {request: "GET http://${orders.8080}/"}, rate: 1/s}}
faults:
  - {name: inner, at: 1s, for: 1s, ` + where + `exec: [/nowhere/tool, on], undo: [/nowhere/tool, off]}
`
		sc, err := scenarios.Parse("inner.yaml", []byte(source), language, scenarios.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = sc.CheckFiles()
		missing := 0
		if err != nil {
			missing = strings.Count(err.Error(), "there is no program /nowhere/tool")
		}
		if missing != want {
			t.Errorf("%q: %d programs are missed, not %d: %v", where, missing, want, err)
		}
	}
}
