package sections

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/reports"
)

// Faults shows what each fault did, and how the streams recovered. It is empty when the run had no faults.
func Faults(run *reports.Run) Section {
	s := Section{Name: NameFaults, Title: "Faults", Rank: Vital, Head: []Column{
		{Name: "fault", Kind: Code},
		{Name: "when", Kind: Moment, Plain: true},
		{Name: "what", Plain: true},
		{Name: "on"},
		{Name: "touched"},
		{Name: "healed", Plain: true},
		{Name: "detection"},
		{Name: "recovery"},
		{Name: "metastable"},
	}}
	goal := ""
	for i := range run.Faults {
		f := &run.Faults[i]
		s.Rows = append(s.Rows, faultRow(f))
		if f.RecoveryGoal != "" {
			goal = f.RecoveryGoal
		}
	}
	if goal != "" {
		s.Notes = []string{"Recovered means: " + goal}
	}
	return s
}

func faultRow(f *reports.Fault) Row {
	r := Row{Label: f.Title(), Note: f.Kind, Code: true, Verdict: reports.Valid, Fault: true}
	if !f.Bit || !f.Healed || f.Error != "" {
		r.Verdict = reports.Inconclusive
	}
	touched, healed := did(f.Bit, touched(f), untouched(f)), did(f.Healed, "healed", "not healed")
	if f.NotInjected {
		touched, healed = Cell{Text: "nothing, not injected", State: Doubt}, Cell{Text: "nothing to heal"}
		if f.Error != "" {
			healed = did(f.Healed, "healed", "not healed") // part of it may have been in force
		}
	}
	if f.Error != "" {
		healed.Notes = []string{f.Error}
	}
	when := Cell{Text: reports.Span(f.StartNS, f.EndNS), Kind: Moment}
	r.Cells = []Cell{when, words(f.Spec), words(f.Place()), touched, healed, detection(f), recovery(f), metastable(f)}
	return r
}

// did is a cell for a condition of a valid run: the fault touched traffic, or was healed.
func did(yes bool, done, not string) Cell {
	if yes {
		return Cell{Text: done, State: Good}
	}
	return Cell{Text: not, State: Doubt}
}

// untouched is the cell of a fault that touched no traffic, or of which that is not known.
func untouched(f *reports.Fault) string {
	if f.Unmeasured != "" {
		return reports.NotMeasured
	}
	return "no traffic"
}

// touched describes how much traffic the fault met.
func touched(f *reports.Fault) string {
	if f.Touched != "" {
		return f.Touched
	}
	var met []string
	if f.Connections != nil {
		what := "connection"
		if f.Part != nil {
			what = "request"
		}
		if *f.Connections != 1 {
			what += "s"
		}
		met = append(met, reports.Count(*f.Connections)+" "+what)
	}
	if f.Bytes != nil {
		met = append(met, reports.Bytes(*f.Bytes)+directions(f))
	}
	if f.Requests != nil {
		met = append(met, metRequests(f))
	}
	if len(met) == 0 {
		return "traffic"
	}
	return strings.Join(met, ", ")
}

// metRequests counts the requests that a witness behind the fault's link saw meanwhile.
func metRequests(f *reports.Fault) string {
	n := reports.Counted(*f.Requests, "request")
	if f.RequestsAtLeast {
		n = "at least " + n
	}
	return n
}

// directions gives the bytes of each direction, if both directions were counted.
func directions(f *reports.Fault) string {
	to, from := f.ToTarget, f.FromTarget
	switch {
	case to == nil || from == nil || to.Bytes+from.Bytes == 0:
		return ""
	case from.Bytes == 0:
		return " to the target"
	case to.Bytes == 0:
		return " from the target"
	}
	return fmt.Sprintf(" (%s to the target, %s from it)", reports.Bytes(to.Bytes), reports.Bytes(from.Bytes))
}

// detection is the time from the fault's start to the first bad second: of the stream that showed the fault first, and of the
// others.
func detection(f *reports.Fault) Cell {
	text := byStream(f, f.DetectedBy, streamDetection)
	if text == "" {
		text = reports.Measured(f.DetectionNS, nanoseconds)
	}
	c := figure(Time, text, float(f.DetectionNS), unitTime)
	if len(f.AlsoChanged) > 0 {
		c.Notes = []string{"also changed: " + strings.Join(f.AlsoChanged, ", ")}
	}
	return c
}

func streamDetection(r reports.StreamRecovery) string {
	switch {
	case r.DetectionNS != nil:
		return nanoseconds(*r.DetectionNS)
	case r.BadBefore:
		return "not known: bad already"
	}
	return "no bad second"
}

// recovery is the time from the fault's end to the first of the good seconds: of the slowest stream, and of the others.
func recovery(f *reports.Fault) Cell {
	first := f.SlowestBack
	if len(f.Unrecovered) > 0 {
		first = f.Unrecovered[0]
	}
	whole := reports.StreamRecovery{Recovered: f.Recovered, RecoveryNS: f.RecoveryNS}
	text := byStream(f, first, streamRecovery)
	if text == "" {
		text = streamRecovery(whole)
	}
	c := figure(Time, text, float(f.RecoveryNS), unitTime)
	if f.Recovered != nil && !*f.Recovered {
		c.State = Bad
	}
	return c
}

func streamRecovery(r reports.StreamRecovery) string {
	switch {
	case r.Recovered == nil:
		return reports.NotMeasured
	case !*r.Recovered:
		return "not reached"
	case r.RecoveryNS == nil:
		return "recovered"
	}
	return nanoseconds(*r.RecoveryNS)
}

// byStream describes each stream and joins the streams with the same text. The text of the stream named first comes first.
// The result is empty when the record holds nothing by stream.
func byStream(f *reports.Fault, first string, describe func(reports.StreamRecovery) string) string {
	var order []string
	streams := make(map[string][]string)
	add := func(name string) {
		r, ok := f.PerStream[name]
		if !ok {
			return
		}
		text := describe(r)
		if streams[text] == nil {
			order = append(order, text)
		}
		if !slices.Contains(streams[text], name) {
			streams[text] = append(streams[text], name)
		}
	}
	add(first)
	for _, name := range slices.Sorted(maps.Keys(f.PerStream)) {
		if !slices.Contains(f.Untouched, name) {
			add(name)
		}
	}
	if len(order) == 1 && state(order[0]) == Unmeasured {
		return order[0]
	}
	for i, text := range order {
		order[i] = text + " (" + strings.Join(streams[text], ", ") + ")"
	}
	return strings.Join(order, ", ")
}

// metastable says whether the system stayed bad after the fault was gone.
func metastable(f *reports.Fault) Cell {
	switch {
	case f.Metastable == nil:
		return words(reports.NotMeasured)
	case *f.Metastable:
		return Cell{Text: "yes: bad after the fault was gone", State: Bad}
	}
	return words("no")
}

func nanoseconds(ns int64) string { return reports.Duration(float64(ns)) }

func float(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}
