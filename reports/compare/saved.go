package compare

import (
	"errors"
	"fmt"
	"math"

	"wringer/reports"
	"wringer/reports/metric"
)

// Saved is the value that a run has for a gate's metric over the gate's scope. The error says why it has none: it was not measured there,
// its unit is another, or it lies beyond every measured value.
func Saved(r *reports.Run, c *metric.Catalogue, gate *reports.Gate) (float64, error) {
	k := keyOf(gate)
	for i := range r.Gates {
		if g := &r.Gates[i]; keyOf(g) == k && g.Unit != "" && g.Unit != gate.Unit {
			return 0, fmt.Errorf("its unit is %q, and this gate's is %q", g.Unit, gate.Unit)
		}
	}
	v := k.read(r, c)
	switch {
	case v.missing != "":
		return 0, errors.New(v.missing)
	case math.IsInf(v.value, 0):
		return 0, errors.New("it lies beyond every measured value there")
	}
	return v.value, nil
}

// Keep is the part of a record that comparisons and gates read: a small file that is fit for a repository. It is a run.json without
// seconds, histograms, gauges, evidence and texts of the target.
func Keep(r *reports.Run) *reports.Run {
	kept := &reports.Run{
		Schema: r.Schema, Name: r.Name, About: r.About, Seed: r.Seed, ID: r.ID, Version: r.Version, Started: r.Started, WarmupNS: r.WarmupNS, DurationNS: r.DurationNS,
		PlannedNS: r.PlannedNS, Verdict: r.Verdict, Exit: r.Exit, Why: r.Why, Complete: r.Complete, Gates: r.Gates, Windows: r.Windows, Faults: r.Faults,
		Validity: r.Validity, Host: r.Host, Checks: r.Checks, Streams: make(map[string]*reports.Stream, len(r.Streams)),
	}
	kept.Validity.Machine = nil
	for name, s := range r.Streams {
		out := &reports.Stream{Driver: s.Driver, Model: s.Model, Plan: s.Plan, Keys: s.Keys, Effects: s.Effects, Of: s.Of, Total: trimmed(s.Total), Windows: make(map[string]*reports.Measures)}
		for window, m := range s.Windows {
			out.Windows[window] = new(trimmed(*m))
		}
		for _, p := range s.Places {
			out.Places = append(out.Places, reports.Place{Name: p.Name, Kind: p.Kind, At: p.At, Windows: map[string]*reports.PlaceMeasures{}})
		}
		kept.Streams[name] = out
	}
	return kept
}

// trimmed are measures without texts of the target.
func trimmed(m reports.Measures) reports.Measures {
	m.Details = nil
	return m
}
