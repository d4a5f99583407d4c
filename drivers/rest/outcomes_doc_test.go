package rest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"wringer/drivers"
)

// TestOutcomesOfTheDocs holds docs/outcomes.md to the driver: the outcome of each class of statuses.
func TestOutcomesOfTheDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(string(raw), "\n| HTTP | ")
	row, _, _ = strings.Cut(row, "\n")
	cells := strings.Split(row, " | ")
	if len(cells) != 3 {
		t.Fatalf("the row of HTTP has %d cells: %q", len(cells), row)
	}
	column := map[drivers.Outcome]int{drivers.Acked: 0, drivers.Rejected: 1, drivers.Indeterminate: 2}
	var usual evaluator
	for status := 200; status < 300; status++ {
		usual.ok[status] = true
	}
	for status := 200; status < 600; status++ {
		var at drivers.Attempt
		usual.decide(&answer{status: status}, &drivers.Op{}, &at)
		if class := fmt.Sprintf("%dxx", status/100); !strings.Contains(cells[column[at.Outcome]], class) {
			t.Errorf("%d is %v, and %s does not stand in column %d", status, at.Outcome, class, column[at.Outcome])
		}
	}
	var at drivers.Attempt
	new(evaluator).decide(&answer{status: 204}, &drivers.Op{}, &at)
	if at.Outcome != drivers.Indeterminate || !strings.Contains(cells[2], "a 2xx that `ok` leaves out") {
		t.Errorf("a 2xx that ok leaves out is %v", at.Outcome)
	}
}
