package sections

import (
	"maps"
	"slices"

	"wringer/reports"
)

// Parts shows what each part of the target used in the measured time, by the readings that there are. It is empty when nothing was
// measured.
func Parts(run *reports.Run) Section {
	s := Section{Name: NameParts, Title: "Parts of the target", Aside: "what each used", Rank: Usual, Head: []Column{
		{Name: "part"},
		{Name: "CPU, mean", Kind: Factor},
		{Name: "CPU, max", Kind: Factor},
		{Name: "held back, max", Kind: Factor},
		{Name: "memory, max", Kind: Factor},
		{Name: "received a second, mean", Kind: Factor},
		{Name: "sent a second, mean", Kind: Factor},
		{Name: "restarts", Kind: Count},
		{Name: "readings", Kind: Count, Rank: Full},
	}}
	for _, name := range slices.Sorted(maps.Keys(run.Parts)) {
		gauges := run.Parts[name].Gauges
		cpu, held, memory := spread(gauges["cpu_cores"]), spread(gauges["cpu_throttled"]), spread(gauges["memory_bytes"])
		received, sent := spread(gauges["received_bytes_per_second"]), spread(gauges["sent_bytes_per_second"])
		restarts := Cell{Text: reports.NotMeasured, Kind: Count, State: Unmeasured}
		if of := gauges["restarts"]; len(of) > 0 {
			restarts = unwanted(int64(of[len(of)-1].Value))
		}
		s.Rows = append(s.Rows, Row{Label: name, Cells: []Cell{
			factor(cpu.mean), factor(cpu.most), factor(held.most), amount(memory.most), amount(received.mean), amount(sent.mean),
			restarts, count(int64(len(gauges["memory_bytes"]))),
		}})
	}
	if len(s.Rows) > 0 {
		s.Notes = []string{"CPU is in processors; held back: seconds a second for which a limit kept it from a processor. A second without a reading is left out"}
	}
	return s
}

// spreadOf are the figures of a gauge; nil without a reading.
type spreadOf struct{ mean, most *float64 }

func spread(samples []reports.Sample) (s spreadOf) {
	if len(samples) == 0 {
		return s
	}
	sum, most := 0.0, samples[0].Value
	for _, r := range samples {
		sum, most = sum+r.Value, max(most, r.Value)
	}
	return spreadOf{new(sum / float64(len(samples))), new(most)}
}

// amount is a cell of bytes, which may be absent.
func amount(bytes *float64) Cell {
	return figure(Factor, reports.Measured(bytes, func(v float64) string { return reports.Bytes(int64(v)) }), bytes, "")
}
