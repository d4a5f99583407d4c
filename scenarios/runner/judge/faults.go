package judge

import (
	"slices"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/recovery"
	"wringer/scenarios"
)

// faults fills in the result of each fault, and how each stream recovered from it.
func (f *Facts) faults(run *reports.Run) []reports.Fault {
	out := []reports.Fault{}
	ending := &f.Ending
	for i := range f.Scenario.Faults {
		planned := &f.Scenario.Faults[i]
		on := planned.Config.On()
		r := reports.Fault{Name: planned.Name, Round: planned.Round, Kind: planned.Config.Kind(), Spec: planned.Config.Describe().Words,
			StartNS: int64(planned.At), EndNS: int64(planned.End())}
		if on.Link != "" {
			r.Link = &on.Link
		}
		if on.Part != "" {
			r.Part = &on.Part
		}
		r.NotInjected = i >= len(ending.Injections) || !injected(&ending.Injections[i])
		if i < len(ending.Injections) {
			fromInjection(&r, &ending.Injections[i])
		}
		if f.Met != nil && !r.NotInjected {
			if n, atLeast, known := f.Met(i); known {
				r.Requests, r.RequestsAtLeast = &n, atLeast
			}
		}
		if planned.At < ending.Ended && r.Error == "" {
			f.recoveries(&r, run, planned)
		}
		// If a fault's time was cut off, "no second was bad" cannot be said.
		if planned.End() > ending.Ended && r.DetectionNS == nil {
			r.PerStream = nil
		}
		out = append(out, r)
	}
	return out
}

// fromInjection fills in the timeline's facts about a fault.
func fromInjection(r *reports.Fault, in *faults.Injection) {
	r.Bit, r.Healed, r.Peer, r.Unmeasured, r.Touched = in.Bite.Bit, in.Healed, in.Bite.Peer, in.Bite.Unmeasured, in.Bite.Words
	if in.Bite.Connections >= 0 {
		r.Connections = new(in.Bite.Connections)
	}
	if in.Bite.Bytes >= 0 {
		r.Bytes = new(in.Bite.Bytes)
	}
	r.ToTarget, r.FromTarget = passage(in.Bite.ToTarget), passage(in.Bite.FromTarget)
	if injected(in) {
		r.StartNS, r.EndNS = int64(in.InjectAt), int64(in.HealedAt)
	}
	if err := in.Err(); err != nil {
		r.Error = err.Error()
	}
}

func passage(m *faults.Met) *reports.Passage {
	if m == nil {
		return nil
	}
	return &reports.Passage{Connections: m.Connections, Bytes: m.Bytes}
}

// injected reports whether the fault was in force at all.
func injected(in *faults.Injection) bool { return in.Step != faults.Waiting && in.InjectErr == nil }

// recoveries measures detection, recovery and metastability of every stream over one fault.
func (f *Facts) recoveries(r *reports.Fault, run *reports.Run, planned *scenarios.Fault) {
	until := min(f.undisturbedUntil(planned), time.Duration(run.DurationNS))
	r.PerStream = make(map[string]reports.StreamRecovery)
	for i := range f.Streams {
		s := &f.Streams[i]
		out, baseline := run.Streams[s.Spec.Name], s.over(run, faults.Baseline)
		length := s.Tally.plan.Length(baseline.windows, until)
		all := f.overtakings()
		rows := s.rowsBefore(out.Seconds, all, planned.At)
		n, ok := s.normal(&baseline, all, rows, length)
		if !ok {
			continue
		}
		measured := n.Measure(undecidedRows(rows), planned.At, planned.End(), until)
		asSeen := n.Measure(rows, planned.At, planned.End(), until)
		measured.DetectionNS, measured.BadBefore = asSeen.DetectionNS, asSeen.BadBefore
		r.PerStream[s.Spec.Name] = measured
	}
	recovery.Summarize(r, func(stream string) bool { return f.touched(planned, stream) })
}

// undecidedRows are rows in which busy seconds decide as little as those in which the load generator was saturated.
func undecidedRows(rows []reports.Second) []reports.Second {
	if !slices.ContainsFunc(rows, func(s reports.Second) bool { return s.Busy }) {
		return rows
	}
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].Limited = rows[i].Limited || rows[i].Busy
	}
	return rows
}

// touched says whether a fault can have touched a stream, by its own counters. Those on the link of one stream count that stream
// alone. All others, on parts and on the links inside the target, count as touching every stream.
func (f *Facts) touched(planned *scenarios.Fault, stream string) bool {
	link, _ := faults.CutBranch(planned.Config.On().Link)
	return link == "" || f.Scenario.Stream(link) == nil || link == stream
}

// normal is the picture of the baseline, which lasts for length from the start, for recovery.
func (s *Stream) normal(over *overWindows, all overtakings, rows []reports.Second, length time.Duration) (recovery.Normal, bool) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r reports.Second) bool { return time.Duration(r.StartNS)+time.Second > length })
	n, ok := recovery.Of(s.baseline(over, all), rows, length, s.Closed)
	busy := func(r reports.Second) bool { return r.Busy }
	if !ok || !slices.ContainsFunc(rows, busy) {
		return n, ok
	}
	length -= s.Tally.busyLength(over.windows, length)
	calm := overWindows{windows: over.windows, cell: over.cell.Less(s.Tally.busyOver(over.windows)), length: length}
	calm.measures = new(calm.cell.Measures(length))
	return n.Apart(recovery.Of(s.baseline(&calm, all), slices.DeleteFunc(rows, busy), length, s.Closed)), true
}

// baseline returns the measures of the baseline, without operations that a fault overtook before they had waited long.
func (s *Stream) baseline(over *overWindows, all overtakings) *reports.Measures {
	found := all.overtaken(over.cell)
	if gone := found.spared(); len(gone) > 0 {
		m := over.cell.Without(gone).Measures(over.length)
		return &m
	}
	return over.measures
}

// undisturbedUntil is the time after a fault until which no other fault was due: another fault's bad seconds say nothing about
// this one's recovery. The second in which the fault ends is its own.
func (f *Facts) undisturbedUntil(planned *scenarios.Fault) time.Duration {
	until := f.Scenario.Run.Duration
	for i := range f.Scenario.Faults {
		o := &f.Scenario.Faults[i]
		switch {
		case o.At >= planned.End():
			until = min(until, o.At)
		case o.End() > planned.End():
			until = min(until, (planned.End() + time.Second - 1).Truncate(time.Second))
		}
	}
	return until
}
