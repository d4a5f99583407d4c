package recordtest

import "wringer/reports"

// Phased is Pass with phases and named steps. The phase peak lies around a fault, late after the faults. The rates of two
// streams have steps, and both have a step of one name.
func Phased() *reports.Record {
	run := blank()
	const baseline, slow, lost = "baseline", "after slow-broker", "after lost-answers"
	run.Windows = []reports.Window{
		window("baseline", 0, 5, ""), named("warm", 0, 3, baseline, "orders"), named("warm", 0, 4, baseline, "payments"),
		named("peak", 5, 10, baseline, ""), window("slow-broker", 10, 18, "slow-broker"), named("peak", 18, 20, slow, ""), window(slow, 20, 25, ""),
		named("hot", 22, 25, slow, "orders"), window("lost-answers", 25, 29, "lost-answers"), window(lost, 29, 34, ""), named("hot", 29, 31, lost, "orders"),
		named("late", 34, 40, lost, ""), window("drain", 40, 42, ""),
	}
	rec := pass(run)
	p99 := func(window string) float64 { return *run.Streams["orders"].Windows[window].Response.P99 }
	run.Gates = append(run.Gates,
		gate("orders.p99 < 250ms during peak", "orders", "p99", "ns", "peak", p99("peak"), 250e6, reports.Pass, "held during peak"),
		gate("orders.p99 < 250ms during warm", "orders", "p99", "ns", "warm", p99("warm"), 250e6, reports.Pass, "held during warm"),
		gate("orders.p99 < 250ms after slow-broker", "orders", "p99", "ns", slow, p99("hot"), 250e6, reports.Pass, "held after slow-broker (with peak, hot inside it)"),
	)
	run.Why = []string{"all 9 gates held"}
	return rec
}

// named is a phase, or a step of a stream.
func named(name string, start, end int64, base, stream string) reports.Window {
	w := window(name, start, end, "")
	w.Base, w.Stream = base, stream
	return w
}
