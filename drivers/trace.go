package drivers

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// TraceID is the trace id of W3C Trace Context and of B3. The zero value is none.
type TraceID [16]byte

// SpanID is the id of one attempt within its operation's trace.
type SpanID [8]byte

// The headers that carry a trace: W3C Trace Context, the single and the multiple headers of B3, and AWS X-Ray. In gRPC they are
// metadata.
const (
	HeaderTraceparent = "traceparent"
	HeaderB3          = "b3"
	HeaderB3TraceID   = "X-B3-TraceId"
	HeaderAmazon      = "X-Amzn-Trace-Id"
)

// TraceHeader is a header that carries a trace, with the template of its value.
type TraceHeader struct{ Name, Template string }

// traceHeaders are all that a stream can send.
var traceHeaders = []TraceHeader{
	{HeaderTraceparent, "{{traceparent}}"}, {HeaderB3, "{{b3}}"}, {HeaderAmazon, "{{xray}}"},
}

// TraceHeaderNames are the names of the headers that a stream can send.
func TraceHeaderNames() (names []string) {
	for _, h := range traceHeaders {
		names = append(names, h.Name)
	}
	return names
}

// Trace says what requests carry of the trace of their operation. The zero value is nothing.
type Trace struct {
	// Headers are those that each request carries.
	Headers []TraceHeader
	// Sampled is the share of the operations whose headers ask services to record spans.
	Sampled Ratio
}

// NewTrace is the Trace with the headers of those names. Case does not matter; an unknown name is left out.
func NewTrace(sampled Ratio, names ...string) Trace {
	t := Trace{Sampled: sampled}
	for _, h := range traceHeaders {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, h.Name) }) {
			t.Headers = append(t.Headers, h)
		}
	}
	return t
}

// Samples says whether an operation with this trace id is sampled. It decides as the ratio samplers of OpenTelemetry's SDKs do.
func (t Trace) Samples(id TraceID) bool {
	const whole = 1 << 63
	return t.Sampled >= 1 || binary.BigEndian.Uint64(id[8:])>>1 < uint64(t.Sampled*whole)
}

// Trace is the trace id of operation seq. Its first half names run and stream. The second half is the number, mixed so that samplers
// that compare trace ids with a bound find them evenly spread.
func (id Identity) Trace(seq uint64) (t TraceID) {
	binary.BigEndian.PutUint64(t[:8], id.traceHalf())
	binary.BigEndian.PutUint64(t[8:], mixTrace(seq))
	return t
}

// Span is the span id of an attempt of operation seq. Attempt 0 is the operation itself.
func (id Identity) Span(seq uint64, attempt int) (s SpanID) {
	n := mixTrace(id.traceHalf() ^ mixTrace(seq) + uint64(attempt))
	binary.BigEndian.PutUint64(s[:], max(n, 1)) // a span id of zeros is invalid
	return s
}

// TraceReader reads the trace ids of one stream's operations. Safe for concurrent use.
type TraceReader struct{ half uint64 }

// TraceReader returns a reader of the stream's trace ids.
func (id Identity) TraceReader() TraceReader { return TraceReader{id.traceHalf()} }

// Parse returns the operation of a trace id; false when it is another's.
func (r TraceReader) Parse(t TraceID) (seq uint64, ours bool) {
	if binary.BigEndian.Uint64(t[:8]) != r.half {
		return 0, false
	}
	return unmixTrace(binary.BigEndian.Uint64(t[8:])), true
}

// traceHalf is the hash of run and stream (FNV-1a), mixed; it is never 0, because a trace id of zeros is invalid.
func (id Identity) traceHalf() uint64 {
	h := uint64(14695981039346656037)
	for _, text := range []string{id.Run, ".", id.Stream} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	return mixTrace(h) | 1
}

// mixTrace is the finalizer of SplitMix64, which can be undone.
func mixTrace(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func unmixTrace(x uint64) uint64 {
	x = (x ^ x>>31 ^ x>>62) * 0x319642b2d24d8ec3
	x = (x ^ x>>27 ^ x>>54) * 0x96de1b173f119089
	return x ^ x>>30 ^ x>>60
}

// ParseTraceparent reads the value of a traceparent header (W3C Trace Context, 3.2). It allocates nothing.
func ParseTraceparent(value []byte) (t TraceID, ok bool) {
	if len(value) < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-' || string(value[:2]) == "ff" {
		return t, false
	}
	return parseTrace(value[3:35])
}

// ParseB3 reads the value of a b3 or an X-B3-TraceId header. A trace id of 64 bits is another's: ours have 128.
func ParseB3(value []byte) (t TraceID, ok bool) {
	if len(value) < 32 || len(value) > 32 && value[32] != '-' {
		return t, false
	}
	return parseTrace(value[:32])
}

// ParseAmazon reads the value of an X-Amzn-Trace-Id header: Root=1-8 digits-24 digits. It allocates nothing.
func ParseAmazon(value []byte) (t TraceID, ok bool) {
	const before, mark, length = 7, 8, 24
	at := bytes.Index(value, []byte("Root=1-"))
	if at < 0 || len(value) < at+before+mark+1+length || value[at+before+mark] != '-' {
		return t, false
	}
	id := value[at+before:]
	_, err1 := hex.Decode(t[:mark/2], id[:mark])
	_, err2 := hex.Decode(t[mark/2:], id[mark+1:mark+1+length])
	return t, err1 == nil && err2 == nil && t != TraceID{}
}

func parseTrace(text []byte) (t TraceID, ok bool) {
	_, err := hex.Decode(t[:], text)
	return t, err == nil && t != TraceID{}
}

// tracePlaces are the places of templates that write a trace. The span id is the attempt's.
var tracePlaces = map[string]Place{
	"traceparent": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		trace, span, sampled := env.traceOf(op)
		dst = hex.AppendEncode(append(dst, "00-"...), trace[:])
		dst = hex.AppendEncode(append(dst, '-'), span[:])
		return append(dst, '-', '0', sampled)
	},
	"b3": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		trace, span, sampled := env.traceOf(op)
		dst = hex.AppendEncode(dst, trace[:])
		dst = hex.AppendEncode(append(dst, '-'), span[:])
		return append(dst, '-', sampled)
	},
	"xray": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		trace, span, sampled := env.traceOf(op)
		dst = hex.AppendEncode(append(dst, "Root=1-"...), trace[:4])
		dst = hex.AppendEncode(append(dst, '-'), trace[4:])
		dst = hex.AppendEncode(append(dst, ";Parent="...), span[:])
		return append(append(dst, ";Sampled="...), sampled)
	},
}

// traceOf returns the ids of the attempt under way, and the digit that says whether the operation is sampled.
func (env *Env) traceOf(op *Op) (t TraceID, s SpanID, sampled byte) {
	t, s, sampled = env.Identity.Trace(op.Seq), env.Identity.Span(op.Seq, op.Attempt), '0'
	if env.Trace.Samples(t) {
		sampled = '1'
	}
	return t, s, sampled
}

// TraceHeadersIn lists the headers of a trace that headers or metadata set themselves.
func TraceHeadersIn(headers ...map[string]string) (set []string) {
	for _, h := range traceHeaders {
		if slices.ContainsFunc(headers, func(m map[string]string) bool { return holds(m, h.Name) }) {
			set = append(set, h.Name)
		}
	}
	return set
}

func holds(headers map[string]string, name string) bool {
	for set := range headers {
		if strings.EqualFold(set, name) {
			return true
		}
	}
	return false
}
