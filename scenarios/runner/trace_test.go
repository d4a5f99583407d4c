package runner

import (
	"context"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
)

// traced is a memory driver that can send traces.
type traced struct{ memory }

func (*traced) Describe() drivers.Description { return drivers.Description{Traces: true} }

// The slowest operations lead to their traces, where these are sampled. Each attempt has its own number.
func TestTheSlowestLeadToTheirTraces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		attempts := make(map[int]int)
		d := &traced{memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			mu.Lock()
			attempts[op.Attempt]++
			mu.Unlock()
			if op.Seq%2 == 0 && at.Number == 1 {
				at.Fail(drivers.Indeterminate, drivers.CodeReset, "")
				return
			}
			ack(ctx, at, time.Duration(1+op.Seq%50)*time.Millisecond)
		}}}
		s := openStream("a", 100, &d.memory)
		s.Driver = d
		half := drivers.Ratio(0.5)
		s.Trace = &scenarios.Trace{Headers: []string{drivers.HeaderTraceparent}, Sampled: &half}
		s.Retry = &scenarios.Retry{Attempts: 2, Backoff: time.Millisecond, Jitter: scenarios.JitterNone}
		sc := scenario(t, scenarios.Timing{Duration: 5 * time.Second}, []scenarios.Stream{s})
		sc.TraceURL = "http://jaeger.test/trace/" + reports.TraceID
		run := mustRun(t, t.Context(), sc, Options{})
		if attempts[1] != 500 || attempts[2] != 250 || len(attempts) != 2 {
			t.Errorf("attempts by number: %v", attempts)
		}
		slowest := run.Streams["a"].Slowest
		if len(slowest) != 3 || *run.Streams["a"].TracesSampled != 0.5 {
			t.Fatalf("%+v", slowest)
		}
		for i, one := range slowest {
			id := drivers.Identity{Run: run.ID, Stream: "a"}.Trace(one.Seq)
			want := hex.EncodeToString(id[:])
			if !(drivers.Trace{Sampled: half}).Samples(id) || one.TraceID != want || one.TraceURL != "http://jaeger.test/trace/"+want {
				t.Errorf("%+v", one)
			}
			if i > 0 && one.ResponseNS > slowest[i-1].ResponseNS {
				t.Errorf("%d ns after %d ns", one.ResponseNS, slowest[i-1].ResponseNS)
			}
		}
	})
}
