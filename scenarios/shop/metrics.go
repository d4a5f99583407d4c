package shop

import (
	"fmt"
	"net/http"
	"runtime/metrics"
)

// metricsType is the text format of Prometheus.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// heapInUse is what the process holds of objects, in bytes.
const heapInUse = "/memory/classes/heap/objects:bytes"

// getMetrics answers GET /metrics with what the shop says of itself.
func (s *restServer) getMetrics(w http.ResponseWriter, _ *http.Request) {
	counts := s.ledger.count()
	heap := []metrics.Sample{{Name: heapInUse}}
	metrics.Read(heap)
	w.Header().Set("Content-Type", metricsType)
	for _, m := range []struct {
		name, kind, help string
		value            uint64
	}{
		{"shop_orders_placed_total", "counter", "Orders that were placed.", uint64(counts.OrdersPlaced)},
		{"shop_events_published_total", "counter", "Events that the broker confirmed.", uint64(counts.EventsPublished)},
		{"shop_orders_under_way", "gauge", "Orders and lookups in progress.", uint64(len(s.orders.slots))},
		{"shop_heap_bytes", "gauge", "Bytes of objects on the heap of the process.", heap[0].Value.Uint64()},
	} {
		fmt.Fprintf(w, "# HELP %[1]s %[3]s\n# TYPE %[1]s %[2]s\n%[1]s %[4]d\n", m.name, m.kind, m.help, m.value)
	}
}
