package recordtest

import "wringer/reports"

// Consuming is Fail with two streams that send nothing. events reads the effects of the orders. shipments reads a topic by
// itself, in which some records carry no identity.
func Consuming() *reports.Record {
	rec := Fail()
	windows := rec.Run.WindowNames()
	add := func(name, of, plan string, fill func(i *reports.Integrity, w *reports.Measures)) {
		s := &reports.Stream{Driver: "kafka", Model: reports.ModelConsume, Plan: plan, Of: of, Effects: "kafka 127.0.0.1:9092 " + name,
			Windows: make(map[string]*reports.Measures), Total: reports.Measures{Errors: map[string]int64{}}}
		for _, window := range windows {
			m := &reports.Measures{Errors: map[string]int64{}, Integrity: &reports.Integrity{}}
			fill(m.Integrity, rec.Run.Streams["orders"].Windows[window])
			s.Windows[window] = m
		}
		fill(total(s), &rec.Run.Streams["orders"].Total)
		for i := range rec.Run.Streams["orders"].Seconds {
			s.Seconds = append(s.Seconds, reports.Second{StartNS: rec.Run.Streams["orders"].Seconds[i].StartNS})
		}
		rec.Run.Streams[name] = s
	}
	add("events", "orders", "exactly once of orders", func(i *reports.Integrity, w *reports.Measures) {
		i.Acked, i.Seen, i.Lost, i.Unseen = ptr(w.Acked), ptr(w.Acked), ptr(int64(0)), ptr(int64(0))
		i.LogDuplicates, i.ExtraCopies, i.OrderViolations = ptr(w.Indeterminate), ptr(w.Indeterminate), ptr(int64(0))
	})
	add("shipments", "", "at most once", func(i *reports.Integrity, w *reports.Measures) {
		i.Seen, i.Foreign, i.Gaps = ptr(w.Acked), ptr(w.Rejected), ptr(w.Dropped)
	})
	group(rec.Run.Streams["shipments"], windows)
	rec.Violations = append(rec.Violations, reports.Violation{
		Kind: "log_duplicate", Stream: "shipments", Window: "baseline", ID: "s-17", Key: "k", Attempts: []reports.Try{},
		Why: "in the topic at partition 0, offset 3 and again at partition 0, offset 9",
	})
	return rec
}

func total(s *reports.Stream) *reports.Integrity {
	s.Total.Integrity = &reports.Integrity{}
	return s.Total.Integrity
}

// group lets a group read a stream: it loses one record in each window, repeats one, and rebalances in each.
func group(s *reports.Stream, windows []string) {
	total := &reports.Group{Lost: ptr(int64(0)), Redelivered: ptr(int64(0)), RedeliveredRecords: ptr(int64(0))}
	for i, window := range windows {
		g := &reports.Group{Records: 10, Processed: 9, Lost: ptr(int64(1)), Redelivered: ptr(int64(2)), RedeliveredRecords: ptr(int64(1)),
			Rebalances: 1, Joins: 1, Leaves: int64(i % 2), Freezes: int64((i + 1) % 2), FirstMessage: waited()}
		s.Windows[window].Group = g
		total.Records += g.Records
		total.Processed += g.Processed
		*total.Lost += *g.Lost
		*total.Redelivered += *g.Redelivered
		*total.RedeliveredRecords += *g.RedeliveredRecords
		total.Rebalances += g.Rebalances
		total.Joins += g.Joins
		total.Leaves += g.Leaves
		total.Freezes += g.Freezes
	}
	for i := range total.Leaves {
		s.Strikes = append(s.Strikes, reports.Strike{Kind: reports.StrikeLeave, Member: 1, AtNS: i * sec, BackNS: ptr((i + 1) * sec)})
	}
	for i := range total.Freezes {
		s.Strikes = append(s.Strikes, reports.Strike{Kind: reports.StrikeFreeze, Member: 2, AtNS: i * sec})
	}
	total.FirstMessage = waited()
	s.Total.Group = total
	s.Blocks = []reports.Block{{Connection: 1, AtNS: 2 * sec, EndNS: ptr(5 * sec), Why: "low on memory"}, {Connection: 2, AtNS: 4 * sec, EndNS: ptr(6 * sec), Why: "low on memory"}, {Connection: 1, AtNS: 9 * sec, Why: "low on disk"}}
	s.Gauges = make(map[string][]reports.Sample)
	for _, gauge := range reports.GroupGauges() {
		s.Gauges[gauge] = []reports.Sample{{AtNS: sec, Value: 12}, {AtNS: 2 * sec, Value: 3}}
	}
}

// waited is a distribution of waits of 300 ms.
func waited() *reports.Latency {
	at := ptr(float64(300 * ms))
	return &reports.Latency{Min: at, Mean: at, P50: at, P90: at, P95: at, P99: at, P999: at, Max: at, Unanswered: ptr(float64(0))}
}
