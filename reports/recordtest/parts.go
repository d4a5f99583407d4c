package recordtest

import "wringer/reports"

// Parts is Fail on a target of containers whose use was measured: one was the limit, one ended by itself, and one has gaps.
func Parts() *reports.Record {
	rec := Fail()
	run := rec.Run
	run.Parts = make(map[string]*reports.Part)
	for i, name := range []string{"broker-1", "broker-2", "broker-3", "db", "gateway", "orders", "relay", "stock"} {
		gauges := make(map[string][]reports.Sample)
		for s := int64(1); s <= 40; s++ {
			if name == "stock" && s > 12 && s < 20 {
				continue // it was down
			}
			busy := float64(i+1) / 10
			if name == "orders" && s > 20 {
				busy = 0.98
				gauges["cpu_throttled"] = append(gauges["cpu_throttled"], reports.Sample{AtNS: s*sec - 300*ms, Value: 0.7})
			}
			for gauge, value := range map[string]float64{
				"cpu_cores": busy, "memory_bytes": float64(i+1) * 20e6, "received_bytes_per_second": 1e5 * busy, "sent_bytes_per_second": 2e5 * busy,
				"restarts": min(float64(s/20), float64(i/7)),
			} {
				gauges[gauge] = append(gauges[gauge], reports.Sample{AtNS: s*sec - 300*ms, Value: value})
			}
		}
		run.Parts[name] = &reports.Part{Gauges: gauges}
	}
	at := 12 * sec
	run.Findings = append(run.Findings, reports.Finding{
		Kind: reports.PartEnded, Part: "stock", AtNS: &at, Text: "container stock ended by itself: exit code 137, out of memory; its last lines: listening",
	})
	run.Faults[0].Touched = "41 packets from orders to stock"
	return rec
}
