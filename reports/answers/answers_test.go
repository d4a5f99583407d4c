package answers

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

func TestEvidence(t *testing.T) {
	e := New(reports.CheckConfig{Stream: "orders", Identity: drivers.Identity{Run: "r", Stream: "orders"}, Windows: []string{"baseline", "cut"}})
	trail := func(code, detail string) []drivers.Attempt {
		var at drivers.Attempt
		at.Reset(1, time.Second)
		at.Done = 2 * time.Second
		at.Fail(drivers.Indeterminate, code, detail)
		return []drivers.Attempt{at}
	}
	e.Ended([]reports.Ended{
		{Op: drivers.Op{Seq: 1}, Window: reports.WindowWarmup, Trail: trail(drivers.CodeCheck, "warm-up")},
		{Op: drivers.Op{Seq: 2}, Window: 0, Trail: trail(drivers.CodeTimeout, "late")},
		{Op: drivers.Op{Seq: 4}, Window: 1, Outcome: drivers.Indeterminate, Trail: trail(drivers.CodeCheck, "json $.count is 3, not 4")},
		{Op: drivers.Op{Seq: 3}, Window: 1, Outcome: drivers.Indeterminate, Trail: trail(drivers.CodeCheck, "json $.count is 2, not 4")},
	})
	for seq := range uint64(2 * reports.EvidenceLimit) {
		e.Ended([]reports.Ended{{Op: drivers.Op{Seq: 100 + seq}, Window: 0, Trail: trail(drivers.CodeCheck, "x")}})
	}
	all := e.Finish(reports.Completeness{Known: true}).Violations
	if len(all) != reports.EvidenceLimit+2 {
		t.Fatalf("%d kept", len(all))
	}
	v := all[reports.EvidenceLimit]
	if v.Kind != Kind || v.Window != "cut" || v.ID != "r.orders.3" || v.Why != "json $.count is 2, not 4" || v.Outcome != "indeterminate" ||
		len(v.Attempts) != 1 || v.Attempts[0].Detail != v.Why || v.Attempts[0].SentNS != int64(time.Second) {
		t.Errorf("%+v", v)
	}
}
