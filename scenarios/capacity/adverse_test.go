package capacity

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers/drivertest/tier"
)

// out is a service that refuses everything for a time.
type out struct {
	*workers
	from, to time.Time
}

func (o *out) serve(ctx context.Context) error {
	if now := time.Now(); now.After(o.from) && now.Before(o.to) {
		return errors.New("out of service")
	}
	return o.workers.serve(ctx)
}

// A service that is away for a while, or for good, in the midst of a search says nothing of a load: no bound that is certain excludes the
// truth.
func TestOutOfService(t *testing.T) {
	tier.Slow(t, "searches of some minutes in virtual time")
	for seed := range uint64(*rounds) {
		for _, d := range []time.Duration{2 * time.Second, 20 * time.Second, 70 * time.Second, time.Hour} {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, uint64(d)))
				n, service := 1+r.IntN(4), time.Duration(20+r.IntN(60))*time.Millisecond
				begin := time.Duration(20+r.IntN(330)) * time.Second
				b := built{make: func() target {
					return &out{newWorkers(n, fixed(service)), time.Now().Add(begin), time.Now().Add(begin + d)}
				}, truth: float64(n) / service.Seconds()}
				a, _ := searched(t, b, dir, false)
				wrong := a.Lower != nil && a.Lower.Certain && a.Lower.At > b.truth*1.01 || a.Upper != nil && a.Upper.Certain && a.Upper.At < b.truth*0.99
				if wrong {
					t.Errorf("seed %d, %s from %s, truth %.1f: %s", seed, d, begin, b.truth, a.Why)
				}
			})
			os.RemoveAll(dir)
		}
	}
}
