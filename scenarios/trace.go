package scenarios

import (
	"net/url"
	"reflect"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/reports"
)

// Trace is what a stream's requests carry of traces.
type Trace struct {
	Headers []string       `yaml:"headers" jsonschema:"enum=traceparent,enum=b3,enum=X-Amzn-Trace-Id" jsonschema_description:"The headers that carry the trace: traceparent (W3C), b3 (Zipkin), X-Amzn-Trace-Id (AWS). Default traceparent and b3."`
	Sampled *drivers.Ratio `yaml:"sampled" jsonschema_description:"The share of the operations whose headers say that they are sampled, so that services record their spans. Default: all; where OTEL_ variables name a collector, what OTEL_TRACES_SAMPLER says."`

	off bool // trace: false
}

// usualTraceHeaders are those of trace: true.
var usualTraceHeaders = []string{drivers.HeaderTraceparent, drivers.HeaderB3}

// Asked says whether the scenario asks for traces.
func (t *Trace) Asked() bool { return t != nil && !t.off }

// Refused says whether the scenario wants no traces in any case.
func (t *Trace) Refused() bool { return t != nil && t.off }

// decodeNode reads true, false, or a table.
func (t *Trace) decodeNode(d *decoder, n *node, name string) {
	if n.kind == table {
		d.table(n, name, reflect.ValueOf(t).Elem(), nil)
		t.check(d, n)
	} else {
		var on bool
		d.scalar(n, name, reflect.ValueOf(&on).Elem())
		t.off = !on
	}
	if len(t.Headers) == 0 {
		t.Headers = usualTraceHeaders
	}
}

func (t *Trace) check(d *decoder, n *node) {
	if at := n.get("headers"); at != nil && at.kind == list && len(at.items) == 0 {
		d.problem(at, "headers: is empty; leave the key out for %s", strings.Join(usualTraceHeaders, " and "))
	}
	if at := n.get("sampled"); at != nil && t.Sampled != nil && *t.Sampled > 1 {
		d.problem(at, "sampled: is a share of the operations, at most 100%%")
	}
}

// checkTraceURL: a report links to it, so it is a page, and says where the id stands.
func (r *reader) checkTraceURL(s *Scenario) {
	at := r.root.get("trace_url")
	if at == nil || r.reportedAt(at) {
		return
	}
	u, err := url.Parse(s.TraceURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.Contains(s.TraceURL, reports.TraceID) {
		r.problem(at, "trace_url: write the address of the page that shows a trace, as in https://jaeger.example/trace/%s", reports.TraceID)
	}
}

// untraced is the reason why the stream's requests cannot carry the trace that it asks for, empty when they can. able are the drivers
// that add one.
func (s *Stream) untraced(able []string) string {
	d := s.Describe()
	if !d.Traces {
		return notOffered(able, s.DriverName)
	}
	for _, own := range d.OwnTrace {
		if slices.ContainsFunc(s.Trace.Headers, func(name string) bool { return strings.EqualFold(name, own) }) {
			return "sets " + own + " itself: take it out of headers or metadata, or take trace away"
		}
	}
	return ""
}

// Tracing is what the stream's requests carry of traces. exported is what they carry where the scenario says nothing: the zero value
// where no collector is named. Headers that the stream sets itself are left alone.
func (s *Stream) Tracing(exported drivers.Trace) drivers.Trace {
	d := s.Describe()
	out := exported
	switch {
	case s.Trace.Asked():
		out = drivers.NewTrace(1, s.Trace.Headers...)
		if len(exported.Headers) > 0 {
			out.Sampled = exported.Sampled
		}
		if s.Trace.Sampled != nil {
			out.Sampled = *s.Trace.Sampled
		}
	case s.Trace.Refused() || !d.Traces:
		return drivers.Trace{}
	case len(exported.Headers) == 0 && len(d.OwnTrace) > 0:
		return drivers.Trace{Sampled: 1} // the scenario's own templates ask for it
	}
	out.Headers = slices.DeleteFunc(slices.Clone(out.Headers), func(h drivers.TraceHeader) bool { return slices.Contains(d.OwnTrace, h.Name) })
	return out
}
