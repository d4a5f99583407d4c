package integrity

import (
	"strings"
	"testing"

	"wringer/drivers"
	"wringer/reports"
)

// What a protocol promises of order follows the evidence of each violation, and of nothing else.
func TestOrderNote(t *testing.T) {
	const note = "; queues reorder"
	l := New(Config{Stream: "orders", Identity: us, Windows: windows, WindowAt: windowAt, Mode: Log, Order: Sequential, OrderNote: note})
	l.Ended([]reports.Ended{op(0, 1000, drivers.Acked), op(1, 1001, drivers.Acked), op(2, 1002, drivers.Acked)})
	l.Seen([]drivers.Delivery{queued(1, 1100), queued(0, 1101)})
	kinds := make(map[string]bool)
	for _, v := range l.result(reports.Completeness{Known: true}, windowAt).Violations {
		kinds[v.Kind] = true
		if strings.HasSuffix(v.Why, note) != (v.Kind == "order_violation") {
			t.Errorf("%s: %s", v.Kind, v.Why)
		}
	}
	if !kinds["order_violation"] || !kinds["lost"] {
		t.Errorf("found %v", kinds)
	}
}
