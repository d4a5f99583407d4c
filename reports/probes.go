package reports

import (
	"fmt"
	"strings"
)

// WitnessCount writes the count of that name. One that is not there where there was a witness is not known.
func WitnessCount(w *Witness, name string) string {
	n := w.Count(name)
	if n == nil && w != nil {
		return NotKnown
	}
	return Measured(n, Count)
}

// Probes says in a line each what a witness saw arrive, and what became of replays; nothing where there were none.
func (m *Measures) Probes() []string {
	var lines []string
	if w := m.Witness; w != nil {
		tell := func(name string) string { return WitnessCount(w, name) }
		line := fmt.Sprintf("arrived: %s of %s attempts sent, %s operations more than once (%s at most), %s answered",
			tell("arrivals"), tell("attempts_sent"), tell("arrived_twice"), tell("max_arrivals"), tell("answered"))
		if n := w.HiddenArrivals; n == nil || *n > 0 {
			line += ", hidden arrivals " + tell("hidden_arrivals")
		}
		lines = append(lines, line)
	}
	if r := m.Replays; r != nil {
		line := fmt.Sprintf("replays: %s, of these %s honoured, %s violations, %s deviations, %s undecided",
			Count(r.Sent), Count(r.Honoured), Count(r.Violations), Count(r.Deviations), Count(r.Undecided))
		if r.Skipped > 0 {
			line += "; " + Count(r.Skipped) + " skipped"
		}
		lines = append(lines, line)
	}
	return lines
}

// Ways tells what became of each way to send an operation again.
func (r *Replays) Ways() []string {
	var ways []string
	for _, kind := range sortedKeys(r.Kinds) {
		k := r.Kinds[kind]
		parts := []string{Count(k.Honoured) + " of " + Count(k.Sent) + " honoured"}
		for _, p := range []struct {
			n    int64
			what string
		}{{k.Violations, "violations"}, {k.Deviations, "deviations"}, {k.Undecided, "undecided"}} {
			if p.n > 0 {
				parts = append(parts, Count(p.n)+" "+p.what)
			}
		}
		ways = append(ways, kind+": "+strings.Join(parts, ", "))
	}
	return ways
}
