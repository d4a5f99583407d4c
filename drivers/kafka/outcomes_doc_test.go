package kafka

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestOutcomesOfTheDocs: docs/outcomes.md lists exactly the codes that refuse a record before the append.
func TestOutcomesOfTheDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(raw), "- Refused before the append: ")
	list, _, ended := strings.Cut(list, ".\n")
	if !found || !ended {
		t.Fatal("docs/outcomes.md does not list what refuses a record")
	}
	listed := strings.Split(strings.Join(strings.Fields(list), " "), ", ")
	var known []string
	for code := range refusals {
		known = append(known, strings.ToUpper(strings.TrimPrefix(answerCode(code), "kafka_")))
	}
	slices.Sort(listed)
	slices.Sort(known)
	if !slices.Equal(listed, known) {
		t.Errorf("docs/outcomes.md lists\n%q\nand the driver has\n%q", listed, known)
	}
}
