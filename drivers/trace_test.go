package drivers

import (
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A trace id names its run, stream and operation, and no other stream takes it for its own.
func TestTraceTellsItsOperation(t *testing.T) {
	ours, other := Identity{Run: "abcdefgh", Stream: "orders"}, Identity{Run: "abcdefgh", Stream: "stock"}
	read, foreign := ours.TraceReader(), other.TraceReader()
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint64().Draw(t, "seq")
		id := ours.Trace(seq)
		if got, ok := read.Parse(id); !ok || got != seq {
			t.Fatalf("%x is operation %d, %v; want %d", id, got, ok, seq)
		}
		if _, ok := foreign.Parse(id); ok {
			t.Fatalf("%x belongs to another stream too", id)
		}
	})
}

// Every header of an attempt carries the operation's trace, the attempt's span, and whether the operation is sampled. They can be
// computed again.
func TestTraceHeaders(t *testing.T) {
	parsers := map[string]func([]byte) (TraceID, bool){HeaderTraceparent: ParseTraceparent, HeaderB3: ParseB3, HeaderAmazon: ParseAmazon}
	for _, sampled := range []Ratio{0, 1} {
		env := &Env{Identity: Identity{Run: "abcdefgh", Stream: "orders"}, Trace: NewTrace(sampled, TraceHeaderNames()...)}
		for _, h := range env.Trace.Headers {
			text, err := CompileTemplate(h.Template)
			if err != nil {
				t.Fatal(err)
			}
			for attempt := 1; attempt < 3; attempt++ {
				op := &Op{Seq: 41, Attempt: attempt}
				value := string(text.Append(nil, env, op))
				span := env.Identity.Span(41, attempt)
				id, ok := parsers[h.Name]([]byte(value))
				if !ok || id != env.Identity.Trace(41) || !strings.Contains(value, hex.EncodeToString(span[:])) || value[len(value)-1] != '0'+byte(sampled) {
					t.Errorf("%s of attempt %d: %s", h.Name, attempt, value)
				}
			}
		}
	}
}

// Spans differ by operation and by attempt.
func TestSpansDiffer(t *testing.T) {
	id, seen := Identity{Run: "abcdefgh", Stream: "orders"}, make(map[SpanID]bool)
	for seq := range uint64(1000) {
		for attempt := range 4 {
			seen[id.Span(seq, attempt)] = true
		}
	}
	if len(seen) != 4000 || seen[SpanID{}] {
		t.Errorf("%d spans of 4000", len(seen))
	}
}

// A share of the operations is sampled. It is the same whoever asks.
func TestTraceSamplesAShare(t *testing.T) {
	id, trace, sampled := Identity{Run: "abcdefgh", Stream: "orders"}, NewTrace(0.1), 0
	for seq := range uint64(10_000) {
		if trace.Samples(id.Trace(seq)) {
			sampled++
		}
	}
	if sampled < 900 || sampled > 1100 {
		t.Errorf("%d of 10000 are sampled", sampled)
	}
}

func TestParseTraceRefuses(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	for _, text := range []string{"", "00", "00-" + zeros + "-0000000000000001-01", "00-xyz", "ff-" + strings.Repeat("a", 32) + "-0000000000000001-01"} {
		if id, ok := ParseTraceparent([]byte(text)); ok {
			t.Errorf("%q is the trace %x", text, id)
		}
	}
	for _, text := range []string{"", "0", "0123456789abcdef", zeros, zeros + "x"} {
		if id, ok := ParseB3([]byte(text)); ok {
			t.Errorf("b3 %q is the trace %x", text, id)
		}
	}
	for _, text := range []string{"", "Root=1-", "Root=1-" + zeros[:8] + "-" + zeros[:24], "Root=1-0af76519_16cd43dd8448eb211c80319c", "Self=1-0af76519-16cd43dd8448eb211c80319c"} {
		if id, ok := ParseAmazon([]byte(text)); ok {
			t.Errorf("X-Amzn-Trace-Id %q is the trace %x", text, id)
		}
	}
	if got := TraceHeadersIn(nil, map[string]string{"B3": "1", "X": "1"}); len(got) != 1 || got[0] != HeaderB3 {
		t.Errorf("own headers of a trace: %q", got)
	}
}

// No header of a trace crashes its parser. What is parsed is written in the header's text.
func FuzzParseTrace(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1")
	f.Add("Self=1;Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func([]byte) (TraceID, bool){ParseTraceparent, ParseB3, ParseAmazon} {
			id, ok := parse([]byte(text))
			digits := strings.ReplaceAll(strings.ToLower(text), "-", "")
			if ok && (id == TraceID{} || !strings.Contains(digits, hex.EncodeToString(id[:]))) {
				t.Errorf("%q is the trace %x", text, id)
			}
		}
	})
}
