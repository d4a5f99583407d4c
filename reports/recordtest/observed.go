package recordtest

import "wringer/reports"

// Observed is Fail on a target that told what it is like: a gauge, a counter that was reset, and a series that was absent at first.
func Observed() *reports.Record {
	rec := Fail()
	run := rec.Run
	heap, errors, waiting := &reports.ObservedSeries{}, &reports.ObservedSeries{Counter: true, Resets: 1, Rose: ptr(431.0)}, &reports.ObservedSeries{Missing: 2, Why: "nothing matches its selector"}
	for s := int64(0); s < 45; s++ {
		if s == 20 || s == 21 {
			continue // the readings failed
		}
		at := s*sec + 300*ms
		heap.Samples = append(heap.Samples, reports.Sample{AtNS: at, Value: 4e8 + float64(s)*1.6e7})
		errors.Samples = append(errors.Samples, reports.Sample{AtNS: at, Value: float64(s % 20)})
		if s > 1 {
			waiting.Samples = append(waiting.Samples, reports.Sample{AtNS: at, Value: float64(s % 3)})
		}
	}
	run.Observed = map[string]*reports.Observed{
		"jvm": {Place: "metrics at http://127.0.0.1:8080/actuator/prometheus", EveryNS: sec, Readings: 45, Failed: 2,
			Failures: []reports.FailedReading{{AtNS: 20 * sec, Why: "connection refused"}, {AtNS: 21 * sec, Why: "connection refused"}},
			Series:   map[string]*reports.ObservedSeries{"heap": heap, "errors_total": errors}},
		"db": {Place: "PromQL at http://127.0.0.1:9090", EveryNS: sec, Readings: 45, Series: map[string]*reports.ObservedSeries{"pool_waiting": waiting}},
	}
	run.Gates = append(run.Gates,
		gate("observe(jvm.heap).max < 1GiB", "", "observe(jvm.heap).max", "", "", 1.104e9, 1<<30, reports.Fail, "violated"),
		open("observe(jvm.errors_total).increase == 0", "", "observe(jvm.errors_total).increase", "", 0, reports.Inconclusive, "the counter was reset"),
		gate("observe(db.pool_waiting).mean < 5", "", "observe(db.pool_waiting).mean", "", "", 1.0, 5, reports.Pass, "held"),
	)
	return rec
}
