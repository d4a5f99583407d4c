package recordtest

import "wringer/reports"

// Probed is Fail with a witness behind the orders, with replays of some of them, and with traces.
func Probed() *reports.Record {
	rec := Fail()
	s := rec.Run.Streams["orders"]
	s.Total.Witness, s.Total.Replays = &reports.Witness{}, nil
	total := make(map[string]reports.ReplayCounts)
	sums := make([]int64, len(reports.WitnessNames()))
	for _, name := range rec.Run.WindowNames() {
		m := s.Windows[name]
		kinds := make(map[string]reports.ReplayCounts)
		if m.Offered > 0 {
			kinds["same"] = reports.ReplayCounts{Sent: 5, Honoured: 5}
			kinds["changed"] = reports.ReplayCounts{Sent: 4, Honoured: 1, Violations: 1, Deviations: 1, Undecided: 1}
		}
		for kind, k := range kinds {
			sum := total[kind]
			sum.Add(k)
			total[kind] = sum
		}
		m.Replays = reports.NewReplays(kinds, 0)
		missing, hidden := min(m.Attempts, 3), min(m.Attempts, 2)
		came := m.Attempts - missing + hidden
		most := min(came, 2)
		counts := []int64{m.Attempts, came, missing, 0, came - min(came, 1), came - most/2, most / 2, most, hidden}
		m.Witness = witness(counts)
		for i, n := range counts {
			sums[i] += n
		}
		sums[7] = max(most, sums[7]-most)
	}
	s.Total.Witness, s.Total.Replays = witness(sums), reports.NewReplays(total, 0)
	rec.Violations = append(rec.Violations, reports.Violation{
		Kind: "replay_violation", Stream: "orders", Window: "baseline", ID: rec.Run.ID + ".orders.17", Seq: 17, Outcome: "acked",
		Attempts: []reports.Try{{SentNS: sec, DoneNS: sec + ms, Outcome: "acked"}},
		Why:      "changed replay: a changed body was answered 201 with 87 bytes, and not refused with 422",
	})
	sampled := 1.0
	s.TracesSampled, rec.Run.TraceURL = &sampled, "https://jaeger.example/trace/"+reports.TraceID
	s.Slowest = []reports.Slow{
		{Window: "baseline", ID: rec.Run.ID + ".orders.17", Seq: 17, PlannedNS: sec, ResponseNS: 90 * ms, Outcome: "acked", Attempts: 1},
		{Window: "baseline", ID: rec.Run.ID + ".orders.40", Seq: 40, PlannedNS: 2 * sec, ResponseNS: 80 * ms, Outcome: "rejected", Attempts: 2},
	}
	rec.Run.LinkTraces(rec.Violations)
	return rec
}

// witness holds counts in the order of reports.WitnessNames.
func witness(n []int64) *reports.Witness {
	return &reports.Witness{
		AttemptsSent: &n[0], Arrivals: &n[1], NotArrived: &n[2], ArrivedCut: &n[3], Answered: &n[4],
		ArrivedOperations: &n[5], ArrivedTwice: &n[6], MaxArrivals: &n[7], HiddenArrivals: &n[8],
	}
}
