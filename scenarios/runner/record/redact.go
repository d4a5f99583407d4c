package record

import "wringer/reports"

// Redact replaces the values that came from the environment in every text that may quote a target or an error, in place.
func (f *Folder) Redact(run *reports.Run, violations []reports.Violation) {
	f.redactAll(run.Why)
	f.redactAll(run.Validity.Why)
	run.TraceURL = f.redact(run.TraceURL)
	for i := range run.Gates {
		run.Gates[i].Why = f.redact(run.Gates[i].Why)
		run.Gates[i].Expr = f.redact(run.Gates[i].Expr)
	}
	for i := range run.Faults {
		run.Faults[i].Error, run.Faults[i].Spec = f.redact(run.Faults[i].Error), f.redact(run.Faults[i].Spec)
	}
	for i := range run.Findings {
		run.Findings[i].Text = f.redact(run.Findings[i].Text)
	}
	for _, o := range run.Observed {
		o.Place = f.redact(o.Place)
		for i := range o.Failures {
			o.Failures[i].Why = f.redact(o.Failures[i].Why)
		}
		for _, s := range o.Series {
			s.Why = f.redact(s.Why)
		}
	}
	for _, s := range run.Streams {
		f.redactDetails(&s.Total)
		for i := range s.Slowest {
			s.Slowest[i].TraceURL = f.redact(s.Slowest[i].TraceURL)
		}
		for i := range s.Blocks {
			s.Blocks[i].Why = f.redact(s.Blocks[i].Why)
		}
		for _, m := range s.Windows {
			f.redactDetails(m)
		}
	}
	for i := range violations {
		violations[i].TraceURL = f.redact(violations[i].TraceURL)
		for j := range violations[i].Attempts {
			at := &violations[i].Attempts[j]
			at.Detail = f.redact(at.Detail)
		}
	}
}

func (f *Folder) redactAll(texts []string) {
	for i := range texts {
		texts[i] = f.redact(texts[i])
	}
}

// redactDetails replaces the map: another record may share it.
func (f *Folder) redactDetails(m *reports.Measures) {
	if m.Details == nil {
		return
	}
	details := make(map[string]string, len(m.Details))
	for code, detail := range m.Details {
		details[code] = f.redact(detail)
	}
	m.Details = details
}
