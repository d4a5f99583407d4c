package runner

import (
	"slices"

	"wringer/reports"
)

// probed writes what the witnesses saw and what became of the replays into the record, and returns the evidence.
func (t *step) probed(run *reports.Run) []reports.Violation {
	t.blind = make(map[string]string)
	var evidence []reports.Violation
	for _, s := range t.streams {
		out := run.Streams[s.spec.Name]
		if s.witness != nil {
			evidence = append(evidence, t.arrived(s, out)...)
		}
		if s.replays != nil {
			evidence = append(evidence, s.replays.report(out)...)
		}
	}
	return evidence
}

func (t *step) arrived(s *member, out *reports.Stream) []reports.Violation {
	result := s.witness.Finish()
	out.Total.Witness = result.Total
	for name, m := range out.Windows {
		m.Witness = result.Windows[name]
	}
	if result.Why != "" {
		t.blind[s.spec.Name] = result.Why
		why := t.unknown[s.spec.Name]
		if why == nil {
			why = make(map[string]string)
			t.unknown[s.spec.Name] = why
		}
		for name, reason := range result.Unknown {
			why[name] = reason
		}
	}
	return result.Violations
}

// report writes the counts into the record, and returns the evidence by window and operation.
func (r *replayAccount) report(out *reports.Stream) []reports.Violation {
	r.mu.Lock()
	defer r.mu.Unlock()
	total, skipped := make(map[string]reports.ReplayCounts), int64(0)
	for i := range r.windows {
		w := &r.windows[i]
		skipped += w.skipped
		kinds := make(map[string]reports.ReplayCounts)
		for kind, k := range w.kinds {
			kinds[kind] = k
			sum := total[kind]
			sum.Add(k)
			total[kind] = sum
		}
		if m := out.Windows[r.names[i]]; m != nil {
			m.Replays = reports.NewReplays(kinds, w.skipped)
		}
	}
	out.Total.Replays = reports.NewReplays(total, skipped)
	slices.SortStableFunc(r.evidence, func(a, b reports.Violation) int {
		if a.Window != b.Window {
			return slices.Index(r.names, a.Window) - slices.Index(r.names, b.Window)
		}
		return int(int64(a.Seq) - int64(b.Seq))
	})
	return r.evidence
}

// probeObservation reads a count of a witness or of replays; false when it is none. What was never put to the test has
// not been shown.
func probeObservation(name string, m *reports.Measures, n int64) (observation, bool) {
	switch {
	case slices.Contains(reports.WitnessNames(), name):
		if w := m.Witness; zero(w.AttemptsSent) && zero(w.Arrivals) {
			return missing("no attempt was sent"), true
		}
	case slices.Contains(reports.ReplayNames(), name):
		if m.Replays.Sent == 0 {
			return missing("nothing was replayed"), true
		}
		if kind := m.Replays.Open(); kind != "" && n == 0 && (name == "replay_violations" || name == "replay_deviations") {
			return missing("no %s replay was decided", kind), true
		}
	default:
		return observation{}, false
	}
	return found(float64(n)), true
}
