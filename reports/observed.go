package reports

import (
	"maps"
	"slices"
	"strings"
)

// Observed is an entry of `observe`: what the target says of itself. Readings were taken from the begin of the warm-up to the end of
// the drain.
type Observed struct {
	Place   string `json:"place"` // where the series were read, in words
	EveryNS int64  `json:"every_ns"`
	// Readings are all that were tried, Failed those that told nothing of any series. Failures are the first of them.
	Readings int64           `json:"readings"`
	Failed   int64           `json:"failed"`
	Failures []FailedReading `json:"failures,omitempty"`
	// Series are the series, by name.
	Series map[string]*ObservedSeries `json:"series"`
}

// FailedReading is a reading that told nothing.
type FailedReading struct {
	AtNS int64  `json:"at_ns"`
	Why  string `json:"why"`
}

// ObservedSeries is one series of the target.
type ObservedSeries struct {
	// Counter: the samples are rates a second. Otherwise each is the last value of its second.
	Counter bool `json:"counter"`
	// Resets are the times that the counter fell: its process started anew.
	Resets int64 `json:"resets,omitempty"`
	// Rose is by how much the counter is known to have risen from the end of the warm-up on; absent: no counter.
	Rose *float64 `json:"rose,omitempty"`
	// Missing are the readings, apart from the failed ones, that had no value of the series. Why is the reason of the first.
	Missing int64  `json:"missing,omitempty"`
	Why     string `json:"why,omitempty"`
	// Samples hold at most one value a second, from the end of the warm-up to the end of the drain. A second without one is left out.
	Samples []Sample `json:"samples"`
}

// ObservedNames lists the series as gates name them, ENTRY.SERIES, in order.
func (r *Run) ObservedNames() (names []string) {
	for entry, o := range r.Observed {
		if o == nil {
			continue
		}
		for series, one := range o.Series {
			if one != nil {
				names = append(names, entry+"."+series)
			}
		}
	}
	slices.Sort(names)
	return names
}

// ObservedBy finds a series and its entry by the name in gates; nil without one. The names of a record of another program may hold dots.
func (r *Run) ObservedBy(name string) (*Observed, *ObservedSeries) {
	for i, c := range name {
		if c != '.' {
			continue
		}
		if o := r.Observed[name[:i]]; o != nil && o.Series[name[i+1:]] != nil {
			return o, o.Series[name[i+1:]]
		}
	}
	return nil, nil
}

// observePrefix begins the metric of a gate on such a series.
const observePrefix = "observe("

// ObservedIn is the name of the series that a gate is about; false when it is about none.
func ObservedIn(g *Gate) (name string, ok bool) {
	rest, ok := strings.CutPrefix(g.Metric, observePrefix)
	if !ok {
		return "", false
	}
	name, _, ok = strings.Cut(rest, ")")
	return name, ok
}

// coarseObserved bounds the samples of an entry, as coarseGauges does. It leaves the given entry as it is.
func coarseObserved(o *Observed, length int64) *Observed {
	samples := make(map[string][]Sample, len(o.Series))
	for name, s := range o.Series {
		samples[name] = s.Samples
	}
	samples = coarseGauges(samples, length)
	out := *o
	out.Series = maps.Clone(o.Series)
	for name, s := range out.Series {
		bounded := *s
		bounded.Samples = samples[name]
		out.Series[name] = &bounded
	}
	return &out
}
