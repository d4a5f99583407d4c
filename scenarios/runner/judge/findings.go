package judge

import (
	"fmt"
	"slices"

	"wringer/reports"
	"wringer/reports/metric"
)

// findings reports anomalies without a gate, and the target's own events.
func (f *Facts) findings(run *reports.Run) []reports.Finding {
	gated := make(map[string]bool)
	for i := range f.Scenario.Expect {
		g := &f.Scenario.Expect[i]
		gated[g.Stream+"."+g.MetricName()] = true
		if g.Metric.Failures {
			gated[g.Stream] = true
		}
	}
	out, unexplained, placed := []reports.Finding{}, f.unexplained(), make(map[Death]bool)
	for _, name := range run.StreamNames() {
		s := run.Streams[name]
		for _, m := range f.Scenario.Metrics.List() {
			if m.Subject != "" {
				continue
			}
			if text := finding(m, name, &s.Total, gated[name+"."+m.Full()] || f.placesGated(m, name, s)); text != "" {
				text += inPlaces(s, m)
				out = append(out, reports.Finding{Kind: m.Full(), Stream: name, Text: text})
			}
		}
		if !s.Consumes() && !gated[name] {
			out = append(out, reports.Finding{Kind: "ungated", Stream: name, Text: fmt.Sprintf("stream %s has no gate on errors or within", name)})
		}
	}
	for i := range f.Streams {
		for _, b := range f.Streams[i].broke() {
			out = append(out, reports.Finding{Kind: "check", Stream: f.Streams[i].Spec.Name, Text: b.Why})
		}
	}
	for _, text := range f.Events {
		kind := "target"
		if slices.Contains(unexplained, text) {
			kind = reports.PartEnded
		}
		found := reports.Finding{Kind: kind, Text: text}
		if i := slices.IndexFunc(f.Deaths, func(d Death) bool { return d.Text == text && !placed[d] }); i >= 0 {
			d := f.Deaths[i]
			placed[d] = true
			found.Part, found.AtNS = d.Part, new(int64(d.At))
			if d.WentOn {
				found.Kind = reports.PartStarved
			}
		}
		out = append(out, found)
	}
	return out
}

// finding describes a count above 0; empty when there is nothing to report. A metric that panics is a finding.
func finding(m *metric.Metric, stream string, measures *reports.Measures, gated bool) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("stream %s: metric %s broke: it panicked: %v", stream, m.Full(), p)
		}
	}()
	tells := m.Remark != nil || m.Anomaly && !gated
	if !tells || m.Count == nil {
		return ""
	}
	n := m.Count(measures)
	switch {
	case metric.Zero(n):
		return ""
	case m.Remark != nil:
		return m.Remark(stream, *n)
	}
	text = fmt.Sprintf("stream %s: %s is %d, and no gate looks at it", stream, m.Full(), *n)
	if m.Quote != nil {
		text += because(m.Quote(measures))
	}
	return text
}
