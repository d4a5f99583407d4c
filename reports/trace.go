package reports

import (
	"encoding/hex"
	"strings"

	"wringer/drivers"
)

// TraceID stands for a trace's id in the address of a page that shows it: Run.TraceURL.
const TraceID = "{trace_id}"

// TraceRef leads to the trace of an operation that was sent sampled. The zero value leads nowhere.
type TraceRef struct {
	TraceID  string `json:"trace_id,omitempty"`
	TraceURL string `json:"trace_url,omitempty"` // of the page that shows it
}

// TraceOf leads to the trace of an operation. id is its identity: an identity that is not of this run and stream has no trace.
func (r *Run) TraceOf(stream string, seq uint64, id string) TraceRef {
	s := r.Streams[stream]
	identity := drivers.Identity{Run: r.ID, Stream: stream}
	if s == nil || s.TracesSampled == nil || identity.Text(seq) != id {
		return TraceRef{}
	}
	trace := identity.Trace(seq)
	if !(drivers.Trace{Sampled: drivers.Ratio(*s.TracesSampled)}).Samples(trace) {
		return TraceRef{}
	}
	ref := TraceRef{TraceID: hex.EncodeToString(trace[:])}
	if r.TraceURL != "" {
		ref.TraceURL = strings.ReplaceAll(r.TraceURL, TraceID, ref.TraceID)
	}
	return ref
}

// LinkTraces fills in the traces of the slowest operations and of the evidence.
func (r *Run) LinkTraces(evidence []Violation) {
	for name, s := range r.Streams {
		for i := range s.Slowest {
			one := &s.Slowest[i]
			one.TraceRef = r.TraceOf(name, one.Seq, one.ID)
		}
	}
	for i := range evidence {
		v := &evidence[i]
		v.TraceRef = r.TraceOf(v.Stream, v.Seq, v.ID)
	}
}
