package otlp

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"wringer/drivers"
	"wringer/reports"
)

// operation is what waits to be exported: one that ended, or spans that are ready.
type operation struct {
	stream *stream
	ended  reports.Ended
	by     string
	ready  []span
}

// span is one span. tracetest makes spans with given ids, which no tracer of the SDK does.
type span struct{ tracetest.SpanStub }

func (s span) snapshot(of *resource.Resource) sdk.ReadOnlySpan {
	s.Resource, s.InstrumentationScope = of, instrumentation.Scope{Name: "wringer"}
	return s.Snapshot()
}

// count is the number of the spans.
func (o *operation) count() int {
	switch n := len(o.ended.Trail); {
	case o.stream == nil:
		return len(o.ready)
	case n > 1:
		return n + 1
	default:
		return n
	}
}

// spans are the operation's: one for each attempt, and where there are several, one over them.
func (o *operation) spans() []span {
	if o.stream == nil {
		return o.ready
	}
	s, e := o.stream, &o.ended
	several := len(e.Trail) > 1
	var all []span
	for i := range e.Trail {
		at := &e.Trail[i]
		one := s.attempt(e.Op.Seq, at.Number, at.Sent, at.Done, at.Outcome.String(), at.Code)
		one.Attributes = append(one.Attributes, s.attributes(e, o.by)...)
		if at.Status != 0 {
			one.Attributes = append(one.Attributes, attribute.Int("wringer.status", at.Status))
		}
		if several {
			one.Parent = s.context(e.Op.Seq, 0)
		}
		all = append(all, one)
	}
	if several {
		whole := s.attempt(e.Op.Seq, 0, e.Sent, e.Done, e.Outcome.String(), e.Trail[len(e.Trail)-1].Code)
		whole.SpanKind = trace.SpanKindInternal
		whole.Attributes = append(whole.Attributes, s.attributes(e, o.by)...)
		all = append(all, whole)
	}
	return all
}

// attributes are those of each span of an operation.
func (s *stream) attributes(e *reports.Ended, by string) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("wringer.sampled", by), attribute.Int64("wringer.response_ns", int64(e.Done-e.Op.Planned)),
	}
	if e.Window >= 0 && e.Window < len(s.Windows) {
		all = append(all, attribute.String("wringer.window", s.Windows[e.Window]))
		if fault := s.Faults[e.Window]; fault != "" {
			all = append(all, attribute.String("wringer.fault", fault))
		}
	}
	return all
}

// attempt is the span of an attempt. Number 0 is the operation. It holds no text of an answer.
func (s *stream) attempt(seq uint64, number int, sent, done time.Duration, outcome, code string) span {
	out := span{tracetest.SpanStub{
		Name: s.Stream, SpanContext: s.context(seq, number), SpanKind: trace.SpanKindClient,
		StartTime: s.Epoch.Add(sent), EndTime: s.Epoch.Add(max(sent, done)),
		Attributes: []attribute.KeyValue{
			attribute.String("wringer.run", s.Identity.Run), attribute.String("wringer.stream", s.Stream),
			attribute.String("wringer.operation", s.Identity.Text(seq)), attribute.Int("wringer.attempt", number),
			attribute.String("wringer.outcome", outcome),
		},
	}}
	if outcome != drivers.Acked.String() {
		out.Status = sdk.Status{Code: codes.Error, Description: code}
		out.Attributes = append(out.Attributes, attribute.String("error.type", code))
	}
	return out
}

func (s *stream) context(seq uint64, attempt int) trace.SpanContext {
	return contextOf(s.Identity, seq, attempt)
}

func contextOf(id drivers.Identity, seq uint64, attempt int) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(id.Trace(seq)), SpanID: trace.SpanID(id.Span(seq, attempt)), TraceFlags: trace.FlagsSampled,
	})
}

// anomalous are the spans of an operation in the evidence, unless they were exported when the operation ended.
func (s *stream) anomalous(v *reports.Violation) (all []span) {
	if v.TraceID != "" || v.Outcome != drivers.Acked.String() || v.ID != s.Identity.Text(v.Seq) {
		return nil
	}
	for i, at := range v.Attempts {
		all = append(all, s.attempt(v.Seq, i+1, time.Duration(at.SentNS), time.Duration(at.DoneNS), at.Outcome, at.Code))
	}
	if len(all) == 0 && v.SentNS != nil && v.DoneNS != nil {
		all = append(all, s.attempt(v.Seq, 0, time.Duration(*v.SentNS), time.Duration(*v.DoneNS), v.Outcome, ""))
	}
	for i := range all {
		all[i].Attributes = append(all[i].Attributes, attribute.String("wringer.sampled", byAnomaly), attribute.String("wringer.anomaly", v.Kind))
	}
	return all
}

// runSpan is the span of a run. Its events are the faults.
func runSpan(run *reports.Run) span {
	epoch := run.Started.Add(time.Duration(run.WarmupNS))
	out := span{tracetest.SpanStub{
		Name: "run " + run.Name, SpanContext: contextOf(drivers.Identity{Run: run.ID}, 0, 0), SpanKind: trace.SpanKindInternal,
		StartTime: run.Started, EndTime: epoch.Add(time.Duration(run.DurationNS)),
		Attributes: []attribute.KeyValue{
			attribute.String("wringer.run", run.ID), attribute.String("wringer.scenario", run.Name), attribute.Int64("wringer.seed", run.Seed),
			attribute.String("wringer.verdict", string(run.Verdict)),
		},
	}}
	if run.Verdict == reports.Fail {
		out.Status = sdk.Status{Code: codes.Error, Description: "fail"}
	}
	for i := range run.Faults {
		f := &run.Faults[i]
		if f.NotInjected {
			continue
		}
		about := sdk.Event{Name: "fault injected", Time: epoch.Add(time.Duration(f.StartNS)), Attributes: []attribute.KeyValue{
			attribute.String("wringer.fault", f.Name), attribute.String("wringer.fault.kind", f.Kind), attribute.Bool("wringer.fault.touched", f.Bit),
		}}
		over := about
		over.Name, over.Time = "fault ended", epoch.Add(time.Duration(f.EndNS))
		out.Events = append(out.Events, about, over)
	}
	return out
}
