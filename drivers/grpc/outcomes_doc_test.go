package grpc

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"wringer/drivers"
)

// TestOutcomesOfTheDocs checks that docs/outcomes.md lists every code with the driver's outcome.
func TestOutcomesOfTheDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, row, found := strings.Cut(string(raw), "\n| gRPC | ")
	row, _, _ = strings.Cut(row, "\n")
	cells := strings.Split(row, " | ")
	if !found || len(cells) != 3 {
		t.Fatalf("the row of gRPC has %d cells: %q", len(cells), row)
	}
	column := map[drivers.Outcome]int{drivers.Acked: 0, drivers.Rejected: 1, drivers.Indeterminate: 2}
	for code, meaning := range meanings {
		name := strings.ToUpper(strings.TrimPrefix(meaning.code, "grpc_"))
		for i, cell := range cells {
			listed := strings.Contains(", "+strings.TrimSuffix(cell, " |")+",", ", "+name+",")
			if listed != (i == column[meaning.outcome]) {
				t.Errorf("%s: %v, and in column %d of docs/outcomes.md: %v", code, meaning.outcome, i, listed)
			}
		}
	}
	if len(meanings) != int(codes.Unauthenticated) { // all codes but OK
		t.Errorf("%d codes have a meaning", len(meanings))
	}
}
