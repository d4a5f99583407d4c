package recovery

import (
	"time"

	"wringer/reports"
	"wringer/reports/metric"
)

// Metrics is the table of a fault's measurements. Each is read from the faults of the record.
var Metrics = []metric.Metric{
	{Name: "detection", Unit: metric.NS, Class: metric.Recovery, Better: metric.Lower, At: metric.DuringFault, Needs: sends,
		About: "Time from the fault's start to the first bad second.", Read: read(detection)},
	{Name: "recovery", Unit: metric.NS, Class: metric.Recovery, Better: metric.Lower, At: metric.AfterFault, Needs: sends, Beyond: "not recovered", Never: "not recovered",
		About: "Time from the fault's end to the first of 3 good seconds in a row.", Read: read(recovered)},
}

var sends = metric.Needs{Consuming: metric.Operations}

// round reads one fault of the record. It returns false if the fault says nothing, so that only another round of its name can.
type round func(f *metric.Facts, i int) (metric.Reading, bool)

// read reads a metric of a stream and a fault. The recovery of a stream that did not recover is infinite. For a fault with
// several rounds the slowest decides. While one of them is unknown, the slowest is a lower bound.
func read(one round) func(f *metric.Facts) metric.Reading {
	return func(f *metric.Facts) metric.Reading {
		var slowest, unknown *metric.Reading
		for i := range f.Faults {
			if f.Faults[i].Name != f.Fault {
				continue
			}
			r, decided := one(f, i)
			switch {
			case !decided:
			case r.Missing != "":
				unknown = &r
			case slowest == nil || r.Value > slowest.Value:
				slowest = &r
			}
		}
		switch {
		case slowest == nil && unknown == nil:
			return metric.Missing("fault %s was not injected", f.Fault)
		case slowest == nil:
			return *unknown
		case unknown != nil:
			slowest.AtLeast = unknown.Missing
		}
		return *slowest
	}
}

// unmeasured says why nothing is known of a stream over a fault.
func unmeasured(f *reports.Fault) metric.Reading {
	if f.Error != "" {
		return metric.Missing("the fault failed: %s", f.Error)
	}
	return metric.Missing("there is no baseline to compare with")
}

func detection(f *metric.Facts, i int) (metric.Reading, bool) {
	r, ok := f.Faults[i].PerStream[f.Name]
	switch {
	case !ok:
		return unmeasured(&f.Faults[i]), true
	case r.BadBefore:
		return metric.Missing("the stream was bad already when the fault began"), true
	case r.DetectionNS == nil:
		return metric.Missing("no second of the fault was bad"), true
	}
	return metric.Found(float64(*r.DetectionNS)), true
}

func recovered(f *metric.Facts, i int) (metric.Reading, bool) {
	r, ok := f.Faults[i].PerStream[f.Name]
	switch {
	case !ok:
		return unmeasured(&f.Faults[i]), true
	case r.Recovered == nil:
		return metric.Missing("too few seconds to tell: let the run go on longer after the fault; or the load generator was saturated in them, or the machine was busy throughout the baseline"), !cutOff(f.Faults, i)
	case !*r.Recovered:
		return metric.Found(metric.Infinite), true
	}
	o := metric.Found(float64(*r.RecoveryNS))
	if r.RecoveryFromNS != nil {
		o.Targets = float64(*r.RecoveryFromNS)
	}
	return o, true
}

// cutOff reports whether another round of the fault, or a part of it, was in force within the seconds that decide the recovery.
func cutOff(faults []reports.Fault, i int) bool {
	f := &faults[i]
	soon := f.EndNS + int64(goodSeconds*time.Second) + int64(time.Second)
	for j := range faults {
		o := &faults[j]
		if j != i && o.Name == f.Name && o.EndNS > f.EndNS && o.StartNS < soon {
			return true
		}
	}
	return false
}
