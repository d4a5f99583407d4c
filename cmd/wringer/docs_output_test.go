package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wringer/scenarios"
)

var shownGate = regexp.MustCompile(`(?m)^[✓✗] (\w+\..*?)  +`)

// TestReadmeShowsRealGates: the outputs in README.md show the gates of its scenarios.
func TestReadmeShowsRealGates(t *testing.T) {
	readme := readDocument(t, "README.md")
	demo := gatesOf(t, readDocument(t, "scenarios/checkout.yaml").text)
	if want := fmt.Sprintf("all %d gates held", len(demo)); !strings.Contains(readme.text, want) {
		t.Errorf("README.md does not say that %s", want)
	}
	all, found := demo, 0
	for _, b := range readme.blocks() {
		if b.lang == "yaml" && b.part == "" {
			all = append(all, gatesOf(t, b.text)...)
		}
	}
	for _, b := range readme.blocks() {
		for _, gate := range shownGate.FindAllStringSubmatch(b.text, -1) {
			if found++; !slices.Contains(all, gate[1]) {
				t.Errorf("README.md shows the gate %q, which no scenario has", gate[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d gates were found in the outputs", found)
	}
}

// gatesOf lists the gates of a scenario as they are written.
func gatesOf(t *testing.T, src string) (all []string) {
	t.Helper()
	sc, err := scenarios.Parse("README.md", []byte(src), language, scenarios.Options{Set: map[string]string{"url": "http://127.0.0.1:8080"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range sc.Expect {
		all = append(all, g.Expr)
	}
	return all
}
