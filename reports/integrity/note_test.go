package integrity

import (
	"strings"
	"testing"

	"wringer/drivers"
	"wringer/reports"
)

// What a protocol promises of order follows the evidence of each violation, what drops records by rule that of each loss, and nothing
// else has a note.
func TestNotes(t *testing.T) {
	notes := map[string]string{"order_violation": "; queues reorder", "lost": "; the queue holds at most 5"}
	l := New(Config{Stream: "orders", Identity: us, Windows: windows, WindowAt: windowAt, Mode: Log, Order: Sequential,
		OrderNote: notes["order_violation"], LossNote: notes["lost"]})
	l.Ended([]reports.Ended{op(0, 1000, drivers.Acked), op(1, 1001, drivers.Acked), op(2, 1002, drivers.Acked)})
	l.Seen([]drivers.Delivery{queued(1, 1100), queued(0, 1101)})
	kinds := make(map[string]bool)
	for _, v := range l.result(reports.Completeness{Known: true}, windowAt).Violations {
		kinds[v.Kind] = true
		for kind, note := range notes {
			if strings.HasSuffix(v.Why, note) != (v.Kind == kind) {
				t.Errorf("%s: %s", v.Kind, v.Why)
			}
		}
	}
	if !kinds["order_violation"] || !kinds["lost"] {
		t.Errorf("found %v", kinds)
	}
}
