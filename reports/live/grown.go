package live

import (
	"fmt"
	"slices"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/html"
)

// mostRows is the most rows of a stream that are kept second by second. A longer run is shown at the resolution of its record.
const mostRows = 7200

// grown is the record so far: run, whose rows and samples are those since last alone, with those of last before them. It changes neither.
// A last may grow once.
func grown(last, run *reports.Run) *reports.Run {
	now := *run
	now.Streams = make(map[string]*reports.Stream, len(run.Streams))
	long := false
	for name, stream := range run.Streams {
		var before reports.Stream
		if b := last.Streams[name]; b != nil {
			before = *b
		}
		s := *stream
		s.Seconds, s.ResolutionNS = append(before.Seconds, s.Seconds...), before.ResolutionNS
		s.Gauges = appended(before.Gauges, s.Gauges)
		long = long || s.ResolutionNS > 0 || len(s.Seconds) > mostRows
		now.Streams[name] = &s
	}
	if len(run.Parts) > 0 {
		now.Parts = make(map[string]*reports.Part, len(run.Parts))
	}
	for name, part := range run.Parts {
		var before reports.Part
		if b := last.Parts[name]; b != nil {
			before = *b
		}
		p := *part
		p.Gauges = appended(before.Gauges, p.Gauges)
		now.Parts[name] = &p
	}
	now.Observed = observed(last.Observed, run.Observed)
	if long {
		coarsen(&now)
	}
	return &now
}

// observed are the series of the target, with the samples before.
func observed(last, fresh map[string]*reports.Observed) map[string]*reports.Observed {
	if len(fresh) == 0 {
		return nil
	}
	out := make(map[string]*reports.Observed, len(fresh))
	for name, entry := range fresh {
		one := *entry
		one.Series = make(map[string]*reports.ObservedSeries, len(entry.Series))
		for series, s := range entry.Series {
			all := *s
			if before := last[name]; before != nil && before.Series[series] != nil {
				all.Samples = append(before.Series[series].Samples, s.Samples...)
			} else {
				all.Samples = slices.Clone(s.Samples)
			}
			one.Series[series] = &all
		}
		out[name] = &one
	}
	return out
}

func appended(before, fresh map[string][]reports.Sample) map[string][]reports.Sample {
	out := make(map[string][]reports.Sample, len(before))
	for name, samples := range before {
		out[name] = samples
	}
	for name, samples := range fresh {
		out[name] = append(out[name], samples...)
	}
	return out
}

// coarsen gives the rows the resolution that the record of the whole run will have. The newest rows are still seconds.
func coarsen(run *reports.Run) {
	length := run.DurationNS
	run.DurationNS = max(run.PlannedNS, length)
	for _, s := range run.Streams {
		s.ResolutionNS = 0
	}
	run.Coarsen()
	run.DurationNS = length
}

// running is the record with the headline of a run that goes on, in place of a verdict.
func running(run *reports.Run) *reports.Run {
	now := *run
	now.Verdict, now.Why = html.Running, []string{headline(run)}
	if len(run.Validity.Why) == 0 {
		now.Validity.Verdict, now.Validity.Why = html.Running, []string{"nothing against it so far"}
	}
	return &now
}

// headline says where the run stands.
func headline(run *reports.Run) string {
	planned := reports.Duration(float64(run.PlannedNS))
	switch {
	case run.PlannedNS == 0:
		return "the run begins"
	case run.DurationNS == 0:
		return "warming up, then " + planned
	case run.DurationNS >= run.PlannedNS:
		return planned + " are over: what is still open drains, and effects are awaited"
	}
	at := time.Duration(run.DurationNS).Round(time.Second)
	return fmt.Sprintf("%s of %s, window %s", reports.Duration(float64(at)), planned, windowOf(run))
}

// windowOf is the window of the run in which the record ends.
func windowOf(run *reports.Run) string {
	name := faults.Baseline
	for _, w := range run.Windows {
		if w.Stream == "" && w.Name != faults.Drain && w.StartNS < run.DurationNS {
			name = w.Name
		}
	}
	return name
}
