package series

import (
	"fmt"

	"wringer/reports/metric"
)

// Subject is the subject of these metrics in gates: observe(jvm.heap).max.
const Subject = "observe"

// Metrics is the table of the metrics of what the target says of itself.
var Metrics = rows(
	metric.Metric{Name: "max", Read: read(maxOf), About: "The largest value of a series of the target; of a counter the largest rate a second."},
	metric.Metric{Name: "min", Read: read(minOf), About: "The smallest value of a series of the target; of a counter the smallest rate a second."},
	metric.Metric{Name: "mean", Read: read(meanOf), About: "The mean of a series of the target; of a counter the mean rate a second."},
	metric.Metric{Name: "increase", Bounded: true, Cumulative: true, Read: read(increaseOf), About: "By how much a counter of the target rose. One that was reset rose by at least so much."},
)

func rows(all ...metric.Metric) []metric.Metric {
	for i := range all {
		m := &all[i]
		m.Subject, m.Class, m.Better = Subject, metric.Gauge, metric.Neither
	}
	return all
}

// read makes the reader of a metric from one of a view.
func read(of func(*View) metric.Reading) func(*metric.Facts) metric.Reading {
	return func(f *metric.Facts) metric.Reading {
		v, ok := metric.Kept[*View](f)
		switch {
		case !ok || !v.Reached:
			return metric.Missing(metric.NotReached)
		case v.N+v.Rises == 0 && v.Unknown != "":
			return metric.Missing("no reading: %s", v.Unknown)
		}
		return of(v)
	}
}

var noReading = metric.Missing("no reading")

func maxOf(v *View) metric.Reading {
	if v.N == 0 {
		return noReading
	}
	r := metric.Found(v.Max)
	r.AtLeast = v.Unknown
	return r
}

func minOf(v *View) metric.Reading {
	if v.N == 0 {
		return noReading
	}
	r := metric.Found(v.Min)
	r.AtMost = v.Unknown
	return r
}

func meanOf(v *View) metric.Reading {
	switch {
	case v.N == 0:
		return noReading
	case v.Unknown != "":
		return metric.Missing("not every reading is there: %s", v.Unknown)
	}
	return metric.Found(v.Mean)
}

// increaseOf needs no reading within the spans: a rise between two readings around them is known too.
func increaseOf(v *View) metric.Reading {
	switch {
	case v.N > 0 && !v.Counter:
		return metric.Missing("the series is no counter: write max, min or mean")
	case v.Rises == 0:
		return noReading
	case v.Resets > 0:
		r := metric.Found(v.Least)
		r.AtLeast = fmt.Sprintf("the counter was reset (%d times), and what it had counted since the reading before is gone", v.Resets)
		return r
	case v.Unknown != "":
		r := metric.Found(v.Least)
		r.AtLeast = v.Unknown
		return r
	}
	return metric.Reading{Value: v.Most, Targets: v.Least}
}
