package sections

import (
	"fmt"
	"maps"
	"slices"

	"wringer/reports"
)

// Observed shows what the target said of itself, by series. It is empty when nothing was observed.
func Observed(run *reports.Run) Section {
	return observed(run, run.ObservedNames())
}

// ObservedByGates is Observed for the series that gates are about, and for what went wrong, for a report with little room.
func ObservedByGates(run *reports.Run) Section {
	var names []string
	for i := range run.Gates {
		if name, ok := reports.ObservedIn(&run.Gates[i]); ok && slices.Contains(run.ObservedNames(), name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return observed(run, names)
}

func observed(run *reports.Run, names []string) Section {
	s := Section{Name: NameObserved, Title: "What the target says of itself", Aside: "its own metrics", Rank: Usual, Head: []Column{
		{Name: "series", Kind: Code},
		{Name: "min", Kind: Factor},
		{Name: "mean", Kind: Factor},
		{Name: "max", Kind: Factor},
		{Name: "last", Kind: Factor},
		{Name: "rose by", Kind: Factor},
		{Name: "resets", Kind: Count},
		{Name: "not read", Kind: Count},
		{Name: "seconds", Kind: Count, Rank: Full},
	}}
	rates := false
	for _, name := range names {
		of, one := run.ObservedBy(name)
		rates = rates || one.Counter
		s.Rows = append(s.Rows, observedRow(name, one, of.Failed))
	}
	if rates {
		s.Notes = append(s.Notes, "A series that rises is a counter: min, mean, max and last are its rate a second")
	}
	for _, entry := range sortedNames(run.Observed) {
		s.Notes = append(s.Notes, troubles(entry, run.Observed[entry])...)
	}
	return s
}

func observedRow(name string, one *reports.ObservedSeries, failed int64) Row {
	of := spread(one.Samples)
	var low, last *float64
	for i := range one.Samples {
		v := &one.Samples[i].Value
		if low == nil || *v < *low {
			low = v
		}
		last = v
	}
	resets := counted(nil, reports.NotMeasured)
	if one.Counter {
		resets = unwanted(one.Resets)
	}
	return Row{Label: name, Code: true, Cells: []Cell{
		magnitude(low), magnitude(of.mean), magnitude(of.most), magnitude(last), rise(one), resets, unwanted(one.Missing + failed), count(int64(len(one.Samples))),
	}}
}

// rise is by how much a counter rose.
func rise(one *reports.ObservedSeries) Cell {
	c := magnitude(one.Rose)
	if one.Rose != nil && one.Resets > 0 {
		c.Text = "at least " + c.Text
	}
	return c
}

// magnitude is a cell of a value in a unit that is not known: 1.07 G.
func magnitude(v *float64) Cell {
	return figure(Factor, reports.Measured(v, reports.Magnitude), v, "")
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// troubles are the readings of an entry that failed, and its series that had no value.
func troubles(entry string, o *reports.Observed) (notes []string) {
	if o.Failed > 0 {
		text := fmt.Sprintf("%s: %s of %s readings failed", entry, reports.Count(o.Failed), reports.Count(o.Readings))
		if len(o.Failures) > 0 {
			text += ", the first at " + reports.Moment(o.Failures[0].AtNS) + ": " + o.Failures[0].Why
		}
		notes = append(notes, text)
	}
	for _, name := range sortedNames(o.Series) {
		if one := o.Series[name]; one.Missing > 0 {
			notes = append(notes, fmt.Sprintf("%s.%s had no value in %s of %s readings: %s", entry, name, reports.Count(one.Missing), reports.Count(o.Readings), one.Why))
		}
	}
	return notes
}
