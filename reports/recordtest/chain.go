package recordtest

import "wringer/reports"

// Chain is Pass with the steps of a chain, one of which sometimes failed.
func Chain() *reports.Record {
	rec := Pass()
	measures := func(attempts, acked int64, p99 *float64) reports.StepMeasures {
		m := reports.StepMeasures{Attempts: attempts, Acked: acked, Errors: map[string]int64{}}
		if attempts > acked {
			m.Errors["http_404"] = attempts - acked
		}
		if attempts > 0 {
			m.Service = &reports.Latency{Min: ptr(1e6), Mean: ptr(2e6), P50: ptr(2e6), P99: p99, Max: ptr(9e6), Unanswered: ptr(0.0)}
			if p99 == nil {
				m.Service.Unanswered = ptr(5.0)
			}
		}
		return m
	}
	create, read := measures(400, 400, ptr(4e6)), measures(400, 397, nil)
	rec.Run.Streams["orders"].Steps = []reports.Step{
		{Name: "create|`it`", StepMeasures: create, Windows: map[string]*reports.StepMeasures{"baseline": &create}},
		{Name: "read", StepMeasures: read, Windows: map[string]*reports.StepMeasures{"baseline": &read}},
	}
	return rec
}
