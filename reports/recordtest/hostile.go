package recordtest

import "wringer/reports"

// Hostile is a sample in which every text tries to break out of the format that renders it.
func Hostile() *reports.Record {
	const text = "</script></style><script>alert(1)</script> \"'`|*_[x](javascript:alert(1))\\ ]]> <!-- {{.}} \x1b[31m\x00\n# new line &amp;"
	rec := Fail()
	run := rec.Run
	run.Name, run.About, run.Version, run.ID = text, text, text, text
	run.Why = []string{text}
	run.Settings = map[string]string{text: text}
	run.Gates[2].Expr, run.Gates[2].Why = text, text
	run.Validity = validity(0, text)
	run.Findings = []reports.Finding{{Kind: text, Stream: text, Text: text}}
	for i := range run.Faults {
		f := &run.Faults[i]
		for w := range run.Windows {
			if run.Windows[w].Fault != nil && *run.Windows[w].Fault == f.Name {
				run.Windows[w].Fault = ptr(text)
			}
		}
		f.Name, f.Kind, f.Spec, f.Error, f.DetectedBy = text, text, text, text, text
	}
	run.Observed = map[string]*reports.Observed{text: {Place: text, Readings: 3, Failed: 1, Failures: []reports.FailedReading{{AtNS: sec, Why: text}},
		Series: map[string]*reports.ObservedSeries{text: {Missing: 1, Why: text, Samples: []reports.Sample{{AtNS: sec, Value: 1}}}}}}
	orders := run.Streams["orders"]
	orders.Plan, orders.Driver, orders.Effects = text, text, text
	orders.Total.Errors[text] = 1
	orders.Gauges = map[string][]reports.Sample{text: {{AtNS: sec, Value: 1}}}
	run.Streams[text] = orders
	orders.Total.Details = map[string]string{}
	for code := range orders.Total.Errors {
		orders.Total.Details[code] = text
	}
	orders.Total.Messages = &reports.Messages{Evidence: map[string]string{"lost": text}}
	delete(run.Streams, "orders")
	for i := range rec.Violations {
		v := &rec.Violations[i]
		v.Kind, v.Stream, v.ID, v.Key, v.Why = text, text, text, text, text
		for a := range v.Attempts {
			v.Attempts[a].Code, v.Attempts[a].Detail = text, text
		}
	}
	rec.Scenario = []byte(text)
	return rec
}
