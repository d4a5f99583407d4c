package grpc

import (
	"context"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// BenchmarkDo is a whole call over loopback to a target in the same process.
func BenchmarkDo(b *testing.B) {
	g := startTarget(b, []string{"v1"})
	defer g.close()
	d, err := reserve(g).Open(b.Context(), drivertest.NewEnv(b, time.Now()))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		s, err := d.Session()
		if err != nil {
			b.Error(err)
			return
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		defer cancel()
		var op drivers.Op
		var at drivers.Attempt
		for p.Next() {
			op.Seq++
			at.Reset(1, 0)
			if s.Do(ctx, &op, &at); at.Outcome != drivers.Acked {
				b.Error(at)
				return
			}
		}
	})
}

// BenchmarkConverse is a bidirectional call of ten identified messages over loopback, to a target in the same
// process.
func BenchmarkConverse(b *testing.B) {
	g := startTarget(b, []string{"v1"})
	defer g.close()
	c := talking(g)
	c.Stream.Messages = 10
	d, err := c.Open(b.Context(), drivertest.NewEnv(b, time.Now()))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	s, err := d.Session()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var op drivers.Op
	var at drivers.Attempt
	b.ReportAllocs()
	for b.Loop() {
		op.Seq++
		at.Reset(1, 0)
		if s.Do(b.Context(), &op, &at); at.Outcome != drivers.Acked || at.Messages.Received != 10 {
			b.Fatal(at)
		}
	}
}
