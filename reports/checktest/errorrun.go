// Package checktest is an example of a check with a package of its own: the longest run of errors in a row. A command has it
// by one line in its table of checks. The gates, the record and every report then know its metric error_run.
package checktest

import (
	"maps"
	"slices"
	"sync"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

// ErrorRun is the line of the command's table.
var ErrorRun = metric.Check{Metrics: metrics, Open: open}

var metrics = metric.Counts([]metric.Metric{{
	Name: "error_run", Better: metric.Lower, Needs: metric.Needs{Consuming: metric.Operations},
	About: "The most operations in a row, in the order in which they were due, that were sent and not acked.",
}}, untested)

// untested gives the reason why a count shows nothing.
func untested(f *metric.Facts, _ int64) string {
	if f.Measures.Sent == 0 {
		return "no operation was sent"
	}
	return ""
}

// bound is the number of failed operations that are kept: some 50 MB.
const bound = 1 << 20

// errorRun keeps the operations that failed, because operations do not end in the order in which they were due.
type errorRun struct {
	config reports.CheckConfig
	bound  int

	mu sync.Mutex
	// failed holds the windows of operations by their numbers.
	failed map[uint64]int
	full   bool
}

func open(c reports.CheckConfig) reports.Check {
	return &errorRun{config: c, bound: bound, failed: make(map[uint64]int)}
}

// Ended records operations that failed.
func (r *errorRun) Ended(batch []reports.Ended) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		e := &batch[i]
		failed := e.Outcome == drivers.Rejected || e.Outcome == drivers.Indeterminate
		switch {
		case !failed || e.Window == reports.WindowWarmup:
		case len(r.failed) >= r.bound:
			r.full = true
		default:
			r.failed[e.Op.Seq] = e.Window
		}
	}
}

// Finish writes the longest run of each window, and of all windows.
func (r *errorRun) Finish(reports.Completeness) reports.Findings {
	r.mu.Lock()
	defer r.mu.Unlock()
	measure := func(m *reports.Measures, windows []int) { m.SetCheck("error_run", r.longest(windows)) }
	windows := reports.ByName(r.config.Windows)
	f := reports.Findings{Measure: measure, Write: func(out *reports.Stream) {
		measure(&out.Total, slices.Concat(slices.Collect(maps.Values(windows))...))
		for name, m := range out.Windows {
			measure(m, windows[name])
		}
	}}
	if r.full {
		f.Unknown = map[string]string{"error_run": "more operations failed than there is room for"}
	}
	return f
}

// longest returns the longest run of the operations of some windows together.
func (r *errorRun) longest(windows []int) *int64 {
	var longest, run int64
	var last uint64
	for _, seq := range slices.Sorted(maps.Keys(r.failed)) {
		switch {
		case !slices.Contains(windows, r.failed[seq]):
			continue
		case run > 0 && seq == last+1:
			run++
		default:
			run = 1
		}
		last = seq
		longest = max(longest, run)
	}
	return &longest
}
