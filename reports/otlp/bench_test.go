package otlp

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"

	"wringer/reports"
)

// nowhere takes every span.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []trace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                          { return nil }

// BenchmarkTake is the cost for the traffic: of an operation that is not sampled, and of one that is.
func BenchmarkTake(b *testing.B) {
	for name, begun := range map[string]reports.Begun{"unsampled": unsampled(), "sampled": orders} {
		b.Run(name, func(b *testing.B) {
			x, err := newSpans(b.Context(), Config{}, nowhere{})
			if err != nil {
				b.Fatal(err)
			}
			x.Begin(begun)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for e := single(1, time.Millisecond); p.Next(); {
					x.Ended("orders", e)
				}
			})
			b.StopTimer()
			_ = x.Close(b.Context()) // spans that came too fast are no failure here
			b.ReportMetric(float64(x.missing)/float64(b.N), "missing/op")
		})
	}
}

func unsampled() reports.Begun {
	b := orders
	b.Trace.Sampled = 0
	return b
}
