package extending

import (
	"bytes"
	"encoding/csv"
	"io"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// RenderGates writes the gates as CSV: a pure function of the record.
func RenderGates(w io.Writer, rec *reports.Record) error {
	out := csv.NewWriter(w)
	out.Write([]string{"verdict", "gate", "observed", "limit", "why"})
	for i := range rec.Run.Gates {
		g := &rec.Run.Gates[i]
		observed, limit := reports.GateValues(g)
		out.Write([]string{string(g.Verdict), g.Expr, observed, limit, g.Why})
	}
	out.Flush()
	return out.Error()
}

// TestRenderGates renders every sample record: each kind of run that there is, hostile texts included.
func TestRenderGates(t *testing.T) {
	for name, rec := range recordtest.Samples() {
		t.Run(name, func(t *testing.T) {
			var first, second bytes.Buffer
			if err := RenderGates(&first, rec); err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(bytes.NewReader(first.Bytes())).ReadAll()
			if err != nil || len(rows) != 1+len(rec.Run.Gates) {
				t.Errorf("%d rows for %d gates: %v", len(rows), len(rec.Run.Gates), err)
			}
			if err := RenderGates(&second, rec); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
				t.Errorf("the same record gave other bytes (%v)", err)
			}
		})
	}
}
