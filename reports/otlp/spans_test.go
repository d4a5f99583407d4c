package otlp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	pb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"wringer/drivers"
	"wringer/reports"
)

var orders = reports.Begun{
	Stream: "orders", Epoch: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), Identity: drivers.Identity{Run: "r1", Stream: "orders"},
	Trace: drivers.NewTrace(1, drivers.HeaderTraceparent), Windows: []string{"baseline", "slow"}, Faults: []string{"", "slow"},
}

// retried is an operation that was acked at its second attempt.
func retried() *reports.Ended {
	first := drivers.Attempt{Number: 1, Sent: 11 * time.Millisecond, Done: 15 * time.Millisecond, Status: 503, Answered: true}
	first.Fail(drivers.Indeterminate, "http_503", "a body with a secret")
	second := drivers.Attempt{Number: 2, Sent: 20 * time.Millisecond, Done: 21 * time.Millisecond, Outcome: drivers.Acked, Status: 201, Answered: true}
	return &reports.Ended{
		Op: drivers.Op{Seq: 7, Planned: 10 * time.Millisecond}, Window: 1, Outcome: drivers.Acked,
		Sent: first.Sent, Done: second.Done, Trail: []drivers.Attempt{first, second},
	}
}

// single is an operation of one attempt, with that response time; it failed if it took no time.
func single(seq uint64, took time.Duration) *reports.Ended {
	at := drivers.Attempt{Number: 1, Done: took, Outcome: drivers.Acked, Answered: true}
	if took == 0 {
		at.Fail(drivers.Indeterminate, drivers.CodeTimeout, "")
		at.Answered = false
	}
	return &reports.Ended{Op: drivers.Op{Seq: seq}, Outcome: at.Outcome, Done: took, Trail: []drivers.Attempt{at}}
}

func open(t *testing.T) *Spans {
	t.Helper()
	s, err := FromEnv(os.Getenv)
	if err != nil || !s.Traces.On {
		t.Fatalf("%+v, %v", s, err)
	}
	x, err := NewSpans(t.Context(), Config{Signal: s.Traces, Version: "v9"})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Each attempt is a span with the ids that its headers had, below a span of the operation where there are several. Faults are events of
// the run's span. No text of an answer and no header of the collector is in them.
func TestEachAttemptIsASpan(t *testing.T) {
	for _, protocol := range []string{protocolHTTP, protocolGRPC} {
		t.Run(protocol, func(t *testing.T) {
			c := honest(t, protocol)
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=ci")
			x := open(t)
			x.Begin(orders)
			x.Ended("orders", retried())
			x.Conclude(&reports.Run{
				Name: "checkout", ID: "r1", Started: orders.Epoch, Verdict: reports.Fail, DurationNS: int64(time.Minute),
				Faults: []reports.Fault{{Name: "slow", Kind: "latency", StartNS: 1, EndNS: 2, Bit: true}, {Name: "never", NotInjected: true}},
			}, nil)
			if err := x.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(c.spans) != 4 {
				t.Fatalf("%d spans: %v", len(c.spans), c.spans)
			}
			id := orders.Identity.Trace(7)
			whole := orders.Identity.Span(7, 0)
			for i, number := range []int{1, 2, 0} {
				s, span := c.spans[i], orders.Identity.Span(7, number)
				if string(s.TraceId) != string(id[:]) || string(s.SpanId) != string(span[:]) || number > 0 && string(s.ParentSpanId) != string(whole[:]) || s.Name != "orders" {
					t.Errorf("attempt %d: %v", number, s)
				}
			}
			if c.spans[0].Status.Code != pb.Status_STATUS_CODE_ERROR || c.spans[1].Status.GetCode() == pb.Status_STATUS_CODE_ERROR {
				t.Errorf("statuses %v, %v", c.spans[0].Status, c.spans[1].Status)
			}
			if run := c.spans[3]; run.Name != "run checkout" || len(run.Events) != 2 || run.Events[0].Name != "fault injected" {
				t.Errorf("the run: %v", run)
			}
			if text := fmt.Sprint(c.spans); strings.Contains(text, "secret") || c.header != "secret" {
				t.Errorf("header %q, spans %s", c.header, text)
			}
			if c.resource["service.name"] != "wringer" || c.resource["service.version"] != "v9" || c.resource["deployment.environment"] != "ci" {
				t.Errorf("resource %v", c.resource)
			}
		})
	}
}

// An operation in the evidence that was not sampled gets its spans at the end; one that was has them already.
func TestAnomaliesAreSpans(t *testing.T) {
	c := honest(t, protocolHTTP)
	x := open(t)
	begun := orders
	begun.Trace.Sampled = 0
	x.Begin(begun)
	lost := reports.Violation{Kind: "lost", Stream: "orders", ID: "r1.orders.3", Seq: 3, Outcome: "acked", Attempts: []reports.Try{{SentNS: 1, DoneNS: 2, Outcome: "acked"}}}
	sampled, foreign := lost, lost
	sampled.TraceID, foreign.ID = "1", "other"
	x.Conclude(new(reports.Run), []reports.Violation{lost, sampled, foreign})
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := orders.Identity.Span(3, 1)
	if len(c.spans) != 2 || string(c.spans[1].SpanId) != string(want[:]) || !strings.Contains(fmt.Sprint(c.spans[1]), byAnomaly) {
		t.Errorf("%v", c.spans)
	}
}

// What is not sampled by head is chosen for what became of it: a bounded number a second.
func TestInterestingOperationsAreChosen(t *testing.T) {
	s := &stream{Begun: orders}
	s.Trace.Sampled = 0
	for seq, c := range []struct {
		ended *reports.Ended
		want  string
	}{
		{single(0, 9), ""}, {single(1, 0), byFailure}, {single(2, 99), ""}, {new(reports.Ended), ""},
	} {
		if got := s.choose(c.ended); got != c.want {
			t.Errorf("operation %d is chosen as %q, want %q", seq, got, c.want)
		}
	}
	s.second()
	if got := []string{s.choose(single(4, 99)), s.choose(single(5, 100))}; got[0] != "" || got[1] != bySlow {
		t.Errorf("after a second with 99: %q", got)
	}
	chosen := 0
	for range 3 * interesting {
		if s.choose(single(6, 0)) != "" {
			chosen++
		}
	}
	if chosen != interesting-1 { // and the slow one
		t.Errorf("%d were chosen in a second", chosen)
	}
	s.Trace.Sampled = 1
	if got := s.choose(single(7, 1)); got != byHead {
		t.Errorf("a sampled one is chosen as %q", got)
	}
}

// lies are collectors that take nothing.
var lies = map[string]http.HandlerFunc{
	"429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
	"503": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	"400": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(strings.Repeat("no", 4096)))
	},
	"partial": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
		body, _ := proto.Marshal(&traces.ExportTraceServiceResponse{PartialSuccess: &traces.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "too many"}})
		_, _ = w.Write(body)
	},
	"hangs": func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the client went away
		<-r.Context().Done()
	},
	"resets": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
}

// A collector that takes nothing holds up nobody: no operation waits, every span is counted, and Close ends with its context.
func TestCollectorsThatLie(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(lie)
			defer server.Close()
			named(t, protocolHTTP, server.URL)
			lied(t)
		})
	}
	t.Run("away", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		named(t, protocolHTTP, server.URL)
		lied(t)
	})
	t.Run("away, gRPC", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		named(t, protocolGRPC, server.URL)
		lied(t)
	})
}

func lied(t *testing.T) {
	x := open(t)
	x.Begin(orders)
	const all = waiting + 3*batchSpans
	one := single(1, time.Millisecond)
	for range all {
		x.Ended("orders", one)
	}
	end, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := x.Close(end)
	if err == nil || x.missing != all {
		t.Errorf("%d of %d missing: %v", x.missing, all, err)
	}
	if err != nil && (len(err.Error()) > 1000 || strings.Contains(err.Error(), "secret")) {
		t.Errorf("the error tells too much: %.200s", err)
	}
	x.Ended("orders", one) // of a driver that was stuck
	if x.missing != all+1 {
		t.Errorf("%d missing after the end", x.missing)
	}
}
